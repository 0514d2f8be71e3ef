"""Read the tasks of a report once: sums of all tasks, and the tasks that findings look at."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.core import coerce, frames, schema, shards
from exportstats.coverage.gaps import find_gaps
from exportstats.report import rhythm
from exportstats.report.rhythm import DUE_AFTER
from exportstats.report.weeks import Span
from exportstats.stats import matching
from exportstats.stats.as_of import known_at, to_millis
from exportstats.stats.slowdowns import find_slowdowns

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.core.shards import Shards
    from exportstats.report.evidence import Evidence

# The number of previous weeks that a week is compared with.
WEEKS_BEFORE = 4
# A slowdown is reported for this long after it began.
SLOWDOWN_IS_NEWS = timedelta(days=35)
_SHOWN = WEEKS_BEFORE + 2  # weeks of the picture of all states


class Read(NamedTuple):
    """What is read of the tasks of a report.

    Attributes
    ----------
    rows
        Of each log group, at least: the tasks created in the latest weeks or at an unknown time,
        those that may not have exported their window, those whose window became due in the span,
        those whose window is near that of a task that failed in the span, and one task.
    groups
        The log groups, as returned by `rhythm.learn`.
    gaps
        All gaps since 1970, as returned by `find_gaps`.
    slowdowns
        All slowdowns, as returned by `find_slowdowns`.
    """

    rows: pd.DataFrame
    groups: pd.DataFrame
    gaps: pd.DataFrame
    slowdowns: pd.DataFrame


class Earlier(NamedTuple):
    """What was known of some log groups at an earlier instant.

    Attributes
    ----------
    groups
        The log groups, as returned by `rhythm.learn`.
    gaps
        All gaps since 1970, as returned by `find_gaps`.
    undelivered
        The tasks that can explain a gap: not COMPLETED, or checked in S3.
    """

    groups: pd.DataFrame
    gaps: pd.DataFrame
    undelivered: pd.DataFrame


def read(
    tasks: pd.DataFrame | Shards,
    span: Span,
    as_of: pd.Timestamp,
    evidence: Evidence,
) -> Read:
    """Read the tasks of a report, as known at `as_of`, each shard once."""
    part = partial(_rows_and_groups, span=span, as_of=as_of, deliveries=evidence.deliveries)
    both = partial(shards.collect_several, part=part)
    (rows, groups), gaps, slow = shards.together(tasks, both, _gaps_until(as_of, evidence), _slow)
    return Read(rows, groups.reset_index(drop=True), gaps, slow)


def read_earlier(
    tasks: pd.DataFrame | Shards, *, then: pd.Timestamp, groups: pd.DataFrame, evidence: Evidence
) -> Earlier:
    """Read what was known of some log groups at an earlier instant, each shard once."""
    some = shards.select(tasks, partial(of_groups, groups=groups), schema.LOG_GROUP)
    left = partial(shards.collect, part=partial(undelivered, deliveries=evidence.deliveries))
    questions = _learn, _gaps_until(then, evidence), left
    return Earlier(*shards.together(known_then(some, then), *questions))


def of_groups(frame: pd.DataFrame, *, groups: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of some log groups. This function is applied to each shard."""
    kept: pd.DataFrame = frame[matching.locate(frame, groups) >= 0]
    return kept


def _learn(tasks: pd.DataFrame | Shards) -> pd.DataFrame:
    return shards.collect(tasks, rhythm.learn, rhythm.COLUMNS).reset_index(drop=True)


def _gaps_until(
    now: pd.Timestamp, evidence: Evidence
) -> Callable[[pd.DataFrame | Shards], pd.DataFrame]:
    return partial(find_gaps, start="1970", end=now, as_of=now, **evidence.options)


def _slow(tasks: pd.DataFrame | Shards) -> pd.DataFrame:
    return find_slowdowns(tasks)


def _rows_and_groups(
    tasks: pd.DataFrame, *, span: Span, as_of: pd.Timestamp, deliveries: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows and the log groups of one shard, which has the history of its slots."""
    start = min(weeks_of(span).start, span.end - SLOWDOWN_IS_NEWS)
    kept = ~(tasks["creation_time"] < start) | _are_undelivered(tasks, deliveries)
    groups = rhythm.learn(tasks)
    group = matching.locate(tasks, groups)
    # the last row is for tasks without a log group
    low, high = (np.append(edge, 0) for edge in due_of(groups, span, as_of))
    first, last = (coerce.millis(tasks[name]) for name in ("from_time", "to_time"))
    failed = (_are_created_in(tasks, span) & (tasks["status_code"] == "FAILED")).to_numpy()
    failed = failed & (first != coerce.NAT)
    np.minimum.at(low, group[failed], first[failed])
    np.maximum.at(high, group[failed], last[failed] + 1)
    kept |= (first < high[group]) & (last >= low[group])
    return tasks[kept | ~tasks.duplicated(list(schema.LOG_GROUP))], groups


def undelivered(tasks: pd.DataFrame, deliveries: pd.DataFrame | None) -> pd.DataFrame:
    """Return the tasks that can explain a gap: not COMPLETED, or checked in S3."""
    return tasks[_are_undelivered(tasks, deliveries)]


def _are_undelivered(tasks: pd.DataFrame, deliveries: pd.DataFrame | None) -> pd.Series:
    which = tasks["status_code"] != "COMPLETED"
    if deliveries is None:
        return which
    return which | matching.are_in(tasks["task_id"], deliveries["task_id"])


def weeks_of(span: Span) -> Span:
    """Return the span of the report and those before it that are shown, as one."""
    return span.before(0, of=_SHOWN)


def created_in(tasks: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Return the tasks created in a span."""
    return tasks[_are_created_in(tasks, span)]


def _are_created_in(tasks: pd.DataFrame, span: Span) -> pd.Series:
    created = tasks["creation_time"]
    return (created >= span.start) & (created < span.end)


def within(tasks: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Return the tasks created in a span, and those without a creation time."""
    undated = tasks["creation_time"].isna()
    return frames.stack([created_in(tasks, span), tasks[undated]])


def known_then(tasks: pd.DataFrame | Shards, as_of: pd.Timestamp) -> pd.DataFrame | Shards:
    """Return the tasks as known at an instant, with all active tasks RUNNING.

    Once a task has ended, it is unknown whether it was PENDING or RUNNING before.
    """
    return shards.select(known_at(tasks, as_of), _as_running, ["status_code"])


def _as_running(known: pd.DataFrame) -> pd.DataFrame:
    state = known["status_code"]
    return known.assign(status_code=state.where(~state.isin(schema.ACTIVE_STATES), "RUNNING"))


def due(span: Span, as_of: pd.Timestamp) -> Span:
    """Return the days that became due in a span, up to `as_of`."""
    days = span.shifted(-DUE_AFTER)
    if as_of >= span.end:
        return days
    last = (as_of.tz_convert(span.start.tz) - DUE_AFTER).normalize().as_unit("ms")
    return Span(days.name, days.start, min(max(last, days.start), days.end))


def due_of(groups: pd.DataFrame, span: Span, as_of: pd.Timestamp) -> tuple[np.ndarray, np.ndarray]:
    """Return the start and end of what became due in a span, for each log group (milliseconds)."""
    daily = due(span, as_of)
    start = rhythm.due_by(groups, to_millis(span.start), to_millis(daily.start))
    until = to_millis(min(span.end.tz_convert("UTC"), as_of))
    return start, np.maximum(start, rhythm.due_by(groups, until, to_millis(daily.end)))
