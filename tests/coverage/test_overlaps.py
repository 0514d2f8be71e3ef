"""Overlaps are counted again millisecond by millisecond."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from oracle import KEY, Case, cases, sampled, windows_around
from support import DAY, FIRST, LAST, START, Row, by_group, ms, plain, rows_of, table

import exportstats as xs
from exportstats.core import frames
from exportstats.coverage.overlaps import find_overlaps
from exportstats.errors import ArgumentError

# A case may have log groups of the same name, one of them without an account.
pytestmark = pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")

COLUMNS = [*KEY, "start", "end", "length", "depth", "task_ids"]


def in_creation(row: Row) -> tuple[Any, ...]:
    """Return a sort key: creation, missing last, then ID."""
    created = row["creation_time"]
    return created is None, created or 0, row["task_id"]


def overlaps_of(case: Case) -> list[tuple[Any, ...]]:
    """Return the rows of `find_overlaps`."""
    found = []
    for key in case.log_group_keys():
        over = (
            (tuple(row["task_id"] for row in sorted(rows, key=in_creation)), time)
            for time, rows in case.covering(key)
        )
        for ids, run in groupby(over, lambda pair: pair[0]):
            times = [time for _, time in run]
            if len(ids) > 1:
                length = len(times)
                found.append((*key, times[0], times[-1] + 1, length, len(ids), ids))
    return found


@given(cases())
def test_overlaps_are_those_of_single_milliseconds(case: Case):
    """Each interval of two or more tasks, with their IDs, agrees with the plain count."""
    case.log_groups = None
    overlaps = find_overlaps(case.tasks, **case.arguments())
    assert list(zip(*map(plain, (overlaps[name] for name in COLUMNS)), strict=True)) == (
        overlaps_of(case)
    )
    assert list(overlaps.columns) == COLUMNS
    assert overlaps["depth"].dtype == "int64"


def test_different_tasks_are_different_rows():
    """If one task ends where another begins, a new row begins at the same depth."""
    tasks = table(
        {"from_time": 0, "to_time": 9, "creation_time": 3},
        {"from_time": 0, "to_time": 4, "creation_time": 2},
        {"from_time": 5, "to_time": 9, "creation_time": 1},
        status_code="COMPLETED",
        log_group_name="acme/api",
    )
    overlaps = find_overlaps(tasks)
    assert plain(overlaps["start"]) == [0, 5]
    assert plain(overlaps["end"]) == [5, 10]
    assert list(overlaps["task_ids"]) == [("task-1", "task-0"), ("task-2", "task-0")]


def test_tasks_created_at_once_are_in_the_order_of_their_ids():
    """IDs are in the order of creation, then sorted; those without a creation time are last."""
    times = {"c": 2, "d": None, "a": 2, "b": 2, "z": 1}
    rows = [{"task_id": name, "creation_time": time} for name, time in times.items()]
    same = {"from_time": 0, "to_time": 9, "log_group_name": "acme/api"}
    [ids] = find_overlaps(table(*rows, status_code="COMPLETED", **same))["task_ids"]
    assert ids == ("z", "a", "b", "c", "d")


def test_neither_touching_nor_empty_windows_overlap():
    """Windows that touch, are reversed or missing overlap nothing."""
    tasks = table(
        *(
            {"from_time": a, "to_time": b}
            for a, b in [(0, 4), (5, 9), (3, 2), (None, 3), (3, None)]
        ),
        status_code="COMPLETED",
        log_group_name="acme/api",
    )
    assert len(find_overlaps(tasks)) == 0


def test_windows_of_all_time_overlap_from_first_to_last():
    """Without a range, endless windows overlap from 1970 to the end of 2999."""
    tasks = table(
        {"from_time": FIRST, "to_time": LAST},
        {"from_time": FIRST, "to_time": LAST},
        status_code="COMPLETED",
        log_group_name="acme/api",
    )
    overlaps = find_overlaps(tasks)
    assert plain(overlaps["start"]) == [FIRST]
    assert plain(overlaps["end"]) == [LAST + 1]
    assert plain(find_overlaps(tasks, end="1970-01-02T00:00Z")["end"]) == [DAY]


def test_no_task():
    """Without tasks the table is empty, with all dtypes."""
    overlaps = find_overlaps(frames.empty())
    assert len(overlaps) == 0
    assert [str(dtype) for dtype in overlaps.dtypes] == [
        *["category"] * 3,
        *["datetime64[ms, UTC]"] * 2,
        "timedelta64[ms]",
        "int64",
        "object",
    ]


def test_a_range_that_does_not_end_is_refused():
    """An end that is not after the start is refused with both values."""
    with pytest.raises(ArgumentError, match="end='1970-01-01T00:00Z' is not after start='1970-"):
        find_overlaps(frames.empty(), start="1970-01-01T00:00Z", end="1970-01-01T00:00Z")


def test_many_windows_against_steps():
    """Depths and lengths of a thousand windows agree with cumulative sums of their edges."""
    tasks = windows_around(START, 1000)
    overlaps = find_overlaps(tasks)
    for name, rows in by_group(rows_of(tasks), ["log_group_name"]).items():
        steps = np.zeros(700, dtype="int64")
        for row in rows:
            steps[row["from_time"] - START] += 1
            steps[row["to_time"] + 1 - START] -= 1
        depth = np.cumsum(steps)
        some = overlaps[overlaps["log_group_name"] == name]
        for start, end, deep, ids in zip(
            plain(some["start"]), plain(some["end"]), some["depth"], some["task_ids"], strict=True
        ):
            assert set(depth[start - START : end - START]) == {deep}
            assert len(set(ids)) == deep
        assert sum(plain(some["length"])) == (depth > 1).sum()


def test_sample_has_the_planted_overlaps():
    """In its generated ranges, the sample has exactly the generated overlaps."""
    tasks, planted = xs.sample_tasks(), sampled()
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in planted["ranges"]:
        key = tuple(row[name] for name in KEY)
        overlaps = find_overlaps(tasks, start=row["start"], end=row["end"])
        mine = (
            overlaps[list(KEY)].astype("str") == pd.Series(dict(zip(KEY, key, strict=True)))
        ).all(axis=1)
        found[key] = joined(
            zip(
                *(plain(overlaps.loc[mine, name]) for name in ("start", "end", "depth")),
                strict=True,
            )
        )
    expected: dict[tuple[Any, ...], list[Any]] = {key: [] for key in found}
    for row in planted["overlaps"]:
        key = tuple(row[name] for name in KEY)
        expected[key].append((ms(row["start"]), ms(row["end"]), row["depth"]))
    assert found == expected


def joined(intervals: Any) -> list[Any]:  # noqa: ANN401 - a zip of three columns
    """Join intervals that touch and have the same depth."""
    found: list[Any] = []
    for start, end, depth in intervals:
        if found and found[-1][1:] == (start, depth):
            start = found.pop()[0]  # noqa: PLW2901 - it grows backwards
        found.append((start, end, depth))
    return found
