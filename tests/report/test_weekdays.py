"""On weekdays that are never exported, nothing is due, and a note says so."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, strategies as st
from oracles.intervals import length, union
from reported import (
    MINUTE,
    MONDAY,
    WEEK,
    built,
    finding,
    kinds,
    log_groups_of,
    look,
    night,
    plain_rows,
    rows_behind,
    rows_of_rule,
    tasks_of,
)
from support import DAY, FEW, HOUR, Row
from test_due import at, seen

from exportstats.report import html, mail, markdown, rhythm
from exportstats.report.evidence import Evidence
from exportstats.report.rules import RULES, exporters, failures, gaps, resolved, retention, weekdays
from exportstats.report.weekly import material_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Auckland"])
KEPT = st.sampled_from([1, 3, 7, 14, 30])


def exported(
    days: Iterable[int], *, late: int = 13 * HOUR, long: int = 1, **more: str
) -> list[Row]:
    """Return the tasks of a log group, each with a window of days that ends with one of these."""
    rows = []
    for day in days:
        row = night("acme/api", day)
        created = row["to_time"] + 1 + late
        row |= {"creation_time": created, "completion_time": created + 5 * MINUTE}
        rows.append(row | {"from_time": row["from_time"] - (long - 1) * DAY} | more)
    return rows


def working_days(weeks: range, off: Iterable[int] = (5, 6)) -> list[int]:
    """Return the days of some weeks, without some weekdays."""
    return [7 * week + day for week in weeks for day in range(7) if day not in off]


def on_mondays(weeks: range, late: int = 13 * HOUR) -> list[Row]:
    """Return daily tasks of Monday to Thursday, and one task on Monday for the three days after."""
    rows = exported(working_days(weeks, (4, 5, 6)), late=late)
    return rows + exported((7 * week + 6 for week in weeks), late=late, long=3)


def fridays_on_mondays(weeks: range) -> list[Row]:
    """Return daily tasks of Monday to Friday. The exporter does not run at the weekend."""
    rows = exported(working_days(weeks))
    for row in rows:
        if (row["from_time"] - MONDAY) // DAY % 7 == 4:
            row["creation_time"] += 2 * DAY
            row["completion_time"] += 2 * DAY
    return rows


def kept(days: int) -> Any:  # noqa: ANN401 - a table
    """Return the log group with its retention."""
    return log_groups_of({"log_group_name": "acme/api", "retention": days * DAY})


STYLES: dict[str, tuple[Callable[[range], list[Row]], list[str]]] = {
    "working days": (lambda weeks: exported(working_days(weeks)), ["weekdays"]),
    "Sundays off": (lambda weeks: exported(working_days(weeks, [6])), ["weekdays"]),
    "three days off": (lambda weeks: exported(working_days(weeks, [1, 5, 6])), ["weekdays"]),
    "days from 05:00": (
        lambda weeks: [
            row | {name: row[name] + 5 * HOUR for name in row if name.endswith("_time")}
            for row in exported(working_days(weeks))
        ],
        ["weekdays"],
    ),
    "days to 23:59:00": (
        lambda weeks: [
            row | {"to_time": row["to_time"] - MINUTE + 1} for row in exported(working_days(weeks))
        ],
        ["short_gaps", "weekdays"],
    ),
    "Fridays on Mondays": (fridays_on_mondays, ["weekdays"]),
    "a weekend on Mondays": (on_mondays, []),
}


# --- All is well -------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
@FEW
@given(days=KEPT, hours=st.integers(1, 168), tz=ZONES, week=st.integers(46, 49))
def test_a_week_of_its_own_has_only_a_note(style: str, days: int, hours: int, tz: str, week: int):
    """At any time of any week, nothing but a note is found, whatever the retention."""
    make, notes = STYLES[style]
    when = MONDAY + (week - 47) * WEEK + hours * HOUR
    rows = seen(make(range(-8, 4)), when)
    known = material_of(
        tasks_of(*rows), f"2026-W{week}", Evidence(kept(days)), at(when), tz, (), None
    )
    found = [one.kind for one in RULES if one.look(known) is not None]
    assert set(found) <= set(notes)


@pytest.mark.parametrize("style", STYLES)
def test_the_note_is_given_once(style: str):
    """The report of a whole week has one note on the weekdays without exports."""
    make, notes = STYLES[style]
    report = built(*seen(make(range(-8, 2)), MONDAY + WEEK), log_groups=kept(14))
    assert kinds(report) == notes
    assert report.is_quiet


def test_the_note_says_when():
    """The note names the weekdays, and since when there were no exports on them."""
    found = look(weekdays.weekdays, *exported(working_days(range(-8, 1))))
    assert found.sentence == (
        "1 log group is never exported on some weekdays, on which nothing is due: acme/api in "
        "eu-west-1 (111122223333) on Saturday and Sunday, since 2026-09-26."
    )
    rows = exported(working_days(range(-8, 1), [2]))
    [row] = rows_of_rule(weekdays.weekdays, *rows)
    assert (row["weekdays"], row["since"]) == ("Wednesday", MONDAY - 8 * WEEK + 2 * DAY)


# --- Something is missing ----------------------------------------------------------------------


@example(missing=4, days=14)
@FEW
@given(missing=st.sampled_from([0, 1, 2, 3, 4]), days=st.sampled_from([14, 20, 30]))
def test_a_missing_working_day_is_a_gap(missing: int, days: int):
    """A missing day is a gap of this day alone, and its deadline is reported."""
    rows = [
        row
        for row in exported(working_days(range(-8, 1)))
        if row["task_id"] != f"acme/api@{missing}"
    ]
    start = MONDAY + missing * DAY
    for one in (gaps.gaps, retention.expiring):
        [row] = rows_of_rule(one, *rows, log_groups=kept(days))
        assert (row["start"], row["end"]) == (start, start + DAY)


def test_a_missing_weekend_is_due_in_time():
    """A weekend that is exported by one task on Monday is missing in the report of its week."""
    rows = on_mondays(range(-8, 2))
    lacking = [row for row in rows if row["task_id"] != "acme/api@-1"]
    listed = []
    for week in range(46, 49):
        when = MONDAY + (week - 46) * WEEK
        found = rows_of_rule(gaps.gaps, *seen(lacking, when), week=f"2026-W{week}")
        listed += [(week, row["start"], row["end"]) for row in found]
    assert listed == [(47, MONDAY - 3 * DAY, MONDAY)]


@FEW
@given(
    stopped=st.integers(-6, -1),
    days=st.sampled_from([1, 5, 14, 30]),
    off=st.sampled_from([(5, 6), (6,), (2,)]),
    tz=ZONES,
)
def test_weekdays_that_are_no_longer_exported_are_lost_at_first(
    stopped: int, days: int, off: tuple[int, ...], tz: str
):
    """After a stop, a weekday is lost four times, each reported once, and not later."""
    rows = exported(
        [*working_days(range(-12, stopped), ()), *working_days(range(stopped, 11), off)]
    )
    lost = []
    for week in range(stopped, stopped + 11):
        # a week in which the clocks change has an hour more or less
        monday, after = (
            at(MONDAY + number * WEEK).tz_localize(None).tz_localize(tz)
            for number in (week, week + 1)
        )
        end = after.tz_convert("UTC")
        known = seen(rows, int(end.timestamp() * 1000))
        year, number, _ = monday.isocalendar()
        more = {"week": f"{year}-W{number:02}", "tz": tz, "log_groups": kept(days)}
        found = rows_of_rule(retention.lost, *known, **more)
        lost += [(row["start"], row["end"]) for row in found]
    assert length(union(lost)) == length(lost)
    expected = [
        (MONDAY + (7 * week + day) * DAY, MONDAY + (7 * week + day + 1) * DAY)
        for week in range(stopped, stopped + 4)
        for day in off
    ]
    assert union(lost) == union(expected)


def test_a_young_log_group_has_no_weekdays_yet():
    """In its first three weeks, a weekday without exports is not known to be intended."""
    for weeks, expected in ((3, False), (4, False), (5, True)):
        rows = seen(exported(working_days(range(1 - weeks, 1))), MONDAY + 5 * DAY)
        found = look(weekdays.weekdays, *rows, as_of=at(MONDAY + 5 * DAY))
        assert (found is not None) == expected


def test_a_failed_task_for_a_weekend_makes_it_due():
    """A weekend that a failed task was to export is due, and its failure is reported."""
    rows = exported(working_days(range(-8, 1)))
    failed = exported([-2], status_code="FAILED", task_id="x")[0]
    failed |= {"creation_time": MONDAY + HOUR, "completion_time": MONDAY + 2 * HOUR}
    report = built(*rows, failed)
    assert "failed_windows" in kinds(report)
    [row] = rows_behind(report, "gaps")
    assert (row["start"], row["end"]) == (MONDAY - 2 * DAY, MONDAY - DAY)


def test_a_weekday_that_was_exported_is_due_again():
    """After a Saturday that was exported by hand, the next Saturdays are due, but no Sundays."""
    rows = exported([*working_days(range(-8, 1)), -9])
    found = rows_of_rule(gaps.gaps, *rows)
    assert [(row["start"], row["end"]) for row in found] == [(MONDAY - 2 * DAY, MONDAY - DAY)]


def test_what_has_become_a_rest_day_is_not_resolved():
    """A weekend that was missing a week ago and is not due any more has not been exported."""
    rows = exported(working_days(range(-3, 1)))
    [late] = [row for row in rows if row["task_id"] == "acme/api@-10"]
    late |= {"creation_time": MONDAY + HOUR, "completion_time": MONDAY + 2 * HOUR}
    found = rows_of_rule(resolved.resolved, *rows)
    assert [(row["start"], row["closed"]) for row in found] == [(MONDAY - 10 * DAY, DAY)]


def test_a_failed_window_that_touches_a_weekend():
    """The half hour of a failed window in a rest day is neither missing nor being exported."""
    rows = [row for row in exported(working_days(range(-8, 1))) if row["task_id"] != "acme/api@4"]
    [failed] = exported([4], status_code="FAILED", task_id="x")
    failed["to_time"] += HOUR // 2
    going = night("acme/other", 4, status_code="RUNNING", creation_time=MONDAY + 6 * DAY)
    [row] = rows_of_rule(failures.failed_windows, *rows, failed, going)
    assert (row["missing"], row["under_way"]) == (DAY, 0)


def test_an_outage_is_not_taken_for_weekdays():
    """If nothing is exported for five weeks, this is no rhythm: the working days stay due."""
    rows = exported([*working_days(range(-16, -5)), *working_days(range(1))])
    missing = rows_of_rule(retention.expiring, *rows, log_groups=kept(60))
    days = {
        (start // DAY + 3) % 7 for row in missing for start in range(row["start"], row["end"], DAY)
    }
    assert days == {0, 1, 2, 3, 4}


def test_the_note_is_on_what_is_exported_now():
    """There is no note on weekdays that are exported now, or on a log group that is not."""
    changed = exported([*working_days(range(-12, -5), [2]), *working_days(range(-5, 1), ())])
    assert look(weekdays.weekdays, *changed) is None
    assert look(weekdays.weekdays, *exported(working_days(range(-20, -12)))) is None


def test_exports_on_request_have_no_weekdays():
    """A log group that is exported now and then is not taken for one with weekdays."""
    rows = exported(range(-56, 7, 7)) + exported(range(-54, 7, 7))
    assert look(weekdays.weekdays, *rows) is None


def test_a_monday_before_its_export_is_not_a_stop():
    """Early in the week, a log group that was last exported on Friday has not stopped."""
    rows = exported(working_days(range(-8, 1)))
    for hours in range(1, 72, 7):
        when = MONDAY + hours * HOUR
        known = seen(rows, when)
        assert look(exporters.stopped, *known, as_of=at(when)) is None
    idle = [row for row in rows if row["from_time"] < MONDAY]
    assert look(exporters.stopped, *idle) is not None


# --- What is learned ---------------------------------------------------------------------------


def learned(rows: list[Row]) -> Row:
    """Return the rhythm of the log group."""
    [row] = plain_rows(rhythm.learn(tasks_of(*rows)))
    return row


def test_a_weekday_is_later_than_the_others():
    """Fridays that are exported on Mondays are two days later, and are not late otherwise."""
    row = learned(fridays_on_mondays(range(-4, 1)))
    assert [row[name] for name in rhythm.LATER] == [0, 0, 0, 0, 2, 0, 0]
    assert row["lateness"] == 14 * HOUR


def test_a_late_day_in_the_first_week_is_no_rhythm():
    """A single late Friday says nothing about the later ones."""
    rows = exported(range(7))
    late = [row | {"completion_time": row["completion_time"] + 3 * DAY} for row in rows[4:5]]
    row = learned([*rows[:4], *late])
    assert [row[name] for name in rhythm.LATER] == [0] * 7


def test_events_that_are_not_late_are_not_lost():
    """With a retention of a day, events that expire before their usual export are not lost yet."""
    rows = seen(exported(range(-28, 7)), MONDAY + WEEK)
    assert rows_of_rule(retention.lost, *rows, log_groups=kept(1), as_of=at(MONDAY + WEEK)) == []


# --- The waiver --------------------------------------------------------------------------------


@pytest.mark.parametrize("tz", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_the_waiver_confirms_it(tz: str, tmp_path: Path):
    """All formats show the waiver, and with it in the file, the note is gone."""
    rows = exported(working_days(range(-8, 1)))
    report = built(*rows, tz=tz)
    [text] = finding(report, "weekdays").waivers
    [entry] = tomllib.loads(text)["waiver"]
    assert (entry["log_group"], entry["weekdays"]) == ("acme/api", ["Saturday", "Sunday"])
    first = 'log_group = "acme/api"'
    assert first in markdown.render_markdown(report)
    assert first in markdown.render_text(report)
    assert first.replace('"', "&#34;") in html.render_html(report)
    assert b"[[waiver]]" in mail.render_email(report)
    assert json.loads(report.to_json())["findings"][-1]["waivers"] == [text]
    path = tmp_path / "waivers.toml"
    path.write_text(text, encoding="utf-8")
    confirmed = built(*rows, tz=tz, waivers=path)
    assert kinds(confirmed) == ["waived"]


def test_no_waiver_that_hides_another_gap():
    """A waiver is not offered if another account exports a log group of the same name daily."""
    rows = exported(working_days(range(-8, 1)))
    other = exported(range(-56, 6), account_id="444455556666")
    for row in other:
        row["task_id"] += "other"
    assert finding(built(*rows, *other), "weekdays").waivers == ()
    both = [row | {"account_id": "444455556666", "task_id": f"{row['task_id']}b"} for row in rows]
    assert len(finding(built(*rows, *both), "weekdays").waivers) == 1


def test_a_waiver_of_a_strange_name_is_not_offered():
    """A name that AWS does not allow is in no waiver."""
    rows = [
        row | {"log_group_name": 'a"\n[[waiver]]'} for row in exported(working_days(range(-8, 1)))
    ]
    assert finding(built(*rows), "weekdays").waivers == ()
