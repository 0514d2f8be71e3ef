"""The page on the weekly report agrees with the rules, thresholds and files of the report."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import exportstats as xs
from exportstats.core import schema
from exportstats.report import (
    html,
    incidents,
    machine,
    mail,
    markdown,
    material,
    redaction,
    rhythm,
    weekdays,
)
from exportstats.report.rules import RULES
from exportstats.text import write_duration

PAGE = (Path(__file__).parents[1] / "docs" / "weekly_report.md").read_text(encoding="utf-8")
WEEK = "2026-W24"  # in which an outage was planted in one account and region


def table(heading: str) -> list[list[str]]:
    """Return the rows of the page's first table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    assert rows
    return rows


def test_the_page_has_each_kind_of_finding():
    """The table has all rules in order, each with its severities and its remedy."""
    rows = table("The findings")
    assert [row[0] for row in rows] == [f"`{one.kind}`" for one in RULES]
    for one, (_, severities, _, remedy) in zip(RULES, rows, strict=True):
        assert severities == " or ".join(one.severities), one.kind
        assert remedy == re.sub(r"exportstats backfill", "`exportstats backfill`", one.remedy)


def in_words(value: object) -> str:
    """Write a threshold as on the page."""
    if isinstance(value, timedelta):
        return write_duration(value.total_seconds())
    if isinstance(value, float):
        return f"{100 * value:g} %"
    return str(value)


def test_the_page_has_each_threshold():
    """The page names each threshold with its value, as in `SHORT_GAP` (1 min)."""
    modules = [
        material,
        rhythm,
        weekdays,
        incidents,
        *(sys.modules[one.look.__module__] for one in RULES),
    ]
    known = {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if name.isupper() and name[0] != "_" and type(value) in (int, float, timedelta)
        if not hasattr(schema, name)  # the length of a day is not a threshold
    }
    answer = re.findall(r"`([A-Z]+(?:_[A-Z]+)*)` \(([^)]*)\)", PAGE)
    assert {name for name, _ in answer} == known.keys()
    for name, value in answer:
        assert value == in_words(known[name]), name


@pytest.fixture(scope="module")
def report() -> xs.WeeklyReport:
    """Report on the sample's worst week."""
    return xs.build_weekly_report(xs.sample_tasks(), week=WEEK, log_groups=xs.sample_log_groups())


def test_the_page_has_each_key_of_the_json(report: xs.WeeklyReport):
    """The page lists the keys of the JSON, of a finding and of the figures, in order."""
    written = json.loads(report.to_json())
    assert f"version {machine.VERSION}" in PAGE
    for keys in (written, written["findings"][0], written["figures"][0]):
        assert ", ".join(f"`{key}`" for key in keys) in " ".join(PAGE.split())


def test_the_page_has_the_files_that_are_written(report: xs.WeeklyReport, tmp_path: Path):
    """The page names the tables that are always written, and those of the charts."""
    report.to_csv(tmp_path)
    for path in tmp_path.iterdir():
        name = path.stem
        if name.startswith("picture-"):
            name = "picture-*"
        assert name in {one.kind for one in RULES} or f"`{name}.csv`" in PAGE, path.name


def test_what_the_page_says_of_the_html(report: xs.WeeklyReport):
    """The policy on the page is that of the file, and so are the numbers of rows."""
    rows = f"{html._ROWS} rows of a table, Markdown {markdown._ROWS}, the mail {mail._ROWS}"
    assert rows in " ".join(PAGE.split())
    (policy,) = re.findall(r"^default-src.*$", PAGE, re.MULTILINE)
    found = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]*)"', report.to_html())
    assert found is not None
    assert found[1].replace("&#39;", "'") == policy


def test_what_redact_hides_and_what_it_cannot():
    """Names are replaced and numbered by first use; regions, times and counts stay."""
    tasks = xs.sample_tasks().query("creation_time < '2026-06-22T00:00Z'")
    hidden, log_groups, *_ = redaction.redact(tasks, xs.sample_log_groups())
    text = xs.build_weekly_report(hidden, week=WEEK, log_groups=log_groups).to_json()
    assert not re.search(r"acme|/aws/|111122223333|444455556666", text)
    first = tasks.sort_values(["creation_time", "account_id", "region", "task_id"]).index[0]
    assert hidden.loc[first, ["account_id", "log_group_name", "task_id"]].to_list() == [
        "account-1",
        "log-group-1",
        "task-1",
    ]
    for column in ("region", "creation_time", "completion_time", "from_time", "status_code"):
        assert hidden[column].equals(tasks[column])
