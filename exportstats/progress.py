"""Progress bars."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_Item = TypeVar("_Item")


def steps(items: Iterable[_Item], what: str) -> Iterable[_Item]:
    """Iterate over the steps of a long computation, with a progress bar."""
    if not is_watched():
        return items
    from tqdm.auto import tqdm  # noqa: PLC0415 - slow to import

    return tqdm(items, desc=what, leave=False, delay=1)


def is_watched() -> bool:
    """Return whether the output is a terminal or a notebook."""
    return sys.stderr.isatty() or "ipykernel.kernelapp" in sys.modules
