"""The report on a week as a value: what was found, the figures, the tables and the pictures."""

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

# What nobody can know, said in every report.
_LIMITS = (
    (
        "Coverage is an upper bound: the service tells neither a task's prefix of stream names nor "
        "how much it wrote."
    ),
    "A duration is creation to completion, waiting included: the service tells no start.",
)
# What was not looked at.
_NO_EXPIRY = (
    "What will be lost, and by when, was not looked at: give log groups, which tell how long "
    "events are kept, with --log-groups (or log_groups=xs.fetch_log_groups() in Python)."
)
_MOMENT = timedelta(milliseconds=1)
_PART = "Only a part of the list is known: what looks like a gap may be covered by the rest of it."


@dataclass(frozen=True, eq=False)
class Finding:
    """One line of the report: an incident, or what a rule found of one.

    Attributes
    ----------
    id
        What `exportstats backfill --finding` calls it: the same in each report that tells of it.
    kind
        What it is about: the name of its rule and of its table.
    title
        What its table is called, for people.
    severity
        `critical`: data are or will be lost for good unless someone acts before the next report.
        `warning`: something is wrong. `note`: it is good to know.
    sentence
        What was found, with its figures. Names in it are AWS's: escape it where it is shown.
    remedy
        What to do.
    rows
        The rows behind it, the most urgent first, all of them.
    exports
        What is to be exported, the most urgent first, of its parts too.
    parts
        What other rules found of the same incident, the worst first; they have no parts.
    is_news
        Whether it tells of something that no worse finding of its incident tells of.
    """

    id: str
    kind: str
    title: str
    severity: Severity
    sentence: str
    remedy: str
    rows: pd.DataFrame
    exports: tuple[Export, ...] = ()
    parts: tuple[Finding, ...] = ()
    is_news: bool = True

    @property
    def commands(self) -> tuple[str, ...]:
        """Return what to paste into a shell to act on it: just that is exported."""
        return tuple(export.command for export in self.exports)

    @property
    def every(self) -> tuple[Finding, ...]:
        """Return the finding and its parts, the worst first."""
        return (self, *self.parts)

    @property
    def news(self) -> tuple[Finding, ...]:
        """Return the parts that tell of something new."""
        return tuple(part for part in self.parts if part.is_news)


@dataclass(frozen=True, eq=False)
class Picture:
    """A table and the chart that draws it.

    Attributes
    ----------
    name, title
        What it is called, in files and for people.
    text
        What it shows, in a sentence, for those who do not see it.
    table
        What it draws, all of it.
    plot
        The name of the function that draws it, of `exportstats.charts`.
    """

    name: str
    title: str
    text: str
    table: pd.DataFrame
    plot: str


@dataclass(frozen=True, eq=False, repr=False)
class ReportData:
    """What one week was like.

    Attributes
    ----------
    name
        What the week is called.
    start, end
        Its edges (aware, in its time zone); `due_start` and `due_end`, of which time the events
        were due in S3 in it: two days earlier.
    as_of
        Everything is as it was known at this instant.
    findings
        The worst first; findings of one cause are parts of the worst of them.
    figures
        The key figures of this week, of the last one and of the four weeks before this one.
    tables
        Tables by name: all rows of a kind of finding under its name, with the `finding` that each
        belongs to; `findings`, a row each; `coverage`, `failures` and `durations`.
    pictures
        What is drawn.
    has_log_groups
        Whether log groups were given, without which nothing is known of expiry.
    parts
        The reports of the tasks with one value of a column each, if they were asked for.
    is_partial
        Whether some of the tasks or log groups are known to lack, as where a list was cut short.
    """

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
    parts: Mapping[str, ReportData] = field(default_factory=dict)
    is_partial: bool = False

    @property
    def tz(self) -> str:
        """Return the name of the week's time zone."""
        return str(self.start.tz)

    @property
    def limits(self) -> tuple[str, ...]:
        """Say what the report cannot know, and what it did not look at."""
        return _LIMITS if self.has_log_groups else (_NO_EXPIRY, *_LIMITS)

    @property
    def is_quiet(self) -> bool:
        """Return whether nothing needs doing."""
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def headline(self) -> str:
        """Say in one sentence how the week was."""
        if not self.is_quiet:
            many = Counter(finding.severity for finding in self.findings)
            said = {"critical finding": many["critical"], "warning": many["warning"]}
            return " and ".join(counted(number, noun) for noun, number in said.items() if number)
        current = self.figures["current"].to_dict()
        tasks, failed, covered = (current[name] for name in ("tasks", "failed", "covered"))
        if not tasks:
            return "No task was created in this week."
        quiet = "A quiet week" if self.as_of >= self.end else "A quiet week so far"
        told = f"{quiet}: {counted(int(tasks), 'task')}, "
        told += f"{int(failed):,} failed" if failed else "none of them failed"
        if failed and "not_made_good" not in self.tables:
            told += ", all exported since" + " or waived" * ("waived" in self.tables)
        if covered == covered:  # noqa: PLR0124 - not known without a regular log group
            told += ", and what was due is in S3"
            missing = current["missing"]
            told += f" but for {write_duration(missing)}" if missing else ""
        return told + "."

    @property
    def period(self) -> str:
        """Say in one sentence what it is of, and in another one if that is not all."""
        start, end, as_of = (f"{t:%Y-%m-%d %H:%M}" for t in (self.start, self.end, self.as_of))
        events = "no events due yet"
        if self.due_start < self.due_end:
            edges = self.due_start, self.due_end
            if all(edge == edge.normalize() for edge in edges):
                days = f"{self.due_start:%Y-%m-%d}", f"{self.due_end - _MOMENT:%Y-%m-%d}"
                events = f"events of the days {days[0]} to {days[1]}"
            else:
                events = "events from {:%Y-%m-%d %H:%M} to {:%Y-%m-%d %H:%M}".format(*edges)
        said = f"Tasks created from {start} to {end}, {events}, as known at {as_of} ({self.tz})."
        return f"{said} {_PART}" if self.is_partial else said

    def __repr__(self) -> str:
        """Name it; its tables would fill pages."""
        return f"<{type(self).__name__} of {self.name}: {self.headline}>"
