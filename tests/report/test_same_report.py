"""What does not change a report: the order of rows, shards, the time of the run."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import TYPE_CHECKING

import pytest
from pandas.testing import assert_frame_equal
from reported import (
    ISO_WEEK,
    MINUTE,
    RENDERERS,
    built,
    deliveries_of,
    log_groups_of,
    night,
    nights,
    others,
    planted,
    report_of,
    sample,
    tasks_of,
)
from support import DAY, HOUR, cut, ms, rows_of, shuffled, some

import exportstats as xs
from exportstats.report.html import render_fragment

if TYPE_CHECKING:
    import pandas as pd


def seen_at(tasks: pd.DataFrame, at: int) -> pd.DataFrame:
    """Return the table as it would have been fetched at an instant."""
    rows = []
    for row in rows_of(tasks):
        if row["creation_time"] <= at:
            ended = row["completion_time"]
            if ended is not None and ended > at:
                row |= {"status_code": "RUNNING", "status_message": None, "completion_time": None}
            rows.append(row | {"observed_at": at})
    return tasks_of(*rows)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("week", "renderers"),
    some([("2026-W24", list(RENDERERS)), ("2026-W30", ["json", "markdown"])], 2),
)
def test_a_later_run_gives_the_same_bytes(week: str, renderers: list[str]):
    """Each format has the same bytes, however long after the week the tasks were fetched."""
    tasks, log_groups = sample()
    [edges] = [one for one in planted()["weeks"]["all"] if one["iso_week"] == week]
    end = ms(edges["end"])
    expected = {name: RENDERERS[name](report_of(week)) for name in renderers}
    for later in (0, 3 * DAY + 14 * HOUR + 30 * MINUTE):
        then = seen_at(tasks, end + later)
        assert len(then) < len(tasks)
        report = xs.build_weekly_report(then, week=week, log_groups=log_groups)
        for name in renderers:
            if name not in ("html", "email") or not later:  # these formats are slow
                assert RENDERERS[name](report) == expected[name], (name, later)


def test_the_order_of_rows_does_not_matter():
    """The order of tasks and log groups does not matter."""
    tasks, log_groups = sample()
    random = Random(6)  # noqa: S311 - an order, no secret
    order = list(range(len(log_groups)))
    random.shuffle(order)
    report = xs.build_weekly_report(
        shuffled(tasks, random), week="2026-W24", log_groups=log_groups.iloc[order]
    )
    expected = report_of("2026-W24")
    assert report.to_json() == expected.to_json()
    for one, other in zip(report.pictures, expected.pictures, strict=True):
        assert (one.name, one.text) == (other.name, other.text)
        assert one.table.to_csv() == other.table.to_csv()


@pytest.mark.parametrize(("week", "anew"), [("2026-W24", False), ("2026-W39", True)])
def test_shards_give_the_same(week: str, anew: bool):  # noqa: FBT001 - a parameter
    """Shards give the same report as one table, with the same or with different categories."""
    tasks, log_groups = sample()
    shards = cut(tasks, Random(7), anew=anew)  # noqa: S311 - an order, no secret
    report = xs.build_weekly_report(shards, week=week, log_groups=log_groups)
    expected = report_of(week)
    assert report.to_json() == expected.to_json()
    assert report.to_markdown() == expected.to_markdown()
    assert [p.name for p in report.pictures] == [p.name for p in expected.pictures]


def test_frames_of_the_caller_do_not_change():
    """Building and rendering do not change tasks, log groups or deliveries."""
    tasks = tasks_of(*others("acme/api", 2), night("acme/api", 2, status_code="FAILED"))
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 14 * DAY})
    deliveries = deliveries_of({"task_id": "acme/api@3", "delivered": "empty"})
    given = (tasks, log_groups, deliveries)
    copies = [frame.copy(deep=True) for frame in given]
    report = xs.build_weekly_report(
        tasks, week=ISO_WEEK, log_groups=log_groups, deliveries=deliveries
    )
    shown = {name: table.copy(deep=True) for name, table in report.tables.items()}
    for render in (*RENDERERS.values(), render_fragment):
        render(report)
    for frame, copy in zip(given, copies, strict=True):
        assert_frame_equal(frame, copy)
    for name, table in report.tables.items():
        assert_frame_equal(table, shown[name])


def test_building_twice_gives_the_same_bytes():
    """Two reports on the same week have the same bytes: no format has a clock or random ids."""
    report = built(*others("acme/api", 2), night("acme/api", 2, status_code="FAILED"))
    again = built(*others("acme/api", 2), night("acme/api", 2, status_code="FAILED"))
    for name, render in RENDERERS.items():
        assert render(report) == render(again), name


def test_a_report_is_frozen():
    """A report is immutable, and so is its mapping of tables."""
    report = built(*nights("acme/api"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.name = "another"
    with pytest.raises(TypeError):
        report.tables["figures"] = report.figures  # type: ignore[index]
    assert isinstance(report.findings, tuple)
    assert isinstance(report.pictures, tuple)
