"""Count what an archive has of each account and region, and what the service has forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from exportstats.archive.kinds import LISTINGS, LOOKS
from exportstats.archive.query import Query
from exportstats.archive.reading import latest, read_all, table_of
from exportstats.core import frames, schema
from exportstats.core.schema import KEY, SLOT

if TYPE_CHECKING:
    from exportstats.archive.delta import Snapshot
    from exportstats.archive.storage import Storage

_SLOT = list(SLOT)
_COUNTS = ("tasks", "active", "observations", "gone")
_TIMES = (
    *("oldest_created", "newest_created", "first_observed", "last_observed"),
    *("settled_until", "oldest_listed", "gone_since"),
)
_LENGTHS = ("remembered_at_least", "remembered_at_most")
COLUMNS = (
    *("account_id", "region", "tasks", "active", "observations"),
    *("oldest_created", "newest_created", "first_observed", "last_observed", "settled_until"),
    *("oldest_listed", "gone", "gone_since", *_LENGTHS),
)


def count(storage: Storage, snapshot: Snapshot) -> pd.DataFrame:
    """Return one row per account and region, shard by shard."""
    found = [_count_shard(storage, snapshot, shard) for shard in snapshot.shards_of(Query())]
    made = pd.concat([_typed(pd.DataFrame(columns=list(COLUMNS))), *found])
    return made.sort_values(_SLOT, ignore_index=True)


def _count_shard(storage: Storage, snapshot: Snapshot, shard: int) -> pd.DataFrame:
    query = Query().of(shard)
    rows = table_of(storage, read_all(snapshot, query))
    tasks = frames.settle(rows)[0]
    looks, listings = latest(storage, LOOKS, query), latest(storage, LISTINGS, query)
    is_active = tasks["status_code"].isin(schema.ACTIVE_STATES)
    of_slot = tasks.assign(is_active=is_active).groupby(_SLOT, observed=True)
    of_rows = rows.groupby(_SLOT, observed=True)["observed_at"]
    gone = listings[listings["listed"] == "no"].merge(tasks, on=list(KEY), suffixes=("", "_"))
    age = gone["observed_at"] - gone["creation_time"]
    of_gone = gone.assign(age=age).groupby(_SLOT, observed=True)
    of_looks = looks.set_index(_SLOT)
    found = pd.DataFrame(
        {
            "tasks": of_slot.size(),
            "active": of_slot["is_active"].sum(),
            "observations": of_rows.size(),
            "oldest_created": of_slot["creation_time"].min(),
            "newest_created": of_slot["creation_time"].max(),
            "first_observed": of_rows.min(),
            # a list with nothing new was observed, too
            "last_observed": pd.concat([of_rows.max(), of_looks["looked_at"]], axis=1).max(axis=1),
            "settled_until": of_looks["settled_until"],
            "oldest_listed": of_looks["oldest_listed"],
            "gone": of_gone.size(),
            "gone_since": of_gone["observed_at"].min(),
            "remembered_at_least": of_looks["listed_at"] - of_looks["oldest_listed"],
            "remembered_at_most": of_gone["age"].min(),
        }
    )
    return _typed(found.rename_axis(_SLOT).reset_index())


def _typed(found: pd.DataFrame) -> pd.DataFrame:
    counts = {name: found[name].astype("float64").fillna(0).astype("int64") for name in _COUNTS}
    times = {name: found[name].astype("datetime64[ms, UTC]") for name in _TIMES}
    lengths = {name: found[name].astype("timedelta64[ms]") for name in _LENGTHS}
    slots = {name: found[name].astype("str") for name in SLOT}
    return found.assign(**counts, **times, **lengths, **slots)[list(COLUMNS)]
