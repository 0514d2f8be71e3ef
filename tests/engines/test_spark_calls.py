"""Every function that takes tasks gives the same answer from a Spark DataFrame as from a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from pandas.testing import assert_frame_equal
from support import ALL, CALLS, FEW, some, tables

import exportstats as xs
from exportstats.core import shards

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession


@pytest.fixture(scope="module")
def of_spark(df: DataFrame) -> shards.Shards:
    """Return the tasks of the sample in Spark."""
    return xs.from_spark(df)


@pytest.mark.sampled
@pytest.mark.parametrize("name", some(ALL, 7))
def test_each_call_gives_the_answer_of_a_table(
    name: str, sample: pd.DataFrame, of_spark: shards.Shards
):
    """The answer is that of a table, in the same order of rows and to the last digit."""
    assert_frame_equal(ALL[name](of_spark), ALL[name](sample), check_exact=True)


def test_all_calls_together(sample: pd.DataFrame, of_spark: shards.Shards):
    """The answers of all statistics come from a single run of Spark."""
    found = shards.together(of_spark, *CALLS.values())
    for answer, call in zip(found, CALLS.values(), strict=True):
        assert_frame_equal(answer, call(sample), check_exact=True)


def test_a_weekly_report(sample: pd.DataFrame, of_spark: shards.Shards):
    """It is the report on the table, in each of its parts."""
    options = {"week": "2026-W45", "by": "region", "log_groups": xs.sample_log_groups()}
    found, wanted = (xs.build_weekly_report(tasks, **options) for tasks in (of_spark, sample))
    assert found.to_json() == wanted.to_json()
    assert found.to_html() == wanted.to_html()


@FEW
@given(tables())
def test_any_tasks(spark: SparkSession, tmp_path: Path, tasks: pd.DataFrame):
    """Odd tasks, and those without an account or region, are answered as from a table."""
    path = tmp_path / "tasks.parquet"
    xs.write_tasks(tasks, path)
    found = shards.together(xs.from_spark(spark.read.parquet(str(path))), *CALLS.values())
    for answer, call in zip(found, CALLS.values(), strict=True):
        assert_frame_equal(answer, call(tasks), check_exact=True)
