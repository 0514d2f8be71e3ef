"""Collect the durations of earlier tasks, and what the log groups suggest about each other."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.stats import common_trend, grouping
from exportstats.stats.packing import order_of
from exportstats.stats.predictive import STUCK, TIME_OUT, Model, Prior, recency
from exportstats.stats.scaling import scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exportstats.stats.incoming import Incoming
    from exportstats.stats.scaling import Scaled

BASES = ("log_group", "slot", "all", "none")
_GROUP, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
LATEST = 100  # tasks in a history: recent enough to follow a slowdown, enough for a 10 % quantile
CLOCK_SKEW = pd.Timedelta("5min").as_unit("ms")  # between the service's machines, at most
TIMED_OUT, TOO_LONG = (pd.Timedelta(TIME_OUT, unit="ms") + n * CLOCK_SKEW for n in (-1, 1))
_FEWEST_STEPS = 5  # differences between tasks of other log groups, to learn a spread
_MEAN_STEP = 2 / np.sqrt(np.pi)  # mean difference of two normal values, in standard deviations
WAITED = ("_waited_low", "_waited_high")
_VALUES = ("duration", "window", "_bytes", *WAITED)
_MOST_VALUES = 1 << 20  # in a batch of histories
COUNTS = ("_n", "_stuck", "_timed_out", "_completed", "_reach")
# The prior: one task in ten thousand is stuck, and half of these time out.
_PRIOR_STUCK, _PRIOR_TASKS = 0.005, 50


def part(
    known: pd.DataFrame,
    wanted: np.ndarray | None = None,
    waited: tuple[np.ndarray, np.ndarray] | None = None,
    incoming: Incoming | None = None,
) -> pd.DataFrame:
    """Return the latest durations of the log groups and of each slot, and counts of stuck tasks.

    Parameters
    ----------
    known
        Tasks as they were known.
    wanted
        Mask of tasks whose log groups' histories are needed; all if None.
    waited
        How long each task waited, at least and at most, in milliseconds; NaN is unknown.
    incoming
        What came in during windows.
    """
    groups = grouping.group(known, _GROUP)
    duration = coerce.float_millis(known["duration"])
    done = (known["status_code"] == "COMPLETED").to_numpy() & ~np.isnan(duration)
    timed_out = (known["status_code"] == "FAILED").to_numpy() & (
        known["duration"] >= TIMED_OUT
    ).to_numpy()
    long = STUCK * _typical(groups, duration, done)
    stuck = timed_out | (
        known["status_code"].isin(schema.TERMINAL_STATES).to_numpy() & (duration > long)
    )
    ended = done | timed_out
    took = np.where(timed_out, np.inf, duration)
    low, high = (0.0, np.nan) if waited is None else waited
    history = known[_GROUP].assign(
        duration=took,
        _waited_low=np.fmax(low, 0),
        _waited_high=np.fmin(high, took),
        window=coerce.float_millis(known["window"]),
        _stuck=stuck.astype("float64"),
        _timed_out=timed_out.astype("float64"),
        _completed=(stuck & done).astype("float64"),
        _reach=np.where(stuck & done, _reach(duration, long), 0),
    )
    of_wanted = np.isin(groups.codes, groups.codes if wanted is None else groups.codes[wanted])
    counts = history[[*COUNTS[1:]]].sum().to_frame().T.assign(_n=float((ended | stuck).sum()))
    every = _latest(known, ended, _GROUP)
    counts = counts.assign(**common_trend.sums_of(history.iloc[every]))
    of_slots, created = _latest(known, ended, _SLOT), coerce.millis(known["creation_time"])
    latest = {
        "log_group": every[of_wanted[every]],
        "slot": of_slots[np.argsort(created[of_slots], kind="stable")],  # also those of all slots
    }
    windows = known[[*_GROUP, "from_time", "to_time"]]
    parts = [
        history.iloc[rows].assign(_role=role, _bytes=bytes_of(windows.iloc[rows], incoming))
        for role, rows in latest.items()
    ]
    return frames.stack([*parts, counts.assign(_role="counts")])


def bytes_of(tasks: pd.DataFrame, incoming: Incoming | None) -> np.ndarray:
    """Return the bytes that came in during the window of each task, NaN where unknown."""
    return np.full(len(tasks), np.nan) if incoming is None else incoming.bytes_of(tasks)


def _typical(groups: grouping.Groups, duration: np.ndarray, done: np.ndarray) -> np.ndarray:
    """Return the geometric mean duration of each task's log group; NaN if it has none."""
    codes, many = groups.codes[done], len(groups.keys)
    n = np.bincount(codes, minlength=many)
    logs = np.log(np.maximum(duration[done], 1))
    total = np.bincount(codes, weights=logs, minlength=many)
    typical = np.full(many, np.nan)
    np.divide(total, n, out=typical, where=n > 0)
    each: np.ndarray = np.exp(typical)[groups.codes]
    return each


def _reach(duration: np.ndarray, long: np.ndarray) -> np.ndarray:
    """Return positions from `long` to the time-out, in thousandths, on the scale of logarithms.

    They are whole numbers, so that sums do not depend on the order.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        position = np.log(duration / long) / np.log(TIME_OUT / long)
    reach: np.ndarray = np.rint(1000 * np.clip(np.nan_to_num(position), 0, 1))
    return reach


def _latest(known: pd.DataFrame, ended: np.ndarray, names: list[str]) -> np.ndarray:
    """Return the rows of the latest ended tasks, by group, creation and ID."""
    rows = np.flatnonzero(ended)
    created = coerce.millis(known["creation_time"])[rows]
    codes = grouping.group(known[names].iloc[rows], names).codes
    order = order_of(codes, created)
    rows, codes, created = rows[order], codes[order], created[order]
    n = np.bincount(codes)
    ends = np.cumsum(n)
    recent = created >= created[ends - np.minimum(n, LATEST)][codes]
    rows, codes, created = rows[recent], codes[recent], created[recent]
    if not (np.diff(codes) | np.diff(created)).all():
        ids, _ = grouping.codes_of(known["task_id"].iloc[rows])
        order = np.lexsort((ids, created, codes))
        rows, codes = rows[order], codes[order]
    behind = np.cumsum(np.bincount(codes))[codes] - np.arange(len(rows))
    latest: np.ndarray = rows[behind <= LATEST]
    return latest


class History(NamedTuple):
    """Tasks that ended, one row per history, in order of creation, the latest one last.

    Attributes
    ----------
    own
        Whether they are of the log group itself.
    durations, windows, bytes
        How long they lasted in milliseconds, infinity for those that timed out, and NaN in places
        without a task; the length of their windows and the bytes that came in during these, NaN
        where unknown.
    waited_low, waited_high
        How long they waited, at least and at most.
    prior
        What all tasks suggest.
    """

    own: np.ndarray
    durations: np.ndarray
    windows: np.ndarray
    bytes: np.ndarray
    waited_low: np.ndarray
    waited_high: np.ndarray
    prior: Prior

    def waits(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimate how long each task waited, and other ones that waited from `low` to `high`.

        The typical time is the one with the smallest sum of distances from all intervals: the
        median of their ends. An interval from 0 to the duration says nothing, and changes little.
        """
        ends = np.sort(np.column_stack([self.waited_low, self.waited_high, low, high]), axis=1)
        n = (~np.isnan(self.durations)).sum(axis=1)
        typical = np.take_along_axis(ends, n[:, np.newaxis], axis=1)
        waits = np.clip(typical, self.waited_low, self.waited_high)
        return waits, np.clip(typical[:, 0], low, high)

    def scaled_to(self, window: np.ndarray, came: np.ndarray) -> Scaled:
        """Return how long the tasks would take now.

        Parameters
        ----------
        window, came
            The length of the window of each task now, and the bytes that came in during it; NaN is
            unknown. Of bytes, it only matters whether they are known.
        """
        bytes_ = np.where(np.isnan(came)[:, np.newaxis], np.nan, self.bytes)
        return scale(
            self.durations,
            self.windows,
            bytes_,
            window,
            trending=self.own,
            common=(self.prior.slope, self.prior.error),
        )

    def model(self, durations: np.ndarray) -> Model:
        """Return the models of the histories, given their scaled durations."""
        used = ~np.isnan(durations)
        # recent tasks of the log group itself weigh more
        weights = np.where(self.own[:, np.newaxis], recency(used), used)
        return Model.fit(durations, weights, self.prior)


class Histories:
    """The histories of all log groups and slots, from the rows that `part` returns.

    They are numbered: those of log groups, then those of slots, then that of all slots.

    Attributes
    ----------
    keys, basis
        Whose each is, and the positions of these in `BASES`.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        role, used = rows["_role"], rows[[*_GROUP, *_VALUES, *COUNTS[1:]]]
        own, slots = (used[role == name] for name in ("log_group", "slot"))
        parts: list[tuple[pd.DataFrame, list[str]]] = [(own, _GROUP), (slots, _SLOT), (slots, [])]
        keys, values, lengths = zip(*(_split(*each) for each in parts), strict=True)
        self.keys = [key for each in keys for key in each]
        self.basis = np.repeat(np.arange(len(keys)), [len(each) for each in keys])
        self._numbers = dict(zip(self.keys, range(len(self.keys)), strict=True))
        self._ends = np.cumsum(np.concatenate(lengths))
        self._starts = self._ends - np.concatenate(lengths)
        self._values, counts = np.split(np.concatenate(values, axis=1), [len(_VALUES)])
        total = rows.loc[role == "counts", list(COUNTS)].sum().to_numpy("int64")
        sums_of_trend = rows.loc[role == "counts", list(common_trend.SUMS)].sum()
        # the history's own stuck tasks are not counted twice
        sums = np.add.reduceat(counts, self._starts, axis=1) if self.keys else counts
        stuck, timed_out, completed, reach = np.maximum(total[1:, np.newaxis] - sums, 0)
        self._prior = Prior(
            self._spread_of_others(slots[~(slots["_stuck"] > 0)]),
            (stuck + _PRIOR_STUCK) / (total[0] + _PRIOR_TASKS),
            (timed_out + 0.5) / (timed_out + completed + 1),
            (reach / 1000 + 0.25) / (completed + 0.5),
            stuck,
            *(np.full(len(self.keys), each) for each in common_trend.of_sums(sums_of_trend)),
        )

    def _spread_of_others(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the relative spread of cube roots within other log groups; NaN if unknown.

        It comes from the differences between consecutive tasks of a log group, so a trend or a
        slowdown hardly changes it. Sums are in millionths, so that they do not depend on the order.
        """
        keys, (durations, *_), lengths = _split(rows, _GROUP)
        steps, sums = np.zeros((2, len(self.keys)), dtype="int64")
        if not keys:
            return np.full(len(self.keys), np.nan)
        roots = np.cbrt(np.maximum(durations, 1))
        first = np.cumsum(lengths) - lengths
        sizes = np.abs(np.diff(roots, prepend=np.nan))
        sizes[first] = 0
        sizes = np.add.reduceat(sizes, first) / np.add.reduceat(roots, first) * lengths
        millionths = np.rint(sizes * 1e6).astype("int64")
        number = np.array([self._numbers.get(key, -1) for key in keys])
        own = number >= 0
        steps[number[own]], sums[number[own]] = (lengths - 1)[own], millionths[own]
        steps, sums = (lengths - 1).sum() - steps, millionths.sum() - sums
        spread = sums / np.maximum(steps, 1) / 1e6 / _MEAN_STEP
        return np.where(steps >= _FEWEST_STEPS, spread, np.nan)

    def find(self, keys: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Return the numbers of log groups' histories, else those of the slots or of all; else -1.

        Parameters
        ----------
        keys
            The log groups.
        """
        of = self._numbers.get
        last = of((), -1)
        found = (of(key, -1) for key in keys)
        return np.array(
            [of(key[:2], last) if at < 0 else at for key, at in zip(keys, found, strict=True)],
            dtype="int64",
        )

    def take(self, numbers: np.ndarray) -> History:
        """Return some histories."""
        ends, starts = self._ends[numbers, np.newaxis], self._starts[numbers, np.newaxis]
        at = ends - np.arange(np.max(ends - starts, initial=1), 0, -1)
        values = np.where(at < starts, np.nan, self._values[:, np.maximum(at, 0)])
        durations, windows, bytes_, low, high = values
        prior = Prior(*(np.asarray(each)[numbers] for each in self._prior))
        return History(self.basis[numbers] == 0, durations, windows, bytes_, low, high, prior)

    def batches(self, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """Divide histories into batches of similar length that fit into memory.

        Return the positions of each batch.
        """
        lengths = (self._ends - self._starts)[numbers]
        order = np.argsort(lengths, kind="stable")
        while len(order):
            many = np.arange(1, len(order) + 1) * lengths[order] <= _MOST_VALUES
            size = max(int(many.sum()), 1)
            yield order[:size]
            order = order[size:]

    @cached_property
    def centers(self) -> np.ndarray:
        """The center of each history of a log group and its variance, NaN if not known."""
        found = np.full((len(self.keys), 2), np.nan)
        wanted = np.flatnonzero((self.basis == 0) & ~np.isnan(self._prior.spread))
        for batch in self.batches(wanted):
            numbers = wanted[batch]
            history, any_ = self.take(numbers), np.full(len(batch), np.nan)
            model = history.model(history.scaled_to(any_, any_).durations)
            found[numbers] = np.column_stack([model.center, model.center_variance])
        return found


def _split(
    rows: pd.DataFrame, names: list[str]
) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
    """Return the key of each group, the values of its rows in their order, and their number."""
    groups = grouping.group(rows, names)
    order = np.argsort(groups.codes, kind="stable")
    columns = (rows[name].to_numpy("float64") for name in (*_VALUES, *COUNTS[1:]))
    values = np.array([each[order] for each in columns])
    keys = keys_of(groups.keys, names) if len(rows) else []
    return keys, values, np.bincount(groups.codes, minlength=len(keys))


def categorical(positions: np.ndarray, categories: Sequence[str]) -> pd.Categorical:
    """Return values, given as positions, as a category of all that there may be."""
    return pd.Categorical.from_codes(positions, pd.Index([*categories], dtype="str"))


def keys_of(rows: pd.DataFrame, names: list[str] = _GROUP) -> list[tuple[str, ...]]:
    """Return the key of each row as text, "" where it is missing."""
    columns = [rows[name].astype("str").fillna("").tolist() for name in names]
    return list(zip(*columns, strict=True)) if names else [()] * len(rows)
