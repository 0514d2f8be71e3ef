"""The door to files: tasks that someone saved, and tasks to save."""

from __future__ import annotations

import contextlib
import errno
import glob
import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa

from exportstats.core import schema
from exportstats.errors import ArgumentError, ExportStatsError, FileFormatError
from exportstats.io import json_blocks, records
from exportstats.io.csv_table import read_csv, write_csv
from exportstats.io.parquet_table import MAGIC, read_parquet, write_parquet
from exportstats.io.source import STDIN, open_source
from exportstats.io.whole import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    import pandas as pd

    from exportstats.io.records import Rows

_LINES = (".jsonl", ".ndjson")
_PACKINGS = (".gz", ".zst")
_HEAD = 2**20  # what tells the kind of a file: two lines and more
_PACKING_LEVEL = 6  # gzip's own; Python's, 9, takes three times as long for 1 % less
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SLICE = 50_000  # rows that are Python objects at one time


def read_tasks(*paths: str | os.PathLike[str], strict: bool = False) -> pd.DataFrame:
    """Read export tasks from files.

    What a file holds is told by its content: the JSON of `aws logs describe-export-tasks` (a page,
    pages one after another, or one merged object), a list of tasks, tasks one after another, JSON
    Lines, or CSV or Parquet with the columns of a table of tasks; all but Parquet also packed by
    gzip or zstd. In JSON, `accountId`, `region` and `observedAt` (milliseconds) may stand beside
    what AWS says of a task. Files of any size are read in little more memory than the table takes.

    Parameters
    ----------
    *paths
        Files, patterns such as `"exports/**/*.json"`, or "-" for standard input.
    strict
        Refuse all of it when one row cannot be a task. Otherwise such rows are left out and
        reported by a `BadRowsWarning` with their place and reason.

    Returns
    -------
    DataFrame
        One table of tasks of all files, each task once in its latest state. Times are
        `datetime64[ms, UTC]`, durations `timedelta64[ms]`.

    Raises
    ------
    ArgumentError
        No path was given, or nothing is there, or it is a folder.
    FileFormatError
        A file is broken, empty, or of something else; the text names file, line and column.
    BadRowsError
        `strict`, and a row cannot be a task.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "tasks.json")
    ...     _ = file.write_text('{"exportTasks": [{"taskId": "a", "from": 0, "to": 59999}]}')
    ...     tasks = read_tasks(file)
    >>> tasks["window"].iloc[0]
    Timedelta('0 days 00:01:00')
    """
    if not paths:
        raise ArgumentError('nothing to read: give a file, a pattern, or "-" for standard input')
    found = dict.fromkeys(chain.from_iterable(_find(path) for path in paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = chain.from_iterable(_read(path, pool) for path in found)
        return records.to_table(rows, strict=strict)


def write_tasks(tasks: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table of tasks to a file, from which `read_tasks` reads the same table.

    The suffix says how: `.json` is one object in AWS's own shape, `.jsonl` and `.ndjson` are JSON
    Lines, `.csv` is for spreadsheets and cannot do anything in them, `.parquet` is smallest and
    fastest. Each but the last also with `.gz` or `.zst`. The derived columns are left out, for
    reading computes them. The file takes its place when all of it is written.

    Parameters
    ----------
    tasks
        A table of tasks.
    path
        The file; one that is there is replaced.

    Raises
    ------
    SchemaError
        It is no table of tasks.
    ArgumentError
        The suffix is none of these, or the file cannot be written there.
    ExportStatsError
        There is no room for it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.conform(pd.DataFrame({"task_id": ["a"], "creation_time": [1437584472856]}))
    >>> with TemporaryDirectory() as folder:
    ...     write_tasks(tasks, Path(folder, "tasks.csv.gz"))
    ...     read_tasks(Path(folder, "tasks.csv.gz")).equals(tasks)
    True
    """
    schema.validate(tasks)
    target = Path(path).expanduser()
    kind, packing = _kind_of(target)
    if kind not in _WRITERS or (packing and kind == ".parquet"):
        raise ArgumentError(
            f"how to write {str(path)!r} is told by its suffix, which is one of "
            f"{', '.join(_WRITERS)}, each but .parquet also with {' or '.join(_PACKINGS)}"
        )
    slices = (tasks.iloc[at : at + _SLICE] for at in range(0, max(len(tasks), 1), _SLICE))
    try:
        # resolved, for a link is to stay one
        with whole_file(target.resolve()) as file, _packed(file, packing) as stream:
            _WRITERS[kind](slices, stream)
    except OSError as error:
        refusal = ExportStatsError if error.errno in _NO_ROOM else ArgumentError
        raise refusal(f"{str(path)!r} cannot be written: {error.strerror}") from error


def _find(path: str | os.PathLike[str]) -> list[str]:
    """Give the files that a path or a pattern means."""
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise ArgumentError(f"a path is text or a Path, not {type(path).__name__}") from None
    if name == STDIN:
        return [name]
    name = os.path.expanduser(name)  # noqa: PTH111 - a path keeps the form it was given in
    if Path(name).is_dir():
        raise ArgumentError(f"{name!r} is a folder; name the files in it, as {name}/*.json does")
    if Path(name).exists():
        return [name]
    found = [one for one in sorted(glob.glob(name, recursive=True)) if not Path(one).is_dir()]  # noqa: PTH207
    if not found:
        raise ArgumentError(f"there is no file {name!r}")
    return found


def _read(path: str, pool: Executor) -> Iterator[Rows]:
    """Read one file as what its first bytes say it is."""
    with open_source(path) as source:
        source.fill(_HEAD)
        head = source.data[source.at : source.at + _HEAD]
        start = head.lstrip()[:1]
        kind, _ = _kind_of(Path(path))
        if head.startswith(MAGIC):
            if not source.is_plain:
                raise FileFormatError(f"{source.name}: Parquet is read from a plain file alone")
            yield from read_parquet(path)
        elif not start:
            # A command that failed leaves an empty file; but no tasks are no lines.
            if kind not in _LINES:
                raise FileFormatError(f"{source.name}: it is empty")
        elif json_blocks.is_lines(head):
            yield from json_blocks.read_lines(source, pool)
        elif start in b"{[":
            yield from json_blocks.read_values(source, pool)
        elif kind == ".csv" or b"task_id" in head.splitlines()[0]:
            yield from read_csv(source, pool)
        else:
            raise source.fault(
                f"neither JSON nor CSV nor Parquet of tasks: it begins with {head[:20]!r}. "
                "The AWS CLI gives JSON with --output json"
            )


def _kind_of(path: Path) -> tuple[str, str]:
    """Give the suffix of a file's name, and that of what packed it."""
    last = path.suffix.lower()
    return (Path(path.stem).suffix.lower(), last) if last in _PACKINGS else (last, "")


@contextlib.contextmanager
def _packed(file: IO[bytes], packing: str) -> Iterator[IO[bytes]]:
    if packing == ".gz":
        # neither name nor time, so that the same tasks are the same bytes
        with gzip.GzipFile("", "wb", _PACKING_LEVEL, file, mtime=0) as stream:
            yield cast("IO[bytes]", stream)
    elif packing == ".zst":
        with pa.CompressedOutputStream(file, "zstd") as stream:
            yield stream
    else:
        yield file


def _write_lines(tables: Iterable[pd.DataFrame], stream: IO[bytes]) -> None:
    for lines in _encode(tables):
        stream.write(b"\n".join([*lines, b""]))


def _write_page(tables: Iterable[pd.DataFrame], stream: IO[bytes]) -> None:
    stream.write(b'{"exportTasks": [')
    between = b"\n"
    for lines in _encode(tables):
        if lines:
            stream.write(between + b",\n".join(lines))
            between = b",\n"
    stream.write(b"\n]}\n")


def _encode(tables: Iterable[pd.DataFrame]) -> Iterator[list[bytes]]:
    """Give each table's tasks as JSON without line ends."""
    import msgspec  # noqa: PLC0415 - slow to import, and reading does without

    encode = msgspec.json.Encoder().encode
    for tasks in tables:
        yield [encode(task) for task in records.to_json(tasks)]


_WRITERS: dict[str, Callable[[Iterable[pd.DataFrame], IO[bytes]], None]] = {
    ".json": _write_page,
    ".jsonl": _write_lines,
    ".ndjson": _write_lines,
    ".csv": write_csv,
    ".parquet": write_parquet,
}
