"""Count how many more exports fit into each slot by a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.errors import ArgumentError
from exportstats.queues.draws import Numbers
from exportstats.queues.night import Night
from exportstats.queues.runs import quantiles, run
from exportstats.stats.as_of import instant, to_length, to_millis

if TYPE_CHECKING:
    from datetime import date, timedelta

    from exportstats.core.shards import Shards

_SLOT = list(schema.SLOT)
_COUNTS = ("fit_low", "fit", "fit_high")
_MOST = 10_000


def spare_exports(
    tasks: pd.DataFrame | Shards,
    exports: pd.DataFrame,
    kind: str | timedelta | pd.Series | Mapping[str, Any],
    *,
    deadline: str | date | pd.Period | None,
    start: str | date | pd.Period | None = None,
    runs: int = 1000,
    seed: int = 0,
    incoming: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count how many more exports of a kind each slot can do by a time, after all others.

    Parameters
    ----------
    tasks, exports, start, runs, seed, incoming
        As in `simulate_queue`, with the policy "wait".
    kind
        How long one more export takes, such as "5min"; or a row of `exports`, of which the duration
        is drawn from the history. A row with an account and a region counts for its own slot only.
    deadline
        When the last one has to be done: an instant with a time zone, or a date in UTC.

    Returns
    -------
    DataFrame
        One row per slot with exports or active tasks, or that of `kind`, sorted, with `account_id`,
        `region` and these columns:

        - `fit_low`, `fit`, `fit_high`, the 10 %, 50 % and 90 % quantiles of the number of exports
          that end by then, one after another. At least `fit_low` fit in nine of ten runs. At most
          10,000 are counted; missing without any history;
        - `done_probability`, that all of `exports` are done by then.

    Raises
    ------
    ArgumentError
        If `deadline` is not after the start, or another argument is not valid.
    SchemaError
        As in `simulate_queue`.

    Notes
    -----
    The additional exports begin when the slot has done all others. So idle time before that is not
    used; `schedule_exports` moves the others to use it.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> tasks = xs.sample_tasks().head(0)  # no history is needed: the exports have durations
    >>> exports = pd.DataFrame({"create_at": ["2026-11-23T22:00Z"] * 3, "duration": "5min"})
    >>> at = {"start": "2026-11-23T22:00Z", "deadline": "2026-11-24T00:00Z"}
    >>> xs.spare_exports(tasks, exports, "10min", **at)[["fit_low", "fit", "fit_high"]]
       fit_low  fit  fit_high
    0       10   10        10
    """
    night = Night.of(tasks, start, Numbers.of(runs, seed), incoming)
    limit = to_millis(instant(deadline, "deadline")) - night.now
    if limit <= 0:
        raise ArgumentError(
            f"deadline={deadline!r}; give an instant after the start of the simulation"
        )
    queues = night.queues(exports)
    row = _row_of(kind)
    free_from = {
        queue.slot: run(queue.ask(), queue.draw, queue.free).free
        for queue in queues
        if all(str(row.get(*own)) == own[1] for own in zip(_SLOT, queue.slot, strict=True))
    }
    if all(name in row for name in _SLOT):
        free_from.setdefault(tuple(str(row[name]) for name in _SLOT), np.zeros(runs))
    found = []
    for slot, free in sorted(free_from.items()):
        more = row | dict(zip(_SLOT, slot, strict=True))
        counts = _count(night, more, np.maximum(free, 0), limit)
        done = np.nan if np.isnan(free).all() else (free <= limit).mean()
        found.append((*slot, *quantiles(counts[np.newaxis])[0], done))
    table = pd.DataFrame(found, columns=[*_SLOT, *_COUNTS, "done_probability"])
    keys = table[_SLOT].astype("str")
    return table.astype(dict.fromkeys(_COUNTS, "Int64")).assign(
        **{name: keys[name].where(keys[name] != "").astype("category") for name in _SLOT}
    )


def _row_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - checked here
    """Return the columns of one more export.

    Raises
    ------
    ArgumentError
        If it is neither a length of time nor a row of exports.
    """
    if isinstance(kind, (pd.Series, Mapping)):
        return {str(name): value for name, value in pd.Series(kind, dtype=object).dropna().items()}
    lasts = to_length(kind)
    if lasts is None or lasts <= pd.Timedelta(0):
        raise ArgumentError(
            f'kind={kind!r}; give a length of time such as "5min", or a row of exports'
        )
    return {"duration": lasts}


def _count(night: Night, row: dict[str, Any], free: np.ndarray, limit: int) -> np.ndarray:
    """Return how many exports fit between when the slot is free and the limit, in each run."""
    many = 16
    while True:
        copies = pd.DataFrame([row | {"create_at": coerce.times(np.array([night.now]))[0]}] * many)
        (queue,) = (one for one in night.queues(copies) if len(one.rows))
        ends = free + (queue.draw(slice(0, many)) + queue.ask().pause).cumsum(axis=0)
        counts: np.ndarray = np.where(np.isnan(ends[-1]), np.nan, (ends <= limit).sum(axis=0))
        if many >= _MOST or (ends[-1] > limit).all() or np.isnan(counts).all():
            return counts
        many = min(many * 4, _MOST)
