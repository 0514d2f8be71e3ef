"""From one indented JSON object, as the AWS CLI prints it, to a typed DataFrame."""

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


@contextlib.contextmanager
def prepare(size: int) -> Iterator[Path]:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks.json")
        with path.open("w") as file:
            made_up.write_page(file, size)
        yield path


def with_json(path: Path) -> pd.DataFrame:
    """Decode it with the standard library, then json_normalize."""
    frame = pd.json_normalize(json.loads(path.read_text())["exportTasks"])
    return made_up.with_times(frame)


def with_exportstats(path: Path) -> pd.DataFrame:
    """Read a table of tasks."""
    return xs.read_tasks(path)


CONTESTANTS = {"json and json_normalize": with_json, "exportstats": with_exportstats}
