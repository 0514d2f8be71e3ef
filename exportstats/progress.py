"""Progress bars."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_Item = TypeVar("_Item")


def steps(items: Iterable[_Item], what: str) -> Iterable[_Item]:
    """Iterate over the steps of a long computation, with a progress bar."""
    if not is_shown():
        return items
    from tqdm.auto import tqdm  # noqa: PLC0415 - slow to import

    return tqdm(items, desc=what, leave=False, delay=1)


def is_shown(*, asked: bool | None = None) -> bool:
    """Return whether to show progress; by default only in a terminal or a notebook."""
    return sys.stderr.isatty() or "ipykernel.kernelapp" in sys.modules if asked is None else asked
