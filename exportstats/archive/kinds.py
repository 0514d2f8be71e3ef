"""The tables of an archive, and their rows as Delta Lake stores them.

Every kind of table is kept in the same way: a Delta table with the base columns and `shard`, to
which observations are appended. Rows of an account and region are in one shard.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pyarrow as pa

from exportstats.core.schema import KEY, SLOT, TABLES, TASKS, Column, Kind, Table
from exportstats.io.rows import POOL, arrow_schema, to_arrow

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

FORMAT = 1  # the major version; a reader refuses a newer one
SHARDS = 16  # never changes within a format
SHARD = "shard"
# Of the slots in each shard; a filter on an account reads only the row groups with it.
ROWS_IN_GROUP = 16_384

_ORDER = ("creation_time", "event_time", "start", "observed_at")
_ACCOUNT, _REGION, _TASK_ID = (column for column in TASKS.base if column.name in KEY)
_OBSERVED = TASKS.base[-1]

LOOKS = Table(
    name="looks",
    row="look",
    key=SLOT,
    member="looks",
    makers="xs.Archive.sync",
    base=(
        _ACCOUNT,
        _REGION,
        Column("settled_until", None, "time", "All tasks created before have ended and are kept."),
        Column("oldest_listed", None, "time", "The oldest creation in the list, at its end."),
        Column("listed_at", None, "time", "When it was first the oldest."),
        Column("looked_at", None, "time", "When the list was read, to twelve hours."),
        Column(
            "unfinished_since", None, "time", "When a sync began that has kept only some tasks."
        ),
        _OBSERVED,
    ),
)
LISTINGS = Table(
    name="listings",
    row="listing",
    key=KEY,
    member="listings",
    makers="xs.Archive.sync",
    base=(
        _ACCOUNT,
        _REGION,
        _TASK_ID,
        Column("listed", None, "category", "Whether the service listed the task: yes or no."),
        _OBSERVED,
    ),
)
KINDS = {**TABLES, "looks": LOOKS, "listings": LISTINGS}
NAMES = {kind: name for name, kind in KINDS.items()}

_STORED: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "category": pa.string(),
    "status": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
    "length": pa.int64(),  # Delta Lake has no type for lengths of time: milliseconds
    "count": pa.int64(),
    "rate": pa.float64(),
}


def shard_of(account_id: str, region: str) -> int:
    """Return the shard of an account and region.

    Examples
    --------
    >>> shard_of("123456789012", "eu-west-1")
    15
    """
    return zlib.crc32(f"{account_id}/{region}".encode()) % SHARDS


def shards_of(rows: pd.DataFrame) -> list[int]:
    """Return the shard of each row."""
    slots = [*zip(*(rows[name] for name in SLOT), strict=True)]
    known = {slot: shard_of(*slot) for slot in set(slots)}
    return [known[slot] for slot in slots]


def stored_schema(kind: Table) -> pa.Schema:
    """Return the Arrow types in which a kind of table is stored."""
    columns = [(column.name, _STORED[column.kind]) for column in kind.base]
    return pa.schema([*columns, (SHARD, pa.int32())])


def to_stored(rows: pd.DataFrame, kind: Table) -> pa.Table:
    """Convert a table to what is stored, sorted so that each account lies together."""
    base = rows[[column.name for column in kind.base]]
    base = base.astype(dict.fromkeys(SLOT, "str")).sort_values(
        [*SLOT, *(name for name in _ORDER if name in base)],
        kind="stable",
    )
    table = to_arrow(base, kind)
    table = table.append_column(SHARD, pa.array(shards_of(base), pa.int32()))
    return table.cast(stored_schema(kind))


def reading_schema(kind: Table, stored: Iterable[str], plain: Iterable[str]) -> pa.Schema:
    """Return the types in which to read the columns that are stored; `plain` ones as plain text.

    Parquet's statistics are used for filters on plain text only.
    """
    types = {field.name: field.type for field in arrow_schema(kind)}
    lengths = {column.name: pa.int64() for column in kind.base if column.kind == "length"}
    texts = dict.fromkeys(plain, pa.string())
    named = types | lengths | texts
    return pa.schema([(name, named[name]) for name in stored if name in types])


def from_stored(table: pa.Table, kind: Table) -> pa.Table:
    """Convert what was read to the types of a table, and fill in columns that were not stored."""
    made = []
    for field in arrow_schema(kind):
        if field.name not in table.column_names:
            made.append(pa.nulls(len(table), field.type))
            continue
        values = table[field.name]
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        made.append(values.cast(field.type))
    return pa.table(made, schema=arrow_schema(kind)).unify_dictionaries(POOL)
