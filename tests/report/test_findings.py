"""The figures, tables and pictures of the sample's reports equal those counted in plain Python."""

from __future__ import annotations

import functools

import pytest
from oracles.facts import Facts
from oracles.intervals import both, length
from oracles.words import LOG_GROUP, key_of
from reported import REASONS, WEEK, every, history_of, plain_rows, planted, report_of
from support import DAY, by_group, ms, quantile

from exportstats.report.data import SEVERITIES
from exportstats.report.rules import RULES

# The weeks with the most and the fewest failures, those with planted faults, and one in between.
WEEKS = ("2025-W52", "2026-W11", "2026-W20", "2026-W24", "2026-W39", "2026-W47")
each_week = pytest.mark.parametrize("week", WEEKS)


@functools.cache
def facts_of(week: str) -> Facts:
    """Return the history of a week, computed once."""
    return Facts(history_of(week))


def reason_of(message: str | None) -> str:
    """Return the reason of one of the sample's messages."""
    [found] = [why for begin, why in REASONS.items() if (message or "").startswith(begin)]
    return found


def figures_of(facts: Facts, start: int, weeks: int) -> dict[str, float]:
    """Return the key figures of some weeks from an instant on."""
    end = start + weeks * WEEK
    states = [row["status_code"] for row in facts.created(start, end)]
    done = facts.created(start, end, "COMPLETED")
    took = [row["completion_time"] - row["creation_time"] for row in done]
    ended = [state for state in states if state in ("COMPLETED", "FAILED", "CANCELLED")]
    due = start - 2 * DAY, end - 2 * DAY
    asked = sum(length(both((facts.first_of(key), due[1]), due)) for key in facts.regular)
    missing = sum(length(facts.missing(key, due)) for key in facts.regular)
    return {
        "tasks": len(states) / weeks,
        "completed": states.count("COMPLETED") / weeks,
        "failed": states.count("FAILED") / weeks,
        "cancelled": states.count("CANCELLED") / weeks,
        "failure_rate": states.count("FAILED") / len(ended),
        "p50": quantile(took, 0.5) / 1000,
        "p90": quantile(took, 0.9) / 1000,
        "covered": 1 - missing / asked,
        "missing": missing / 1000 / weeks,
    }


def test_all_weeks_of_the_sample_are_there():
    """The tested weeks are whole weeks of the sample and include the worst and the quietest."""
    weeks = planted()["weeks"]
    assert {weeks["worst"], weeks["quietest"], *WEEKS} <= {one["iso_week"] for one in weeks["all"]}
    assert {weeks["worst"], weeks["quietest"]} <= set(WEEKS)


@each_week
def test_key_figures_are_those_of_a_loop(week: str):
    """The figures of this week, the previous week and the last four weeks are exact."""
    figures, facts = report_of(week).figures, facts_of(week)
    for name, start, weeks in (
        ("current", facts.start, 1),
        ("previous", facts.start - WEEK, 1),
        ("before", facts.start - 4 * WEEK, 4),
    ):
        if start >= ms(planted()["weeks"]["all"][0]["start"]):
            expected = figures_of(facts, start, weeks)
            assert figures[name].to_dict() == pytest.approx(expected, rel=1e-9, abs=6e-4), name
    assert figures["unit"].to_list() == [*["tasks"] * 4, "share", "s", "s", "share", "s"]


@each_week
def test_tables_are_those_of_a_loop(week: str):
    """Every report has coverage of regular log groups, failure reasons and durations."""
    report, facts = report_of(week), facts_of(week)
    coverage = plain_rows(report.tables["coverage"])
    assert {key_of(row) for row in coverage} == facts.regular
    for row in coverage:
        missing = length(facts.missing(key_of(row), facts.due))
        # a log group that was created in the week counts from its creation on
        due = row["missing"] / (1 - row["covered_at_most"]) if row["missing"] else WEEK
        assert row["missing"] == missing
        assert due == pytest.approx(WEEK, rel=1e-6)
    shares = [row["covered_at_most"] for row in coverage]
    assert shares == sorted(shares)

    done = by_group(facts.created(facts.start, facts.end, "COMPLETED"), LOG_GROUP)
    rows = {key_of(row): row for row in plain_rows(report.tables["durations"])}
    assert {key for key, row in rows.items() if row["completed"]} == set(done)
    for key, tasks in done.items():
        took = [task["completion_time"] - task["creation_time"] for task in tasks]
        assert rows[key]["p50"] == pytest.approx(quantile(took, 0.5), abs=1)
        assert rows[key]["p90"] == pytest.approx(quantile(took, 0.9), abs=1)

    failed = facts.created(facts.start, facts.end, "FAILED")
    reasons = by_group([{"why": reason_of(row["status_message"])} for row in failed], ["why"])
    counts = {row["reason"]: row["tasks"] for row in plain_rows(report.tables["failures"])}
    assert counts == {reason: len(rows) for reason, rows in reasons.items()}


@each_week
def test_the_picture_of_states_has_all_tasks(week: str):
    """The picture of states covers six weeks: that of the report and the five before it."""
    report, facts = report_of(week), facts_of(week)
    states = report.pictures[0]
    assert states.name == "states"
    recent = facts.created(facts.start - 5 * WEEK, facts.end)
    assert states.table["tasks"].sum() == len(recent)
    assert states.text.startswith(f"{len(recent)} tasks of this week and the five before it")


@each_week
def test_findings_are_ranked(week: str):
    """Findings are sorted by severity, then by rank, and so are their parts."""
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
