"""Simulate the queue of exports of each slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.queues.draws import Numbers
from exportstats.queues.night import Night
from exportstats.queues.queue import QUEUE_BASES
from exportstats.queues.runs import quantiles, refuses, run, to_instants
from exportstats.stats.histories import categorical
from exportstats.stats.weighted import to_timedelta

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pandas.api.extensions import ExtensionArray

    from exportstats.core.shards import Shards
    from exportstats.queues.queue import Queue
    from exportstats.queues.runs import Ran

_SLOT = list(schema.SLOT)
_LABELS = ("start_low", "expected_start", "start_high", "end_low", "expected_end", "end_high")
_DONE = ("done_low", "expected_done", "done_high")
_COST_OF_TRIES = 0.02  # the share of the busy time
_SELDOM = 0.01  # exports that find the slot busy, in a run


class QueueForecast(NamedTuple):
    """What `simulate_queue` returns.

    Attributes
    ----------
    exports
        One row per export, with when it starts and ends.
    slots
        One row per slot, with when all of its exports are done.
    finish
        When all exports of a slot are done, in UTC: one row per run, one column per slot. The
        returns of `simulate_queue` describe the columns of the three tables.

    Examples
    --------
    >>> import exportstats as xs
    >>> tasks = xs.sample_tasks()
    >>> exports = xs.expected_exports(tasks, start="2026-11-17", end="2026-11-18")
    >>> forecast = xs.simulate_queue(tasks, exports, start="2026-11-17", runs=100)
    >>> len(forecast.exports) == len(exports), forecast.finish.shape
    (True, (100, 5))
    """

    exports: pd.DataFrame
    slots: pd.DataFrame
    finish: pd.DataFrame


# `help` shows "pd.DataFrame", as for functions, and not a ForwardRef
QueueForecast.__new__.__annotations__ = dict.fromkeys(QueueForecast._fields, "pd.DataFrame")


def simulate_queue(
    tasks: pd.DataFrame | Shards,
    exports: pd.DataFrame,
    *,
    start: str | date | pd.Period | None = None,
    policy: Literal["wait", "refuse"] = "wait",
    runs: int = 1000,
    seed: int = 0,
    incoming: pd.DataFrame | None = None,
) -> QueueForecast:
    """Simulate the exports of each slot one after another, with durations from its history.

    A slot first ends its active tasks. An export is asked for at its `create_at`, give or take its
    `jitter`, with its `probability`. If the slot is busy then, it is created its `pause` after the
    slot is free, or when it is asked for again after a multiple of its `retry`, or never.

    Parameters
    ----------
    tasks
        A table of tasks, an `Archive`, or what `from_spark` returns. It provides the active tasks
        and the earlier durations.
    exports
        The result of `expected_exports`, edited as needed, or any table with `create_at`. Without
        the other columns, a log group is unknown, an export is certain and has no jitter, no pause,
        no deadline, and no duration of its own. A `retry` is the time between the tries of an
        exporter that does not know when the slot is free.
    start
        When the simulation begins, using only what was known then. By default, the latest
        `observed_at`. If it is later than that, the active tasks go on until then.
    policy
        What happens to an export that finds the slot busy: "wait" or "refuse".
    runs
        The number of simulated runs, up to 100,000.
    seed
        The seed of the random numbers. The same question with the same seed has the same answer.
    incoming
        What log groups took in, by period. Where durations follow the bytes of the windows, they
        are scaled by these.

    Returns
    -------
    QueueForecast
        `exports` has the rows and columns of `exports`, with these columns:

        - `start_low`, `expected_start`, `start_high` and `end_low`, `expected_end`, `end_high`, the
          10 %, 50 % and 90 % quantiles of the start and the end (`datetime64[ms, UTC]`), given
          that it runs; NaT without any history, or if it never runs;
        - `refusal_probability`, that the slot is busy when it is asked for: with the policy
          "wait", its first create call is refused, or it is PENDING;
        - `deadline_risk`, the probability that it is asked for, but not done by its deadline; NaN
          without a deadline;
        - `basis`, whose durations were used: "log_group", "slot", "all" or "none", or "given"; and
          `n_durations`, their number.

        `slots` has one row per slot with exports or active tasks, sorted:

        - `account_id`, `region`; `exports`, the expected number of exports;
        - `done_low`, `expected_done`, `done_high`, the quantiles of when all is done, active tasks
          included; in a run without any, that is `start`;
        - `refusals`, the expected number of exports that find the slot busy;
        - `retry_pause`, the pause between tries that costs about 2 % of the busy time, if all
          exports that find the slot busy try again; NaT if fewer than one in a hundred runs does;
        - `busy`, the median of the time in which a task is active (`timedelta64[ms]`), and
          `busy_share`, its share of the time from `start` until all is done;
        - `deadline_risk`, the probability that any of its deadlines is missed; NaN if it has none.

        `finish` has one row per run and one column per slot, a pair of `account_id` and `region`.

    Raises
    ------
    ArgumentError
        If there is neither a `start` nor an `observed_at`, or an argument is not valid.
    SchemaError
        If `exports` is not a table of exports, `tasks` not one of tasks, or `incoming` not one of
        incoming data; or if periods of `incoming` overlap.

    Notes
    -----
    Durations are drawn as in `plan_backfill`. The random numbers of an export depend only on its
    names, its window and the seed. So scenarios of the same exports can be compared run by run.
    The order of exports is that of asking; at the same instant, that of the rows. But an export
    with a `pause` or a `retry` has to wait until no task is active, while one without is PENDING
    before that and comes first. A slot runs one task at a time, without interruption. Exports that
    will fail count as if they completed.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.sample_tasks().head(0)  # no history is needed: the exports have durations
    >>> exports = pd.DataFrame({"create_at": ["2026-11-23T22:00Z"] * 3, "duration": "5min"})
    >>> forecast = xs.simulate_queue(tasks, exports, start="2026-11-23T21:00Z")
    >>> forecast.slots[["exports", "expected_done", "busy"]]
       exports             expected_done            busy
    0      3.0 2026-11-23 22:15:00+00:00 0 days 00:15:00
    """
    refuse = refuses(policy)
    night = Night.of(tasks, start, Numbers.of(runs, seed), incoming)
    queues, now = night.queues(exports), night.now
    ran = [run(queue.ask(), queue.draw, queue.free, refuse=refuse) for queue in queues]
    return QueueForecast(
        _exports_of(exports, queues, ran, now),
        _slots_of(queues, ran, now),
        _finish_of(queues, ran, now, runs),
    )


def _exports_of(
    exports: pd.DataFrame, queues: Sequence[Queue], ran: Sequence[Ran], now: int
) -> pd.DataFrame:
    """Return the exports with their forecast, in their own order."""
    times = np.full((len(exports), len(_LABELS)), np.nan)
    chances = np.full((len(exports), 2), np.nan)
    basis, n = np.zeros((2, len(exports)), dtype="int64")
    for queue, one in zip(queues, ran, strict=True):
        times[queue.rows] = np.column_stack([one.start, one.end])
        chances[queue.rows] = np.column_stack([one.refused, one.risk])
        basis[queue.rows], n[queue.rows] = queue.basis, queue.n
    return exports.assign(
        **_columns(_LABELS, times, now),
        refusal_probability=chances[:, 0],
        deadline_risk=chances[:, 1],
        basis=categorical(basis, QUEUE_BASES),
        n_durations=n,
    )


def _slots_of(queues: Sequence[Queue], ran: Sequence[Ran], now: int) -> pd.DataFrame:
    """Return one row per slot."""
    done = [quantiles(one.free[np.newaxis])[0] for one in ran]
    busy = np.array([np.median(one.busy) for one in ran])
    # each wait for the next try takes half a pause
    waits = np.array([np.nansum(one.refused * one.asked) for one in ran])
    waits = np.where(np.isnan(busy), np.nan, waits)
    pause = np.divide(
        2 * _COST_OF_TRIES * busy, waits, out=np.full(len(busy), np.nan), where=waits > _SELDOM
    )
    keys = pd.DataFrame([queue.slot for queue in queues], columns=_SLOT, dtype="str")
    return (
        keys.where(keys != "")
        .astype("category")
        .assign(
            exports=np.array([one.asked.sum() for one in ran]),
            **_columns(_DONE, np.reshape(done, (-1, len(_DONE))), now),
            refusals=waits,
            busy=to_timedelta(busy),
            busy_share=np.array([np.median(one.busy / np.maximum(one.free, 1)) for one in ran]),
            deadline_risk=np.array(
                [np.nan if np.isnan(one.risk).all() else one.late.mean() for one in ran]
            ),
            retry_pause=to_timedelta(pause),
        )
    )


def _columns(names: Sequence[str], offsets: np.ndarray, now: int) -> dict[str, ExtensionArray]:
    """Return columns of offsets as times."""
    return {name: _times(offsets[:, at], now) for at, name in enumerate(names)}


def _finish_of(queues: Sequence[Queue], ran: Sequence[Ran], now: int, runs: int) -> pd.DataFrame:
    """Return when each slot is done, in each run."""
    columns = pd.MultiIndex.from_tuples([queue.slot for queue in queues], names=_SLOT)
    finish = {slot: _times(one.free, now) for slot, one in zip(columns, ran, strict=True)}
    return pd.DataFrame(finish, columns=columns, index=pd.RangeIndex(runs, name="run"))


def _times(offsets: np.ndarray, now: int) -> ExtensionArray:
    """Return offsets as times; the sum of many durations can exceed the latest time of a table."""
    return coerce.times(to_instants(offsets, now))
