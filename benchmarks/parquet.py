"""From Parquet to a typed DataFrame: our own file, and one with strings and microseconds."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import exportstats as xs
from benchmarks.made_up import DAY, START

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1_000_000
COLUMNS = ["log_group_name", "status_code", "creation_time", "observed_at", "duration"]
BASELINE = "read_parquet, own file"


@contextlib.contextmanager
def prepare(size: int) -> Iterator[Path]:
    """Write both files."""
    with tempfile.TemporaryDirectory() as folder:
        number = np.arange(size)
        created = START + number * 30_000
        group = pd.Series(number % 997).astype("str")
        tasks = xs.conform(
            pd.DataFrame(
                {
                    "task_id": pd.Series(pd.util.hash_array(number)).map("{:032x}".format),
                    "task_name": "nightly-" + pd.Series(number // 12).astype("str"),
                    "log_group_name": "/aws/lambda/acme-service-" + group,
                    "from_time": created - 2 * DAY,
                    "to_time": created - DAY - 1,
                    "destination": "acme-logs-archive-" + pd.Series(number % 7).astype("str"),
                    "destination_prefix": "nightly/service-" + group,
                    "status_code": "COMPLETED",
                    "status_message": "Completed successfully",
                    "creation_time": created,
                    "completion_time": created + 20_000 + number % 9_973,
                }
            )
        )
        xs.write_tasks(tasks, Path(folder, "own.parquet"))
        plain = tasks.drop(columns=["duration", "window"])
        kinds = {
            name: "str" if isinstance(kind, pd.CategoricalDtype) else "datetime64[us, UTC]"
            for name, kind in plain.dtypes.items()
            if not isinstance(kind, pd.StringDtype)
        }
        plain.astype(kinds).to_parquet(Path(folder, "foreign.parquet"))
        yield Path(folder)


CONTESTANTS = {
    "read_parquet, own file": lambda folder: pd.read_parquet(folder / "own.parquet"),
    "exportstats, own file": lambda folder: xs.read_tasks(folder / "own.parquet"),
    "exportstats, some columns": lambda folder: xs.read_tasks(
        folder / "own.parquet", columns=COLUMNS
    ),
    "read_parquet, foreign file": lambda folder: pd.read_parquet(folder / "foreign.parquet"),
    "exportstats, foreign file": lambda folder: xs.read_tasks(folder / "foreign.parquet"),
}
