"""Learn the rhythms of log groups: at what times of day and on which weekdays each is exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.core.schema import DAY
from exportstats.queues.table import WITHIN_JITTER
from exportstats.queues.turns import turns_of
from exportstats.stats import grouping
from exportstats.stats.calendars import weekday_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Millis = NDArray[np.int64]

_KEY, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
HISTORY_DAYS = 28
NEAR = 300_000  # a task created sooner than this after the end of another one waited for it
_WEEKDAYS_DIFFER = 16.8  # the 99 % quantile of chi-squared with six degrees of freedom
_APART = 6 * 3_600_000  # divided by the root of the number of tasks: the time between two rhythms
_STOPPED = 0.001  # a less likely series of days without an export means that it has stopped
_LATEST = 7  # days that tell the order of exports
_FEWEST = 2  # an export that was seen once has no rhythm
SOMETIMES = 0.2  # the share of days in which an export may differ from what it usually does


def days_of(known: pd.DataFrame, start: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
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


def learn(seen: pd.DataFrame, keys: pd.DataFrame, now: pd.Series) -> pd.DataFrame:
    """Return what the history tells of each export that was seen twice and has not stopped.

    Returns
    -------
    DataFrame
        The key, `slot`, `edge`, `offset` of `create_at` from the start of the day, `order` (the
        usual creation), `follows` (it always waited), `heads` (others may follow it), `jitter`,
        `pause`, and of each weekday the probability `p0` to `p6` and the number of days `n0` to
        `n6`.
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
    learned["follows"] = (often < np.maximum(_FEWEST, SOMETIMES * learned["hits"])).to_numpy()
    # what is PENDING behind others does not show that the slot was idle
    pending = seen["waited"].groupby(seen["export"]).median() < 0
    learned["heads"] = ~learned["follows"] & ~pending
    offset = (seen["asked"] - seen["edge"] - seen["day"] * DAY).groupby(seen["export"]).median()
    learned["offset"] = np.where(learned["follows"], offset, at)
    off = (free["at"] - free["export"].map(learned["offset"])).abs()
    jitter = off.groupby(free["export"]).quantile(WITHIN_JITTER).reindex(learned.index)
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
    varies = off.groupby([ordered["export"], ordered["before"]]).quantile(WITHIN_JITTER)
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
    near = (seen["waited"] >= 0) & (seen["waited"] <= NEAR)
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
    idle = ordered["created"].where(~ordered["waits"] & (ordered["waited"] >= 0))
    idle = idle.groupby(ordered["slot"]).ffill()
    return idle.fillna(ordered["created"]).reindex(seen.index)


def _add_probability(learned: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Add the probability and the number of days by weekday, and whether the export has stopped."""
    of, day = seen["export"].to_numpy(), seen["day"].to_numpy()
    hits = np.zeros((len(learned), 7))
    np.add.at(hits, (of, weekday_of(day)), 1)
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


def _count_weekdays(first: Millis, last: Millis) -> np.ndarray:
    """Return how often each weekday lies in the days from `first` to `last`."""
    weekday = np.arange(7)
    count: np.ndarray = (last[:, np.newaxis] + 3 - weekday) // 7 - (
        first[:, np.newaxis] + 2 - weekday
    ) // 7
    return count.astype("float64")
