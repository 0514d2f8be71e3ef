"""When the active tasks will be done, from how long such tasks took before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.stats import grouping
from exportstats.stats.as_of import instant, known_at, seen_at
from exportstats.stats.fits import TIME_OUT, fit_best
from exportstats.stats.weighed import sort_weighed

if TYPE_CHECKING:
    from exportstats.stats.as_of import Instant
    from exportstats.stats.fits import Fit

_GROUP, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
_SHARES = (0.1, 0.5, 0.9)
_LATEST = 100  # tasks of a history: fresh enough to follow a slowdown, enough for a tenth
_ENOUGH = 20  # tasks that make a history
_BEYOND = 5  # tasks of it that took longer still, for its own quantiles to mean something
_SURE = 3.0  # standard errors that a slope has to be away from none
_STEEPEST = 1.5
_BASES = ("log_group", "slot", "all", "none")
_MODELS = ("empirical", "lognormal", "weibull", "none")


def estimate_completion(tasks: shards.Tasks, *, as_of: Instant = None) -> pd.DataFrame:
    """Estimate when each active task will be done, given how long it has been at it.

    A task's history is the latest 100 tasks that COMPLETED, or ran into the 24-hour time-out, of
    its log group; where there are fewer than 20, those of its slot; else those of all slots. Of
    them, those that took longer than the task has taken so far tell the rest. Where fewer than 5
    did, a lognormal or Weibull distribution is fitted to all of them, the active ones counted in
    as lasting at least as long as they have; Akaike's criterion chooses. Durations are scaled by
    the length of the window where the history shows that it matters.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    as_of
        Estimate with what was known at this instant (aware). Without it, each active task is taken
        as it was observed, at its own `observed_at`.

    Returns
    -------
    DataFrame
        One row an active task, by slot and creation: `account_id`, `region`, `log_group_name`,
        `task_id`, `status_code`, `creation_time`; `elapsed`; `remaining_low`, `remaining`,
        `remaining_high`, the 10th, 50th and 90th percentile of what is left (all
        `timedelta64[ms]`); `ends_low`, `ends`, `ends_high`, the same as times (UTC);
        `timeout_probability`, of reaching the service's 24 hours; `basis`, whose history it is,
        and `n`, of how many tasks; `model`, "empirical" or what was fitted ("none" where nothing
        could be said); `scaled`, whether by window; then the columns that you joined to the tasks.
        What cannot be known is missing.

    Raises
    ------
    ArgumentError
        An `as_of` without a time zone.

    Notes
    -----
    Percentiles are the k-th of n at k / (n + 1), so that the next duration lies below with just
    that probability (Hyndman and Fan's type 6, 1996).

    Examples
    --------
    >>> frame = pd.DataFrame({"task_id": [*map(str, range(31))], "log_group_name": "acme/api",
    ...                       "account_id": "111122223333", "region": "eu-west-1",
    ...                       "status_code": ["COMPLETED"] * 30 + ["RUNNING"],
    ...                       "creation_time": range(0, 31_000_000, 1_000_000),
    ...                       "completion_time": [1_000_000 * i + 60_000 * (i % 3 + 1)
    ...                                           for i in range(30)] + [None],
    ...                       "observed_at": 30_030_000})
    >>> estimate_completion(frames.conform(frame))[["elapsed", "remaining", "basis", "n"]]
               elapsed       remaining      basis   n
    0 0 days 00:00:30 0 days 00:01:30  log_group  30
    """
    when = None if as_of is None else instant(as_of, "as_of")
    rows = shards.collect(tasks, partial(_part, as_of=when))
    active = rows[rows["_role"] == "active"]
    active = active.sort_values([*_SLOT, "creation_time", "task_id"], ignore_index=True)
    histories = {
        "log_group": _by(rows[rows["_role"] == "log_group"], _GROUP),
        "slot": _by(rows[rows["_role"] == "slot"], _SLOT),
    }
    everything = _History.of(rows[rows["_role"] == "slot"])
    told = [
        _estimate(
            elapsed,
            window,
            (
                ("log_group", histories["log_group"].get(key)),
                ("slot", histories["slot"].get(key[:2])),
                ("all", everything),
            ),
        )
        for elapsed, window, key in zip(
            active["elapsed"].to_numpy("float64"),
            active["window"].to_numpy("float64"),
            _keys(active, _GROUP),
            strict=True,
        )
    ]
    return _as_table(active, told)


def _part(tasks: pd.DataFrame, *, as_of: pd.Timestamp | None) -> pd.DataFrame:
    """Give the active tasks, and the latest durations of their log groups and of each slot."""
    known = known_at(tasks, as_of)
    now = seen_at(known, as_of)
    created = coerce.millis(known["creation_time"])
    placed = (now != coerce.NAT) & (created != coerce.NAT)
    timed_out = (known["status_code"] == "FAILED") & (known["duration"] >= _TIMED_OUT)
    completed = known["status_code"] == "COMPLETED"
    ended = ((completed | timed_out) & known["duration"].notna()).to_numpy()
    active = known["status_code"].isin(schema.ACTIVE_STATES).to_numpy()
    group = grouping.group(known, _GROUP).codes
    asked = np.isin(group, group[active])

    names = [*_GROUP, "task_id", "status_code", "creation_time", "duration", "window"]
    elapsed = np.where(placed, np.maximum(now - created, 0), coerce.NAT)
    known = grouping.with_own(known[names].assign(elapsed=elapsed, _now=now), known)
    parts = {
        "active": known[active],
        "log_group": _latest(known[ended & asked], _GROUP),
        "slot": _latest(known[ended], _SLOT),
    }
    return frames.stack(
        part.assign(
            _role=role,
            duration=_millis(part["duration"]),
            window=_millis(part["window"]),
        )
        for role, part in parts.items()
    )


def _latest(ended: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Give the latest tasks of each group; of those created at once, the last by identifier."""
    groups, created = grouping.group(ended, names), coerce.millis(ended["creation_time"])
    each = np.ones(len(ended), dtype="int64")
    _, ordered, _, ends = sort_weighed(groups.codes, created, each, len(groups.keys))
    first = ordered[ends - np.minimum(np.diff(ends, prepend=0), _LATEST)]
    recent = ended[created >= first[groups.codes]].sort_values(["creation_time", "task_id"])
    latest: pd.DataFrame = recent.groupby(names, observed=True, dropna=False).tail(_LATEST)
    return latest


def _millis(lengths: pd.Series) -> np.ndarray:
    """Give milliseconds of lengths, NaN for what is missing."""
    millis: np.ndarray = lengths.to_numpy().view("int64").astype("float64")
    millis[lengths.isna().to_numpy()] = np.nan
    return millis


class _History(NamedTuple):
    """Durations and windows of tasks that ended, and how long the active ones have lasted."""

    durations: np.ndarray
    windows: np.ndarray

    @classmethod
    def of(cls, rows: pd.DataFrame) -> _History:
        return cls(rows["duration"].to_numpy(), rows["window"].to_numpy())

    def scaled_to(self, window: float) -> tuple[np.ndarray, bool]:
        """Give the durations that windows of this length would have taken, if that matters."""
        known = (self.windows > 0) & (self.durations > 0)
        if not window > 0 or known.sum() < _ENOUGH:
            return self.durations, False
        x, y = np.log(self.windows[known]), np.log(self.durations[known])
        spread = x - x.mean()
        squares = float(spread @ spread)
        if squares < known.sum() * 1e-3:  # all windows are about equally long
            return self.durations, False
        slope = float(spread @ y) / squares
        rest = y - y.mean() - slope * spread
        error = np.sqrt(float(rest @ rest) / (known.sum() - 2) / squares)
        if slope < _SURE * error:
            return self.durations, False
        slope = min(slope, _STEEPEST)
        factor = np.where(known, (window / np.where(known, self.windows, 1)) ** slope, 1.0)
        return self.durations * factor, True


class _Told(NamedTuple):
    """What can be said of one task; milliseconds, NaN for what cannot."""

    remaining: tuple[float, float, float]
    timeout: float
    basis: str
    n: int
    model: str
    scaled: bool


_UNTOLD = _Told((np.nan,) * 3, np.nan, "none", 0, "none", scaled=False)


def _estimate(
    elapsed: float, window: float, choices: tuple[tuple[str, _History | None], ...]
) -> _Told:
    """Estimate the rest of one task from the first history that is one."""
    there = [(basis, history) for basis, history in choices if history and len(history.durations)]
    enough = [(b, h) for b, h in there if len(h.durations) >= _ENOUGH]
    if not there or elapsed < 0:
        return _UNTOLD
    basis, history = (enough or there[-1:])[0]
    durations, scaled = history.scaled_to(window)
    n = len(durations)
    longer = durations[durations > elapsed]
    if len(longer) >= min(_BEYOND, n):
        ends = np.quantile(longer, _SHARES, method="weibull")
        timeout = float((longer >= TIME_OUT).mean())
        return _told(ends, elapsed, timeout, basis, n, "empirical", scaled=scaled)
    fit = fit_best(durations, elapsed)
    if fit is None:
        return _UNTOLD._replace(basis=basis, n=n, scaled=scaled)
    return _told(*_of_fit(fit, elapsed), basis, n, fit.name, scaled=scaled)


def _of_fit(fit: Fit, elapsed: float) -> tuple[np.ndarray, float, float]:
    """Give the quantiles and the probability of a time-out, given what has elapsed."""
    alive = fit.survival(elapsed)
    ends = np.array([fit.quantile((1 - share) * alive) for share in _SHARES])
    timeout = fit.survival(TIME_OUT) / alive if alive > 0 else 1.0
    return ends, elapsed, min(timeout, 1.0)


def _told(
    ends: np.ndarray,
    elapsed: float,
    timeout: float,
    basis: str,
    n: int,
    model: str,
    *,
    scaled: bool,
) -> _Told:
    rest = np.clip(ends, elapsed, max(elapsed, TIME_OUT)) - elapsed
    low, middle, high = (float(value) for value in rest)
    return _Told((low, middle, high), timeout, basis, n, model, scaled)


def _by(rows: pd.DataFrame, names: list[str]) -> dict[tuple[str, ...], _History]:
    """Give the history of each log group or slot."""
    at: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(_keys(rows, names)):
        at.setdefault(key, []).append(row)
    return {key: _History.of(rows.iloc[some]) for key, some in at.items()}


def _keys(rows: pd.DataFrame, names: list[str]) -> list[tuple[str, ...]]:
    columns = [rows[name].astype("str").fillna("").tolist() for name in names]
    return list(zip(*columns, strict=True))


def _as_table(active: pd.DataFrame, told: list[_Told]) -> pd.DataFrame:
    names = [*_GROUP, "task_id", "status_code", "creation_time"]
    table = active[names].copy()
    elapsed, now = active["elapsed"].to_numpy("int64"), active["_now"].to_numpy("int64")
    rest = np.array([one.remaining for one in told], dtype="float64").reshape(-1, len(_SHARES))
    missing = np.isnan(rest)
    whole = np.where(missing, 0, np.rint(np.where(missing, 0, rest))).astype("int64")
    table["elapsed"] = pd.Series(elapsed.view("timedelta64[ms]"), index=table.index)
    labels = ("_low", "", "_high")
    for column, label in enumerate(labels):
        millis = np.where(missing[:, column], coerce.NAT, whole[:, column])
        table[f"remaining{label}"] = pd.Series(millis.view("timedelta64[ms]"), index=table.index)
    for column, label in enumerate(labels):
        ends = np.where(missing[:, column], coerce.NAT, now + whole[:, column])
        table[f"ends{label}"] = coerce.times(ends)
    table["timeout_probability"] = np.array([one.timeout for one in told], dtype="float64")
    for name, categories in (("basis", _BASES), ("model", _MODELS)):
        values = [getattr(one, name) for one in told]
        dtype = pd.CategoricalDtype(pd.Index(categories, dtype="str"))
        table[name] = pd.Categorical(values, dtype=dtype)
        if name == "basis":
            table["n"] = np.array([one.n for one in told], dtype="int64")
    table["scaled"] = np.array([one.scaled for one in told], dtype=bool)
    return grouping.with_own(table, active.drop(columns=["_role", "_now"]))


_TIMED_OUT = pd.Timedelta(TIME_OUT, unit="ms") - pd.Timedelta(minutes=5)
