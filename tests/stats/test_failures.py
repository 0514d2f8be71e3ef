"""Messages with the same reason are counted together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from support import Row, by_group, cells, rows_of, table, tables

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError
from exportstats.stats.failures import NO_MESSAGE

if TYPE_CHECKING:
    import pandas as pd

some_names = st.lists(st.sampled_from(["region", "log_group_name"]), unique=True, max_size=2)
COLUMNS = ["tasks", "share", "first_time", "last_time", "example_task_id"]


def ended(row: Row) -> int | None:
    """Return the completion time, or the creation time where that is missing."""
    return row["creation_time"] if row["completion_time"] is None else row["completion_time"]


# The messages of `support.tables`, and their reasons.
REASONS = {
    "Completed successfully": "Completed successfully",
    "Access denied to bucket acme-logs-eu (request 7F3A9C21)": (
        "Access denied to bucket <bucket> (request <id>)"
    ),
    "Access denied to bucket acme-logs-us (request 0B11D2E4)": (
        "Access denied to bucket <bucket> (request <id>)"
    ),
    "No answer after 30 s": "No answer after <number> s",
    "No answer after 7 s": "No answer after <number> s",
    "": NO_MESSAGE,
    None: NO_MESSAGE,
    "Zeitüberschreitung \N{COLLISION SYMBOL}": "Zeitüberschreitung \N{COLLISION SYMBOL}",
}


@given(tables(), some_names)
def test_reasons_are_those_of_a_dict(tasks: pd.DataFrame, names: list[str]):
    """Each reason of each group has its count, share, first and last time, and latest example."""
    failed = [row for row in rows_of(tasks) if row["status_code"] == "FAILED"]
    for row in failed:
        row["reason"] = REASONS[row["status_message"]]
    expected = {}
    for group in by_group(failed, names).values() if names else [failed]:
        for reason, rows in by_group(group, ["reason"]).items():
            key = (*(rows[0][name] for name in names), reason)
            times = [time for time in map(ended, rows) if time is not None]
            latest = max(
                rows, key=lambda row: (ended(row) is not None, ended(row) or 0, row["task_id"])
            )
            expected[key if names else reason] = (
                len(rows),
                len(rows) / len(group),
                min(times, default=None),
                max(times, default=None),
                latest["task_id"],
            )
    table_ = xs.failure_reasons(tasks, by=names)
    assert cells(table_, *COLUMNS) == expected
    assert list(table_.columns) == COLUMNS
    assert table_.index.names == [*names, "reason"]


@given(tables(), some_names)
def test_sums_and_order(tasks: pd.DataFrame, names: list[str]):
    """Counts add up to the FAILED tasks, shares to 1, and the most frequent reason comes first."""
    table_ = xs.failure_reasons(tasks, by=names)
    assert table_["tasks"].sum() == (tasks["status_code"] == "FAILED").sum()
    keys = list(cells(table_, "tasks"))
    groups: dict[Any, list[tuple[int, str]]] = {}
    shares: dict[Any, float] = {}
    for key, n, share in zip(keys, table_["tasks"], table_["share"], strict=True):
        group, reason = (key[:-1], key[-1]) if names else ((), key)
        groups.setdefault(group, []).append((-n, reason))
        shares[group] = shares.get(group, 0) + share
    assert all(order == sorted(order) for order in groups.values())
    assert list(shares.values()) == pytest.approx([1] * len(shares))
    assert len({key[:-1] if names else () for key in keys}) == len(groups)


def test_no_failure():
    """Without failures the table is empty, with all columns and dtypes."""
    for tasks in (frames.empty(), table({"status_code": "COMPLETED", "status_message": "x"})):
        for by in (None, "region", ["region", "task_name"]):
            table_ = xs.failure_reasons(tasks, by=by)
            assert len(table_) == 0
            assert [str(dtype) for dtype in table_.dtypes] == [
                "int64",
                "float64",
                "datetime64[ms, UTC]",
                "datetime64[ms, UTC]",
                "str",
            ]


def test_only_failed_tasks():
    """Messages of tasks in other states, CANCELLED included, are not counted."""
    made = [{"status_code": s, "status_message": "x"} for s in [*schema.STATES, "PAUSED", None]]
    assert cells(xs.failure_reasons(table(*made)), "tasks", "share") == {"x": (1, 1.0)}


def test_time_of_a_failure():
    """The time is the completion, or the creation where that is missing."""
    tasks = table(
        {"creation_time": 1, "completion_time": 5},
        {"creation_time": 9},
        {"completion_time": 7},
        {},
        status_code="FAILED",
        status_message="x",
    )
    assert cells(xs.failure_reasons(tasks), *COLUMNS) == {"x": (4, 1.0, 5, 9, "task-1")}
    assert cells(xs.failure_reasons(tasks.iloc[3:]), *COLUMNS) == {
        "x": (1, 1.0, None, None, "task-3")
    }


def test_sample_has_the_reasons_that_were_planted():
    """In the sample each FAILED task is counted, in far fewer reasons than messages."""
    tasks = xs.sample_tasks()
    failed = tasks[tasks["status_code"] == "FAILED"]
    table_ = xs.failure_reasons(tasks)
    assert table_["tasks"].sum() == len(failed)
    assert len(table_) < 10 < failed["status_message"].nunique()
    assert table_["share"].sum() == pytest.approx(1)


def test_arguments_are_checked():
    """The message itself and unknown columns cannot be grouped by."""
    with pytest.raises(ArgumentError, match='by="status_message"; leave it out'):
        xs.failure_reasons(frames.empty(), by=["region", "status_message"])
    with pytest.raises(ArgumentError, match="by='colour'"):
        xs.failure_reasons(frames.empty(), by="colour")
