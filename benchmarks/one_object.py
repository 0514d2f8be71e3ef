"""From one big indented object, as the AWS CLI prints it, to a typed frame."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import exportstats as xs
from benchmarks import made_up

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1_000_000
BASELINE = "json and json_normalize"

_TIMES = ("from", "to", "executionInfo.creationTime", "executionInfo.completionTime")


@contextlib.contextmanager
def prepare(size: int) -> Iterator[Path]:
    """Write the file, a task at a time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks.json")
        with path.open("w") as file:
            file.write('{\n    "exportTasks": [')
            for number in range(size):
                task = json.dumps(made_up.task(number), indent=4).replace("\n", "\n        ")
                file.write(("," if number else "") + "\n        " + task)
            file.write("\n    ]\n}\n")
        yield path


def with_json(path: Path) -> pd.DataFrame:
    """Decode it with the standard library, then json_normalize."""
    frame = pd.json_normalize(json.loads(path.read_text())["exportTasks"])
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def with_exportstats(path: Path) -> pd.DataFrame:
    """Read a table of tasks."""
    return xs.read_tasks(path)


def check(frame: pd.DataFrame, size: int) -> None:
    """See that all is there."""
    assert len(frame) == size


CONTESTANTS = {"json and json_normalize": with_json, "exportstats": with_exportstats}
