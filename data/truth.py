"""Compute gaps, overlaps and premature intervals slowly but plainly, to check the sample.

Tasks are dictionaries in AWS's JSON shape. Intervals are half-open, in milliseconds since
1970, and have the form `(start, end, value)`.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
Interval = tuple[int, int, Any]
ENDS_FOR_GOOD = {"FAILED": "failed", "CANCELLED": "cancelled"}


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """Join intervals that touch and have the same value."""
    merged: list[Interval] = []
    for start, end, value in sorted(intervals, key=lambda interval: interval[:2]):
        if merged and merged[-1][1:] == (start, value):
            start = merged.pop()[0]  # noqa: PLW2901  # it grows backwards
        merged.append((start, end, value))
    return merged


def cut(tasks: list[Row], start: int, end: int) -> list[tuple[int, int, list[Row]]]:
    """Cut `[start, end)` at every edge of a window, and return each piece with its tasks."""
    edges = {edge for task in tasks for edge in (task["from"], task["to"] + 1)}
    edges = {start, end} | {edge for edge in edges if start < edge < end}
    return [
        (left, right, [task for task in tasks if task["from"] <= left and right <= task["to"] + 1])
        for left, right in pairwise(sorted(edges))
    ]


def state(task: Row) -> str:
    """Return the state of a task."""
    code: str = task["status"]["code"]
    return code


def created(task: Row) -> int:
    """Return the creation time of a task."""
    time: int = task["executionInfo"]["creationTime"]
    return time


def is_premature(task: Row, latest_events: int) -> bool:
    """Return whether a task was created less than 12 hours after the end of its window."""
    return created(task) - (task["to"] + 1) < latest_events


def find_coverage(
    tasks: list[Row], start: int, end: int, latest_events: int
) -> tuple[list[Interval], list[Interval], list[Interval]]:
    """Find the gaps, overlaps and premature intervals of one log group.

    Returns
    -------
    tuple
        Gaps with their reason, overlaps with their depth, and what only premature tasks cover.

    Raises
    ------
    ValueError
        A gap has no single reason, because several kinds of tasks did not fill it.
    """
    gaps, overlaps, premature = [], [], []
    for left, right, inside in cut(tasks, start, end):
        done = [task for task in inside if state(task) == "COMPLETED"]
        if not done:
            reasons = {ENDS_FOR_GOOD[state(task)] for task in inside} or {"never_tried"}
            if len(reasons) > 1:
                raise ValueError(f"the gap from {left} has the reasons {sorted(reasons)}")
            gaps.append((left, right, reasons.pop()))
        elif len(done) > 1:
            overlaps.append((left, right, len(done)))
        if done and all(is_premature(task, latest_events) for task in done):
            premature.append((left, right, "premature"))
    return merge(gaps), merge(overlaps), merge(premature)


def iso_week(time: int) -> str:
    """Return the ISO week of an instant, as in `2026-W24`."""
    year, week, _ = datetime.fromtimestamp(time // 1000, UTC).isocalendar()
    return f"{year}-W{week:02}"


def count_troubles(
    tasks: list[Row], intervals: dict[str, list[Interval]], day: int
) -> dict[str, Counter[str]]:
    """Count, for each ISO week, its tasks and what went wrong.

    Tasks count in the week of their creation. Intervals of each kind count once for each day and
    log group that they touch.
    """
    weeks: dict[str, Counter[str]] = {}
    for task in tasks:
        week = weeks.setdefault(iso_week(created(task)), Counter())
        week["tasks"] += 1
        if state(task) in ENDS_FOR_GOOD:
            week[ENDS_FOR_GOOD[state(task)]] += 1
    for kind, found in intervals.items():
        for start, end, _ in found:
            for midnight in range(start - start % day, end, day):
                weeks.setdefault(iso_week(midnight), Counter())[kind] += 1
    return weeks
