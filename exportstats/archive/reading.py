"""Read tables from an archive: in their latest state, or every observation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pandas as pd
import pyarrow as pa

from exportstats.archive.delta import Store
from exportstats.archive.query import Query
from exportstats.core import frames, identity, schema
from exportstats.errors import ArchiveError, DamagedFileWarning, warn
from exportstats.io.rows import Rows, to_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from exportstats.archive.delta import Snapshot
    from exportstats.archive.storage import Storage
    from exportstats.core.schema import Table
    from exportstats.core.shards import Part


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
    sources = (frames.SOURCES[name][:2] for name in columns & {*frames.SOURCES})
    wanted = {*kind.key, *columns}.union(*sources)
    names = [name for name in found.column_names if name in wanted]
    rows = typed(found.select(names))
    if (again := identity.repeated(rows, kind)).any():
        settled = to_table([Rows(found.filter(pa.array(again)))], kind)
        rows = frames.stack([rows[~again], settled[names]])
    return Result(frames.derive(frames.tidy(rows, kind), kind), damaged)


def latest(storage: Storage, kind: Table, query: Query, columns: Columns = None) -> pd.DataFrame:
    """Return each row of a kind in its latest state; an empty table if there is none."""
    snapshot = Store(storage, kind).snapshot()
    if snapshot is None:
        return frames.empty(kind)
    found, damaged = read_latest(snapshot, query, columns)
    warn_of_damage(storage, damaged)
    return found


def read_all(snapshot: Snapshot, query: Query) -> Result:
    """Return every observation of the selection, without derived columns."""
    found, damaged = snapshot.read(query)
    return Result(typed(found), damaged)


def read_history(snapshot: Snapshot, query: Query, _: Columns = None) -> Result:
    """Return every observation of the selection, as a table of tasks."""
    rows, damaged = read_all(snapshot, query)
    return Result(frames.derive(rows), damaged)


def typed(found: pa.Table) -> pd.DataFrame:
    """Convert what was read to a DataFrame with the dtypes of a table."""
    frame: pd.DataFrame = found.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def apply_part(snapshot: Snapshot, read: Reader, part: Part, shard: int) -> Result:
    """Apply a part to the columns that it reads of a shard."""
    columns = getattr(part, "columns", None)
    if columns is not None and not columns <= {*schema.NAMES}:
        columns = None  # so that the part can name all columns in its error
    tasks, damaged = read(snapshot, Query(shards=frozenset([shard])), columns)
    return Result(part(tasks), damaged)


def apply_elsewhere(storage: Storage, version: int, read: Reader, part: Part, shard: int) -> Result:
    """Apply a part to a shard in another process.

    Raises
    ------
    ArchiveError
        This version is not there any more.
    """
    snapshot = Store(storage, schema.TASKS).snapshot(version)
    if snapshot is None:
        raise ArchiveError(f"{storage.uri} was deleted while it was read")
    return apply_part(snapshot, read, part, shard)


def warn_of_damage(storage: Storage, damaged: pd.DataFrame) -> None:
    """Warn of the files that could not be read."""
    if not len(damaged):
        return
    rows = int(damaged["rows"].fillna(0).sum())
    first = damaged.iloc[0]
    more = f" and {len(damaged) - 1:,} more files" if len(damaged) > 1 else ""
    warn(
        DamagedFileWarning(
            f"{first['file']}{more} of the archive {storage.uri} cannot be read, so {rows:,} "
            f"observations are missing: {first['reason']}. Restore it from a backup, or from an "
            "earlier version of the bucket's objects",
            damaged,
        )
    )
