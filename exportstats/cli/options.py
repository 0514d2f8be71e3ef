"""The options that several commands have."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["table", "csv", "json", "markdown"]
_Command = TypeVar("_Command", bound="Callable[..., Any]")

PICTURES = (".png", ".svg", ".pdf")
# What `write_tasks` takes; it is not asked, for it would import pandas.
TABLES = (
    ".parquet",
    *(
        kind + packing
        for kind in (".csv", ".jsonl", ".ndjson", ".json")
        for packing in ("", ".gz", ".zst")
    ),
)


def new_file_option(
    *names: str,
    endings: tuple[str, ...],
    **more: Any,  # noqa: ANN401 - click's own
) -> Callable[[_Command], _Command]:
    """Make an option for a file to write, which is refused before there is anything to lose."""
    return click.option(
        *names,
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        callback=functools.partial(_writable, endings=endings),
        **more,
    )


def _writable(
    ctx: click.Context, param: click.Parameter, path: Path | None, *, endings: tuple[str, ...]
) -> Path | None:
    if path is None:
        return None
    path = path.expanduser()
    if not path.name.lstrip(".").lower().endswith(endings):
        raise click.BadParameter(
            f"the ending of {str(path)!r} says no format; give one of {', '.join(endings)}",
            ctx,
            param,
        )
    if not os.access(path.parent, os.W_OK):
        raise click.BadParameter(
            f"there is no folder {str(path.parent)!r} that one may write to; "
            "make it, or name another place",
            ctx,
            param,
        )
    return path


format_option = click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json", "markdown"]),
    default="table",
    show_default=True,
    help="How to print; csv and json are for machines, durations in seconds.",
)
plot_option = new_file_option(
    "--plot", "chart", endings=PICTURES, help="Draw the same table too: a .png, .svg or .pdf."
)
by_option = click.option(
    "--by",
    multiple=True,
    metavar="COLUMN",
    help="Group by this column, such as log_group_name or account_id,region; may be given again.",
)
freq_option = click.option(
    "--freq",
    metavar="FREQ",
    help="Group by when tasks were created, in UTC: h, D, W, MS (months), QS or YS, or several "
    "as in 6h.",
)


def columns(by: tuple[str, ...]) -> list[str] | None:
    """Give the columns that --by named, be it once for each or with commas."""
    return [name for text in by for name in text.split(",")] or None
