"""Arithmetic on intervals of time, for all groups at once.

Times are integers, intervals half-open (`[start, end)`), and groups are numbered from 0. Combined
in one number, group and time put all groups on one axis.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exportstats.core.schema import DAY
from exportstats.errors import ArgumentError
from exportstats.stats.packing import Packing


class Intervals(NamedTuple):
    """Intervals of time, one array element each; none is empty."""

    group: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def take(self, which: np.ndarray) -> Intervals:
        """Return selected intervals, by number or mask."""
        return Intervals(self.group[which], self.start[which], self.end[which])

    @property
    def length(self) -> np.ndarray:
        """The length of each interval."""
        length: np.ndarray = self.end - self.start
        return length

    def total(self, groups: int) -> np.ndarray:
        """Return the total length in each group; exact below 2**53."""
        whole = np.bincount(self.group, weights=self.length, minlength=groups)
        return whole.astype("int64")


def concat(*several: Intervals) -> Intervals:
    """Return all intervals in one."""
    return Intervals(*map(np.concatenate, zip(*several, strict=True)))


def axis_of(groups: int, *times: np.ndarray) -> Packing:
    """Return an axis that can pack these times.

    Raises
    ------
    ArgumentError
        If int64 has too few numbers: the limit is 280,000 groups over 1,030 years.
    """
    if (axis := Packing.of(groups, *times)) is None:
        days = (int(np.ptp(np.concatenate(times))) + 1) // DAY
        raise ArgumentError(
            f"{groups:,} log groups over {days:,} days are too many at once; "
            "give a start and an end, or the tasks of some slots"
        )
    return axis


def find_uncovered(windows: Intervals, low: np.ndarray, high: np.ndarray) -> Intervals:
    """Return what no window covers of each group's range, from `low` to `high`; sorted.

    The k-th window to end is followed by a gap exactly if it ends before the (k+1)-th window to
    start starts. The time before and after the range count as windows. So every group has one more
    end and one more start than windows, and both are aligned.
    """
    groups = np.arange(len(low))
    low = np.minimum(low, high)
    axis = axis_of(len(low), windows.start, windows.end, low, high)
    group = np.concatenate([windows.group, groups])
    starts = axis.pack(group, np.concatenate([windows.start, high]))
    ends = axis.pack(group, np.concatenate([windows.end, low]))
    del group
    starts.sort()
    ends.sort()
    at = np.flatnonzero(ends < starts)
    group, start = axis.unpack(ends[at])
    return Intervals(group, start, axis.unpack(starts[at])[1])


def cut(axis: Packing, windows: Intervals) -> Intervals:
    """Cut each group's time wherever a window starts or ends; sorted, with uncovered pieces."""
    edges = np.concatenate(
        [axis.pack(windows.group, windows.start), axis.pack(windows.group, windows.end)]
    )
    edges.sort()
    group, time = axis.unpack(edges[np.diff(edges, prepend=-1) > 0])
    same = group[1:] == group[:-1]
    return Intervals(group[:-1][same], time[:-1][same], time[1:][same])


def join(intervals: Intervals, value: np.ndarray | None = None) -> tuple[Intervals, np.ndarray]:
    """Join sorted, disjoint intervals that touch and, if values are given, have equal values.

    Returns
    -------
    joined, first
        The joined intervals, and the number of the first interval in each.
    """
    group, start, end = intervals
    same = (group[1:] == group[:-1]) & (start[1:] == end[:-1])
    if value is not None:
        same &= value[1:] == value[:-1]
    first = np.flatnonzero(np.append(True, ~same)[: len(group)])
    last = np.flatnonzero(np.append(~same, True)[: len(group)])
    return Intervals(group[first], start[first], end[last]), first


def depths(axis: Packing, windows: Intervals, pieces: Intervals) -> np.ndarray:
    """Count the windows over each piece; no window may start or end inside a piece."""
    starts = np.sort(axis.pack(windows.group, windows.start))
    ends = np.sort(axis.pack(windows.group, windows.end))
    at = axis.pack(pieces.group, pieces.start)
    started = np.searchsorted(starts, at, side="right")
    return started - np.searchsorted(ends, at, side="right")


class Summed(NamedTuple):
    """A value of each of some intervals, and the sums of all values before each."""

    values: np.ndarray
    through: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Summed:
        """Return the values with their sums."""
        return cls(values, np.concatenate([[0], np.cumsum(values)]))


class Index(NamedTuple):
    """Sorted, disjoint intervals with packed edges, to look up many others."""

    axis: Packing
    intervals: Intervals
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, axis: Packing, intervals: Intervals) -> Index:
        """Return the intervals on an axis that can pack them."""
        group, start, end = intervals
        return cls(axis, intervals, axis.pack(group, start), axis.pack(group, end))

    def touched(self, windows: Intervals) -> tuple[np.ndarray, np.ndarray]:
        """Return which intervals each window overlaps: `[first, last)`."""
        first = np.searchsorted(self.ends, self._packed(windows.group, windows.start), side="right")
        last = np.searchsorted(self.starts, self._packed(windows.group, windows.end), side="left")
        return first, np.maximum(first, last)

    def time_before(self, lengths: Summed, group: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return how much time the intervals, of these lengths, have before each `time`.

        Intervals of earlier groups are included, so only differences within a group are meaningful.
        """
        at, _, after = self._at(group, time)
        before: np.ndarray = lengths.through[at] - after
        return before

    def sum_before(self, sums: Summed, group: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return the sum of values before each `time`; each is spread evenly over its interval."""
        at, last, after = self._at(group, time)
        before: np.ndarray = sums.through[at]
        if len(self.starts):
            length = self.intervals.end[last] - self.intervals.start[last]
            before = before - sums.values[last] * (after / length)
        return before

    def _at(self, group: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how many intervals begin before each time, the last, and how much is after it."""
        at = np.searchsorted(self.starts, self._packed(group, time), side="left")
        last = np.maximum(at - 1, 0)
        if not len(self.starts):
            return at, last, last
        inside = (at > 0) & (self.intervals.group[last] == group)
        return at, last, np.where(inside, np.maximum(self.intervals.end[last] - time, 0), 0)

    def _packed(self, group: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Pack times; those before all intervals, or after, become the edge of the axis."""
        low, span = self.axis
        return self.axis.pack(group, np.clip(time, low, low + span - 1))


def ranges_touched(
    axis: Packing, intervals: Intervals, windows: Intervals
) -> tuple[np.ndarray, np.ndarray]:
    """Return which sorted, disjoint intervals each window overlaps: `[first, last)`."""
    return Index.of(axis, intervals).touched(windows)


def total_before(
    axis: Packing, intervals: Intervals, group: np.ndarray, time: np.ndarray
) -> np.ndarray:
    """Return how much time the sorted, disjoint intervals have before each `time`.

    Intervals of earlier groups are included, so only differences within a group are meaningful.
    """
    return Index.of(axis, intervals).time_before(Summed.of(intervals.length), group, time)


def highest(first: np.ndarray, last: np.ndarray, rank: np.ndarray, many: int) -> np.ndarray:
    """Return the highest rank at each of `many` places, -1 if there is none.

    Rank `i` applies to the places from `first[i]` to before `last[i]`, at least one. Such a run is
    the union of two runs whose length is a power of two. Long runs are halved step by step, so a
    million ranks over a million places each take no longer than over one place each.
    """
    power = np.frexp(last - first)[1] - 1
    top = np.full(many, -1)
    for step in range(int(power.max(initial=0)), -1, -1):
        half = 1 << step
        # each run of twice this length becomes two runs of this length
        top[half:] = np.maximum(top[half:], top[:-half])
        now = power == step
        np.maximum.at(top, first[now], rank[now])
        np.maximum.at(top, last[now] - half, rank[now])
    return top
