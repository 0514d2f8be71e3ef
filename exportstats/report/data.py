"""Define the values that make up a report: findings, key figures, tables and pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from exportstats.text import counted, write_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from exportstats.report.commands import Export

Severity = Literal["critical", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "note")

# What cannot be known. Every report says so.
_LIMITS = (
    (
        "Coverage is an upper bound: the service reports neither a task's log stream prefix nor "
        "how much the task wrote."
    ),
    (
        "A duration is the time from creation to completion, including waiting: the service "
        "reports no start time."
    ),
)
# What was not checked.
_NO_EXPIRY = (
    "Whether events will be lost was not checked, because the retention is unknown: pass the log "
    "groups with --log-groups (or log_groups=xs.fetch_log_groups() in Python)."
)
_MOMENT = timedelta(milliseconds=1)
_LACKS = (
    "The history could not be read in full, so tasks may be missing, and apparent gaps may be "
    "covered after all."
)
_PART = "Some tasks or log groups could not be listed, so apparent gaps may be covered after all."

# The title and the unit of each measure.
MEASURES = {
    "tasks": ("Tasks", "tasks"),
    "completed": ("COMPLETED", "tasks"),
    "failed": ("FAILED", "tasks"),
    "cancelled": ("CANCELLED", "tasks"),
    "failure_rate": ("Failure rate", "share"),
    "p50": ("Median duration", "s"),
    "p90": ("90th percentile", "s"),
    "covered": ("Covered", "share"),
    "missing": ("Missing", "s"),
}


@dataclass(frozen=True, eq=False)
class Finding:
    """An incident, or the part of an incident that one rule found.

    Attributes
    ----------
    id
        The identifier for `exportstats backfill --finding`. It is the same in every report.
    kind
        The name of its rule and of its table.
    title
        The title of its table.
    severity
        `critical`: events are lost for good unless someone acts before the next report.
        `warning`: something is wrong. `note`: for information.
    sentence
        A description with figures. It can contain names from AWS, so escape it for display.
    remedy
        What to do.
    rows
        All rows behind it, the most urgent first.
    exports
        The exports that resolve it and its parts, the most urgent first.
    waivers
        The text of waivers that resolve it if it is intended.
    aws_commands
        The commands of the AWS CLI to run before those of its exports.
    parts
        The findings of other rules for the same incident, the worst first. Parts have no parts.
    is_news
        Whether it adds something to the worse findings of its incident.
    """

    id: str
    kind: str
    title: str
    severity: Severity
    sentence: str
    remedy: str
    rows: pd.DataFrame
    exports: tuple[Export, ...] = ()
    waivers: tuple[str, ...] = ()
    aws_commands: tuple[str, ...] = ()
    parts: tuple[Finding, ...] = ()
    is_news: bool = True

    @property
    def commands(self) -> tuple[str, ...]:
        """Return the shell commands that run its exports."""
        return tuple(export.command for export in self.exports)

    @property
    def every(self) -> tuple[Finding, ...]:
        """Return the finding and its parts, the worst first."""
        return (self, *self.parts)

    @property
    def news(self) -> tuple[Finding, ...]:
        """Return the parts that add something to the worse findings of the incident."""
        return tuple(part for part in self.parts if part.is_news)


@dataclass(frozen=True, eq=False)
class Picture:
    """A table and the chart that draws it.

    Attributes
    ----------
    name, title
        The name in files, and the title for people.
    text
        A description of what it shows, as alternative text.
    table
        The table that is drawn.
    plot
        The name of the function of `exportstats.charts` that draws it.
    """

    name: str
    title: str
    text: str
    table: pd.DataFrame
    plot: str


@dataclass(frozen=True, eq=False, repr=False)
class ReportData:
    """The report on one week; `WeeklyReport` describes the attributes."""

    name: str
    start: pd.Timestamp
    end: pd.Timestamp
    due_start: pd.Timestamp
    due_end: pd.Timestamp
    as_of: pd.Timestamp
    findings: tuple[Finding, ...]
    figures: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    pictures: tuple[Picture, ...]
    has_log_groups: bool
    has_evidence: bool = False
    parts: Mapping[str, ReportData] = field(default_factory=dict)
    is_partial: bool = False
    lacks_history: bool = False

    @property
    def tz(self) -> str:
        """Return the name of the week's time zone."""
        return str(self.start.tz)

    @property
    def limits(self) -> tuple[str, ...]:
        """Return what the report cannot know and what it did not check."""
        known = _LIMITS[1:] if self.has_evidence else _LIMITS
        return known if self.has_log_groups else (_NO_EXPIRY, *known)

    @property
    def is_quiet(self) -> bool:
        """Return whether no action is needed."""
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def headline(self) -> str:
        """Return a summary of the week in one sentence."""
        if not self.is_quiet:
            many = Counter(finding.severity for finding in self.findings)
            counts = {"critical finding": many["critical"], "warning": many["warning"]}
            return " and ".join(counted(number, noun) for noun, number in counts.items() if number)
        current = self.figures["current"].to_dict()
        tasks, failed, covered = (current[name] for name in ("tasks", "failed", "covered"))
        if not tasks and self.is_partial:
            return "Whether tasks were created in this week is unknown: not all could be read."
        if not tasks:
            return "No task was created in this week."
        quiet = "A quiet week" if self.as_of >= self.end else "A quiet week so far"
        quiet += " in what could be read" if self.is_partial else ""
        text = f"{quiet}: {counted(int(tasks), 'task')}, "
        text += f"{int(failed):,} failed" if failed else "none failed"
        if failed and "failed_windows" not in self.tables:
            text += ", all exported again" + " or waived" * ("waived" in self.tables)
        if covered == covered:  # noqa: PLR0124 - NaN without a regular log group
            text += ", and what was due is in S3"
            missing = current["missing"]
            text += f" except {write_duration(missing)}" if missing else ""
        return text + "."

    @property
    def period(self) -> str:
        """Return the period of the report in a sentence, with a second one if tasks are missing."""
        start, end, as_of = (f"{t:%Y-%m-%d %H:%M}" for t in (self.start, self.end, self.as_of))
        events = "no events due yet"
        if self.due_start < self.due_end:
            edges = self.due_start, self.due_end
            if all(edge == edge.normalize() for edge in edges):
                days = f"{self.due_start:%Y-%m-%d}", f"{self.due_end - _MOMENT:%Y-%m-%d}"
                events = f"events of the days {days[0]} to {days[1]}"
            else:
                events = "events from {:%Y-%m-%d %H:%M} to {:%Y-%m-%d %H:%M}".format(*edges)
        text = f"Tasks created from {start} to {end}, {events}, as known at {as_of} ({self.tz})."
        if self.lacks_history:
            return f"{text} {_LACKS}"
        return f"{text} {_PART}" if self.is_partial else text

    def __repr__(self) -> str:
        """Return a short description without the tables."""
        return f"<{type(self).__name__} of {self.name}: {self.headline}>"
