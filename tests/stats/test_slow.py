"""Slow tasks are found again with sorted lists, one task at a time."""

from __future__ import annotations

import math
from random import Random
from statistics import median
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import DAY, SECOND, START, Row, by_group, cut, duration_of, plain, rows_of, table

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.stats.slow import find_slow_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP = ("account_id", "region", "log_group_name")
COLUMNS = [*GROUP, "task_id", "creation_time", "duration", "typical", "ratio", "score", "n"]


def slow_one_by_one(
    rows: Sequence[Row], threshold: float, at_least: int
) -> dict[str, tuple[float, float, int]]:
    """Return `typical`, `score` and `n` of each slow task, in plain Python."""
    done = [
        row
        for row in rows
        if row["status_code"] == "COMPLETED"
        and duration_of(row) is not None
        and row["log_group_name"] is not None
    ]
    found, groups = {}, by_group(done, GROUP)
    for row in done:
        earlier = sorted(
            (other["creation_time"], duration_of(other))
            for other in groups[tuple(row[name] for name in GROUP)]
            if other["creation_time"] < row["creation_time"]
        )[-100:]
        logs = [math.log(max(length, 1)) for _, length in earlier]
        if len(logs) < at_least:
            continue
        middle = median(logs)
        spread = max(1.4826 * median(abs(log - middle) for log in logs), 0.05)
        score = (math.log(max(duration_of(row), 1)) - middle) / spread
        if score >= threshold:
            found[row["task_id"]] = (math.exp(middle), score, len(logs))
    return found


@st.composite
def histories(draw: st.DrawFn) -> pd.DataFrame:
    """Return tasks of few log groups, many created at once, durations with a long tail."""
    random = Random(draw(st.integers(0, 2**32)))  # noqa: S311 - nothing secret
    made = []
    for _ in range(draw(st.integers(0, 300))):
        created = START + random.randint(0, draw(st.sampled_from([40, 10**6]))) * SECOND
        took = 0 if random.random() < 0.02 else int(random.lognormvariate(6, 0.2))
        took *= 30 if random.random() < 0.05 else 1
        made.append(
            {
                "region": random.choice(["eu-west-1", "us-east-1", None]),
                "log_group_name": random.choice(["a", "a", "b", None]),
                "status_code": random.choice(["COMPLETED"] * 9 + ["FAILED"]),
                "creation_time": created,
                "completion_time": created + took,
            }
        )
    return table(*made)


def nightly(lengths: Sequence[int], **same: object) -> pd.DataFrame:
    """Return COMPLETED tasks of one log group, one a night, with durations in seconds."""
    made = [
        {"creation_time": START + night * DAY, "completion_time": START + night * DAY + took * 1000}
        for night, took in enumerate(lengths)
    ]
    return table(*made, **{"log_group_name": "acme/api", "status_code": "COMPLETED", **same})


@given(histories(), st.sampled_from([1.5, 3.5]), st.sampled_from([2, 5, 20]))
def test_slow_tasks_are_those_found_one_by_one(tasks: pd.DataFrame, threshold: float, least: int):
    """`typical`, `score` and `n` agree with each task's sorted earlier durations."""
    found = find_slow_tasks(tasks, threshold=threshold, at_least=least)
    expected = slow_one_by_one(rows_of(tasks), threshold, least)
    assert list(found.columns) == COLUMNS
    assert sorted(found["task_id"]) == sorted(expected)
    for task, typical, score, n in zip(
        found["task_id"], plain(found["typical"]), found["score"], found["n"], strict=True
    ):
        assert typical == pytest.approx(expected[task][0], abs=1)
        assert score == pytest.approx(expected[task][1])
        assert n == expected[task][2]
    assert found["score"].is_monotonic_decreasing


@given(histories(), st.integers(0, 2**32).map(Random))
def test_any_split_and_any_order_give_the_same(tasks: pd.DataFrame, random: Random):
    """Neither shards nor the order of the rows change the result."""
    found = find_slow_tasks(tasks, at_least=5)
    assert_frame_equal(find_slow_tasks(cut(tasks, random, anew=True), at_least=5), found)
    order = list(range(len(tasks)))
    random.shuffle(order)
    assert_frame_equal(find_slow_tasks(tasks.iloc[order], at_least=5), found)


def test_only_the_last_hundred_count():
    """Only the last 100 tasks count, so a duration that has become usual is not slow."""
    tasks = nightly([60] * 150 + [600] * 150)
    found = find_slow_tasks(tasks)
    assert (found["n"] == 100).all()
    # as soon as half of the last 100 are slow, the median is
    assert found["task_id"].nunique() == 50


def test_of_tasks_created_at_once_the_longest_count():
    """If tasks created at once are more than 100, the order of the rows does not matter."""
    tasks = nightly([60] * 60 + [600] * 60 + [1000])
    created = tasks["creation_time"].where(tasks.index == 120, tasks["creation_time"].iloc[0])
    ends = created + tasks["duration"]
    tasks = frames.conform(tasks.assign(creation_time=created, completion_time=ends))
    found = find_slow_tasks(tasks.iloc[::-1])
    assert_frame_equal(found, find_slow_tasks(tasks))
    assert plain(find_slow_tasks(tasks, threshold=0.5)["typical"]) == [600_000]


def test_later_tasks_change_nothing():
    """Adding later tasks does not change what was found."""
    random = Random(1)  # noqa: S311 - nothing secret
    tasks = nightly([int(random.lognormvariate(5, 0.5)) + 1 for _ in range(200)])
    early = find_slow_tasks(tasks.iloc[:120], threshold=1.2)
    late = find_slow_tasks(tasks, threshold=1.2)
    assert len(early)
    again = late[late["task_id"].isin(early["task_id"])].reset_index(drop=True)
    assert_frame_equal(again, early)


def test_all_equal_until_one_is_not():
    """With equal durations the spread is 5 %: 61 s after 60 s is not slow, 120 s is."""
    assert len(find_slow_tasks(nightly([60] * 30 + [61]))) == 0
    found = find_slow_tasks(nightly([60] * 30 + [120]))
    assert found["score"].to_list() == pytest.approx([math.log(2) / 0.05])
    assert found["ratio"].to_list() == pytest.approx([2])


@pytest.mark.parametrize(("nights", "many"), [(0, 0), (1, 0), (19, 0), (20, 1)])
def test_twenty_earlier_tasks_are_needed(nights: int, many: int):
    """The 21st task is the first that can be slow."""
    assert len(find_slow_tasks(nightly([60] * nights + [6000]))) == many


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "RUNNING"])
def test_other_states_are_no_history(state: str):
    """Tasks that did not complete are neither slow nor compared with."""
    assert len(find_slow_tasks(nightly([60] * 40 + [6000], status_code=state))) == 0


def test_as_of_is_what_was_known_then():
    """With `as_of`, a task is not known to be slow before it has ended."""
    tasks = nightly([60] * 30 + [6000])
    ended = pd.Timestamp(START + 30 * DAY + 6_000_000, unit="ms", tz="UTC")
    assert len(find_slow_tasks(tasks, as_of=ended - pd.Timedelta("1ms"))) == 0
    assert_frame_equal(find_slow_tasks(tasks, as_of=ended), find_slow_tasks(tasks))


@pytest.mark.slow
def test_sample_against_one_by_one():
    """The sample's slow tasks are those found one by one, and most tasks are not slow."""
    tasks = xs.sample_tasks()
    tasks = tasks[tasks["region"] == "us-east-1"]
    found = find_slow_tasks(tasks)
    assert set(found["task_id"]) == set(slow_one_by_one(rows_of(tasks), 3.5, 20))
    assert 0 < len(found) < 0.05 * len(tasks)


def test_no_task():
    """Without tasks the table is empty, with all columns and dtypes."""
    found = find_slow_tasks(frames.empty())
    assert list(found.columns) == COLUMNS
    assert len(found) == 0
    assert found["typical"].dtype == "timedelta64[ms]"
    assert found["n"].dtype == "int64"


def test_arguments_are_checked():
    """An invalid threshold, number or instant is refused."""
    for threshold in (0, -1, float("nan"), "3.5"):
        with pytest.raises(ArgumentError, match="give a number above 0"):
            find_slow_tasks(frames.empty(), threshold=threshold)
    for least in (1, 101, 2.5, None):
        with pytest.raises(ArgumentError, match="whole number from 2 to 100"):
            find_slow_tasks(frames.empty(), at_least=least)
    with pytest.raises(ArgumentError, match="as_of='2026-11-23T06:00'"):
        find_slow_tasks(frames.empty(), as_of="2026-11-23T06:00")
