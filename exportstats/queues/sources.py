"""Find what the durations of each task are drawn from, and when its slot is free."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.queues.draws import Pool, Source, seed_of
from exportstats.stats import grouping
from exportstats.stats.histories import BASES, ENOUGH, keys_of
from exportstats.stats.predictive import TIME_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from exportstats.queues.draws import Numbers
    from exportstats.stats.histories import Histories


class Basis(NamedTuple):
    """What the forecast of a task is based on: the source of its durations and their number."""

    source: Source | None = None
    n: int = 0
    basis: str = BASES[-1]
    enough: bool = False


class Sources:
    """What the durations of tasks are drawn from, given the durations of earlier tasks."""

    def __init__(self, past: Histories, numbers: Numbers) -> None:
        self._past = past
        self.numbers = numbers
        centers = np.array(sorted(past.centers.values()))
        self._pool = Pool(centers, numbers) if len(centers) > 1 else None
        self._known: dict[object, Basis] = {}

    def of(self, key: tuple[str, ...], window: float) -> Basis:
        """Return the basis of a task; the same object for the same history and window."""
        past = self._past
        history = past.of(key)
        if history is None:
            return Basis()
        own = history.basis == BASES[0]
        same = (*key, window) if own else (id(history), window)
        if same not in self._known:
            durations, _, enough, trend = history.scaled_to(window)
            model = past.model(key, history, durations)
            center, _ = past.centers.get(key, (np.nan, np.nan))
            seed = seed_of(history.basis, *history.key)
            source = Source(model, trend, seed, center, None if np.isnan(center) else self._pool)
            n = len(durations)
            self._known[same] = Basis(source, n, history.basis, own and enough and n >= ENOUGH)
        return self._known[same]

    def free_from(self, active: pd.DataFrame, now: int) -> tuple[np.ndarray, bool]:
        """Draw when a slot's active tasks will have ended, and whether the history allows that.

        It does not if one of them has already lasted longer than all of its history.

        Parameters
        ----------
        active
            The active tasks of the slot in order of creation: key, `task_id`, `window`, and in
            milliseconds `begin`, when its turn came, and `waits`, whether it is behind another one.
        now
            The instant from which offsets count, in milliseconds.
        """
        seeds = seeds_of(active, (*LOG_GROUP, "task_id"))
        begin, waits = active["begin"].to_numpy(), active["waits"].to_numpy()
        began = ~waits & (begin != coerce.NAT)
        elapsed = np.where(began, np.maximum(now - begin, 0), 0).tolist()
        rest, foreseen = np.zeros(self.numbers.runs), True
        columns = (active["window"], waits, elapsed, seeds)
        for key, window, behind, lasted, seed in zip(keys_of(active), *columns, strict=True):
            history = self._past.of(key)
            if history is None:
                return rest, False
            durations, *_ = history.scaled_to(window)
            foreseen &= bool((durations > lasted).any())
            if lasted < TIME_OUT:
                predicted = self._past.model(key, history, durations).predict(lasted)
                ends = predicted.quantile(self.numbers.uniform(np.array([seed]))[0]) - lasted
                rest = rest + ends if behind else np.maximum(rest, ends)
        return rest, foreseen


def seeds_of(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return a seed for each row, from its names alone."""
    of = grouping.group(frame[list(names)].astype("str"), names)
    texts = of.keys.astype(object).where(of.keys.notna(), None)
    seeds = np.array([seed_of(*row) for row in texts.itertuples(index=False)], dtype="uint64")
    return np.take(seeds, of.codes)


def draw_from(
    numbers: Numbers, sources: Sequence[Source], seeds: np.ndarray, places: np.ndarray
) -> Callable[[slice], np.ndarray]:
    """Return a function that draws the durations of some tasks, grouped by source.

    Parameters
    ----------
    numbers
        The random numbers of the runs.
    sources, seeds, places
        What each task draws from, its seed, and how many tasks of its log group come before it.
    """

    def draw(rows: slice) -> np.ndarray:
        some: dict[int, list[int]] = {}
        for row in range(*rows.indices(len(seeds))):
            some.setdefault(id(sources[row]), []).append(row)
        drawn = np.empty((len(seeds[rows]), numbers.runs))
        for of in some.values():
            place = np.array(of) - rows.start
            drawn[place] = sources[of[0]].draw(numbers, seeds[of], places[of])
        return drawn

    return draw
