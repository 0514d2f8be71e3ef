"""Search an order and start times of exports that keep their deadlines.

A slot runs one task at a time, and no export begins before its own earliest time: on one machine
with release times, the order with the smallest maximum lateness is hard to find (Lenstra, Rinnooy
Kan and Brucker, Complexity of machine scheduling problems, Annals of Discrete Mathematics 1, 1977).
The search is Schrage's rule, iterated as proposed by Potts (Analysis of a heuristic for one machine
sequencing with release dates and delivery times, Operations Research 28, 1980). The bound is that
of a schedule in which exports may be interrupted (Carlier, The one-machine sequencing problem,
European Journal of Operational Research 11, 1982). If all exports may begin at once, the order of
deadlines is the best one (Jackson's rule), and the search is exact.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.queues import table
from exportstats.queues.draws import Numbers
from exportstats.queues.night import Night
from exportstats.queues.queue import offsets
from exportstats.queues.runs import refuses, to_instants
from exportstats.stats.as_of import length
from exportstats.stats.completion import check_confidence
from exportstats.stats.weighted import to_timedelta

if TYPE_CHECKING:
    from datetime import date, timedelta

    from exportstats.core.shards import Shards
    from exportstats.queues.queue import Queue

_TRIES = 100  # orders that are compared
_INSTANTS = 50  # earliest times from which the bound counts; fewer make it lower, but not wrong


def schedule_exports(  # noqa: PLR0913 - options of one simulation
    tasks: pd.DataFrame | Shards,
    exports: pd.DataFrame,
    *,
    margin: str | timedelta = "12h",
    policy: Literal["wait", "refuse"] = "wait",
    confidence: float = 0.9,
    start: str | date | pd.Period | None = None,
    runs: int = 1000,
    seed: int = 0,
    incoming: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Propose an order and start times of exports that keep their deadlines.

    Parameters
    ----------
    tasks, exports, start, runs, seed, incoming
        As in `simulate_queue`, without jitter. Exports without a deadline come when they delay no
        other one.
    margin
        How long after the end of its window an export may begin, when late events have arrived. It
        may always begin at its `create_at`, and without a window not earlier.
    policy
        With "wait", each export is asked for as early as its turn allows, and waits for the one
        before it. With "refuse", it is asked for when that has ended with `confidence`.
    confidence
        The share of the runs in which the deadlines are to be kept.

    Returns
    -------
    DataFrame
        The rows of `exports` by slot and in the proposed order, with a new `create_at`, a `jitter`
        of 0, and `slack` (`timedelta64[ms]`): the time between the end, with `confidence`, and the
        deadline. It is negative if the deadline is missed by so much. `attrs` has two lengths of
        time: `late_by`, by how much the worst deadline of all is missed, with `confidence`, in this
        order; and `late_by_at_least`, the same in the best order there may be. If the first one is
        not above 0, all deadlines are kept. If the second one is, no order keeps them. NaT if
        there is no deadline, or no history.

    Raises
    ------
    ArgumentError
        If an argument is not valid.
    SchemaError
        As in `simulate_queue`.

    Notes
    -----
    Orders are compared by the means of the durations, and the result by all runs. The search is
    that of Potts (1980), with the bound of Carlier (1982). If all exports may begin at once, the
    order of deadlines is the best one.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.sample_tasks().head(0)  # no history is needed: the exports have durations
    >>> exports = pd.DataFrame({"log_group_name": ["long", "short"], "duration": ["3h", "30min"],
    ...                         "create_at": "2026-11-23T22:00Z",
    ...                         "deadline": ["2026-11-24T02:00Z", "2026-11-23T23:00Z"]})
    >>> order = xs.schedule_exports(tasks, exports, start="2026-11-23T22:00Z")
    >>> order[["log_group_name", "create_at", "slack"]]
      log_group_name                 create_at           slack
    1          short 2026-11-23 22:00:00+00:00 0 days 00:30:00
    0           long 2026-11-23 22:00:00+00:00 0 days 00:30:00
    """
    refuse = refuses(policy)
    check_confidence(confidence)
    late_events = length(margin, "margin")
    night = Night.of(tasks, start, Numbers.of(runs, seed), incoming)
    queues = night.queues(exports)
    rows = table.conform(exports)
    ends = offsets(rows["to_time"], night.now) + 1 + late_events
    at = offsets(rows["create_at"], night.now)
    earliest = np.maximum(np.fmin(at, ends), 0)
    order, asked, slack, late = [], [], [], []
    for queue in queues:
        found = _schedule(queue, earliest[queue.rows], confidence, refuse=refuse)
        order.append(queue.rows[found.order])
        asked.append(found.asked)
        slack.append(found.slack)
        late.append((found.late, found.least))
    placed = np.concatenate([*order, np.zeros(0, "int64")])
    proposed = exports.iloc[placed].assign(
        create_at=coerce.times(to_instants(np.concatenate([*asked, []]), night.now)),
        jitter=np.zeros(len(placed), "timedelta64[ms]"),
        slack=to_timedelta(np.concatenate([*slack, []])),
    )
    worst = np.max([*late, (-np.inf, -np.inf)], axis=0)
    lengths = to_timedelta(np.where(np.isfinite(worst), worst, np.nan))
    late_by, at_least = map(pd.Timedelta, lengths)
    proposed.attrs |= {"late_by": late_by, "late_by_at_least": at_least}
    return proposed


class _Schedule(NamedTuple):
    """The proposed order of a slot's exports; times are offsets.

    Attributes
    ----------
    order
        The exports in the proposed order. The others follow it.
    asked
        When each is asked for.
    slack
        The time from its end, with confidence, to its deadline; NaN if it has none.
    late, least
        By how much the worst deadline is missed, and by how much at least in any order.
    """

    order: np.ndarray
    asked: np.ndarray
    slack: np.ndarray
    late: float
    least: float


def _schedule(queue: Queue, earliest: np.ndarray, confidence: float, *, refuse: bool) -> _Schedule:
    n, runs = len(earliest), len(queue.free)
    if not n:  # only active tasks
        return _Schedule(np.arange(0), earliest, earliest, -np.inf, -np.inf)
    exports = queue.ask()
    lasts = queue.draw(slice(0, n)) + exports.pause
    present = np.broadcast_to(exports.present, lasts.shape)
    if np.isnan(lasts).any() or np.isnan(queue.free).any():  # without any history
        unknown = np.full(n, np.nan)
        return _Schedule(np.arange(n), np.maximum.accumulate(earliest), unknown, np.nan, np.nan)
    deadline = exports.deadline[:, 0]
    due = np.where(np.isnan(deadline), np.inf, deadline)
    lasts = np.where(present, lasts, 0)
    order = _search(lasts.mean(axis=1), earliest, due, float(np.median(queue.free)))
    lasts_now, due_now, present_now = lasts[order], due[order], present[order]
    asked, ends, free = np.maximum.accumulate(earliest[order]), np.empty((n, runs)), queue.free
    for place in range(n):
        if refuse:
            asked[place] = max(asked[place], np.quantile(free, confidence))
        end = np.maximum(free, asked[place]) + lasts_now[place]
        ends[place] = np.where(present_now[place], end, -np.inf)
        free = np.where(present_now[place], end, free)
    slack = due_now - np.quantile(ends, confidence, axis=1, method="higher")
    late = np.max(ends - due_now[:, np.newaxis], axis=0, initial=-np.inf)
    least = _least_late(lasts, present, earliest, due, queue.free)
    if not np.isfinite(due).any():
        return _Schedule(order, asked, np.full(n, np.nan), -np.inf, -np.inf)
    worst = (float(np.quantile(each, confidence, method="higher")) for each in (late, least))
    return _Schedule(order, asked, np.where(np.isinf(slack), np.nan, slack), *worst)


def _search(lasts: np.ndarray, earliest: np.ndarray, due: np.ndarray, free: float) -> np.ndarray:
    """Return the order with the smallest maximum lateness that was found."""
    best, least = _by_deadline(lasts, earliest, due, free), np.inf
    moved = earliest.copy()
    for _ in range(min(len(lasts), _TRIES)):
        order = _by_deadline(lasts, moved, due, free)
        starts, ends = _times_of(order, lasts, earliest, free)
        late = ends - due[order]
        critical = int(np.argmax(late))
        if late[critical] < least:
            best, least = order, late[critical]
        first = critical
        while first and starts[first] <= ends[first - 1]:
            first -= 1
        before = np.flatnonzero(due[order[first:critical]] > due[order[critical]])
        if not len(before):  # nothing less urgent delays it
            break
        row = order[first + before[-1]]
        moved[row] = max(moved[order[critical]], moved[row] + 1)
    return best


def _by_deadline(
    lasts: np.ndarray, earliest: np.ndarray, due: np.ndarray, free: float
) -> np.ndarray:
    """Return the order in which the most urgent of those that may begin is always next."""
    coming = np.lexsort((np.arange(len(lasts)), earliest))[::-1].tolist()
    ready: list[tuple[float, float, int]] = []
    order, now = np.empty(len(lasts), "int64"), free
    for place in range(len(lasts)):
        if not ready:
            now = max(now, earliest[coming[-1]])
        while coming and earliest[coming[-1]] <= now:
            row = coming.pop()
            heapq.heappush(ready, (due[row], earliest[row], row))
        *_, row = heapq.heappop(ready)
        order[place] = row
        now += lasts[row]
    return order


def _times_of(
    order: np.ndarray, lasts: np.ndarray, earliest: np.ndarray, free: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the start and the end of exports in an order."""
    starts, ends = np.empty(len(order)), np.empty(len(order))
    for place, row in enumerate(order):
        starts[place] = max(free, earliest[row])
        free = ends[place] = starts[place] + lasts[row]
    return starts, ends


def _least_late(
    lasts: np.ndarray,
    present: np.ndarray,
    earliest: np.ndarray,
    due: np.ndarray,
    free: np.ndarray,
) -> np.ndarray:
    """Return by how much the worst deadline is missed at least, in each run and any order.

    Exports that may not begin before an instant, and are due by another one, cannot all end earlier
    than the first instant plus all their durations.
    """
    least = np.full(len(free), -np.inf)
    some = np.argsort(due, kind="stable")[: int(np.isfinite(due).sum())]
    instants = np.unique(earliest[some])
    for begins in instants[:: -(-len(instants) // _INSTANTS) or 1]:
        of = some[earliest[some] >= begins]
        ends = np.maximum(free, begins) + lasts[of].cumsum(axis=0)
        late = np.where(present[of], ends - due[of, np.newaxis], -np.inf)
        least = np.maximum(least, late.max(axis=0))
    return least
