"""Expect and simulate the queues of many slots, each with 50 exports and 1,000 runs."""

from __future__ import annotations

import contextlib
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

import exportstats as xs
from benchmarks.made_up import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 300  # slots
BASELINE = "read_parquet of the tasks"
EXPORTS, RUNS = 50, 1000
_DAYS = 28
_START = pd.Timestamp("2026-11-01", tz="UTC")
_SPACING = 900_000  # a quarter of an hour from one export of a slot to the next
_TYPICAL, _SPREAD = 300_000, 0.3


class World(NamedTuple):
    """The file and the table of the tasks of four weeks, and the exports that these suggest."""

    path: Path
    tasks: pd.DataFrame
    exports: pd.DataFrame


@contextlib.contextmanager
def prepare(size: int) -> Iterator[World]:
    """Let each log group of each slot be exported once a day."""
    drawn = np.random.default_rng(0)
    slot, group, day = (
        values.ravel()
        for values in np.meshgrid(*map(np.arange, (size, EXPORTS, _DAYS)), indexing="ij")
    )
    midnight = int(_START.timestamp() * 1000) - (_DAYS - day) * DAY
    created = midnight + group * _SPACING + drawn.integers(0, 60_000, len(slot))
    lasted = (_TYPICAL * drawn.lognormal(0, _SPREAD, len(slot))).astype("int64")
    tasks = xs.conform(
        pd.DataFrame(
            {
                "account_id": pd.Series(111_122_220_000 + slot).astype("str"),
                "region": "eu-west-1",
                "task_id": pd.Series(np.arange(len(slot))).astype("str"),
                "log_group_name": "/acme/" + pd.Series(group).astype("str"),
                "status_code": "COMPLETED",
                "from_time": midnight - DAY,
                "to_time": midnight - 1,
                "creation_time": created,
                "completion_time": created + lasted,
                "observed_at": _START,
            }
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks.parquet")
        xs.write_tasks(tasks, path)
        yield World(path, tasks, _expect(tasks))


def _expect(tasks: pd.DataFrame) -> pd.DataFrame:
    return xs.expected_exports(tasks, start=_START, end=_START + pd.Timedelta("1D"))


def _simulate(world: World) -> pd.DataFrame:
    return xs.simulate_queue(world.tasks, world.exports, start=_START, runs=RUNS).exports


def _loop(world: World) -> pd.DataFrame:
    """Run the queue of the first slot in plain Python, with durations from its history."""
    exports = world.exports.head(EXPORTS)
    own = world.tasks[(world.tasks["account_id"] == exports["account_id"].iloc[0]).to_numpy()]
    histories = own.groupby("log_group_name", observed=True)["duration"]
    past = {name: lasted.dt.total_seconds().tolist() for name, lasted in histories}
    at = ((exports["create_at"] - _START) / pd.Timedelta("1s")).tolist()
    lasted = map(past.__getitem__, exports["log_group_name"])
    queue = list(zip(at, exports["probability"], lasted, strict=True))
    chance = random.Random(0)  # noqa: S311 - a simulation
    ends: list[list[float]] = [[] for _ in queue]
    for _ in range(RUNS):
        free = 0.0
        for row, (asked, probability, earlier) in enumerate(queue):
            if chance.random() < probability:
                free = max(asked, free) + chance.choice(earlier)
                ends[row].append(free)
    low, middle, high = np.array([np.quantile(each, [0.1, 0.5, 0.9]) for each in ends]).T
    return pd.DataFrame({"end_low": low, "expected_end": middle, "end_high": high})


CONTESTANTS = {
    BASELINE: lambda world: pd.read_parquet(world.path),
    "expected_exports": lambda world: _expect(world.tasks),
    "simulate_queue": _simulate,
    "a loop over runs, for one slot": _loop,
}


def check(found: pd.DataFrame, size: int) -> None:
    """Check that there is a row for each task or export."""
    assert len(found) in (size * EXPORTS * _DAYS, size * EXPORTS, EXPORTS)
