"""Add observations to an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exportstats.archive.delta import Store
from exportstats.archive.kinds import shards_of, to_stored
from exportstats.archive.observations import NEW, UNCHANGED, compare
from exportstats.archive.query import Query
from exportstats.archive.reading import read_all
from exportstats.core import frames, schema

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.archive.delta import Snapshot
    from exportstats.archive.storage import Storage
    from exportstats.core.schema import Table


def append(
    storage: Storage,
    kind: Table,
    rows: pd.DataFrame,
    *,
    before: Callable[[pd.DataFrame], object] | None = None,
) -> np.ndarray:
    """Append the observations that are not known yet.

    Return what each row was, as in `observations.compare`. `before` is called with the new rows
    before they are written.
    """
    if kind is not schema.TASKS:  # an archive always has tasks, so that it can be recognised
        Store(storage, schema.TASKS).ensure()
    store = Store(storage, kind)
    snapshot, shards = store.intact(), np.array(shards_of(rows), dtype=int)
    found = np.full(len(rows), NEW)
    for shard in np.unique(shards):  # one by one, because what is known may be large
        some = rows[shards == shard].reset_index(drop=True)
        found[shards == shard] = compare(some, _known(snapshot, some, kind, shard), kind)
    fresh = rows[found != UNCHANGED]
    if len(fresh):
        if before is not None:
            before(rows[found == NEW])
        store.append(to_stored(fresh, kind))
    else:
        store.ensure()
    return found


def _known(snapshot: Snapshot | None, rows: pd.DataFrame, kind: Table, shard: int) -> pd.DataFrame:
    """Return the observations of a shard that may be of the same tasks."""
    if snapshot is None:
        return frames.empty(kind)[[column.name for column in kind.base]]
    query = Query().of(shard)
    if "creation_time" in rows and rows["creation_time"].notna().all():
        created = rows["creation_time"]
        query = query.created(created.min(), created.max())
    return read_all(snapshot, query).table
