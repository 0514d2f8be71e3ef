"""Collect the durations of earlier tasks, and what the log groups suggest about each other."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.stats import grouping
from exportstats.stats.predictive import STUCK, TIME_OUT, Model, Prior, recency
from exportstats.stats.scaling import scale
from exportstats.stats.weighted import sort_weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    history = known[[*_GROUP, "task_id", "creation_time", "from_time", "to_time"]].assign(
        duration=took,
        _waited_low=np.fmax(low, 0),
        _waited_high=np.fmin(high, took),
        window=coerce.float_millis(known["window"]),
        _stuck=stuck.astype("float64"),
        _timed_out=timed_out.astype("float64"),
        _completed=(stuck & done).astype("float64"),
        _reach=np.where(stuck & done, _reach(duration, long), 0),
    )
    of_wanted = np.isin(groups.codes, groups.codes[wanted]) if wanted is not None else True
    counts = history[[*COUNTS[1:]]].sum().to_frame().T.assign(_n=float((ended | stuck).sum()))
    latest = {
        "log_group": _latest(history[ended & of_wanted], _GROUP),
        "slot": _latest(history[ended], _SLOT),
    }
    rows = [
        some.assign(_role=role, _bytes=bytes_of(some, incoming)) for role, some in latest.items()
    ]
    return frames.stack([*rows, counts.assign(_role="counts")])


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


def _latest(ended: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the latest tasks of each group; ties in creation are broken by ID."""
    groups, created = grouping.group(ended, names), coerce.millis(ended["creation_time"])
    each = np.ones(len(ended), dtype="int64")
    _, ordered, _, ends = sort_weighted(groups.codes, created, each, len(groups.keys))
    first = ordered[ends - np.minimum(np.diff(ends, prepend=0), LATEST)]
    recent = ended[created >= first[groups.codes]].sort_values(["creation_time", "task_id"])
    latest: pd.DataFrame = recent.groupby(names, observed=True, dropna=False).tail(LATEST)
    return latest


class History(NamedTuple):
    """Tasks that ended, in order of creation, with durations in milliseconds.

    Attributes
    ----------
    basis, key
        Whose tasks they are.
    durations, windows, bytes
        How long they lasted, infinity for those that timed out; the length of their windows and the
        bytes that came in during these, NaN where unknown.
    waited
        How long they waited, at least and at most.
    counts
        The number of tasks, and of those that were stuck, timed out, and were stuck but COMPLETED,
        and the sum of the positions of the last ones.
    """

    basis: str
    key: tuple[str, ...]
    durations: np.ndarray
    windows: np.ndarray
    bytes: np.ndarray
    waited: np.ndarray
    counts: np.ndarray

    def waits(self, low: float, high: float) -> tuple[np.ndarray, float]:
        """Estimate how long each task waited, and another one that waited from `low` to `high`.

        The typical time is the one with the smallest sum of distances from all intervals: the
        median of their ends. An interval from 0 to the duration says nothing, and changes little.
        """
        ends = np.sort(np.concatenate([self.waited.ravel(), [low, high]]))
        typical = ends[len(ends) // 2 - 1]
        return np.clip(typical, *self.waited), float(np.clip(typical, low, high))

    def weights(self, durations: np.ndarray) -> np.ndarray:
        """Return the weights; recent tasks of the log group itself weigh more."""
        own = self.basis == BASES[0]
        return recency(len(durations)) if own else np.ones(len(durations))

    def scaled_to(self, window: float, *, has_bytes: bool = False) -> Scaled:
        """Return how long the tasks would take now, for a window of this length.

        With `has_bytes`, it is known how many bytes came in during the window.
        """
        bytes_ = self.bytes if has_bytes else None
        trending = self.basis == BASES[0]
        return scale(self.durations, self.windows, bytes_, window, trending=trending)


class Histories:
    """The histories of all log groups and slots, from the rows that `part` returns."""

    def __init__(self, rows: pd.DataFrame) -> None:
        role = rows["_role"]
        self._slots = rows[role == "slot"]
        self._of = {
            "log_group": _split(rows[role == "log_group"], _GROUP, "log_group"),
            "slot": _split(self._slots, _SLOT, "slot"),
            "all": _split(self._slots, [], "all"),
        }
        self._counts = rows.loc[role == "counts", list(COUNTS)].sum().to_numpy("int64")

    def of(self, key: tuple[str, ...]) -> History | None:
        """Return the history of a log group, else that of its slot, else that of all slots."""
        for basis, part_of_key in (("log_group", key), ("slot", key[:2]), ("all", ())):
            if found := self._of[basis].get(part_of_key):
                return found
        return None

    def prior(self, key: tuple[str, ...], history: History) -> Prior:
        """Return what all tasks suggest; the history's own stuck tasks are not counted twice."""
        _, stuck, timed_out, completed, reach = np.maximum(self._counts - history.counts, 0)
        return Prior(
            self._spread_of_others(key),
            (stuck + _PRIOR_STUCK) / (self._counts[0] + _PRIOR_TASKS),
            (timed_out + 0.5) / (timed_out + completed + 1),
            (reach / 1000 + 0.25) / (completed + 0.5),
            int(stuck),
        )

    def _spread_of_others(self, key: tuple[str, ...]) -> float:
        """Return the relative spread of cube roots within other log groups; NaN if unknown."""
        every, own = self._steps[None], self._steps.get(key, (0, 0.0))
        steps = every[0] - own[0]
        if steps < _FEWEST_STEPS:
            return np.nan
        return float((every[1] - own[1]) / steps / 1e6 / _MEAN_STEP)

    def model(self, key: tuple[str, ...], history: History, durations: np.ndarray) -> Model:
        """Return the model of a history, given its scaled durations."""
        return Model.fit(durations, history.weights(durations), self.prior(key, history))

    @cached_property
    def centers(self) -> dict[tuple[str, ...], tuple[float, float]]:
        """The center of each log group's durations and its variance, if their spread is known."""
        found = {}
        for key, history in self._of[BASES[0]].items():
            if not np.isnan(self._spread_of_others(key)):
                past = self.model(key, history, history.scaled_to(np.nan).durations)
                found[key] = past.center, past.center_variance
        return found

    @cached_property
    def _steps(self) -> dict[tuple[str, ...] | None, tuple[int, int]]:
        """The differences between consecutive tasks of a log group: their number, and their sum.

        The latest tasks of each slot are used. Sums are in millionths, so that
        they do not depend on the order. A trend or a slowdown hardly changes them.
        """
        found: dict[tuple[str, ...] | None, tuple[int, int]] = {}
        for key, history in _split(self._slots[~(self._slots["_stuck"] > 0)], _GROUP).items():
            roots = np.cbrt(np.maximum(history.durations, 1))
            sizes = np.abs(np.diff(roots)) / roots.mean()
            found[key] = (len(sizes), int(np.rint(sizes * 1e6).sum()))
        steps, total = (sum(one[at] for one in found.values()) for at in (0, 1))
        found[None] = (steps, total)
        return found


def _split(rows: pd.DataFrame, names: list[str], basis: str = "") -> dict[tuple[str, ...], History]:
    """Return the history of each group; the order of the rows is kept."""
    if not len(rows):
        return {}
    groups = grouping.group(rows, names)
    order = np.argsort(groups.codes, kind="stable")
    ends = np.cumsum(np.bincount(groups.codes, minlength=len(groups.keys)))
    durations, windows, bytes_, *waited = (
        rows[name].to_numpy("float64")[order] for name in ("duration", "window", "_bytes", *WAITED)
    )
    counts = np.column_stack([np.ones(len(rows)), *(rows[name] for name in COUNTS[1:])])[order]
    keys = keys_of(groups.keys, names)
    waits = np.array(waited)
    found = {}
    for key, end, start in zip(keys, ends, np.append(0, ends), strict=False):
        some = slice(start, end)
        of = counts[some].sum(axis=0).astype("int64")
        sizes = windows[some], bytes_[some]
        found[key] = History(basis, key, durations[some], *sizes, waits[:, some], of)
    return found


def categorical(values: list[str], categories: Sequence[str]) -> pd.Categorical:
    """Return values as a category of all that there may be."""
    dtype = pd.CategoricalDtype(pd.Index([*categories], dtype="str"))
    return pd.Categorical(np.array(values, dtype="object"), dtype=dtype)


def keys_of(rows: pd.DataFrame, names: list[str] = _GROUP) -> list[tuple[str, ...]]:
    """Return the key of each row as text, "" where it is missing."""
    columns = [rows[name].astype("str").fillna("").tolist() for name in names]
    return list(zip(*columns, strict=True)) if names else [()] * len(rows)
