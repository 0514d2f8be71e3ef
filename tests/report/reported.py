"""Share the sample's weeks and hand-made tables between the tests of the report."""

from __future__ import annotations

import functools
import json
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
from histories import History, millis
from support import DAY, HOUR, Row, ms, plain, rows_of, table

import exportstats as xs
from exportstats.core import coerce, schema
from exportstats.report.evidence import Evidence
from exportstats.report.weekly import material_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exportstats.report.data import Finding
    from exportstats.report.rule import Rule

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
LOG_GROUP = ("account_id", "region", "log_group_name")
WEEK, MINUTE = 7 * DAY, 60_000
HOPE = ("never_tried", "failed", "cancelled", "active")
# The five failure messages of the sample, distinguished by how they begin.
REASONS = {
    "Synthetic: access denied": "Synthetic: access denied writing <s3 address> (request <id>)",
    "Synthetic: bucket": "Synthetic: bucket <bucket> is in another region",
    "Synthetic: internal failure": "Synthetic: internal failure, reference <id>",
    "Synthetic: no answer": (
        "Synthetic: no answer from <bucket> after <number> attempts in <number> s"
    ),
    "Synthetic: timed out": "Synthetic: timed out after <number> hours",
}
# The Monday of the week of hand-made tables.
MONDAY = ms("2026-11-16T00:00Z")
ISO_WEEK = "2026-W47"
RENDERERS: dict[str, Callable[[xs.WeeklyReport], str | bytes]] = {
    "html": xs.WeeklyReport.to_html,
    "markdown": xs.WeeklyReport.to_markdown,
    "email": xs.WeeklyReport.to_email,
    "json": xs.WeeklyReport.to_json,
}


@functools.cache
def planted() -> dict[str, Any]:
    """Return the faults that the generator planted in the sample."""
    return json.loads((SAMPLE / "planted.json").read_text(encoding="utf-8"))


@functools.cache
def sample() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the sample's tasks and log groups, loaded once. Do not change them."""
    return xs.sample_tasks(), xs.sample_log_groups()


@functools.cache
def report_of(week: str) -> xs.WeeklyReport:
    """Return the sample's report of a week, built once."""
    tasks, log_groups = sample()
    return xs.build_weekly_report(tasks, week=week, log_groups=log_groups)


@functools.cache
def sample_rows() -> tuple[list[Row], list[Row]]:
    """Return the sample's tasks and log groups as plain Python."""
    tasks, log_groups = sample()
    return rows_of(tasks), plain_rows(log_groups)


@functools.cache
def history_of(week: str, tz: str = "UTC") -> History:
    """Return the sample as a history, with the report's week and time zone."""
    year, number = map(int, week.split("-W"))
    monday = date.fromisocalendar(year, number, 1)
    start, end = (millis(monday + timedelta(days=n), ZoneInfo(tz)) for n in (0, 7))
    return History(tz, week, start, end, None, *sample_rows(), None, [])


def every(report: xs.WeeklyReport) -> list[Finding]:
    """Return all findings including parts."""
    return [part for one in report.findings for part in one.every]


def finding(report: xs.WeeklyReport, kind: str) -> Finding | None:
    """Return the finding of a kind, or None."""
    found = [one for one in every(report) if one.kind == kind]
    assert len(found) <= 1
    return found[0] if found else None


def kinds(report: xs.WeeklyReport) -> list[str]:
    """Return the kinds of the findings in order, each followed by those of its parts."""
    return [one.kind for one in every(report)]


def plain_rows(frame: pd.DataFrame) -> list[Row]:
    """Return a table as plain Python, with times and durations in milliseconds."""
    columns = [plain(frame[name]) for name in frame.columns]
    rows = zip(*columns, strict=True)
    return [dict(zip(frame.columns, values, strict=True)) for values in rows]


def rows_behind(report: xs.WeeklyReport, kind: str) -> list[Row]:
    """Return the rows of a finding as plain Python, or an empty list without the finding."""
    if kind not in report.tables:
        return []
    return plain_rows(report.tables[kind].drop(columns="finding"))


# Hand-made tables: log groups that are exported every night for some weeks.


def night(name: str, number: int, **more: Any) -> Row:  # noqa: ANN401 - any field of a task
    """Return the task of a night, `number` nights after the Monday of the report's week."""
    start = MONDAY + number * DAY
    created = start + DAY + 14 * HOUR
    row = {
        "task_id": f"{name}@{number}",
        "account_id": "111122223333",
        "region": "eu-west-1",
        "log_group_name": name,
        "destination": "acme-logs",
        "destination_prefix": "exported",
        "status_code": "COMPLETED",
        "from_time": start,
        "to_time": start + DAY - 1,
        "creation_time": created,
        "completion_time": created + 5 * MINUTE,
        "observed_at": MONDAY + WEEK + 6 * HOUR,
    }
    row |= more
    if row["status_code"] in ("RUNNING", "PENDING", "PENDING_CANCEL"):
        row["completion_time"] = None
    return row


def nights(name: str, **more: Any) -> list[Row]:  # noqa: ANN401 - any field of a task
    """Return the tasks of all nights of four weeks up to the end of the report's week."""
    return [night(name, number, **more) for number in range(-28, 6)]


def tasks_of(*rows: Row) -> pd.DataFrame:
    """Return a table of tasks."""
    return table(*rows)


def side_table(rows: Iterable[Row], columns: Iterable[schema.Column]) -> pd.DataFrame:
    """Return a side table. Times and durations are given in milliseconds."""
    rows, made = list(rows), {}
    for column in columns:
        values = [row.get(column.name) for row in rows]
        whole = [coerce.NAT if value is None else value for value in values]
        if column.kind == "time":
            made[column.name] = pd.Series(coerce.times(pd.array(whole, "int64").to_numpy()))
        elif column.kind == "length":
            lengths = pd.array(whole, "int64").to_numpy().view("timedelta64[ms]")
            made[column.name] = pd.Series(lengths)
        else:
            text = pd.Series(values, dtype="str" if column.kind == "category" else column.dtype)
            made[column.name] = text.astype(column.dtype)
    return pd.DataFrame(made)


def log_groups_of(*rows: Row) -> pd.DataFrame:
    """Return a table of log groups in the account and region of `night`."""
    place = {"account_id": "111122223333", "region": "eu-west-1"}
    return side_table([place | row for row in rows], schema.LOG_GROUPS.columns)


def deliveries_of(*rows: Row) -> pd.DataFrame:
    """Return a table of deliveries in the account and region of `night`."""
    place = {"account_id": "111122223333", "region": "eu-west-1"}
    return side_table([place | row for row in rows], schema.DELIVERIES.columns)


def others(name: str, *numbers: int) -> list[Row]:
    """Return the tasks of all nights of a log group except some."""
    return [row for row in nights(name) if row["task_id"] not in {f"{name}@{n}" for n in numbers}]


def built(*rows: Row, week: Any = ISO_WEEK, **more: Any) -> xs.WeeklyReport:  # noqa: ANN401
    """Return the report on a few tasks."""
    return xs.build_weekly_report(tasks_of(*rows), week=week, **more)


def look(rule: Rule, *rows: Row, week: Any = ISO_WEEK, **more: Any) -> Finding | None:  # noqa: ANN401
    """Apply one rule to a few tasks. This is much faster than a whole report."""
    nothing = dict.fromkeys((*Evidence._fields, "as_of", "waivers"))
    known = nothing | {"tz": "UTC", "source": ()} | more
    evidence = Evidence(**{name: known.pop(name) for name in Evidence._fields})
    return rule.find(material_of(tasks_of(*rows), week, evidence, **known))


def rows_of_rule(rule: Rule, *rows: Row, **more: Any) -> list[Row]:  # noqa: ANN401
    """Return the rows that a rule finds, as plain Python."""
    found = look(rule, *rows, **more)
    return [] if found is None else plain_rows(found.rows)


# Hostile text, as it may come from AWS.
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "[a](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "https://evil.example/path",
    "| pipe | \\| and \\",
    "`ticks` **bold** _it_ ~~x~~ $x$ $$y$$ # head",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "\u202egnp.exe\u2066\u200b",
    "two\nlines\r\nSubject: other\u2028three",
    '=HYPERLINK("http://x")',
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "{{ 7*7 }} {% raw %} {# note #}",
    "&lt;b&gt; &amp; &#60;",
    "$\\frac{1}{2}$ $unclosed",
    "x" * 10_000,
    "👩‍👩‍👧‍👦 ❤️ 日本語のロググループ",
    "-- ; DROP TABLE tasks",
)


def hostile_tasks() -> pd.DataFrame:
    """Return the tables of a week with many faults in which every text is hostile."""
    rows = []
    for number, text in enumerate(HOSTILE):
        # in its own message, a name would become a placeholder, so use another task's name
        message = HOSTILE[(number + 1) % len(HOSTILE)]
        same = {
            "account_id": f"{text[:200]}{number}",
            "region": text[:100],
            "destination": text,
            "destination_prefix": text,
            "task_name": text,
        }
        for day in range(-28, 3):
            row = night(text, day, **same) | {"task_id": f"{text[:300]}~{number}~{day}"}
            if day in (0, 1):
                row |= {"status_code": "FAILED", "status_message": f"{message} broke it"}
            rows.append(row)
        late = night(text, 3, **same, status_code="RUNNING")
        soon = night(text, 4, **same)
        soon["creation_time"] = soon["to_time"] + HOUR
        rows += [
            late | {"task_id": f"{text[:300]}~{number}~active"},
            soon | {"task_id": f"{text[:300]}~{number}~soon"},
        ]
    return tasks_of(*rows)


@functools.cache
def hostile_report() -> xs.WeeklyReport:
    """Return the report of that week, built once."""
    keeps = [
        {
            "account_id": f"{text[:200]}{number}",
            "region": text[:100],
            "log_group_name": text,
            "creation_time": 0,
            "retention": 14 * DAY,
        }
        for number, text in enumerate(HOSTILE)
    ]
    return xs.build_weekly_report(hostile_tasks(), week=ISO_WEEK, log_groups=log_groups_of(*keeps))
