"""Laws of coverage that hold for any tasks."""

from __future__ import annotations

import pickle
from functools import partial
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from oracle import KEY, Case, cases, rows, stamp
from support import FEW, cut, plain, rows_of, shuffled, some, table

import exportstats as xs
from exportstats.core import frames, shards

if TYPE_CHECKING:
    from collections.abc import Callable

# A case may have log groups of the same name, one of them without an account.
pytestmark = pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")

CALLS: dict[str, Callable[..., pd.DataFrame]] = {
    "gaps": xs.find_gaps,
    "overlaps": xs.find_overlaps,
    "premature": xs.find_premature,
    "summary": xs.coverage_summary,
    "days": partial(xs.coverage_by_day, tz="Asia/Kathmandu"),
    "timeline": xs.coverage_timeline,
}
GIVEN = {
    "gaps": ("log_groups", "tolerance"),
    "overlaps": (),
    "premature": ("margin",),
    "summary": ("log_groups", "tolerance", "margin"),
    "days": ("log_groups", "tolerance"),
    "timeline": ("log_groups", "tolerance", "margin"),
}
SAMPLE = {"start": "2025-11-24T00:00Z", "end": "2026-11-22T00:00Z"}


class Sent(shards.Shards):
    """Shards whose parts and results are pickled, as if sent to another process."""

    def __init__(self, shards: Any) -> None:  # noqa: ANN401 - support's shards
        self.shards = shards

    def map(self, part: Callable[[pd.DataFrame], pd.DataFrame]) -> list[pd.DataFrame]:
        """Run a part over each shard, pickled both ways."""
        there = pickle.loads(pickle.dumps(part))  # noqa: S301 - it is ours
        return [pickle.loads(pickle.dumps(made)) for made in self.shards.map(there)]  # noqa: S301


@pytest.mark.parametrize("name", CALLS)
@FEW
@given(case=cases(), seed=st.integers(0, 99))
def test_shards_of_whole_slots_give_the_same_answer(name: str, case: Case, seed: int):
    """Neither shards nor the order of the rows change the result."""
    arguments = case.arguments(*GIVEN[name])
    whole = CALLS[name](case.tasks, **arguments)
    random = Random(seed)  # noqa: S311 - a test's
    shards = cut(shuffled(case.tasks, random), random, anew=bool(seed % 2))
    pd.testing.assert_frame_equal(CALLS[name](Sent(shards), **arguments), whole)


@pytest.mark.sampled
@pytest.mark.parametrize("name", CALLS)
def test_shards_of_the_sample_give_the_same_answer(name: str):
    """Three ways of splitting the sample give the same result."""
    tasks = xs.sample_tasks()
    more = {"log_groups": xs.sample_log_groups()} if "log_groups" in GIVEN[name] else {}
    whole = CALLS[name](tasks, **SAMPLE, **more)
    assert len(whole)
    for seed in some(range(3), 3):
        shards = cut(tasks, Random(seed), anew=True)  # noqa: S311 - a test's
        pd.testing.assert_frame_equal(CALLS[name](Sent(shards), **SAMPLE, **more), whole)


@given(case=cases())
def test_covered_and_gaps_are_the_range(case: Case):
    """The intervals of a log group's timeline are adjacent and add up to its range."""
    timeline = xs.coverage_timeline(
        case.tasks, **case.arguments("log_groups", "tolerance", "margin")
    )
    keys = case.log_group_keys()
    found: dict[Any, list[tuple[int, int]]] = {}
    columns = [plain(timeline[name]) for name in (*KEY, "start", "end")]
    for *key, start, end in zip(*columns, strict=True):
        found.setdefault(tuple(key), []).append((start, end))
    assert list(found) == keys
    for key, intervals in found.items():
        assert intervals[0][0] == case.low(key)
        assert intervals[-1][1] == case.end
        for before, after in pairwise(intervals):
            assert before[1] == after[0]


@given(case=cases(), row=rows())
def test_one_more_completed_task_never_adds_a_gap(case: Case, row: dict[str, Any]):
    """With one more COMPLETED task, nothing else is missing."""
    arguments = case.arguments("tolerance")
    added = {**row, "status_code": "COMPLETED", "task_id": "one more", "creation_time": None}
    more = table(*rows_of(case.tasks), {**added, "completion_time": None})
    before, after = (xs.find_gaps(tasks, **arguments) for tasks in (case.tasks, more))
    if row["log_group_name"] is not None:  # a log group that was not there has gaps of its own
        mine = tuple(row[name] for name in KEY)
        known = {tuple(old[name] for name in KEY) for old in case.known}
        if mine not in known:
            return
    assert missing(after) <= missing(before)


def missing(gaps: pd.DataFrame) -> set[tuple[Any, ...]]:
    """Return every millisecond of the gaps, with its log group."""
    columns = [plain(gaps[name]) for name in (*KEY, "start", "end")]
    return {
        (*key, time)
        for *key, start, end in zip(*columns, strict=True)
        for time in range(start, end)
    }


DAY = 86_400_000


def of_two_days(**fields: Any) -> pd.DataFrame:  # noqa: ANN401 - a task's
    """Return tasks of one log group that export the first and third of three days."""
    same = {"account_id": "1", "region": "r", "log_group_name": "g", **fields}
    return table(
        {"from_time": 0, "to_time": DAY - 1, "status_code": "COMPLETED", **same},
        {"from_time": 2 * DAY, "to_time": 3 * DAY - 1, "status_code": "COMPLETED", **same},
    )


def test_a_gap_that_is_partly_lost_is_two_rows():
    """What retention has deleted is lost; the rest has its deadline now."""
    groups = xs.sample_log_groups().head(1).astype({"account_id": "str", "region": "str"})
    groups = groups.assign(
        account_id=pd.Categorical(["1"]),
        region=pd.Categorical(["r"]),
        log_group_name=pd.Categorical(["g"]),
        creation_time=stamp(0).as_unit("ms"),
        retention=pd.Timedelta(days=3).as_unit("ms"),
        observed_at=stamp(4 * DAY + DAY // 2).as_unit("ms"),
    )
    gaps = xs.find_gaps(of_two_days(), start=stamp(0), end=stamp(3 * DAY), log_groups=groups)
    assert plain(gaps["reason"]) == ["lost", "never_tried"]
    assert plain(gaps["start"]) == [DAY, DAY + DAY // 2]
    assert plain(gaps["end"]) == [DAY + DAY // 2, 2 * DAY]
    assert plain(gaps["expires_at"]) == [4 * DAY, 4 * DAY + DAY // 2]
    later = stamp(6 * DAY)
    gaps = xs.find_gaps(
        of_two_days(), start=stamp(0), end=stamp(3 * DAY), log_groups=groups, as_of=later
    )
    assert plain(gaps["reason"]) == ["lost"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"start": "2026-11-01T06:00"}, "start="),
        ({"end": "2025-01-01T00:00Z"}, "is not after"),
        ({"tolerance": "a while"}, "tolerance="),
        ({"tolerance": "-1s"}, "tolerance="),
        ({"as_of": "yesterday"}, "as_of="),
    ],
)
def test_invalid_arguments(arguments: dict[str, Any], said: str):
    """The error names the argument and its value."""
    with pytest.raises(xs.ArgumentError, match=said):
        xs.find_gaps(frames.empty(), **{**SAMPLE, **arguments})


def test_the_callers_tables_are_not_touched():
    """Neither the tasks nor the log groups are modified."""
    tasks, groups = xs.sample_tasks(), xs.sample_log_groups()
    before = tasks.copy(), groups.copy()
    for name, call in CALLS.items():
        more = {"log_groups": groups} if "log_groups" in GIVEN[name] else {}
        call(tasks, **SAMPLE, **more)
    pd.testing.assert_frame_equal(tasks, before[0])
    pd.testing.assert_frame_equal(groups, before[1])
