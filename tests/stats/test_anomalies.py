"""Anomalies are found again with plain `if` statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from support import (
    DAY,
    ENDED,
    FIRST,
    HOUR,
    LAST,
    START,
    Row,
    duration_of,
    frame,
    ms,
    plain,
    rows,
    rows_of,
    table,
)

import exportstats as xs
from exportstats.core import conversion, frames, identity, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

YEAR_2006, YEAR_2100 = ms("2006-01-01T00:00Z"), ms("2100-01-01T00:00Z")
CLOCKS = 300_000
GOOD = {
    "account_id": "111122223333",
    "region": "eu-west-1",
    "log_group_name": "/aws/vpc",
    "status_code": "COMPLETED",
    "from_time": START - DAY,
    "to_time": START - 1,
    "creation_time": START,
    "completion_time": START + HOUR,
    "observed_at": START + 2 * HOUR,
}
SHOWN = [*schema.KEY, "log_group_name", "status_code", *list(GOOD)[4:8]]


def reasons_of(row: Row, tasks: list[Row]) -> Iterator[str]:  # noqa: C901, PLR0912 - an if a reason
    """Return what is wrong with a task."""
    state, seen = row["status_code"], row["observed_at"]
    created, completed = row["creation_time"], row["completion_time"]
    if (
        row["from_time"] is not None
        and row["to_time"] is not None
        and row["from_time"] > row["to_time"]
    ):
        yield "from_time is after to_time"
    if created is not None and completed is not None and completed < created:
        yield "completion_time is before creation_time"
    duration = duration_of(row)
    if duration is not None and duration > DAY + CLOCKS:
        yield "it lasted longer than the 24-hour time-out"
    for name in ("from_time", "to_time", "creation_time", "completion_time"):
        if row[name] is not None and row[name] < YEAR_2006:
            yield f"{name} is before 2006"
        if row[name] is not None and row[name] >= YEAR_2100:
            yield f"{name} is after 2099"
    for name in ("creation_time", "completion_time"):
        if seen is not None and row[name] is not None and seen + CLOCKS < row[name] < YEAR_2100:
            yield f"{name} is after observed_at"
    if created is None:
        yield "creation_time is missing"
    if state is None:
        yield "status_code is missing"
    elif state not in schema.STATES:
        yield "status_code is not a state of the API"
    elif state in ENDED and completed is None:
        yield "it has ended, but has no completion_time"
    elif state not in ENDED and completed is not None:
        yield "it is active, but has a completion_time"
    if row["log_group_name"] is None:
        yield "log_group_name is missing"
    if sum(all(row[name] == other[name] for name in schema.KEY) for other in tasks) > 1:
        yield "another task has the same task_id"


@given(st.lists(rows(), max_size=10), st.booleans())
def test_anomalies_are_those_of_plain_ifs(made: list[Row], shared: bool):  # noqa: FBT001
    """Each task is listed once per anomaly, sorted by key and reason."""
    if shared:
        made = [{"task_id": f"task-{n % 3}", **row} for n, row in enumerate(made)]
    tasks, _ = frames.settle(conversion.coerce_rows(frame(made))[0])
    all_rows = rows_of(tasks)
    expected = [
        (*(row[name] for name in SHOWN), reason)
        for row in all_rows
        for reason in reasons_of(row, all_rows)
    ]
    table_ = xs.find_anomalies(tasks)
    assert list(table_.columns) == [*SHOWN, "reason"]
    found = list(zip(*(plain(table_[name]) for name in table_.columns), strict=True))
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    keys = [(*((v is None, v or "") for v in row[:3]), row[-1]) for row in found]
    assert keys == sorted(keys)
    assert table_.index.equals(pd.RangeIndex(len(table_)))


def test_a_good_task_has_none():
    """A valid task has no anomaly, whether it has ended or is still running."""
    running = {**GOOD, "status_code": "RUNNING", "completion_time": None}
    assert len(xs.find_anomalies(table(GOOD, running, {**GOOD, "task_name": None}))) == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"from_time": START}, "from_time is after to_time"),
        ({"completion_time": START - 1}, "completion_time is before creation_time"),
        (
            {"completion_time": START + DAY + CLOCKS + 1, "observed_at": START + 2 * DAY},
            "it lasted longer than the 24-hour time-out",
        ),
        ({"from_time": YEAR_2006 - 1}, "from_time is before 2006"),
        ({"to_time": YEAR_2100}, "to_time is after 2099"),
        ({"from_time": FIRST}, "from_time is before 2006"),
        ({"to_time": LAST}, "to_time is after 2099"),
        ({"observed_at": START - CLOCKS - 1, "completion_time": START - 0}, None),
        ({"observed_at": START + HOUR - CLOCKS - 1}, "completion_time is after observed_at"),
        ({"status_code": None}, "status_code is missing"),
        ({"status_code": "PAUSED"}, "status_code is not a state of the API"),
        ({"completion_time": None}, "it has ended, but has no completion_time"),
        ({"status_code": "RUNNING"}, "it is active, but has a completion_time"),
        ({"log_group_name": None}, "log_group_name is missing"),
        ({"creation_time": None}, "creation_time is missing"),
    ],
)
def test_each_reason(change: Row, reason: str | None):
    """A task with one anomaly is listed once, with that reason."""
    found = plain(xs.find_anomalies(table({**GOOD, **change}))["reason"])
    expected = ["completion_time is after observed_at", "creation_time is after observed_at"]
    assert found == ([reason] if reason else expected)


def test_just_within_bounds():
    """The limits themselves are valid: 24 h 5 min, clocks 5 min apart, the years 2006 and 2099."""
    day_and_more = {**GOOD, "completion_time": START + DAY + CLOCKS, "observed_at": START + 2 * DAY}
    clocks = {**GOOD, "observed_at": START + HOUR - CLOCKS}
    ends = {**GOOD, "from_time": YEAR_2006, "to_time": YEAR_2100 - 1}
    same = {**GOOD, "from_time": START, "to_time": START, "completion_time": START}
    assert len(xs.find_anomalies(table(day_and_more, clocks, ends, same))) == 0


def test_a_time_after_2099_is_not_after_the_observation_too():
    """A creation from the year 2100 on has that reason only; the clocks say nothing about it."""
    running = {**GOOD, "status_code": "RUNNING", "completion_time": None}
    found = xs.find_anomalies(table({**running, "creation_time": YEAR_2100}))
    assert plain(found["reason"]) == ["creation_time is after 2099"]


@pytest.mark.parametrize("seen", [LAST, YEAR_2100, FIRST, None])
def test_far_out_observation(seen: int | None):
    """An `observed_at` in any year causes no overflow."""
    found = plain(xs.find_anomalies(table({**GOOD, "observed_at": seen}))["reason"])
    early = ["completion_time is after observed_at", "creation_time is after observed_at"]
    assert found == (early if seen is not None and seen < YEAR_2100 else [])


def test_no_task_and_no_anomaly_have_the_same_columns():
    """An empty result has all columns with their dtypes."""
    for tasks in (frames.empty(), table(GOOD)):
        table_ = xs.find_anomalies(tasks)
        assert len(table_) == 0
        assert list(table_.columns) == [*SHOWN, "reason"]
        assert table_["reason"].dtype == "str"
        assert (table_[SHOWN].dtypes == tasks[SHOWN].dtypes).all()


def test_two_tasks_of_one_identifier():
    """Both tasks that share an ID within a slot are listed; the same ID in another slot is not."""
    made = [{**GOOD, "task_id": "a", "task_name": name} for name in "xy"]
    with pytest.warns(xs.BadRowsWarning):
        tasks = table(*made, {**GOOD, "task_id": "a", "region": "us-east-1"})
    table_ = xs.find_anomalies(tasks)
    assert plain(table_["reason"]) == [identity.CONTRADICTION_OF_TASKS] * 2
    assert plain(table_["region"]) == ["eu-west-1"] * 2
