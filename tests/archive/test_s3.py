"""An archive in S3, at moto's server, with the credentials that boto3 finds."""

from __future__ import annotations

import json
import pickle
import sys
from typing import TYPE_CHECKING

import boto3
import pytest
from archived import assert_same, session, task

import exportstats as xs
from exportstats.archive.storage import Storage
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

pytest.importorskip("moto")
SECRET = "madeupsecret/K7MDENG"
SCRIPT = """
import datetime, json, pathlib, sys
calls = pathlib.Path({calls!r})
with calls.open("a") as file:
    file.write("x")
soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)
json.dump({{"Version": 1, "AccessKeyId": f"KEY{{calls.stat().st_size}}", "SecretAccessKey": "s",
           "SessionToken": "t", "Expiration": soon.isoformat()}}, sys.stdout)
"""


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a bucket at moto, and return its address."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMADEUP")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    client = boto3.client("s3")
    client.create_bucket(
        Bucket="history", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    client.close()
    return "s3://history/export-tasks"


def test_an_archive_in_a_bucket(bucket: str, sample: pd.DataFrame):
    """What was added is read back, in shards too, and what is known is not written again."""
    archive = xs.Archive(bucket)
    with pytest.raises(xs.MissingFileError, match="no archive at s3://history/export-tasks"):
        archive.tasks()
    archive.add(sample)
    assert_same(archive.tasks(), sample)
    client = boto3.client("s3")
    before = client.list_objects_v2(Bucket="history")["KeyCount"]
    archive.add(sample)
    assert client.list_objects_v2(Bucket="history")["KeyCount"] == before
    client.close()
    assert xs.status_breakdown(archive).equals(xs.status_breakdown(sample))
    account = archive.tasks(accounts=["111122223333"])
    assert len(account) == (sample["account_id"] == "111122223333").sum()


def test_a_missing_object_is_named(bucket: str, sample: pd.DataFrame):
    """A deleted object is named, and the others are read."""
    archive = xs.Archive(bucket)
    archive.add(sample)
    client = boto3.client("s3")
    keys = [one["Key"] for one in client.list_objects_v2(Bucket="history")["Contents"]]
    first = next(key for key in keys if key.endswith(".parquet"))
    client.delete_object(Bucket="history", Key=first)
    client.close()
    with pytest.warns(xs.DamagedFileWarning, match=first):
        tasks = archive.tasks()
    assert 0 < len(tasks) < len(sample)


@pytest.mark.parametrize("entry", [2, 1])
def test_an_empty_last_entry_is_told_by_the_looks(bucket: str, entry: int):
    """An entry that was replaced by an empty object is skipped by deltalake.

    Without entry 1 and what follows it, the table has no tasks at all.
    """
    archive = xs.Archive(bucket)
    with Emulator([task(0)]) as emulator:
        archive.sync(session=session(), endpoint_url=emulator.url)
        emulator.add(task(1))
        archive.sync(session=session(), endpoint_url=emulator.url)
    client = boto3.client("s3")
    for lost in range(entry, 3):
        key = f"export-tasks/tasks/_delta_log/{lost:020}.json"
        assert client.head_object(Bucket="history", Key=key)["ContentLength"]
        client.put_object(Bucket="history", Key=key, Body=b"")
    client.close()
    with pytest.warns(xs.DamagedFileWarning, match=r"last entries of s3.* missing or empty: tasks"):
        assert archive.tasks()["task_id"].to_list() == ["task-0"][: entry - 1]


def test_no_message_has_credentials(bucket: str, monkeypatch: pytest.MonkeyPatch):
    """Neither an error nor the text of an archive has a key, nor what is sent to workers."""
    options = {"AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": SECRET}
    archives = [xs.Archive("s3://not-there/a"), xs.Archive("s3://not-there/a", options)]
    for archive in archives:
        with pytest.raises(xs.ExportStatsError) as caught:
            archive.tasks()
        told = f"{caught.value!r} {archive!r} {archive}"
        assert "s3://not-there/a" in told
        assert "AKIA" not in told
        assert SECRET not in told
    assert SECRET.encode() not in pickle.dumps(archives[0])
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(xs.ArgumentError, match=f"{bucket} needs AWS credentials, and none were"):
        xs.Archive(bucket).tasks()


def test_credentials_that_cannot_be_loaded(bucket: str, monkeypatch: pytest.MonkeyPatch):
    """A profile that does not exist is one sentence with the remedy."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(xs.ArchiveError, match=r"s3://history/.* cannot be reached: .*nobody"):
        xs.Archive(bucket).tasks()


def test_credentials_are_renewed(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: pd.DataFrame
):
    """Each use takes the credentials that are valid then, here of a profile's process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    script = tmp_path / "login.py"
    script.write_text(SCRIPT.format(calls=str(tmp_path / "calls")))
    config = tmp_path / "config"
    config.write_text(f"[profile team]\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "team")
    storage = Storage(bucket, None)
    keys = [storage.options()["AWS_ACCESS_KEY_ID"] for _ in range(3)]
    assert len(set(keys)) == 3
    assert all(key.startswith("KEY") for key in keys)
    archive = xs.Archive(bucket)
    archive.add(sample.head(100))
    assert len(archive.tasks()) == 100


def test_options_replace_those_of_boto3(bucket: str):
    """Options of deltalake are passed on, in any casing and with or without `AWS_`."""
    storage = Storage(bucket, {"region": "us-east-2", "AWS_SSE_KMS_KEY_ID": "key"})
    options = storage.options()
    assert options["AWS_REGION"] == "us-east-2"
    assert options["AWS_SSE_KMS_KEY_ID"] == "key"
    assert options["AWS_SECRET_ACCESS_KEY"] == SECRET
    assert json.dumps(storage.given) == '{"REGION": "us-east-2", "SSE_KMS_KEY_ID": "key"}'
