"""Turns: when each task of a slot began to run."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, strategies as st
from support import START

import exportstats as xs
from exportstats.core import coerce
from exportstats.queues.turns import turns_of, without_waiting

MINUTE = 60_000


def tasks_of(rows: list[tuple[int, int | None]]) -> pd.DataFrame:
    """Return tasks of one slot, each with its creation and completion in minutes."""
    return xs.conform(
        pd.DataFrame(
            {
                "task_id": [f"{number:03}" for number in range(len(rows))],
                "region": "eu-west-1",
                "status_code": ["RUNNING" if end is None else "COMPLETED" for _, end in rows],
                "creation_time": [START + start * MINUTE for start, _ in rows],
                "completion_time": pd.array(
                    [None if end is None else START + end * MINUTE for _, end in rows],
                    dtype="Int64",
                ),
                "observed_at": START + 10**9,
            }
        )
    )


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=12))
def test_first_come_first_served(jobs: list[tuple[int, int]]) -> None:
    """In a slot that runs one task after another, the running times are found exactly."""
    free, rows = 0, []
    for asked, lasts in sorted(jobs):
        free = max(free, asked) + lasts
        rows.append((asked, free))
    tasks = tasks_of(rows)
    found = without_waiting(tasks, turns_of(tasks))["duration"].dt.total_seconds().div(60)
    assert found.to_list() == [lasts for _, lasts in sorted(jobs)]


def test_tasks_side_by_side() -> None:
    """A task that ended before an earlier one ran beside it, so its whole duration counts."""
    tasks = tasks_of([(0, 60), (10, 20), (30, 90)])
    assert ((turns_of(tasks).begin - START) // MINUTE).tolist() == [0, 10, 60]


def test_tasks_created_at_the_same_instant() -> None:
    """Of tasks created at the same instant, the one that ended first ran first."""
    tasks = tasks_of([(0, 60), (0, 30), (10, 90)])
    assert ((turns_of(tasks).begin - START) // MINUTE).tolist() == [30, 0, 60]


def test_other_slots_and_unknown_times() -> None:
    """Each slot has its own turns; without a creation there is no turn."""
    tasks = tasks_of([(0, 60), (10, 70), (20, 80)]).assign(region=["a", "b", "a"])
    assert ((turns_of(tasks).begin - START) // MINUTE).tolist() == [0, 10, 60]
    unknown = tasks.assign(creation_time=tasks["creation_time"].where(tasks["task_id"] != "002"))
    assert turns_of(unknown).begin[2] == coerce.NAT
    assert without_waiting(unknown, turns_of(unknown))["duration"].isna().to_list() == [
        False,
        False,
        False,
    ]
