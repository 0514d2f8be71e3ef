"""The options that several commands have."""

from __future__ import annotations

import glob
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Kind = Literal["table", "csv", "json", "markdown"]
_Command = TypeVar("_Command", bound="Callable[..., Any]")
_HEAD = 2**12  # bytes that tell the kind of a file

# How files begin that one of the same kind may replace.
PICTURES = {
    ".png": re.compile(rb"\x89PNG\r\n"),
    ".svg": re.compile(rb"(?s)\s*<(\?xml.*<svg|svg)\b"),
    ".pdf": re.compile(rb"%PDF-"),
}
# What `write_tasks` takes; it is not asked, for it would import pandas.
TABLES: dict[str, re.Pattern[bytes] | None] = dict.fromkeys(
    [
        ".parquet",
        *(
            kind + packing
            for kind in (".csv", ".jsonl", ".ndjson", ".json")
            for packing in ("", ".gz", ".zst")
        ),
    ]
)


class NewFile(click.Path):
    """A file to write: of a kind that its ending tells, in a folder that is there.

    What exists under the name is replaced only if it is of that kind, too; anything else is
    somebody's own.
    """

    def __init__(self, kinds: Mapping[str, re.Pattern[bytes] | None]) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)
        self._kinds = kinds

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Refuse what cannot be written before there is anything to lose."""
        path = Path(os.path.expanduser(value))  # noqa: PTH111 - `~nobody` is a name like any other
        try:
            super().convert(path, param, ctx)
            exists = _exists(path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.fail(f"{str(path)!r} cannot be written: {why}", param, ctx)
        ending = next(
            (one for one in self._kinds if path.name.lstrip(".").lower().endswith(one)), None
        )
        if ending is None:
            self.fail(
                f"the ending of {str(path)!r} says no format; give one of {', '.join(self._kinds)}",
                param,
                ctx,
            )
        folder = Path(os.path.realpath(path)).parent
        if not os.access(folder, os.W_OK):
            self.fail(
                f"there is no folder {str(path.parent)!r} that one may write to; "
                "make it, or name another place",
                param,
                ctx,
            )
        if exists and (kind := self._kinds[ending]) is not None and not _begins(path, kind):
            self.fail(
                f"{str(path)!r} is there, and is no {ending} that this command has written; "
                "remove it, or name another place",
                param,
                ctx,
            )
        return path


class NewFolder(click.Path):
    """A folder to write into, which is made if it is not there."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Refuse what can be no folder; an empty text is a variable that is not set."""
        path = Path(os.path.expanduser(value))  # noqa: PTH111 - `~nobody` is a name like any other
        try:
            super().convert(path, param, ctx)
            path.exists()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.fail(f"{str(path)!r} cannot be written: {why}", param, ctx)
        if not value:
            self.fail("'' is no folder; give . for this one", param, ctx)
        there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
        if not os.access(there, os.W_OK):
            self.fail(f"nothing can be written into {str(there)!r}; name another", param, ctx)
        return path


def _exists(path: Path) -> bool:
    """Return whether a file is there; what is no file is refused."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        raise ValueError("it is not a regular file")
    return True


def _begins(path: Path, kind: re.Pattern[bytes]) -> bool:
    """Return whether a file begins as one of a kind does, or is empty."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return not head or kind.match(head) is not None


def new_file_option(
    *names: str,
    kinds: Mapping[str, re.Pattern[bytes] | None],
    **more: Any,  # noqa: ANN401 - click's own
) -> Callable[[_Command], _Command]:
    """Make an option for a file to write, which is refused before there is anything to lose."""
    return click.option(*names, type=NewFile(kinds), **more)


def refuse_inputs(ctx: click.Context) -> None:
    """Refuse to write what is read.

    Raises
    ------
    ArgumentError
        A file that an option of a command is to write is one of those that others read.
    """
    outputs = {
        param.opts[-1]: path
        for param in ctx.command.params
        if isinstance(param.type, NewFile) and (path := ctx.params.get(param.name or ""))
    }
    for option, path in outputs.items():
        for one in _inputs(ctx) if path.exists() else ():
            if one.exists() and path.samefile(one):
                raise ArgumentError(
                    f"{option} {path} is the file {one} that is read; name another place"
                )
    for param in ctx.command.params:
        if isinstance(param.type, NewFolder) and (folder := ctx.params.get(param.name or "")):
            _refuse_inside(ctx, param.opts[-1], folder)


def _refuse_inside(ctx: click.Context, option: str, folder: Path) -> None:
    """Refuse to write into an input folder, which would be read with the output next time."""
    for given in ctx.params.get("source") or ():
        there = os.path.realpath(os.path.expanduser(given))  # noqa: PTH111 - as reading does it
        if os.path.isdir(there) and Path(os.path.realpath(folder)).is_relative_to(there):  # noqa: PTH112 - no error of a NUL
            raise ArgumentError(
                f"{option} {folder} is in the input folder {given}; name another folder"
            )


def _inputs(ctx: click.Context) -> Iterator[Path]:
    """Return the files that a command is to read."""
    for name in ("source", "log_groups_from", "targets_file"):
        given = ctx.params.get(name) or ()
        for one in given if isinstance(given, tuple) else (given,):
            yield from _files_of(one)


def _files_of(given: str | Path) -> Iterator[Path]:
    """Return the files that a path, a folder or a pattern means."""
    path = Path(os.path.expanduser(given))  # noqa: PTH111 - as reading does it
    try:
        if path.is_dir():
            yield from path.rglob("*")
        elif path.exists():
            yield path
        else:
            yield from map(Path, glob.iglob(str(path), recursive=True))  # noqa: PTH207 - the same
    except (OSError, ValueError):
        return  # whoever reads it says so


format_option = click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json", "markdown"]),
    default="table",
    show_default=True,
    help="How to print; csv and json are for machines, durations in seconds.",
)
plot_option = new_file_option(
    "--plot", "chart", kinds=PICTURES, help="Draw the same table too: a .png, .svg or .pdf."
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
    """Return the columns that --by named, be it once for each or with commas."""
    return [name for text in by for name in text.split(",")] or None
