"""The options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

Kind = Literal["table", "csv", "json", "markdown"]

format_option = click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json", "markdown"]),
    default="table",
    show_default=True,
    help="How to print.",
)
plot_option = click.option(
    "--plot",
    "chart",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Draw the same table into this file (.png, .svg, .pdf).",
)
by_option = click.option(
    "--by", multiple=True, metavar="COLUMN", help="Group by this column; may be given again."
)
freq_option = click.option(
    "--freq", metavar="FREQ", help="Also by calendar period of creation, in UTC: D, W, MS."
)


def columns(by: tuple[str, ...]) -> list[str] | None:
    """Give the columns that --by named, be it once for each or with commas."""
    return [name for text in by for name in text.split(",")] or None
