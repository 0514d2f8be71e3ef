"""A Spark DataFrame is read as `conform` reads it, narrowly, and what fails is explained."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
from archived import session, task
from deltalake import DeltaTable
from pandas.testing import assert_frame_equal
from support import START, conform_quietly, frame, table

import exportstats as xs
from exportstats.core import frames, schema, shards
from exportstats.emulator import Emulator
from exportstats.engines import spark as engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

CALLS = (
    xs.status_breakdown,
    partial(xs.duration_summary, by="account_id"),
    xs.find_anomalies,
    xs.slot_usage,
)
MINUTE = 60_000


def to_spark(spark: SparkSession, tasks: pd.DataFrame) -> DataFrame:
    """Make a Spark DataFrame of the base columns of a table."""
    types = {
        column.name: pa.timestamp("us", "UTC") if column.kind == "time" else pa.string()
        for column in schema.TASKS.base
    }
    return spark.createDataFrame(
        pa.table(
            {
                name: pa.array([None if pd.isna(one) else one for one in tasks[name]], kind)
                for name, kind in types.items()
            }
        )
    )


def explained(df: DataFrame, part: Callable[..., Any]) -> str:
    """Return the plan of a part, as `explain` prints it."""
    plan = xs.from_spark(df).plan(part)
    return plan._sc._jvm.PythonSQLUtils.explainString(plan._jdf.queryExecution(), "formatted")


class Count:
    """Count the rows, of these columns only."""

    columns = frozenset({"status_code", "duration"})

    def __call__(self, tasks: pd.DataFrame) -> int:
        """Return the number."""
        return len(tasks)


# What is read.


def test_only_the_columns_of_the_question_are_read(df: DataFrame):
    """Spark reads the key, the columns of the part and what they derive from, and no others."""
    (read,) = re.findall(r"ReadSchema: struct<(.*?)>", explained(df, Count()))
    assert {name.split(":")[0] for name in read.split(",")} == {
        *schema.KEY,
        "status_code",
        "creation_time",
        "completion_time",
    }
    assert xs.from_spark(df).map(Count()) == [
        len(rows) for _, rows in xs.sample_tasks().groupby(list(schema.SLOT), observed=True)
    ]


def test_files_are_shuffled_once(df: DataFrame):
    """Tasks of any files have to be brought together by account and region, in one exchange."""
    plan = explained(df, Count())
    assert len(re.findall(r"^\(\d+\) Exchange$", plan, re.MULTILINE)) == 1
    assert "Arguments: hashpartitioning(account_id" in plan


def test_folders_of_slots_are_shuffled(spark: SparkSession, df: DataFrame, tmp_path: Path):
    """Spark does not use folders of accounts and regions; and it must read their names as text."""
    df.write.partitionBy(*schema.SLOT).parquet(str(tmp_path / "folders"))
    with pytest.raises(xs.SchemaError, match="account_id is bigint, not string; read it as string"):
        xs.from_spark(spark.read.parquet(str(tmp_path / "folders")))
    as_text = f"{', '.join(f'{name} string' for name in schema.SLOT)}, task_id string"
    folders = spark.read.schema(as_text).parquet(str(tmp_path / "folders"))
    assert "Exchange" in explained(folders, Count())


def test_a_bucketed_table_is_not_shuffled(spark: SparkSession, df: DataFrame):
    """Spark knows that each account and region is in one bucket."""
    df.write.bucketBy(4, *schema.SLOT).sortBy(*schema.SLOT).saveAsTable("bucketed")
    try:
        tasks = spark.table("bucketed")
        assert "Exchange" not in explained(tasks, Count())
        assert xs.from_spark(tasks).map(Count()) == xs.from_spark(df).map(Count())
    finally:
        spark.sql("drop table bucketed")


def test_what_is_cached_by_slot_is_not_shuffled_again(df: DataFrame):
    """The exchange is in what is cached, not above it."""
    tasks = df.repartition(*schema.SLOT).cache()
    try:
        tasks.count()
        above, _, below = explained(tasks, Count()).partition("InMemoryRelation")
        assert "Exchange" not in above
        assert "Exchange" in below
    finally:
        tasks.unpersist()


# The rows are those of `conform`.


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda df: df.drop("task_name", "destination"), id="missing columns"),
        pytest.param(lambda df: df.withColumnsRenamed(_in_aws()), id="AWS's names"),
        pytest.param(
            lambda df: df.selectExpr(
                *(
                    f"unix_millis({name}) {name}" if name in schema.TASKS.times else name
                    for name in df.columns
                )
            ),
            id="milliseconds",
        ),
        pytest.param(
            lambda df: df.selectExpr("*", "struct(region, task_id) a", "1.5D `b.c`"),
            id="own columns",
        ),
        pytest.param(
            lambda df: df.withColumnsRenamed(_in_aws()).selectExpr(
                "* except (`status.code`, `status.message`, `executionInfo.creationTime`, "
                "`executionInfo.completionTime`, `from`)",
                "named_struct('code', `status.code`, 'message', `status.message`) status",
                "named_struct('creationTime', unix_millis(`executionInfo.creationTime`), "
                "'completionTime', unix_millis(`executionInfo.completionTime`)) executionInfo",
                "unix_millis(`from`) `from`",
            ),
            id="AWS's JSON",
        ),
    ],
)
def test_columns_are_read_as_conform_reads_them(
    df: DataFrame, change: Callable[[DataFrame], DataFrame]
):
    """Columns may be missing, have AWS's names or be milliseconds; own ones are kept."""
    changed = change(df)
    tasks = xs.conform(changed.toArrow())
    for call in CALLS:
        assert_frame_equal(call(xs.from_spark(changed)), call(tasks))
    slow = xs.find_slow_tasks(xs.from_spark(changed), at_least=2)
    assert_frame_equal(slow, xs.find_slow_tasks(tasks, at_least=2))


def _in_aws() -> dict[str, str]:
    return {column.name: column.json for column in schema.TASKS.base}


def test_an_own_column_is_a_group(spark: SparkSession, df: DataFrame, sample: pd.DataFrame):
    """`by=` takes any column of the DataFrame."""
    team = sample["log_group_name"].astype("str").str[:4]
    found = xs.status_breakdown(
        xs.from_spark(df.selectExpr("*", "substr(log_group_name, 1, 4) team")), by="team"
    )
    assert_frame_equal(found, xs.status_breakdown(sample.assign(team=team), by="team"))


def test_tasks_without_account_or_region(spark: SparkSession):
    """A missing account or region is an account and region, too."""
    tasks = table(
        {"region": "eu-west-1", "status_code": "FAILED"},
        {"account_id": "111122223333", "status_code": "COMPLETED"},
        {"status_code": "RUNNING"},
        {"status_code": "RUNNING"},
        observed_at=START,
    )
    of_spark = xs.from_spark(to_spark(spark, tasks))
    by = list(schema.SLOT)
    assert_frame_equal(xs.status_breakdown(of_spark, by=by), xs.status_breakdown(tasks, by=by))
    assert of_spark.map(len) == [1, 1, 2]


def test_bad_rows_are_reported_together(spark: SparkSession):
    """What `conform` reports, Spark reports for all accounts and regions in one warning."""
    same = {"creation_time": START, "status_code": "COMPLETED"}
    rows = frame(
        [
            {"region": "eu-west-1", "task_id": None, **same},
            {"region": "eu-west-1", "task_id": "a", **same, "log_group_name": "/one"},
            {"region": "eu-west-1", "task_id": "a", **same, "log_group_name": "/two"},
            {"region": "us-east-1", "task_id": "", **same},
            {"region": "us-east-1", "task_id": "b", **same, "completion_time": START + MINUTE},
            {"region": "us-west-2", "task_id": None, **same},
        ]
    )
    times = {name: pd.to_datetime(rows[name], unit="ms", utc=True) for name in schema.TASKS.times}
    raw = rows.assign(**times)
    tasks, reported = conform_quietly(rows)
    with pytest.warns(xs.BadRowsWarning) as caught:
        found = xs.status_breakdown(xs.from_spark(to_spark(spark, raw)), by="log_group_name")
    assert_frame_equal(found, xs.status_breakdown(tasks, by="log_group_name"))
    told = [tuple(row) for one in caught for row in one.message.rows.itertuples(index=False)]
    assert sorted(reason for _, reason in told) == sorted(reason for _, reason in reported)
    assert {place.rpartition(", row ")[0] for place, _ in told} == {
        "no account_id, eu-west-1",
        "no account_id, us-east-1",
        "no account_id, us-west-2",
    }
    with pytest.raises(xs.BadRowsError, match="no row could be read"):
        xs.status_breakdown(xs.from_spark(to_spark(spark, raw).where("region = 'us-west-2'")))


def test_nothing_warns(df: DataFrame):
    """Spark's own warning of pandas 3 is not shown, because it does not use pandas here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xs.status_breakdown(xs.from_spark(df))


def test_the_remedies_convert_times(spark: SparkSession, df: DataFrame, sample: pd.DataFrame):
    """The code in the messages gives the same times, in any time zone of the session."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - as users import it

    shown = df.selectExpr(
        "* except (creation_time, to_time, from_time)",
        "double(unix_millis(from_time)) from_time",
        "to_timestamp_ntz(to_utc_timestamp(creation_time, current_timezone())) creation_time",
        "date_format(to_utc_timestamp(to_time, current_timezone()), "
        "\"yyyy-MM-dd'T'HH:mm:ss.SSS'Z'\") to_time",
    )
    fixed = shown
    for _ in range(3):
        with pytest.raises(xs.SchemaError) as refused:
            xs.from_spark(fixed)
        code = str(refused.value).rpartition("convert it: ")[2]
        fixed = eval(code, {"df": fixed, "F": F})  # noqa: S307 - ours
    for call in CALLS:
        assert_frame_equal(call(xs.from_spark(fixed)), call(sample))


def test_no_rows_at_all(df: DataFrame):
    """Nothing is answered as from an empty table."""
    found = shards.together(xs.from_spark(df.limit(0)), *CALLS)
    for answer, call in zip(found, CALLS, strict=True):
        assert_frame_equal(answer, call(frames.empty()))


# Observations, as an archive keeps them.


def delta(spark: SparkSession, archive: xs.Archive) -> DataFrame:
    """Read the tasks of an archive, without the extension of Spark that reads Delta tables."""
    folder = f"{archive.uri}/tasks"
    files = DeltaTable(folder).file_uris()
    return spark.read.option("basePath", folder).parquet(*files).drop("shard")


@pytest.fixture(scope="module")
def archive(sample: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> xs.Archive:
    """Return an archive to which each task was added when it was running, and when it had ended."""
    archive = xs.Archive(tmp_path_factory.mktemp("kept"))
    running = sample.assign(
        status_code="RUNNING",
        status_message=None,
        completion_time=pd.NaT,
        observed_at=sample["creation_time"] + pd.Timedelta("1s"),
    )
    archive.add(frames.conform(running.dropna(subset=["observed_at"])))
    archive.add(sample)
    return archive


def test_observations_are_the_latest_states(spark: SparkSession, archive: xs.Archive):
    """Statistics of all observations are those of the archive: of each task in its latest state."""
    files = delta(spark, archive)
    assert "Exchange" in explained(files, Count())
    tasks = xs.from_spark(files)
    for call in CALLS:
        assert_frame_equal(call(tasks), call(archive))


def test_only_the_first_question_reads_observations_twice(
    spark: SparkSession, archive: xs.Archive, monkeypatch: pytest.MonkeyPatch
):
    """The columns of the question are enough until a task has several rows; then all are read."""
    runs: list[DataFrame] = []
    collect = engine._collect
    monkeypatch.setattr(engine, "_collect", lambda plan: runs.append(plan) or collect(plan))
    tasks = xs.from_spark(delta(spark, archive))
    for expected in (2, 3):
        xs.completion_times(tasks)
        assert len(runs) == expected


def test_every_observation_bounds_phases(spark: SparkSession, archive: xs.Archive):
    """What takes a history gets every observation."""
    found = xs.phase_durations(xs.from_spark(delta(spark, archive)))
    assert_frame_equal(found, xs.phase_durations(archive))
    assert found["looks"].min() == 1


def test_the_time_of_a_look_at_nothing_new(spark: SparkSession, tmp_path: Path):
    """The table of tasks does not tell that a later sync found nothing new; `as_of` does."""
    archive = xs.Archive(tmp_path / "history")
    made, now = [task(1), task(2)], dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    for days in (0, 2):
        with Emulator(made, now=now + dt.timedelta(days=days)) as emulator:
            archive.sync(session=session(), endpoint_url=emulator.url, progress=False)
    tasks, last = xs.from_spark(delta(spark, archive)), archive.info()["last_observed"].max()
    assert last > tasks.map(_last_observed)[0] + pd.Timedelta("47h")
    for call in (xs.duration_summary, xs.slot_usage, xs.find_retries):
        assert_frame_equal(call(tasks, as_of=last), call(archive, as_of=last))


def _last_observed(tasks: pd.DataFrame) -> pd.Timestamp:
    return tasks["observed_at"].max()
