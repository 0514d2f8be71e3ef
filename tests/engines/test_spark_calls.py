"""Every function that takes tasks gives the same answer from a Spark DataFrame as from a table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from pandas.testing import assert_frame_equal
from support import CALLS, FEW, some, tables

import exportstats as xs
from exportstats.core import shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

DAYS = {"start": "2026-11-01", "end": "2026-11-22"}
OTHERS: dict[str, Callable[[Any], pd.DataFrame]] = {
    "gaps": partial(xs.find_gaps, **DAYS, log_groups=xs.sample_log_groups()),
    "overlaps": xs.find_overlaps,
    "premature": xs.find_premature,
    "retries": xs.find_retries,
    "coverage": partial(xs.coverage_summary, **DAYS),
    "coverage by day": partial(xs.coverage_by_day, **DAYS),
    "coverage timeline": partial(xs.coverage_timeline, **DAYS),
    "forecasts": xs.estimate_completion,
    "phases": xs.phase_durations,
}


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    """Read the sample once."""
    return xs.sample_tasks()


@pytest.fixture(scope="module")
def of_spark(
    spark: SparkSession, sample: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> shards.Shards:
    """Read the sample with Spark."""
    path = tmp_path_factory.mktemp("spark") / "tasks.parquet"
    xs.write_tasks(sample, path)
    return xs.from_spark(spark.read.parquet(str(path)))


@pytest.mark.sampled
@pytest.mark.parametrize("name", some(CALLS | OTHERS, 7))
def test_each_call_gives_the_answer_of_a_table(
    name: str, sample: pd.DataFrame, of_spark: shards.Shards
):
    """The answer is that of a table, in the same order of rows and to the last digit."""
    call = (CALLS | OTHERS)[name]
    assert_frame_equal(call(of_spark), call(sample), check_exact=True)


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


def test_plans(sample: pd.DataFrame, of_spark: shards.Shards):
    """Exports of a night are planned, simulated and ordered as from a table."""
    night = {"start": "2026-11-16", "runs": 50}

    def answers(tasks: Any) -> list[pd.DataFrame]:  # noqa: ANN401 - any tasks
        gaps = xs.find_gaps(tasks, **DAYS)
        exports = xs.expected_exports(tasks, start="2026-11-16", end="2026-11-17")
        timed = exports.assign(deadline=pd.Timestamp("2026-11-17T06:00Z"))
        return [
            xs.plan_backfill(gaps, tasks, destination="bucket"),
            xs.simulate_queue(tasks, exports, **night).exports,
            xs.schedule_exports(tasks, timed, **night),
            xs.spare_exports(tasks, exports, "5min", deadline="2026-11-17", **night),
        ]

    for found, wanted in zip(answers(of_spark), answers(sample), strict=True):
        assert_frame_equal(found, wanted, check_exact=True)


@FEW
@given(tables())
def test_any_tasks(spark: SparkSession, tmp_path: Path, tasks: pd.DataFrame):
    """Odd tasks, and those without an account or region, are answered as from a table."""
    path = tmp_path / "tasks.parquet"
    xs.write_tasks(tasks, path)
    found = shards.together(xs.from_spark(spark.read.parquet(str(path))), *CALLS.values())
    for answer, call in zip(found, CALLS.values(), strict=True):
        assert_frame_equal(answer, call(tasks), check_exact=True)
