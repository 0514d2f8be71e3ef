"""A report has a part for each team, which equals the report on the tasks of that team."""

from __future__ import annotations

import pytest
from reported import ISO_WEEK, kinds, log_groups_of, night, nights, others, tasks_of
from support import DAY

import exportstats as xs
from exportstats.errors import ArgumentError


def test_a_part_is_the_report_of_its_tasks():
    """Each value of an own column has the findings of its tasks, with the worst part first."""
    tasks = tasks_of(*nights("acme/a"), *others("acme/b", 2), *nights("acme/c"), night("acme/d", 1))
    owner = {"acme/a": "red", "acme/b": "blue", "acme/c": "red"}
    tasks = tasks.assign(owner=tasks["log_group_name"].astype("str").map(owner))
    names = {"acme/a", "acme/b", "acme/c"}
    log_groups = log_groups_of(*({"log_group_name": n, "retention": 20 * DAY} for n in names))
    options = {"week": ISO_WEEK, "log_groups": log_groups}
    report = xs.build_weekly_report(tasks, **options, by="owner")
    assert list(report.parts) == ["blue", "red"]
    assert kinds(report.parts["blue"]) == ["expiring", "gaps"]
    assert kinds(report.parts["red"]) == []
    for value, part in report.parts.items():
        mine = tasks[tasks["owner"] == value]
        there = log_groups["log_group_name"].isin(mine["log_group_name"].astype("str"))
        alone = xs.build_weekly_report(mine, week=ISO_WEEK, log_groups=log_groups[there])
        assert part.headline == alone.headline
        assert part.figures.equals(alone.figures)
        assert part.name == f"week {ISO_WEEK}, owner {value}"
    assert "<h2>week 2026-W47, owner blue</h2>" in report.to_html()
    assert "## week 2026-W47, owner red" in report.to_markdown()
    assert xs.build_weekly_report(tasks, **options).parts == {}


def test_a_column_that_is_not_there_is_refused():
    """An unknown column is named in the error."""
    with pytest.raises(ArgumentError, match="by='owner'"):
        xs.build_weekly_report(tasks_of(*nights("acme/a")), week=ISO_WEEK, by="owner")
