"""What Spark cannot answer is explained in one sentence."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from support import table

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda df: df.drop("region"), r"has no column region, only account_id, .*F\.lit"),
        (lambda df: df.drop("task_id"), "has no column task_id, only"),
        (lambda df: df.select("*", "region"), "the frame has two columns named region; rename or"),
        (
            lambda df: df.selectExpr("*", "task_id as taskId"),
            "columns task_id and taskId are both task_id; drop one",
        ),
        (
            lambda df: df.withColumn("to_time", df.to_time.cast("timestamp_ntz")),
            r"to_time is timestamp_ntz, not timestamp; it has no time zone; .*F\.lit\(.Z.\)",
        ),
        (
            lambda df: df.withColumn("to_time", df.to_time.cast("string")),
            r"to_time is string, not timestamp; a time without a .*F\.to_timestamp\('to_time'\)",
        ),
        (
            lambda df: df.withColumn("to_time", df.to_time.cast("date")),
            r"to_time is date, not timestamp; .*F\.to_timestamp",
        ),
        (
            lambda df: df.withColumn("account_id", df.account_id.cast("bigint")),
            "account_id is bigint, not string; read it as string, .*leading zeros",
        ),
        (
            lambda df: df.withColumn("to_time", df.to_time.cast("double")),
            r"to_time is double, not timestamp; if it is milliseconds .*cast\(.bigint.\)",
        ),
        (lambda _: 5, "a int is not a Spark DataFrame"),
        (lambda _: xs.sample_tasks(), "a pandas DataFrame is not a Spark DataFrame; .*as they are"),
        (
            lambda df: (
                df.sparkSession.readStream.format("rate")
                .load()
                .selectExpr("'a' account_id", "'b' region", "'c' task_id")
            ),
            "is a stream; read the table with",
        ),
    ],
)
def test_what_is_no_table_is_refused_at_once(
    df: DataFrame, change: Callable[[DataFrame], object], says: str
):
    """A missing column or another type is an error before Spark runs anything."""
    with pytest.raises(xs.SchemaError, match=says):
        xs.from_spark(change(df))


def test_the_tasks_of_spark_say_that_they_are_not_a_dataframe(df: DataFrame):
    """They show the DataFrame that they are of, and their errors name it."""
    tasks = xs.from_spark(df)
    assert repr(tasks) == f"from_spark({df!r})"
    with pytest.raises(AttributeError, match="have no head; use the DataFrame for that"):
        tasks.head()
    with pytest.raises(xs.SchemaError, match=r"a pyspark DataFrame is not .*xs\.from_spark\(df\)"):
        xs.status_breakdown(df)
    with pytest.raises(xs.SchemaError, match=r"xs\.from_spark\(df\); df\.toArrow\(\) is a table"):
        xs.conform(df)


def test_without_pyspark(monkeypatch: pytest.MonkeyPatch):
    """The error names what to install."""
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(xs.ExportStatsError, match=r"needs PySpark; run: pip install pyspark"):
        xs.from_spark(None)


def test_the_error_of_a_part_is_our_own(df: DataFrame):
    """It has the type and text that a table gives, and names the account and region."""
    with pytest.raises(xs.ArgumentError, match="by='owner'; give one or several of") as refused:
        xs.status_breakdown(xs.from_spark(df), by="owner")
    assert refused.value.__notes__ == ["in the tasks of 111122223333, ap-southeast-2"]
    assert "java" not in str(refused.getrepr(chain=True)).lower()


def break_down(tasks: pd.DataFrame) -> int:
    """Fail as a mistake in a part would."""
    raise ZeroDivisionError("1 /\n0")


def test_a_broken_part_is_explained(df: DataFrame):
    """The error has the last line of the traceback and the account and region, without Java."""
    with pytest.raises(xs.ExportStatsError) as refused:
        xs.from_spark(df).map(break_down)
    assert re.fullmatch(
        r"Spark could not answer: ZeroDivisionError: 1 / 0 in the tasks of \d{12}, \S+; the logs "
        r"of its executors say more",
        str(refused.value),
    )
    assert refused.value.__suppress_context__


def die(tasks: pd.DataFrame, *, once: str | None = None) -> int:
    """Kill the process of Spark; with a path, only if no other one was killed before."""
    try:
        if once is not None:
            Path(once).touch(exist_ok=False)
    except FileExistsError:
        return len(tasks)
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def test_a_killed_process_is_tried_again(df: DataFrame, tmp_path: Path):
    """Spark repeats what a killed process had to do; if that fails too, it is an error."""
    found = xs.from_spark(df).map(partial(die, once=str(tmp_path / "killed")))
    assert found == xs.from_spark(df).map(len)
    with pytest.raises(
        xs.ExportStatsError,
        match=r"Python worker exited unexpectedly.*; if it was killed for lack of memory",
    ) as refused:
        xs.from_spark(df).map(die)
    assert "\n" not in str(refused.value)
    assert "SparkException" not in str(refused.value)


def test_executors_without_the_package(
    spark: SparkSession, df: DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The error says what to install, and where."""
    packages = Path(pa.__file__).parents[1]
    if sys.base_prefix == sys.prefix or (packages / "exportstats" / "engines").exists():
        pytest.skip("every Python has the package")
    other = tmp_path / "python"
    other.write_text(
        f'#!/bin/sh\ncd {tmp_path}\nPYTHONPATH={packages} exec {sys.base_prefix}/bin/python3 "$@"\n'
    )
    other.chmod(0o755)
    monkeypatch.setattr(spark.sparkContext, "pythonExec", str(other))
    with pytest.raises(xs.ExportStatsError, match="no exportstats; install exportstats and"):
        xs.from_spark(df).map(len)


def test_a_table_that_is_gone(spark: SparkSession, tmp_path: Path):
    """What Spark itself refuses is one sentence."""
    path = tmp_path / "tasks.parquet"
    xs.write_tasks(table({"region": "eu-west-1"}), path)
    tasks = xs.from_spark(spark.read.parquet(str(path)))
    path.unlink()
    with pytest.raises(
        xs.ExportStatsError, match=r"Spark could not answer: .*tasks\.parquet"
    ) as no:
        xs.status_breakdown(tasks)
    assert "\n" not in str(no.value)


STOPS = """
import os, signal, sys, threading
from pyspark.sql import SparkSession, functions as F
import exportstats as xs

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
df = spark.createDataFrame([("a", "b", "c")], ["account_id", "region", "task_id"])
slow = F.udf(lambda name: (__import__("time").sleep(60), name)[1])
tasks, waiting = xs.from_spark(df), xs.from_spark(df.withColumn("region", slow("region")))
executor = xs.SparkExecutor(spark)

def stop():
    while not spark.sparkContext.statusTracker().getActiveJobsIds():
        pass
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=stop).start()
try:
    xs.status_breakdown(waiting)
except KeyboardInterrupt:
    print("stopped by the user")
spark.stop()
for call in (
    lambda: xs.status_breakdown(tasks),
    lambda: xs.SparkExecutor(spark),
    lambda: executor.submit(len, ""),
):
    try:
        call()
    except xs.ArgumentError as error:
        print(error)
"""


def test_ctrl_c_and_a_session_that_has_stopped(spark: SparkSession):
    """Ctrl-C is a KeyboardInterrupt, not an error of Spark; a stopped session is refused."""
    ran = subprocess.run([sys.executable, "-c", STOPS], capture_output=True, text=True, check=True)
    first, *others = ran.stdout.splitlines()
    assert first == "stopped by the user"
    assert [line.partition(";")[0] for line in others] == ["the Spark session has stopped"] * 3
