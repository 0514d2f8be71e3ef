"""The week of a report, its time zone and its `as_of`."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from reported import (
    ISO_WEEK,
    MINUTE,
    MONDAY,
    WEEK,
    built,
    finding,
    kinds,
    night,
    nights,
    others,
    rows_behind,
    tasks_of,
)
from support import DAY, HOUR, ms

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError, SchemaError


def stamp(text: str, tz: str = "UTC") -> pd.Timestamp:
    """Return an aware time from a local time."""
    return pd.Timestamp(text, tz=tz)


@pytest.mark.parametrize(
    ("as_of", "tz", "name"),
    [
        (None, "UTC", "week 2026-W47"),  # observed on the Monday after the week
        ("2026-11-22T23:59:59Z", "UTC", "week 2026-W46"),
        ("2026-11-23T00:00Z", "UTC", "week 2026-W47"),
        ("2026-11-22T16:00Z", "Asia/Tokyo", "week 2026-W47"),  # Monday in Tokyo
        ("2026-11-23T04:00Z", "America/New_York", "week 2026-W46"),  # still Sunday in New York
        ("2026-01-01T00:00Z", "UTC", "week 2025-W52"),
        ("2026-01-05T00:00Z", "UTC", "week 2026-W01"),
    ],
)
def test_last_is_the_last_whole_week(as_of: str | None, tz: str, name: str):
    """`last` is the last ISO week that ended before the last observation, or before `as_of`."""
    report = built(*nights("acme/api"), week="last", as_of=as_of, tz=tz)
    assert report.name == name
    assert report.start == report.start.normalize()
    assert report.start.weekday() == 0
    assert report.tz == tz


def test_the_default_week():
    """The default of `week` is `last`, which gives the same report as its name."""
    tasks = tasks_of(*nights("acme/api"))
    left, right = xs.build_weekly_report(tasks), xs.build_weekly_report(tasks, week=ISO_WEEK)
    assert left.to_json() == right.to_json()


def test_a_range_is_a_week_too():
    """A start and an end, as text or as times, are in the time zone of the report."""
    tasks = nights("acme/api")
    for week in (
        ("2026-11-16T00:00Z", "2026-11-23T00:00Z"),
        ["2026-11-16T01:00+01:00", stamp("2026-11-23")],
    ):
        report = built(*tasks, week=week)
        assert (report.start, report.end) == (stamp("2026-11-16"), stamp("2026-11-23"))
        assert report.name == "2026-11-16 00:00 to 2026-11-23 00:00"
        same = built(*tasks).figures
        assert_frame_equal(report.figures, same)
    three = built(*tasks, week=("2026-11-16T06:00Z", "2026-11-19T06:00Z"))
    created = [row["creation_time"] for row in tasks]
    for name, back, many in (("current", 0, 1), ("previous", 1, 1), ("before", 4, 4)):
        low = MONDAY + 6 * HOUR - back * 3 * DAY
        inside = sum(low <= time < low + many * 3 * DAY for time in created)
        assert three.figures.loc["tasks", name] == inside / many


@pytest.mark.parametrize(
    "week",
    [
        "2025-W53",
        "2026-W00",
        "2026-W54",
        "2026-W7",
        "2026W47",
        "2026-W47 ",
        "last week",
        "",
        "٢٠٢٦-W47",
        47,
        None,
        {"start": "2026-11-16"},
        ("2026-11-16T00:00Z",),
        ("2026-11-16T00:00Z", "2026-11-17T00:00Z", "2026-11-18T00:00Z"),
        ("2026-11-23T00:00Z", "2026-11-16T00:00Z"),
        ("2026-11-16T00:00Z", "2026-11-16T00:00Z"),
    ],
)
def test_an_invalid_week_is_refused(week: Any):  # noqa: ANN401 - anything at all
    """The error has the given value and says how to write a week."""
    with pytest.raises(ArgumentError, match=f"week={re.escape(repr(week))}"):
        xs.build_weekly_report(frames.empty(), week=week)


def test_edges_without_a_time_zone_are_refused():
    """A start or end with a time of day needs a time zone. The error names the one without."""
    bare = "2026-11-16T06:00"
    for week in ((bare, "2026-11-23T00:00Z"), ("2026-11-10T00:00Z", bare)):
        with pytest.raises(ArgumentError, match=f"week='{bare}'; give a date such as"):
            xs.build_weekly_report(frames.empty(), week=week)
    with pytest.raises(ArgumentError, match=f"as_of='{bare}'"):
        xs.build_weekly_report(frames.empty(), as_of=bare)
    with pytest.raises(ArgumentError, match="9999-12-27 is not in the calendar"):
        xs.build_weekly_report(frames.empty(), week="9999-W52")


@pytest.mark.parametrize("tz", ["Mars/Olympus", "", "../../etc/passwd", "UTC\n", None, 3])
def test_an_invalid_time_zone_is_refused(tz: Any):  # noqa: ANN401 - anything at all
    """The error has the given value and an example of a time zone."""
    with pytest.raises(ArgumentError, match=f'^tz={re.escape(repr(tz))}.*"Europe/Berlin"$'):
        xs.build_weekly_report(frames.empty(), week=ISO_WEEK, tz=tz)


def test_an_invalid_table_is_refused():
    """A table that does not match its schema is refused."""
    with pytest.raises(SchemaError):
        xs.build_weekly_report(pd.DataFrame({"task_id": ["a"]}), week=ISO_WEEK)
    with pytest.raises(SchemaError, match="read_log_groups"):
        xs.build_weekly_report(frames.empty(), week=ISO_WEEK, log_groups=pd.DataFrame())
    with pytest.raises(SchemaError, match="fetch_deliveries"):
        xs.build_weekly_report(frames.empty(), week=ISO_WEEK, deliveries=pd.DataFrame())


@pytest.mark.parametrize(
    ("week", "start", "end", "due_start", "due_end"),
    [  # the clocks go forward on 2026-03-29 and back on 2026-10-25
        ("2026-W13", "2026-03-22T23:00Z", "2026-03-29T22:00Z", "03-20T23:00Z", "03-27T23:00Z"),
        ("2026-W14", "2026-03-29T22:00Z", "2026-04-05T22:00Z", "03-27T23:00Z", "04-03T22:00Z"),
        ("2026-W43", "2026-10-18T22:00Z", "2026-10-25T23:00Z", "10-16T22:00Z", "10-23T22:00Z"),
        ("2026-W44", "2026-10-25T23:00Z", "2026-11-01T23:00Z", "10-23T22:00Z", "10-30T23:00Z"),
    ],
)
def test_a_week_in_berlin_has_its_own_length(
    week: str, start: str, end: str, due_start: str, due_end: str
):
    """A week with a clock change is an hour shorter or longer and begins at local midnight."""
    # one task per hour, so that one at each edge shows to which week it belongs
    first, hours = ms(start) - 8 * DAY, 24 * 24
    rows = [
        night("acme/api", 0, task_id=f"{n}", creation_time=first + n * HOUR, observed_at=MONDAY)
        for n in range(hours)
    ]
    report = built(*rows, week=week, tz="Europe/Berlin")
    assert (report.start, report.end) == (stamp(start), stamp(end))
    assert (report.due_start, report.due_end) == (
        stamp(f"2026-{due_start}"),
        stamp(f"2026-{due_end}"),
    )
    assert report.start.hour == report.end.hour == report.due_start.hour == report.due_end.hour == 0
    inside = sum(ms(start) <= row["creation_time"] < ms(end) for row in rows)
    assert report.figures.loc["tasks", "current"] == inside == (ms(end) - ms(start)) // HOUR
    before = report.start - pd.DateOffset(days=7)
    last = sum(before.timestamp() * 1000 <= row["creation_time"] < ms(start) for row in rows)
    assert report.figures.loc["tasks", "previous"] == last
    assert "(Europe/Berlin)" in report.period


def test_times_are_shown_in_the_zone():
    """Text and tables for people have local times. The JSON has UTC."""
    rows = [row for row in nights("acme/api") if row["task_id"] != "acme/api@0"]
    report = built(*rows, tz="Asia/Kolkata")
    [gap] = rows_behind(report, "gaps")
    assert gap["start"] == MONDAY
    assert "from 2026-11-16 05:30" in finding(report, "gaps").sentence
    assert "| 2026-11-16 05:30 | 2026-11-17 05:30 |" in report.to_markdown()
    assert "<td" in report.to_html()
    assert ">2026-11-16 05:30</td>" in report.to_html()
    assert '"start": "2026-11-15T18:30:00Z"' in report.to_json()


def test_the_default_as_of():
    """The default `as_of` is the end of the week, or the last observation if that is earlier."""
    tasks = nights("acme/api")
    assert built(*tasks).as_of == stamp("2026-11-23")
    early = [row | {"observed_at": MONDAY + 3 * DAY} for row in tasks]
    known = [row for row in early if row["creation_time"] <= MONDAY + 3 * DAY]
    assert built(*known).as_of == stamp("2026-11-19")
    assert built(*known, tz="Asia/Tokyo").as_of.tzinfo is not None


def test_as_of_limits_what_is_known():
    """With `as_of`, later tasks are ignored and later ends are unknown, in any week."""
    rows = nights("acme/api")
    at = MONDAY + 3 * DAY + 14 * HOUR + MINUTE  # a minute after the creation of Wednesday's task
    report = built(*rows, as_of=pd.Timestamp(at, unit="ms", tz="UTC"))
    figures = report.figures["current"]
    created = [row for row in rows if MONDAY <= row["creation_time"] <= at]
    done = [row for row in created if row["completion_time"] <= at]
    assert figures["tasks"] == len(created)
    assert figures["completed"] == len(done) == len(created) - 1
    # later, the failed window has been exported again
    rows = [
        *others("acme/api", 1),
        night("acme/api", 1, task_id="x", creation_time=MONDAY + 8 * DAY),
    ]
    rows[-1]["completion_time"] = rows[-1]["observed_at"] = MONDAY + 8 * DAY + HOUR
    assert "gaps" in kinds(built(*rows))
    assert "gaps" not in kinds(built(*rows, as_of="2026-11-25T00:00Z"))


def test_tasks_without_observed_at():
    """Without `observed_at`, a past week is reported as of its end."""
    rows = [
        row
        | {name: row[name] - 104 * WEEK for name in row if name.endswith("_time")}
        | {"observed_at": None}
        for row in nights("acme/api")
    ]
    report = built(*rows, week="2024-W47")
    assert report.as_of == report.end == stamp("2024-11-25")
    assert report.figures.loc["tasks", "current"] == 7
    assert report.is_quiet


def test_one_task_without_observed_at_does_not_hide_the_others():
    """The last week is that before the latest observation, even if some tasks have none."""
    tasks = xs.sample_tasks()
    then = pd.Timestamp("2026-06-15T06:00Z").as_unit("ms")
    seen = tasks[tasks["creation_time"] < then].assign(observed_at=then)
    seen.loc[seen.index[0], "observed_at"] = pd.NaT
    assert xs.build_weekly_report(seen).name == "week 2026-W24"
