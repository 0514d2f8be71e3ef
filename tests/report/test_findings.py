"""What a report finds in the sample's weeks is what plain Python counts, and what was planted."""

from __future__ import annotations

import re

import pytest
from reported import (
    HOPE,
    LOG_GROUP,
    SHOWN,
    WEEK,
    counted,
    every,
    key_of,
    plain_rows,
    planted,
    reason_of,
    report_of,
    rows_behind,
    whole,
)
from support import DAY, Row, by_group, ms, quantile

from exportstats.report.data import SEVERITIES
from exportstats.report.rules import RULES

# The worst and the quietest, those in which something was planted, and some between them.
WEEKS = (
    "2025-W52",
    "2026-W02",
    "2026-W11",
    "2026-W13",
    "2026-W15",
    "2026-W20",
    "2026-W24",
    "2026-W30",
    "2026-W39",
    "2026-W42",
    "2026-W44",
    "2026-W47",
)
each_week = pytest.mark.parametrize("week", WEEKS)


def numbers_of(text: str) -> list[int]:
    """Return the whole numbers in a text, in their order."""
    return [int(number.replace(",", "")) for number in re.findall(r"(?<![\w.-])\d[\d,]*", text)]


def rows_of(week: str, kind: str) -> list[Row]:
    """Return the rows of a rule in their order, which are those of the report in any order."""
    found = whole(week, kind)
    rows = [] if found is None else plain_rows(found.rows)
    assert sorted(map(repr, rows_behind(report_of(week), kind))) == sorted(map(repr, rows))
    return rows


def groups_in(rows: list[dict]) -> int:
    """Count the log groups of some rows."""
    return len({key_of(row) for row in rows})


def test_all_weeks_of_the_sample_are_there():
    """The weeks looked at here are whole weeks of the sample, the worst and the quietest too."""
    weeks = planted()["weeks"]
    assert {weeks["worst"], weeks["quietest"], *WEEKS} <= {one["iso_week"] for one in weeks["all"]}
    assert {weeks["worst"], weeks["quietest"]} <= set(WEEKS)


@each_week
def test_gaps_are_those_of_a_loop(week: str):
    """Gaps of regular log groups in the days that were due, the longest first, with their sum."""
    expected = counted(week).due_gaps(short=False)
    expected.sort(key=lambda gap: (-gap["length"], key_of(gap), gap["start"]))
    rows = rows_of(week, "gaps")
    assert [{name: row[name] for name in SHOWN} for row in rows] == expected
    if found := whole(week, "gaps"):
        many = [len(rows), groups_in(rows), len(counted(week).regular)]
        assert numbers_of(found.sentence)[:3] == many
        for reason in HOPE:
            told = re.search(rf"(\d+) {reason.replace('_', ' ')}", found.sentence)
            assert int(told[1] if told else 0) == [row["reason"] for row in rows].count(reason)


@each_week
def test_short_gaps_are_those_of_a_loop(week: str):
    """Gaps of a minute or less are one line: how many, in how many log groups."""
    expected = counted(week).due_gaps(short=True)
    rows = rows_of(week, "short_gaps")
    assert [{name: row[name] for name in SHOWN} for row in rows] == expected
    assert expected  # of the exporter that ends its days at 23:59:00
    sentence = whole(week, "short_gaps").sentence
    assert numbers_of(sentence)[:2] == [len(expected), groups_in(expected)]


@each_week
def test_expiring_is_that_of_a_loop(week: str):
    """What retention takes within 35 days stands in its order; within 10 days it is critical."""
    count = counted(week)
    expected = count.expiring()
    rows = rows_of(week, "expiring")
    assert [{name: row[name] for name in SHOWN} for row in rows] == expected
    if found := whole(week, "expiring"):
        urgent = any(row["expires_at"] < count.as_of + 10 * DAY for row in expected)
        assert found.severity == ("critical" if urgent else "warning")
        assert f"of {groups_in(rows)} log group" in found.sentence
        assert expected[0]["log_group_name"] in found.sentence


@each_week
def test_lost_is_that_of_a_loop(week: str):
    """What retention took in the week, and not what it took before."""
    rows = rows_of(week, "lost")
    assert [{name: row[name] for name in SHOWN} for row in rows] == counted(week).lost()


@each_week
def test_not_made_good_is_that_of_a_loop(week: str):
    """The windows of failed tasks of the week that nothing covers, and how much of them."""
    count = counted(week)
    rows, missing = rows_of(week, "not_made_good"), count.not_made_good()
    failed = by_group(
        count.created(count.start, count.end, "FAILED"), [*LOG_GROUP, "from_time", "to_time"]
    )
    expected = {}
    for tries in failed.values():
        last = max(tries, key=lambda row: (row["creation_time"], row["task_id"]))
        if last["task_id"] in missing:
            expected[last["task_id"]] = (missing[last["task_id"]], len(tries))
    assert {row["task_id"]: (row["missing"], row["tries"]) for row in rows} == expected
    assert [row["creation_time"] for row in rows] == sorted(row["creation_time"] for row in rows)
    if found := whole(week, "not_made_good"):
        assert numbers_of(found.sentence)[:3] == [len(rows), len(failed), groups_in(rows)]
        assert found.severity == ("critical" if len(rows) >= 10 else "warning")


@each_week
def test_stopped_is_that_of_a_loop(week: str):
    """Regular log groups without a task in the week, and when they had the last one."""
    rows = rows_of(week, "stopped")
    assert {key_of(row): row["last_created"] for row in rows} == counted(week).stopped()


@each_week
def test_irregular_is_that_of_a_loop(week: str):
    """All other log groups are named, those without any task as never exported."""
    rows, count = rows_of(week, "irregular"), counted(week)
    assert {key_of(row) for row in rows} == count.irregular()
    assert len(rows) == len(count.irregular())
    for row in rows:
        assert row["exported"] == ("now and then" if key_of(row) in count.of else "never")


@each_week
def test_premature_is_that_of_a_loop(week: str):
    """The tasks created too soon after their windows, and how much no later task covers."""
    rows = rows_of(week, "premature")
    assert {row["task_id"]: row["premature"] for row in rows} == counted(week).premature()


@each_week
def test_time_outs_are_those_of_a_loop(week: str):
    """Tasks that failed after 24 h, and all that have been active for 12 h or likely will be."""
    rows, count = rows_of(week, "time_outs"), counted(week)
    ended = {row["task_id"] for row in rows if row["status_code"] == "FAILED"}
    assert ended == count.ended_after_a_day()
    active = [row for row in rows if row["status_code"] != "FAILED"]
    assert count.long_active() <= {row["task_id"] for row in active}
    for row in active:
        assert row["elapsed"] == count.as_of - row["creation_time"]
        assert row["elapsed"] >= 12 * 3_600_000 or row["timeout_probability"] >= 0.1


@each_week
def test_new_reasons_are_those_of_a_loop(week: str):
    """Reasons that no task of an earlier week had, and how many tasks had them since."""
    rows = rows_of(week, "new_reasons")
    assert {row["reason"]: row["tasks"] for row in rows} == counted(week).new_reasons()


@each_week
def test_key_figures_are_those_of_a_loop(week: str):
    """Each figure of this week, of the last one and of the last four, to the millisecond."""
    figures, count = report_of(week).figures, counted(week)
    for name, start, weeks in (
        ("current", count.start, 1),
        ("previous", count.start - WEEK, 1),
        ("before", count.start - 4 * WEEK, 4),
    ):
        if start >= ms(planted()["weeks"]["all"][0]["start"]):
            expected = count.figures(start, weeks)
            assert figures[name].to_dict() == pytest.approx(expected, rel=1e-9, abs=6e-4), name
    assert figures["unit"].to_list() == [*["tasks"] * 4, "share", "s", "s", "share", "s"]


@each_week
def test_more_failures_has_the_rates_of_a_loop(week: str):
    """A rate that got worse is told with both rates, and its rows count reasons by slot."""
    count, found = counted(week), whole(week, "more_failures")
    if found is None:
        return
    rates = [count.figures(start, weeks) for start, weeks in ((count.start, 1),)]
    rates.append(count.figures(count.start - 4 * WEEK, 4))
    now, before = (f"{100 * one['failure_rate']:.1f}".removesuffix(".0") for one in rates)
    assert found.sentence.startswith(f"{now} % of ")
    assert f"after {before} % in the 4 weeks before" in found.sentence
    failed = count.created(count.start, count.end, "FAILED")
    for row in failed:
        row["reason"] = reason_of(row["status_message"])
    groups = by_group(failed, ["account_id", "region", "reason"])
    rows = plain_rows(found.rows)
    told = {(row["account_id"], row["region"], row["reason"]): row["tasks"] for row in rows}
    assert told == {key: len(tasks) for key, tasks in groups.items()}
    assert rows[0]["tasks"] == max(map(len, groups.values()))


@each_week
def test_tables_are_those_of_a_loop(week: str):
    """The tables of every report: coverage of regular log groups, reasons and durations."""
    report, count = report_of(week), counted(week)
    coverage = plain_rows(report.tables["coverage"])
    assert {key_of(row) for row in coverage} == count.regular
    for row in coverage:
        missing = count.missing(key_of(row), count.due)
        # a log group that was created in the week is asked for from then on
        asked = row["missing"] / (1 - row["covered_fraction"]) if row["missing"] else WEEK
        assert row["missing"] == missing
        assert asked == pytest.approx(WEEK, rel=1e-6)
    shares = [row["covered_fraction"] for row in coverage]
    assert shares == sorted(shares)

    done = by_group(count.created(count.start, count.end, "COMPLETED"), LOG_GROUP)
    rows = {key_of(row): row for row in plain_rows(report.tables["durations"])}
    assert {key for key, row in rows.items() if row["completed"]} == set(done)
    for key, tasks in done.items():
        took = [task["completion_time"] - task["creation_time"] for task in tasks]
        assert rows[key]["p50"] == pytest.approx(quantile(took, 0.5), abs=1)
        assert rows[key]["p90"] == pytest.approx(quantile(took, 0.9), abs=1)

    failed = count.created(count.start, count.end, "FAILED")
    reasons = by_group([{"why": reason_of(row["status_message"])} for row in failed], ["why"])
    told = {row["reason"]: row["tasks"] for row in plain_rows(report.tables["failures"])}
    assert told == {reason: len(rows) for reason, rows in reasons.items()}


@each_week
def test_the_picture_of_states_has_all_tasks(week: str):
    """The states are those of six weeks, the report's and the five that it is compared with."""
    report, count = report_of(week), counted(week)
    states = report.pictures[0]
    assert states.name == "states"
    recent = count.created(count.start - 5 * WEEK, count.end)
    assert states.table["tasks"].sum() == len(recent)
    assert states.text.startswith(f"{len(recent)} tasks of this week and the five before it")


@each_week
def test_findings_are_ranked(week: str):
    """The most severe first, among those of one severity in one order, and so are their parts."""
    report, ranks = report_of(week), {one.kind: one.rank for one in RULES}
    for found in (report.findings, *(one.every for one in report.findings)):
        order = [(SEVERITIES.index(one.severity), ranks[one.kind]) for one in found]
        assert order == sorted(order)
    names = [one.id for one in every(report)]
    assert len(set(names)) == len(names)
    for one in every(report):
        table = report.tables[one.kind]
        rows = table[table["finding"] == one.id].drop(columns="finding")
        assert plain_rows(rows) == plain_rows(one.rows)
