"""Read tables from an archive: in their latest state, or every observation."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from exportstats.archive.delta import Store, damages
from exportstats.archive.kinds import shards_of
from exportstats.core import coerce, frames, identity, schema
from exportstats.errors import DamagedFileWarning, PartialListWarning, warn
from exportstats.io.rows import Rows, to_table
from exportstats.stats import grouping

if TYPE_CHECKING:
    from collections.abc import Callable

    from exportstats.archive.delta import Snapshot
    from exportstats.archive.query import Query
    from exportstats.archive.storage import Storage
    from exportstats.core.schema import Table
    from exportstats.core.shards import Part


# A list that was read this much earlier than another one in the same archive is outdated.
_BEHIND = pd.Timedelta("36h")


class Result(NamedTuple):
    """A table, and the files that could not be read."""

    table: pd.DataFrame
    damaged: pd.DataFrame


Columns: TypeAlias = frozenset[str] | None
Reader: TypeAlias = "Callable[[Snapshot, Query, Columns], Result]"


def read_latest(snapshot: Snapshot, query: Query, columns: Columns = None) -> Result:
    """Return each row of the selection in its latest state.

    With `columns`, it has these, and those that they are derived from; converting the others to
    pandas takes most of the time.
    """
    kind = snapshot.store.kind
    found, damaged = snapshot.read(query)
    if columns is None:
        return Result(to_table([Rows(found)], kind), damaged)
    wanted = frames.sources_of(columns, kind)
    names = [name for name in found.column_names if name in wanted]
    rows = typed(found.select(names))
    if (again := identity.repeated(rows, kind)).any():
        several = typed(found.filter(pa.array(again)))
        latest, doubtful = identity.keep_latest(several, kind)
        frames.report_doubtful(doubtful, of=len(several))
        again[again] = ~several.index.isin(latest.index)
        rows = rows[~again].reset_index(drop=True)
    return Result(frames.derive(frames.tidy(rows, kind), kind), damaged)


def read_seen(
    looks: pd.DataFrame, snapshot: Snapshot, query: Query, columns: Columns = None
) -> Result:
    """Return each task of the selection in its latest state, seen again at the looks."""
    if columns is not None and "observed_at" in columns:
        columns |= {"creation_time"}
    tasks, damaged = read_latest(snapshot, query, columns)
    return Result(with_looks(tasks, looks), damaged)


def latest(storage: Storage, kind: Table, query: Query, columns: Columns = None) -> pd.DataFrame:
    """Return each row of a kind in its latest state; an empty table if there is none."""
    snapshot = Store(storage, kind).snapshot()
    if snapshot is None:
        return frames.empty(kind)
    return table_of(storage, read_latest(snapshot, query, columns))


def read_all(snapshot: Snapshot, query: Query) -> Result:
    """Return every observation of the selection, without derived columns."""
    found, damaged = snapshot.read(query)
    return Result(typed(found), damaged)


def read_history(snapshot: Snapshot, query: Query, columns: Columns = None) -> Result:
    """Return every observation of the selection, as a table of tasks, with these columns."""
    found, damaged = snapshot.read(replace(query, columns=columns))
    if columns is not None:
        found = found.select([name for name in found.column_names if name in columns])
    return Result(frames.derive(typed(found)), damaged)


def typed(found: pa.Table) -> pd.DataFrame:
    """Convert what was read to a DataFrame with the dtypes of a table."""
    frame: pd.DataFrame = found.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def with_looks(tasks: pd.DataFrame, looks: pd.DataFrame) -> pd.DataFrame:
    """Set `observed_at` of the newest task of each account and region to when its list was read.

    If nothing was new, it has been seen again. So the last observation is that of the last sync.
    """
    known = looks[["account_id", "region", "looked_at"]].dropna()
    if not len(known) or not len(tasks) or "observed_at" not in tasks:
        return tasks
    slots = grouping.group(tasks, schema.SLOT)
    times = slots.keys.astype("str").merge(
        known.astype(dict.fromkeys(schema.SLOT, "str")), how="left"
    )
    looked = coerce.millis(times["looked_at"])[slots.codes]
    created, observed = (coerce.millis(tasks[name]) for name in ("creation_time", "observed_at"))
    newest = np.full(len(slots.keys), coerce.NAT)
    np.maximum.at(newest, slots.codes, created)
    again = (created == newest[slots.codes]) & (looked > observed)
    if not again.any():
        return tasks
    return tasks.assign(observed_at=coerce.times(np.where(again, looked, observed)))


def warn_of_looks(storage: Storage, looks: pd.DataFrame) -> None:
    """Warn of lists that were not read to their end, or long before those of other targets."""
    if not len(looks):
        return
    never = looks["looked_at"].isna()
    in_part = looks["unfinished_since"].notna() & ~never
    behind = (looks["looked_at"].max() - looks["looked_at"] > _BEHIND) & ~in_part
    for which, how in (
        (never, "was never read to its end, so older tasks are missing"),
        (
            in_part,
            "was read only in part at {unfinished_since:%Y-%m-%d %H:%M}Z, so tasks are missing",
        ),
        (behind, "was last read at {looked_at:%Y-%m-%d %H:%M}Z, so later tasks are missing"),
    ):
        if not which.any():
            continue
        first, many = looks[which].iloc[0], int(which.sum()) - 1
        more = f" (and {many:,} more)" if many else ""
        warn(
            PartialListWarning(
                f"the list of {first['account_id']}, {first['region']}{more} "
                f"{how.format_map(first)}; "
                f"`exportstats archive sync {shlex.quote(storage.uri)}` reads the rest"
            )
        )


def lost_entries(snapshot: Snapshot, looks: pd.DataFrame) -> DamagedFileWarning | None:
    """Return the warning that the last entries of the log are missing, if the looks tell so.

    A look is kept after the tasks that it is about, and `settled_until` is at most 1 ms after the
    newest of them. So there is a task at or after it, of this account and region or of another one
    in the shard. `looks` have to be read before the snapshot is taken.
    """
    known = looks[looks["settled_until"].notna()]
    if not len(known) or snapshot.damage is not None:
        return None
    newest = snapshot.newest().reindex(shards_of(known)).set_axis(known.index)
    lacking = known[~(newest >= known["settled_until"] - pd.Timedelta(1, unit="ms"))]
    if not len(lacking):
        return None
    first, place = lacking.iloc[0], snapshot.store.place
    reason = (
        f"tasks of {first['account_id']}, {first['region']} until "
        f"{first['settled_until']:%Y-%m-%d %H:%M}Z were kept and are missing"
    )
    file = f"{place}/_delta_log/{snapshot.version + 1:020}.json"
    return DamagedFileWarning(
        f"the last entries of {place}/_delta_log, from {snapshot.version + 1:020}.json on, are "
        f"missing or empty: {reason}; restore them from a backup or from earlier versions of the "
        "objects; without one, docs/archive.md says how to add the data files again, and the next "
        "sync reads each list to its end",
        damages([(file, None, None, reason)]),
    )


def apply_part(snapshot: Snapshot, read: Reader, part: Part, query: Query) -> Result:
    """Apply a part to the columns that it reads of a selection."""
    columns = getattr(part, "columns", None)
    if columns is not None and not columns <= {*schema.NAMES}:
        columns = None  # so that the part can name all columns in its error
    tasks, damaged = read(snapshot, query, columns)
    return Result(part(tasks), damaged)


def table_of(storage: Storage, result: Result) -> pd.DataFrame:
    """Return the table of a result, and warn of the files that could not be read."""
    table, damaged = result
    if not len(damaged):
        return table
    warn(DamagedFileWarning(explain_damage(storage, damaged), damaged))
    return table


def explain_damage(storage: Storage, damaged: pd.DataFrame) -> str:
    """Return which files cannot be read, why, and the remedy."""
    rows = int(damaged["rows"].fillna(0).sum())
    first = damaged.iloc[0]
    more = f" and {len(damaged) - 1:,} more files" if len(damaged) > 1 else ""
    return (
        f"{first['file']} ({first['reason']}){more} cannot be read, so {rows:,} observations are "
        "missing; restore it from a backup or an earlier version of the object; without one, "
        f"`exportstats archive sync --full {shlex.quote(storage.uri)}` adds again what AWS still "
        "lists; docs/archive.md says how to end this warning then"
    )
