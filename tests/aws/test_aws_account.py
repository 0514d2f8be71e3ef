"""The account of the tasks: when and where STS is called, and what happens if it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import exportstats as xs
from exportstats.aws.client import is_aws
from exportstats.aws.tasks import fetch_tasks
from exportstats.emulator import Emulator, Fault, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    Make = Callable[..., Any]


# The answer of STS


def test_the_account_is_that_of_the_credentials(make_session: Make, make_tasks: Make) -> None:
    """STS returns the account of the tasks, and is called once for any number of pages."""
    with Emulator(make_tasks(120, accountId="444455556666")) as emulator:
        found = fetch_tasks(session=make_session("444455556666"), endpoint_url=emulator.url)
    assert found["account_id"].unique().tolist() == ["444455556666"]
    assert [seen.operation for seen in emulator.requests].count(wire.IDENTITY) == 1


def test_without_sts_the_account_is_missing_with_one_warning(
    session: boto3.Session, make_tasks: Make
) -> None:
    """Without STS, `account_id` is missing, and one warning points to the caller's line."""
    with (
        Emulator(make_tasks(120), faults=[Fault("deny_identity")]) as emulator,
        pytest.warns(xs.AccountUnknownWarning, match="STS did not return it .AccessDenied") as seen,
    ):
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert len(found) == 120
    assert found["account_id"].isna().all()
    assert [warning.filename for warning in seen] == [__file__]


def test_no_task_no_warning_of_the_account(session: boto3.Session) -> None:
    """An empty table has no warning, because no account is missing."""
    with Emulator(faults=[Fault("deny_identity")]) as emulator:
        assert fetch_tasks(session=session, endpoint_url=emulator.url).empty


# The endpoint of STS

LOOK_ALIKES = (
    "http://127.0.0.1:5000",
    "http://localhost:4566",
    "https://logs.eu-west-1.amazonaws.com.evil.example",
    "https://evil-amazonaws.com",
    "https://amazonaws.com",
    "https://evil.example/logs.eu-west-1.amazonaws.com",
    "https://evil.example?.amazonaws.com",
    "https://evil.example#.amazonaws.com",
    "https://logs.eu-west-1.amazonaws.com@evil.example",
    "https://logs.eu-west-1.amazonaws.com:443@evil.example:443/",
    "https://x.lambda-url.eu-west-1.on.aws",
    "",
)


@pytest.mark.parametrize(
    "url",
    [
        "https://logs.eu-west-1.amazonaws.com",
        "https://logs.eu-west-1.amazonaws.com:443/",
        "https://LOGS.EU-WEST-1.AMAZONAWS.COM",
        "https://logs.eu-west-1.api.aws",
        "https://logs-fips.us-gov-west-1.amazonaws.com",
        "https://logs.cn-north-1.amazonaws.com.cn",
        "https://logs.cn-north-1.api.amazonwebservices.com.cn",
        "https://logs.us-iso-east-1.c2s.ic.gov",
        "https://logs.us-isob-east-1.sc2s.sgov.gov",
        "https://logs.eusc-de-east-1.amazonaws.eu",
        "https://vpce-0a1b-x.logs.eu-west-1.vpce.amazonaws.com",
        "https://vpce-0a1b-x-eu-west-1a.logs.eu-west-1.vpce.amazonaws.com:443",
    ],
)
def test_every_partition_and_vpc_endpoint_is_aws(make_session: Make, url: str) -> None:
    """AWS's hosts are known in all partitions, as dual stack and as VPC endpoints."""
    assert is_aws(make_session(), url)


@pytest.mark.parametrize("url", LOOK_ALIKES)
def test_what_only_looks_like_aws_is_not(make_session: Make, url: str) -> None:
    """Only the end of the host decides, wherever else AWS's name is in the URL."""
    assert not is_aws(make_session(), url)


@pytest.mark.parametrize(
    ("region", "endpoint_url", "wanted"),
    [
        ("eu-west-1", None, "sts.eu-west-1.amazonaws.com"),
        ("cn-north-1", None, "sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", None, "sts.us-gov-west-1.amazonaws.com"),
        (
            "eu-west-1",
            "https://vpce-0a1b.logs.eu-west-1.vpce.amazonaws.com",
            "sts.eu-west-1.amazonaws.com",
        ),
        (
            "eu-west-1",
            "https://logs.eu-west-1.amazonaws.com.evil.example",
            "logs.eu-west-1.amazonaws.com.evil.example",
        ),
        ("eu-west-1", "http://localhost:4566", "localhost"),
    ],
)
def test_sts_is_asked_where_the_credentials_belong(
    make_session: Make, in_place_of_aws: Make, region: str, endpoint_url: str | None, wanted: str
) -> None:
    """STS is called in AWS's partition of the region, or at the emulator, never at both."""
    session = make_session()
    asked = in_place_of_aws(session)
    fetch_tasks(session=session, region=region, endpoint_url=endpoint_url)
    assert [where for where in asked if where.startswith("sts")] == [f"sts at {wanted}"]


def warned(session: boto3.Session) -> str:
    """Fetch a task without its account, and return the text of the warning."""
    with pytest.warns(xs.AccountUnknownWarning, match=r"^account_id is missing: STS") as seen:
        found = fetch_tasks(session=session)
    assert found["task_id"].to_list() == ["a"]
    assert found["account_id"].isna().all()
    (warning,) = seen
    return str(warning.message)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not XML",
        b'{"Account": "1"}',
        b"<a/>",
        b"<GetCallerIdentityResponse/>",
        wire.identity("").partition(b"\r\n\r\n")[2].replace(b"<Account></Account>", b""),
        b"<html><body><br>" + b"Please sign in. " * 1000 + b"</body></html>",
        b"\xff\xfe",
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.usefixtures("no_waiting")
def test_invalid_answers_of_sts_lose_only_the_account(
    make_session: Make, in_place_of_aws: Make, body: bytes
) -> None:
    """All tasks arrive, and the warning is one line of limited length."""
    session = make_session()
    in_place_of_aws(session, body)
    text = warned(session)
    assert "\n" not in text
    assert len(text) < 800


@pytest.mark.usefixtures("no_waiting")
def test_an_unreachable_sts_loses_only_the_account(
    monkeypatch: pytest.MonkeyPatch, make_session: Make, in_place_of_aws: Make, closed_port: str
) -> None:
    """All tasks arrive without STS, as in a network with a VPC endpoint for logs only."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", closed_port)
    session = make_session()
    in_place_of_aws(session, sts=None)
    assert closed_port in warned(session)


def test_a_wrong_address_of_sts_loses_only_the_account(
    monkeypatch: pytest.MonkeyPatch, make_session: Make, in_place_of_aws: Make
) -> None:
    """All tasks arrive if the endpoint variable of STS is not a URL."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "nonsense")
    session = make_session()
    in_place_of_aws(session)
    assert "Invalid endpoint: nonsense" in warned(session)
