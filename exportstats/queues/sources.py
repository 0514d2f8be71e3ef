"""Find what the durations of each task are drawn from, and when its slot is free."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.queues.draws import Pool, Source, seed_of
from exportstats.stats import grouping
from exportstats.stats.histories import BASES, keys_of
from exportstats.stats.predictive import TIME_OUT
from exportstats.stats.scaling import ENOUGH, SCALES, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from exportstats.queues.draws import Fixed, Numbers
    from exportstats.stats.histories import Histories


class Basis(NamedTuple):
    """What the forecast of a task is based on: the source of its durations and their number.

    If these are scaled by bytes, the source is for typical ones; see `factors_of`.
    """

    source: Source | Fixed | None = None
    n: int = 0
    basis: str = BASES[-1]
    enough: bool = False
    scaled_by: str = SCALES[-1]
    volume: Volume = Volume()


class Sources:
    """What the durations of tasks are drawn from, given the durations of earlier tasks."""

    def __init__(self, past: Histories, numbers: Numbers) -> None:
        self._past = past
        self.numbers = numbers
        centers = np.array(sorted(past.centers.values()))
        self._pool = Pool(centers, numbers) if len(centers) > 1 else None
        self._known: dict[object, Basis] = {}

    def of(self, key: tuple[str, ...], window: float, bytes_: float = np.nan) -> Basis:
        """Return the basis of a task; the same object for the same history and window.

        Parameters
        ----------
        key
            The log group.
        window, bytes_
            The length of the window in milliseconds, and what came in during it; NaN is unknown.
        """
        past = self._past
        history = past.of(key)
        if history is None:
            return Basis()
        own = history.basis == BASES[0]
        has_bytes = not np.isnan(bytes_)
        same = (*(key if own else (id(history),)), window, has_bytes)
        if same not in self._known:
            durations, by, enough, trend, volume = history.scaled_to(window, has_bytes=has_bytes)
            model = past.model(key, history, durations)
            center, _ = past.centers.get(key, (np.nan, np.nan))
            seed = seed_of(history.basis, *history.key)
            source = Source(model, trend, seed, center, None if np.isnan(center) else self._pool)
            n = len(durations)
            enough = own and enough and n >= ENOUGH
            self._known[same] = Basis(source, n, history.basis, enough, by, volume)
        return self._known[same]

    def free_from(self, active: pd.DataFrame, now: int) -> tuple[np.ndarray, bool]:
        """Draw when a slot's active tasks will have ended, and whether the history allows that.

        It does not if one of them has already lasted longer than all of its history.

        Parameters
        ----------
        active
            The active tasks of the slot in order of creation: key, `task_id`, `window` and `begin`,
            when its turn came, in milliseconds, `bytes`, and `waits`, whether it is behind another.
        now
            The instant from which offsets count, in milliseconds.
        """
        seeds = seeds_of(active, (*LOG_GROUP, "task_id"))
        begin, waits = active["begin"].to_numpy(), active["waits"].to_numpy()
        began = ~waits & (begin != coerce.NAT)
        elapsed = np.where(began, np.maximum(now - begin, 0), 0).tolist()
        rest, foreseen = np.zeros(self.numbers.runs), True
        columns = (active["window"], active["bytes"], waits, elapsed, seeds)
        for key, window, bytes_, behind, lasted, seed in zip(
            keys_of(active), *columns, strict=True
        ):
            history = self._past.of(key)
            if history is None:
                return rest, False
            durations = history.scaled_to(window, has_bytes=not np.isnan(bytes_)).of(bytes_)
            foreseen &= bool((durations > lasted).any())
            if lasted < TIME_OUT:
                predicted = self._past.model(key, history, durations).predict(lasted)
                ends = predicted.quantile(self.numbers.uniform(np.array([seed]))[0]) - lasted
                rest = rest + ends if behind else np.maximum(rest, ends)
        return rest, foreseen


def factors_of(bases: Sequence[Basis], bytes_: np.ndarray) -> np.ndarray:
    """Return how many times as long as their sources say tasks take, by the bytes that came in."""
    volumes = np.array([one.volume for one in bases], dtype="float64").reshape(-1, 3)
    return Volume(*volumes.T).factor(bytes_)


def seeds_of(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return a seed for each row, from its names alone."""
    of = grouping.group(frame[list(names)].astype("str"), names)
    texts = of.keys.astype(object).where(of.keys.notna(), None)
    seeds = np.array([seed_of(*row) for row in texts.itertuples(index=False)], dtype="uint64")
    return np.take(seeds, of.codes)


def draw_from(
    numbers: Numbers,
    sources: Sequence[Source | Fixed],
    seeds: np.ndarray,
    places: np.ndarray,
    factors: np.ndarray,
) -> Callable[[slice], np.ndarray]:
    """Return a function that draws the durations of some tasks, grouped by source.

    Parameters
    ----------
    numbers
        The random numbers of the runs.
    sources, seeds, places, factors
        What each task draws from, its seed, how many tasks of its log group come before it, and how
        many times as long it takes as its source says.
    """

    def draw(rows: slice) -> np.ndarray:
        some: dict[int, list[int]] = {}
        for row in range(*rows.indices(len(seeds))):
            some.setdefault(id(sources[row]), []).append(row)
        drawn = np.empty((len(seeds[rows]), numbers.runs))
        for of in some.values():
            place = np.array(of) - rows.start
            drawn[place] = sources[of[0]].draw(numbers, seeds[of], places[of], factors[of])
        return drawn

    return draw
