"""Tables of tasks as Parquet."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from exportstats.core import schema
from exportstats.errors import FileFormatError, SchemaError
from exportstats.io import records
from exportstats.io.blocks import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from exportstats.io.records import Rows

MAGIC = b"PAR1"


def write_parquet(tables: Iterable[pd.DataFrame], stream: IO[bytes]) -> None:
    """Write the base columns of tables, one below the other."""
    empty = records.to_arrow(schema.empty())
    with pq.ParquetWriter(stream, empty.schema, compression="zstd") as writer:
        for tasks in tables:
            writer.write_table(records.to_arrow(tasks))


def read_parquet(path: str) -> Iterator[Rows]:
    """Read a table that has our columns, of whatever types.

    Raises
    ------
    FileFormatError
        The file is broken, has no `task_id`, or a column of a kind that cannot be read.
    """
    count = 1
    try:
        with pq.ParquetFile(path) as file:
            have = file.schema_arrow
            yield records.read_columns(have.empty_table(), str)  # looks at the columns
            wanted = [column.name for column in schema.BASE_COLUMNS if column.name in have.names]
            for batch in file.iter_batches(columns=wanted):
                table = pa.table(batch)
                table.validate(full=True)  # reading does not look whether text is UTF-8
                yield number(records.read_columns(table, str), f"{path}, row", count)
                count += len(table)
    except (pa.ArrowException, OSError) as error:
        raise FileFormatError(f"{path}: broken Parquet: {error}") from error
    except SchemaError as error:
        raise FileFormatError(f"{path}: {error}") from error
