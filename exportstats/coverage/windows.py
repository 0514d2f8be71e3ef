"""Arithmetic on stretches of time, of all groups at once.

Times are whole numbers, stretches half-open, `[start, end)`; groups are numbered from 0. Group and
time packed into one int64 sort by both at once, which is several times as fast as a sort by two
keys, and makes all groups one long line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exportstats.core.schema import DAY
from exportstats.errors import ArgumentError

_MOST = 1 << 63  # packed numbers stay below this


class Stretches(NamedTuple):
    """Stretches of time, an array element each, none of them empty."""

    group: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def take(self, which: np.ndarray) -> Stretches:
        """Return some of them, by number or by mask."""
        return Stretches(self.group[which], self.start[which], self.end[which])

    @property
    def length(self) -> np.ndarray:
        """How long each is."""
        length: np.ndarray = self.end - self.start
        return length

    def total(self, groups: int) -> np.ndarray:
        """Add up the lengths of each group; exact below 2**53."""
        whole = np.bincount(self.group, weights=self.length, minlength=groups)
        return whole.astype("int64")


class Axis(NamedTuple):
    """How group and time are packed into one number.

    Attributes
    ----------
    low, span
        The first time, and how many numbers a group has for itself.
    """

    low: int
    span: int

    def pack(self, group: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Pack; the time is one that the axis was made of."""
        packed: np.ndarray = time - self.low
        packed += group * self.span
        return packed

    def unpack(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return group and time again."""
        group, at = np.divmod(packed, self.span)
        return group, at + self.low


def axis_of(groups: int, *times: np.ndarray) -> Axis:
    """Make an axis that can pack these times.

    Raises
    ------
    ArgumentError
        There are more groups, over more time, than an int64 numbers: 280,000 over 1,030 years.
    """
    some = [array for array in times if array.size]
    low = min((int(array.min()) for array in some), default=0)
    span = max((int(array.max()) for array in some), default=0) - low + 1
    if groups * span >= _MOST:
        raise ArgumentError(
            f"{groups:,} log groups over {span // DAY:,} days are too many at once; "
            "give a start and an end, or the tasks of some slots"
        )
    return Axis(low, span)


def find_uncovered(windows: Stretches, low: np.ndarray, high: np.ndarray) -> Stretches:
    """Return what no window covers of each group's range, from `low` to `high`; sorted.

    The k-th window to end leaves a gap behind it exactly when it ends before the (k+1)-th to start
    starts. What lies before and after the range counts as a window each, so that every group has
    one more end and start than windows, and they stand side by side.
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
    return Stretches(group, start, axis.unpack(starts[at])[1])


def cut(axis: Axis, windows: Stretches) -> Stretches:
    """Cut each group's time wherever a window starts or ends; sorted, uncovered pieces too."""
    edges = np.concatenate(
        [axis.pack(windows.group, windows.start), axis.pack(windows.group, windows.end)]
    )
    edges.sort()
    group, time = axis.unpack(edges[np.diff(edges, prepend=-1) > 0])
    same = group[1:] == group[:-1]
    return Stretches(group[:-1][same], time[:-1][same], time[1:][same])


def join(stretches: Stretches, value: np.ndarray | None = None) -> tuple[Stretches, np.ndarray]:
    """Join sorted, disjoint stretches that touch, and whose values are equal if they have some.

    Returns
    -------
    joined, first
        The stretches, and the number of the first one in each.
    """
    group, start, end = stretches
    same = (group[1:] == group[:-1]) & (start[1:] == end[:-1])
    if value is not None:
        same &= value[1:] == value[:-1]
    first = np.flatnonzero(np.append(True, ~same)[: len(group)])
    last = np.flatnonzero(np.append(~same, True)[: len(group)])
    return Stretches(group[first], start[first], end[last]), first


def depths(axis: Axis, windows: Stretches, pieces: Stretches) -> np.ndarray:
    """Count the windows over each piece, in which none of them starts or ends."""
    starts = np.sort(axis.pack(windows.group, windows.start))
    ends = np.sort(axis.pack(windows.group, windows.end))
    at = axis.pack(pieces.group, pieces.start)
    started = np.searchsorted(starts, at, side="right")
    return started - np.searchsorted(ends, at, side="right")


def ranges_touched(
    axis: Axis, stretches: Stretches, windows: Stretches
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the sorted, disjoint stretches each window overlaps: `[first, last)`."""
    ends = axis.pack(stretches.group, stretches.end)
    starts = axis.pack(stretches.group, stretches.start)
    first = np.searchsorted(ends, axis.pack(windows.group, windows.start), side="right")
    last = np.searchsorted(starts, axis.pack(windows.group, windows.end), side="left")
    return first, np.maximum(first, last)


def total_before(
    axis: Axis, stretches: Stretches, group: np.ndarray, time: np.ndarray
) -> np.ndarray:
    """Add up, for each time, what lies before it of the sorted, disjoint stretches.

    Those of earlier groups are in it, so only differences within a group mean something.
    """
    if not len(stretches.group):
        return np.zeros(np.shape(time), dtype="int64")
    starts = axis.pack(stretches.group, stretches.start)
    at = np.searchsorted(starts, axis.pack(group, time), side="left")
    through = np.concatenate([[0], np.cumsum(stretches.length)])
    last = np.maximum(at - 1, 0)
    inside = (at > 0) & (stretches.group[last] == group)
    return through[at] - np.where(inside, np.maximum(stretches.end[last] - time, 0), 0)


def highest(first: np.ndarray, last: np.ndarray, rank: np.ndarray, many: int) -> np.ndarray:
    """Return the highest rank over each of `many` places, -1 over none.

    Rank `i` lies over the places from `first[i]` to before `last[i]`, at least one. Each such run
    is two runs, which may overlap, whose length is a power of two; the longer ones are halved step
    by step, so that a million ranks over a million places each take no longer than over one.
    """
    power = np.frexp(last - first)[1] - 1
    top = np.full(many, -1)
    for step in range(int(power.max(initial=0)), -1, -1):
        half = 1 << step
        # runs of twice the length become two of this length each
        top[half:] = np.maximum(top[half:], top[:-half])
        now = power == step
        np.maximum.at(top, first[now], rank[now])
        np.maximum.at(top, last[now] - half, rank[now])
    return top
