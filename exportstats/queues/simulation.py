"""Simulate the queue of exports of each slot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.errors import ArgumentError, SchemaError
from exportstats.queues import table
from exportstats.queues.draws import Numbers
from exportstats.queues.queue import GIVEN, queues_of
from exportstats.queues.runs import quantiles, run, to_instants
from exportstats.queues.sources import Sources
from exportstats.queues.turns import active_of, without_waiting
from exportstats.stats import grouping, histories
from exportstats.stats.as_of import instant, known_at, to_millis
from exportstats.stats.histories import BASES, keys_of
from exportstats.stats.incoming import Incoming
from exportstats.stats.weighted import to_timedelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas.api.extensions import ExtensionArray

    from exportstats.queues.queue import Queue
    from exportstats.queues.runs import Ran
    from exportstats.stats.as_of import Instant

_SLOT = list(schema.SLOT)
_POLICIES = ("wait", "refuse")
_LABELS = ("start_low", "expected_start", "start_high", "end_low", "expected_end", "end_high")
_DONE = ("done_low", "expected_done", "done_high")
_MOST_RUNS = 100_000


class QueueForecast(NamedTuple):
    """What `simulate_queue` returns.

    Attributes
    ----------
    exports
        One row per export.
    slots
        One row per slot.
    finish
        When all exports of a slot are done: one row per run, one column per slot.
    """

    exports: pd.DataFrame
    slots: pd.DataFrame
    finish: pd.DataFrame


def simulate_queue(
    tasks: shards.Tasks,
    exports: pd.DataFrame,
    *,
    start: Instant = None,
    policy: Literal["wait", "refuse"] = "wait",
    runs: int = 1000,
    seed: int = 0,
    incoming: pd.DataFrame | None = None,
) -> QueueForecast:
    """Simulate the exports of each slot one after another, with durations from its history.

    A slot first ends its active tasks. An export is asked for at its `create_at`, give or take its
    `jitter`, with its `probability`. If the slot is busy then, it is created its `pause` after the
    slot is free, or it is refused.

    Parameters
    ----------
    tasks
        A table of tasks, or shards of one. It provides the active tasks and the earlier durations.
    exports
        The result of `expected_exports`, edited as needed, or any table with `create_at`. Without
        the other columns, a log group is unknown, an export is certain and has no jitter, no pause,
        no deadline, and no duration of its own.
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

        `slots` has one row per slot, sorted:

        - `account_id`, `region`; `exports`, the expected number of exports;
        - `done_low`, `expected_done`, `done_high`, the quantiles of when all is done, active tasks
          included;
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
    The order of exports is that of asking; at the same instant, that of the rows. A slot runs one
    task at a time, without interruption. Exports that will fail count as if they completed.

    Examples
    --------
    >>> exports = pd.DataFrame({"create_at": ["2026-11-23T22:00Z"] * 3, "duration": "5min"})
    >>> forecast = simulate_queue(frames.empty(), exports, start="2026-11-23T21:00Z")
    >>> forecast.slots[["exports", "expected_done", "busy"]]
       exports             expected_done            busy
    0      3.0 2026-11-23 22:15:00+00:00 0 days 00:15:00
    """
    if policy not in _POLICIES:
        raise ArgumentError(f"policy={policy!r}; give one of {', '.join(map(repr, _POLICIES))}")
    if type(runs) is not int or not 1 <= runs <= _MOST_RUNS:
        raise ArgumentError(f"runs={runs!r}; give a number from 1 to {_MOST_RUNS:,}")
    if type(seed) is not int or not 0 <= seed < 1 << 64:
        raise ArgumentError(f"seed={seed!r}; give a whole number from 0 to 2**64 - 1")
    rows = table.conform(exports)
    when = None if start is None else instant(start, "start")
    came = None if incoming is None else Incoming.of(incoming)
    found = shards.collect(tasks, partial(_part, start=when, incoming=came))
    now = _start(found, when)
    rows = table.sort(_with_slots(rows, found))
    known = Sources(histories.Histories(found), Numbers(runs, seed))
    bytes_ = histories.bytes_of(rows, came)
    queues = queues_of(rows, bytes_, known, _free(found, known, now), now)
    ran = [run(queue.asked, queue.draw, queue.free, refuse=policy == "refuse") for queue in queues]
    return QueueForecast(
        _exports_of(exports, queues, ran, now),
        _slots_of(queues, ran, now),
        _finish_of(queues, ran, now),
    )


def _part(
    tasks: pd.DataFrame, *, start: pd.Timestamp | None, incoming: Incoming | None
) -> pd.DataFrame:
    """Return the active tasks, the histories, and when each slot was last observed."""
    slots = grouping.group(tasks, _SLOT)
    seen = coerce.millis(tasks["observed_at"])
    latest = np.full(len(slots.keys), coerce.NAT)
    np.maximum.at(latest, slots.codes, seen)
    known = tasks
    if start is not None:
        past = latest[slots.codes] >= to_millis(start)
        known = frames.stack([known_at(tasks[past], start), tasks[~past]])
        latest = np.where(latest >= to_millis(start), to_millis(start), latest)
    looks = slots.keys.assign(observed_at=coerce.times(latest), _role="observed")
    active = active_of(known, incoming).assign(_role="active")
    past = histories.part(without_waiting(known), incoming=incoming)
    return frames.stack([looks, active, past])


def _start(found: pd.DataFrame, start: pd.Timestamp | None) -> int:
    """Return when the simulation begins.

    Raises
    ------
    ArgumentError
        If it is not given, and no task has an `observed_at`.
    """
    latest = found.loc[found["_role"] == "observed", "observed_at"].max()
    begins = latest if start is None else start
    if not isinstance(begins, pd.Timestamp):
        raise ArgumentError(
            "start=None, and no task has an observed_at; "
            'give an instant with its time zone, such as "2026-11-23T06:00Z"'
        )
    return to_millis(begins.as_unit("ms"))


def _free(found: pd.DataFrame, known: Sources, now: int) -> dict[tuple[str, ...], np.ndarray]:
    """Return from which offset on each slot with active tasks is free, in each run."""
    looked = found[found["_role"] == "observed"]
    seen = dict(zip(keys_of(looked, _SLOT), coerce.millis(looked["observed_at"]), strict=True))
    active = found[found["_role"] == "active"]
    free = {}
    for slot, tasks in active.groupby(pd.Series(keys_of(active, _SLOT), index=active.index)):
        when = now if seen[slot] == coerce.NAT else seen[slot]
        rest, _ = known.free_from(tasks, when)
        free[slot] = np.maximum(when + rest - now, 0)
    return free


def _with_slots(rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return exports with the account and region that are missing, if only one slot can be meant.

    Raises
    ------
    SchemaError
        If several slots can be meant.
    """
    slots = keys_of(rows, _SLOT)
    known = {*keys_of(found[found["_role"] == "observed"], _SLOT)}
    known |= {slot for slot in slots if all(slot)}
    filled = dict(enumerate(slots))
    for row in (row for row, slot in filled.items() if slot not in known):
        slot = filled[row]
        meant = [
            one
            for one in sorted(known)
            if all(mine in ("", other) for mine, other in zip(slot, one, strict=True))
        ]
        if len(meant) > 1:
            names = zip(_SLOT, slot, strict=True)
            missing = " and ".join(name for name, value in names if not value)
            raise SchemaError(
                f"row {row} of the exports has no {missing}, and there are several slots; "
                f"give it, such as {' in '.join(filter(None, meant[0]))}"
            )
        filled[row] = meant[0] if meant else slot
    texts = pd.DataFrame([*filled.values()], columns=_SLOT, index=rows.index, dtype="str")
    return rows.assign(**texts.where(texts != ""))


def _exports_of(
    exports: pd.DataFrame, queues: Sequence[Queue], ran: Sequence[Ran], now: int
) -> pd.DataFrame:
    """Return the exports with their forecast, in their own order."""
    times = np.full((len(exports), len(_LABELS)), np.nan)
    chances = np.full((len(exports), 2), np.nan)
    basis, n = np.full(len(exports), BASES[-1], dtype=object), np.zeros(len(exports), dtype="int64")
    for queue, one in zip(queues, ran, strict=True):
        times[queue.rows] = np.column_stack([one.start, one.end])
        chances[queue.rows] = np.column_stack([one.refused, one.risk])
        basis[queue.rows], n[queue.rows] = queue.basis, queue.n
    found = dict(zip(_LABELS, map(partial(_times, now=now), times.T), strict=True))
    return exports.assign(
        **found,
        refusal_probability=chances[:, 0],
        deadline_risk=chances[:, 1],
        basis=pd.Categorical(basis, categories=pd.Index([*BASES, GIVEN], dtype="str")),
        n_durations=n,
    )


def _slots_of(queues: Sequence[Queue], ran: Sequence[Ran], now: int) -> pd.DataFrame:
    """Return one row per slot."""
    many = len(queues)
    done = np.empty((many, len(_DONE)))
    busy, share, risk, expected = np.full((4, many), np.nan)
    for row, (queue, one) in enumerate(zip(queues, ran, strict=True)):
        done[row] = quantiles(one.free[np.newaxis])[0]
        busy[row] = np.median(one.busy)
        share[row] = np.median(one.busy / np.maximum(one.free, 1))
        expected[row] = queue.asked.present.mean(axis=1).sum()
        if not np.isnan(queue.asked.deadline).all():
            risk[row] = one.late.mean()
    keys = pd.DataFrame([queue.slot for queue in queues], columns=_SLOT, dtype="str")
    return (
        keys.where(keys != "")
        .astype("category")
        .assign(
            exports=expected,
            **dict(zip(_DONE, map(partial(_times, now=now), done.T), strict=True)),
            busy=to_timedelta(busy),
            busy_share=share,
            deadline_risk=risk,
        )
    )


def _finish_of(queues: Sequence[Queue], ran: Sequence[Ran], now: int) -> pd.DataFrame:
    """Return when each slot is done, in each run."""
    columns = pd.MultiIndex.from_tuples([queue.slot for queue in queues], names=_SLOT)
    finish = {slot: _times(one.free, now) for slot, one in zip(columns, ran, strict=True)}
    return pd.DataFrame(finish, columns=columns).rename_axis(index="run")


def _times(offsets: np.ndarray, now: int) -> ExtensionArray:
    """Return offsets as times; the sum of many durations can exceed the latest time of a table."""
    return coerce.times(to_instants(offsets, now))
