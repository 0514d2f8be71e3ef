"""Gaps, overlaps and premature exports are exactly those in `planted.json`."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from recorded import Key, code, completed, created, depths, key_of, ms, span
from support import DAY, HOUR, Row


def nightly_minutes(planted: Row) -> set[tuple[Key, int, int, str]]:
    """Return the rows of the rule of the nightly gaps."""
    rows = set()
    for rule in planted["nightly_gaps"]:
        assert rule["end_of_day"] == "24:00:00.000"
        for midnight in range(ms(rule["first_night"]), ms(rule["last_night"]) + 1, DAY):
            start = midnight + ms(f"1970-01-01T{rule['start_of_day']}")
            rows.add((key_of(rule), start, midnight + DAY, rule["reason"]))
    return rows


def test_gaps_are_exactly_the_planted_ones(by_group: dict[Key, list[Row]], planted: Row):
    """No COMPLETED task covers a gap, and one covers everything else; reasons are right."""
    reasons = {"FAILED": "failed", "CANCELLED": "cancelled"}
    found = set()
    for row in planted["ranges"]:
        tasks = by_group[key_of(row)]
        tried = [task for task in tasks if code(task) in reasons]
        for start, end, depth in depths(completed(tasks), *span(row)):
            if depth == 0:
                # Cut where the reason changes, which is at midnight here.
                cuts = sorted({start, end, *range(start - start % DAY + DAY, end, DAY)})
                for left, right in pairwise(cuts):
                    ends = {
                        reasons[code(task)]
                        for task in tried
                        if span(task)[0] < right and span(task)[1] > left
                    }
                    found.add((key_of(row), left, right, *(ends or {"never_tried"})))
    by_day = {
        (key_of(gap), midnight, midnight + DAY, gap["reason"])
        for gap in planted["gaps"]
        for midnight in range(*span(gap), DAY)
    }
    assert found == by_day | nightly_minutes(planted)


def test_gaps_are_joined(planted: Row):
    """Touching gaps, overlaps and premature intervals of one kind are joined."""
    for rows in (planted["gaps"], planted["overlaps"], planted["premature"]["intervals"]):
        for first in rows:
            for second in rows:
                if key_of(first) == key_of(second) and first["end"] == second["start"]:
                    kinds = [row.get("reason", row.get("depth")) for row in (first, second)]
                    assert kinds[0] != kinds[1]


def test_gaps_are_of_every_kind(planted: Row):
    """About twelve nights were never tried, two of them in the last week; others failed."""
    nights = Counter[str]()
    for gap in planted["gaps"]:
        nights[gap["reason"]] += (span(gap)[1] - span(gap)[0]) // DAY
    assert 10 <= nights["never_tried"] <= 14
    assert nights["failed"] >= 5
    assert nights["cancelled"] >= 3
    week_before = ms(planted["observed_at"]) - 7 * DAY
    late = [gap for gap in planted["gaps"] if span(gap)[0] >= week_before]
    assert [gap["reason"] for gap in late] == ["never_tried"] * 2


def test_retention_takes_a_gap_soon(planted: Row, log_groups: dict[Key, Row]):
    """One gap expires within days, and another has expired."""
    observed = ms(planted["observed_at"])
    left = [
        span(gap)[0] + log_groups[key_of(gap)]["retentionInDays"] * DAY - observed
        for gap in planted["gaps"]
        if "retentionInDays" in log_groups[key_of(gap)]
    ]
    assert any(0 < time < 3 * DAY for time in left)
    assert any(time < 0 for time in left)


def test_overlaps_are_exactly_the_planted_ones(by_group: dict[Key, list[Row]], planted: Row):
    """Planted overlaps have the given depth, and everything else at most one task."""
    found = [
        (key_of(row), start, end, depth)
        for row in planted["ranges"]
        for start, end, depth in depths(completed(by_group[key_of(row)]), *span(row))
        if depth > 1
    ]
    assert found == [(key_of(row), *span(row), row["depth"]) for row in planted["overlaps"]]
    assert {row["depth"] for row in planted["overlaps"]} == {2, 3}


def test_premature_tasks_are_exactly_the_planted_ones(by_group: dict[Key, list[Row]], planted: Row):
    """Only the listed tasks were created within 12 h of the end of their window."""
    early: dict[str, Row] = {}
    for tasks in by_group.values():
        for task in completed(tasks):
            if created(task) - span(task)[1] < 12 * HOUR:
                early[task["taskId"]] = task
    rows = planted["premature"]["tasks"]
    assert [row["task_id"] for row in rows] == list(early)
    for row in rows:
        task = early[row["task_id"]]
        assert (key_of(row), span(row), ms(row["created"])) == (
            key_of(task),
            span(task),
            created(task),
        )
        others = [
            other
            for other in completed(by_group[key_of(row)])
            if other["taskId"] not in early and span(other)[0] <= span(task)[0]
        ]
        assert row["covered_again"] == any(span(other)[1] >= span(task)[1] for other in others)
    assert {row["covered_again"] for row in rows} == {True, False}


def test_premature_intervals_are_what_nothing_later_covers(
    by_group: dict[Key, list[Row]], planted: Row
):
    """Premature intervals are covered, but only by premature tasks."""
    early = {row["task_id"] for row in planted["premature"]["tasks"]}
    found = []
    for row in planted["ranges"]:
        tasks = completed(by_group[key_of(row)])
        premature = [task for task in tasks if task["taskId"] in early]
        good = [task for task in tasks if task["taskId"] not in early]
        # Good tasks count twice, so a depth of 1 is a premature task alone.
        steps = depths([*premature, *good, *good], *span(row))
        found += [(key_of(row), start, end) for start, end, depth in steps if depth == 1]
    intervals = planted["premature"]["intervals"]
    assert found == [(key_of(row), *span(row)) for row in intervals]
