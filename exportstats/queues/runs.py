"""Run the queue of a slot many times: one export at a time, in the order of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

SHARES = (0.1, 0.5, 0.9)
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
    """

    at: np.ndarray
    present: np.ndarray
    pause: np.ndarray
    deadline: np.ndarray

    def take(self, rows: slice) -> Asked:
        """Return some of the exports."""
        return Asked(*(values[rows] for values in self))


class Ran(NamedTuple):
    """What became of the exports of a queue; times are offsets.

    Attributes
    ----------
    start, end
        The 10 %, 50 % and 90 % quantiles of each export; NaN if it never ran.
    refused
        The share of the runs with this export in which the slot was busy when it was asked for.
    risk
        The share of the runs with this export in which it was not done by its deadline.
    free, busy
        When the slot is free again, and how long it was busy, in each run.
    """

    start: np.ndarray
    end: np.ndarray
    refused: np.ndarray
    risk: np.ndarray
    free: np.ndarray
    busy: np.ndarray


def run(
    asked: Asked,
    draw: Callable[[slice], np.ndarray],
    free: np.ndarray,
    *,
    refuse: bool = False,
) -> Ran:
    """Run a queue.

    An export begins when it is asked for. If the slot is busy then, it begins its pause after the
    slot is free; or it never begins, if it is refused.

    Parameters
    ----------
    asked
        The exports, in the order in which they are asked for if that is the same in all runs.
    draw
        Returns the durations of some exports in each run.
    free
        When the slot is free, in each run.
    refuse
        Whether an export is refused if the slot is busy.
    """
    n, runs = len(asked.at), len(free)
    order = np.argsort(asked.at, axis=0, kind="stable") if asked.at.shape[1] > 1 else None
    answer = np.full((n, 8), np.nan)
    busy = free.copy()
    size = _CHUNK if order is None else max(n, 1)
    for first in range(0, n, size):
        rows = slice(first, first + size)
        some, durations = asked.take(rows), draw(rows)
        begins = np.full((len(some.at), runs), np.nan)
        refused = np.zeros((len(some.at), runs), dtype=bool)
        every = np.arange(runs)
        for place in range(len(some.at)):
            row = place if order is None else (order[place], every)
            at, present, pause = (_of(values, row, runs) for values in some[:3])
            late = free > at
            begin = np.where(late, free + pause, at)
            runs_now = present & ~late if refuse else present
            begins[row] = np.where(runs_now, begin, np.nan)
            refused[row] = late & present
            took = durations[row]
            free = np.where(runs_now, begin + took, free)
            busy += np.where(runs_now, took, 0)
        answer[rows] = _summary(some, begins, begins + durations, refused)
    return Ran(answer[:, :3], answer[:, 3:6], answer[:, 6], answer[:, 7], free, busy)


def _of(values: np.ndarray, row: Any, runs: int) -> np.ndarray:  # noqa: ANN401 - any index
    """Return the values of one export in each run."""
    if values.shape[1] == 1:
        values = np.broadcast_to(values, (len(values), runs))
    found: np.ndarray = values[row]
    return found


def _summary(asked: Asked, begins: np.ndarray, ends: np.ndarray, refused: np.ndarray) -> np.ndarray:
    """Return the columns of `Ran` for some exports."""
    present = np.broadcast_to(asked.present, ends.shape).sum(axis=1)
    done = (ends <= asked.deadline).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        risk = np.where(np.isnan(asked.deadline[:, 0]), np.nan, 1 - done / present)
        chance = refused.sum(axis=1) / present
    return np.column_stack([quantiles(begins), quantiles(ends), chance, risk])


def quantiles(values: np.ndarray) -> np.ndarray:
    """Return the quantiles of each row, which are values themselves; NaN is left out."""
    values = np.sort(values, axis=1)  # NaN comes last
    known = (~np.isnan(values)).sum(axis=1)
    at = (np.maximum(known - 1, 0)[:, np.newaxis] * np.array(SHARES)).astype("int64")
    found: np.ndarray = np.take_along_axis(values, at, axis=1)
    return found
