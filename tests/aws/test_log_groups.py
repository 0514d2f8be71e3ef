"""Log groups from moto, page by page and from many accounts, and from files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

OWN = "123456789012"  # moto's own account
DAY = 86_400_000


def create(url: str, region: str, names: list[str], days: int | None = None) -> None:
    """Create log groups with a retention in days."""
    logs: Any = boto3.client(
        "logs",
        region_name=region,
        endpoint_url=url,
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
    )
    for name in names:
        logs.create_log_group(logGroupName=name)
        if days:
            logs.put_retention_policy(logGroupName=name, retentionInDays=days)


def test_all_pages_of_all_targets_are_fetched(moto: str, make_session: Make):
    """130 log groups of two regions arrive once each, with retention and creation time."""
    create(moto, "eu-west-1", [f"/app/{n:03}" for n in range(120)], days=30)
    create(moto, "us-east-1", [f"/app/{n:03}" for n in range(10)])
    before = pd.Timestamp.now("UTC")
    found = xs.fetch_log_groups(
        [xs.Target(OWN, region) for region in ("eu-west-1", "us-east-1")],
        session=make_session("made-up"),
        endpoint_url=moto,
    )
    frames.check(found, schema.LOG_GROUPS)
    assert found.groupby("region", observed=True).size().to_dict() == {
        "eu-west-1": 120,
        "us-east-1": 10,
    }
    kept = found.groupby("region", observed=True)["retention"]
    assert kept.first()["eu-west-1"] == pd.Timedelta(days=30)
    assert kept.first()["us-east-1"] is pd.NaT
    assert set(found["account_id"]) == {OWN}
    for name in ("creation_time", "observed_at"):
        assert ((found[name] - before).abs() < pd.Timedelta(minutes=1)).all()


def test_a_failing_target_does_not_affect_others(moto: str, make_session: Make):
    """The error has the log groups of the other targets, and names the permission."""
    create(moto, "us-west-2", ["/other"])
    with Emulator(faults=[Fault("deny")]) as emulator:
        targets = [xs.Target(OWN, "us-west-2")]
        good = xs.fetch_log_groups(targets, session=make_session("made-up"), endpoint_url=moto)
        with pytest.raises(xs.LoadError) as caught:
            xs.fetch_log_groups(targets, session=make_session(OWN), endpoint_url=emulator.url)
    assert good["log_group_name"].to_list() == ["/other"]
    assert len(caught.value.failures) == 1
    assert len(caught.value.arrived) == 0
    frames.check(caught.value.arrived, schema.LOG_GROUPS)


def test_arguments_that_cannot_be_meant_are_refused():
    """The error names the argument, and nothing is requested."""
    with pytest.raises(xs.ArgumentError, match="errors='ignore'"):
        xs.fetch_log_groups(errors="ignore")  # type: ignore[arg-type]
    with pytest.raises(xs.ArgumentError, match="region='eu-west-1'"):
        xs.fetch_log_groups([xs.Target(OWN)], region="eu-west-1")
    with pytest.raises(xs.ArgumentError, match="requests_per_second=0"):
        xs.fetch_log_groups(requests_per_second=0)


GROUP: dict[str, Any] = {
    "logGroupName": "/app",
    "creationTime": 5 * DAY,
    "retentionInDays": 30,
    "retentionPolicyName": "baseline",
    "arn": "arn:aws:logs:eu-west-1:111122223333:log-group:/app:*",
    "storedBytes": 12,
    "logGroupClass": "STANDARD",
}


@pytest.mark.parametrize("wrapped", [True, False])
def test_what_the_aws_cli_prints_is_read(tmp_path: Path, wrapped: bool):  # noqa: FBT001
    """A page or a list is read; account and region come from the ARN."""
    file = tmp_path / "groups.json"
    file.write_text(json.dumps({"logGroups": [GROUP]} if wrapped else [GROUP]))
    found = xs.read_log_groups(file)
    frames.check(found, schema.LOG_GROUPS)
    assert found.drop(columns="observed_at").iloc[0].to_list() == [
        "111122223333",
        "eu-west-1",
        "/app",
        pd.Timestamp(5, unit="D", tz="UTC"),
        pd.Timedelta(days=30),
        "baseline",
        12,
        "STANDARD",
    ]


def test_our_own_keys_stand_before_the_arn(tmp_path: Path):
    """A file can have the account, the region and the time of observation."""
    more = {"accountId": "444455556666", "region": "us-east-1", "observedAt": DAY}
    file = tmp_path / "groups.json"
    earlier = GROUP | more | {"observedAt": 0}
    file.write_text(json.dumps([earlier, GROUP | more | {"retentionInDays": 60}]))
    (row,) = xs.read_log_groups(file).itertuples()
    assert (row.account_id, row.region) == ("444455556666", "us-east-1")
    assert row.observed_at == pd.Timestamp(1, unit="D", tz="UTC")
    assert row.retention == pd.Timedelta(days=60), (
        "the later of two observations of one log group counts"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("{", "line 1, column 2"),
        ('{"logGroups": 5}', "log group 1"),
        ("[5]", "not an object but 5"),
        ('[{"logGroupName": 5}]', "log_group_name is not text"),
        ('[{"logGroupName": "a", "retentionInDays": 0}]', "retention is not a number"),
        ('[{"logGroupName": "a", "region": 5}]', "region is not text"),
        ("[" * 100_000, "not JSON that can be read"),
    ],
)
def test_a_broken_file_is_named_with_its_place(tmp_path: Path, text: str, said: str):
    """The error names the file and its fault."""
    file = tmp_path / "groups.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        xs.read_log_groups(file)
    assert isinstance(caught.value, xs.ExportStatsError)
    assert "groups.json" in str(caught.value)


def test_the_sample_has_its_log_groups():
    """The sample has 18 log groups, once each, as the generator describes them."""
    found = xs.sample_log_groups()
    frames.check(found, schema.LOG_GROUPS)
    assert len(found) == 18
    assert found["observed_at"].unique() == [pd.Timestamp("2026-11-23T06:00Z")]


def test_an_invalid_table_of_log_groups_is_refused():
    """Other frames, wrong dtypes and repeated log groups are refused."""
    good = xs.sample_log_groups()
    for bad, said in (
        (good.drop(columns="retention"), "retention"),
        (good.assign(retention=5), "int64"),
        (pd.concat([good, good]).astype(good.dtypes), "more than once"),
        ([good], "DataFrame"),
    ):
        with pytest.raises(xs.SchemaError, match=said):
            frames.check(bad, schema.LOG_GROUPS)
