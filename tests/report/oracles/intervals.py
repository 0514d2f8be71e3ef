"""Arithmetic of half-open intervals, in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support import Row

Interval = tuple[int, int]
MINUTE = 60_000


def window_of(row: Row) -> Interval | None:
    """Return the half-open window of a task, or None if it is reversed or unknown."""
    first, last = row["from_time"], row["to_time"]
    return None if first is None or last is None or first > last else (first, last + 1)


def both(one: Interval, other: Interval) -> list[Interval]:
    """Return the intersection of two intervals."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return [(low, high)] if low < high else []


def minus(interval: Interval, taken: list[Interval]) -> list[Interval]:
    """Return the parts of an interval that are in no other interval."""
    left, (at, end) = [], interval
    for low, high in sorted(taken):
        if low >= end:
            break
        if low > at:
            left.append((at, low))
        at = max(at, high)
    return [*left, (at, end)] if at < end else left


def union(intervals: list[Interval]) -> list[Interval]:
    """Join intervals that touch or overlap."""
    found: list[Interval] = []
    for low, high in sorted(intervals):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        elif low < high:
            found.append((low, high))
    return found


def length(intervals: list[Interval]) -> int:
    """Return the total length of intervals."""
    return sum(high - low for low, high in intervals)
