"""Compute coverage and due ranges from rows, for one log group at a time.

The definitions are in docs/definitions.md and docs/weekly_report.md. Times are milliseconds.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from support import ACTIVE, DAY, Row

from oracles.intervals import Interval, both, length, minus, window_of
from oracles.rhythm import Rhythm, days_at_rest, learn_rhythm
from oracles.words import LOG_GROUP, key_of, order

if TYPE_CHECKING:
    from histories import History

Key = tuple

WEEK = 7 * DAY
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# The reasons of gaps, from the least to the most hopeful one.
HOPE = ("never_tried", "empty", "failed", "cancelled", "unknown", "active")


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
            self._rhythms[key] = learn_rhythm(self.of[key])
        return self._rhythms[key]

    # --- Weekdays that are never exported --------------------------------------------------------

    def rest(self, key: Key) -> dict[int, int]:
        """Return the days on which nothing is due, each with the first of its weeks."""
        if key not in self._rests:
            first = self.first_of(key)
            self._rests[key] = (
                {}
                if first is None
                else days_at_rest(
                    first,
                    self.as_of,
                    self.rhythm(key).phase,
                    self.uncovered(key, (first, self.as_of)),
                    [window for _, window in self.undelivered[key]],
                )
            )
        return self._rests[key]

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


def waives(waiver: Row, day: date) -> bool:
    """Return whether a waiver covers a day."""
    return (
        (waiver.get("from") is None or day >= waiver["from"])
        and (waiver.get("to") is None or day < waiver["to"])
        and (not waiver.get("weekdays") or WEEKDAYS[day.weekday()] in waiver["weekdays"])
    )
