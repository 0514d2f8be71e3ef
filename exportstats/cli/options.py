"""Options that several commands share."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from exportstats.errors import ArgumentError, ExportStatsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["table", "csv", "json", "markdown"]
_HEAD = 2**12  # bytes that identify the format of a file

# How files of a format begin; a file is replaced only by one of the same format.
PICTURES = {
    ".png": re.compile(rb"\x89PNG\r\n"),
    ".svg": re.compile(rb"(?s)\s*<(\?xml.*<svg|svg)\b"),
    ".pdf": re.compile(rb"%PDF-"),
}
# The suffixes of `write_tasks`, written out here because importing them would import pandas.
# The options for tables beside the tasks.
BESIDE = ("log_groups_from", "deliveries_from", "api_calls_from", "incoming_from")
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


class _NewPath(click.Path):
    """A path to write to, checked before any work is done."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Return the path, or refuse it."""
        path = Path(os.path.expanduser(value))  # noqa: PTH111 - `~nobody` is a name like any other
        try:
            super().convert(path, param, ctx)
            refusal = self.refusal_of(path) if value else "'' is not a path; use . for this folder"
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            refusal = f"{str(path)!r} cannot be written: {why}"
        if refusal:
            self.fail(refusal, param, ctx)
        return path

    def refusal_of(self, path: Path) -> str | None:
        """Return why a path cannot be written."""
        raise NotImplementedError


class NewFile(_NewPath):
    """A file to write, in an existing folder and with the suffix of a known format.

    An existing file is replaced only if it has the same format.
    """

    def __init__(self, kinds: Mapping[str, re.Pattern[bytes] | None]) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)
        self._kinds = kinds

    def refusal_of(self, path: Path) -> str | None:
        """Return why a file cannot be written."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(path.stat().st_mode):
                return f"{str(path)!r} cannot be written: it is not a regular file"
        name = path.name.lstrip(".").lower()
        ending = next((one for one in self._kinds if name.endswith(one)), None)
        if ending is None:
            return (
                f"the suffix of {str(path)!r} is not a supported format; "
                f"use one of {', '.join(self._kinds)}"
            )
        if not os.access(Path(os.path.realpath(path)).parent, os.W_OK):
            return (
                f"the folder {str(path.parent)!r} does not exist or is not writable; "
                "create it or choose another"
            )
        if path.exists() and (kind := self._kinds[ending]) is not None and not _begins(path, kind):
            return (
                f"{str(path)!r} exists and is not a {ending} file that this command wrote; "
                "remove it or choose another path"
            )
        return None


class NewFolder(_NewPath):
    """A folder to write into, which is created if it does not exist."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def refusal_of(self, path: Path) -> str | None:
        """Return why a folder cannot be written."""
        there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
        if os.access(there, os.W_OK):
            return None
        return f"the folder {str(there)!r} is not writable; choose another"


def _begins(path: Path, kind: re.Pattern[bytes]) -> bool:
    """Return whether a file has a format or is empty."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return not head or kind.match(head) is not None


def refuse_inputs(ctx: click.Context) -> None:
    """Refuse to write to a file that the command reads."""
    for param in ctx.command.params:
        path = ctx.params.get(param.name or "")
        if isinstance(param.type, NewFolder) and path:
            _refuse_inside(ctx, param.opts[-1], path)
        if isinstance(param.type, NewFile) and path and path.exists():
            for one in _inputs(ctx):
                if one.exists() and path.samefile(one):
                    raise ArgumentError(
                        f"{param.opts[-1]} {path} is the input file {one}; choose another file"
                    )


def _refuse_inside(ctx: click.Context, option: str, folder: Path) -> None:
    """Refuse to write into an input folder: the next run would read the output as input."""
    for given in ctx.params.get("source") or ():
        there = os.path.realpath(os.path.expanduser(given))  # noqa: PTH111 - as reading does it
        if os.path.isdir(there) and Path(os.path.realpath(folder)).is_relative_to(there):  # noqa: PTH112 - no error of a NUL
            raise ArgumentError(
                f"{option} {folder} is in the input folder {given}; choose another folder"
            )


def _inputs(ctx: click.Context) -> Iterator[Path]:
    """Yield the files that a command reads."""
    from exportstats.io.files import find

    for name in ("source", *BESIDE, "targets_file"):
        given = ctx.params.get(name) or ()
        for one in given if isinstance(given, tuple) else (given,):
            with contextlib.suppress(ExportStatsError):  # reading it raises the error
                yield from map(Path, find(one))


def _columns(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[str] | None:
    """Return the columns of --by, which may be repeated or contain commas."""
    return [name for text in given for name in text.split(",")] or None


def _freq(_: click.Context, __: click.Parameter, freq: str | None) -> str | None:
    """Refuse an unknown frequency."""
    if freq is not None:
        from exportstats.stats.calendars import calendar_of

        calendar_of(freq, "UTC")
    return freq


FORMAT = click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json", "markdown"]),
    default="table",
    show_default=True,
    help="The output format. In csv and json, durations are in seconds.",
)
OUTPUT = click.option(
    "-o",
    "--output",
    "file",
    type=NewFile(TABLES),
    required=True,
    help="The file to write: .parquet, .csv, .jsonl or .json. All but .parquet may add .gz or "
    ".zst.",
)
ADD_TO = click.option(
    "-o",
    "--output",
    "file",
    type=NewFile(TABLES),
    help="Also add the result to this file: .parquet, .csv, .jsonl or .json. All but .parquet may "
    "add .gz or .zst.",
)
PLOT = click.option(
    "--plot",
    "chart",
    type=NewFile(PICTURES),
    help="Also draw a chart and save it to this .png, .svg or .pdf file.",
)
BY = click.option(
    "--by",
    multiple=True,
    callback=_columns,
    metavar="COLUMN",
    help="Group by these columns, such as log_group_name or account_id,region.",
)
FREQ = click.option(
    "--freq",
    callback=_freq,
    metavar="FREQ",
    help="Group by creation time, in UTC: h, D, W, MS (months), QS, YS, or a multiple such as 6h.",
)
