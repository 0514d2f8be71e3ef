"""What the oracles share: coverage, rhythms and what is due, from rows, one log group at a time.

It follows docs/definitions.md and docs/weekly_report.md. Times are milliseconds.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
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
Stretch = tuple[int, int]

MINUTE, WEEK = 60_000, 7 * DAY
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# From the least hopeful reason of a gap to the most hopeful one.
HOPE = ("never_tried", "empty", "failed", "cancelled", "unknown", "active")


class Told(NamedTuple):
    """What a finding has to say.

    Attributes
    ----------
    severity
        How bad it is.
    figures
        All figures, names and times of its sentence, in their order.
    rows
        The rows behind it, in their order; of each the columns that are known.
    """

    severity: str
    figures: list[str]
    rows: list[Row]


class Rhythm(NamedTuple):
    """How often a log group is exported, and how late."""

    anchor: int
    step: int
    late: int
    steady: bool

    @property
    def due_after(self) -> int:
        """Return after how many whole days a window is due, run once more in 12 hours."""
        return max(2, math.ceil((self.late + 12 * HOUR) / DAY)) * DAY

    @property
    def is_daily(self) -> bool:
        """Return whether the days of the report are those of the log group."""
        return self.step <= 36 * HOUR and self.due_after == 2 * DAY

    def edge(self, time: int) -> int:
        """Return the latest end of a window at an instant."""
        return self.anchor + math.floor((time - self.anchor) / self.step) * self.step

    def expected(self, time: int) -> int:
        """Return up to where it is usually exported by an instant."""
        return self.edge(time - self.late)


class Facts:
    """A history as it was known when the report is of.

    Two statistics have tests of their own, and are taken as they are: the rows of
    `find_slowdowns`, and of each task what `estimate_completion` says of its time-out.
    """

    def __init__(
        self,
        history: History,
        slow: list[Row] | None = None,
        timeouts: dict[tuple, float] | None = None,
    ) -> None:
        self.asked, self.tz = history, history.tz
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
        self.in_vain = {
            key: [(r, w) for r in rows if (w := window_of(r)) and not self.covers(r)]
            for key, rows in self.of.items()
        }
        self._rhythms: dict[Key, Rhythm] = {}
        self._parts: dict[Key, list[tuple[int, int, str | None]]] = {}

    def then(self, row: Row) -> Row:
        """Return a task as it was known: what ended later goes on."""
        ended = row["completion_time"]
        if row["status_code"] in ACTIVE or (ended is not None and ended > self.as_of):
            later = ended is not None and ended > self.as_of
            gone = {"completion_time": None, "status_message": None} if later else {}
            return row | gone | {"status_code": "RUNNING"}
        return row

    # --- Time --------------------------------------------------------------------------------

    def days_later(self, time: int, days: float) -> int:
        """Return the same time of the day some days later, on the report's clocks."""
        zone = ZoneInfo(self.tz)
        local = datetime.fromtimestamp(time / 1000, UTC).astimezone(zone).replace(tzinfo=None)
        return int((local + timedelta(days=days)).replace(tzinfo=zone).timestamp() * 1000)

    def midnight(self, time: int) -> int:
        """Return the midnight before, on the report's clocks."""
        local = datetime.fromtimestamp(time / 1000, UTC).astimezone(ZoneInfo(self.tz))
        begin = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return int(begin.timestamp() * 1000)

    def week(self, back: int) -> Stretch:
        """Return the edges of an earlier week."""
        return self.days_later(self.start, -7 * back), self.days_later(self.end, -7 * back)

    @cached_property
    def due(self) -> Stretch:
        """Return which days became due in the week, in which log groups are exported daily."""
        start, end = (self.days_later(edge, -2) for edge in (self.start, self.end))
        if self.as_of < self.end:
            end = min(end, max(start, self.midnight(self.days_later(self.as_of, -2))))
        return start, end

    def due_of(self, key: Key) -> Stretch:
        """Return from where to where a log group became due in the week."""
        rhythm = self.rhythm(key)
        if rhythm.is_daily:
            return self.due
        low, high = (rhythm.edge(t - rhythm.due_after) for t in (self.start, self.until))
        return low, max(low, high)

    # --- Tasks -------------------------------------------------------------------------------

    def created(self, start: int, end: int, state: str | None = None) -> list[Row]:
        """Return the tasks created in a stretch of time."""
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
        """Return whether what a task was to export is in S3, as far as is known."""
        id_ = row["account_id"], row["region"], row["task_id"]
        return row["status_code"] == "COMPLETED" and id_ not in self.empty

    # --- Coverage ----------------------------------------------------------------------------

    def windows(self, key: Key) -> list[Stretch]:
        """Return the windows of a log group that are in S3."""
        rows = [row for row in self.of.get(key, ()) if self.covers(row)]
        return [window for row in rows if (window := window_of(row))]

    def first_of(self, key: Key) -> int | None:
        """Return where the first export of a log group begins."""
        done = [row for row in self.of[key] if row["status_code"] == "COMPLETED"]
        return min((row["from_time"] for row in done if window_of(row)), default=None)

    def uncovered(self, key: Key, stretch: Stretch) -> list[Stretch]:
        """Return what of a stretch is not in S3; what was before the log group is no gap."""
        born = self.listed.get(key, {}).get("creation_time")
        low = stretch[0] if born is None else max(stretch[0], born)
        return minus((low, min(stretch[1], self.as_of)), self.windows(key))

    def gaps(self, key: Key, stretch: Stretch) -> list[Row]:
        """Return the gaps of a stretch since the first export, each with its reason."""
        found, kept = [], self.retention(key)
        for low, high in self.missing(key, stretch):
            gone = low if kept is None else min(max(self.as_of - kept, low), high)
            for begin, stop, why in ((low, gone, "lost"), (gone, high, None)):
                if begin < stop:
                    says, last = self.reason(key, (begin, stop))
                    found.append(self.gap(key, begin, stop, why or says, last))
        return found

    def missing(self, key: Key, stretch: Stretch) -> list[Stretch]:
        """Return what of a stretch is missing and not waived."""
        parts = self.waived_or_not(key)
        return [part for *gap, why in parts if why is None for part in both((*gap,), stretch)]

    def gap(self, key: Key, start: int, end: int, reason: str, last: str | None) -> Row:
        """Return a row of a gap."""
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

    def reason(self, key: Key, gap: Stretch) -> tuple[str, str | None]:
        """Return the most hopeful thing that tasks say of a gap, and the last that says so."""
        said = []
        for row, window in self.in_vain[key]:
            if window[0] < gap[1] and gap[0] < window[1]:
                says = {
                    "COMPLETED": "empty",
                    "FAILED": "failed",
                    "CANCELLED": "cancelled",
                    "RUNNING": "active",
                }.get(row["status_code"], "unknown")
                created = -math.inf if row["creation_time"] is None else row["creation_time"]
                said.append((HOPE.index(says), created, row["task_id"]))
        if not said:
            return "never_tried", None
        best = max(said)
        return HOPE[best[0]], best[2]

    def retention(self, key: Key) -> int | None:
        """Return how long events are kept."""
        return self.listed.get(key, {}).get("retention")

    def waived_or_not(self, key: Key) -> list[tuple[int, int, str | None]]:
        """Return what is not in S3 of a log group, in parts that are waived or not, and why."""
        if key not in self._parts:
            self._parts[key] = self._waived_or_not(key)
        return self._parts[key]

    def _waived_or_not(self, key: Key) -> list[tuple[int, int, str | None]]:
        first = self.first_of(key)
        if first is None:
            return []
        holding = [one for one in self.asked.waivers if not self.is_over(one)]
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

    def not_waived(self, key: Key, stretch: Stretch) -> list[Stretch]:
        """Return what of a stretch is not in S3, and on no day of a waiver."""
        waived = [
            day
            for one in self.asked.waivers
            if not self.is_over(one) and fnmatchcase(key[2], one["log_group"])
            for day in self.days_of(one, stretch)
        ]
        return [part for gap in self.uncovered(key, stretch) for part in minus(gap, waived)]

    def days_of(self, waiver: Row, stretch: Stretch) -> list[Stretch]:
        """Return what of a stretch lies on the days of a waiver."""
        found, at, zone = [], self.midnight(stretch[0]), ZoneInfo(self.tz)
        while at < stretch[1]:
            after = self.days_later(at, 1)
            day = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).date()
            if (
                (waiver.get("from") is None or day >= waiver["from"])
                and (waiver.get("to") is None or day < waiver["to"])
                and (not waiver.get("weekdays") or WEEKDAYS[day.weekday()] in waiver["weekdays"])
            ):
                found += both((at, after), stretch)
            at = after
        return found

    def is_over(self, waiver: Row) -> bool:
        """Return whether the last day of a waiver is over."""
        today = datetime.fromtimestamp(self.as_of / 1000, UTC).astimezone(ZoneInfo(self.tz)).date()
        return waiver.get("until") is not None and today > waiver["until"]

    # --- Rhythm ------------------------------------------------------------------------------

    def rhythm(self, key: Key) -> Rhythm:
        """Return the rhythm of a log group, of its latest 28 exports that went further."""
        if key not in self._rhythms:
            self._rhythms[key] = self._learned(key)
        return self._rhythms[key]

    def _learned(self, key: Key) -> Rhythm:
        done = []
        for row in self.of[key]:
            window = window_of(row)
            if row["status_code"] == "COMPLETED" and window and row["completion_time"] is not None:
                # nothing can be exported that happens after the task's creation
                created = row["creation_time"]
                end = window[1] if created is None else min(window[1], max(created, window[0]))
                done.append((row["completion_time"], end))
        done.sort()
        steps, furthest = [], None
        for completed, end in done:
            if furthest is not None and end > furthest:
                steps.append((end - furthest, completed - end))
            furthest = end if furthest is None else max(furthest, end)
        steps = steps[-28:]
        if not steps:
            return Rhythm(furthest or 0, DAY, DAY, steady=False)
        late = sorted(late for _, late in steps)
        # the least lateness that four of five keep to, as far as there is one
        usual = late[math.ceil(0.8 * (len(late) - 1))]
        hours = max(math.ceil(usual / HOUR), 0)
        step = median(step for step, _ in steps)
        alike = [one for one, _ in steps if abs(one - step) <= 0.1 * step]
        steady = 2 * len(alike) > len(steps)
        return Rhythm(furthest or 0, int(step), hours * HOUR, steady)

    @cached_property
    def regular(self) -> set[Key]:
        """Return the log groups that are exported regularly."""
        return {key for key in self.keys if self.is_regular(key)}

    @cached_property
    def watched(self) -> set[Key]:
        """Return the log groups that are regular, or that keep their rhythm and are half there."""
        found = set(self.regular)
        for key in self.keys:
            weeks = self.latest_weeks(key)
            half = 2 * sum(lack for lack, _ in weeks) < sum(asked for _, asked in weeks)
            if len(weeks) >= 2 and half and self.rhythm(key).steady:
                found.add(key)
        return found

    def is_regular(self, key: Key) -> bool:
        """Return whether more than half of the latest weeks of a log group are nearly whole."""
        whole = [lacking <= 0.1 * asked for lacking, asked in self.latest_weeks(key)]
        return len(whole) >= 2 and 2 * sum(whole) > len(whole)

    def latest_weeks(self, key: Key) -> list[tuple[int, int]]:
        """Return what lacks in each of the latest weeks of a log group, and how long it is."""
        first, rhythm = self.first_of(key), self.rhythm(key)
        if first is None:
            return []
        skip = 0 if self.as_of >= self.end else 1  # a week that is not over
        weeks = []
        for back in range(skip, skip + 8):
            if rhythm.is_daily:
                low, high = (self.days_later(edge, -2) for edge in self.week(back))
            else:
                # its own weeks end where it is due
                long = max(rhythm.step, WEEK)
                high = self.due_of(key)[1] - (back - skip) * long
                low = high - long
            if first <= low:
                weeks.append((length(self.missing(key, (low, high))), high - low))
        return weeks


# --- Stretches -------------------------------------------------------------------------------


def window_of(row: Row) -> Stretch | None:
    """Return the window of a task, half-open; none if it is reversed or not known."""
    first, last = row["from_time"], row["to_time"]
    return None if first is None or last is None or first > last else (first, last + 1)


def both(one: Stretch, other: Stretch) -> list[Stretch]:
    """Return what lies in both stretches."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return [(low, high)] if low < high else []


def minus(stretch: Stretch, taken: list[Stretch]) -> list[Stretch]:
    """Return what of a stretch lies in none of others."""
    left, (at, end) = [], stretch
    for low, high in sorted(taken):
        if low >= end:
            break
        if low > at:
            left.append((at, low))
        at = max(at, high)
    return [*left, (at, end)] if at < end else left


def union(stretches: list[Stretch]) -> list[Stretch]:
    """Join stretches that touch or overlap."""
    found: list[Stretch] = []
    for low, high in sorted(stretches):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        elif low < high:
            found.append((low, high))
    return found


def length(stretches: list[Stretch]) -> int:
    """Add up stretches."""
    return sum(high - low for low, high in stretches)
