"""Many accounts and regions: a failing target does not affect the others."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import pytest
from botocore.loaders import create_loader
from moto.core.responses import ActionResult
from organisation import account_of, found_organisation

import exportstats as xs
from exportstats.aws.targets import Sessions
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

OWN = "123456789012"  # moto's own account
REGIONS = ["eu-west-1", "us-east-1", "us-west-2"]
EPOCH = 1_700_000_000_000


def task(account: str, region: str, number: int) -> dict[str, Any]:
    """Make a task of an account and region."""
    return {
        "accountId": account,
        "region": region,
        "taskId": f"{account}-{region}-{number}",
        "logGroupName": "/app",
        "status": {"code": "COMPLETED"},
        "executionInfo": {"creationTime": EPOCH + number, "completionTime": EPOCH + number + 9},
    }


def fill(accounts: list[str], regions: list[str], count: int) -> list[dict[str, Any]]:
    """Make the same number of tasks in each account and region."""
    return [task(a, r, n) for a in accounts for r in regions for n in range(count)]


@pytest.fixture(scope="module")
def served(moto_server: str) -> tuple[str, list[str]]:
    """Serve an organisation, and yield the address and the accounts."""
    return moto_server, found_organisation(moto_server)


@pytest.fixture
def organisation(served: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Use the credentials of the organisation's management account; return the accounts."""
    moto, accounts = served
    for service in ("STS", "ORGANIZATIONS", "EC2"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "management")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return accounts


def test_an_organisation_is_found_with_a_role_for_each_account(organisation: list[str]):
    """All active accounts in the given regions are targets, the own account without a role."""
    targets = xs.fetch_targets(regions=REGIONS, role_name="audit")
    assert len(organisation) == 60
    assert len(targets) == 60 * 3
    assert {target.account_id for target in targets} == set(organisation)
    roles = {target.account_id: target.role_arn for target in targets}
    assert roles.pop(OWN) is None
    assert roles == {number: f"arn:aws:iam::{number}:role/audit" for number in roles}


def test_all_regions_are_those_that_are_enabled(organisation: list[str]):
    """`regions="all"` asks EC2; without a role only the own account is a target."""
    targets = xs.fetch_targets(regions="all")
    regions = {region["RegionName"] for region in boto3.client("ec2").describe_regions()["Regions"]}
    assert {target.region for target in targets} == regions
    assert {target.account_id for target in targets} == {OWN}


def test_a_synthetic_organisation_is_loaded_and_failures_are_reported(organisation: list[str]):
    """Of 60 accounts in 3 regions three targets fail: the others arrive, each failure has a row."""
    denied, expired, broken = organisation[5], organisation[9], organisation[20]
    faults = [
        Fault("deny", account=denied, region="eu-west-1"),
        Fault("expired", account=expired, region="us-east-1", at=range(2, 99)),
        Fault("html", account=broken, region="us-west-2"),
    ]
    tasks = fill(organisation, REGIONS, 3)
    tasks += [task(expired, "us-east-1", number) for number in range(3, 60)]
    targets = xs.fetch_targets(regions=REGIONS, role_name="audit")
    with (
        Emulator(tasks, account_of=account_of, faults=faults) as emulator,
        pytest.raises(xs.LoadError) as caught,
    ):
        xs.fetch_tasks(targets, endpoint_url=emulator.url)
    with (
        Emulator(tasks, account_of=account_of, faults=faults) as emulator,
        pytest.warns(xs.LoadWarning) as warned,
    ):
        again = xs.fetch_tasks(targets, endpoint_url=emulator.url, errors="warn")
    error = caught.value
    assert len(error.tasks) == 177 * 3 + 50
    assert not error.tasks["task_id"].duplicated().any()
    failures = error.failures.set_index(["account_id", "region"])
    assert list(failures["arrived"]) == [0, 50, 0]
    assert failures.loc[(denied, "eu-west-1"), "remedy"].startswith("allow the action logs:Desc")
    assert "sign in again" in failures.loc[(expired, "us-east-1"), "remedy"]
    assert "incomplete" in failures.loc[(broken, "us-west-2"), "reason"]
    assert "3 of 180 targets failed" in str(error)
    assert len(warned) == 1
    pd.testing.assert_frame_equal(
        warned[0].message.failures.drop(columns="next_token"),
        error.failures.drop(columns="next_token"),
    )
    pd.testing.assert_frame_equal(
        again.drop(columns="observed_at"), error.tasks.drop(columns="observed_at")
    )


def test_credentials_of_a_role_are_renewed_on_the_way(
    organisation: list[str], monkeypatch: pytest.MonkeyPatch
):
    """Credentials of a role that expire while paging are renewed, and nothing is lost."""
    account = next(number for number in organisation if number != OWN)
    keys: set[str] = set()

    def remember(access_key: str) -> str | None:
        keys.add(access_key)
        return account_of(access_key)

    # so short that botocore renews the credentials before every request
    monkeypatch.setattr("moto.sts.responses.TokenResponse.assume_role", _short_lived)
    target = xs.Target(account, "eu-west-1", role_arn=f"arn:aws:iam::{account}:role/audit")
    with Emulator(fill([account], ["eu-west-1"], 260), account_of=remember) as emulator:
        tasks = xs.fetch_tasks([target], endpoint_url=emulator.url)
    assert len(tasks) == 260
    assert len(keys) > 3


def _short_lived(self: Any) -> Any:  # noqa: ANN401 - moto's
    role = self.backend.assume_role(
        role_session_name="s",
        role_arn=self._get_param("RoleArn"),
        policy=None,
        duration=60,
        external_id=None,
        region_name=self.region,
    )
    return ActionResult(
        {
            "Credentials": {
                "AccessKeyId": role.access_key_id,
                "SecretAccessKey": role.secret_access_key,
                "SessionToken": role.session_token,
                "Expiration": role.expiration,
            },
            "AssumedRoleUser": {"AssumedRoleId": role.user_id, "Arn": role.arn},
        }
    )


def test_one_that_hangs_does_not_hold_up_the_others(
    make_session: Make, monkeypatch: pytest.MonkeyPatch
):
    """Of 20 targets one is denied and one hangs: 18 arrive, and both have a row."""
    accounts = [f"{number:012}" for number in range(1, 2)]
    regions = [f"eu-test-{number}" for number in range(1, 21)]
    faults = [Fault("deny", region="eu-test-3"), Fault("hang", region="eu-test-7")]
    targets = [xs.Target(accounts[0], region) for region in regions]
    monkeypatch.setattr("exportstats.aws.client.READ_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("exportstats.aws.client.MAX_ATTEMPTS", 2)
    with (
        Emulator(fill(accounts, regions, 120), faults=faults) as emulator,
        pytest.raises(xs.LoadError) as caught,
    ):
        xs.fetch_tasks(targets, session=make_session(accounts[0]), endpoint_url=emulator.url)
    assert len(caught.value.tasks) == 18 * 120
    assert set(caught.value.failures["region"]) == {"eu-test-3", "eu-test-7"}
    assert caught.value.failures["reason"].str.contains("[Tt]imeout").sum() == 1


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_an_executor_of_the_callers_gives_the_same(kind: str, monkeypatch: pytest.MonkeyPatch):
    """An executor of threads or processes returns the same table."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111122223333")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    targets = [xs.Target("111122223333", region) for region in REGIONS]
    make = {
        "threads": lambda: ThreadPoolExecutor(2),
        "processes": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    }[kind]
    faults = [Fault("deny", region="us-east-1")]
    with Emulator(fill(["111122223333"], REGIONS, 130), faults=faults) as emulator, make() as pool:
        with pytest.raises(xs.LoadError) as ours:
            xs.fetch_tasks(targets, endpoint_url=emulator.url)
        with pytest.raises(xs.LoadError) as theirs:
            xs.fetch_tasks(targets, endpoint_url=emulator.url, executor=pool)
    for name in ("tasks", "failures"):
        a, b = getattr(ours.value, name), getattr(theirs.value, name)
        pd.testing.assert_frame_equal(
            a.drop(columns="observed_at", errors="ignore"),
            b.drop(columns="observed_at", errors="ignore"),
        )
    assert str(ours.value) == str(theirs.value)


def test_a_target_is_a_small_value_that_travels():
    """A target can be pickled and compared, and its pickle is small."""
    target = xs.Target("111122223333", "eu-west-1", role_arn="arn:aws:iam::111122223333:role/x")
    assert pickle.loads(pickle.dumps(target)) == target  # noqa: S301 - it is ours
    assert len(pickle.dumps(target)) < 400


def test_a_role_names_the_account(organisation: list[str], monkeypatch: pytest.MonkeyPatch):
    """The tasks of two roles without account IDs are of the accounts in their ARNs."""
    accounts = organisation[:2]
    targets = [
        xs.Target(region="eu-west-1", role_arn=f"arn:aws:iam::{account}:role/audit")
        for account in accounts
    ]
    assert [target.account_id for target in targets] == accounts
    tasks = [
        {"accountId": account, "region": "eu-west-1", "taskId": f"of-{account}"}
        for account in accounts
    ]
    with Emulator(tasks) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        found = xs.fetch_tasks(targets)
    assert found["task_id"].to_list() == [f"of-{account}" for account in found["account_id"]]


def test_the_external_id_is_sent_with_the_role(monkeypatch: pytest.MonkeyPatch):
    """Each role is assumed with its external ID, the session's own account without a role."""
    own, other = "111122223333", "444455556666"
    tasks = [
        {"accountId": account, "region": "eu-west-1", "taskId": account} for account in (own, other)
    ]
    with Emulator(tasks) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", own)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
        targets = xs.fetch_targets(regions=["eu-west-1"], role_name="audit", external_id="acme")
        assert len(xs.fetch_tasks(targets)) == 2
        role = xs.Target(role_arn=targets[1].role_arn, region="eu-west-1")
        xs.fetch_tasks([role])
    sent = [one.params for one in emulator.requests if one.operation == "AssumeRole"]
    assert [one.get("ExternalId") for one in sent] == ["acme", None]
    assert [target.external_id for target in targets] == [None, "acme"]
    with pytest.raises(xs.ArgumentError, match="external_id='acme' was given without role_name"):
        xs.fetch_targets(external_id="acme")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"account_id": "12345"}, "12345"),
        ({"account_id": 123456789012}, "123456789012"),
        ({"role_arn": "audit"}, "audit"),
        ({"profile": "p", "role_arn": "arn:aws:iam::111122223333:role/x"}, "profile='p'"),
        ({"account_id": "444455556666", "role_arn": "arn:aws:iam::111122223333:role/x"}, "not in"),
        ({"external_id": "acme"}, "external_id='acme' was given without a role_arn"),
    ],
)
def test_a_target_that_cannot_be_meant_is_refused(fields: dict[str, Any], named: str):
    """The error names the value."""
    with pytest.raises(xs.ArgumentError, match=named):
        xs.Target(**fields)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"targets": []}, "fetch_targets"),
        ({"targets": ["eu-west-1"]}, "'eu-west-1'"),
        ({"targets": [xs.Target()], "region": "eu-west-1"}, "region="),
        ({"targets": [xs.Target()], "next_token": "t"}, "next_token="),
        ({"executor": ThreadPoolExecutor(1), "session": boto3.Session()}, "session cannot be sent"),
        ({"executor": map}, "give a concurrent.futures.Executor"),
        ({"errors": "ignore"}, "errors='ignore'"),
        ({"max_workers": 0}, "max_workers=0"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(arguments: dict[str, Any], named: str):
    """The error names the argument to change or leave out, and nothing is requested."""
    with pytest.raises(xs.ArgumentError, match=named):
        xs.fetch_tasks(**arguments)


SCRIPT = """
import sys, time
import exportstats as xs
targets = [xs.Target("111122223333", f"eu-test-{n}") for n in range(1, 9)]
try:
    xs.fetch_tasks(targets, endpoint_url=sys.argv[1], progress=False)
except xs.LoadInterrupted as stop:
    print(len(stop.tasks), len(stop.failures), stop.failures["reason"].unique())
"""


def test_ctrl_c_ends_within_two_seconds_and_keeps_what_arrived():
    """With eight slow targets, one of them hanging, Ctrl-C keeps what has arrived."""
    regions = [f"eu-test-{n}" for n in range(1, 9)]
    faults = [Fault("hang", region="eu-test-8"), Fault("slow", seconds=0.2)]
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "made-up",
    }
    with Emulator(fill(["111122223333"], regions, 2000), faults=faults) as emulator:
        run = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, emulator.url],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        while sum(request.outcome == "slow" for request in emulator.requests) < 30:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        pressed = time.monotonic()
        written, _ = run.communicate(timeout=20)
        took = time.monotonic() - pressed
    tasks, failures, *_ = written.split()
    assert int(tasks) >= 30 * 50 - 8 * 50
    assert int(failures) == 8
    assert took < 2


def test_sessions_share_what_is_slow_to_make(
    organisation: list[str], monkeypatch: pytest.MonkeyPatch
):
    """Sessions of roles share the models and the endpoint rules of the base session."""
    monkeypatch.setattr(
        "botocore.session.create_loader", create_loader
    )  # not the loader of all tests
    base = boto3.Session()
    sessions = Sessions(base)
    roles = [f"arn:aws:iam::{number}:role/audit" for number in organisation[:5]]
    made = [sessions.of(xs.Target(region="eu-west-1", role_arn=role)) for role in roles]
    readers = {id(session._session.get_component("data_loader")) for session in [base, *made]}
    assert len(readers) == 1
    assert sessions.of(xs.Target(region="us-east-1", role_arn=roles[0])) is made[0]
