"""Learn from a slot's history which exports will be asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema, shards
from exportstats.core.schema import DAY
from exportstats.errors import ArgumentError
from exportstats.queues.table import sort
from exportstats.queues.turns import turns_of
from exportstats.stats import grouping
from exportstats.stats.as_of import instant, known_at, to_millis

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas.api.extensions import ExtensionArray

    from exportstats.stats.as_of import Instant

    Millis = NDArray[np.int64]

_KEY, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
HISTORY_DAYS = 28
_LONGEST_DAYS = 366  # of a range
_NEAR = 300_000  # a task created sooner than this after the end of another one waited for it
_WEEKDAYS_DIFFER = 16.8  # the 99 % quantile of chi-squared with six degrees of freedom
_APART = 6 * 3_600_000  # divided by the root of the number of tasks: the time between two rhythms
_STOPPED = 0.001  # a less likely series of days without an export means that it has stopped
_LATEST = 7  # days that tell the order of exports
_FEWEST = 2  # an export that was seen once has no rhythm
_SOMETIMES = 0.2  # the share of days in which an export may differ from what it usually does
_ALIKE = 0.1  # windows of which the lengths differ by less than this share
_USUAL = 0.8  # the share of creations within the jitter
_READ = (
    "task_id",
    *_KEY,
    "status_code",
    "creation_time",
    "completion_time",
    "observed_at",
    "from_time",
    "to_time",
    "window",
)


def expected_exports(tasks: shards.Tasks, *, start: Instant, end: Instant) -> pd.DataFrame:
    """Return the exports that each slot's history leads one to expect, as a table to edit.

    Learn from the tasks created in the 28 days before `start` how often each log group is exported
    in a day, at what times, and on which weekdays. The result is the input of `simulate_queue`:
    drop, add, shift and sort its rows as needed.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one. Only what was known at `start` is used.
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
    >>> from exportstats.core import frames
    >>> day = pd.Timedelta("1D")
    >>> midnights = pd.date_range("2026-11-01", periods=20, tz="UTC")
    >>> frame = pd.DataFrame({"task_id": [*map(str, range(20))], "log_group_name": "acme",
    ...                       "status_code": "COMPLETED", "from_time": midnights,
    ...                       "to_time": midnights + day - pd.Timedelta("1ms"),
    ...                       "creation_time": midnights + pd.Timedelta("38h"),
    ...                       "completion_time": midnights + pd.Timedelta("39h")})
    >>> tasks = frames.conform(frame)
    >>> expected = expected_exports(tasks, start="2026-11-22", end="2026-11-23")
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
    return sort(shards.collect(tasks, part, _READ)).reset_index(drop=True)


def _expect(tasks: pd.DataFrame, *, start: int, end: int) -> pd.DataFrame:
    """Return the expected exports of the slots of one shard; this is the part."""
    looked = grouping.group(tasks, _SLOT)
    last_look = _latest(looked.codes, coerce.millis(tasks["observed_at"]), len(looked.keys))
    now = pd.Series(np.where(last_look == coerce.NAT, start, np.minimum(last_look, start)))
    now.index = pd.MultiIndex.from_frame(looked.keys.astype("str"))
    known = known_at(tasks, coerce.times(np.array([start]))[0])
    seen, keys, known = _days_of(known, start)
    exports = _learn(seen, keys, now)
    return _upcoming(exports, seen, known, start, end)


def _days_of(known: pd.DataFrame, start: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the recent tasks with the number of their export and day, and the log groups."""
    known = known[(known["creation_time"].notna() & known["log_group_name"].notna()).to_numpy()]
    known = known.reset_index(drop=True)
    groups = grouping.group(known, _KEY)
    turns = turns_of(known)
    waited = np.where(turns.before == coerce.NAT, DAY, turns.created - turns.before)
    horizon = start - (HISTORY_DAYS + 1) * DAY
    seen = pd.DataFrame(
        {
            "code": groups.codes,
            "slot": turns.slot,
            "row": np.arange(len(known)),
            "created": turns.created,
            "waited": waited,
        }
    )[turns.created >= horizon]
    seen = seen.sort_values(["code", "created", "row"], ignore_index=True)
    code, created = seen["code"].to_numpy(), seen["created"].to_numpy()
    rhythm, edge = _rhythms(code, created)
    day = (created - edge) // DAY
    seen = seen.assign(rhythm=rhythm, edge=edge, day=day, at=created - edge - day * DAY)
    seen = seen[edge + day * DAY >= horizon]  # whole days
    seen["number"] = seen.groupby(["rhythm", "day"]).cumcount()
    seen["export"] = seen.groupby(["rhythm", "number"]).ngroup()
    return seen, groups.keys, known


def _rhythms(code: Millis, created: Millis) -> tuple[Millis, Millis]:
    """Split the tasks of each log group by their time of day, where it is never exported.

    Returns
    -------
    tuple
        The rhythm of each task, numbered over all log groups, and the time of day at which its days
        begin: within the time in which the log group is never exported.
    """
    time = created % DAY
    order = np.lexsort((time, code))
    code, time = code[order], time[order]
    begins = np.append(True, code[1:] != code[:-1])[: len(code)]
    ends = np.append(begins[1:], True)[: len(code)]
    following = np.append(time[1:], 0)[: len(time)]
    following[ends] = time[begins] + DAY
    idle = pd.Series(following - time)
    longest = idle.groupby(code).idxmax().to_numpy()
    hits = pd.Series(code).groupby(code).transform("size").to_numpy()
    splits = idle.to_numpy() > _APART / np.sqrt(hits)
    splits[longest] = True
    # a rhythm begins after a split; the last one of a log group may go on after midnight
    after = np.cumsum(splits) - splits
    last = pd.Series(np.cumsum(splits)).groupby(code).transform("max").to_numpy()
    first = pd.Series(after).groupby(code).transform("min").to_numpy()
    rhythm = np.where(after == first, last, after)
    edges = np.zeros(int(rhythm.max(initial=0)) + 1, dtype="int64")
    edges[np.cumsum(splits)[splits]] = ((time + idle.to_numpy() // 2) % DAY)[splits]
    found = np.empty((2, len(order)), dtype="int64")
    found[:, order] = rhythm, edges[rhythm]
    return found[0], found[1]


def _learn(seen: pd.DataFrame, keys: pd.DataFrame, now: pd.Series) -> pd.DataFrame:
    """Return what the history tells of each export that was seen twice and has not stopped.

    Returns
    -------
    DataFrame
        The key, `slot`, `edge`, `offset` of `create_at` from the start of the day, `order` (the
        usual creation), `follows` (it always waited), `jitter`, `pause`, and of each weekday the
        probability `p0` to `p6` and the number of days `n0` to `n6`.
    """
    seen["waits"] = _waits(seen)
    seen["asked"] = _asked(seen)
    by_export = seen.groupby("export")
    learned = by_export[["code", "slot", "edge"]].first()
    learned["hits"] = by_export.size()
    # as tasks become slower, the order of those that wait changes
    learned["order"] = by_export.tail(_LATEST).groupby("export")["at"].median()
    free = seen[~seen["waits"]]
    at = free.groupby("export")["at"].median().reindex(learned.index)
    often = free.groupby("export").size().reindex(learned.index, fill_value=0)
    learned["follows"] = (often < np.maximum(_FEWEST, _SOMETIMES * learned["hits"])).to_numpy()
    offset = (seen["asked"] - seen["edge"] - seen["day"] * DAY).groupby(seen["export"]).median()
    learned["offset"] = np.where(learned["follows"], offset, at)
    off = (free["at"] - free["export"].map(learned["offset"])).abs()
    jitter = off.groupby(free["export"]).quantile(_USUAL).reindex(learned.index)
    jitter *= 1 + 2 / often.clip(lower=1)  # the center and the width are uncertain
    learned["jitter"] = jitter.where(~learned["follows"]).fillna(0.0)
    learned = _together(learned, seen)
    had_to = seen[seen["waits"] | (seen["waited"] < 0)]
    pause = had_to["waited"].clip(lower=0)
    own = pause.groupby(had_to["export"]).median().reindex(learned.index)
    of_slot = learned["slot"].map(pause.groupby(had_to["slot"]).median())
    learned["pause"] = own.fillna(of_slot).fillna(0.0)
    learned = keys.take(learned["code"].to_numpy()).set_index(learned.index).join(learned)
    slots = pd.MultiIndex.from_frame(learned[_SLOT].astype("str"))
    learned["now"] = now.reindex(slots).to_numpy()
    learned = _add_probability(learned, seen)
    return learned[~learned["stopped"] & (learned["hits"] >= _FEWEST)]


def _together(learned: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Let exports that one exporter asks for together have its jitter and their order.

    An export is asked for together with the one before it on most of its days if the distance
    varies by less than half of what their times do.
    """
    ordered = seen.sort_values(["slot", "created", "row"])
    before = ordered.groupby("slot")[["export", "created"]].shift()
    ordered = ordered.assign(before=before["export"], gap=ordered["created"] - before["created"])
    ordered = ordered[~ordered["waits"] & before["export"].notna()]
    near = [ordered[name].map(learned["jitter"]) for name in ("export", "before")]
    ordered = ordered.assign(near=np.minimum(near[0], near[1]))
    ordered = ordered[ordered["gap"] <= ordered["near"]]
    pairs = ordered.groupby(["export", "before"])
    off = (ordered["gap"] - pairs["gap"].transform("median")).abs()
    varies = off.groupby([ordered["export"], ordered["before"]]).quantile(_USUAL)
    of = pairs.agg(near=("near", "first"), many=("gap", "size"), gap=("gap", "median"))
    of = of.assign(varies=varies).reset_index()
    hits = of["export"].map(learned["hits"])
    of = of[(of["many"] > hits / 2) & (of["varies"] < of["near"] / 2)]
    place = pd.Series(np.arange(len(learned)), learned.index)
    head, after = np.arange(len(learned)), np.zeros(len(learned))
    head[place[of["export"]]] = place[of["before"].astype("int64")]
    after[place[of["export"]]] = of["gap"]
    for _ in range(len(head).bit_length()):
        after, head = after + np.where(head == np.arange(len(head)), 0, after[head]), head[head]
    at = (learned["edge"] + learned["offset"]).to_numpy()
    off_by = at[head] + after - at
    off_by -= DAY * np.rint(off_by / DAY)  # days can begin at different times
    return learned.assign(
        offset=learned["offset"] + off_by, jitter=learned["jitter"].to_numpy()[head]
    )


def _waits(seen: pd.DataFrame) -> np.ndarray:
    """Return which tasks were created because the task before them had ended."""
    near = (seen["waited"] >= 0) & (seen["waited"] <= _NEAR)
    some = seen[near]
    spreads = [_spread(some[name], some["export"]) for name in ("at", "waited")]
    irregular = spreads[0].index[spreads[0] > spreads[1]]
    waits: np.ndarray = (near & seen["export"].isin(irregular)).to_numpy()
    return waits


def _spread(values: pd.Series, by: pd.Series) -> pd.Series:
    """Return the median absolute deviation of each group."""
    off = (values - values.groupby(by).transform("median")).abs()
    return off.groupby(by).median()


def _asked(seen: pd.DataFrame) -> pd.Series:
    """Return when each task was asked for; if it waited, when the slot was last idle."""
    ordered = seen.sort_values(["slot", "created", "row"])
    idle = ordered["created"].where(~ordered["waits"]).groupby(ordered["slot"]).ffill()
    return idle.fillna(ordered["created"]).reindex(seen.index)


def _add_probability(learned: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Add the probability and the number of days by weekday, and whether the export has stopped."""
    of, day = seen["export"].to_numpy(), seen["day"].to_numpy()
    hits = np.zeros((len(learned), 7))
    np.add.at(hits, (of, _weekday(day)), 1)
    days = seen.groupby("export")["day"]
    first, last = days.min().to_numpy(), days.max().to_numpy()
    # the last day is over, or has its export already
    until = np.maximum((learned["now"] - learned["edge"]).to_numpy() // DAY - 1, last)
    n, before = (_count_weekdays(first, end) for end in (until, last))
    own = _differs(hits, before)
    slot = learned["slot"].to_numpy()
    due = np.where(own[:, np.newaxis] & (hits == 0), 0, n)
    more, days_more = (np.bincount(slot, each.sum(axis=1) - 1) for each in (hits, due))
    of_slot = ((more + 0.5) / (days_more + 1))[slot]
    # a lower one, so that no export has stopped because others have never been missing
    probability = _probability(hits, n, own, of_slot)
    then = _probability(hits, before, own, np.full(len(hits), 0.5))
    with np.errstate(divide="ignore", invalid="ignore"):
        missing = np.where(n > before, (n - before) * np.log1p(-then), 0.0).sum(axis=1)
    n = np.where(own[:, np.newaxis], n, n.sum(axis=1, keepdims=True))
    return learned.assign(
        stopped=missing < np.log(_STOPPED),
        by_weekday=own,
        **{f"p{weekday}": probability[:, weekday] for weekday in range(7)},
        **{f"n{weekday}": n[:, weekday].astype("int64") for weekday in range(7)},
    )


def _probability(hits: np.ndarray, n: np.ndarray, own: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return the probability by weekday, from its own days where the weekdays differ."""
    # the first day has an export by definition, so it counts as much as the prior
    every = (hits.sum(axis=1) - 1 + prior) / n.sum(axis=1)
    each = np.where(hits > 0, hits + prior[:, np.newaxis], 0) / (n + 1)
    probability: np.ndarray = np.where(own[:, np.newaxis], each, every[:, np.newaxis])
    return probability


def _differs(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return whether the weekdays of each export differ, by a chi-squared test."""
    p = hits.sum(axis=1, keepdims=True) / n.sum(axis=1, keepdims=True)
    variance = n * p * (1 - p)
    squares = np.divide((hits - n * p) ** 2, variance, out=np.zeros_like(hits), where=variance > 0)
    differs: np.ndarray = squares.sum(axis=1) > _WEEKDAYS_DIFFER
    return differs


def _weekday(day: Millis) -> Millis:
    """Return the weekday of days since 1970. Monday is 0."""
    weekday: Millis = (day + 3) % 7
    return weekday


def _count_weekdays(first: Millis, last: Millis) -> np.ndarray:
    """Return how often each weekday lies in the days from `first` to `last`."""
    weekday = np.arange(7)
    count: np.ndarray = (last[:, np.newaxis] + 3 - weekday) // 7 - (
        first[:, np.newaxis] + 2 - weekday
    ) // 7
    return count.astype("float64")


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
    weekday = np.eye(7, dtype=bool)[_weekday(day)]
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
    idle = seen["waited"] > _NEAR
    busy_since = seen[idle].groupby("slot")["created"].max()
    busy_since = busy_since.reindex(seen.loc[active, "slot"].unique())
    since = due["slot"].map(busy_since).fillna(start) - due["jitter"]
    kept = ~is_done & (due["start"] >= since) & (due["start"] < end) & (due["probability"] > 0)
    due = due[kept].reset_index(drop=True)
    window = _windows_of(due, seen, known)
    return due[_KEY].assign(
        create_at=coerce.times(np.rint(due["start"].to_numpy()).astype("int64")),
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
    head = due[["start", "jitter", "usual"]].where(~due["follows"]).groupby(due["slot"]).ffill()
    waits = due["follows"] & (due["usual"] - head["usual"] < DAY)
    return due.assign(**{name: head[name].where(waits, due[name]) for name in ("start", "jitter")})


def _windows_of(
    due: pd.DataFrame, seen: pd.DataFrame, known: pd.DataFrame
) -> dict[str, ExtensionArray]:
    """Return the windows: those of the last such day, shifted by whole days."""
    latest = seen.assign(weekday=_weekday(seen["day"].to_numpy()))
    same = latest.drop_duplicates(["export", "weekday"], keep="last")
    latest = latest.drop_duplicates("export", keep="last").set_index("export")
    wanted = due[["export", "by_weekday"]].assign(weekday=_weekday(due["day"].to_numpy()))
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
    varies = varies.groupby(seen["export"]).mean() > _SOMETIMES
    unknown = ~own & due["export"].map(varies).to_numpy(dtype=bool)
    window = {}
    for name in ("from_time", "to_time"):
        then = coerce.millis(known[name])[row]
        unknown |= then == coerce.NAT
        window[name] = np.where(unknown, coerce.NAT, then + shift)
    return {name: coerce.times(millis) for name, millis in window.items()}


def _latest(code: Millis, times: Millis, many: int) -> Millis:
    """Return the latest time of each group."""
    latest = np.full(many, coerce.NAT)
    np.maximum.at(latest, code, times)
    return latest
