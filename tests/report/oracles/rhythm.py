"""The rhythm of a log group, and the days on which nothing is due. Times are milliseconds."""

from __future__ import annotations

import math
from collections import Counter
from statistics import median
from typing import NamedTuple

from support import DAY, HOUR, Row

from oracles.intervals import MINUTE, Interval, window_of


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


def learn_rhythm(rows: list[Row]) -> Rhythm:
    """Return the rhythm of a log group from the latest 28 exports that advanced."""
    done = []
    for row in rows:
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
    lags, later = lags_of(steps, phase), [0] * 7
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


def lags_of(steps: list[tuple[int, int, int, int]], phase: int) -> dict[int, list[int]]:
    """Return the times from the end of each day to its export, by weekday."""
    lags: dict[int, list[int]] = {}
    for _, completed, end, begin in steps:
        latest = {weekday(day): day for day in days_of(begin, end, phase)}
        for number, day in latest.items():
            lags.setdefault(number, []).append(completed - phase - (day + 1) * DAY)
    return lags


def days_at_rest(
    first: int, as_of: int, phase: int, uncovered: list[Interval], undelivered: list[Interval]
) -> dict[int, int]:
    """Return the days on which nothing is due, each with the first of its weeks."""
    begin, end = (first - phase + HOUR) // DAY, (as_of - phase + HOUR) // DAY
    missing, tried = set(), set()
    for low, high in uncovered:
        missing |= set(range(-((phase + HOUR - low) // DAY), (high - phase + HOUR) // DAY))
    for low, high in undelivered:
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
