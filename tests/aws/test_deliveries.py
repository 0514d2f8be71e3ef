"""`fetch_deliveries` with moto's S3."""

from __future__ import annotations

from typing import Any

import boto3
import pandas as pd
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

import exportstats as xs
from exportstats.core import frames, schema

KEYS = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up"}


def client(url: str) -> Any:  # noqa: ANN401 - boto3's client
    """Create an S3 client."""
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **KEYS)


def session() -> boto3.Session:
    """Create a session."""
    return boto3.Session(region_name="us-east-1", **KEYS)


def fill(url: str, bucket: str, objects: dict[str, int]) -> None:
    """Create a bucket with objects of given sizes."""
    client(url).create_bucket(Bucket=bucket)
    for (
        key,
        size,
    ) in objects.items():  # directly into moto, because a thousand requests take seconds
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, key, b"x" * size)


def make_tasks(**rows: dict[str, Any]) -> pd.DataFrame:
    """Make a table of tasks, by default COMPLETED in ten seconds."""
    usual = {
        "account_id": "111122223333",
        "region": "us-east-1",
        "destination": "bucket",
        "status_code": "COMPLETED",
        "creation_time": 0,
        "completion_time": 10_000,
    }
    return xs.conform(pd.DataFrame([usual | {"task_id": key} | row for key, row in rows.items()]))


def test_what_each_task_delivered_is_found(moto: str):
    """Objects are counted without the write test; without objects a task is empty or gone."""
    fill(
        moto,
        "bucket",
        {
            "exportedlogs/aws-logs-write-test": 27,
            "exportedlogs/a/stream-1/000000.gz": 1000,
            "exportedlogs/a/stream-2/000000.gz": 500,
            "exportedlogs/ab/stream/000000.gz": 7,
            "nightly/b/aws-logs-write-test": 27,
            "other/deep/c/stream/000000.gz": 1,
        },
    )
    tasks = make_tasks(
        a={},
        b={"destination_prefix": "nightly"},
        c={"destination_prefix": "other/deep", "completion_time": 0},
        d={},
        e={"destination_prefix": "elsewhere"},
        f={"destination": "no-such-bucket"},
        g={"status_code": "FAILED"},
        h={"destination": None},
    )
    found = xs.fetch_deliveries(tasks, session=session(), endpoint_url=moto).set_index("task_id")
    frames.check(found.reset_index(), schema.DELIVERIES)
    assert found["delivered"].to_dict() == {
        "a": "yes", "b": "empty", "c": "yes", "d": "empty", "e": "gone", "f": "gone",
        "h": "unknown",
    }  # fmt: skip
    a = found.loc["a"]
    assert (a["objects"], a["bytes"], a["throughput"]) == (2, 1500, 150.0)
    assert a["first_key"] == "exportedlogs/a/stream-1/000000.gz"
    assert a["last_key"] == "exportedlogs/a/stream-2/000000.gz"
    assert a["prefix"] == "exportedlogs/a/"
    assert pd.isna(found.loc["c", "throughput"]), "no time passed, so there is no rate"
    assert found.loc["f", "reason"].startswith("NoSuchBucket")
    assert found.loc["h", "reason"] == "the task has no destination"


def test_a_listing_of_many_pages_is_added_up(moto: str):
    """1,010 objects in two pages are counted once each."""
    fill(moto, "bucket", {f"exportedlogs/a/{n:05}/000000.gz": n % 7 for n in range(1010)})
    (row,) = xs.fetch_deliveries(
        make_tasks(a={}), session=session(), endpoint_url=moto
    ).itertuples()
    assert row.objects == 1010
    assert row.bytes == sum(n % 7 for n in range(1010))
    assert row.last_key == "exportedlogs/a/01009/000000.gz"


def test_a_denied_target_is_reported_and_others_are_found(moto: str):
    """A bucket in an unreachable region is unknown, and the other region is checked."""
    fill(moto, "bucket", {"exportedlogs/a/s/000000.gz": 5})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exportstats.aws.objects.ObjectLister._list", _deny(("b",)))
        found = xs.fetch_deliveries(
            make_tasks(a={}, b={}), session=session(), endpoint_url=moto
        ).set_index("task_id")
    assert found["delivered"].to_dict() == {"a": "yes", "b": "unknown"}
    assert found.loc["b", "reason"].startswith("AccessDenied")


def _deny(ids: tuple[str, ...]) -> Any:  # noqa: ANN401 - a method
    """Deny the listing of some tasks, which moto's server cannot do."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - for this double alone

    from exportstats.aws.objects import ObjectLister  # noqa: PLC0415

    plainly = ObjectLister._list

    def listing(self: Any, place: Any) -> Any:  # noqa: ANN401 - as there
        if place.task_id in ids:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")
        return plainly(self, place)

    return listing


def test_no_task_asks_nothing_and_no_credentials_is_an_error(monkeypatch: pytest.MonkeyPatch):
    """Without COMPLETED tasks the table is empty; without credentials there is one clear error."""
    none = xs.fetch_deliveries(make_tasks(a={"status_code": "FAILED"}), session=session())
    frames.check(none, schema.DELIVERIES)
    assert len(none) == 0
    with pytest.raises(xs.LoadError, match="AWS_PROFILE"):
        xs.fetch_deliveries(make_tasks(a={}), session=boto3.Session(region_name="us-east-1"))
    with pytest.raises(xs.SchemaError):
        xs.fetch_deliveries(pd.DataFrame(), session=session())
    with pytest.raises(xs.ArgumentError, match="max_workers=0"):
        xs.fetch_deliveries(make_tasks(a={}), session=session(), max_workers=0)


def test_ctrl_c_gives_what_was_found(moto: str, monkeypatch: pytest.MonkeyPatch):
    """Tasks that were not checked before Ctrl-C are unknown, with that reason."""

    def interrupt(*_: Any, **__: Any) -> None:  # noqa: ANN401
        raise KeyboardInterrupt

    fill(moto, "bucket", {})
    monkeypatch.setattr("exportstats.aws.deliveries._watch", interrupt)
    with pytest.raises(xs.LoadInterrupted, match="of 3 tasks were checked") as caught:
        xs.fetch_deliveries(
            make_tasks(a={}, b={}, c={}), session=session(), endpoint_url=moto, max_workers=1
        )
    assert len(caught.value.arrived) == 3
    frames.check(caught.value.arrived, schema.DELIVERIES)
