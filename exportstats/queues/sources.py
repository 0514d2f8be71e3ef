"""Find what the durations of each task are drawn from, and when its slot is free."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP
from exportstats.queues.draws import Pool, Source, seed_of
from exportstats.stats import grouping
from exportstats.stats.histories import BASES, keys_of
from exportstats.stats.predictive import TIME_OUT, Prediction
from exportstats.stats.scaling import ENOUGH, SCALES, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exportstats.queues.draws import Numbers
    from exportstats.stats.histories import Histories


class Bases(NamedTuple):
    """What the forecasts of tasks are based on.

    Attributes
    ----------
    source
        What durations are drawn from; None without any history.
    row
        The row of the source. If durations are scaled by bytes, they are those of typical ones.
    n, basis, enough, scaled_by
        The number of earlier durations, the position in `BASES` of whose they are, whether there
        are enough of them, and the position in `SCALES` of what they are scaled by.
    factors
        How many times as long as the source says the tasks take, by the bytes that came in.
    """

    source: Source | None
    row: np.ndarray
    n: np.ndarray
    basis: np.ndarray
    enough: np.ndarray
    scaled_by: np.ndarray
    factors: np.ndarray

    def take(self, rows: slice) -> Bases:
        """Return some of them."""
        return Bases(self.source, *(each[rows] for each in self[1:]))


class Sources:
    """What the durations of tasks are drawn from, given the durations of earlier tasks."""

    def __init__(self, past: Histories, numbers: Numbers) -> None:
        self._past = past
        self.numbers = numbers
        centers = past.centers[~np.isnan(past.centers[:, 0])]
        centers = centers[np.lexsort(centers.T[::-1])]
        self._pool = Pool(centers, numbers) if len(centers) > 1 else None

    def of(self, tasks: pd.DataFrame, window: np.ndarray, came: np.ndarray) -> Bases:
        """Return the bases of tasks.

        Parameters
        ----------
        tasks
            Their log groups.
        window, came
            The length of each window in milliseconds, and the bytes that came in during it; NaN is
            unknown.
        """
        past = self._past
        if not (len(tasks) and past.keys):
            none = np.zeros(len(tasks), dtype="int64")
            basis, scaled_by = (none + len(names) - 1 for names in (BASES, SCALES))
            return Bases(None, none, none, basis, none > 0, scaled_by, none + 1.0)
        known = np.where(np.isnan(came), np.nan, 0)
        same = pd.DataFrame({"number": past.find(keys_of(tasks)), "window": window, "came": known})
        which = same.groupby([*same], dropna=False).ngroup().to_numpy()
        first = np.unique(which, return_index=True)[1]
        number, windows, known = (same[name].to_numpy()[first] for name in same)
        bodies: list[Prediction] = []
        parts = []
        for batch in past.batches(number):
            history = past.take(number[batch])
            scaled = history.scaled_to(windows[batch], known[batch])
            model = history.model(scaled.durations)
            usual_ones, _ = model.usual_after(np.full(len(batch), -np.inf))
            bodies += map(Prediction, *usual_ones)
            enough = history.own & scaled.enough & (scaled.n >= ENOUGH)
            volume = (each[:, 0] for each in scaled.volume)
            usual = usual_ones.spread, model.usual.location, model.usual.scale, model.effective_n
            stuck = model.stuck_share, model.n_stuck, *model.stuck
            about = scaled.n, past.basis[number[batch]], enough, scaled.by
            parts.append(
                (batch, *about, *volume, *usual, *stuck, model.center_variance, *scaled.trend)
            )
        batch, n, basis, enough, by, power, typical, least, *others = map(
            np.concatenate, zip(*parts, strict=True)
        )
        number = number[batch]
        seeds = [seed_of(BASES[past.basis[one]], *past.keys[one]) for one in number]
        source = Source(bodies, np.array(seeds, "uint64"), past.centers[number, 0], *others)
        row = np.argsort(batch)[which]
        factors = Volume(power[row], typical[row], least[row]).factor(came)
        return Bases(source, row, n[row], basis[row], enough[row], by[row], factors)

    def free_from(self, active: pd.DataFrame, now: int) -> tuple[np.ndarray, bool]:
        """Draw when a slot's active tasks will have ended, and whether the history allows that.

        It does not if one of them has already lasted longer than all of its history; without any,
        the offsets are NaN.

        Parameters
        ----------
        active
            The active tasks of the slot in order of creation: key, `task_id`, `window` and `begin`,
            when its turn came, in milliseconds, `bytes`, and `waits`, whether it is behind another.
        now
            The instant from which offsets count, in milliseconds.
        """
        past, (window, came) = self._past, (active[name].to_numpy() for name in ("window", "bytes"))
        if not past.keys:
            return np.full(self.numbers.runs, np.nan), False
        rest = np.zeros(self.numbers.runs)
        begin, waits = active["begin"].to_numpy(), active["waits"].to_numpy()
        began = ~waits & (begin != coerce.NAT)
        elapsed = np.where(began, np.maximum(now - begin, 0), 0).astype("float64")
        history = past.take(past.find(keys_of(active)))
        durations = history.scaled_to(window, came).of(came)
        foreseen = bool((durations > elapsed[:, np.newaxis]).any(axis=1).all())
        predicted = history.model(durations).predict(np.minimum(elapsed, TIME_OUT - 1))
        uniform = self.numbers.uniform(seeds_of(active, (*LOG_GROUP, "task_id")))
        for behind, lasted, one, share in zip(waits, elapsed, predicted, uniform, strict=True):
            if lasted < TIME_OUT:
                ends = one.quantile(share) - lasted
                rest = rest + ends if behind else np.maximum(rest, ends)
        return rest, foreseen

    def draw_from(
        self,
        bases: Bases,
        seeds: np.ndarray,
        places: np.ndarray,
        given: np.ndarray | None = None,
    ) -> Callable[[slice], np.ndarray]:
        """Return a function that draws the durations of some tasks.

        Parameters
        ----------
        bases
            Their bases.
        seeds, places
            The seed of each task, and how many tasks of its log group come before it.
        given
            The durations that are known, NaN for the others; without a history, all are known.
        """

        def draw(rows: slice) -> np.ndarray:
            fixed = np.full(len(seeds[rows]), np.nan) if given is None else given[rows]
            unknown = np.isnan(fixed)
            if bases.source is None or not unknown.any():
                return np.tile(fixed[:, np.newaxis], self.numbers.runs)
            each = (values[rows][unknown] for values in (bases.row, seeds, places, bases.factors))
            drawn = bases.source.draw(self.numbers, self._pool, *each)
            if unknown.all():
                return drawn
            every = np.tile(fixed[:, np.newaxis], self.numbers.runs)
            every[unknown] = drawn
            return every

        return draw


def seeds_of(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return a seed for each row, from its names alone."""
    of = grouping.group(frame[list(names)].astype("str"), names)
    texts = of.keys.astype(object).where(of.keys.notna(), None)
    seeds = np.array([seed_of(*row) for row in texts.itertuples(index=False)], dtype="uint64")
    return np.take(seeds, of.codes)
