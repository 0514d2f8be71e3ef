"""Rules, the order of findings, and reports on little or nothing."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pandas as pd
from reported import ISO_WEEK, RENDERERS, built, kinds, night, nights, others, report_of

import exportstats as xs
from exportstats.core import frames
from exportstats.report import rules
from exportstats.report.data import SEVERITIES
from exportstats.report.rule import Found, Rule, rule

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from exportstats.report.data import Severity
    from exportstats.report.material import Material


def test_no_tasks_at_all():
    """An empty table gives a report without findings that says so in every format."""
    report = xs.build_weekly_report(frames.empty(), week=ISO_WEEK, as_of="2026-11-23T00:00Z")
    assert report.headline == "No task was created in this week."
    assert report.findings == ()
    assert report.is_quiet
    counts = report.figures.loc[["tasks", "completed", "failed", "cancelled"], "current"]
    assert counts.to_list() == [0, 0, 0, 0]
    assert report.figures.loc[["failure_rate", "p50", "p90", "covered"], "current"].isna().all()
    for render in RENDERERS.values():
        assert render(report)
    assert "No task was created" in report._repr_html_()


def test_one_task():
    """One task is counted, but does not make its log group regular."""
    report = built(night("acme/api", 1))
    assert report.headline == "A quiet week: 1 task, none failed."
    assert kinds(report) == ["irregular"]
    assert report.figures.loc["p50", "current"] == 300
    for render in RENDERERS.values():
        assert render(report)


def test_a_week_before_all_tasks():
    """A week before the first task gives an empty report, without an error."""
    report = built(*nights("acme/api"), week="2026-W10")
    assert report.headline == "No task was created in this week."
    assert report.findings == ()


def test_a_rule_is_one_unit(monkeypatch: pytest.MonkeyPatch):
    """A new rule needs only one function: its findings are ranked and are in every format."""

    @rule(title="Tasks of a busy week", rank=1, severities=("note",), remedy="Have a rest.")
    def busy(material: Material) -> Found | None:
        return Found("note", f"{len(material.week)} tasks.", material.week[["task_id"]])

    monkeypatch.setattr(rules, "RULES", (*rules.RULES, busy))
    report = built(*nights("acme/api"), night("acme/hand", 0))
    assert kinds(report) == ["busy", "irregular"]
    assert len(report.tables["busy"]) == 8
    for text in (report.to_html(), report.to_markdown(), report.to_json()):
        assert "8 tasks." in text
        assert "Have a rest." in text
    assert "Tasks of a busy week: 8 rows" in report.to_html()


def test_findings_are_sorted(monkeypatch: pytest.MonkeyPatch):
    """Findings are sorted by severity, then by the rank of their rule."""

    def made(kind: str, rank: int, severity: Severity) -> Rule:
        found = Found(severity, "Found.", pd.DataFrame({"x": [1]}))
        return Rule(kind, kind, rank, SEVERITIES, "Do.", lambda _: found)

    every = [
        made(f"{severity}-{rank}", rank, severity) for severity in SEVERITIES for rank in range(4)
    ]
    mixed = [*every]
    Random(3).shuffle(mixed)  # noqa: S311 - an order, no secret
    monkeypatch.setattr(rules, "RULES", tuple(mixed))
    assert kinds(built(*nights("acme/api"))) == [one.kind for one in every]


def test_all_rules_are_found():
    """Each rule has its own kind, rank and title, and a remedy."""
    for field in ("kind", "rank", "title"):
        assert len({getattr(one, field) for one in rules.RULES}) == len(rules.RULES) >= 15
    for one in rules.RULES:
        assert one.remedy.endswith(".")
        assert set(one.severities) <= set(SEVERITIES)


def test_a_report_writes_itself(tmp_path: Path):
    """Each `to_` method returns the rendered report, or writes it to a path, as in pandas."""
    report = built(*others("acme/api", 2))
    for name, render in RENDERERS.items():
        path = tmp_path / name
        assert getattr(report, f"to_{name}")(path) is None
        text = path.read_bytes()
        assert (text if name == "email" else text.decode()) == render(report)
    report.to_csv(tmp_path / "tables")
    assert (tmp_path / "tables" / "gaps.csv").exists()


def test_it_shows_itself_in_a_notebook():
    """A notebook shows the same content as the page."""
    report = report_of("2026-W20")
    shown = report._repr_html_()
    assert shown in report.to_html()
    assert "<html" not in shown
    assert shown.lstrip().startswith('<div class="xs-report">')
