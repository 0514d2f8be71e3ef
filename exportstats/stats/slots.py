"""Measure how busy each slot is: the share of each calendar period in which it has an active task.

A slot runs one task at a time, so it is either busy or idle. If two tasks are active at the same
time, the data are wrong, or come from two accounts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema, shards
from exportstats.stats import grouping
from exportstats.stats.as_of import known_at, zone
from exportstats.stats.calendars import calendar_of
from exportstats.stats.packing import order_of
from exportstats.stats.phases import of_waiting, waited
from exportstats.stats.weighted import divide

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.stats.calendars import Calendar


def slot_usage(
    tasks: pd.DataFrame | Shards,
    *,
    freq: str = "W",
    tz: str = "UTC",
    as_of: str | date | pd.Period | None = None,
    phases: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return how much of each slot's time its tasks take, per calendar period.

    A task is active from its creation to its completion, `[creation_time, completion_time)`. A
    PENDING task takes the slot, too: the service accepts no other one meanwhile. A task that is
    still active counts until `as_of`, or by default until it was observed. `running_low` and
    `running_high` bound how much of this time a task was running, not waiting.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. Tasks without a
        `creation_time` are left out. A task whose end is unknown is counted, but takes no time: it
        has no `completion_time`, or one before its creation, or is active without an `observed_at`.
    freq
        Calendar periods: "h", "D", "W" (starts on Monday), "MS".
    tz
        Time zone of the periods, such as "Europe/Berlin".
    as_of
        Use only what was known at this instant. By default, the states are used as they are, and
        each active task counts until its own `observed_at`.
    phases
        The table that `phase_durations` returns for the observations of these tasks. By default,
        nothing is known of how long they waited.

    Returns
    -------
    DataFrame
        Indexed by `account_id`, `region` and `period`, the first instant of each period. The
        periods run from the slot's first activity to its last, including empty ones. If there are
        more than 10,000, only those in which a task begins or ends are returned. Columns:

        - `tasks`, the number of tasks created in the period;
        - `busy`, the time in which at least one task was active;
        - `busy_share` of the whole period, even if the slot's history begins or ends within it;
        - `longest_idle`, the longest time without an active task in the whole period, also after
          the last observation: in the present week, what is still to come counts as idle;
        - `overlapping`, the time in which more than one task was active. It should be 0;
        - `running_low`, `running_high`, the time in which at least one task was running, at least
          and at most; without `phases`, 0 and `busy`.

        All times are `timedelta64[ms]`.

    Raises
    ------
    ArgumentError
        If the frequency, the time zone or `as_of` is not valid.
    SchemaError
        If `tasks` or `phases` is not such a table.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> hour = 3_600_000
    >>> frame = pd.DataFrame({"task_id": ["a", "b"], "account_id": "111122223333",
    ...                       "region": "eu-west-1", "status_code": "COMPLETED",
    ...                       "creation_time": [0, 18 * hour],
    ...                       "completion_time": [6 * hour, 30 * hour]})
    >>> table = xs.slot_usage(xs.conform(frame), freq="D").droplevel(["account_id", "region"])
    >>> table[["tasks", "busy_share", "longest_idle"]]
                               tasks  busy_share    longest_idle
    period
    1970-01-01 00:00:00+00:00      2        0.50 0 days 12:00:00
    1970-01-02 00:00:00+00:00      0        0.25 0 days 18:00:00
    """
    calendar_of(freq, zone(tz))
    part = partial(_use, freq=freq, tz=tz, phases=of_waiting(phases))
    key = schema.SLOT if phases is None else schema.KEY
    columns = (*key, *grouping.STATE_COLUMNS, "completion_time")
    used = shards.collect(known_at(tasks, as_of), part, columns)
    names = [*schema.SLOT, grouping.PERIOD]
    # each row is a group of its own, so this only sorts them
    rows = grouping.group(used, names)
    used = used.iloc[np.argsort(rows.codes)].drop(columns=names)
    return used.set_index(grouping.index_of(rows.keys))


class _Activity(NamedTuple):
    """Active times of tasks in milliseconds, half-open, with the numbers of their slots."""

    slot: np.ndarray
    start: np.ndarray
    end: np.ndarray

    @property
    def last(self) -> np.ndarray:
        """The last instant of each; the only one of a task that takes no time."""
        last: np.ndarray = np.maximum(self.end - 1, self.start)
        return last

    def after(self, wait: np.ndarray) -> _Activity:
        """Return what is left after a wait in milliseconds; nothing if it is NaN."""
        return self._replace(start=np.fmin(self.start + wait, self.end).astype("int64"))


class _Periods(NamedTuple):
    """Periods of slots, in order: the number of the slot and of the period, its start and end."""

    slot: np.ndarray
    number: np.ndarray
    start: np.ndarray
    end: np.ndarray


def _use(tasks: pd.DataFrame, *, freq: str, tz: str, phases: pd.DataFrame | None) -> pd.DataFrame:
    """Return the rows of the slots of one shard; this is the part."""
    known = tasks[tasks["creation_time"].notna()]
    slots = grouping.group(known, schema.SLOT)
    activity = _Activity(slots.codes, coerce.millis(known["creation_time"]), _ends(known))
    calendar = calendar_of(freq, tz)
    periods = _periods(activity, len(slots.keys), calendar)
    count, busy, idle, overlapping = _sweep(activity, periods)
    low, high = np.zeros_like(busy), busy
    if phases is not None:
        least, most = waited(known, phases)
        low, high = (_sweep(activity.after(wait), periods)[1] for wait in (most, np.fmax(least, 0)))
    return (
        slots.keys.take(periods.slot)
        .reset_index(drop=True)
        .assign(
            period=calendar.start(periods.number),
            tasks=count,
            busy=busy.view("timedelta64[ms]"),
            busy_share=divide(busy, periods.end - periods.start),
            longest_idle=idle.view("timedelta64[ms]"),
            overlapping=overlapping.view("timedelta64[ms]"),
            running_low=low.view("timedelta64[ms]"),
            running_high=high.view("timedelta64[ms]"),
        )
    )


def _ends(known: pd.DataFrame) -> np.ndarray:
    """Return when each task stops being active; its creation if that is unknown."""
    active = known["status_code"].isin(schema.ACTIVE_STATES).to_numpy()
    observed, completed = (
        coerce.millis(known[name]) for name in ("observed_at", "completion_time")
    )
    ends = np.where(active, observed, completed)
    # a missing time is the smallest int64
    later: np.ndarray = np.maximum(ends, coerce.millis(known["creation_time"]))
    return later


def _periods(activity: _Activity, slots: int, calendar: Calendar) -> _Periods:
    """Return each slot's periods, from its first activity to its last."""
    earliest = np.full(slots, activity.start.max(initial=0))
    latest = np.full(slots, activity.last.min(initial=0))
    np.minimum.at(earliest, activity.slot, activity.start)
    np.maximum.at(latest, activity.slot, activity.last)
    lowest, highest = _number(calendar, earliest), _number(calendar, latest)
    filled = highest - lowest < grouping.MOST_PERIODS
    many = (highest - lowest + 1)[filled]
    slot = np.repeat(np.flatnonzero(filled), many)
    number = np.arange(len(slot)) - np.repeat(np.cumsum(many) - many, many) + lowest[slot]
    far = ~filled[activity.slot]
    if far.any():
        edges = np.concatenate([activity.start[far], activity.last[far]])
        used = pd.DataFrame(
            {
                "slot": np.concatenate([slot, np.tile(activity.slot[far], 2)]),
                "number": np.concatenate([number, _number(calendar, edges)]),
            }
        )
        used = used.drop_duplicates().sort_values(["slot", "number"])
        slot, number = used["slot"].to_numpy(), used["number"].to_numpy()
    exist = calendar.exist(number)
    slot, number = slot[exist], number[exist]
    return _Periods(slot, number, _millis(calendar, number), _millis(calendar, number + 1))


def _number(calendar: Calendar, millis: np.ndarray) -> np.ndarray:
    return calendar.number(pd.Series(coerce.times(millis)))


def _millis(calendar: Calendar, numbers: np.ndarray) -> np.ndarray:
    return coerce.millis(pd.Series(calendar.start(numbers)))


def _sweep(
    activity: _Activity, periods: _Periods
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Count each period's tasks, and add up its busy, longest idle and overlapping time.

    All starts and ends, of periods and of tasks, are sorted by slot and time. Between two of them,
    the number of active tasks is constant: those that began before, less those that ended.
    """
    many, tasks = len(periods.slot), len(activity.slot)
    slot = np.concatenate([periods.slot, activity.slot, activity.slot, periods.slot])
    time = np.concatenate([periods.start, activity.start, activity.end, periods.end])
    # stable, so that at one instant the start of a period comes first
    order = order_of(slot, time)
    change = np.repeat(np.array([0, 1, -1, 0], dtype="int8"), [many, tasks, tasks, many])[order]
    active = np.cumsum(change, dtype="int32")
    opens = np.flatnonzero(order < many)
    at = np.repeat(np.arange(many), np.diff(opens, append=len(order)))
    time = time[order]
    length = np.diff(time, append=time[-1:])
    length[time >= periods.end[at]] = 0  # between two periods or two slots
    if not many:
        return (np.zeros(0, dtype="int64"),) * 4
    # a task that takes no time does not interrupt idle time
    busy = (active > 0) & (length > 0)
    runs = np.flatnonzero(busy | (order < many))
    idle = np.add.reduceat(np.where(active > 0, 0, length), runs)
    return (
        np.bincount(at[change == 1], minlength=many),
        np.add.reduceat(np.where(busy, length, 0), opens),
        np.maximum.reduceat(idle, np.searchsorted(runs, opens)),
        np.add.reduceat(np.where(active > 1, length, 0), opens),
    )
