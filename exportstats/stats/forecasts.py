"""When the active tasks will be done, from how long such tasks took before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.stats import grouping, histories
from exportstats.stats.as_of import known_at
from exportstats.stats.predictive import TIME_OUT

if TYPE_CHECKING:
    from exportstats.stats.as_of import Instant

_GROUP, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
_SHARES = np.array([0.1, 0.5, 0.9])
_INNER = ["_role", "_now", "duration", "window", *histories.COUNTS]


def estimate_completion(tasks: shards.Tasks, *, as_of: Instant = None) -> pd.DataFrame:
    """Estimate when each active task will be done, given how long it has been at it.

    A task's history is the latest 100 tasks that COMPLETED, or ran into the 24-hour time-out, of
    its log group, of which later ones count more; without any, those of its slot; else those of
    all slots. Of them, those that took longer than the task has taken so far tell the rest. What
    is longer than all of them, or shorter, is told by Student's distribution of the logarithms,
    whose spread is learned from other log groups where the history is short. Some tasks are stuck,
    and run into the time-out or end at any time before it: how many is learned from the tasks of
    all slots. Durations are scaled by the length of the window where the history shows that it
    matters; windows from half to twice as long stand for the task's own if there are 20 of them.
    Where 50 tasks of its log group show that they become slower or faster, that is followed.

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
        `timeout_probability`, of reaching the service's 24 hours; `basis`, whose history it is
        ("log_group", "slot", "all", or "none"), and `n`, of how many tasks; `scaled`, whether by
        window; then the columns that you joined to the tasks. What cannot be known is missing.

    Raises
    ------
    ArgumentError
        An `as_of` without a time zone.

    Notes
    -----
    Of n earlier tasks that took longer than so far, each of the n + 1 intervals between their ends
    holds the next end with the same probability (Hill, 1968), whatever the distribution. The 80 %
    from `remaining_low` to `remaining_high` were measured to hold 75 to 85 % of the ends, and 75 %
    or more if the history is less than 5 tasks: benchmarks/README.md.

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
    rows = shards.collect(known_at(tasks, as_of), _part)
    active = rows[rows["_role"] == "active"]
    active = active.sort_values([*_SLOT, "creation_time", "task_id"], ignore_index=True)
    past = histories.Histories(rows)
    told = [
        _estimate(*task, past)
        for task in zip(
            active["elapsed"].to_numpy("float64"),
            active["window"].to_numpy("float64"),
            histories.keys_of(active),
            strict=True,
        )
    ]
    return _as_table(active, told)


def _part(known: pd.DataFrame) -> pd.DataFrame:
    """Return the active tasks, and the histories of their log groups and of each slot."""
    now, created = (coerce.millis(known[name]) for name in ("observed_at", "creation_time"))
    placed = (now != coerce.NAT) & (created != coerce.NAT)
    elapsed = np.where(placed, np.maximum(now - created, 0), coerce.NAT)
    active = known["status_code"].isin(schema.ACTIVE_STATES).to_numpy()
    names = [*_GROUP, "task_id", "status_code", "creation_time"]
    some = known[active]
    found = some[names].assign(
        elapsed=elapsed[active],
        _now=now[active],
        window=histories.millis(some["window"]),
        _role="active",
    )
    past = histories.part(known, active)
    if not len(known):
        return frames.stack([grouping.with_own(found, some), past[:0]])
    # any values of the user's columns: without them, whole numbers would become floats
    filler = known.iloc[np.zeros(len(past), dtype="int64")]
    return frames.stack([grouping.with_own(found, some), grouping.with_own(past, filler)])


class _Told(NamedTuple):
    """What can be said of one task; milliseconds, NaN for what cannot."""

    remaining: tuple[float, float, float] = (np.nan,) * 3
    timeout: float = np.nan
    basis: str = "none"
    n: int = 0
    scaled: bool = False


def _estimate(
    elapsed: float, window: float, key: tuple[str, ...], past: histories.Histories
) -> _Told:
    """Estimate the rest of one task from the history that says most of it."""
    history = past.of(key)
    if history is None or elapsed < 0:
        return _Told()
    durations, scaled, *_ = history.scaled_to(window)
    about = history.basis, len(durations), scaled
    if elapsed >= TIME_OUT:
        return _Told((0.0,) * 3, 1.0, *about)
    predicted = past.past(key, history, durations).predict(elapsed)
    low, middle, high = np.maximum(predicted.quantile(_SHARES) - elapsed, 0).tolist()
    return _Told((low, middle, high), predicted.time_out, *about)


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
    dtype = pd.CategoricalDtype(pd.Index(histories.BASES, dtype="str"))
    table["basis"] = pd.Categorical([one.basis for one in told], dtype=dtype)
    table["n"] = np.array([one.n for one in told], dtype="int64")
    table["scaled"] = np.array([one.scaled for one in told], dtype=bool)
    return grouping.with_own(table, active.drop(columns=_INNER))
