"""Frames of polars, DuckDB, Arrow and the service's own answer are converted."""

from __future__ import annotations

import datetime as dt

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from pandas.testing import assert_frame_equal
from support import LAST, START, ms, plain, table, tables

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import SchemaError, UnusedWarning

SEEN = ms("2026-11-23T06:00Z")

LARGE = LAST - 1


def test_polars():
    """A Polars frame is read with its times, categories, and numbers with nulls."""
    frame = pl.DataFrame(
        {
            "task_id": ["a", "b"],
            "region": pl.Series(["eu-west-1", None], dtype=pl.Categorical),
            "account_id": pl.Series(
                ["012345678901", "012345678901"], dtype=pl.Enum(["012345678901"])
            ),
            "from_time": [LARGE, None],
            "to_time": pl.Series([LAST, None], dtype=pl.UInt64),
            "creation_time": pl.Series(
                [dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC), None],
                dtype=pl.Datetime("us", "Europe/Berlin"),
            ),
            "completion_time": ["2026-11-23T07:30+01:00", None],
            "observed_at": pl.Series([None, None], dtype=pl.Null),
        }
    )
    tasks = xs.conform(frame)
    assert plain(tasks["from_time"]) == [LARGE, None]
    assert plain(tasks["to_time"]) == [LAST, None]
    assert plain(tasks["region"]) == ["eu-west-1", None]
    assert plain(tasks["account_id"]) == ["012345678901"] * 2
    assert plain(tasks["creation_time"]) == [SEEN, None]
    assert plain(tasks["duration"]) == [1_800_000, None]
    frames.check(tasks)


def test_duckdb():
    """A DuckDB relation is read with its TIMESTAMPTZ and its BIGINT with nulls, exactly."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/St_Johns'")
        connection.execute(
            "CREATE TABLE t (task_id TEXT, from_time BIGINT, creation_time TIMESTAMPTZ)"
        )
        connection.execute(
            "INSERT INTO t VALUES ('a', ?, '2026-11-23 06:00:00.123456+00'), ('b', NULL, NULL)",
            [LARGE],
        )
        relation = connection.sql("SELECT *, creation_time::TEXT AS completion_time FROM t")
        tasks = xs.conform(relation)
    assert plain(tasks["from_time"]) == [LARGE, None]
    assert plain(tasks["creation_time"]) == [SEEN + 123, None]
    assert plain(tasks["completion_time"]) == [SEEN + 123, None]


@given(tables())
def test_there_and_back_through_other_libraries(tasks: pd.DataFrame):
    """A table that went through PyArrow or Polars is the same table."""
    arrow = pa.Table.from_pandas(tasks)
    assert_frame_equal(xs.conform(arrow), tasks)
    assert_frame_equal(xs.conform(pl.from_arrow(arrow)), tasks)


def test_arrow_backed_pandas():
    """Arrow-backed pandas columns (`dtype_backend="pyarrow"`) are read."""
    tasks = table(
        {"region": "eu-west-1", "from_time": LARGE, "creation_time": SEEN, "status_code": "FAILED"},
        {"account_id": "012345678901"},
    )
    backed = pa.Table.from_pandas(tasks).to_pandas(types_mapper=pd.ArrowDtype)
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in backed.dtypes)
    assert_frame_equal(xs.conform(backed), tasks)
    numbers = backed.astype({"from_time": pd.ArrowDtype(pa.int64())})
    assert_frame_equal(xs.conform(numbers.set_index(pd.Index([3, 3]))), tasks)
    with pytest.raises(SchemaError, match="region is Int64, not text"):
        xs.conform(backed.assign(region=pd.Series([1, 2], dtype=pd.ArrowDtype(pa.int64()))))
    with pytest.raises(SchemaError, match="have no time zone"):
        xs.conform(
            backed.astype({"creation_time": "datetime64[ms, UTC]"}).assign(
                creation_time=lambda frame: (
                    frame["creation_time"]
                    .dt.tz_localize(None)
                    .astype(pd.ArrowDtype(pa.timestamp("ms")))
                )
            )
        )


def test_pandas_index_in_arrow():
    """A PyArrow table made from a pandas frame with an index keeps its columns."""
    frame = pd.DataFrame({"task_id": ["a"], "from_time": [5]}).set_index("task_id")
    assert plain(xs.conform(pa.Table.from_pandas(frame))["task_id"]) == ["a"]


def test_large_numbers_of_other_libraries():
    """Numbers beyond 2**53 with nulls are exact, in our columns and own ones."""
    frame = pl.DataFrame({"logGroupName": ["/a", "/b"], "storedBytes": [2**53 + 1, None]})
    frame = frame.with_columns(pl.col("storedBytes").alias("own"))
    groups = xs.conform(frame, of="log_groups")
    assert plain(groups["stored_bytes"]) == plain(groups["own"]) == [2**53 + 1, None]


def test_frames_of_the_services_answer():
    """A frame that pandas made from the service's list, with objects in columns, is read."""
    info = {"creationTime": START, "completionTime": START + 5}
    answer = [
        {"taskId": "a", "logGroupName": "/app", "from": 1},
        {"taskId": "b", "status": {"code": "COMPLETED", "message": "x"}, "executionInfo": info},
        {"taskId": "c", "status": "FAILED", "own": {"a": 1}},
    ]
    expected = table(
        {"task_id": "a", "log_group_name": "/app", "from_time": 1},
        {"task_id": "b", "status_code": "COMPLETED", "status_message": "x"}
        | {"creation_time": START, "completion_time": START + 5},
        {"task_id": "c", "status_code": "FAILED"},
    )
    frame = pd.DataFrame(answer)
    before = frame.copy(deep=True)
    tasks = xs.conform(frame)
    assert_frame_equal(tasks.drop(columns="own"), expected)
    assert plain(tasks["own"]) == [None, None, {"a": 1}]
    assert_frame_equal(frame, before)
    assert_frame_equal(
        xs.conform(pd.json_normalize(answer[:2])), expected.iloc[:2].pipe(xs.conform)
    )
    nested = pl.DataFrame(answer[1:2])
    assert_frame_equal(xs.conform(nested), expected.iloc[1:2].pipe(xs.conform))
    answer[1]["executionInfo"] = {"creationTime": START // 1000}
    with pytest.warns(UnusedWarning, match="1 of creation_time"):
        xs.conform(pd.DataFrame(answer))
