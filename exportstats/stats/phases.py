"""Separate waiting from running, as far as the observations of a task allow.

The service does not report when a task started. But between the last look at which a task was
PENDING and the first one at which it was RUNNING, it must have started. `docs/definitions.md` has a
drawing of these bounds.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.core.identity import keep_latest
from exportstats.stats import grouping
from exportstats.stats.as_of import instant
from exportstats.stats.durations import labels_of
from exportstats.stats.weighted import sort_weighted, to_timedelta

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from exportstats.core.shards import Shards


PHASES, _ENDS = ("waiting", "running"), ("low", "high")
BOUNDS = tuple(f"{phase}_{end}" for phase in PHASES for end in _ENDS)
_TASK = (*schema.KEY, "log_group_name", "status_code", "creation_time", "duration")
_READ = (*_TASK, "completion_time", "observed_at")
_WAITING = [*schema.KEY, "creation_time", "waiting_low", "waiting_high"]
LOOK = 1_000  # `observed_at` is in whole seconds, so the look was up to a second later


def phase_durations(
    observations: pd.DataFrame | Shards, *, as_of: str | date | pd.Period | None = None
) -> pd.DataFrame:
    """Return how long each task waited and ran, at least and at most.

    Parameters
    ----------
    observations
        An `Archive`, or a table with a row for each time that a task was seen, such as
        `Archive.history` returns or `pd.concat` makes of several lists. A table in which each task
        is only once, or tasks that were never seen active, leave wide bounds.
    as_of
        Use only what was observed until this instant; by default, everything.

    Returns
    -------
    DataFrame
        One row per task in its latest state, sorted by account, region and creation: `account_id`,
        `region`, `task_id`, `log_group_name`, `status_code`, `creation_time`, `duration`; your own
        columns are kept. Then

        - `waiting_low`, `waiting_high`: bounds of the time from the creation to the start. A task
          that ended without having run waited until its end;
        - `running_low`, `running_high`: bounds of the time from the start to the end, or, of an
          active task, to what is known of its end;
        - `looks`, at how many different times the task was seen active.

        The bounds are `timedelta64[ms]`. An upper bound that is not known yet is missing. All are
        missing without a `creation_time`, or if the task completed before it.

    Raises
    ------
    ArgumentError
        If `as_of` has no time zone.
    SchemaError
        If this is not a table of tasks.

    Notes
    -----
    The start is after each look at which the task was PENDING and before each one at which it was
    RUNNING. Looks that contradict this, because a clock went back, are not used.

    Examples
    --------
    Seen after 1 and 3 minutes, and completed after 10:

    >>> import pandas as pd
    >>> import exportstats as xs
    >>> looks = [xs.conform(pd.DataFrame({
    ...     "task_id": ["a"], "status_code": [state], "creation_time": [0],
    ...     "completion_time": [ended], "observed_at": [seen * 60_000]}))
    ...     for state, seen, ended in
    ...     [("PENDING", 1, None), ("RUNNING", 3, None), ("COMPLETED", 20, 600_000)]]
    >>> xs.phase_durations(pd.concat(looks)).loc[0, "waiting_low":]
    waiting_low     0 days 00:01:00
    waiting_high    0 days 00:03:01
    running_low     0 days 00:06:59
    running_high    0 days 00:09:00
    looks                         2
    Name: 0, dtype: object
    """
    until = None if as_of is None else instant(as_of, "as_of")
    every = shards.observations_of(observations)
    # only a user's own table has other columns to keep
    is_own = isinstance(observations, pd.DataFrame) or not hasattr(observations, "observations")
    columns = None if is_own else _READ
    found = shards.collect(every, partial(_bound, until=until), columns)
    order = ["account_id", "region", "creation_time", "task_id"]
    return found.sort_values(order, kind="stable", ignore_index=True)


def phase_summary(
    phases: pd.DataFrame,
    *,
    by: str | Sequence[str] | None = None,
    quantiles: float | Sequence[float] = (0.5, 0.9),
) -> pd.DataFrame:
    """Summarise how long COMPLETED tasks waited and ran, at least and at most.

    Parameters
    ----------
    phases
        The table that `phase_durations` returns.
    by
        Column or columns to group by. Missing values form a group of their own.
    quantiles
        A quantile or several, from 0 to 1.

    Returns
    -------
    DataFrame
        One row per group, or a single row "all" without `by`. Columns:

        - `completed`, the number of COMPLETED tasks with known bounds;
        - `seen`, how many of them were seen active at least once;
        - `censored`, the number of active tasks;
        - `waiting_p50_low`, `waiting_p50_high`, `running_p50_low` and so on: bounds of each
          quantile as `timedelta64[ms]`; missing if `completed` is 0.

    Raises
    ------
    ArgumentError
        If a column cannot be grouped by, or a quantile is not from 0 to 1.
    SchemaError
        If this is not such a table.

    Notes
    -----
    The bounds are the quantiles of the lower and of the upper bounds of the tasks. They are close
    together if tasks were seen often, and no assumption is made on what happened between two looks.
    They do not include the uncertainty of a small number of tasks.

    Examples
    --------
    Of a list that was read once, nothing is known but the durations:

    >>> import exportstats as xs
    >>> table = xs.sample_tasks().pipe(xs.phase_durations).pipe(xs.phase_summary, quantiles=0.5)
    >>> table.loc["all", ["seen", "running_p50_low", "running_p50_high"]]
    seen                                       0
    running_p50_low              0 days 00:00:00
    running_p50_high      0 days 00:04:42.968000
    Name: all, dtype: object
    """
    labels = labels_of(quantiles)
    _require(phases, ("status_code", "looks", *BOUNDS))
    lengths = [f"{phase}_{label}_{end}" for phase in PHASES for label in labels for end in _ENDS]
    names = grouping.names_of(by, phases, ("completed", "seen", "censored", *lengths))
    groups = grouping.group(grouping.columns_of(phases, names), names)
    many = len(groups.keys)
    state = phases["status_code"]
    known = phases["waiting_high"].notna() & phases["running_high"].notna()
    done = ((state == "COMPLETED") & known).to_numpy()
    seen = done & (phases["looks"] > 0).to_numpy()
    active = state.isin(schema.ACTIVE_STATES).to_numpy()
    counts = {"completed": done, "seen": seen, "censored": active}
    columns = {
        name: np.bincount(groups.codes[rows], minlength=many) for name, rows in counts.items()
    }
    for name in lengths:
        phase, label, end = name.split("_")
        bounds = coerce.millis(phases[f"{phase}_{end}"])[done]
        sorted_bounds = sort_weighted(groups.codes[done], bounds, None, many)
        columns[name] = to_timedelta(sorted_bounds.quantile(labels[label]))
    return pd.DataFrame(columns, index=grouping.index_of(groups.keys))


def _require(phases: pd.DataFrame, names: Sequence[str]) -> None:
    remedy = "xs.phase_durations makes a table of phases"
    frames.require(phases, "table of phases", remedy, columns=dict.fromkeys(names))


def of_waiting(phases: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return what `waited` reads of a table of phases, after checking it."""
    if phases is None:
        return None
    _require(phases, _WAITING)
    return phases[_WAITING].drop_duplicates(_WAITING[:-2])


def waited(tasks: pd.DataFrame, phases: pd.DataFrame | None) -> tuple[np.ndarray, np.ndarray]:
    """Return how long each task waited, at least and at most, in milliseconds; NaN is unknown."""
    if phases is None:
        return (np.full(len(tasks), np.nan),) * 2
    found = tasks[_WAITING[:-2]].merge(phases, how="left")
    low, high = (coerce.float_millis(found[name]) for name in _WAITING[-2:])
    return low, high


def _bound(seen: pd.DataFrame, *, until: pd.Timestamp | None) -> pd.DataFrame:
    """Return the tasks of one shard with the bounds of their phases; this is the part."""
    if until is not None:
        seen = seen[seen["observed_at"] <= until]
    others = [name for name in schema.NAMES if name not in _READ]
    seen = seen.drop(columns=others, errors="ignore").reset_index(drop=True)
    tasks = keep_latest(seen, schema.TASKS)[0]
    group = grouping.group(seen, schema.KEY).codes
    of_task = group[tasks.index]
    created, completed = (
        coerce.float_millis(tasks[name]) for name in ("creation_time", "completion_time")
    )
    looks = [look[of_task] for look in _looks(seen, group)]
    bounds = _phases(created, completed, *looks)
    without_looks = _phases(created, completed, *np.full((4, len(tasks)), np.nan))
    contradicts = (bounds[::2] > bounds[1::2]).any(axis=0)
    bounds = np.where(contradicts, without_looks, bounds)
    bounds[:, np.isnan(created) | (completed < created)] = np.nan

    lengths = {name: to_timedelta(each) for name, each in zip(BOUNDS, bounds, strict=True)}
    is_look = seen["status_code"].isin(schema.ACTIVE_STATES)
    many = seen["observed_at"][is_look].groupby(group[is_look]).nunique()
    answer = tasks[[*_TASK]].assign(**lengths, looks=many.reindex(of_task, fill_value=0).to_numpy())
    return grouping.with_own(answer, tasks)


def _looks(seen: pd.DataFrame, group: np.ndarray) -> Iterator[np.ndarray]:
    """Yield for each task when it was last PENDING, first RUNNING, last active and first ended."""
    observed = coerce.float_millis(seen["observed_at"])
    for states, nearest in (
        (["PENDING"], np.fmax),
        (["RUNNING"], np.fmin),
        (schema.ACTIVE_STATES, np.fmax),
        (schema.TERMINAL_STATES, np.fmin),
    ):
        rows = seen["status_code"].isin(states).to_numpy()
        found = np.full(group.max(initial=-1) + 1, np.nan)
        nearest.at(found, group[rows], observed[rows])
        yield found if nearest is np.fmax else found + LOOK


def _phases(
    created: np.ndarray,
    completed: np.ndarray,
    pending: np.ndarray,
    running: np.ndarray,
    active: np.ndarray,
    ended: np.ndarray,
) -> np.ndarray:
    """Return the bounds of both phases of each task, a row each; NaN is unknown."""
    # the end is exact if it was reported; otherwise looks bound it, too
    first_end = np.where(np.isnan(completed), active, completed)
    last_end = np.where(np.isnan(completed), ended, completed)
    first_start = np.fmax(created, pending)
    last_start = np.fmin(running, last_end)
    return np.array(
        [
            first_start - created,
            last_start - created,
            np.fmax(first_end - last_start, 0),
            last_end - first_start,
        ]
    )
