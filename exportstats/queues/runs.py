"""Run the queue of a slot many times: one export at a time, in the order of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.core import coerce, schema
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

POLICIES = ("wait", "refuse")
SHARES = (0.1, 0.5, 0.9)
_COLUMNS = (slice(0, 3), slice(3, 6), 6, 7)
_CHUNK = 256  # exports at a time, so that their runs fit into the processor's cache


class Asked(NamedTuple):
    """The exports of a slot's queue (rows) in each run (columns); times are offsets.

    Attributes
    ----------
    at
        When each is asked for; one column if that is the same in all runs.
    present
        Whether it is asked for in each run; one column if that is the same in all.
    pause
        How long after the end of another one it is created, if it had to wait; one column.
    deadline
        When it has to be done, one column; NaN if it has no deadline.
    retry
        How long after a refused call it is asked for again, one column; NaN if it need not try.
        None if no export has to.
    """

    at: np.ndarray
    present: np.ndarray
    pause: np.ndarray
    deadline: np.ndarray
    retry: np.ndarray | None = None

    def take(self, rows: slice) -> Asked:
        """Return some of the exports."""
        return Asked(*(None if values is None else values[rows] for values in self))  # type: ignore[arg-type]

    def tries(self) -> np.ndarray:
        """Return which exports are created when the slot is free, and are not PENDING before."""
        tries: np.ndarray = self.pause[:, 0] > 0
        return tries if self.retry is None else tries | ~np.isnan(self.retry[:, 0])

    def sort(self, order: np.ndarray) -> Asked:
        """Return the exports in an order of their own in each run."""
        return Asked(*(None if values is None else _along(values, order) for values in self))  # type: ignore[arg-type]


class Ran(NamedTuple):
    """What became of the exports of a queue; times are offsets.

    Attributes
    ----------
    start, end
        The 10 %, 50 % and 90 % quantiles of each export; NaN if it never ran.
    asked
        The share of the runs in which each export is asked for.
    refused
        The share of the runs with this export in which the slot was busy when it was asked for.
    risk
        The share of the runs in which it was asked for and not done by its deadline.
    free, busy, late
        When the slot is free again, how long it was busy, and whether any export was not done by
        its deadline, in each run.
    """

    start: np.ndarray
    end: np.ndarray
    asked: np.ndarray
    refused: np.ndarray
    risk: np.ndarray
    free: np.ndarray
    busy: np.ndarray
    late: np.ndarray


def run(
    asked: Asked,
    draw: Callable[[slice], np.ndarray],
    free: np.ndarray,
    *,
    refuse: bool = False,
) -> Ran:
    """Run a queue.

    An export begins when it is asked for. If the slot is busy then, it begins its pause after the
    slot is free, or at its first try after that; or it never begins, if it is refused.

    Parameters
    ----------
    asked
        The exports, in the order in which they are asked for if that is the same in all runs.
    draw
        Returns the durations of some exports in each run.
    free
        When the slot is free, in each run; NaN if that is not known.
    refuse
        Whether an export is refused if the slot is busy.
    """
    tries = asked.tries() & (not refuse)
    in_order = asked.at.shape[1] == 1 or bool((asked.at[1:] >= asked.at[:-1]).all())
    in_order &= tries.all() or not tries.any()
    order = None if in_order else np.argsort(asked.at, axis=0, kind="stable")
    n = len(asked.at)
    expected = asked.present.mean(axis=1)
    answer = np.full((n, 8), np.nan)
    busy, any_late = free.copy(), np.zeros(len(free), dtype=bool)
    began = free[0]
    size = _CHUNK if in_order else max(n, 1)
    for first in range(0, n, size):
        rows = slice(first, first + size)
        some, durations = asked.take(rows), draw(rows)
        if order is None:
            begins, refused, free = begin(some, durations, free, refuse=refuse)
        else:
            begins, refused, free = _begin_in_turn(some, durations, free, order, tries, refuse)
        ends = begins + durations
        busy += np.where(np.isnan(begins), 0, durations).sum(axis=0)
        due = ~np.isnan(some.deadline[:, 0])
        late = some.present[due] & ~(ends[due] <= some.deadline[due])
        any_late |= late.any(axis=0)
        answer[rows, :3], answer[rows, 3:6] = quantiles(begins), quantiles(ends)
        with np.errstate(invalid="ignore"):
            answer[rows, 6] = refused.sum(axis=1) / np.rint(expected[rows] * len(free))
        answer[rows, 7][due] = late.mean(axis=1)
        # the others would be a wrong answer without them
        if np.isnan(durations[:, 0]).any() or np.isnan(began):
            unknown = np.full(len(free), np.nan)
            answer[:], free, busy = np.nan, unknown, unknown
            break
    start, end, chance, risk = (answer[:, some] for some in _COLUMNS)
    return Ran(start, end, expected, chance, risk, free, busy, any_late)


def refuses(policy: str) -> bool:
    """Return whether exports are refused if the slot is busy.

    Raises
    ------
    ArgumentError
        If there is no such policy.
    """
    if policy not in POLICIES:
        raise ArgumentError(f"policy={policy!r}; give one of {', '.join(map(repr, POLICIES))}")
    return policy == "refuse"


def begin(
    asked: Asked, durations: np.ndarray, free: np.ndarray, *, refuse: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return when exports begin, whether the slot was busy, and when it is free after them.

    The exports are in the order in which they are asked for. The first two have a row for each
    export and a column for each run.
    """
    begins, is_busy = np.empty(durations.shape), np.empty(durations.shape, dtype=bool)
    for place, (at, present, pause) in enumerate(zip(*asked[:3], strict=True)):
        busy = np.greater(free, at, out=is_busy[place])
        later = free + pause
        if asked.retry is not None:
            retry = asked.retry[place]
            tried = at + np.ceil((free - at) / retry) * retry
            later = np.where(np.isnan(retry), later, tried)
        starts = begins[place] = np.where(busy, later, at)
        free = np.where(present & ~busy if refuse else present, starts + durations[place], free)
    is_run = asked.present & ~is_busy if refuse else asked.present
    return np.where(is_run, begins, np.nan), is_busy & asked.present, free


def _begin_in_turn(
    asked: Asked,
    durations: np.ndarray,
    free: np.ndarray,
    order: np.ndarray,
    tries: np.ndarray,
    refuse: bool,  # noqa: FBT001 - as in `begin`
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `begin` returns, if the exports have an order of their own in each run.

    A PENDING task is created when it is asked for, but an export that tries again when the slot is
    free. So the first may come before the second, and each time this is found, that delays others.
    """
    for _ in range(len(durations) + 1):
        lasts, back = _along(durations, order), np.argsort(order, axis=0)
        *found, end = begin(asked.sort(order), lasts, free, refuse=refuse)
        begins, refused = (_along(each, back) for each in found)
        if not tries.any():
            break
        created = np.where(tries[:, np.newaxis] & ~np.isnan(begins), begins, asked.at)
        before, order = order, np.argsort(created, axis=0, kind="stable")
        if (order == before).all():
            break
    return begins, refused, end


def _along(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the values in an order of their own in each run."""
    return np.take_along_axis(values, order, axis=0)


def quantiles(values: np.ndarray) -> np.ndarray:
    """Return the quantiles of each row, which are values themselves; NaN is left out."""
    values = np.sort(values, axis=1)  # NaN comes last
    known = (~np.isnan(values)).sum(axis=1)
    at = (np.maximum(known - 1, 0)[:, np.newaxis] * np.array(SHARES)).astype("int64")
    found: np.ndarray = np.take_along_axis(values, at, axis=1)
    return found


def to_instants(offsets: np.ndarray, now: int) -> np.ndarray:
    """Return offsets as milliseconds since 1970; NaN becomes missing."""
    missing = np.isnan(offsets)
    # the sum of many durations can exceed the latest time of a table
    whole = np.rint(np.minimum(np.where(missing, 0, offsets) + now, schema.LAST)).astype("int64")
    instants: np.ndarray = np.where(missing, coerce.NAT, whole)
    return instants
