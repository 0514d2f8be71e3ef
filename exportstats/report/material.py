"""What all findings of a report are made of, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.core.schema import LOG_GROUP
from exportstats.coverage import exports
from exportstats.coverage.gaps import explain_again, find_gaps
from exportstats.report import causes, rhythm
from exportstats.report.rhythm import DUE_AFTER
from exportstats.report.waivers import Waiver, waive
from exportstats.report.weeks import Span
from exportstats.stats.as_of import known_at, to_millis
from exportstats.stats.failures import failure_reasons

if TYPE_CHECKING:
    from collections.abc import Callable

# Its predecessors that a week is compared with.
WEEKS_BEFORE = 4
# A log group is exported regularly if of its weeks, at most the eight up to the report's and at
# least two, more than half were covered to this share. Gaps of all others (exported by hand, or
# never) are taken to be intended.
REGULAR_WEEKS = 8
REGULAR_LEAST = 2
REGULAR_SHARE = 0.9
# What retention takes is told, too, of a log group that keeps its rhythm and of whose weeks
# together more than this is covered: an exporter that fails now and then makes it irregular, and
# loses events all the same. One that is exported on request is meant to have gaps.
EXPORTED_SHARE = 0.5
# Shorter gaps, as an exporter leaves that ends its days at 23:59:00, are one line for all.
SHORT_GAP = timedelta(minutes=1)

GAP = [*LOG_GROUP, "start", "end", "length", "reason", "last_task_id", "expires_at"]
_NEVER = pd.Timestamp("2262-01-01", tz="UTC")
_WEEK = 7 * schema.DAY
_MOMENT = pd.Timedelta("1ms")


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
        What the report is of, and of which time the events were due in S3 in it. A log group that
        is not exported daily has its own: see `due_of`.
    as_of
        When it was known.
    log_groups, deliveries
        Tables that stand beside the tasks, if given.
    source
        The words that tell a command where the tasks come from.
    groups
        A row a log group with a task, as `rhythm.learn` gives it, and `regular`, whether it is
        exported regularly, `watched`, whether it is told what it loses, and `retention`
        (milliseconds, NaT's number where there is none).
    uncovered
        What `find_gaps` gives, of all log groups, without what is waived.
    gaps
        The same since the first export of each log group, and `group`, its row in `groups`.
    waived
        What is waived of them, and `because` of what.
    waivers
        The waivers, those too that hold no longer.
    """

    tasks: shards.Tasks
    recent: pd.DataFrame
    span: Span
    due: Span
    as_of: pd.Timestamp
    log_groups: pd.DataFrame | None
    deliveries: pd.DataFrame | None
    source: tuple[str, ...]
    groups: pd.DataFrame
    uncovered: pd.DataFrame
    gaps: pd.DataFrame
    waived: pd.DataFrame
    waivers: tuple[Waiver, ...]

    @property
    def now(self) -> pd.Timestamp:
        """Return `as_of` in the time zone of the span."""
        return self.as_of.tz_convert(self.span.start.tz)

    @property
    def until(self) -> pd.Timestamp:
        """Return the end of the span, or when it was known if it was not over."""
        return min(self.span.end.tz_convert("UTC"), self.as_of)

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """Count the failed tasks of the span by reason."""
        return failure_reasons(self.week)

    @cached_property
    def said(self) -> dict[tuple[str, ...], str]:
        """Return what the service says of the recent tasks that failed, by their key."""
        return causes.said_of(self.recent)

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
        """Return the spans that this one is compared with, as one."""
        return self.span.before(1, of=WEEKS_BEFORE)

    @property
    def has_a_past(self) -> bool:
        """Return whether a task was created before the span."""
        return bool((self.groups["last_created"] < self.span.start).any()) or bool(
            (self.recent["creation_time"] < self.span.start).any()
        )

    @cached_property
    def due_gaps(self) -> pd.DataFrame:
        """Return the gaps of regular log groups in what became due in the span."""
        return self.missing(*self.due_of(self.span))

    def due_of(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """Return from where to where each log group became due in a span (milliseconds)."""
        return _due_of(self.groups, span, self.as_of)

    def cut(self, gaps: pd.DataFrame, start: np.ndarray, end: np.ndarray) -> pd.DataFrame:
        """Return what of some stretches lies in a range of each log group."""
        group = exports.locate(gaps, self.groups)
        return clipped(gaps, start[group], end[group])

    def missing(
        self, start: np.ndarray, end: np.ndarray, *, of: Literal["regular", "watched"] = "regular"
    ) -> pd.DataFrame:
        """Return the gaps of some log groups, as far as they lie in a range of each.

        Each says why it is there, by the tasks that overlap this part of it.
        """
        inside = self._missing(start, end, of)
        return explain_again(inside, self.in_vain, as_of=self.as_of, deliveries=self.deliveries)

    def _missing(self, start: np.ndarray, end: np.ndarray, of: str = "regular") -> pd.DataFrame:
        group = self.gaps["group"].to_numpy()
        inside = clipped(self.gaps, start[group], end[group])
        return inside[self.groups[of].to_numpy()[inside["group"]]]

    @cached_property
    def in_vain(self) -> pd.DataFrame:
        """Return the tasks that may say why something is not in S3."""
        return shards.collect(self.tasks, partial(_in_vain, deliveries=self.deliveries))

    def regular_share(self, span: Span) -> tuple[float, float]:
        """Return how much of what was due in a span is covered, and how many seconds are not."""
        start, end = self.due_of(span)
        begins = np.maximum(coerce.millis(self.groups["first_window"].fillna(_NEVER)), start)
        asked = np.clip(end - begins, 0, None)[self.groups["regular"]].sum()
        missing = float(self._missing(start, end)["length"].dt.total_seconds().sum())
        return (1 - missing * 1000 / asked if asked else float("nan")), missing

    def ask_due(self, question: Callable[..., pd.DataFrame]) -> pd.DataFrame:
        """Ask about the coverage of what was due, of regular log groups, each in its own range."""
        start, end = self.due_of(self.span)
        some = self.groups["regular"].to_numpy() & (start < end)
        ranges = np.unique(np.stack([start[some], end[some]]), axis=1).T
        known = {
            "log_groups": self.log_groups,
            "as_of": self.as_of,
            "deliveries": self.deliveries,
        }
        if not len(ranges):
            low, high = self.span.edges
            return question(frames.empty(), start=low, end=high)
        answers = []
        for low, high in ranges:
            mine = self.groups[some & (start == low) & (end == high)]
            tasks = self.tasks
            if len(ranges) > 1:
                tasks = shards.select(tasks, partial(of_groups, groups=mine[list(LOG_GROUP)]))
            times = coerce.times(np.array([low, high]))
            answer = question(tasks, start=times[0], end=times[1], **known)
            answers.append(of_groups(answer, groups=mine))
        ordered = {
            name: values.dtype
            for name, values in answers[0].items()
            if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered
        }
        whole: pd.DataFrame = frames.stack(answers).astype(ordered)
        return whole


def gather(
    tasks: shards.Tasks,
    span: Span,
    as_of: pd.Timestamp,
    log_groups: pd.DataFrame | None,
    deliveries: pd.DataFrame | None,
    source: tuple[str, ...],
    waivers: tuple[Waiver, ...],
) -> Material:
    """Compute what the findings share."""
    tasks = shards.select(tasks, partial(_then, as_of=as_of))
    recent = shards.collect(tasks, partial(created_in, span=span.before(0, of=WEEKS_BEFORE + 2)))
    groups = shards.collect(tasks, rhythm.learn).reset_index(drop=True)
    groups["retention"] = coerce.NAT
    if log_groups is not None:
        kept = log_groups["retention"].to_numpy().astype("timedelta64[ms]").view("int64")
        row = exports.locate(groups, log_groups)
        groups["retention"] = np.append(kept, coerce.NAT)[row]
    week = created_in(recent, span)
    failed = week.loc[week["status_code"] == "FAILED", "from_time"]
    start = min([as_of - _MOMENT, *groups["first_window"].dropna(), *failed.dropna()])
    uncovered = find_gaps(
        tasks, start=start, end=as_of, log_groups=log_groups, as_of=as_of, deliveries=deliveries
    )
    uncovered, waived = part_waived(uncovered, waivers, as_of.tz_convert(span.start.tz))
    gaps, waived = (_since_first(rows, groups) for rows in (uncovered, waived))
    groups["regular"], groups["watched"] = _are_exported(groups, gaps, span, as_of)
    return Material(
        tasks=tasks,
        recent=recent,
        span=span,
        due=_due(span, as_of),
        as_of=as_of,
        log_groups=log_groups,
        deliveries=deliveries,
        source=source,
        groups=groups,
        uncovered=uncovered,
        gaps=gaps,
        waived=waived,
        waivers=waivers,
    )


def _since_first(rows: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Return what lies after the first export of its log group, and the `group` of each."""
    row = exports.locate(rows, groups)
    first = groups["first_window"].reindex(row).fillna(_NEVER).to_numpy()
    since = (rows["start"].to_numpy() >= first) & (row >= 0)
    return rows[since].reset_index(drop=True).assign(group=row[since])


def _in_vain(tasks: pd.DataFrame, *, deliveries: pd.DataFrame | None) -> pd.DataFrame:
    in_vain = tasks["status_code"] != "COMPLETED"
    if deliveries is not None:
        in_vain |= tasks["task_id"].isin(deliveries["task_id"])
    some: pd.DataFrame = tasks[in_vain]
    return some


def part_waived(
    gaps: pd.DataFrame, waivers: tuple[Waiver, ...], now: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part gaps into those that are not waived and those that are, `because` of what."""
    if not waivers:
        return gaps, gaps.iloc[:0].assign(because=pd.Series(dtype="str"))
    left, gone = waive(gaps, waivers, now)
    return _parts_of(gaps, left), _parts_of(gaps, gone).assign(because=gone["because"].array)


def _parts_of(gaps: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """Return parts of gaps, each with the gap's own columns."""
    edges = (pd.to_datetime(parts[name], utc=True).dt.as_unit("ms") for name in ("start", "end"))
    whole = gaps.take(parts["row"].to_numpy(dtype="int64")).reset_index(drop=True)
    return clipped(whole, *(coerce.millis(edge) for edge in edges)).reset_index(drop=True)


def _due(span: Span, as_of: pd.Timestamp) -> Span:
    """Return the days that became due in a span, and not after `as_of`."""
    due = span.shifted(-DUE_AFTER)
    if as_of >= span.end:
        return due
    last = (as_of.tz_convert(span.start.tz) - DUE_AFTER).normalize().as_unit("ms")
    return Span(due.name, due.start, min(max(last, due.start), due.end))


def _due_of(groups: pd.DataFrame, span: Span, as_of: pd.Timestamp) -> tuple[np.ndarray, np.ndarray]:
    daily = _due(span, as_of)
    start = rhythm.due_by(groups, to_millis(span.start), to_millis(daily.start))
    until = to_millis(min(span.end.tz_convert("UTC"), as_of))
    return start, np.maximum(start, rhythm.due_by(groups, until, to_millis(daily.end)))


def _then(tasks: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the tasks as they were known; what was active is RUNNING, whenever one looks.

    Whether a task that has ended since was PENDING then, nobody knows any more.
    """
    known = known_at(tasks, as_of)
    state = known["status_code"]
    return known.assign(status_code=state.where(~state.isin(schema.ACTIVE_STATES), "RUNNING"))


def created_in(tasks: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Return the tasks created in a span."""
    created = tasks["creation_time"]
    return tasks[(created >= span.start) & (created < span.end)]


def clipped(gaps: pd.DataFrame, start: np.ndarray, end: np.ndarray) -> pd.DataFrame:
    """Return what of each stretch lies in its range; of a gap, what is left expires later."""
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


def is_long(gaps: pd.DataFrame) -> pd.Series:
    """Return which gaps are worth a line of their own."""
    return gaps["length"] > SHORT_GAP


def of_groups(frame: pd.DataFrame, *, groups: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of some log groups; this is a part."""
    kept: pd.DataFrame = frame[exports.locate(frame, groups) >= 0]
    return kept


def _are_exported(
    groups: pd.DataFrame, gaps: pd.DataFrame, span: Span, as_of: pd.Timestamp
) -> tuple[np.ndarray, np.ndarray]:
    """Return which log groups are exported regularly, and of which losses are told.

    The former were covered, all but a little, in most of their latest weeks; the latter are these
    and those that keep their rhythm and were covered for more than half of these weeks together.

    Of a log group that is not exported daily they end where it is due, and are as long as its
    windows if these are longer than a week.
    """
    first = coerce.millis(groups["first_window"].fillna(_NEVER))
    starts, ends = coerce.millis(gaps["start"]), coerce.millis(gaps["end"])
    row = gaps["group"].to_numpy()
    daily, long = rhythm.is_daily(groups), np.maximum(groups["period"].to_numpy(), _WEEK)
    last = _due_of(groups, span, as_of)[1]
    weeks = span.shifted(-DUE_AFTER)
    over = 0 if as_of >= span.end else 1  # a week that is not over does not count
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


def missing_of(tasks: pd.DataFrame, uncovered: pd.DataFrame) -> np.ndarray:
    """Return how much of the window of each task is not covered, missing where it has none."""
    log_groups, windows = dict.fromkeys(LOG_GROUP, "str"), [*LOG_GROUP, "from_time", "to_time"]
    both = (
        tasks[windows]
        .assign(row=np.arange(len(tasks)))
        .astype(log_groups)
        .merge(uncovered[[*LOG_GROUP, "start", "end"]].astype(log_groups), on=list(LOG_GROUP))
    )
    first, last, start, end = (
        coerce.millis(both[side]) for side in ("from_time", "to_time", "start", "end")
    )
    # a millisecond is added after the minimum, for the last instant of all has none after it
    inside = np.maximum(np.minimum(last, end - 1) + 1 - np.maximum(first, start), 0)
    missing = np.zeros(len(tasks), dtype="int64")
    np.add.at(missing, both["row"], inside)
    missing[tasks[["from_time", "to_time"]].isna().any(axis=1)] = coerce.NAT
    return missing.view("timedelta64[ms]")


def shared(stretches: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Return how much of each stretch of a log group lies in others of it."""
    windows = stretches.rename(columns={"start": "from_time"})
    return missing_of(windows.assign(to_time=stretches["end"] - _MOMENT), others)


def within(tasks: shards.Tasks, span: Span) -> pd.DataFrame:
    """Return the tasks created in a span, and those whose creation is not known."""
    return shards.collect(tasks, partial(_within, span=span))


def _within(tasks: pd.DataFrame, *, span: Span) -> pd.DataFrame:
    undated = tasks["creation_time"].isna()
    return frames.stack([created_in(tasks, span), tasks[undated]])
