"""Forecast when active tasks will be done, from the durations of earlier tasks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.core import coerce, frames, schema, shards
from exportstats.stats import grouping, histories
from exportstats.stats.as_of import known_at
from exportstats.stats.incoming import Incoming
from exportstats.stats.matching import warn_of_namesakes
from exportstats.stats.phases import LOOK, of_waiting, waited
from exportstats.stats.predictive import TIME_OUT
from exportstats.stats.scaling import SCALES
from exportstats.stats.weighted import to_timedelta

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.stats.as_of import Instant

_GROUP, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
_SHARES = np.array([0.1, 0.5, 0.9])
_INNER = ["_role", "_now", "_bytes", "duration", "window", *histories.WAITED, *histories.COUNTS]


def estimate_completion(
    tasks: shards.Tasks,
    *,
    as_of: Instant = None,
    phases: pd.DataFrame | None = None,
    incoming: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Estimate when each active task will be done, given how long it has been active.

    The history of a task is the latest 100 tasks of its log group that COMPLETED or ran into the
    24-hour time-out; later ones weigh more. If there are none, the history of its slot is used,
    then that of all slots. The remaining time is estimated from those that took longer than the
    task has taken so far. Below the shortest and above the longest of them, Student's distribution
    of the cube roots is used. If the history is short, its spread is learned from other log groups.

    Some tasks are stuck: they run into the time-out, or end at any time before it. Their share is
    learned from the tasks of all slots. If durations depend on the length of the window, they are
    scaled to that of the task; if there are 20 windows from half to twice its length, only these
    are used. If they depend more on the bytes that came in during the window, they are scaled to
    these. If at least 50 tasks of a log group show a trend, it is followed.

    Of a task that was seen RUNNING, `phases` bounds the start. Its running time is then compared
    with those of the history.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one.
    as_of
        Use only what was known at this instant. By default, each active task is used as it was
        observed, at its own `observed_at`.
    phases
        The table that `phase_durations` returns for the observations of these tasks. By default,
        nothing is known of how long they waited.
    incoming
        A table of what log groups took in. It should have the windows of the active tasks and of at
        least 20 earlier ones. What it does not have is unknown, not 0.

    Returns
    -------
    DataFrame
        One row per active task, sorted by slot and creation, with these columns:

        - `account_id`, `region`, `log_group_name`, `task_id`, `status_code`, `creation_time`;
        - `elapsed`, the time since its creation (`timedelta64[ms]`);
        - `remaining_low`, `remaining`, `remaining_high`, the 10 %, 50 % and 90 % quantiles of the
          remaining time (`timedelta64[ms]`), missing if unknown;
        - `ends_low`, `ends`, `ends_high`, the same as times (`datetime64[ms, UTC]`);
        - `timeout_probability`, of running into the 24-hour time-out;
        - `basis`, whose history was used: "log_group", "slot", "all" or "none";
        - `n`, the number of tasks in it;
        - `scaled_by`, what their durations were scaled by: "bytes" that came in, the length of the
          "window", or "none". If bytes are not known, or explain durations less than the window
          does, they are not used;
        - the columns that you joined to the tasks.

    Raises
    ------
    ArgumentError
        If `as_of` has no time zone.
    SchemaError
        If `tasks`, `phases` or `incoming` is not such a table, or periods of `incoming` overlap.

    Notes
    -----
    If n earlier tasks took longer than the elapsed time, the next end lies in each of the n + 1
    intervals between their ends with the same probability, whatever the distribution (Hill, 1968).
    The interval from `remaining_low` to `remaining_high` contained 75 to 85 % of the ends when
    measured, and at least 75 % with a history of fewer than 5 tasks; see benchmarks/README.md.

    With `phases`, the typical waiting time is the one with the smallest sum of distances from all
    intervals of the history and of the task: the lower median of their ends. Each task is taken to
    have waited for the time in its interval that is closest to this.

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
    came = None if incoming is None else Incoming.of(incoming)
    part = partial(_part, phases=of_waiting(phases), incoming=came)
    rows = shards.collect(known_at(tasks, as_of), part)
    active = rows[rows["_role"] == "active"]
    if came is not None:
        warn_of_namesakes(active, {"incoming": came.keys})
    active = active.sort_values([*_SLOT, "creation_time", "task_id"], ignore_index=True)
    every = histories.Histories(rows)
    estimates = [
        _estimate(*task, every)
        for task in zip(
            active["elapsed"].to_numpy("float64"),
            active["window"].to_numpy("float64"),
            active["_bytes"].to_numpy("float64"),
            active[[*histories.WAITED]].to_numpy("float64"),
            histories.keys_of(active),
            strict=True,
        )
    ]
    return _as_table(active, estimates)


def _part(
    known: pd.DataFrame, *, phases: pd.DataFrame | None, incoming: Incoming | None
) -> pd.DataFrame:
    """Return the active tasks, and the histories of their log groups and of each slot."""
    now, created = (coerce.millis(known[name]) for name in ("observed_at", "creation_time"))
    has_age = (now != coerce.NAT) & (created != coerce.NAT)
    elapsed = np.where(has_age, np.maximum(now - created, 0), coerce.NAT)
    active = known["status_code"].isin(schema.ACTIVE_STATES).to_numpy()
    names = [*_GROUP, "task_id", "status_code", "creation_time"]
    some = known[active]
    waits = waited(known, phases)
    found = some[names].assign(
        elapsed=elapsed[active],
        _now=now[active],
        window=coerce.float_millis(some["window"]),
        _bytes=histories.bytes_of(some, incoming),
        **{name: each[active] for name, each in zip(histories.WAITED, waits, strict=True)},
        _role="active",
    )
    history = histories.part(known, active, waits, incoming)
    if not len(known):
        return frames.stack([grouping.with_own(found, some), history[:0]])
    # the user's columns need some values here; missing ones would turn integers into floats
    filler = known.iloc[np.zeros(len(history), dtype="int64")]
    return frames.stack([grouping.with_own(found, some), grouping.with_own(history, filler)])


class _Estimate(NamedTuple):
    """The estimate for one task, in milliseconds; NaN where unknown."""

    remaining: tuple[float, float, float] = (np.nan,) * 3
    timeout: float = np.nan
    basis: str = "none"
    n: int = 0
    scaled_by: str = "none"


def _estimate(
    elapsed: float,
    window: float,
    bytes_: float,
    waited: np.ndarray,
    key: tuple[str, ...],
    every: histories.Histories,
) -> _Estimate:
    """Estimate the remaining time of one task from the closest history."""
    history = every.of(key)
    if history is None or elapsed < 0:
        return _Estimate()
    passed = elapsed
    if waited[1] <= elapsed + LOOK:  # it was seen RUNNING, so only its running time counts
        waits, wait = history.waits(*waited)
        history = history._replace(durations=history.durations - waits)
        passed = max(elapsed - wait, 0)
    scaled = history.scaled_to(window, has_bytes=not np.isnan(bytes_))
    durations = scaled.of(bytes_)
    about = history.basis, len(durations), scaled.by
    if elapsed >= TIME_OUT:
        return _Estimate((0.0,) * 3, 1.0, *about)
    predicted = every.model(key, history, durations).predict(passed)
    remaining = np.clip(predicted.quantile(_SHARES) - passed, 0, TIME_OUT - elapsed)
    low, middle, high = remaining.tolist()
    return _Estimate((low, middle, high), predicted.timeout_probability, *about)


def _as_table(active: pd.DataFrame, estimates: list[_Estimate]) -> pd.DataFrame:
    names = [*_GROUP, "task_id", "status_code", "creation_time"]
    table = active[names].copy()
    elapsed, now = active["elapsed"].to_numpy("int64"), active["_now"].to_numpy("int64")
    millis = np.array([one.remaining for one in estimates], dtype="float64")
    remaining = to_timedelta(millis.reshape(-1, len(_SHARES))).T
    ends = np.where(np.isnat(remaining), coerce.NAT, now + remaining.view("int64"))
    table["elapsed"] = elapsed.view("timedelta64[ms]")
    labels = ("_low", "", "_high")
    for label, column in zip(labels, remaining, strict=True):
        table[f"remaining{label}"] = column
    for label, column in zip(labels, ends, strict=True):
        table[f"ends{label}"] = coerce.times(column)
    table["timeout_probability"] = np.array([one.timeout for one in estimates], dtype="float64")
    table["basis"] = histories.categorical([one.basis for one in estimates], histories.BASES)
    table["n"] = np.array([one.n for one in estimates], dtype="int64")
    table["scaled_by"] = histories.categorical([one.scaled_by for one in estimates], SCALES)
    return grouping.with_own(table, active.drop(columns=_INNER))
