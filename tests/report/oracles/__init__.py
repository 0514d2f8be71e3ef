"""What each rule of the report has to find, in plain Python: by its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles import retention

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.facts import Facts, Told

ORACLES: dict[str, Callable[[Facts], Told | None]] = {
    "lost": retention.lost,
    "expiring": retention.expiring,
}
