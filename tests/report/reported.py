"""What the tests of the report share: a week counted in plain Python, and tables made by hand."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from support import DAY, HOUR, Row, ms, plain, quantile, rows_of, table

import exportstats as xs
from exportstats.core import coerce, schema
from exportstats.report.rules import RULES
from exportstats.report.weekly import material_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exportstats.report.data import Finding
    from exportstats.report.material import Material
    from exportstats.report.rule import Rule

Key = tuple[Any, ...]
Stretch = tuple[int, int]

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
LOG_GROUP = ("account_id", "region", "log_group_name")
WEEK, MINUTE = 7 * DAY, 60_000
HOPE = ("never_tried", "failed", "cancelled", "active")
SAYS = {"FAILED": "failed", "CANCELLED": "cancelled"}
SHOWN = (*LOG_GROUP, "start", "end", "length", "reason", "last_task_id", "expires_at")
# The five texts of failures that the sample's maker has, told apart by how they begin.
REASONS = {
    "Synthetic: access denied": "Synthetic: access denied writing <s3 address> (request <id>)",
    "Synthetic: bucket": "Synthetic: bucket <bucket> is in another region",
    "Synthetic: internal failure": "Synthetic: internal failure, reference <id>",
    "Synthetic: no answer": (
        "Synthetic: no answer from <bucket> after <number> attempts in <number> s"
    ),
    "Synthetic: timed out": "Synthetic: timed out after <number> hours",
}

# A Monday, of the weeks of tables made by hand.
MONDAY = ms("2026-11-16T00:00Z")
ISO_WEEK = "2026-W47"


@functools.cache
def planted() -> dict[str, Any]:
    """Read what the generator of the sample planted."""
    return json.loads((SAMPLE / "planted.json").read_text(encoding="utf-8"))


@functools.cache
def sample() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the sample's tasks and log groups, loaded once; nobody changes them."""
    return xs.sample_tasks(), xs.sample_log_groups()


@functools.cache
def report_of(week: str) -> xs.WeeklyReport:
    """Build the sample's report of a week, once."""
    tasks, log_groups = sample()
    return xs.build_weekly_report(tasks, week=week, log_groups=log_groups)


@functools.cache
def sample_rows() -> tuple[list[Row], list[Row]]:
    """Return the sample's tasks and log groups as plain Python."""
    tasks, log_groups = sample()
    return rows_of(tasks), plain_rows(log_groups)


@functools.cache
def counted(week: str) -> Counted:
    """Count a week of the sample, once."""
    edges = {one["iso_week"]: one for one in planted()["weeks"]["all"]}[week]
    return Counted(*sample_rows(), ms(edges["start"]), ms(edges["end"]))


def every(report: xs.WeeklyReport) -> list[Finding]:
    """Return all findings, those that are parts of another one too."""
    return [part for one in report.findings for part in one.every]


def finding(report: xs.WeeklyReport, kind: str) -> Finding | None:
    """Return the finding of a kind, if there is one."""
    found = [one for one in every(report) if one.kind == kind]
    assert len(found) <= 1
    return found[0] if found else None


@functools.cache
def whole(week: str, kind: str) -> Finding | None:
    """Return what a rule finds in a week of the sample, of all incidents."""
    [rule] = [one for one in RULES if one.kind == kind]
    return rule.find(_sample_material(week))


@functools.cache
def _sample_material(week: str) -> Material:
    tasks, log_groups = sample()
    return material_of(tasks, week, log_groups, None, None, "UTC", (), None)


def kinds(report: xs.WeeklyReport) -> list[str]:
    """Return the kinds of the findings in their order, each followed by those of its parts."""
    return [one.kind for one in every(report)]


def plain_rows(frame: pd.DataFrame) -> list[Row]:
    """Return a table as plain Python, times and lengths in milliseconds."""
    columns = [plain(frame[name]) for name in frame.columns]
    rows = zip(*columns, strict=True)
    return [dict(zip(frame.columns, values, strict=True)) for values in rows]


def rows_behind(report: xs.WeeklyReport, kind: str) -> list[Row]:
    """Return the rows of a finding as plain Python; none if it was not found."""
    if kind not in report.tables:
        return []
    return plain_rows(report.tables[kind].drop(columns="finding"))


def key_of(row: Row) -> Key:
    """Return what a log group is known by."""
    return tuple(row[name] for name in LOG_GROUP)


def named(key: Key, **more: object) -> Row:
    """Return a row of a log group."""
    return {**dict(zip(LOG_GROUP, key, strict=True)), **more}


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Join stretches that touch or overlap."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return found


def without(stretch: Stretch, taken: Iterable[Stretch]) -> list[Stretch]:
    """Return what is left of a stretch when others are taken from it."""
    left, (at, end) = [], stretch
    for start, stop in joined(taken):
        if start >= end:
            break
        if start > at:
            left.append((at, start))
        at = max(at, stop)
    return [*left, (at, end)] if at < end else left


def length(stretches: Iterable[Stretch]) -> int:
    """Add up stretches."""
    return sum(end - start for start, end in stretches)


def cut(stretch: Stretch, to: Stretch) -> list[Stretch]:
    """Return what of a stretch lies in another."""
    both = max(stretch[0], to[0]), min(stretch[1], to[1])
    return [both] if both[0] < both[1] else []


def reason_of(message: str | None) -> str:
    """Return the reason behind a message of the sample."""
    [found] = [why for begin, why in REASONS.items() if (message or "").startswith(begin)]
    return found


def covers(row: Row) -> bool:
    """Tell whether a task covers its window."""
    return row["status_code"] == "COMPLETED"


class Counted:
    """A week of tasks, looked at when it is over, one task at a time."""

    def __init__(self, tasks: list[Row], log_groups: list[Row], start: int, end: int) -> None:
        self.start, self.end = start, end
        self.as_of = min(end, max(row["observed_at"] for row in tasks))
        self.due = start - 2 * DAY, end - 2 * DAY
        self.tasks = [self.then(row) for row in tasks if row["creation_time"] <= self.as_of]
        self.listed = {key_of(row): row for row in log_groups}
        self.of: dict[Key, list[Row]] = {}
        for row in self.tasks:
            self.of.setdefault(key_of(row), []).append(row)
        self.first = {
            key: min(
                (r["from_time"] for r in rows if r["status_code"] == "COMPLETED"), default=None
            )
            for key, rows in self.of.items()
        }
        self.gaps = [gap for key in sorted(self.of) for gap in self.gaps_of(key)]
        self.regular = {key for key in self.of if self.is_regular(key)}

    def then(self, row: Row) -> Row:
        """Return a task as it was known at the week's end."""
        ended = row["completion_time"]
        if ended is None or ended <= self.as_of:
            return row
        return row | {"status_code": "RUNNING", "status_message": None, "completion_time": None}

    def created(self, start: int, end: int, state: str | None = None) -> list[Row]:
        """Return the tasks created in a range of time, those in a state alone."""
        return [
            row
            for row in self.tasks
            if start <= row["creation_time"] < end and state in (None, row["status_code"])
        ]

    def gaps_of(self, key: Key) -> list[Row]:
        """Return what of a log group no COMPLETED task covers, since its first export."""
        first, known = self.first[key], self.listed.get(key, {})
        if first is None:
            return []
        low = max(first, known.get("creation_time") or first)
        windows = [(row["from_time"], row["to_time"] + 1, row) for row in self.of[key]]
        done = [(begin, end) for begin, end, row in windows if row["status_code"] == "COMPLETED"]
        found, kept = [], known.get("retention")
        for start, end in without((low, self.end), done):
            tries = [
                (SAYS.get(row["status_code"], "active"), row)
                for begin, stop, row in windows
                if begin < end and stop > start and row["status_code"] != "COMPLETED"
            ]
            says = max((says for says, _ in tries), key=HOPE.index, default="never_tried")
            latest = [(r["creation_time"], r["task_id"]) for said, r in tries if said == says]
            last = max(latest)[1] if latest else None
            gone = start if kept is None else min(max(self.as_of - kept, start), end)
            for begin, stop, why in ((start, gone, "lost"), (gone, end, says)):
                if begin < stop:
                    found.append(self.row(key, begin, stop, why, last))
        return found

    def row(self, key: Key, start: int, end: int, reason: str, last: str | None) -> Row:
        """Return a row of a gap."""
        kept = self.listed.get(key, {}).get("retention")
        expires = None if kept is None else start + kept
        more = {"reason": reason, "last_task_id": last, "expires_at": expires}
        return named(key, start=start, end=end, length=end - start, **more)

    def missing(self, key: Key, span: Stretch) -> int:
        """Return how much of a log group is missing in a range."""
        mine = [gap for gap in self.gaps if key_of(gap) == key]
        return sum(length(cut((gap["start"], gap["end"]), span)) for gap in mine)

    def is_regular(self, key: Key) -> bool:
        """Tell whether most of the last eight weeks since the first export are nearly whole."""
        first, whole = self.first[key], []
        for back in range(8):
            span = self.due[0] - back * WEEK, self.due[1] - back * WEEK
            if first is not None and first <= span[0]:
                whole.append(self.missing(key, span) <= 0.1 * WEEK)
        return len(whole) >= 2 and 2 * sum(whole) > len(whole)

    def clipped(self, start: int, end: int) -> list[Row]:
        """Return what of the gaps of regular log groups lies in a range."""
        return [
            self.row(key_of(gap), *part, gap["reason"], gap["last_task_id"])
            for gap in self.gaps
            if key_of(gap) in self.regular
            for part in cut((gap["start"], gap["end"]), (start, end))
        ]

    def due_gaps(self, *, short: bool) -> list[Row]:
        """Return the rows of `gaps` or of `short_gaps`."""
        return [
            gap
            for gap in self.clipped(*self.due)
            if (gap["length"] <= MINUTE) == short and gap["reason"] != "lost"
        ]

    def expiring(self) -> list[Row]:
        """Return the rows of `expiring`, the first to expire first."""
        rows = [
            gap
            for gap in self.clipped(0, self.due[1])
            if gap["reason"] != "lost" and gap["length"] > MINUTE and gap["expires_at"] is not None
        ]
        soon = [gap for gap in rows if gap["expires_at"] < self.as_of + 35 * DAY]
        return sorted(soon, key=lambda gap: (gap["expires_at"], key_of(gap)))

    def lost(self) -> list[Row]:
        """Return the rows of `lost`: what retention took since the week began."""
        rows = []
        for gap in self.clipped(0, self.due[1]):
            kept = self.listed.get(key_of(gap), {}).get("retention")
            if gap["reason"] == "lost":
                since = max(gap["start"], self.start - kept)
                if gap["end"] - since > MINUTE:
                    last = gap["last_task_id"]
                    rows.append(self.row(key_of(gap), since, gap["end"], "lost", last))
        return sorted(rows, key=lambda gap: (-gap["length"], key_of(gap)))

    def not_made_good(self) -> dict[str, int]:
        """Return how much of the windows of the week's failed tasks no task covers."""
        found = {}
        for task in self.created(self.start, self.end, "FAILED"):
            window = task["from_time"], min(task["to_time"] + 1, max(self.as_of, self.due[1]))
            done = [
                (row["from_time"], row["to_time"] + 1)
                for row in self.of[key_of(task)]
                if row["status_code"] == "COMPLETED"
            ]
            if missing := length(without(window, done)):
                found[task["task_id"]] = missing
        return found

    def stopped(self) -> dict[Key, int]:
        """Return the regular log groups without a task in the week, and when they had the last."""
        last = {key: max(row["creation_time"] for row in self.of[key]) for key in self.regular}
        return {key: when for key, when in last.items() if when < self.start}

    def irregular(self) -> set[Key]:
        """Return the log groups that are not exported regularly."""
        there = {
            key
            for key, row in self.listed.items()
            if row["creation_time"] is None or row["creation_time"] < self.end
        }
        return {*self.of, *there} - self.regular

    def premature(self) -> dict[str, int]:
        """Return how much of the due days only premature tasks cover, by task."""
        found = {}
        for rows in self.of.values():
            done = [row for row in rows if row["status_code"] == "COMPLETED"]
            soon = [row for row in done if row["creation_time"] < row["to_time"] + 1 + 12 * HOUR]
            late = [row for row in done if row not in soon]
            good = [(row["from_time"], row["to_time"] + 1) for row in late]
            for row in soon:
                for part in cut((row["from_time"], row["to_time"] + 1), self.due):
                    if alone := length(without(part, good)):
                        found[row["task_id"]] = alone
        return found

    def ended_after_a_day(self) -> set[str]:
        """Return the tasks of the week that failed after 24 hours, give or take 5 minutes."""
        failed = self.created(self.start, self.end, "FAILED")
        took = [(row["completion_time"] - row["creation_time"], row["task_id"]) for row in failed]
        return {name for long, name in took if long >= DAY - 5 * MINUTE}

    def long_active(self) -> set[str]:
        """Return the tasks that have been active for 12 hours, of the last six weeks."""
        return {
            row["task_id"]
            for row in self.created(self.start - 5 * WEEK, self.end)
            if row["completion_time"] is None and self.as_of - row["creation_time"] >= 12 * HOUR
        }

    def new_reasons(self) -> dict[str, int]:
        """Return the reasons of failures that were first seen in this week."""
        first: dict[str, int] = {}
        many: dict[str, int] = {}
        for row in self.tasks:
            if row["status_code"] == "FAILED":
                reason = reason_of(row["status_message"])
                first[reason] = min(first.get(reason, self.end), row["completion_time"])
                many[reason] = many.get(reason, 0) + 1
        return {reason: many[reason] for reason, when in first.items() if when >= self.start}

    def figures(self, start: int, weeks: int) -> dict[str, float]:
        """Return the key figures of so many weeks from an instant on."""
        end = start + weeks * WEEK
        states = [row["status_code"] for row in self.created(start, end)]
        done = self.created(start, end, "COMPLETED")
        took = [row["completion_time"] - row["creation_time"] for row in done]
        ended = [state for state in states if state in ("COMPLETED", "FAILED", "CANCELLED")]
        due = start - 2 * DAY, end - 2 * DAY
        asked = sum(
            length(cut((self.first[key], due[1]), due)) for key in self.regular if self.first[key]
        )
        missing = sum(self.missing(key, due) for key in self.regular)
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


# Tables made by hand: log groups exported every night for some weeks, as an exporter does.


def night(name: str, number: int, **more: Any) -> Row:  # noqa: ANN401 - any field of a task
    """Make the task of a night, `number` nights after the first Monday of the week's report."""
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
    """Make the tasks of all nights of four weeks up to the end of the report's week."""
    return [night(name, number, **more) for number in range(-28, 6)]


def tasks_of(*rows: Row) -> pd.DataFrame:
    """Make a table of tasks."""
    return table(*rows)


def side_table(rows: Iterable[Row], columns: Iterable[schema.Column]) -> pd.DataFrame:
    """Make a table that stands beside the tasks, times and lengths in milliseconds."""
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
    """Make a table of log groups of the account and region of `night`."""
    place = {"account_id": "111122223333", "region": "eu-west-1"}
    return side_table([place | row for row in rows], schema.LOG_GROUPS.columns)


def deliveries_of(*rows: Row) -> pd.DataFrame:
    """Make a table of deliveries of the account and region of `night`."""
    place = {"account_id": "111122223333", "region": "eu-west-1"}
    return side_table([place | row for row in rows], schema.DELIVERIES.columns)


def others(name: str, *numbers: int) -> list[Row]:
    """Make the tasks of all nights of a log group but some."""
    return [row for row in nights(name) if row["task_id"] not in {f"{name}@{n}" for n in numbers}]


def built(*rows: Row, week: Any = ISO_WEEK, **more: Any) -> xs.WeeklyReport:  # noqa: ANN401
    """Build a report of a few tasks."""
    return xs.build_weekly_report(tasks_of(*rows), week=week, **more)


def look(rule: Rule, *rows: Row, week: Any = ISO_WEEK, **more: Any) -> Finding | None:  # noqa: ANN401
    """Apply one rule to a few tasks, which takes a fraction of a whole report."""
    nothing = dict.fromkeys(("log_groups", "deliveries", "as_of", "waivers"))
    known = nothing | {"tz": "UTC", "source": ()} | more
    return rule.find(material_of(tasks_of(*rows), week, **known))


def rows_of_rule(rule: Rule, *rows: Row, **more: Any) -> list[Row]:  # noqa: ANN401
    """Return the rows that a rule finds, as plain Python."""
    found = look(rule, *rows, **more)
    return [] if found is None else plain_rows(found.rows)


# Text from AWS that wants to be more than text.
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
    """Make a week in which every text of every task is hostile, and much goes wrong."""
    rows = []
    for number, text in enumerate(HOSTILE):
        # in a message its own names would be placeholders, so that it has another's
        said = HOSTILE[(number + 1) % len(HOSTILE)]
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
                row |= {"status_code": "FAILED", "status_message": f"{said} broke it"}
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
    """Build the report of that week, once."""
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
