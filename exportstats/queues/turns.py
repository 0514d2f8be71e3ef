"""Infer when each task's turn came: a slot runs one task at a time, in the order of creation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.stats import grouping
from exportstats.stats.histories import bytes_of
from exportstats.stats.packing import order_of

if TYPE_CHECKING:
    from exportstats.stats.incoming import Incoming

_KEY, _SLOT = list(schema.LOG_GROUP), list(schema.SLOT)
# What turns, active tasks and histories read of the tasks.
READ = (
    *dict.fromkeys((*schema.KEY, *_KEY)),
    *("from_time", "to_time", "window", "status_code", "creation_time", "completion_time"),
    *("duration", "observed_at"),
)


class Turns(NamedTuple):
    """The turns of the tasks of whole slots, in milliseconds, in the order of the tasks.

    Attributes
    ----------
    slot
        The number of the slot.
    created
        The creation of the task; `coerce.NAT` if unknown.
    before
        When the tasks created before it had ended, without active ones; `coerce.NAT` if there is
        none.
    begin
        When its turn came: at its creation, or when the tasks before it had ended. A task that
        ended before them ran beside them, from its creation on.
    """

    slot: np.ndarray
    created: np.ndarray
    before: np.ndarray
    begin: np.ndarray


def last_looks(tasks: pd.DataFrame) -> tuple[grouping.Groups, np.ndarray]:
    """Return the slots of tasks, and when each was last observed in milliseconds."""
    slots = grouping.group(tasks, _SLOT)
    latest = np.full(len(slots.keys), coerce.NAT)
    np.maximum.at(latest, slots.codes, coerce.millis(tasks["observed_at"]))
    return slots, latest


def turns_of(known: pd.DataFrame) -> Turns:
    """Return the turns of tasks as they were known."""
    slot = grouping.group(known, _SLOT).codes
    created, end = (coerce.millis(known[name]) for name in ("creation_time", "completion_time"))
    order = order_of(slot, created)
    if not (np.diff(slot[order]) | np.diff(created[order])).all():
        order = np.lexsort((end, created, slot))
    # a missing time is the smallest int64, so it never is the latest
    latest = pd.Series(end[order]).groupby(slot[order]).cummax()
    before = np.empty_like(end)
    before[order] = latest.groupby(slot[order]).shift(fill_value=coerce.NAT).to_numpy()
    waited = (created != coerce.NAT) & (before > created) & ((before <= end) | (end == coerce.NAT))
    return Turns(slot, created, before, np.where(waited, before, created))


def without_waiting(known: pd.DataFrame, turns: Turns) -> pd.DataFrame:
    """Return tasks with `duration` counted from their turns, without the time they waited."""
    waited = (turns.begin - turns.created).view("timedelta64[ms]")
    return known.assign(duration=known["duration"] - waited)


def active_of(known: pd.DataFrame, turns: Turns, incoming: Incoming | None) -> pd.DataFrame:
    """Return the active tasks in the order of their turns, for `Sources.free_from`.

    Returns
    -------
    DataFrame
        The key, `task_id`, `from_time`, `to_time` and `creation_time`; `window` and `begin`, when
        its turn came, in milliseconds; `bytes` that came in during the window, NaN where unknown;
        and `waits`, whether it is behind another active task.
    """
    is_active = known["status_code"].isin(schema.ACTIVE_STATES).to_numpy()
    some = known[is_active]
    active = some[[*_KEY, "task_id", "from_time", "to_time", "creation_time"]].assign(
        window=coerce.float_millis(some["window"]),
        begin=turns.begin[is_active],
        waits=some["status_code"] != "RUNNING",
        bytes=bytes_of(some, incoming),
    )
    active = active.sort_values(["waits", "creation_time", "task_id"], ignore_index=True)
    behind = active.groupby(_SLOT, observed=True, dropna=False).cumcount() > 0
    return active.assign(waits=active["waits"] & behind)
