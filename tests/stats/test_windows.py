"""Arithmetic on intervals agrees with sets of milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, strategies as st
from oracle import runs

from exportstats.errors import ArgumentError
from exportstats.stats import windows
from exportstats.stats.windows import Intervals

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUPS, TIMES = 3, 24
Times = list[set[int]]  # the milliseconds of each group


def of(rows: Iterable[tuple[int, int, int]]) -> Intervals:
    """Return intervals from rows of group, start and end."""
    return Intervals(*np.array([*rows], dtype="int64").reshape(-1, 3).T)


def rows_of(intervals: Intervals) -> list[tuple[int, int, int]]:
    """Return group, start and end of each interval."""
    return [(*map(int, row),) for row in zip(*intervals, strict=True)]


def times(rows: Iterable[tuple[int, int, int]]) -> Times:
    """Return which milliseconds of each group are in an interval."""
    found: Times = [set() for _ in range(GROUPS)]
    for group, start, end in rows:
        found[group] |= set(range(start, end))
    return found


def as_rows(found: Times) -> list[tuple[int, int, int]]:
    """Return the milliseconds of each group as intervals that are as long as possible."""
    return [(group, *run) for group, some in enumerate(found) for run in runs(some)]


interval = st.tuples(st.integers(0, TIMES - 1), st.integers(1, 9)).map(
    lambda made: (made[0], min(sum(made), TIMES))
)
any_rows = st.lists(st.tuples(st.integers(0, GROUPS - 1), interval), max_size=9).map(
    lambda rows: [(group, *edges) for group, edges in rows]
)
# sorted and disjoint, and never touching
apart = any_rows.map(lambda rows: as_rows(times(rows)))
edges = st.lists(st.integers(0, TIMES), min_size=GROUPS, max_size=GROUPS).map(np.array)


@given(any_rows, edges, edges)
def test_uncovered_is_the_range_without_the_windows(
    rows: list[tuple[int, int, int]], low: np.ndarray, high: np.ndarray
):
    """In each group, the range without its windows is uncovered, as long as possible."""
    clipped = [(group, max(start, low[group]), min(end, high[group])) for group, start, end in rows]
    clipped = [row for row in clipped if row[1] < row[2]]
    covered = times(clipped)
    expected = [
        set(range(first, last)) - some for first, last, some in zip(low, high, covered, strict=True)
    ]
    assert rows_of(windows.find_uncovered(of(clipped), low, high)) == as_rows(expected)


@given(any_rows)
def test_pieces_have_the_depth_of_each_of_their_milliseconds(rows: list[tuple[int, int, int]]):
    """No window starts or ends inside a piece, and each millisecond in it is as deep as the piece.

    Joined where they touch and are equally deep, the pieces are as long as possible.
    """
    axis = windows.axis_of(GROUPS, np.array([0, TIMES]))
    pieces = windows.cut(axis, of(rows))
    depth = windows.depths(axis, of(rows), pieces)
    each = [
        [sum(group == g and start <= t < end for g, start, end in rows) for t in range(TIMES)]
        for group in range(GROUPS)
    ]
    for (group, start, end), deep in zip(rows_of(pieces), depth, strict=True):
        assert set(each[group][start:end]) == {deep}
    for deep in (1, 2, 3):
        joined, first = windows.join(pieces.take(depth == deep))
        alike = [{t for t in range(TIMES) if some[t] == deep} for some in each]
        assert rows_of(joined) == as_rows(alike)
        np.testing.assert_array_equal(joined.start, pieces.take(depth == deep).start[first])
    apart, first = windows.join(pieces, depth)
    np.testing.assert_array_equal(depth[first], windows.depths(axis, of(rows), apart))
    assert sum(map(len, times(rows))) == int(apart.length[depth[first] > 0].sum())


@given(apart, any_rows)
def test_ranges_touched_are_those_that_share_a_millisecond(
    rows: list[tuple[int, int, int]], others: list[tuple[int, int, int]]
):
    """A window touches exactly the intervals of its group with which it shares a millisecond."""
    axis = windows.axis_of(GROUPS, np.array([0, TIMES]))
    first, last = windows.ranges_touched(axis, of(rows), of(others))
    for (group, start, end), left, right in zip(others, first, last, strict=True):
        touched = {
            at
            for at, (g, low, high) in enumerate(rows)
            if g == group and max(low, start) < min(high, end)
        }
        assert set(range(left, right)) == touched


@given(apart)
def test_time_before_an_instant_is_counted(rows: list[tuple[int, int, int]]):
    """Between any two instants of a group, the total is the number of milliseconds between them."""
    axis = windows.axis_of(GROUPS, np.array([0, TIMES]))
    group, time = (part.ravel() for part in np.mgrid[:GROUPS, : TIMES + 1])
    before = windows.total_before(axis, of(rows), group, time).reshape(GROUPS, -1)
    each = np.array([[t in some for t in range(TIMES)] for some in times(rows)])
    np.testing.assert_array_equal(np.diff(before, axis=1), each)
    np.testing.assert_array_equal(of(rows).total(GROUPS), each.sum(axis=1))


runs_of_places = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 20), st.integers(0, 99)), max_size=12
)


@given(runs_of_places)
def test_the_highest_rank_is_that_of_all_runs_over_a_place(found: list[tuple[int, int, int]]):
    """Each place has the highest rank of the runs over it, or -1 if there is none."""
    first, length, rank = np.array(found, dtype="int64").reshape(-1, 3).T
    many = 60
    expected = [
        max((r for start, long, r in found if start <= place < start + long), default=-1)
        for place in range(many)
    ]
    assert windows.highest(first, first + length, rank, many).tolist() == expected


@pytest.mark.parametrize("length", range(1, 18))
def test_a_run_of_any_length_reaches_all_of_its_places(length: int):
    """A run has its rank at each of its places and nowhere else."""
    top = windows.highest(np.array([2]), np.array([2 + length]), np.array([7]), length + 4)
    assert top.tolist() == [-1, -1, *[7] * length, -1, -1]


def test_more_time_than_numbers_is_refused():
    """Groups and times that do not fit into one number are refused with the number of days."""
    day = 86_400_000
    with pytest.raises(ArgumentError, match="1,000,000,000,000 log groups over 1,000 days"):
        windows.axis_of(10**12, np.array([0, 1000 * day - 1]))
