"""The bars that show how far something long is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self, TypeVar

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exportstats.loaders.load import Load

_Item = TypeVar("_Item")


class Bar:
    """The progress of loads: what came so far and its rate, and of many targets how many ended."""

    def __init__(self, what: str, *, shown: bool | None, targets: int) -> None:
        self._what = what
        self._targets = targets
        shown = is_watched() if shown is None else shown
        self._bar = tqdm(desc=what, unit=f" {what.rpartition(' ')[2]}", disable=not shown)

    def __enter__(self) -> Self:
        """Show it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it as it is at the end."""
        self._bar.close()

    def look(self, loads: Sequence[Load]) -> None:
        """Show how far some loads are."""
        if self._targets > 1:
            failed = sum(load.fault is not None for load in loads)
            ended = sum(load.ended for load in loads)
            self._bar.set_postfix_str(
                f"{ended} of {self._targets} targets, {failed} failed", refresh=False
            )
        else:
            where = loads[0].region or ""
            self._bar.set_description_str(f"{self._what} {where}".strip(), refresh=False)
        self._bar.update(sum(load.items for load in loads) - self._bar.n)
        self._bar.refresh()


def steps(items: Iterable[_Item], what: str) -> Iterable[_Item]:
    """Go through the steps of something long, with a bar while somebody looks."""
    return tqdm(items, desc=what, leave=False, delay=1, disable=not is_watched())


def is_watched() -> bool:
    """Tell whether somebody looks at what is written: in a terminal or in a notebook."""
    return sys.stderr.isatty() or "ipykernel.kernelapp" in sys.modules
