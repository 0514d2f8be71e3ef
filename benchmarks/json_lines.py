"""From JSON Lines, a task a line, to a typed frame."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

import exportstats as xs
from benchmarks import made_up

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1_000_000
BASELINE = "read_json"

_TIMES = ("from", "to", "executionInfo.creationTime", "executionInfo.completionTime")
_TYPES = """{taskId: 'VARCHAR', taskName: 'VARCHAR', logGroupName: 'VARCHAR', "from": 'BIGINT',
 "to": 'BIGINT', destination: 'VARCHAR', destinationPrefix: 'VARCHAR',
 status: 'STRUCT(code VARCHAR, message VARCHAR)',
 executionInfo: 'STRUCT(creationTime BIGINT, completionTime BIGINT)'}"""
_QUERY = f"""
select taskId, taskName, logGroupName, epoch_ms("from") as "from", epoch_ms("to") as "to",
 destination, destinationPrefix, status.code as "status.code", status.message as "status.message",
 epoch_ms(executionInfo.creationTime) as created, epoch_ms(executionInfo.completionTime) as ended
from read_json($path, format = 'newline_delimited', columns = {_TYPES})
"""  # noqa: S608 - nothing of it comes from outside


@contextlib.contextmanager
def prepare(size: int) -> Iterator[Path]:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks.jsonl")
        with path.open("w") as file:
            for number in range(size):
                file.write(json.dumps(made_up.task(number)) + "\n")
        yield path


def with_read_json(path: Path) -> pd.DataFrame:
    """Let pandas read the lines, then flatten what is nested."""
    frame = pd.read_json(path, lines=True, convert_dates=False)
    for name in ("status", "executionInfo"):
        inner = pd.DataFrame(frame.pop(name).tolist()).add_prefix(f"{name}.")
        frame = frame.join(inner)
    return _with_times(frame)


def with_json_normalize(path: Path) -> pd.DataFrame:
    """Decode each line with the standard library, then json_normalize."""
    with path.open() as file:
        return _with_times(pd.json_normalize([json.loads(line) for line in file]))


def with_duckdb(path: Path) -> pd.DataFrame:
    """Let DuckDB read the lines with typed columns."""
    return duckdb.execute(_QUERY, {"path": str(path)}).df()


def with_exportstats(path: Path) -> pd.DataFrame:
    """Read a table of tasks."""
    return xs.read_tasks(path)


def _with_times(frame: pd.DataFrame) -> pd.DataFrame:
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def check(frame: pd.DataFrame, size: int) -> None:
    """See that all is there."""
    assert len(frame) == size


CONTESTANTS = {
    "read_json": with_read_json,
    "json_normalize": with_json_normalize,
    "DuckDB": with_duckdb,
    "exportstats": with_exportstats,
}
