"""Learn from a slot's history which exports will be asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema, shards
from exportstats.core.schema import DAY
from exportstats.errors import ArgumentError
from exportstats.queues.rhythms import NEAR, SOMETIMES, days_of, learn
from exportstats.queues.table import sort
from exportstats.queues.turns import READ, last_looks
from exportstats.stats.as_of import instant, known_at, to_millis
from exportstats.stats.calendars import weekday_of

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray
    from pandas.api.extensions import ExtensionArray

    from exportstats.core.shards import Shards

    Millis = NDArray[np.int64]

_KEY = list(schema.LOG_GROUP)
_LONGEST_DAYS = 366  # of a range
_ALIKE = 0.1  # windows of which the lengths differ by less than this share


def expected_exports(
    tasks: pd.DataFrame | Shards,
    *,
    start: str | date | pd.Period | None,
    end: str | date | pd.Period | None,
) -> pd.DataFrame:
    """Return the exports that each slot's history leads one to expect, as a table to edit.

    Learn from the tasks created in the 28 days before `start` how often each log group is exported
    in a day, at what times, and on which weekdays. The result is the input of `simulate_queue`:
    drop, add, shift and sort its rows as needed.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. Only what was known at `start`
        is used.
    start, end
        The range in which the exports are asked for: instants with a time zone, or dates in UTC.
        What should have been asked for before `start`, but was not, is included if its slot has
        been busy since then.

    Returns
    -------
    DataFrame
        One row per expected export, sorted by slot and `create_at`:

        - `account_id`, `region`, `log_group_name`;
        - `create_at`, when it is first asked for (`datetime64[ms, UTC]`);
        - `jitter`, how far from `create_at` it will be asked for in four of five cases, and
          `pause`, how long after the end of another task it is created if it has to wait
          (`timedelta64[ms]`);
        - `from_time`, `to_time`, its window, both inclusive as in AWS; NaT if unknown;
        - `duration`, NaT: it is drawn from the history. A value replaces it;
        - `deadline`, NaT: there is none. A time sets one;
        - `probability` that it is asked for, and `n`, the number of days that this was learned
          from.

    Raises
    ------
    ArgumentError
        If `start` or `end` is not an instant, or the range is empty or longer than 366 days.
    SchemaError
        If `tasks` is not a table of tasks.

    Notes
    -----
    The tasks of a log group are split by their time of day wherever it is never exported for 6
    hours, divided by the root of their number. Between two such times, the tasks of each day are
    numbered, and the same number on different days is one export. Its window is that of the last
    such day, shifted by whole days. It is unknown if more than a fifth of the windows differ in
    length from the median by more than 10 %. If the days of the week differ (a chi-squared test at
    1 %), each weekday has its own probability. An export that was seen k times on n days, counted
    from the first one, has the probability (k - 1 + p) / n, where p is that of all exports of its
    slot: there the first day, which is one by definition, does not count. So the expected number of
    exports is right even if there are many. Of a weekday it is (k + p) / (n + 1), and 0 if k is 0.
    An export that was seen only once is left out, and one that has stopped: its last days without
    one had a probability below 0.1 %.

    A task that was created within five minutes of the end of another one is taken to have waited
    for it, unless its time of day varies less than the pause. It was asked for at an unknown
    earlier time: when the slot was last idle, if it never came without waiting. Times are in UTC,
    so after a change of clocks the times of exporters in local time are off by an hour for two
    weeks.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> day = pd.Timedelta("1D")
    >>> midnights = pd.date_range("2026-11-01", periods=20, tz="UTC")
    >>> frame = pd.DataFrame({"task_id": [*map(str, range(20))], "log_group_name": "acme",
    ...                       "status_code": "COMPLETED", "from_time": midnights,
    ...                       "to_time": midnights + day - pd.Timedelta("1ms"),
    ...                       "creation_time": midnights + pd.Timedelta("38h"),
    ...                       "completion_time": midnights + pd.Timedelta("39h")})
    >>> tasks = xs.conform(frame)
    >>> expected = xs.expected_exports(tasks, start="2026-11-22", end="2026-11-23")
    >>> expected[["log_group_name", "create_at", "probability", "n"]]
      log_group_name                 create_at  probability   n
    0           acme 2026-11-22 14:00:00+00:00      0.99875  20
    """
    first, last = instant(start, "start"), instant(end, "end")
    if not first < last <= first + pd.Timedelta(days=_LONGEST_DAYS):
        raise ArgumentError(
            f"start={start!r}, end={end!r}; the end must be after the start, by at most "
            f"{_LONGEST_DAYS} days"
        )
    part = partial(_expect, start=to_millis(first), end=to_millis(last))
    return sort(shards.collect(tasks, part, READ)).reset_index(drop=True)


def _expect(tasks: pd.DataFrame, *, start: int, end: int) -> pd.DataFrame:
    """Return the expected exports of the slots of one shard; this is the part."""
    slots, latest = last_looks(tasks)
    now = pd.Series(np.where(latest == coerce.NAT, start, np.minimum(latest, start)))
    now.index = pd.MultiIndex.from_frame(slots.keys.astype("str"))
    known = known_at(tasks, coerce.times(np.array([start]))[0])
    seen, keys, known = days_of(known, start)
    exports = learn(seen, keys, now)
    return _upcoming(exports, seen, known, start, end)


def _upcoming(
    exports: pd.DataFrame, seen: pd.DataFrame, known: pd.DataFrame, start: int, end: int
) -> pd.DataFrame:
    """Return the exports that are due in the range, and those that are overdue."""
    edge = exports["edge"].to_numpy()
    first, last = (start - edge) // DAY - 1, (end - edge) // DAY
    many = last - first + 1
    place = np.repeat(np.arange(len(exports)), many)
    day = np.arange(len(place)) - np.repeat(np.cumsum(many) - many, many) + first[place]
    due = exports.reset_index().iloc[place].assign(day=day)
    weekday = np.eye(7, dtype=bool)[weekday_of(day)]
    due["probability"], due["n"] = (
        due[[f"{name}{number}" for number in range(7)]].to_numpy()[weekday] for name in "pn"
    )
    begins = due["edge"] + due["day"] * DAY
    due = due.assign(usual=begins + due["order"], start=begins + due["offset"])
    due = due.sort_values(["slot", "usual", "export"], ignore_index=True)
    due = _with_head(due)
    done = pd.MultiIndex.from_frame(seen[["export", "day"]])
    is_done = pd.MultiIndex.from_frame(due[["export", "day"]]).isin(done)
    active = known["status_code"].isin(schema.ACTIVE_STATES).to_numpy()[seen["row"]]
    idle = seen["waited"] > NEAR
    busy_since = seen[idle].groupby("slot")["created"].max()
    busy_since = busy_since.reindex(seen.loc[active, "slot"].unique())
    since = due["slot"].map(busy_since).fillna(start) - due["jitter"]
    kept = ~is_done & (due["start"] >= since) & (due["start"] < end) & (due["probability"] > 0)
    due = due[kept].reset_index(drop=True)
    window = _windows_of(due, seen, known)
    return due[_KEY].assign(
        # of a slot that was busy for longer, only the order matters
        create_at=coerce.times(np.rint(due["start"].clip(start - DAY)).to_numpy("int64")),
        **{name: _whole(due[name]) for name in ("jitter", "pause")},
        **window,
        duration=np.full(len(due), np.timedelta64("NaT", "ms")),
        deadline=coerce.times(np.full(len(due), coerce.NAT)),
        probability=due["probability"],
        n=due["n"],
    )


def _whole(millis: pd.Series) -> np.ndarray:
    """Return whole milliseconds as lengths of time."""
    lengths: np.ndarray = np.rint(millis.to_numpy()).astype("int64").view("timedelta64[ms]")
    return lengths


def _with_head(due: pd.DataFrame) -> pd.DataFrame:
    """Take `start` and `jitter` of an export that always waits from the one that it waits for."""
    head = due[["start", "jitter", "usual"]].where(due["heads"]).groupby(due["slot"]).ffill()
    waits = due["follows"] & (due["usual"] - head["usual"] < DAY)
    return due.assign(**{name: head[name].where(waits, due[name]) for name in ("start", "jitter")})


def _windows_of(
    due: pd.DataFrame, seen: pd.DataFrame, known: pd.DataFrame
) -> dict[str, ExtensionArray]:
    """Return the windows: those of the last such day, shifted by whole days."""
    latest = seen.assign(weekday=weekday_of(seen["day"].to_numpy()))
    same = latest.drop_duplicates(["export", "weekday"], keep="last")
    latest = latest.drop_duplicates("export", keep="last").set_index("export")
    wanted = due[["export", "by_weekday"]].assign(weekday=weekday_of(due["day"].to_numpy()))
    of = wanted.merge(same[["export", "weekday", "row", "day"]], "left", ["export", "weekday"])
    own = (of["by_weekday"] & of["row"].notna()).to_numpy()
    row, day = (
        np.where(own, of[name], due["export"].map(latest[name])).astype("int64")
        for name in ("row", "day")
    )
    shift = (due["day"].to_numpy() - day) * DAY
    length = coerce.float_millis(known["window"])[seen["row"]]
    usual = pd.Series(length).groupby(seen["export"]).median()
    varies = pd.Series(np.abs(length - seen["export"].map(usual)) > _ALIKE * length)
    varies = varies.groupby(seen["export"]).mean() > SOMETIMES
    unknown = ~own & due["export"].map(varies).to_numpy(dtype=bool)
    window = {}
    for name in ("from_time", "to_time"):
        then = coerce.millis(known[name])[row]
        unknown |= then == coerce.NAT
        window[name] = np.where(unknown, coerce.NAT, then + shift)
    return {name: coerce.times(millis) for name, millis in window.items()}
