"""Write tables to files."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa

from exportstats.core import frames
from exportstats.core.schema import API_CALLS, DELIVERIES, INCOMING, LOG_GROUPS, TASKS, Table
from exportstats.errors import ArgumentError, ExportStatsError
from exportstats.io.csv_text import write_csv
from exportstats.io.json_text import to_json
from exportstats.io.parquet import write_parquet
from exportstats.io.whole import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

_WRITTEN_COMPRESSIONS = (".gz", ".zst")
_GZIP_LEVEL = 6  # gzip's default; Python's default, 9, takes three times as long for 1 % less
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SLICE = 50_000  # rows that are held as Python objects at once
_COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")


def write_tasks(tasks: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table of tasks to a file, from which `read_tasks` reads the same table.

    The suffix selects the format: `.json` is one object in AWS's shape, `.jsonl` and `.ndjson` are
    JSON Lines, `.csv` is for spreadsheets and contains no formulas, and `.parquet` is the smallest
    and fastest. All but `.parquet` can also have `.gz` or `.zst`. Derived columns are not written,
    because reading computes them. An existing file is replaced only when everything is written.

    Parameters
    ----------
    tasks
        A table of tasks.
    path
        The file, which is replaced if it exists.

    Raises
    ------
    SchemaError
        `tasks` is not a table of tasks.
    ArgumentError
        The suffix is unknown, or the file cannot be written.
    ExportStatsError
        There is no space left.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.conform(pd.DataFrame({"task_id": ["a"], "creation_time": [1437584472856]}))
    >>> with TemporaryDirectory() as folder:
    ...     xs.write_tasks(tasks, Path(folder, "tasks.csv.gz"))
    ...     xs.read_tasks(Path(folder, "tasks.csv.gz")).equals(tasks)
    True
    """
    _write(TASKS, tasks, path)


def write_log_groups(log_groups: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table of log groups to a file, as `write_tasks` writes tasks.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import exportstats as xs
    >>> log_groups = xs.sample_log_groups()
    >>> with TemporaryDirectory() as folder:
    ...     xs.write_log_groups(log_groups, Path(folder, "log_groups.parquet"))
    ...     xs.read_log_groups(Path(folder, "log_groups.parquet")).equals(log_groups)
    True
    """
    _write(LOG_GROUPS, log_groups, path)


def write_deliveries(deliveries: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table of deliveries to a file, as `write_tasks` writes tasks.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import exportstats as xs
    >>> deliveries = xs.sample_deliveries()
    >>> with TemporaryDirectory() as folder:
    ...     xs.write_deliveries(deliveries, Path(folder, "deliveries.parquet"))
    ...     xs.read_deliveries(Path(folder, "deliveries.parquet")).equals(deliveries)
    True
    """
    _write(DELIVERIES, deliveries, path)


def write_api_calls(api_calls: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table of API calls to a file, as `write_tasks` writes tasks.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import exportstats as xs
    >>> api_calls = xs.sample_api_calls()
    >>> with TemporaryDirectory() as folder:
    ...     xs.write_api_calls(api_calls, Path(folder, "api_calls.parquet"))
    ...     xs.read_api_calls(Path(folder, "api_calls.parquet")).equals(api_calls)
    True
    """
    _write(API_CALLS, api_calls, path)


def write_incoming(incoming: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table of what log groups took in to a file, as `write_tasks` writes tasks.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import exportstats as xs
    >>> incoming = xs.sample_incoming()
    >>> with TemporaryDirectory() as folder:
    ...     xs.write_incoming(incoming, Path(folder, "incoming.parquet"))
    ...     xs.read_incoming(Path(folder, "incoming.parquet")).equals(incoming)
    True
    """
    _write(INCOMING, incoming, path)


def _write(kind: Table, table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    rows = frames.check(table, kind).rename(columns=str)
    # do not write categories of rows that were filtered out
    texts = rows.select_dtypes("category")
    rows = rows.assign(**{str(name): texts[name].cat.remove_unused_categories() for name in texts})
    target = Path(path).expanduser()
    ending, compression = kind_of(target)
    if ending not in WRITERS or (
        compression and (ending == ".parquet" or compression not in _WRITTEN_COMPRESSIONS)
    ):
        raise ArgumentError(
            f"the suffix of {str(path)!r} is not a known format; give one of "
            f"{', '.join(WRITERS)}, all except .parquet also with "
            f"{' or '.join(_WRITTEN_COMPRESSIONS)}"
        )
    slices = (rows.iloc[at : at + _SLICE] for at in range(0, max(len(rows), 1), _SLICE))
    try:
        with whole_file(target) as file, _compressed(file, compression) as stream:
            WRITERS[ending](slices, stream, kind)
    except OSError as error:
        refusal = ExportStatsError if error.errno in NO_ROOM else ArgumentError
        remedy = "; make room, or choose another path" * (error.errno in NO_ROOM)
        raise refusal(f"{str(path)!r} cannot be written: {error.strerror}{remedy}") from error


def kind_of(path: Path) -> tuple[str, str]:
    """Return the suffixes of the format and of the compression."""
    last = path.suffix.lower()
    return (Path(path.stem).suffix.lower(), last) if last in _COMPRESSIONS else (last, "")


@contextlib.contextmanager
def _compressed(file: IO[bytes], compression: str) -> Iterator[IO[bytes]]:
    if compression == ".gz":
        # without name and time, so that the same tasks result in the same bytes
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as stream:
            yield cast("IO[bytes]", stream)
    elif compression == ".zst":
        # the stream closes its file, but the caller still needs it
        twin = os.fdopen(os.dup(file.fileno()), "wb")
        with twin, pa.CompressedOutputStream(twin, "zstd") as stream:
            yield stream
    else:
        yield file


def _write_json(
    tables: Iterable[pd.DataFrame],
    stream: IO[bytes],
    kind: Table,
    around: tuple[bytes, bytes, bytes] = (b"", b"\n", b"\n"),
) -> None:
    """Write rows as JSON, with the given bytes before, between and after them."""
    import msgspec  # noqa: PLC0415 - slow to import, and only needed to write

    encode = msgspec.json.Encoder(enc_hook=str).encode  # an own column may hold anything
    before, between, after = around
    stream.write(before)
    separator = b""
    for rows in tables:
        for row in to_json(rows, kind):
            stream.write(separator + encode(row))
            separator = between
    stream.write(after if separator or before else b"")


def _write_page(tables: Iterable[pd.DataFrame], stream: IO[bytes], kind: Table) -> None:
    opening = b'{"%s": [\n' % kind.member.encode()
    _write_json(tables, stream, kind, (opening, b",\n", b"\n]}\n"))


WRITERS: dict[str, Callable[[Iterable[pd.DataFrame], IO[bytes], Table], None]] = {
    ".json": _write_page,
    ".jsonl": _write_json,
    ".ndjson": _write_json,
    ".csv": write_csv,
    ".parquet": write_parquet,
}
