"""Compute coverage, rhythms and due ranges from rows, for one log group at a time.

The definitions are in docs/definitions.md and docs/weekly_report.md. Times are milliseconds.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from support import ACTIVE, DAY, HOUR, Row

from oracles.words import LOG_GROUP, key_of, order

if TYPE_CHECKING:
    from histories import History

Key = tuple
Interval = tuple[int, int]

MINUTE, WEEK = 60_000, 7 * DAY
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# The reasons of gaps, from the least to the most hopeful one.
HOPE = ("never_tried", "empty", "failed", "cancelled", "unknown", "active")


class Expected(NamedTuple):
    """The expected finding.

    Attributes
    ----------
    severity
        The severity.
    figures
        All figures, names and times of the sentence, in order.
    rows
        The rows in order, with the columns that the oracle computes.
    """

    severity: str
    figures: list[str]
    rows: list[Row]


class Rhythm(NamedTuple):
    """The rhythm of a log group: how often it is exported, how late, and when its days begin."""

    anchor: int
    step: int
    late: int
    steady: bool
    phase: int = 0
    later: tuple[int, ...] = (0,) * 7  # by how many days each weekday is exported later

    @property
    def due_after(self) -> int:
        """Return the number of days after which a window is due, including a rerun."""
        return max(2, math.ceil((self.late + 12 * HOUR) / DAY)) * DAY

    @property
    def is_daily(self) -> bool:
        """Return whether the log group is exported daily, so that the days of the report apply."""
        latest = self.late + max(self.later) * DAY
        return self.step <= 36 * HOUR and latest + 12 * HOUR <= 2 * DAY

    def edge(self, time: int) -> int:
        """Return the latest end of a window at an instant."""
        if any(self.later):
            # the start of the first day that is exported later than this instant
            day = (time - self.phase) // DAY - 7
            while self.phase + (day + 1 + self.later[weekday(day)]) * DAY <= time:
                day += 1
            return self.phase + day * DAY
        return self.anchor + math.floor((time - self.anchor) / self.step) * self.step

    def expected(self, time: int) -> int:
        """Return the time up to which it is usually exported at an instant."""
        return self.edge(time - self.late)


class Facts:
    """The facts of a history as known at the `as_of` of the report.

    Two statistics have their own tests and are not computed again: the rows of `find_slowdowns`,
    and the probability of a time-out from `estimate_completion`.
    """

    def __init__(
        self,
        history: History,
        slow: list[Row] | None = None,
        timeouts: dict[tuple, float] | None = None,
    ) -> None:
        self.history, self.tz = history, history.tz
        self.slow, self.timeouts = slow or [], timeouts or {}
        self.start, self.end = history.start, history.end
        latest = max(row["observed_at"] for row in history.tasks)
        self.as_of = min(latest, history.end) if history.as_of is None else history.as_of
        self.until = min(self.end, self.as_of)
        self.tasks = [
            self.then(row)
            for row in history.tasks
            if row["creation_time"] is None or row["creation_time"] <= self.as_of
        ]
        self.listed = {key_of(row): row for row in history.log_groups or ()}
        self.empty = {
            (row["account_id"], row["region"], row["task_id"])
            for row in history.deliveries or ()
            if row["delivered"] in ("empty", "gone")
        }
        self.of: dict[Key, list[Row]] = {}
        for row in self.tasks:
            if row["log_group_name"] is not None:
                self.of.setdefault(key_of(row), []).append(row)
        self.keys = sorted(self.of, key=order)
        self.undelivered = {
            key: [(r, w) for r in rows if (w := window_of(r)) and not self.covers(r)]
            for key, rows in self.of.items()
        }
        self._rhythms: dict[Key, Rhythm] = {}
        self._rests: dict[Key, dict[int, int]] = {}
        self._parts: dict[Key, list[tuple[int, int, str | None]]] = {}

    def then(self, row: Row) -> Row:
        """Return a task as known at `as_of`. A task that ended later is still active."""
        ended = row["completion_time"]
        if row["status_code"] in ACTIVE or (ended is not None and ended > self.as_of):
            later = ended is not None and ended > self.as_of
            gone = {"completion_time": None, "status_message": None} if later else {}
            return row | gone | {"status_code": "RUNNING"}
        return row

    # --- Time --------------------------------------------------------------------------------

    def days_later(self, time: int, days: float) -> int:
        """Return the same local time some days later, in the time zone of the report."""
        zone = ZoneInfo(self.tz)
        local = datetime.fromtimestamp(time / 1000, UTC).astimezone(zone).replace(tzinfo=None)
        return int((local + timedelta(days=days)).replace(tzinfo=zone).timestamp() * 1000)

    def midnight(self, time: int) -> int:
        """Return the previous midnight in the time zone of the report."""
        local = datetime.fromtimestamp(time / 1000, UTC).astimezone(ZoneInfo(self.tz))
        begin = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return int(begin.timestamp() * 1000)

    def week(self, back: int) -> Interval:
        """Return the start and end of an earlier week."""
        return self.days_later(self.start, -7 * back), self.days_later(self.end, -7 * back)

    @cached_property
    def due(self) -> Interval:
        """Return the days that became due in the week, for log groups that are exported daily."""
        start, end = (self.days_later(edge, -2) for edge in (self.start, self.end))
        if self.as_of < self.end:
            end = min(end, max(start, self.midnight(self.days_later(self.as_of, -2))))
        return start, end

    def due_of(self, key: Key) -> Interval:
        """Return the range of a log group that became due in the week."""
        rhythm = self.rhythm(key)
        if rhythm.is_daily:
            return self.due
        low, high = (rhythm.edge(t - rhythm.due_after) for t in (self.start, self.until))
        return low, max(low, high)

    # --- Tasks -------------------------------------------------------------------------------

    def created(self, start: int, end: int, state: str | None = None) -> list[Row]:
        """Return the tasks created in a time range."""
        return [
            row
            for row in self.tasks
            if row["creation_time"] is not None
            and start <= row["creation_time"] < end
            and state in (None, row["status_code"])
        ]

    @cached_property
    def in_week(self) -> list[Row]:
        """Return the tasks of the week."""
        return self.created(self.start, self.end)

    def covers(self, row: Row) -> bool:
        """Return whether the events of a task are in S3, as far as known."""
        id_ = row["account_id"], row["region"], row["task_id"]
        return row["status_code"] == "COMPLETED" and id_ not in self.empty

    # --- Coverage ----------------------------------------------------------------------------

    def windows(self, key: Key) -> list[Interval]:
        """Return the windows of a log group that are in S3."""
        rows = [row for row in self.of.get(key, ()) if self.covers(row)]
        return [window for row in rows if (window := window_of(row))]

    def first_of(self, key: Key) -> int | None:
        """Return the start of the first exported window of a log group."""
        done = [row for row in self.of[key] if row["status_code"] == "COMPLETED"]
        return min((row["from_time"] for row in done if window_of(row)), default=None)

    def uncovered(self, key: Key, interval: Interval) -> list[Interval]:
        """Return the uncovered parts of an interval after the creation of the log group."""
        born = self.listed.get(key, {}).get("creation_time")
        low = interval[0] if born is None else max(interval[0], born)
        return minus((low, min(interval[1], self.as_of)), self.windows(key))

    def gaps(self, key: Key, interval: Interval) -> list[Row]:
        """Return the gaps in an interval after the first export, each with its reason."""
        found, kept = [], self.retention(key)
        for low, high in self.missing(key, interval):
            gone = low if kept is None else min(max(self.as_of - kept, low), high)
            for begin, stop, why in ((low, gone, "lost"), (gone, high, None)):
                if begin < stop:
                    says, last = self.reason(key, (begin, stop))
                    found.append(self.gap(key, begin, stop, why or says, last))
        return found

    def missing(self, key: Key, interval: Interval) -> list[Interval]:
        """Return the parts of an interval that are missing and not waived."""
        parts = self.waived_or_not(key)
        open_ = [part for *gap, why in parts if why is None for part in both((*gap,), interval)]
        return [part for gap in open_ for part in minus(gap, self.rest_of(key))]

    def gap(self, key: Key, start: int, end: int, reason: str, last: str | None) -> Row:
        """Return the row of a gap."""
        kept = self.retention(key)
        return {
            **dict(zip(LOG_GROUP, key, strict=True)),
            "start": start,
            "end": end,
            "length": end - start,
            "reason": reason,
            "last_task_id": last,
            "expires_at": None if kept is None else start + kept,
        }

    def reason(self, key: Key, gap: Interval) -> tuple[str, str | None]:
        """Return the most hopeful reason of the tasks in a gap, and the last task with it."""
        reasons = []
        for row, window in self.undelivered[key]:
            if window[0] < gap[1] and gap[0] < window[1]:
                says = {
                    "COMPLETED": "empty",
                    "FAILED": "failed",
                    "CANCELLED": "cancelled",
                    "RUNNING": "active",
                }.get(row["status_code"], "unknown")
                created = -math.inf if row["creation_time"] is None else row["creation_time"]
                reasons.append((HOPE.index(says), created, row["task_id"]))
        if not reasons:
            return "never_tried", None
        best = max(reasons)
        return HOPE[best[0]], best[2]

    def retention(self, key: Key) -> int | None:
        """Return the retention of a log group."""
        return self.listed.get(key, {}).get("retention")

    def waived_or_not(self, key: Key) -> list[tuple[int, int, str | None]]:
        """Return the uncovered parts of a log group, split into waived and unwaived ones."""
        if key not in self._parts:
            self._parts[key] = self._waived_or_not(key)
        return self._parts[key]

    def _waived_or_not(self, key: Key) -> list[tuple[int, int, str | None]]:
        first = self.first_of(key)
        if first is None:
            return []
        holding = [one for one in self.history.waivers if not self.is_over(one)]
        found: list[tuple[int, int, str | None]] = []
        for start, end in self.uncovered(key, (first, self.as_of)):
            parts = []
            for one in holding:
                if fnmatchcase(key[2], one["log_group"]):
                    parts += [(*part, one["reason"]) for part in self.days_of(one, (start, end))]
            at = start
            for low, high, why in sorted(parts):
                if low > at:
                    found.append((at, low, None))
                if high > at:
                    found.append((max(at, low), high, why))
                    at = high
            if at < end:
                found.append((at, end, None))
        return found

    def not_waived(self, key: Key, interval: Interval) -> list[Interval]:
        """Return the uncovered parts of an interval that no waiver covers."""
        waived = [
            day
            for one in self.history.waivers
            if not self.is_over(one) and fnmatchcase(key[2], one["log_group"])
            for day in self.days_of(one, interval)
        ]
        waived += self.rest_of(key)
        return [part for gap in self.uncovered(key, interval) for part in minus(gap, waived)]

    def days_of(self, waiver: Row, interval: Interval) -> list[Interval]:
        """Return the parts of an interval that a waiver covers."""
        found, at, zone = [], self.midnight(interval[0]), ZoneInfo(self.tz)
        while at < interval[1]:
            after = self.days_later(at, 1)
            day = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).date()
            if waives(waiver, day):
                found += both((at, after), interval)
            at = after
        return found

    def is_over(self, waiver: Row) -> bool:
        """Return whether a waiver has expired."""
        today = datetime.fromtimestamp(self.as_of / 1000, UTC).astimezone(ZoneInfo(self.tz)).date()
        return waiver.get("until") is not None and today > waiver["until"]

    # --- Rhythm ------------------------------------------------------------------------------

    def rhythm(self, key: Key) -> Rhythm:
        """Return the rhythm of a log group from the latest 28 exports that advanced."""
        if key not in self._rhythms:
            self._rhythms[key] = self._learned(key)
        return self._rhythms[key]

    def _learned(self, key: Key) -> Rhythm:
        done = []
        for row in self.of[key]:
            window = window_of(row)
            if row["status_code"] == "COMPLETED" and window and row["completion_time"] is not None:
                # a task cannot export events after its creation
                created = row["creation_time"]
                end = window[1] if created is None else min(window[1], max(created, window[0]))
                done.append((row["completion_time"], end, window[0]))
        done.sort(key=lambda one: one[0])
        steps, furthest = [], None
        for completed, end, begin in done:
            if furthest is not None and end > furthest:
                steps.append((end - furthest, completed, end, begin))
            furthest = end if furthest is None else max(furthest, end)
        steps = steps[-28:]
        if not steps:
            return Rhythm(furthest or 0, DAY, DAY, steady=False)
        step = median(step for step, *_ in steps)
        alike = [one for one, *_ in steps if abs(one - step) <= 0.1 * step]
        steady = 2 * len(alike) > len(steps)
        minutes = Counter(round_half_up(end, MINUTE) % DAY for _, _, end, _ in steps)
        phase = min(minute for minute in minutes if minutes[minute] == max(minutes.values()))
        lags, later = self._lags(steps, phase), [0] * 7
        usual = low_median([completed - end for _, completed, end, _ in steps])
        if step <= 36 * HOUR:
            for number, some in lags.items():
                if len(some) >= 3:
                    later[number] = min(max(round((low_median(some) - usual) / DAY), 0), 6)
        late = sorted(
            completed - end - later[weekday(days_of(begin, end, phase)[-1])] * DAY
            for _, completed, end, begin in steps
        )
        # the lowest lateness that at least four of five exports keep
        hours = max(math.ceil(late[math.ceil(0.8 * (len(late) - 1))] / HOUR), 0)
        return Rhythm(furthest or 0, int(step), hours * HOUR, steady, phase, tuple(later))

    def _lags(self, steps: list[tuple[int, int, int, int]], phase: int) -> dict[int, list[int]]:
        """Return the times from the end of each day to its export, by weekday."""
        lags: dict[int, list[int]] = {}
        for _, completed, end, begin in steps:
            latest = {weekday(day): day for day in days_of(begin, end, phase)}
            for number, day in latest.items():
                lags.setdefault(number, []).append(completed - phase - (day + 1) * DAY)
        return lags

    # --- Weekdays that are never exported --------------------------------------------------------

    def rest(self, key: Key) -> dict[int, int]:
        """Return the days on which nothing is due, each with the first of its weeks."""
        if key not in self._rests:
            self._rests[key] = self._rest(key)
        return self._rests[key]

    def _rest(self, key: Key) -> dict[int, int]:
        first, phase = self.first_of(key), self.rhythm(key).phase
        if first is None:
            return {}
        begin, end = (first - phase + HOUR) // DAY, (self.as_of - phase + HOUR) // DAY
        missing, tried = set(), set()
        for low, high in self.uncovered(key, (first, self.as_of)):
            missing |= set(range(-((phase + HOUR - low) // DAY), (high - phase + HOUR) // DAY))
        for _, (low, high) in self.undelivered[key]:
            past = -((phase + HOUR - high) // DAY)
            tried |= set(range((low - phase + HOUR) // DAY, min(past, end + 1)))
        found = {}
        for one in range(begin, begin + 7):
            weeks: list[int] = []  # those without this day, one after the other
            for day in (*range(one, end, 7), None):
                if day in missing - tried:
                    weeks.append(day)
                    continue
                good = [
                    sum(begin <= d and d not in missing for d in range(week - 6, week + 1)) >= 4
                    for week in weeks
                ]
                for number, week in enumerate(weeks):
                    # all weeks count if it was not exported before
                    if sum(good if weeks[0] < begin + 7 else good[:number]) >= 4:
                        found[week] = weeks[0]
                weeks = []
        return found

    def rest_of(self, key: Key) -> list[Interval]:
        """Return the rest days of a log group as intervals."""
        phase = self.rhythm(key).phase
        return [(phase + day * DAY, phase + (day + 1) * DAY) for day in sorted(self.rest(key))]

    @cached_property
    def regular(self) -> set[Key]:
        """Return the log groups that are exported regularly."""
        return {key for key in self.keys if self.is_regular(key)}

    @cached_property
    def watched(self) -> set[Key]:
        """Return the log groups that are regular, or keep their rhythm and are half covered."""
        found = set(self.regular)
        for key in self.keys:
            weeks = self.latest_weeks(key)
            half = 2 * sum(missing for missing, _ in weeks) < sum(total for _, total in weeks)
            if len(weeks) >= 2 and half and self.rhythm(key).steady:
                found.add(key)
        return found

    def is_regular(self, key: Key) -> bool:
        """Return whether more than half of the latest weeks of a log group are nearly complete."""
        whole = [lacking <= 0.1 * total for lacking, total in self.latest_weeks(key)]
        return len(whole) >= 2 and 2 * sum(whole) > len(whole)

    def latest_weeks(self, key: Key) -> list[tuple[int, int]]:
        """Return the missing time and the length of each of the latest weeks of a log group."""
        first, rhythm = self.first_of(key), self.rhythm(key)
        if first is None:
            return []
        skip = 0 if self.as_of >= self.end else 1  # an unfinished week does not count
        weeks = []
        for back in range(skip, skip + 8):
            if rhythm.is_daily:
                low, high = (self.days_later(edge, -2) for edge in self.week(back))
            else:
                # weeks of its own end at its due time
                long = max(rhythm.step, WEEK)
                high = self.due_of(key)[1] - (back - skip) * long
                low = high - long
            if first <= low:
                weeks.append((length(self.missing(key, (low, high))), high - low))
        return weeks


def weekday(day: int) -> int:
    """Return the weekday of a day since 1970, a Thursday. Monday is 0."""
    return (day + 3) % 7


def days_of(begin: int, end: int, phase: int) -> list[int]:
    """Return the days of which a window holds half, or the day that holds half of the window."""
    half = min(end - begin, DAY) // 2
    return list(range((begin - phase + half) // DAY, (end - phase - half) // DAY + 1))


def low_median(values: list[int]) -> int:
    """Return the median, or the lower one of two."""
    return sorted(values)[(len(values) - 1) // 2]


def round_half_up(value: int, unit: int) -> int:
    """Round to a multiple of a unit."""
    return (2 * value + unit) // (2 * unit) * unit


def waives(waiver: Row, day: date) -> bool:
    """Return whether a waiver covers a day."""
    return (
        (waiver.get("from") is None or day >= waiver["from"])
        and (waiver.get("to") is None or day < waiver["to"])
        and (not waiver.get("weekdays") or WEEKDAYS[day.weekday()] in waiver["weekdays"])
    )


# --- Intervals -------------------------------------------------------------------------------


def window_of(row: Row) -> Interval | None:
    """Return the half-open window of a task, or None if it is reversed or unknown."""
    first, last = row["from_time"], row["to_time"]
    return None if first is None or last is None or first > last else (first, last + 1)


def both(one: Interval, other: Interval) -> list[Interval]:
    """Return the intersection of two intervals."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return [(low, high)] if low < high else []


def minus(interval: Interval, taken: list[Interval]) -> list[Interval]:
    """Return the parts of an interval that are in no other interval."""
    left, (at, end) = [], interval
    for low, high in sorted(taken):
        if low >= end:
            break
        if low > at:
            left.append((at, low))
        at = max(at, high)
    return [*left, (at, end)] if at < end else left


def union(intervals: list[Interval]) -> list[Interval]:
    """Join intervals that touch or overlap."""
    found: list[Interval] = []
    for low, high in sorted(intervals):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        elif low < high:
            found.append((low, high))
    return found


def length(intervals: list[Interval]) -> int:
    """Return the total length of intervals."""
    return sum(high - low for low, high in intervals)
