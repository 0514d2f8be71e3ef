"""Prepare the queue of each slot from its tasks and the exports to come."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from exportstats.core import coerce, frames, schema, shards
from exportstats.errors import ArgumentError, SchemaError
from exportstats.queues import table
from exportstats.queues.queue import Queue, split
from exportstats.queues.sources import Sources
from exportstats.queues.turns import READ, active_of, last_looks, turns_of, without_waiting
from exportstats.stats import histories
from exportstats.stats.as_of import instant, known_at, to_millis
from exportstats.stats.histories import keys_of
from exportstats.stats.incoming import Incoming

if TYPE_CHECKING:
    from datetime import date

    from exportstats.core.shards import Shards
    from exportstats.queues.draws import Numbers

_SLOT = list(schema.SLOT)


class Night(NamedTuple):
    """What is known when the queues begin.

    Attributes
    ----------
    now
        The instant from which offsets count, in milliseconds.
    known
        What durations are drawn from.
    free
        From which offset on each slot with active tasks is free, in each run.
    slots
        The slots of the tasks.
    incoming
        What log groups took in, or None.
    """

    now: int
    known: Sources
    free: dict[tuple[str, ...], np.ndarray]
    slots: set[tuple[str, ...]]
    incoming: Incoming | None

    @classmethod
    def of(
        cls,
        tasks: pd.DataFrame | Shards,
        start: str | date | pd.Period | None,
        numbers: Numbers,
        incoming: pd.DataFrame | None,
    ) -> Night:
        """Collect what the tasks say.

        Raises
        ------
        ArgumentError
            If there is neither a `start` nor an `observed_at`.
        """
        when = None if start is None else instant(start, "start")
        came = None if incoming is None else Incoming.of(incoming)
        found = shards.collect(tasks, partial(_part, start=when, incoming=came), READ)
        now = _start(found, when)
        known = Sources(histories.Histories(found), numbers)
        slots = {*keys_of(found[found["_role"] == "observed"], _SLOT)}
        return cls(now, known, _free(found, known, now), slots, came)

    def queues(self, exports: pd.DataFrame) -> list[Queue]:
        """Return the queue of each slot, sorted.

        Raises
        ------
        SchemaError
            If `exports` is not a table of exports, or the slot of one is not clear.
        """
        rows = table.sort(_with_slots(table.conform(exports), self.slots))
        early = coerce.millis(rows["create_at"]) < self.now - schema.DAY
        if early.any():
            first = rows[early].iloc[0]["create_at"]
            raise SchemaError(
                f"{early.sum():,} exports are asked for more than a day before the simulation "
                f"begins, the first at {first:%Y-%m-%dT%H:%MZ}; give a start before it"
            )
        bytes_ = histories.bytes_of(rows, self.incoming)
        return split(rows, bytes_, self.known, self.free, self.now)


def _part(
    tasks: pd.DataFrame, *, start: pd.Timestamp | None, incoming: Incoming | None
) -> pd.DataFrame:
    """Return the active tasks, the histories, and when each slot was last observed."""
    slots, latest = last_looks(tasks)
    known = known_at(tasks, start)
    if start is not None:
        latest = np.minimum(latest, to_millis(start))
    looks = slots.keys.assign(observed_at=coerce.times(latest), _role="observed")
    turns = turns_of(known)
    active = active_of(known, turns, incoming).assign(_role="active")
    past = histories.part(without_waiting(known, turns), incoming=incoming)
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


def _with_slots(rows: pd.DataFrame, known: set[tuple[str, ...]]) -> pd.DataFrame:
    """Return exports with the account and region that are missing, if only one slot can be meant.

    Raises
    ------
    SchemaError
        If several slots can be meant.
    """
    slots = keys_of(rows, _SLOT)
    known = known | {slot for slot in slots if all(slot)}
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
