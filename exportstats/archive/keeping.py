"""Keep what arrives from targets, and what their lists show as a whole."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.archive.adding import append
from exportstats.archive.delta import Store
from exportstats.archive.kinds import LISTINGS, LOOKS, shard_of
from exportstats.archive.observations import CHANGED, NEW
from exportstats.archive.query import Query
from exportstats.archive.reading import latest, lost_entries
from exportstats.aws.newest import Settled, Walk
from exportstats.aws.outcome import table_of
from exportstats.core import coerce, conversion, frames, schema
from exportstats.errors import warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exportstats.archive.storage import Storage
    from exportstats.aws.load import Load
    from exportstats.aws.newest import Slot
    from exportstats.core.schema import Table

# What arrived is kept this often. A commit to S3 takes about a third of a second.
_SECONDS_BETWEEN_COMMITS = 5.0
# That a list was read is kept this often, so that a sync that finds nothing new writes nothing, and
# the archive still tells that nothing was new from not having looked.
_LOOKS_APART = 12 * 3_600_000
_KNOWN = ("settled_until", "oldest_listed", "listed_at", "looked_at")


class Keeper:
    """Keep what arrives from targets, in few commits for all of them.

    Attributes
    ----------
    counts
        The number of new, changed and unchanged rows of each account and region.
    """

    def __init__(self, storage: Storage, kind: Table) -> None:
        self._storage = storage
        self._kind = kind
        self._taken: dict[int, int] = {}  # the number of kept parts of each load
        self._unfinished: set[Slot] = set()
        self._latest = time.monotonic()
        self.counts: dict[Slot, np.ndarray] = {}

    def look(self, loads: Sequence[Load]) -> None:
        """Keep what arrived, but not too often."""
        if time.monotonic() - self._latest >= _SECONDS_BETWEEN_COMMITS:
            self.keep(loads)

    def keep(self, loads: Sequence[Load]) -> None:
        """Keep what arrived since the last time."""
        # other threads go on meanwhile: a load that has ended now has all its parts
        going = [load for load in loads if load.fault is not None or not load.ended]
        parts = [load.arrived.parts for load in loads]
        fresh = [
            (load, found[self._taken.get(at, 0) :])
            for at, (load, found) in enumerate(zip(loads, parts, strict=True))
            if load.account_id is not None
        ]
        rows = table_of([(load, found) for load, found in fresh if found], self._kind)
        if len(rows):
            before = partial(self._mark, going)
            self._count(rows, append(self._storage, self._kind, rows, before=before))
        self._taken = {at: len(found) for at, found in enumerate(parts)}
        for load, found in zip(loads, parts, strict=True):
            load.keep(len(found), self._kind.id)
        self._latest = time.monotonic()

    def _mark(self, going: Sequence[Load], new: pd.DataFrame) -> None:
        """Keep that some lists with new tasks have not been read to where all is known.

        If the program is killed, this says that tasks are missing. What `keep_looks` keeps ends it.
        """
        first = new.groupby(list(schema.SLOT), observed=True)["observed_at"].min()
        times = dict(zip(first.index, coerce.millis(first).tolist(), strict=True))
        looks = latest(self._storage, LOOKS, Query())
        known = [_by_slot(looks, name) for name in _KNOWN]
        rows = []
        for load in going:
            slot = (load.account_id, load.region)
            if load.walk is None or slot not in times or slot in self._unfinished:
                continue
            began = times[slot] if load.walk.began is None else load.walk.began
            # before the look at the whole list, which is observed at `began`
            rows.append((*slot, *(one.get(slot) for one in known), began, began - 1))
            self._unfinished.add(slot)
        if rows:
            append(self._storage, LOOKS, _table(rows, LOOKS))

    def _count(self, rows: pd.DataFrame, found: np.ndarray) -> None:
        what = np.select([found == NEW, found == CHANGED], [0, 1], 2)
        slots = zip(*(rows[name] for name in schema.SLOT), strict=True)
        for slot, at in zip(slots, what, strict=True):
            self.counts.setdefault(slot, np.zeros(3, dtype=int))[at] += 1


def settled(storage: Storage) -> Settled:
    """Return down to where the list of each account and region has to be read.

    If the last entries of the log of the tasks are missing, nothing is settled.
    """
    looks = latest(storage, LOOKS, Query())
    snapshot = Store(storage, schema.TASKS).intact()
    if snapshot is None:
        return Settled({})
    if (lost := lost_entries(snapshot, looks)) is not None:
        warn(lost)
        return Settled({})
    return Settled(_by_slot(looks, "settled_until"))


def _by_slot(looks: pd.DataFrame, time: str) -> dict[Slot, int | None]:
    """Return a time of each account and region that has it, in milliseconds."""
    known = looks[looks[time].notna()]
    slots = zip(*(known[name] for name in schema.SLOT), strict=True)
    return dict(zip(slots, coerce.millis(known[time]).tolist(), strict=True))


def keep_looks(storage: Storage, loads: Sequence[Load]) -> None:
    """Keep what the lists of ended loads show: until when all is settled, and what is gone."""
    ended = [(load, load.walk) for load in loads if load.walk is not None and load.fault is None]
    looks = latest(storage, LOOKS, Query())
    oldest, since, looked = (_by_slot(looks, name) for name in _KNOWN[1:])
    rows: list[tuple[object, ...]] = []
    for load, walk in ended:
        slot = (load.account_id, load.region)
        until = walk.settled_until
        if until is None and walk.is_ordered:  # the list is empty
            until = walk.known_until
        if not walk.stopped and oldest.get(slot) != walk.oldest:
            oldest[slot], since[slot] = walk.oldest, walk.began
        before = looked.get(slot)
        if before is None or (walk.began is not None and walk.began - before >= _LOOKS_APART):
            looked[slot] = walk.began
        seen = (oldest.get(slot), since.get(slot), looked[slot])
        rows.append((*slot, until, *seen, None, walk.began))
    if rows:
        append(storage, LOOKS, _table(rows, LOOKS))
    whole = [(load, walk) for load, walk in ended if not walk.stopped]
    gone = [row for some in _by_shard(whole) for row in _listings(storage, *some)]
    if gone:
        append(storage, LISTINGS, _table(gone, LISTINGS))


def _listings(
    storage: Storage, shard: int, loads: Sequence[tuple[Load, Walk]]
) -> Iterator[tuple[object, ...]]:
    """Yield the known tasks of a shard that are gone from the lists, and those that came back."""
    query = Query().of(shard)
    tasks, listings = latest(storage, schema.TASKS, query), latest(storage, LISTINGS, query)
    was_gone = listings[listings["listed"] == "no"]
    for load, walk in loads:
        if walk.began is None:
            continue
        listed = {one for rows in load.arrived.parts for one in rows.table["task_id"].to_pylist()}
        slot = (load.account_id, load.region)
        known = tasks[_of(tasks, slot)]
        began = pd.Timestamp(walk.began, unit="ms", tz="UTC")
        # another sync may have added tasks that were created meanwhile
        known = known[(known["observed_at"] <= began) & ~(known["creation_time"] > began)]
        for gone in set(known["task_id"]) - listed:
            yield (*slot, gone, "no", walk.began)
        for back in set(was_gone["task_id"][_of(was_gone, slot)]) & listed:
            yield (*slot, back, "yes", walk.began)


def _of(rows: pd.DataFrame, slot: Slot) -> pd.Series:
    return (rows["account_id"] == slot[0]) & (rows["region"] == slot[1])


def _by_shard(
    loads: Iterable[tuple[Load, Walk]],
) -> Iterator[tuple[int, list[tuple[Load, Walk]]]]:
    shards: dict[int, list[tuple[Load, Walk]]] = {}
    for load, walk in loads:
        shards.setdefault(shard_of(str(load.account_id), str(load.region)), []).append((load, walk))
    yield from sorted(shards.items())


def _table(rows: Sequence[tuple[object, ...]], kind: Table) -> pd.DataFrame:
    names = [column.name for column in kind.base]
    typed, _ = conversion.coerce_rows(pd.DataFrame(rows, columns=names, dtype=object), kind)
    return frames.settle(typed, kind)[0]
