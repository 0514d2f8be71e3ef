"""A report stays short however much it finds. Cut rows are counted and are in the CSV files."""

from __future__ import annotations

import csv
import json
import re
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from reported import ISO_WEEK, MONDAY, finding, log_groups_of, report_of
from support import DAY, HOUR

import exportstats as xs
from exportstats.core import frames
from exportstats.report import machine

if TYPE_CHECKING:
    from pathlib import Path

GROUPS = 300


def nightly(groups: int, first: int = -21) -> pd.DataFrame:
    """Return the nights of many log groups, each of which failed once in the week."""
    parts = []
    for number in range(first, 6):
        start = MONDAY + number * DAY
        parts.append(
            pd.DataFrame(
                {
                    "task_id": [f"{group}@{number}" for group in range(groups)],
                    "account_id": "111122223333",
                    "region": "eu-west-1",
                    "log_group_name": [f"acme/service-{group:05}" for group in range(groups)],
                    "destination": "acme-logs",
                    "status_code": [
                        "FAILED" if number == group % 5 - 1 else "COMPLETED"
                        for group in range(groups)
                    ],
                    "status_message": "Access denied",
                    "from_time": start,
                    "to_time": start + DAY - 1,
                    "creation_time": [start + 38 * HOUR + group * 1000 for group in range(groups)],
                    "completion_time": [
                        start + 38 * HOUR + group * 1000 + 900 for group in range(groups)
                    ],
                    "observed_at": MONDAY + 8 * DAY,
                }
            )
        )
    return frames.conform(pd.concat(parts, ignore_index=True))


@pytest.fixture(scope="module")
def large() -> xs.WeeklyReport:
    """Return a report with 300 gaps in 300 log groups that expire soon."""
    names = sorted(set(nightly(GROUPS, 5)["log_group_name"]))
    log_groups = log_groups_of(
        *({"log_group_name": name, "creation_time": 0, "retention": 20 * DAY} for name in names)
    )
    return xs.build_weekly_report(nightly(GROUPS), week=ISO_WEEK, log_groups=log_groups)


@pytest.fixture(scope="module")
def tables(large: xs.WeeklyReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tables of the report to a folder."""
    folder = tmp_path_factory.mktemp("large") / "tables"
    machine.write_csv(large, folder)
    return folder


def section_of(html: str, kind: str) -> str:
    """Return the fold with the rows of a finding."""
    title = {"gaps": "Gaps", "expiring": "Events that will be lost"}[kind]
    return re.search(rf"<details><summary>{title}: .*?</details>", html, re.DOTALL)[0]


def test_a_page_shows_the_first_rows_and_counts_the_rest(large: xs.WeeklyReport):
    """Of 300 gaps, 50 are shown and 250 are counted. Without a folder, there are no links."""
    assert len(finding(large, "gaps").rows) == GROUPS
    html = large.to_html()
    for kind in ("gaps", "expiring"):
        shown = section_of(html, kind)
        assert f": {GROUPS} rows</summary>" in shown
        assert shown.count("<tr>") == 1 + 50
        assert '<p class="soft">250 more rows are not shown.</p>' in shown
    assert "<a " not in html
    assert " href=" not in html


def test_a_page_links_what_was_cut(large: xs.WeeklyReport, tables: Path):
    """With a folder of tables, each cut table links to a file with all its rows."""
    html = large.to_html(csv="tables")
    assert (
        '<p class="soft">250 more rows are in <a href="tables/gaps.csv">gaps.csv</a>.</p>'
        in section_of(html, "gaps")
    )
    links = re.findall(r"(\d[\d,]*) more rows are in <a href=\"tables/([\w-]+\.csv)\">", html)
    assert {"gaps.csv", "expiring.csv", "picture-coverage.csv"} <= {name for _, name in links}
    for cut, name in links:
        rows = (tables / name).read_text(encoding="utf-8").count("\n") - 1
        assert rows == int(cut.replace(",", "")) + 50, name
    assert html.count("more rows") == len(links)


def test_links_are_addresses(large: xs.WeeklyReport):
    """The name of the folder is quoted for use in an address."""
    html = large.to_html(csv='../week 47/"#%?<b>')
    assert 'href="../week%2047/%22%23%25%3F%3Cb%3E/gaps.csv"' in html


def test_markdown_and_mail_show_fewer(large: xs.WeeklyReport):
    """Markdown shows at most ten rows of a finding or part, an email five. Both count the rest."""
    shown = [one for whole in large.findings for one in (whole, *whole.news)]
    many = sum(one.severity != "note" and len(one.rows) == 300 for one in shown)
    assert many > 1
    text = large.to_markdown()
    assert text.count("  290 more rows are not shown.") == many
    assert max(len(block.splitlines()) for block in text.split("\n\n")) <= 2 + 10
    assert len(text.encode()) < 60_000
    mail = message_from_bytes(large.to_email(), policy=policy.default)
    html = mail.get_body(("html",)).get_content()
    assert len(html.encode()) < 100_000
    assert html.count("295 more rows are not shown") == many
    assert len(mail.get_body(("plain",)).get_content()) < 6000


def test_a_page_of_many_log_groups_is_small(large: xs.WeeklyReport):
    """The page is smaller than a megabyte, including pictures."""
    assert len(large.to_html(csv="tables").encode()) < 1_000_000


def test_csv_has_the_rows_of_json(large: xs.WeeklyReport, tables: Path):
    """Each table in the JSON has a CSV file with the same columns and all rows."""
    made = json.loads(large.to_json())
    pictures = {f"picture-{picture.name}" for picture in large.pictures}
    every = {"figures": made["figures"], **made["tables"]}
    assert {file.stem for file in tables.iterdir()} == {*every, *pictures, "findings"}
    assert {one["kind"]: one["rows"] for one in made["findings"]} == {
        one["kind"]: len(every[one["kind"]]) for one in made["findings"]
    }
    for name, rows in every.items():
        with (tables / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        assert len(found) == len(rows), name
        for row, expected in zip(found, rows, strict=True):
            assert list(row) == list(expected)
            for column, value in expected.items():
                if value is None:
                    assert row[column] == "", (name, column)
                elif isinstance(value, float):
                    assert float(row[column]) == pytest.approx(value), (name, column)
                else:
                    assert row[column] == str(value), (name, column)


@pytest.mark.parametrize("week", ["2026-W24", "2026-W20"])
def test_the_same_of_the_sample(week: str, tmp_path: Path):
    """The sample's tables are complete too, and the CSV files equal the tables of the report."""
    report = report_of(week)
    machine.write_csv(report, tmp_path)
    made = json.loads(report.to_json())
    for name, table in report.tables.items():
        rows = pd.read_csv(tmp_path / f"{name}.csv", dtype=str)
        assert len(rows) == len(table) == len(made["tables"][name])
    assert made["version"] == 1
    assert made["headline"] == report.headline
    assert [one["sentence"] for one in made["findings"]] == [
        one.sentence for one in report.findings
    ]


def test_json_says_lengths_in_seconds_and_times_in_utc():
    """Columns of durations end with `_seconds` and are numbers. Times are ISO 8601 with a Z."""
    made = json.loads(report_of("2026-W24").to_json())
    for row in made["tables"]["gaps"]:
        assert set(row) == {
            "account_id",
            "region",
            "log_group_name",
            "start",
            "end",
            "length_seconds",
            "reason",
            "last_task_id",
            "expires_at",
            "finding",
        }
        for name in ("start", "end", "expires_at"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", row[name])
        length = pd.Timestamp(row["end"]) - pd.Timestamp(row["start"])
        assert row["length_seconds"] == length.total_seconds()
    assert (made["start"], made["end"]) == ("2026-06-08T00:00:00Z", "2026-06-15T00:00:00Z")


def test_a_folder_that_is_there_keeps_what_else_is_in_it(tmp_path: Path):
    """Tables replace those of an earlier report. No other file is changed."""
    (tmp_path / "mine.txt").write_text("kept", encoding="utf-8")
    machine.write_csv(report_of("2026-W24"), tmp_path)
    first = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    machine.write_csv(report_of("2026-W24"), tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == first
    assert first["mine.txt"] == b"kept"
