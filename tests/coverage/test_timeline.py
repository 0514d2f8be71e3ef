"""The timeline is counted again millisecond by millisecond."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from oracle import KEY, Case, cases, log_groups_of, stamp
from support import DAY, plain, table

from exportstats.core import frames
from exportstats.coverage.timeline import coverage_timeline

# A case may have log groups of the same name, one of them without an account.
pytestmark = pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")

COLUMNS = [*KEY, "start", "end", "length", "state", "reason", "expires_at"]
GIVEN = ("log_groups", "tolerance", "margin")


def timeline_of(case: Case) -> list[tuple[Any, ...]]:
    """Return the rows of `coverage_timeline`."""
    found = []
    gaps = case.gap_rows()
    for key in case.log_group_keys():
        missing = {
            time: (start, reason, expires)
            for *other, start, end, reason, _, expires in gaps
            if tuple(other) == key
            for time in range(start, end)
        }
        states = []
        for time, rows in case.covering(key):
            if time in missing:
                state: tuple[Any, ...] = ("gap", *missing[time])
            elif rows and all(map(case.is_premature, rows)):
                state = ("premature", None, None, None)
            else:
                state = ("overlap" if len(rows) > 1 else "covered", None, None, None)
            states.append((state, time))
        for (state, _, reason, expires), run in groupby(states, lambda pair: pair[0]):
            times = [time for _, time in run]
            end = times[-1] + 1
            found.append((*key, times[0], end, end - times[0], state, reason, expires))
    return found


@given(cases())
def test_timeline_is_that_of_single_milliseconds(case: Case):
    """Every interval, state, reason and expiry agrees with the plain count."""
    timeline = coverage_timeline(case.tasks, **case.arguments(*GIVEN))
    assert list(zip(*(plain(timeline[name]) for name in COLUMNS), strict=True)) == timeline_of(case)
    assert [name for name in timeline if name != "evidence"] == COLUMNS


@given(cases())
def test_intervals_touch_and_add_up(case: Case):
    """The intervals of a log group are adjacent, from the start of its range to the end."""
    timeline = coverage_timeline(case.tasks, **case.arguments(*GIVEN))
    rows = zip(*(plain(timeline[name]) for name in COLUMNS), strict=True)
    keys = []
    for key, some in groupby(rows, lambda row: row[:3]):
        intervals = [row[3:] for row in some]
        keys.append(key)
        assert intervals[0][0] == case.low(key)
        assert intervals[-1][1] == case.end
        assert all(one[1] == other[0] for one, other in pairwise(intervals))
        assert all(one[3:] != other[3:] or one[3] == "gap" for one, other in pairwise(intervals))
    assert keys == case.log_group_keys()


def test_states_are_categories_in_order():
    """All four states are ordered categories, also in an empty table."""
    given_ = {"start": stamp(0), "end": stamp(DAY)}
    timeline = coverage_timeline(frames.empty(), **given_)
    assert len(timeline) == 0
    assert list(timeline["state"].cat.categories) == ["gap", "premature", "overlap", "covered"]
    assert timeline["state"].cat.ordered
    assert timeline["reason"].cat.ordered
    assert str(timeline["expires_at"].dtype) == "datetime64[ms, UTC]"


def test_a_bridged_gap_joins_what_it_lies_between():
    """A tolerated gap is covered, and one interval with its covered neighbours."""
    one = {"account_id": "1", "region": "r", "log_group_name": "acme/api"}
    minute = 60_000
    tasks = table(
        {"from_time": 0, "to_time": DAY - minute - 1},
        {"from_time": DAY, "to_time": 2 * DAY - 1},
        status_code="COMPLETED",
        **one,
    )
    given_ = {"start": stamp(0), "end": stamp(2 * DAY), "log_groups": log_groups_of([one])}
    bridged = coverage_timeline(tasks, tolerance="1min", **given_)
    assert plain(bridged["length"]) == [2 * DAY]
    assert plain(coverage_timeline(tasks, **given_)["state"]) == ["covered", "gap", "covered"]
