"""Prepare the queue of each slot for its simulation."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.core.schema import LOG_GROUP
from exportstats.queues.draws import GOLDEN
from exportstats.queues.runs import Asked
from exportstats.queues.sources import seeds_of
from exportstats.queues.table import WITHIN_JITTER
from exportstats.stats import grouping
from exportstats.stats.histories import BASES, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from exportstats.queues.draws import Numbers
    from exportstats.queues.sources import Sources

QUEUE_BASES = (*BASES, "given")  # the last one if an export has a duration of its own
_SLOT = list(schema.SLOT)


class Queue(NamedTuple):
    """The queue of a slot.

    Attributes
    ----------
    slot
        The account ID and the region.
    rows
        The rows of its exports in the caller's table.
    ask
        Returns the exports.
    draw
        Returns the durations of some of them.
    free
        From which offset on the slot is free, in each run.
    basis, n
        Whose durations are drawn, as a position in `QUEUE_BASES`, and their number.
    """

    slot: tuple[str, ...]
    rows: np.ndarray
    ask: Callable[[], Asked]
    draw: Callable[[slice], np.ndarray]
    free: np.ndarray
    basis: np.ndarray
    n: np.ndarray


def split(
    rows: pd.DataFrame,
    bytes_: np.ndarray,
    known: Sources,
    free: dict[tuple[str, ...], np.ndarray],
    now: int,
) -> list[Queue]:
    """Split exports into the queues of their slots; one with only active tasks has none.

    Parameters
    ----------
    rows
        The exports, sorted by slot and `create_at`. Their index has the rows of the caller's table.
    bytes_
        What came in during their windows; NaN is unknown.
    known
        What durations are drawn from.
    free
        From which offset on a slot with active tasks is free, in each run.
    now
        The instant from which offsets count, in milliseconds.
    """
    window = coerce.float_millis(rows["to_time"] - rows["from_time"]) + 1
    given = coerce.float_millis(rows["duration"])
    bases = known.of(rows, window, bytes_)
    is_given = ~np.isnan(given)
    basis = np.where(is_given, len(BASES), bases.basis)
    n = np.where(is_given, 0, bases.n)
    seeds = _seeds(rows)
    at, most, together = _times_of(rows, seeds, now)
    pause = coerce.float_millis(rows["pause"])[:, np.newaxis]
    deadline = offsets(rows["deadline"], now)[:, np.newaxis]
    retry = coerce.float_millis(rows["retry"])[:, np.newaxis]
    tries = not np.isnan(retry).all()
    probability = rows["probability"].to_numpy()
    slots = keys_of(rows, _SLOT)
    places = np.zeros(len(rows), dtype="int64")
    edges = [row for row, slot in enumerate(slots) if not row or slot != slots[row - 1]]
    spans = {slots[first]: slice(first, end) for first, end in pairwise([*edges, len(rows)])}

    # only when needed, since those of all slots need much memory
    def ask(some: slice, begins: np.ndarray) -> Asked:
        asked = _asked_at(at[some], most[some], together[some], known.numbers)
        if (at[some] < most[some]).any():
            # if the slot was idle, an export of before now would be in the list
            asked = np.maximum(asked, np.where(begins > 0, -np.inf, 0))
        return Asked(
            asked,
            _present(probability[some], seeds[some], known.numbers),
            pause[some],
            deadline[some],
            retry[some] if tries else None,
        )

    queues = []
    for slot in sorted({*spans, *free}):
        some = spans.get(slot, slice(0, 0))
        begins = free.get(slot, np.zeros(known.numbers.runs))
        queues.append(
            Queue(
                slot,
                rows.index.to_numpy()[some],
                partial(ask, some, begins),
                known.draw_from(bases.take(some), seeds[some], places[some], given[some]),
                begins,
                basis[some],
                n[some],
            )
        )
    return queues


def _seeds(rows: pd.DataFrame) -> np.ndarray:
    """Return a seed for each export, from its names and window; equal ones are counted."""
    seeds = seeds_of(rows, LOG_GROUP) ^ coerce.millis(rows["from_time"]).view("uint64")
    same = pd.Series(np.zeros(len(rows))).groupby(seeds).cumcount().to_numpy("uint64")
    each: np.ndarray = seeds + same * GOLDEN
    return each


def offsets(times: pd.Series, now: int) -> np.ndarray:
    """Return times as milliseconds since `now`; NaN where missing."""
    millis = coerce.millis(times)
    offsets: np.ndarray = np.where(millis == coerce.NAT, np.nan, millis.astype("float64") - now)
    return offsets


def _times_of(
    rows: pd.DataFrame, seeds: np.ndarray, now: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return when exports are asked for, the largest jitter, and its seeds."""
    at, most = offsets(rows["create_at"], now), coerce.float_millis(rows["jitter"]) / WITHIN_JITTER
    slot = grouping.group(rows, _SLOT).codes
    return at[:, np.newaxis], most[:, np.newaxis], _together(slot, at, most, seeds)


def _asked_at(at: np.ndarray, most: np.ndarray, seeds: np.ndarray, numbers: Numbers) -> np.ndarray:
    """Return when exports are asked for, in one column if there is no jitter."""
    if not most.any():
        return at
    asked = numbers.uniform(seeds ^ GOLDEN)
    asked *= 2  # in place, since new arrays would take longer than the arithmetic
    asked -= 1
    asked *= most
    asked += at
    return asked


def _together(slot: np.ndarray, at: np.ndarray, most: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Return the seed of each export's jitter.

    Exports of a slot with the same jitter that are asked for within it of each other are one
    exporter's: they share their jitter, so that they keep their order.
    """
    order = np.lexsort((at, most, slot))
    differ = [np.diff(values[order]) for values in (slot, most, at)]
    first = (differ[0] != 0) | (differ[1] != 0) | (differ[2] > most[order][1:])
    first = np.append(True, first)[: len(at)]
    together = np.empty_like(seeds)
    together[order] = seeds[order][first][np.cumsum(first) - 1]
    return together


def _present(probability: np.ndarray, seeds: np.ndarray, numbers: Numbers) -> np.ndarray:
    """Return whether exports are asked for, in one column if all are certain."""
    if (probability >= 1).all():
        return np.ones((len(seeds), 1), dtype=bool)
    present: np.ndarray = numbers.uniform(seeds ^ ~GOLDEN) < probability[:, np.newaxis]
    return present
