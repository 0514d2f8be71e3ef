"""Retries are found again by comparing every pair of tasks."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from oracle import KEY, missing_last, tables
from support import DAY, HOUR, SECOND, START, Row, Shards, plain, rows_of, shuffled, table

from exportstats.coverage.retries import find_retries
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = [
    *KEY,
    "task_id",
    "from_time",
    "to_time",
    "creation_time",
    "completion_time",
    "retry_task_id",
    "retry_status_code",
    "retry_creation_time",
    "retry_after",
    "retry_duration",
]


def did_again(failed: Row, other: Row) -> bool:
    """Return whether a task was created after a failed one and contains its window."""
    times = ("creation_time", "from_time", "to_time")
    if any(row[name] is None for row in (failed, other) for name in times):
        return False
    return (
        [failed[name] for name in KEY] == [other[name] for name in KEY]
        and failed["creation_time"] < other["creation_time"]
        and other["from_time"] <= failed["from_time"] <= failed["to_time"] <= other["to_time"]
    )


def retries_of(rows: list[Row]) -> list[list[Any]]:
    """Return the rows of `find_retries`."""
    found = []
    for failed in rows:
        if failed["status_code"] != "FAILED" or failed["log_group_name"] is None:
            continue
        others = [row for row in rows if did_again(failed, row)]
        retry: Row = min(others, key=lambda row: (row["creation_time"], row["task_id"]), default={})
        created, failed_at = retry.get("creation_time"), failed["completion_time"]
        found.append(
            [
                *(failed[name] for name in COLUMNS[:8]),
                retry.get("task_id"),
                retry.get("status_code"),
                created,
                None if created is None or failed_at is None else created - failed_at,
                retry.get("duration"),
            ]
        )
    return sorted(
        found, key=lambda row: (missing_last(row[:3]), row[6] is not None, row[6], row[3])
    )


def cells_of(tasks: pd.DataFrame | Shards) -> list[list[Any]]:
    """Return the rows of `find_retries` as plain values."""
    found = find_retries(tasks)
    assert list(found.columns) == COLUMNS
    return [list(row) for row in zip(*(plain(found[name]) for name in COLUMNS), strict=True)]


@given(tables(max_size=12))
def test_retries_are_those_of_every_pair(tasks: pd.DataFrame):
    """Each FAILED task has the first later task of its log group that contains its window."""
    assert cells_of(tasks) == retries_of(rows_of(tasks))


@given(tables(max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(tasks: pd.DataFrame, random: Random):
    """The order of the rows does not change the result."""
    assert cells_of(shuffled(tasks, random)) == cells_of(tasks)


@pytest.mark.parametrize("seed", range(3))
def test_retries_of_many_tasks(seed: int):
    """Retries that are many tasks away are found in log groups of hundreds of tasks."""
    random = Random(seed)  # noqa: S311 - nothing secret
    rows = []
    for _ in range(300):
        first = random.randrange(200)
        rows.append(
            {
                "log_group_name": random.choice(["acme/api", "acme/web"]),
                "status_code": random.choice(["FAILED", "COMPLETED"]),
                "from_time": first,
                "to_time": first + random.randrange(40),
                "creation_time": START + random.randrange(200),
            }
        )
    expected = retries_of(rows_of(table(*rows)))
    assert cells_of(table(*rows)) == expected
    assert {row[8] is None for row in expected} == {True, False}


def nights(*rows: Row) -> pd.DataFrame:
    """Return tasks of a log group, an hour apart, each taking a minute."""
    base = {"log_group_name": "acme/api", "from_time": 0, "to_time": DAY - 1}
    times = [START + hour * HOUR for hour in range(len(rows))]
    made = [
        {**base, "creation_time": time, "completion_time": time + 60 * SECOND, **row}
        for time, row in zip(times, rows, strict=True)
    ]
    return table(*made)


def test_a_retry_that_failed_has_a_retry_of_its_own():
    """The next task is the retry in any state, and each FAILED task has a row."""
    tasks = nights(*({"status_code": state} for state in ("FAILED", "FAILED", "COMPLETED")))
    found = find_retries(tasks)
    assert found["retry_task_id"].tolist() == ["task-1", "task-2"]
    assert found["retry_status_code"].tolist() == ["FAILED", "COMPLETED"]
    assert plain(found["retry_after"]) == [59 * 60 * SECOND] * 2
    assert plain(found["retry_duration"]) == [60 * SECOND] * 2


def test_of_retries_created_at_once_the_first_id_counts():
    """Of two retries created at the same time, the one with the first ID is listed."""
    again = {"status_code": "COMPLETED", "creation_time": START + 1}
    tasks = nights({"status_code": "FAILED"}, again | {"task_id": "z"}, again | {"task_id": "b"})
    assert find_retries(tasks)["retry_task_id"].tolist() == ["b"]


@pytest.mark.parametrize(
    ("window", "is_retry"),
    [
        ({}, True),
        ({"to_time": 2 * DAY}, True),
        ({"from_time": 1}, False),
        ({"to_time": DAY - 2}, False),
        ({"log_group_name": "acme/web"}, False),
        ({"region": "eu-west-1"}, False),
        ({"creation_time": START}, False),
        ({"creation_time": START + 1}, True),
    ],
)
def test_a_retry_holds_the_window(window: Row, is_retry: bool):  # noqa: FBT001
    """A retry is of the same log group, later, and contains the window to the millisecond."""
    tasks = nights({"status_code": "FAILED"}, {"status_code": "COMPLETED", **window})
    assert find_retries(tasks)["retry_task_id"].notna().tolist() == [is_retry]


def test_as_of_knows_no_later_retry():
    """With `as_of`, later tasks are no retries, and later failures have no row."""
    tasks = nights({"status_code": "FAILED"}, {"status_code": "FAILED"})
    assert len(find_retries(tasks)) == 2
    early = find_retries(tasks, as_of=tasks["completion_time"].iloc[0])
    assert early["task_id"].tolist() == ["task-0"]
    assert early["retry_task_id"].isna().all()
    with pytest.raises(ArgumentError, match="as_of="):
        find_retries(tasks, as_of="2026-11-23 06:00")


def test_own_columns_are_those_of_the_failed_task():
    """Joined columns stay, shards give the same result, and no tasks give no rows."""
    tasks = nights({"status_code": "FAILED"}, {"status_code": "COMPLETED"})
    owned = tasks.assign(team=["web", "data"])
    assert find_retries(owned)["team"].tolist() == ["web"]
    assert cells_of(Shards([tasks, tasks.head(0)])) == cells_of(tasks)
    assert cells_of(tasks.head(0)) == []
