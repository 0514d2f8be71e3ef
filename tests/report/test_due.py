"""Events are missing only once they are due, and losses are reported in time and once."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, strategies as st
from oracles.intervals import both, length, minus, union
from pandas.testing import assert_frame_equal
from reported import (
    MINUTE,
    MONDAY,
    WEEK,
    built,
    deliveries_of,
    finding,
    kinds,
    log_groups_of,
    look,
    night,
    nights,
    others,
    plain_rows,
    rows_behind,
    rows_of_rule,
    tasks_of,
)
from support import DAY, FEW, HOUR, Row, ms, some

from exportstats.report import rhythm
from exportstats.report.rules import exporters, gaps, resolved, retention


def at(millis: int) -> pd.Timestamp:
    """Return an aware time."""
    return pd.Timestamp(millis, unit="ms", tz="UTC")


def seen(rows: list[Row], when: int) -> list[Row]:
    """Return the table as observed at an instant."""
    found = []
    for row in rows:
        if row["creation_time"] <= when:
            ended = row["completion_time"] is not None and row["completion_time"] <= when
            gone = {} if ended else {"status_code": "RUNNING", "completion_time": None}
            found.append(row | gone | {"observed_at": when})
    return found


def exported(name: str, edges: list[int], late: int, **more: Any) -> list[Row]:  # noqa: ANN401
    """Return the tasks of a log group with windows between these edges."""
    return [
        night(name, 0)
        | {
            "task_id": f"{name}@{start}",
            "from_time": start,
            "to_time": end - 1,
            "creation_time": end + late,
            "completion_time": end + late + MINUTE,
        }
        | more
        for start, end in pairwise(edges)
    ]


def weekly(name: str, *, first: int = -10, last: int = 1, late: int = DAY) -> list[Row]:
    """Return weekly windows from Monday to Monday, exported a day later."""
    return exported(name, [MONDAY + number * WEEK for number in range(first, last + 1)], late)


def monthly(name: str) -> list[Row]:
    """Return monthly windows of a year, exported two days later."""
    edges = [ms(f"2025-{m:02}-01T00:00Z") for m in range(11, 13)]
    edges += [ms(f"2026-{m:02}-01T00:00Z") for m in range(1, 13)]
    return exported(name, edges, 2 * DAY)


# --- A week that is not over ---------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("hours", "tz"),
    some(product(range(0, 7 * 24 + 1, 21), ["UTC", "Asia/Tokyo", "America/Los_Angeles"]), 4),
)
def test_an_unfinished_week_reports_nothing_before_it_is_due(hours: int, tz: str):
    """At any time of the week, a log group that is exported every night has no findings."""
    rows = seen(nights("acme/api"), MONDAY + hours * HOUR)
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 3 * DAY})
    report = built(*rows, tz=tz, log_groups=log_groups)
    assert report.findings == ()
    if report.due_start < report.due_end:
        assert report.due_end <= at(MONDAY + hours * HOUR) - pd.Timedelta("2D")


def test_an_unfinished_week_reports_what_is_due():
    """On a Thursday, a missing Monday is a gap, but a missing Wednesday is not due yet."""
    when = MONDAY + 3 * DAY + 20 * HOUR
    report = built(*seen(others("acme/api", 0, 2), when))
    assert [row["start"] for row in rows_behind(report, "gaps")] == [MONDAY]
    assert "events of the days 2026-11-14 to 2026-11-16" in report.period
    quiet = built(*seen(nights("acme/api"), when))
    assert quiet.headline.startswith("A quiet week so far: ")


def test_a_week_that_has_just_begun():
    """The report says so if no day is due yet."""
    report = built(*seen(nights("acme/api"), MONDAY + HOUR), week="2026-W48")
    assert report.findings == ()
    assert "no events due yet" in report.period
    assert report.to_html()


def test_an_active_day_does_not_make_older_days_active():
    """If the newest day of a gap is being exported, the older days are not active."""
    later = night("acme/api", 5, status_code="RUNNING", creation_time=MONDAY + WEEK - HOUR)
    rows = [*others("acme/api", 3, 4, 5), night("acme/api", 3, task_id="x", status_code="FAILED")]
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 14 * DAY})
    for rule in (gaps.gaps, retention.expiring):
        found = look(rule, *rows, later, log_groups=log_groups)
        gap = [(row["end"], row["reason"], row["last_task_id"]) for row in plain_rows(found.rows)]
        assert gap == [(MONDAY + 5 * DAY, "failed", "x")]
        assert found.commands


# --- The rhythm of a log group -------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("make", "week"), some(product([weekly, monthly], [f"2026-W{n}" for n in range(42, 48)]), 3)
)
def test_a_rhythm_of_its_own_has_no_gaps(make: Any, week: str):  # noqa: ANN401 - a function
    """A log group that is exported weekly or monthly has no gaps as long as no export is late."""
    end = ms("2026-10-19T00:00Z") + (int(week[-2:]) - 42) * WEEK
    report = built(*seen(make("acme/slow"), end + 6 * HOUR), week=week)
    assert report.findings == ()
    assert report.tables["coverage"]["covered_at_most"].to_list() in ([], [1.0])


def test_a_missing_week_is_one_gap_in_one_report():
    """A missing window of a weekly export is one gap, in the report of the week it became due."""
    rows = [row for row in weekly("acme/slow", last=4) if row["from_time"] != MONDAY - WEEK]
    listed = []
    for number in range(46, 51):
        end = MONDAY + (number - 46) * WEEK
        found = rows_of_rule(gaps.gaps, *seen(rows, end + HOUR), week=f"2026-W{number}")
        listed += [(number, row["start"], row["end"]) for row in found]
    assert listed == [(47, MONDAY - WEEK, MONDAY)]


def test_always_late_exports_have_no_gaps():
    """A log group whose exports always take four days is due after that time."""
    edges = [MONDAY + number * DAY for number in range(-28, 7)]
    rows = exported("acme/late", edges, 4 * DAY)
    assert built(*seen(rows, MONDAY + WEEK)).findings == ()


def test_an_outage_does_not_change_the_rhythm():
    """Five late nights do not change the rhythm of a log group."""
    rows = nights("acme/api")
    for row in rows[-20:-15]:
        row["creation_time"] = row["completion_time"] = rows[-15]["creation_time"]
    report = built(*[row for row in rows if row["task_id"] != "acme/api@2"])
    assert [row["start"] for row in rows_behind(report, "gaps")] == [MONDAY + 2 * DAY]


def test_a_premature_week_is_reported_once():
    """The premature windows of a weekly export are reported in the week they became due."""
    rows, listed = weekly("acme/slow", late=HOUR, last=4), []
    for number in range(46, 50):
        known = seen(rows, MONDAY + (number - 46) * WEEK + HOUR)
        found = rows_of_rule(exporters.premature, *known, week=f"2026-W{number}")
        listed += [(row["start"], row["end"], row["premature"]) for row in found]
    starts = [MONDAY + number * WEEK for number in range(-2, 2)]
    assert listed == [(start, start + WEEK, WEEK) for start in starts]


def test_a_reversed_window_does_not_change_the_rhythm():
    """A window that ends before it begins covers nothing and does not change the rhythm."""
    rows = weekly("acme/slow")
    odd = rows[-1] | {"task_id": "odd", "from_time": MONDAY + 2 * DAY, "to_time": MONDAY + DAY}
    learned = [
        rhythm.learn(tasks_of(*some)).drop(columns="last_created") for some in (rows, [*rows, odd])
    ]
    assert_frame_equal(*learned)


# --- Retention -----------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize(("days", "number"), some(product([1, 3, 5, 7], range(-1, 6)), 3))
def test_a_loss_before_the_next_report_is_critical(days: int, number: int):
    """A missing night that is lost before the next report is critical in this one, or lost."""
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": days * DAY})
    rows = others("acme/api", number)
    start, end, now = MONDAY + number * DAY, MONDAY + (number + 1) * DAY, MONDAY + WEEK
    lost, expiring = (
        [(row["start"], row["end"]) for row in rows_of_rule(rule, *rows, log_groups=log_groups)]
        for rule in (retention.lost, retention.expiring)
    )
    gone = min(max(now - days * DAY, start), end)
    # reported in the week before
    before = min(max(MONDAY - days * DAY, start), end)
    assert lost == ([(before, gone)] if before < gone else [])
    assert expiring == ([(gone, end)] if gone < end else [])
    if expiring:
        assert look(retention.expiring, *rows, log_groups=log_groups).severity == "critical"


@example(days=1, missing={-10, -1, 0, 7, 17}, late=13 * HOUR, tz="UTC")
@FEW
@given(
    days=st.sampled_from([1, 2, 3, 5, 7, 8, 14]),
    missing=st.sets(st.integers(-10, 20), max_size=6),
    late=st.sampled_from([13 * HOUR, 20 * HOUR]),
    tz=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Auckland"]),
)
def test_each_lost_event_is_reported_once(days: int, missing: set[int], late: int, tz: str):
    """Over five weeks, each lost event is reported exactly once."""
    edges = [MONDAY + number * DAY for number in range(-75, 24)]
    rows = exported("acme/api", edges, late)
    rows = [row for row in rows if (row["from_time"] - MONDAY) // DAY not in missing]
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": days * DAY})
    listed: list[tuple[int, int]] = []
    for number in range(45, 50):
        monday = pd.Timestamp("2026-11-02", tz=tz) + pd.DateOffset(weeks=number - 45)
        end = (monday + pd.DateOffset(weeks=1)).tz_convert("UTC")
        known = seen(rows, int(end.timestamp() * 1000))
        found = rows_of_rule(
            retention.lost, *known, week=f"2026-W{number}", tz=tz, log_groups=log_groups
        )
        listed += [(row["start"], row["end"]) for row in found]
    assert length(union(listed)) == length(listed)
    first = int(pd.Timestamp("2026-11-02", tz=tz).timestamp() * 1000)
    last = int(end.timestamp() * 1000)
    expected = []
    for night_ in missing:
        start = MONDAY + night_ * DAY
        # an event is lost when it expires, or when its export is late if that is later
        if start + DAY + late + HOUR <= last - DAY:
            expected += both((start, start + DAY), (first - days * DAY, last - days * DAY))
    for interval in expected:
        early = interval[0] + days * DAY <= first + 2 * DAY  # reported before these weeks, or never
        assert not minus(interval, listed) or early
    everything = [(MONDAY + n * DAY, MONDAY + (n + 1) * DAY) for n in missing]
    assert all(not minus(interval, everything) for interval in listed)


def test_an_empty_first_export_is_a_gap():
    """A first export that left nothing in S3 is a gap that begins with it."""
    rows = [*nights("acme/api"), *(night("acme/old", number) for number in range(-40, 6))]
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 50 * DAY})
    deliveries = deliveries_of({"task_id": "acme/api@-28", "delivered": "empty"})
    known = {"log_groups": log_groups, "deliveries": deliveries}
    [row] = rows_of_rule(retention.expiring, *rows, **known)
    assert (row["start"], row["end"]) == (MONDAY - 28 * DAY, MONDAY - 27 * DAY)


def test_later_losses_are_not_of_this_week():
    """With an `as_of` after the week, events that expired after the week are not part of it."""
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 7 * DAY})
    rows = others("acme/api", 2)
    at_its_end = built(*rows, log_groups=log_groups)
    later = built(*rows, log_groups=log_groups, as_of="2026-11-29T00:00Z")
    assert "lost" not in kinds(at_its_end)
    assert "lost" not in kinds(later)
    # lost in the following week
    after = at(MONDAY + 2 * WEEK)
    found = rows_of_rule(retention.lost, *rows, log_groups=log_groups, week="2026-W48", as_of=after)
    lost = [(row["start"], row["end"]) for row in found]
    assert (MONDAY + 2 * DAY, MONDAY + 3 * DAY) in lost


def test_later_reasons_are_not_of_this_week():
    """A failure reason that was new in the following week is not new in this one."""
    rows = [
        *nights("acme/api"),
        night("acme/api", 1, task_id="x", status_code="FAILED", status_message="Denied"),
        night("acme/api", 8, task_id="y", status_code="FAILED", status_message="No bucket"),
    ]
    for as_of in ("2026-11-23T00:00Z", "2026-12-01T00:00Z"):
        report = built(*rows, as_of=as_of)
        [row] = rows_behind(report, "new_reasons")
        assert (row["reason"], row["tasks"]) == ("Denied", 1)
        assert "eu-west-1: Denied" in finding(report, "new_reasons").sentence


# --- Without log groups --------------------------------------------------------------------------


def test_unchecked_expiry_is_reported():
    """Without log groups, each format says that expiry was not checked and how to add them."""
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 90 * DAY})
    for given_, expected in ((None, True), (log_groups, False)):
        report = built(*nights("acme/api"), log_groups=given_)
        for text in (report.to_html(), report.to_markdown(), report.to_json()):
            plain = text.replace("\\", "")
            assert ("was not checked" in plain) == expected
            assert ("--log-groups" in plain) == expected


# --- What is well now ----------------------------------------------------------------------------


def test_resolved_gaps_are_in_the_next_report():
    """A gap of the previous week is reported once when it was closed, and not while it is open."""
    rows = [*others("acme/api", -4, -6), *others("acme/other", -4)]
    again = night("acme/api", -4, task_id="again", creation_time=MONDAY + DAY)
    rows.append(again | {"completion_time": MONDAY + DAY + HOUR})
    [row] = rows_of_rule(resolved.resolved, *rows)
    assert (row["log_group_name"], row["start"], row["closed"]) == (
        "acme/api",
        MONDAY - 4 * DAY,
        DAY,
    )
    for week in ("2026-W46", "2026-W48"):
        as_of = at(MONDAY + (0 if week == "2026-W46" else 2 * WEEK))
        assert rows_of_rule(resolved.resolved, *rows, week=week, as_of=as_of) == []
