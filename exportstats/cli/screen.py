"""A table in the terminal that is shown anew in its place, for as long as one looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.text import Text

from exportstats.cli.output import fitted
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from rich.console import RenderableType

_FRAME = 6  # lines that are no rows: the title, the head, how many are cut off, the cursor's


class Screen:
    """The place of a table; what is told meanwhile stays above it."""

    def __init__(self) -> None:
        self._live = Live(auto_refresh=False)

    def __enter__(self) -> Self:
        """Begin below what stands there."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last table standing."""
        self._live.stop()

    def tell(self, text: str) -> None:
        """Write a line above the table, to stay; what goes to stderr would be overwritten."""
        self._live.console.print(Text(plain(text)))

    def show(self, view: pd.DataFrame, *, title: str, notes: Sequence[str]) -> None:
        """Show a table, as many of its rows as there is room for, with notes below it."""
        console = self._live.console
        room = max(console.height - _FRAME - len(notes), 1)
        more = len(view) - room
        below = [f"… and {more:,} more", *notes] if more > 0 else notes
        shown: list[RenderableType] = [Text(title, style="bold")]
        if len(view):
            shown += [Text(), fitted(view[:room], console)[0]]
        shown += [Text(plain(line)) for line in below]
        self._live.update(Group(*shown), refresh=True)
