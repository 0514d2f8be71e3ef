"""DuckDB and Polars read an archive, without this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import polars as pl
from deltalake import DeltaTable

if TYPE_CHECKING:
    import pandas as pd

    import exportstats as xs


def test_duckdb_reads_it(kept: xs.Archive, sample: pd.DataFrame):
    """DuckDB counts the states in the files of the current version."""
    files = DeltaTable(f"{kept.uri}/tasks").file_uris()
    found = duckdb.sql(
        f"select status_code, count(*) from read_parquet({files}) group by all"  # noqa: S608 - ours
    ).fetchall()
    assert dict(found) == sample["status_code"].value_counts().loc[lambda n: n > 0].to_dict()


def test_polars_reads_it(kept: xs.Archive, sample: pd.DataFrame):
    """Polars reads the Delta table, with a filter on the partition."""
    tasks = pl.scan_delta(f"{kept.uri}/tasks")
    of_slot = (pl.col("account_id") == "111122223333") & (pl.col("region") == "eu-west-1")
    found = tasks.filter((pl.col("shard") == 11) & of_slot).collect()
    wanted = (sample["account_id"] == "111122223333") & (sample["region"] == "eu-west-1")
    assert len(found) == wanted.sum()
    assert found["creation_time"].dtype == pl.Datetime("us", "UTC")
