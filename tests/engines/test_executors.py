"""An archive on an executor: a pool of processes, Dask and Ray give the answers of the table."""

from __future__ import annotations

import os
import re
import sys
import warnings
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import boto3
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from parts import SECRET, Fail, Kill, Linger, Noting, OddError, Part, Refuse
from support import ALL, some, table

import exportstats as xs
from exportstats.archive.adding import append
from exportstats.archive.kinds import LOOKS
from exportstats.core import conversion, shards

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client
    from pyspark.sql import SparkSession

HOUR = 3_600_000


@pytest.mark.sampled
def test_every_question_has_the_same_answer(
    executor: Executor, kept: xs.Archive, sample: pd.DataFrame, request: pytest.FixtureRequest
):
    """Each statistic and coverage function returns the table of the frame, to the last digit."""
    archive = kept.on(executor)
    fewer = 8 if request.node.callspec.params["executor"] == "ray" else 3
    for name in some(ALL, fewer):
        assert_frame_equal(ALL[name](archive), ALL[name](sample), check_exact=True, obj=name)


def test_the_weekly_report(executor: Executor, kept: xs.Archive, sample: pd.DataFrame):
    """The weekly report of an archive on an executor is that of the table."""
    found, wanted = (
        xs.build_weekly_report(tasks, week="2026-W45", log_groups=xs.sample_log_groups())
        for tasks in (kept.on(executor), sample)
    )
    assert found.to_json() == wanted.to_json()


def test_only_an_address_is_sent(kept: xs.Archive, sample: pd.DataFrame):
    """A worker gets the address, the version and its shard: at most 8 kB, and reads the tasks."""
    with Noting() as executor:
        for call in ALL.values():
            call(kept.on(executor))
    assert max(map(len, executor.sent)) < 8_000
    assert not any(sample["task_id"].iloc[0].encode() in sent for sent in executor.sent)


def test_of_many_slots_a_worker_gets_its_own(tmp_path: Path, sample: pd.DataFrame):
    """With 30,000 synced slots, what is sent for a shard is about a sixteenth of their looks."""
    archive = xs.Archive(tmp_path)
    archive.add(sample)
    slots = pd.MultiIndex.from_product(
        [[f"{n:012}" for n in range(1000)], [f"eu-test-{n}" for n in range(30)]],
        names=["account_id", "region"],
    ).to_frame(index=False)
    seen = slots.assign(looked_at=sample["observed_at"].max(), observed_at=pd.Timestamp.now("UTC"))
    names = [column.name for column in LOOKS.base]
    looks, _ = conversion.coerce_rows(seen.reindex(columns=names).astype(object), LOOKS)
    append(archive._storage, LOOKS, looks)
    with Noting() as executor:
        found = xs.status_breakdown(archive.on(executor))
    assert_frame_equal(found, xs.status_breakdown(sample))
    assert max(map(len, executor.sent)) < 120_000


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Make a bucket at moto, and return the environment that finds it."""
    found = {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "AKIAMADEUP",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(
        Bucket="history", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    client.close()
    return found


def test_workers_read_a_bucket(bucket: dict[str, str], sample: pd.DataFrame, client: Client):
    """A worker reads S3 with the credentials that it finds itself; no key is sent."""
    archive = xs.Archive("s3://history/tasks")
    archive.add(sample)
    whole = xs.status_breakdown(sample)
    with Noting() as executor:
        assert_frame_equal(xs.status_breakdown(archive.on(executor)), whole)
    assert all(b"s3://history/tasks" in sent for sent in executor.sent)
    assert not any(SECRET.encode() in sent or b"AKIA" in sent for sent in executor.sent)
    with pytest.raises(
        xs.ArchiveError, match=r"s3://history/tasks cannot be reached: .*credentials"
    ):
        xs.status_breakdown(archive.on(client.get_executor()))
    client.run(set_environment, bucket)
    try:
        assert_frame_equal(xs.status_breakdown(archive.on(client.get_executor())), whole)
    finally:
        client.run(set_environment, dict.fromkeys(bucket))


def set_environment(variables: dict[str, str | None]) -> None:
    """Set variables of a worker's environment, or remove those that are None."""
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def ask(archive: xs.Archive, executor: Executor, part: Part) -> pd.DataFrame:
    """Apply a part to the shards of an archive on an executor."""
    return shards.collect(archive.on(executor), part)


def refusal(place: str, executor: str, error: str) -> str:
    """Return the message of a shard without an answer, as a pattern."""
    return (
        rf"^{re.escape(place)}/tasks/shard=\d+ got no answer from the {executor}: {error}.*; "
        r"see the output of its workers, and ask again; a worker that was killed may need more "
        r"memory$"
    )


def test_forked_processes_are_refused(kept: xs.Archive):
    """They cannot read the archive; the error has a pool that can."""
    with (
        ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool,
        pytest.raises(xs.ArgumentError, match=r'mp_context=multiprocessing.get_context\("spawn"\)'),
    ):
        kept.on(pool)


def test_a_killed_process_is_an_error(kept: xs.Archive):
    """A pool has lost its work if a process is killed: the error says so, and what to do."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        with pytest.raises(xs.ArchiveError) as caught:
            ask(kept, pool, Kill())
        says = refusal(kept.uri, "ProcessPoolExecutor", "BrokenProcessPool: A")
        assert re.match(says, str(caught.value))
        says = "takes no calls: BrokenProcessPool: .* a process was killed, make a new one"
        with pytest.raises(xs.ArgumentError, match=says):
            ask(kept, pool, Part())


@pytest.mark.parametrize("engine", ["dask", "ray", "jobs"])
def test_a_killed_worker_is_replaced(
    engine: str, kept: xs.Archive, tmp_path: Path, request: pytest.FixtureRequest
):
    """Dask, Ray and Spark run the shard of a killed worker again: no row is lost or twice."""
    executor = request.getfixturevalue(engine)
    found = ask(kept, executor, Kill(marker=tmp_path / "killed"))
    assert (tmp_path / "killed").exists()
    assert_frame_equal(found, shards.collect(kept, Part()))


@pytest.mark.parametrize(
    ("engine", "error"),
    [("dask", "KilledWorker"), ("ray", "WorkerCrashed"), ("jobs", "RuntimeError: Python worker")],
)
def test_a_shard_that_kills_each_worker_is_an_error(
    engine: str, error: str, kept: xs.Archive, request: pytest.FixtureRequest
):
    """If each worker dies of the same shard, the error names it, and the engine can go on."""
    executor = request.getfixturevalue(engine)
    # Ray starts a worker again in many seconds, so it tries only once
    once = xs.RayExecutor(max_retries=0) if engine == "ray" else executor
    with pytest.raises(xs.ArchiveError) as caught:
        ask(kept, once, Kill())
    name = type(executor).__name__
    assert re.match(refusal(kept.uri, name, error), str(caught.value))
    assert len(ask(kept, executor, Part())) == len(shards.collect(kept, Part()))


def test_a_part_that_fails(executor: Executor, kept: xs.Archive):
    """An error of this package arrives as it is; any other is an error that names the shard."""
    with pytest.raises(xs.ArgumentError) as caught:
        ask(kept, executor, Refuse())
    assert str(caught.value) == "by='team' is not a column; give another"
    name = type(executor).__name__
    with pytest.raises(
        xs.ArchiveError, match=refusal(kept.uri, name, "ZeroDivisionError: of the part")
    ):
        ask(kept, executor, Fail())


@pytest.mark.parametrize("engine", ["dask", "ray", "jobs"])
def test_an_error_that_cannot_be_sent(
    engine: str, kept: xs.Archive, request: pytest.FixtureRequest
):
    """An error that cannot be unpickled is an error, too."""
    with pytest.raises(xs.ArchiveError, match=r"shard=\d+ got no answer"):
        ask(kept, request.getfixturevalue(engine), Fail(error=OddError))


def test_a_straggler_keeps_its_place(executor: Executor, kept: xs.Archive):
    """A shard that takes longest is waited for, and its rows are where they would be."""
    assert_frame_equal(ask(kept, executor, Linger()), shards.collect(kept, Part()))


def test_warnings_of_workers_arrive(executor: Executor, tmp_path: Path):
    """What a worker warns of is a warning here, at the line of the caller."""
    archive = xs.Archive(tmp_path)
    slot = {"account_id": "111122223333", "region": "eu-west-1", "observed_at": HOUR}
    with pytest.warns(xs.BadRowsWarning):
        two = table(*({"task_id": "a", "task_name": name} for name in ("one", "two")), **slot)
    archive.add(two)
    with pytest.warns(xs.BadRowsWarning, match="another task has the same task_id") as caught:
        found = xs.status_breakdown(archive.on(executor))
    assert [one.filename for one in caught] == [__file__]
    assert found["tasks"].sum() == 2
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(xs.BadRowsWarning, match="another task has the same task_id"),
    ):
        xs.status_breakdown(archive.on(executor))


def test_an_archive_without_tasks(executor: Executor, tmp_path: Path):
    """Without any shard, the answer is that of an empty table."""
    archive = xs.Archive(tmp_path)
    archive.add(table())
    assert_frame_equal(xs.status_breakdown(archive.on(executor)), xs.status_breakdown(table()))


def test_what_is_no_executor_is_refused(kept: xs.Archive, client: Client):
    """Dask's client is not an executor; the error names what is."""
    for wrong in (client, map, None):
        with pytest.raises(xs.ArgumentError, match=r"; give a .*client\.get_executor\(\) of Dask"):
            kept.on(wrong)


def test_what_is_no_spark_session_is_refused(spark: SparkSession):
    """A DataFrame or nothing is not a session; the error says what is."""
    for wrong in (None, spark.range(1), spark.sparkContext):
        with pytest.raises(xs.ArgumentError, match=r"session is a .*; give a SparkSession"):
            xs.SparkExecutor(wrong)


def test_without_ray(monkeypatch: pytest.MonkeyPatch):
    """If Ray is not installed, the error names the command that installs it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(xs.ExportStatsError, match=r"needs Ray; run: pip install ray"):
        xs.RayExecutor()


def test_the_error_of_an_argument_has_no_traceback_of_the_worker(
    kept: xs.Archive, processes: Executor
):
    """It is shown as without an executor."""
    with pytest.raises(xs.ArgumentError, match="by='team'") as caught:
        xs.status_breakdown(kept.on(processes), by="team")
    assert caught.value.__cause__ is None


def test_an_executor_that_was_shut_down(kept: xs.Archive):
    """An executor that takes no more calls is an error."""
    with ThreadPoolExecutor(1) as executor:
        pass
    says = r"^the ThreadPoolExecutor takes no calls: RuntimeError: .*shutdown; .*make a new one"
    with pytest.raises(xs.ArgumentError, match=says):
        xs.status_breakdown(kept.on(executor))
