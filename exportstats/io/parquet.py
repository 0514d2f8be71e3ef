"""Read and write tables as Parquet."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from exportstats.core import conversion
from exportstats.errors import FileFormatError, SchemaError
from exportstats.io.rows import (
    MAIN,
    REPEATED,
    Rows,
    arrow_schema,
    columns_to_read,
    read_columns,
    to_arrow,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

    from exportstats.core.coerce import TimesIn
    from exportstats.core.schema import Table
    from exportstats.io.source import Source

MAGIC = b"PAR1"


def write_parquet(tables: Iterable[pd.DataFrame], stream: IO[bytes], kind: Table) -> None:
    """Write tables one after another, including the user's own columns."""
    slices = (to_arrow(rows, kind) for rows in tables)
    first = next(slices)
    writer = pq.ParquetWriter(stream, first.schema, compression="zstd")
    try:
        for table in chain([first], slices):
            writer.write_table(table.cast(writer.schema))
        writer.close()
    except BaseException:
        writer.is_open = False  # otherwise it would write to the closed file later
        raise


def read_parquet(
    source: Source, kind: Table, how: TimesIn, columns: Collection[str] | None = None
) -> Rows:
    """Read a table with our column names or AWS's, of any types.

    With `columns`, only these are read if the file has all of them and their values; the others
    are missing.
    """
    plain = source.path
    data = None if plain else pa.py_buffer(source.read_whole())
    try:
        schema = pq.read_schema(plain or pa.BufferReader(data))
        names = conversion.rename(schema.names, kind)
        nested = any(map(pa.types.is_struct, schema.types))
        repeated = [field.name for field in arrow_schema(kind) if field.type == REPEATED]
        texts = {field.name for field in schema if field.type in (pa.string(), pa.large_string())}
        file = pq.ParquetFile(
            plain or pa.BufferReader(data),
            read_dictionary=[
                name for column in repeated for name in names.get(column, ()) if name in texts
            ],
        )
        with file:
            some = (
                None if nested or columns is None else columns_to_read(columns, schema.names, kind)
            )
            table = file.read(some)
            if _lacks_values(table, names) and conversion.own_columns(schema.names, kind):
                table = file.read()  # for the warning that one of these may have the values
        table.validate(full=True)  # reading does not check that text is UTF-8
        return replace(read_columns(table, kind, how), what=f"{source.name}, row")
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise FileFormatError(f"{source.name}: broken Parquet: {error}") from error
    except SchemaError as error:
        raise FileFormatError(f"{source.name}: {error}") from error


def _lacks_values(table: pa.Table, names: dict[str, list[str]]) -> bool:
    """Return whether one of the main columns that were read has no value."""
    known = {*table.column_names}
    read = (name for column in MAIN for name in names.get(column, ()) if name in known)
    return any(table[name].null_count == len(table) for name in read)
