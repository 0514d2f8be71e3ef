"""Forecast when active tasks will be done, from the durations of earlier tasks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exportstats.core import coerce, frames, schema, shards
from exportstats.stats import grouping, histories
from exportstats.stats.as_of import known_at
from exportstats.stats.common_trend import SUMS
from exportstats.stats.incoming import Incoming
from exportstats.stats.matching import warn_of_namesakes
from exportstats.stats.phases import LOOK, of_waiting, waited
from exportstats.stats.predictive import TIME_OUT
from exportstats.stats.scaling import SCALES
from exportstats.stats.weighted import to_timedelta

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from exportstats.core.shards import Shards


_GROUP, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
_SHARES = np.array([0.1, 0.5, 0.9])
_INNER = [
    "_role",
    "_now",
    "_bytes",
    "duration",
    "window",
    *histories.WAITED,
    *histories.COUNTS,
    *SUMS,
]


def estimate_completion(
    tasks: pd.DataFrame | Shards,
    *,
    as_of: str | date | pd.Period | None = None,
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
        A table of tasks, an `Archive`, or what `from_spark` returns.
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
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> frame = pd.DataFrame({"task_id": [*map(str, range(31))], "log_group_name": "acme/api",
    ...                       "account_id": "111122223333", "region": "eu-west-1",
    ...                       "status_code": ["COMPLETED"] * 30 + ["RUNNING"],
    ...                       "creation_time": range(0, 31_000_000, 1_000_000),
    ...                       "completion_time": [1_000_000 * i + 60_000 * (i % 3 + 1)
    ...                                           for i in range(30)] + [None],
    ...                       "observed_at": 30_030_000})
    >>> xs.estimate_completion(xs.conform(frame))[["elapsed", "remaining", "basis", "n"]]
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
    return _as_table(active, _estimate(active, every))


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


def _estimate(active: pd.DataFrame, every: histories.Histories) -> dict[str, np.ndarray]:
    """Estimate the remaining time of each task from the closest history; NaN where unknown."""
    n = len(active)
    elapsed, window, bytes_, *waited = (
        active[name].to_numpy("float64")
        for name in ("elapsed", "window", "_bytes", *histories.WAITED)
    )
    found = {
        "remaining": np.full((n, len(_SHARES)), np.nan),
        "timeout": np.full(n, np.nan),
        "basis": np.full(n, len(histories.BASES) - 1),
        "n": np.zeros(n, dtype="int64"),
        "scaled_by": np.full(n, len(SCALES) - 1),
    }
    number = every.find(histories.keys_of(active))
    known = np.flatnonzero((number >= 0) & (elapsed >= 0))
    for batch in every.batches(number[known]):
        rows = known[batch]
        history, passed = every.take(number[rows]), elapsed[rows]
        low, high = (each[rows] for each in waited)
        running = high <= passed + LOOK  # it was seen RUNNING, so only its running time counts
        if running.any():
            waits, wait = history.waits(low, high)
            waits = np.where(running[:, np.newaxis], waits, 0)
            history = history._replace(durations=history.durations - waits)
            passed = np.where(running, np.maximum(passed - wait, 0), passed)
        scaled = history.scaled_to(window[rows], bytes_[rows])
        model = history.model(scaled.of(bytes_[rows]))
        predicted = model.predict(np.minimum(passed, TIME_OUT - 1))
        ends = np.array([one.quantile(_SHARES) for one in predicted])
        rest = np.maximum(TIME_OUT - elapsed[rows], 0)[:, np.newaxis]
        found["remaining"][rows] = np.clip(ends - passed[:, np.newaxis], 0, rest)
        timeout = np.array([one.timeout_probability for one in predicted])
        found["timeout"][rows] = np.where(elapsed[rows] >= TIME_OUT, 1.0, timeout)
        found["basis"][rows] = every.basis[number[rows]]
        found["n"][rows], found["scaled_by"][rows] = scaled.n, scaled.by
    return found


def _as_table(active: pd.DataFrame, found: dict[str, np.ndarray]) -> pd.DataFrame:
    names = [*_GROUP, "task_id", "status_code", "creation_time"]
    table = active[names].copy()
    elapsed, now = active["elapsed"].to_numpy("int64"), active["_now"].to_numpy("int64")
    remaining = to_timedelta(found["remaining"]).T
    ends = np.where(np.isnat(remaining), coerce.NAT, now + remaining.view("int64"))
    table["elapsed"] = elapsed.view("timedelta64[ms]")
    labels = ("_low", "", "_high")
    for label, column in zip(labels, remaining, strict=True):
        table[f"remaining{label}"] = column
    for label, column in zip(labels, ends, strict=True):
        table[f"ends{label}"] = coerce.times(column)
    table["timeout_probability"] = found["timeout"]
    table["basis"] = histories.categorical(found["basis"], histories.BASES)
    table["n"] = found["n"]
    table["scaled_by"] = histories.categorical(found["scaled_by"], SCALES)
    return grouping.with_own(table, active.drop(columns=_INNER))
