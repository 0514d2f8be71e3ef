"""What all findings of a report are made of, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage import exports
from exportstats.coverage.gaps import find_gaps
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at, to_millis
from exportstats.stats.failures import failure_reasons

if TYPE_CHECKING:
    from exportstats.report.weeks import Span

# A day's events are due in S3 so long after the day: log data can take 12 h to become exportable,
# exporters wait for that, tasks queue for their slot, a failed night is run again the day after.
DUE_AFTER = timedelta(days=2)
# Its predecessors that a week is compared with, beside the last one.
WEEKS_BEFORE = 4
# A log group is exported regularly if of its weeks, at most the eight up to the report's and at
# least two, more than half were covered to this share. Gaps of all others (exported by hand, or
# never) are somebody's intention.
REGULAR_WEEKS = 8
REGULAR_LEAST = 2
REGULAR_SHARE = 0.9
# Shorter gaps, as an exporter leaves that ends its days at 23:59:00, are one line for all.
SHORT_GAP = timedelta(minutes=1)

GAP = [*LOG_GROUP, "start", "end", "length", "reason", "last_task_id", "expires_at"]
_NEVER = pd.Timestamp("2262-01-01", tz="UTC")


@dataclass(frozen=True, eq=False)
class Material:
    """The tasks of a report, as they were known when it is of, and what is in S3.

    Attributes
    ----------
    tasks
        All of them.
    recent
        Those created in the report's span or one of those it is compared with.
    span, due
        What the report is of, and of which time the events were due in S3 in it.
    as_of
        When it was known.
    log_groups, deliveries
        Tables that stand beside the tasks, if given.
    groups
        A row a log group with a task: `LOG_GROUP`, `first_window` (where its first COMPLETED task
        begins), `last_created`, and `regular`, whether it is exported regularly.
    uncovered
        What `find_gaps` gives, of all log groups.
    gaps
        The same since the first export of each log group, and `regular` beside.
    """

    tasks: shards.Tasks
    recent: pd.DataFrame
    span: Span
    due: Span
    as_of: pd.Timestamp
    log_groups: pd.DataFrame | None
    deliveries: pd.DataFrame | None
    groups: pd.DataFrame
    uncovered: pd.DataFrame
    gaps: pd.DataFrame

    @property
    def asked(self) -> dict[str, Any]:
        """Give what a function on coverage is asked of the days that were due."""
        return {
            "start": self.due.start,
            "end": self.due.end,
            "log_groups": self.log_groups,
            "as_of": self.as_of,
            "deliveries": self.deliveries,
        }

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """Count the failed tasks of the span by reason."""
        return failure_reasons(self.week)

    @cached_property
    def week(self) -> pd.DataFrame:
        """Give the tasks created in the span."""
        return created_in(self.recent, self.span)

    @property
    def before(self) -> Span:
        """Give the spans that the one before this is compared with as well, as one."""
        return self.span.before(2, of=WEEKS_BEFORE)

    @property
    def has_a_past(self) -> bool:
        """Return whether a task was created before the span."""
        return bool((self.groups["last_created"] < self.span.start).any()) or bool(
            (self.recent["creation_time"] < self.span.start).any()
        )

    @cached_property
    def until_due(self) -> pd.DataFrame:
        """Return the gaps of regular log groups up to the end of what was due."""
        return self.missing(self.gaps["start"].min(), self.due.end)

    @cached_property
    def due_gaps(self) -> pd.DataFrame:
        """Return the gaps of regular log groups in what became due in the span."""
        return self.missing(*self.due.edges)

    def missing(self, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return the gaps of regular log groups, as far as they lie in a range."""
        return clipped(self.gaps[self.gaps["regular"]], start, end)

    def regular_share(self, span: Span) -> tuple[float, float]:
        """Return how much of what was due in a span is covered, and how many seconds are not."""
        due = span.shifted(-DUE_AFTER)
        groups = self.groups[self.groups["regular"]]
        start, end = (to_millis(edge) for edge in due.edges)
        begins = np.maximum(coerce.millis(groups["first_window"]), start)
        asked = np.clip(end - begins, 0, None).sum()
        missing = float(self.missing(*due.edges)["length"].dt.total_seconds().sum())
        return (1 - missing * 1000 / asked if asked else float("nan")), missing


def gather(
    tasks: shards.Tasks,
    span: Span,
    as_of: pd.Timestamp,
    log_groups: pd.DataFrame | None,
    deliveries: pd.DataFrame | None,
) -> Material:
    """Compute what the findings share."""
    tasks = shards.select(tasks, partial(_then, as_of=as_of))
    due = span.shifted(-DUE_AFTER)
    oldest = span.before(0, of=WEEKS_BEFORE + 2)
    recent = shards.collect(tasks, partial(created_in, span=oldest))
    groups = _merged(shards.collect(tasks, _exported))
    end = max(min(span.end, as_of), due.end)
    week = created_in(recent, span)
    failed = week.loc[week["status_code"] == "FAILED", "from_time"]
    uncovered = find_gaps(
        tasks,
        start=min(
            [due.start.tz_convert("UTC"), *groups["first_window"].dropna(), *failed.dropna()]
        ),
        end=end,
        log_groups=log_groups,
        as_of=as_of,
        deliveries=deliveries,
    )
    row = exports.locate(uncovered, groups)
    first = groups["first_window"].reindex(row).fillna(_NEVER).to_numpy()
    since = (uncovered["start"].to_numpy() >= first) & (row >= 0)
    gaps, row = uncovered[since].reset_index(drop=True), row[since]
    groups["regular"] = _is_regular(groups, gaps, row, due)
    gaps["regular"] = groups["regular"].to_numpy()[row]
    return Material(
        tasks=tasks,
        recent=recent,
        span=span,
        due=due,
        as_of=as_of,
        log_groups=log_groups,
        deliveries=deliveries,
        groups=groups,
        uncovered=uncovered,
        gaps=gaps,
    )


def _then(tasks: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Give the tasks as they were known; what was active is RUNNING, whenever one looks.

    Whether a task that has ended since was PENDING then, nobody knows any more.
    """
    known = known_at(tasks, as_of)
    state = known["status_code"]
    return known.assign(status_code=state.where(~state.isin(schema.ACTIVE_STATES), "RUNNING"))


def created_in(tasks: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Give the tasks created in a span."""
    created = tasks["creation_time"]
    return tasks[(created >= span.start) & (created < span.end)]


def clipped(gaps: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Give what of some gaps lies in a range; what expires first is then what begins first."""
    inside = gaps[(gaps["end"] > start) & (gaps["start"] < end)]
    starts = inside["start"].where(inside["start"] > start, start.tz_convert("UTC"))
    ends = inside["end"].where(inside["end"] < end, end.tz_convert("UTC"))
    later = starts - inside["start"]
    return inside.assign(
        start=starts,
        end=ends,
        length=(ends - starts).astype("timedelta64[ms]"),
        expires_at=inside["expires_at"] + later,
    )


def is_long(gaps: pd.DataFrame) -> pd.Series:
    """Return which gaps are worth a line of their own."""
    return gaps["length"] > SHORT_GAP


def of_regular(material: Material, frame: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of log groups that are exported regularly."""
    row = exports.locate(frame, material.groups)
    regular: np.ndarray = np.append(material.groups["regular"].to_numpy(dtype=bool), False)
    kept: pd.DataFrame = frame[regular[row]]
    return kept


def _exported(tasks: pd.DataFrame) -> pd.DataFrame:
    """Give a row for each log group; this is the part."""
    named = tasks[tasks["log_group_name"].notna().to_numpy()]
    begins = named["from_time"].where(named["status_code"] == "COMPLETED")
    return _merged(
        named[list(LOG_GROUP)].assign(first_window=begins, last_created=named["creation_time"])
    )


def _merged(rows: pd.DataFrame) -> pd.DataFrame:
    groups = grouping.group(rows, LOG_GROUP)
    grouped = rows.groupby(groups.codes, sort=True)
    return groups.keys.assign(
        first_window=grouped["first_window"].min().array,
        last_created=grouped["last_created"].max().array,
    )


def _is_regular(groups: pd.DataFrame, gaps: pd.DataFrame, row: np.ndarray, due: Span) -> np.ndarray:
    """Tell which log groups were covered, all but a little, in most of their latest weeks."""
    first = coerce.millis(groups["first_window"].fillna(_NEVER))
    starts, ends = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    weeks, times = np.zeros((2, len(groups)), dtype="int64")
    for many in range(REGULAR_WEEKS):
        week = due.before(many)
        low, high = (to_millis(edge) for edge in (week.start, week.end))
        inside = np.maximum(np.minimum(ends, high) - np.maximum(starts, low), 0)
        missing = np.bincount(row, weights=inside, minlength=len(groups))
        allowed = (1 - REGULAR_SHARE) * (high - low)
        weeks += first <= low
        times += (first <= low) & (missing <= allowed)
    return (weeks >= REGULAR_LEAST) & (2 * times > weeks)


def within(tasks: shards.Tasks, span: Span) -> pd.DataFrame:
    """Give the tasks created in a span, and those whose creation is not known."""
    return shards.collect(tasks, partial(_within, span=span))


def _within(tasks: pd.DataFrame, *, span: Span) -> pd.DataFrame:
    undated = tasks["creation_time"].isna()
    return frames.stack([created_in(tasks, span), tasks[undated]])
