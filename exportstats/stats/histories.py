"""How long earlier tasks lasted: whose history says most of a task, and what the others add."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema
from exportstats.stats import grouping
from exportstats.stats.predictive import STUCK, TIME_OUT, Learned, Past, recency
from exportstats.stats.weighed import sort_weighed

BASES = ("log_group", "slot", "all", "none")
ENOUGH = 20  # tasks that make a history
_GROUP, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
_LATEST = 100  # tasks of a history: fresh enough to follow a slowdown, enough for a tenth
TIMED_OUT = pd.Timedelta(TIME_OUT, unit="ms") - pd.Timedelta(minutes=5)  # as it is measured
# Tasks that a slope needs, and standard errors that it has to be away from none: with the length of
# the window, and from one task to the next. A short history that drifts cannot be told from chance.
_OF_WINDOWS, _OF_TASKS = (ENOUGH, 3.0), (50, 2.0)
_STEEPEST = 1.5
_FEWEST_STEPS = 5  # between tasks of other log groups, to learn a spread
_MEAN_STEP = 2 / np.sqrt(np.pi)  # of two normal values, in standard deviations
COUNTS = ("_n", "_stuck", "_timed_out", "_completed")
# Before any is seen, one task in ten thousand is taken to be stuck, and half of these time out.
_PRIOR_STUCK, _PRIOR_TASKS = 0.005, 50


def part(known: pd.DataFrame, asked: np.ndarray | None = None) -> pd.DataFrame:
    """Return the latest durations of log groups and of each slot, and how many tasks were stuck.

    Parameters
    ----------
    known
        Tasks as they were known.
    asked
        Which tasks name a log group whose history is asked for; None for all of them.
    """
    groups = grouping.group(known, _GROUP)
    duration = millis(known["duration"])
    done = (known["status_code"] == "COMPLETED").to_numpy() & ~np.isnan(duration)
    timed_out = (known["status_code"] == "FAILED").to_numpy() & (
        known["duration"] >= TIMED_OUT
    ).to_numpy()
    stuck = timed_out | (
        known["status_code"].isin(schema.TERMINAL_STATES).to_numpy()
        & (duration > STUCK * _usual(groups, duration, done))
    )
    ended = done | timed_out
    history = known[[*_GROUP, "task_id", "creation_time"]].assign(
        duration=np.where(timed_out, np.inf, duration),
        window=millis(known["window"]),
        _stuck=stuck.astype("float64"),
        _timed_out=timed_out.astype("float64"),
        _completed=(stuck & done).astype("float64"),
    )
    of_asked = np.isin(groups.codes, groups.codes[asked]) if asked is not None else True
    counts = history[[*COUNTS[1:]]].sum().to_frame().T.assign(_n=float((ended | stuck).sum()))
    return frames.stack(
        rows.assign(_role=role)
        for role, rows in (
            ("log_group", _latest(history[ended & of_asked], _GROUP)),
            ("slot", _latest(history[ended], _SLOT)),
            ("counts", counts),
        )
    )


def millis(lengths: pd.Series) -> np.ndarray:
    """Return milliseconds of lengths, NaN for what is missing."""
    found: np.ndarray = lengths.to_numpy().view("int64").astype("float64")
    found[lengths.isna().to_numpy()] = np.nan
    return found


def _usual(groups: grouping.Groups, duration: np.ndarray, done: np.ndarray) -> np.ndarray:
    """Return the geometric mean of the durations of each task's log group, NaN without any."""
    codes, many = groups.codes[done], len(groups.keys)
    n = np.bincount(codes, minlength=many)
    logs = np.log(np.maximum(duration[done], 1))
    total = np.bincount(codes, weights=logs, minlength=many)
    usual = np.full(many, np.nan)
    np.divide(total, n, out=usual, where=n > 0)
    each: np.ndarray = np.exp(usual)[groups.codes]
    return each


def _latest(ended: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the latest tasks of each group; of those created at once, the last by identifier."""
    groups, created = grouping.group(ended, names), coerce.millis(ended["creation_time"])
    each = np.ones(len(ended), dtype="int64")
    _, ordered, _, ends = sort_weighed(groups.codes, created, each, len(groups.keys))
    first = ordered[ends - np.minimum(np.diff(ends, prepend=0), _LATEST)]
    recent = ended[created >= first[groups.codes]].sort_values(["creation_time", "task_id"])
    latest: pd.DataFrame = recent.groupby(names, observed=True, dropna=False).tail(_LATEST)
    return latest


class Trend(NamedTuple):
    """How tasks became slower or faster, in logarithms, if that is sure.

    Attributes
    ----------
    slope, error
        From one task to the next, and its standard error.
    age
        How many tasks ago it is, on average, what a history says.
    """

    slope: float = 0.0
    error: float = 0.0
    age: float = 0.0


class Scaled(NamedTuple):
    """What earlier durations say of a task now.

    Attributes
    ----------
    durations
        How long they would have taken.
    by_window
        Whether they are scaled to the window.
    enough
        Whether they say enough of such windows.
    trend
        How they became slower or faster, which is added already up to the next task.
    """

    durations: np.ndarray
    by_window: bool
    enough: bool
    trend: Trend


class History(NamedTuple):
    """Tasks that ended, in the order of their creation; lengths in milliseconds.

    Attributes
    ----------
    basis, key
        Whose they are.
    durations, windows
        How long they lasted, infinity for those that timed out; and what they exported, NaN where
        that is not known.
    counts
        How many there are, and how many of them were stuck, timed out, and were stuck and
        COMPLETED.
    """

    basis: str
    key: tuple[str, ...]
    durations: np.ndarray
    windows: np.ndarray
    counts: np.ndarray

    def weigh(self, durations: np.ndarray) -> np.ndarray:
        """Return what each counts: of a log group's own tasks the latest ones count most."""
        own = self.basis == BASES[0]
        return recency(len(durations)) if own else np.ones(len(durations))

    def scaled_to(self, window: float) -> Scaled:
        """Return the durations that windows of this length would take now.

        Those with windows from half to twice as long stand for it, if they are enough; else all
        do. They are scaled where they show that the length of the window matters, and where they
        show that the log group's tasks became slower or faster.
        """
        windows, durations = self.windows, self.durations
        with np.errstate(invalid="ignore"):
            alike = (windows >= window / 2) & (windows <= window * 2)
        enough = int(alike.sum()) >= ENOUGH
        if enough:
            windows, durations = windows[alike], durations[alike]
        known = windows > 0
        logs = np.log(np.where(known, windows, 1))
        power, _ = _slope(logs, durations, known, *_OF_WINDOWS) if window > 0 else (0.0, 0.0)
        power = min(power, _STEEPEST)
        if by_window := power > 0:
            factors = np.where(known, (window / np.where(known, windows, 1)) ** power, 1.0)
            durations, enough = durations * factors, True
        trend = Trend()
        if self.basis == BASES[0]:
            ages = np.arange(len(durations), 0, -1.0)
            slope, error = _slope(-ages, durations, np.isfinite(durations), *_OF_TASKS)
            if slope:
                trend = Trend(slope, error, float(np.average(ages, weights=self.weigh(ages))))
                durations = durations * np.exp(slope * ages)
        return Scaled(durations, by_window, enough, trend)


def _slope(
    x: np.ndarray, durations: np.ndarray, known: np.ndarray, fewest: int, errors: float
) -> tuple[float, float]:
    """Return what the logarithms of durations grow by, and its error, both 0 unless it is sure."""
    known = known & (durations > 0) & np.isfinite(durations)
    n = int(known.sum())
    if n < fewest:
        return 0.0, 0.0
    x, y = x[known], np.log(durations[known])
    spread = x - x.mean()
    squares = float(spread @ spread)
    if squares < n * 1e-3:  # all are about equal
        return 0.0, 0.0
    slope = float(spread @ y) / squares
    rest = y - y.mean() - slope * spread
    error = float(np.sqrt(float(rest @ rest) / (n - 2) / squares))
    return (slope, error) if abs(slope) >= max(errors * error, 1e-9) else (0.0, 0.0)


class Histories:
    """The histories of all log groups and slots, of what `part` returned of each shard."""

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
        """Return the history of a log group, else of its slot, else of all slots."""
        for basis, part_of_key in (("log_group", key), ("slot", key[:2]), ("all", ())):
            if found := self._of[basis].get(part_of_key):
                return found
        return None

    def learned(self, key: tuple[str, ...], history: History) -> Learned:
        """Return what all tasks say of one; stuck ones of its own history count there."""
        _, stuck, timed_out, completed = np.maximum(self._counts - history.counts, 0)
        return Learned(
            self._spread_beside(key),
            (stuck + _PRIOR_STUCK) / (self._counts[0] + _PRIOR_TASKS),
            (timed_out + 0.5) / (timed_out + completed + 1),
        )

    def _spread_beside(self, key: tuple[str, ...]) -> float:
        """Return the spread of the logarithms within other log groups, NaN if that is unknown."""
        every, mine = self._steps[None], self._steps.get(key, (0, 0.0))
        steps = every[0] - mine[0]
        if steps < _FEWEST_STEPS:
            return np.nan
        return float((every[1] - mine[1]) / steps / 1e6 / _MEAN_STEP)

    def past(self, key: tuple[str, ...], history: History, durations: np.ndarray) -> Past:
        """Return what is known of a history's tasks, if they had lasted so long."""
        return Past.of(durations, history.weigh(durations), self.learned(key, history))

    @cached_property
    def middles(self) -> dict[tuple[str, ...], tuple[float, float]]:
        """The middle of each log group's logarithms and its variance, if their spread is known."""
        found = {}
        for key, history in self._of[BASES[0]].items():
            if not np.isnan(self._spread_beside(key)):
                past = self.past(key, history, history.scaled_to(np.nan).durations)
                found[key] = past.fit.location, past.unsure
        return found

    @cached_property
    def _steps(self) -> dict[tuple[str, ...] | None, tuple[int, int]]:
        """The steps from one task of a log group to its next: how many, and their sum.

        They are of the latest tasks of each slot, in millionths of the logarithm, so that sums do
        not depend on the order. A trend or a slowdown hardly moves them.
        """
        found: dict[tuple[str, ...] | None, tuple[int, int]] = {}
        for key, history in _split(self._slots[~(self._slots["_stuck"] > 0)], _GROUP).items():
            sizes = np.abs(np.diff(np.log(np.maximum(history.durations, 1))))
            found[key] = (len(sizes), int(np.rint(sizes * 1e6).sum()))
        steps, total = (sum(one[at] for one in found.values()) for at in (0, 1))
        found[None] = (steps, total)
        return found


def _split(rows: pd.DataFrame, names: list[str], basis: str = "") -> dict[tuple[str, ...], History]:
    """Return the history of each group of rows, which keep their order."""
    if not len(rows):
        return {}
    groups = grouping.group(rows, names)
    order = np.argsort(groups.codes, kind="stable")
    ends = np.cumsum(np.bincount(groups.codes, minlength=len(groups.keys)))
    durations, windows = (rows[name].to_numpy("float64")[order] for name in ("duration", "window"))
    counts = np.column_stack([np.ones(len(rows)), *(rows[name] for name in COUNTS[1:])])[order]
    keys = keys_of(groups.keys, names)
    found = {}
    for key, end, start in zip(keys, ends, np.append(0, ends), strict=False):
        some = slice(start, end)
        of = counts[some].sum(axis=0).astype("int64")
        found[key] = History(basis, key, durations[some], windows[some], of)
    return found


def keys_of(rows: pd.DataFrame, names: list[str] = _GROUP) -> list[tuple[str, ...]]:
    """Return the key of each row as texts, "" for what is missing."""
    columns = [rows[name].astype("str").fillna("").tolist() for name in names]
    return list(zip(*columns, strict=True)) if names else [()] * len(rows)
