"""The bars that show how far something long is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable

_Item = TypeVar("_Item")


def steps(items: Iterable[_Item], what: str) -> Iterable[_Item]:
    """Go through the steps of something long, with a bar while somebody looks."""
    return tqdm(items, desc=what, leave=False, delay=1, disable=not is_watched())


def is_watched() -> bool:
    """Tell whether somebody looks at what is written: in a terminal or in a notebook."""
    return sys.stderr.isatty() or "ipykernel.kernelapp" in sys.modules
