"""Compute once what all rules of a report share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage.gaps import explain_again
from exportstats.report import causes, rhythm, weekdays
from exportstats.report.reading import (
    WEEKS_BEFORE,
    Earlier,
    Read,
    created_in,
    due,
    due_of,
    of_groups,
    undelivered,
    weeks_of,
)
from exportstats.report.rhythm import DUE_AFTER
from exportstats.report.waivers import Waiver, waive
from exportstats.stats import matching
from exportstats.stats.as_of import to_millis
from exportstats.stats.failures import failure_reasons

if TYPE_CHECKING:
    from collections.abc import Callable

    from exportstats.core.shards import Shards
    from exportstats.report.evidence import Evidence
    from exportstats.report.weeks import Span

# A log group is exported regularly if more than half of its latest weeks are covered to this share.
# At most eight weeks count, and at least two are needed. Gaps of all other log groups (exported by
# hand, or never) are assumed to be intended.
REGULAR_WEEKS = 8
REGULAR_LEAST = 2
REGULAR_SHARE = 0.9
# Lost events are also reported for an irregular log group if it keeps its rhythm and more than this
# share of its weeks is covered: an exporter that fails now and then makes it irregular, but its
# events are still lost. A log group that is exported on request is expected to have gaps.
EXPORTED_SHARE = 0.5
# Gaps up to this length are reported together. An exporter that ends its windows at 23:59:00
# leaves such gaps.
SHORT_GAP = timedelta(minutes=1)

_GAP = [*LOG_GROUP, "start", "end", "length", "reason", "last_task_id", "expires_at"]
_OF_EVIDENCE = ["error_code", "tried_by", "incoming_bytes", "incoming_events"]
_NEVER = pd.Timestamp("2262-01-01", tz="UTC")
_WEEK = 7 * schema.DAY
_MOMENT = pd.Timedelta("1ms")


@dataclass(frozen=True, eq=False)
class Material:
    """The tasks of a report as known at `as_of`, and their coverage.

    Attributes
    ----------
    tasks
        All tasks of the report, with those of its other parts.
    rows
        The tasks that findings look at. See `reading.Read`.
    recent
        The tasks created in the span of the report or in the spans it is compared with.
    span, due
        The span of the report, and the time whose events became due in S3 in this span. Log groups
        that are not exported daily have their own due range: see `due_of`.
    as_of
        The instant for which the report is computed.
    evidence
        The tables beside the tasks.
    source
        The command-line arguments that name the source of the tasks.
    groups
        One row per log group with tasks, as returned by `rhythm.learn`, with the columns `regular`
        (it is exported regularly), `watched` (its lost events are reported) and `retention`
        (milliseconds, or the integer of NaT if there is none).
    uncovered
        The gaps of all log groups, as returned by `find_gaps`, without waived and silent gaps and
        those of rest days.
    gaps
        The gaps after the first export of each log group. `group` is the row in `groups`.
    waived
        The waived gaps, with the reason in `because`.
    silent
        The gaps in which nothing came in, after the first export of each log group.
    rest
        The days on which a log group is never exported, as returned by `find_rest_days`.
    slowdowns
        The slowdowns of all log groups, as returned by `find_slowdowns`.
    undelivered
        The tasks that can explain a gap: not COMPLETED, or checked in S3.
    waivers
        All waivers, including expired ones.
    earlier
        What was known at the start of the span of the log groups that were exported again since.
        None if there are none.
    """

    tasks: pd.DataFrame | Shards
    rows: pd.DataFrame
    recent: pd.DataFrame
    span: Span
    due: Span
    as_of: pd.Timestamp
    evidence: Evidence
    source: tuple[str, ...]
    groups: pd.DataFrame
    uncovered: pd.DataFrame
    gaps: pd.DataFrame
    waived: pd.DataFrame
    silent: pd.DataFrame
    rest: pd.DataFrame
    slowdowns: pd.DataFrame
    undelivered: pd.DataFrame
    waivers: tuple[Waiver, ...]
    earlier: Earlier | None = None

    @property
    def now(self) -> pd.Timestamp:
        """Return `as_of` in the time zone of the span."""
        return self.as_of.tz_convert(self.span.start.tz)

    @property
    def until(self) -> pd.Timestamp:
        """Return the end of the span or `as_of`, whichever is earlier."""
        return min(self.span.end.tz_convert("UTC"), self.as_of)

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """Count the failed tasks of the span by reason."""
        return failure_reasons(self.week)

    @cached_property
    def reason_by_key(self) -> dict[tuple[str, ...], str]:
        """Return the failure reasons of recent tasks, by task key."""
        return causes.reasons_by_key(self.recent)

    @cached_property
    def week(self) -> pd.DataFrame:
        """Return the tasks created in the span."""
        return created_in(self.recent, self.span)

    @property
    def failed(self) -> pd.DataFrame:
        """Return the tasks created in the span that failed."""
        return self.week[self.week["status_code"] == "FAILED"]

    @property
    def before(self) -> Span:
        """Return the weeks before this span as one span."""
        return self.span.before(1, of=WEEKS_BEFORE)

    @property
    def has_a_past(self) -> bool:
        """Return whether a task was created before the span."""
        return bool((self.groups["last_created"] < self.span.start).any()) or bool(
            (self.recent["creation_time"] < self.span.start).any()
        )

    @cached_property
    def due_gaps(self) -> pd.DataFrame:
        """Return the gaps of regular log groups in the range that became due in the span."""
        return self.missing(*self.due_of(self.span))

    def due_of(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """Return the start and end of the range that became due in a span, for each log group.

        Both are in milliseconds.
        """
        return due_of(self.groups, span, self.as_of)

    def cut(self, gaps: pd.DataFrame, start: np.ndarray, end: np.ndarray) -> pd.DataFrame:
        """Return the parts of gaps that lie within the range of their log group."""
        group = matching.locate(gaps, self.groups)
        return clipped(gaps, start[group], end[group])

    def missing(
        self, start: np.ndarray, end: np.ndarray, *, of: Literal["regular", "watched"] = "regular"
    ) -> pd.DataFrame:
        """Return the gaps of some log groups, clipped to the range of each log group.

        The reason of each gap is determined again from the tasks that overlap the clipped gap.
        """
        inside = self._missing(start, end, of)
        options = self.evidence.options
        return explain_again(inside, self.undelivered, as_of=self.as_of, **options)

    def _missing(self, start: np.ndarray, end: np.ndarray, of: str = "regular") -> pd.DataFrame:
        group = self.gaps["group"].to_numpy()
        inside = clipped(self.gaps, start[group], end[group])
        return inside[self.groups[of].to_numpy()[inside["group"]]]

    def regular_share(self, span: Span) -> tuple[float, float]:
        """Return the covered share and the missing seconds of what regular log groups had due."""
        start, end = self.due_of(span)
        begins = np.maximum(coerce.millis(self.groups["first_window"].fillna(_NEVER)), start)
        asked = np.clip(end - begins, 0, None)[self.groups["regular"]].sum()
        missing = float(self._missing(start, end)["length"].dt.total_seconds().sum())
        return (1 - missing * 1000 / asked if asked else float("nan")), missing

    def ask_due(self, question: Callable[..., pd.DataFrame]) -> pd.DataFrame:
        """Apply a coverage function to the due range of each regular log group."""
        start, end = self.due_of(self.span)
        some = self.groups["regular"].to_numpy() & (start < end)
        ranges = np.unique(np.stack([start[some], end[some]]), axis=1).T
        known = {"as_of": self.as_of, **self.evidence.options}
        if not len(ranges):
            low, high = self.span.edges
            return question(frames.empty(), start=low, end=high)
        answers = []
        for low, high in ranges:
            groups = self.groups[some & (start == low) & (end == high)]
            tasks = of_groups(self.rows, groups=groups) if len(ranges) > 1 else self.rows
            times = coerce.times(np.array([low, high]))
            answer = question(tasks, start=times[0], end=times[1], **known)
            answers.append(of_groups(answer, groups=groups))
        ordered = {
            name: values.dtype
            for name, values in answers[0].items()
            if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered
        }
        whole: pd.DataFrame = frames.stack(answers).astype(ordered)
        return whole


def gather(
    tasks: pd.DataFrame | Shards,
    known: Read,
    span: Span,
    as_of: pd.Timestamp,
    evidence: Evidence,
    source: tuple[str, ...],
    waivers: tuple[Waiver, ...],
) -> Material:
    """Compute the material of a report from what was read of the tasks."""
    rows, groups = known.rows, known.groups
    groups["retention"] = coerce.NAT
    if (log_groups := evidence.log_groups) is not None:
        kept = log_groups["retention"].to_numpy().astype("timedelta64[ms]").view("int64")
        row = matching.locate(groups, log_groups)
        groups["retention"] = np.append(kept, coerce.NAT)[row]
    week = created_in(rows, span)
    failed = week.loc[week["status_code"] == "FAILED", "from_time"]
    start = min([as_of - _MOMENT, *groups["first_window"].dropna(), *failed.dropna()])
    left = undelivered(rows, evidence.deliveries)
    now = as_of.tz_convert(span.start.tz)
    found = missing_at(now, since(known.gaps, start), groups, left, waivers)
    gaps, waived = (since_first(rows, groups) for rows in (found.uncovered, found.waived))
    groups["regular"], groups["watched"] = _are_exported(groups, gaps, span, as_of)
    return Material(
        tasks=tasks,
        rows=rows,
        recent=created_in(rows, weeks_of(span)),
        span=span,
        due=due(span, as_of),
        as_of=as_of,
        evidence=evidence,
        source=source,
        groups=groups,
        uncovered=found.uncovered,
        gaps=gaps,
        waived=waived,
        silent=since_first(found.silent, groups),
        rest=found.rest,
        slowdowns=known.slowdowns,
        undelivered=left,
        waivers=waivers,
    )


class Missing(NamedTuple):
    """The gaps of log groups. See the attributes of `Material`."""

    uncovered: pd.DataFrame
    waived: pd.DataFrame
    silent: pd.DataFrame
    rest: pd.DataFrame


def missing_at(
    now: pd.Timestamp,
    gaps: pd.DataFrame,
    groups: pd.DataFrame,
    undelivered: pd.DataFrame,
    waivers: tuple[Waiver, ...],
) -> Missing:
    """Split the gaps up to an instant, at which the log groups and tasks were as given."""
    is_silent = (gaps["reason"] == "silent").to_numpy()
    gaps, silent = (gaps[which].reset_index(drop=True) for which in (~is_silent, is_silent))
    rest = weekdays.find_rest_days(since_first(gaps, groups), groups, undelivered)
    uncovered, waived = part_waived(gaps, waivers, now)
    return Missing(without_rest(uncovered, groups, rest), waived, silent, rest)


def since(gaps: pd.DataFrame, start: pd.Timestamp) -> pd.DataFrame:
    """Return the parts of gaps after an instant."""
    begins = np.full(len(gaps), to_millis(start.as_unit("ms")))
    later = clipped(gaps, begins, coerce.millis(gaps["end"]))
    return later.reset_index(drop=True)


def since_first(rows: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Return the gaps after the first export of their log group, with the column `group`."""
    row = matching.locate(rows, groups)
    rows, row = rows[row >= 0], row[row >= 0]
    first = coerce.millis(groups["first_window"].fillna(_NEVER))[row]
    later = clipped(rows.assign(group=row), first, np.full(len(row), to_millis(_NEVER)))
    return later.reset_index(drop=True)


def part_waived(
    gaps: pd.DataFrame, waivers: tuple[Waiver, ...], now: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split gaps into unwaived and waived ones. The column `because` has the waiver's reason."""
    if not waivers:
        return gaps, gaps.iloc[:0].assign(because=pd.Series(dtype="str"))
    left, gone = waive(gaps, waivers, now)
    return _parts_of(gaps, left), _parts_of(gaps, gone).assign(because=gone["because"].array)


def without_rest(gaps: pd.DataFrame, groups: pd.DataFrame, rest: pd.DataFrame) -> pd.DataFrame:
    """Return the parts of gaps outside of rest days. `groups` are those of `rest`."""
    return _parts_of(gaps, weekdays.without_rest(gaps, matching.locate(gaps, groups), rest))


def _parts_of(gaps: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """Return parts of gaps with the columns of the gaps."""
    whole = gaps.take(parts["row"].to_numpy(dtype="int64")).reset_index(drop=True)
    edges = (parts[name].to_numpy(dtype="int64") for name in ("start", "end"))
    return clipped(whole, *edges).reset_index(drop=True)


def clipped(gaps: pd.DataFrame, start: np.ndarray, end: np.ndarray) -> pd.DataFrame:
    """Clip each gap to a range. If the start moves, `expires_at` moves by the same time."""
    first, last = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    low, high = np.maximum(first, start), np.minimum(last, end)
    later = pd.Series((low - first).view("timedelta64[ms]"), gaps.index)
    inside = gaps.assign(
        start=coerce.times(low),
        end=coerce.times(high),
        length=(high - low).view("timedelta64[ms]"),
    )
    if "expires_at" in gaps:
        inside["expires_at"] = gaps["expires_at"] + later
    some: pd.DataFrame = inside[low < high]
    return some


def rows_of(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of gaps that a finding shows, of evidence only what is known."""
    known = [name for name in _OF_EVIDENCE if name in gaps and gaps[name].notna().any()]
    return gaps[[*_GAP, *known]].reset_index(drop=True)


def is_long(gaps: pd.DataFrame) -> pd.Series:
    """Return which gaps are longer than `SHORT_GAP`."""
    return gaps["length"] > SHORT_GAP


def _are_exported(
    groups: pd.DataFrame, gaps: pd.DataFrame, span: Span, as_of: pd.Timestamp
) -> tuple[np.ndarray, np.ndarray]:
    """Return which log groups are exported regularly, and which are watched for lost events.

    A log group is regular if most of its latest weeks are covered to `REGULAR_SHARE`. It is watched
    if it is regular, or if it keeps its rhythm and more than `EXPORTED_SHARE` of these weeks is
    covered in total.

    If a log group is not exported daily, its weeks end at its own due time. They are as long as its
    windows if these are longer than a week.
    """
    first = coerce.millis(groups["first_window"].fillna(_NEVER))
    starts, ends = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    row = gaps["group"].to_numpy()
    daily, long = rhythm.is_daily(groups), np.maximum(groups["period"].to_numpy(), _WEEK)
    last = due_of(groups, span, as_of)[1]
    weeks = span.shifted(-DUE_AFTER)
    over = 0 if as_of >= span.end else 1  # an unfinished week does not count
    of_weeks, times, asked, lacking = np.zeros((4, len(groups)), dtype="int64")
    for back in range(REGULAR_WEEKS):
        week = weeks.before(back + over)
        low = np.where(daily, to_millis(week.start), last - (back + 1) * long)
        high = np.where(daily, to_millis(week.end), last - back * long)
        inside = np.maximum(np.minimum(ends, high[row]) - np.maximum(starts, low[row]), 0)
        missing = np.bincount(row, weights=inside, minlength=len(groups))
        allowed = (1 - REGULAR_SHARE) * (high - low)
        of_weeks += first <= low
        times += (first <= low) & (missing <= allowed)
        asked += (first <= low) * (high - low)
        lacking += (first <= low) * missing.astype("int64")
    many = of_weeks >= REGULAR_LEAST
    regular = many & (2 * times > of_weeks)
    steady = many & groups["steady"].to_numpy()
    return regular, regular | (steady & (lacking < (1 - EXPORTED_SHARE) * asked))
