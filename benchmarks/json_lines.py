"""From JSON Lines with one task per line to a typed DataFrame."""

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

_TYPES = """{taskId: 'VARCHAR', taskName: 'VARCHAR', logGroupName: 'VARCHAR', "from": 'BIGINT',
 "to": 'BIGINT', destination: 'VARCHAR', destinationPrefix: 'VARCHAR',
 status: 'STRUCT(code VARCHAR, message VARCHAR)',
 executionInfo: 'STRUCT(creationTime BIGINT, completionTime BIGINT)'}"""
_QUERY = f"""
select taskId, taskName, logGroupName, epoch_ms("from") as "from", epoch_ms("to") as "to",
 destination, destinationPrefix, status.code as "status.code", status.message as "status.message",
 epoch_ms(executionInfo.creationTime) as created, epoch_ms(executionInfo.completionTime) as ended
from read_json($path, format = 'newline_delimited', columns = {_TYPES})
"""  # noqa: S608 - a constant


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
    """Read the lines with pandas, then flatten the nested columns."""
    frame = pd.read_json(path, lines=True, convert_dates=False)
    for name in ("status", "executionInfo"):
        inner = pd.DataFrame(frame.pop(name).tolist()).add_prefix(f"{name}.")
        frame = frame.join(inner)
    return made_up.with_times(frame)


def with_json_normalize(path: Path) -> pd.DataFrame:
    """Decode each line with the standard library, then json_normalize."""
    with path.open() as file:
        return made_up.with_times(pd.json_normalize([json.loads(line) for line in file]))


def with_duckdb(path: Path) -> pd.DataFrame:
    """Read the lines with DuckDB into typed columns."""
    return duckdb.execute(_QUERY, {"path": str(path)}).df()


def with_exportstats(path: Path) -> pd.DataFrame:
    """Read a table of tasks."""
    return xs.read_tasks(path)


CONTESTANTS = {
    "read_json": with_read_json,
    "json_normalize": with_json_normalize,
    "DuckDB": with_duckdb,
    "exportstats": with_exportstats,
}
