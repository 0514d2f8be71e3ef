"""Accounts and regions are found as in an organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from emulated import ACCOUNT, OTHER, error_of, make_tasks
from support import forget_environment

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from emulated import Connect

PLACES = [(ACCOUNT, "eu-west-1"), (OTHER, "us-east-1"), (OTHER, "eu-west-1")]


def of_organisation(**options: object) -> Emulator:
    """Return an emulator of two accounts and two regions, with tasks in three of four slots."""
    made = zip(make_tasks(3), PLACES, strict=True)
    tasks = [task | {"accountId": account, "region": region} for task, (account, region) in made]
    return Emulator(tasks, **options)


@pytest.mark.parametrize("own", [ACCOUNT, OTHER])
def test_an_organisation_is_found_and_fetched(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each account and region is a target, and each task is fetched from its own account."""
    forget_environment(monkeypatch)
    with of_organisation() as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", own)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "emulated")
        targets = xs.fetch_targets(regions="all", role_name="audit")
        tasks = xs.fetch_tasks(targets)
        one = xs.fetch_targets(regions="all")
    assert [(target.account_id, target.region) for target in targets] == [
        (account, region) for account in (ACCOUNT, OTHER) for region in ("eu-west-1", "us-east-1")
    ]
    assert {target.account_id: target.role_arn for target in targets} == {
        account: None if account == own else f"arn:aws:iam::{account}:role/audit"
        for account in (ACCOUNT, OTHER)
    }
    found = tasks.sort_values("task_id")[["account_id", "region"]]
    assert [*found.itertuples(index=False, name=None)] == PLACES
    assert [target.region for target in one] == ["eu-west-1", "us-east-1"]


def test_an_assumed_role_is_of_its_account(connect: Connect) -> None:
    """AssumeRole returns credentials of the role's account, which expire in the future."""
    role = f"arn:aws:iam::{OTHER}:role/path/audit"
    with of_organisation() as emulator:
        client = connect(emulator, service="sts")
        answer = client.assume_role(RoleArn=role, RoleSessionName="a&b")
    assert answer["Credentials"]["AccessKeyId"] == OTHER
    assert answer["Credentials"]["Expiration"].timestamp() > 1_700_000_000
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/audit/a&b"


@pytest.mark.parametrize("role", ["audit-of-somewhere-else", "arn:aws:iam::1:role/x" + 10 * "x"])
def test_what_is_not_a_role_is_refused(connect: Connect, role: str) -> None:
    """An ARN that is not that of a role is an error of STS."""
    with of_organisation() as emulator:
        client = connect(emulator, service="sts")
        error = error_of(client.assume_role, RoleArn=role, RoleSessionName="session")
    assert error["Error"]["Code"] == "ValidationError"
    assert role in error["Error"]["Message"]


def test_faults_do_not_affect_them(connect: Connect) -> None:
    """Faults are those of lists, so that an organisation is found while they happen."""
    with of_organisation(faults=[Fault("deny")]) as emulator:
        accounts = connect(emulator, service="organizations").list_accounts()["Accounts"]
        assert connect(emulator, service="ec2").describe_regions()["Regions"]
    assert [account["Id"] for account in accounts] == [ACCOUNT, OTHER]
