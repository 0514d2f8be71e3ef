"""Combine rows from many files or answers into one table, and report the bad ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from exportstats.core import coerce, conversion, frames, identity
from exportstats.core.conversion import own_columns
from exportstats.core.schema import LOG_GROUPS, squeeze
from exportstats.errors import SchemaError, UnusedWarning, report_rows, warn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from exportstats.core.schema import Kind, Table

# Reading takes less time and memory with the system's allocator than with Arrow's own.
POOL = pa.system_memory_pool()
TIME = pa.timestamp("ms", tz="UTC")
REPEATED = pa.dictionary(pa.int32(), pa.string())
_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.large_string(),  # as in pandas, which avoids a copy
    "category": REPEATED,
    "status": REPEATED,
    "time": TIME,
    "length": pa.duration("ms"),
    "count": pa.int64(),
    "rate": pa.float64(),
}
_FITTING = {
    pa.large_string(): (pa.string(), pa.large_string()),
    REPEATED: (pa.string(), pa.large_string(), REPEATED),
    TIME: tuple(pa.timestamp(unit, tz="UTC") for unit in ("s", "ms", "us", "ns")),
}
MAIN = ("log_group_name", "from_time", "to_time", "status_code", "creation_time")
_SHOWN = 10


@dataclass(frozen=True)
class Rows:
    """Typed rows from one place, duplicates included.

    Attributes
    ----------
    table
        The base columns and the user's own columns.
    what, first
        The name of a row in messages, such as "tasks.json, line", and the number of the first row.
    numbers
        The position of each row of `table` among all rows, including refused ones; None for 0, 1,
        2, and so on.
    refused
        The position and the reason of each row that cannot be read.
    unused
        The number of rows with each unused key.
    pages
        The number of rows of each page, and whether it has a token, so that the list continues.
    lists
        The number of the list of each row of `table`; there may be pages of several lists.
    """

    table: pa.Table
    what: str = "row"
    first: int = 1
    numbers: np.ndarray | None = None
    refused: Sequence[tuple[int, str]] = ()
    unused: Counter[str] = field(default_factory=Counter)
    pages: tuple[tuple[int, bool], ...] = ()
    lists: np.ndarray | int = 0

    def __len__(self) -> int:
        """Return the number of rows, including refused ones."""
        return len(self.table) + len(self.refused)

    def name(self, number: int) -> str:
        """Return the place of the row with this number."""
        return f"{self.what} {self.first + number}"

    def where(self, row: int) -> str:
        """Return the place of a row of `table`."""
        return self.name(row if self.numbers is None else int(self.numbers[row]))

    def with_pages(self, pages: tuple[tuple[int, bool], ...]) -> Rows:
        """Return the rows with their pages; a list ends with a page without a token."""
        ends = [0, *(not continues for _, continues in pages[:-1])]
        lists = np.repeat(np.cumsum(ends[: len(pages)]), [size for size, _ in pages])
        if len(lists) != len(self):  # there are rows outside of the pages
            return replace(self, pages=pages)
        kept = lists if self.numbers is None else lists[self.numbers]
        return replace(self, pages=pages, lists=kept)

    def renumbered(self, numbers: np.ndarray, broken: Iterable[tuple[int, str]]) -> Rows:
        """Return the rows with new positions, and with rows that were refused earlier."""
        refused = [*broken, *((int(numbers[row]), reason) for row, reason in self.refused)]
        kept = numbers if self.numbers is None else numbers[self.numbers]
        return replace(self, numbers=kept, refused=sorted(refused))

    def filled(self, *, over: bool = False, **values: Any) -> Rows:  # noqa: ANN401 - of any type
        """Fill the missing values of columns; with `over`, replace all values.

        A value is a scalar, or an array with one value per row.
        """
        table = self.table
        for name, value in values.items():
            at = table.column_names.index(name)
            old, kind = table.column(at), table.field(name).type
            if value is None or not (over or old.null_count):
                continue
            plain = pa.int64() if kind == TIME else pa.string()
            new = (
                pa.array(value, type=plain)
                if isinstance(value, np.ndarray)
                else pa.repeat(pa.scalar(value, type=plain), len(table))
            )
            if not over and old.null_count < len(old):
                new = pc.coalesce(old.cast(plain), new)
            table = table.set_column(at, name, new.cast(kind))
        return replace(self, table=table)


class NarrowError(Exception):
    """Rows are repeated, and lack columns that tell which of them is the latest."""


def to_table(
    parts: Iterable[Rows],
    kind: Table,
    *,
    strict: bool = False,
    how: coerce.TimesIn = coerce.MILLIS,
    columns: Collection[str] | None = None,
    every: bool = False,
) -> pd.DataFrame:
    """Combine rows from many places into one table, and report the bad ones.

    With `columns`, only these are converted if all exist, which is enough if no row is repeated.
    With `every`, repeated rows are kept.

    Raises
    ------
    NarrowError
        Rows are repeated, and `columns` are not all of the base columns.
    """
    known, tables = [], [arrow_schema(kind).empty_table()]
    for part in parts:
        tables.append(part.table)
        # only `tables` refers to the data, so that it can be freed
        known.append(replace(part, table=part.table.schema.empty_table()))
    starts = np.cumsum([len(table) for table in tables])
    try:
        whole = pa.concat_tables(tables, promote_options="permissive", memory_pool=POOL)
    except pa.ArrowTypeError:  # an own column has numbers in one file and text in another
        tables = [_with_text(table, kind) for table in tables]
        whole = pa.concat_tables(tables, promote_options="permissive", memory_pool=POOL)
    tables.clear()
    own = own_columns(whole.column_names, kind)
    is_narrow = columns is not None and {*columns} <= {*whole.column_names}
    if columns is not None and is_narrow:
        whole = whole.select([name for name in whole.column_names if name in columns])
    whole = whole.unify_dictionaries(POOL)
    # by default pandas makes floats of integers with missing values, which rounds large ones
    typed = whole.to_pandas(
        split_blocks=True, self_destruct=True, types_mapper={pa.int64(): pd.Int64Dtype()}.get
    )
    del whole
    plain = [name for name in own_columns(typed, kind) if typed[name].dtype == "Int64"]
    typed = typed.astype({name: "int64" for name in plain if not typed[name].hasnans})

    def places(reasons: pd.Series) -> pd.DataFrame:
        at = np.searchsorted(starts, reasons.index, side="right") - 1
        rows = zip(at, reasons.index - starts[at], strict=True)
        return pd.DataFrame(
            {"place": [known[of].where(row) for of, row in rows], "reason": [*reasons]}
        )

    conversion.warn_of_units(typed, [name for name in kind.times if name in typed], how)
    bounded, changed = conversion.bound(typed, kind)
    if is_narrow and not every and identity.repeated(bounded, kind).any():
        raise NarrowError
    if is_narrow or every:
        rows, doubtful = frames.derive(frames.tidy(bounded, kind), kind), changed[:0]
    else:
        rows, doubtful = frames.settle(bounded, kind)
    _warn_of_unused(rows, sum((part.unused for part in known), Counter()), own, kind)
    refused = [(part.name(number), reason) for part in known for number, reason in part.refused]
    report_rows(
        pd.DataFrame(refused, columns=["place", "reason"]),
        places(changed),
        places(doubtful),
        of=len(typed) + len(refused),
        strict=strict,
    )
    return rows


def _with_text(table: pa.Table, kind: Table) -> pa.Table:
    for name in own_columns(table.column_names, kind):
        texts = [value if value is None else str(value) for value in table[name].to_pylist()]
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(texts, type=pa.string()))
    return table


def _warn_of_unused(
    rows: pd.DataFrame, unused: Counter[str], own: Sequence[str], kind: Table
) -> None:
    """Warn of unused keys, and of own columns that may be misspelt names of a column."""
    empty = [name for name in MAIN if own and name in rows and rows[name].isna().all()]
    keys = [f"{key} ({count:,})" for key, count in unused.most_common(_SHOWN)]
    more = f" and {len(unused) - _SHOWN:,} more" if len(unused) > _SHOWN else ""
    if keys:
        message = f"unused keys, with the number of {kind.name} that have each: "
        warn(UnusedWarning(f"{message}{', '.join(keys)}{more}", dropped=True))
    if empty and len(rows):
        warn(
            UnusedWarning(
                f"no {kind.row} has {', '.join(empty)}; if one of the other columns "
                f"({', '.join(own[:_SHOWN])}) has these values, rename it"
            )
        )


def columns_to_read(wanted: Collection[str], names: Sequence[str], kind: Table) -> list[str] | None:
    """Return the source columns of some columns of a table; None for all if one may be missing."""
    known = {name: [name] for name in names} | conversion.rename(names, kind)
    found = [known.get(name) for name in wanted]
    if None in found:
        return None
    sources = {name for some in found for name in some or ()}
    return [name for name in names if name in sources]


def read_columns(table: pa.Table, kind: Table, how: coerce.TimesIn = coerce.MILLIS) -> Rows:
    """Convert an Arrow table with columns of any types, and add missing columns."""
    sources = conversion.rename(table.column_names, kind)
    if kind is LOG_GROUPS and "taskid" in map(squeeze, table.column_names):
        raise SchemaError("these are tasks; read them with xs.read_tasks")
    nested = kind.nested.intersection(map(squeeze, table.column_names))
    is_struct = any(map(pa.types.is_struct, table.schema.types))
    plain = kind.id in sources and not nested and not is_struct
    types = {field.name: _FITTING.get(field.type, (field.type,)) for field in arrow_schema(kind)}
    if plain and all(
        [table.schema.field(one).type in types[name] for one in names] == [True]
        for name, names in sources.items()
    ):
        made = fitted({name: table[one] for name, (one,) in sources.items()}, len(table), kind)
        if made is not None:
            for name in own_columns(table.column_names, kind):
                made = made.append_column(name, table[name])
            return Rows(made)
    return read_frame(conversion.from_arrow(table), kind, how)


def read_frame(frame: pd.DataFrame, kind: Table, how: coerce.TimesIn = coerce.MILLIS) -> Rows:
    """Convert a DataFrame with columns of any types."""
    typed, reasons = conversion.coerce_rows(frame, kind, how)
    refused = [*zip(reasons.index.tolist(), reasons, strict=True)]
    return Rows(to_arrow(typed, kind), numbers=typed.index.to_numpy(), refused=refused)


@cache
def arrow_schema(kind: Table) -> pa.Schema:
    """Return the Arrow types of a table's base columns."""
    return pa.schema([(column.name, _TYPES[column.kind]) for column in kind.base])


def to_arrow(typed: pd.DataFrame, kind: Table) -> pa.Table:
    """Convert typed rows to an Arrow table, including the user's own columns."""
    table = pa.Table.from_pandas(
        typed[[column.name for column in kind.base]],
        schema=arrow_schema(kind),
        preserve_index=False,
    )
    for name in own_columns(map(str, typed.columns), kind):
        try:
            values = pa.array(typed[name])
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several types
            values = pa.array(typed[name].map(str, na_action="ignore"))
        table = table.append_column(name, values)
    return table


def fitted(arrays: dict[str, Any], length: int, kind: Table) -> pa.Table | None:
    """Cast arrays to the base columns, and add missing ones; return None if a value is invalid."""
    made = []
    for column in kind.base:
        array, dtype = arrays.get(column.name), _TYPES[column.kind]
        if array is None:
            array = pa.nulls(length, dtype)
        elif dtype == REPEATED and array.type != REPEATED:
            array = array.dictionary_encode()
        made.append(array := array.cast(dtype, safe=dtype != TIME))
        if array.null_count and not column.nullable:
            return None
        if column.name == kind.id:
            lengths = pc.binary_length(array.cast(pa.large_string()))
            if pc.any(pc.equal(lengths, 0)).as_py():
                return None
        least = {"time": coerce.NAT + 1, "count": 0, "length": min(column.scale - 1, 1)}
        if (
            column.kind in least
            and array.null_count < length
            and pc.min(array.cast(pa.int64())).as_py() < least[column.kind]
        ):
            return None
    return pa.table(made, schema=arrow_schema(kind))
