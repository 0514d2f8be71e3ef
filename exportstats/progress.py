"""Progress bars."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable

_Item = TypeVar("_Item")


def steps(items: Iterable[_Item], what: str) -> Iterable[_Item]:
    """Iterate over the steps of a long computation, with a progress bar."""
    return tqdm(items, desc=what, leave=False, delay=1, disable=not is_watched())


def is_watched() -> bool:
    """Return whether the output is a terminal or a notebook."""
    return sys.stderr.isatty() or "ipykernel.kernelapp" in sys.modules
