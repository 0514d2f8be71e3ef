"""Impossible answers of STS, EC2 and Organizations: an error, or a missing account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from answers import CUT_HTML, HTML, NAMESPACE, OWN, identity, page, say

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


@pytest.mark.parametrize(
    "answer",
    [
        say(HTML),
        say(CUT_HTML),
        say(b""),
        say(b"{}"),
        say(b"<GetCallerIdentityResponse/>"),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        say(b"", status=304),
        say(HTML, status=300),
        say(HTML, status=403),
        say(CUT_HTML, status=502),
        say(b"<R><Error>no</Error></R>", status=400),
        say(b"<R><Error><Code><x>1</x></Code></Error></R>", status=400),
        identity(""),
        identity(" "),
        identity("12"),
        identity("1111222233334"),
    ],
    ids=lambda answer: repr(answer[9:13] + answer[-24:]),
)
@pytest.mark.usefixtures("no_waiting")
def test_an_account_that_sts_does_not_tell_is_missing(
    session: Any,  # noqa: ANN401 - boto3's
    all_services: Make,
    strange: Make,
    answer: bytes,
) -> None:
    """All tasks arrive with one warning, and fetch_targets has a one-line error."""
    with strange(DescribeExportTasks=page("a"), GetCallerIdentity=answer) as server:
        with pytest.warns(xs.AccountUnknownWarning, match="STS did not return it") as warned:
            found = xs.fetch_tasks(session=session, endpoint_url=server.url)
        all_services(server.url)
        with pytest.raises(xs.LoadError) as caught:
            xs.fetch_targets()
    assert found["account_id"].isna().all()
    for text in (str(warned[0].message), str(caught.value)):
        assert text.isprintable()
        assert "error is not expected" not in text
        assert len(text) < 800


def regions(*names: str) -> bytes:
    """Write a list of regions."""
    items = "".join(f"<item><regionName>{name}</regionName></item>" for name in names)
    return say(
        f"<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
        .encode()
    )  # fmt: skip


def accounts(*numbers: str, token: str | None = None) -> bytes:
    """Write a page of accounts."""
    rows = [{"Id": number, "Status": "ACTIVE"} for number in numbers]
    more = {} if token is None else {"NextToken": token}
    return say(json.dumps({"Accounts": rows, **more}).encode())


@pytest.mark.parametrize(
    ("operation", "answers"),
    [
        ("DescribeRegions", [regions()]),
        ("DescribeRegions", [say(HTML)]),
        ("DescribeRegions", [say(CUT_HTML)]),
        ("DescribeRegions", [say(b"")]),
        ("DescribeRegions", [say(b"<DescribeRegionsResponse/>")]),
        ("DescribeRegions", [regions("eu-west-1", "")]),
        ("ListAccounts", [accounts()]),
        ("ListAccounts", [say(b"{}")]),
        ("ListAccounts", [say(b"[]")]),
        ("ListAccounts", [say(HTML)]),
        ("ListAccounts", [say(b'{"Accounts":null}')]),
        ("ListAccounts", [say(b'{"Accounts":"x"}')]),
        ("ListAccounts", [say(b'{"Accounts":[{}]}')]),
        ("ListAccounts", [say(b'{"Accounts":[{"Id":5}]}')]),
        ("ListAccounts", [accounts(OWN, token="t"), say(b"{}")]),
        ("ListAccounts", [accounts(OWN, token="t"), accounts(token="t")]),
        ("ListAccounts", [say(b'{"message":5}', status=400)]),
        ("ListAccounts", [say(b"[]", status=502)]),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[-1][9:13] + value[-1][-24:]),
)
@pytest.mark.usefixtures("no_waiting")
def test_no_regions_and_no_accounts_are_an_error(
    all_services: Make, strange: Make, operation: str, answers: list[bytes]
) -> None:
    """An empty list of regions or accounts is an error, because it cannot be true."""
    usual = {
        "GetCallerIdentity": identity(),
        "DescribeRegions": regions("eu-west-1"),
        "ListAccounts": accounts(OWN),
    }
    with strange(**(usual | {operation: answers})) as server:
        all_services(server.url)
        with pytest.raises(xs.LoadError) as caught:
            xs.fetch_targets(regions="all", role_name="audit")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 800


def test_pages_of_accounts_are_followed_through_empty_ones(
    all_services: Make, strange: Make
) -> None:
    """An empty page of Organizations is not the end of the list."""
    pages = [accounts(OWN, token="t"), accounts(token="u"), accounts("444455556666")]
    with strange(GetCallerIdentity=identity(), ListAccounts=pages) as server:
        all_services(server.url)
        found = xs.fetch_targets(role_name="audit")
    assert [target.account_id for target in found] == [OWN, "444455556666"]


def role(**more: str) -> bytes:
    """Write the credentials of a role."""
    keys = {
        "AccessKeyId": "ASIA",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "Expiration": "2099-01-01T00:00:00Z",
    } | more
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in keys.items() if value)
    return say(
        f"<AssumeRoleResponse {NAMESPACE}><AssumeRoleResult><Credentials>{inner}</Credentials>"
        "</AssumeRoleResult></AssumeRoleResponse>".encode()
    )


@pytest.mark.parametrize(
    "answer",
    [
        say(HTML),
        say(b""),
        say(b"<AssumeRoleResponse/>"),
        role(Expiration=""),
        role(Expiration="nonsense"),
        role(SessionToken=""),
        role(AccessKeyId="", SecretAccessKey="", SessionToken="", Expiration=""),
    ],
    ids=["HTML", "nothing", "no role", "no end", "nonsense as end", "no token", "all empty"],
)
@pytest.mark.usefixtures("no_waiting")
def test_a_role_without_credentials_fails_only_its_target(
    all_services: Make, strange: Make, answer: bytes
) -> None:
    """The target without a role arrives, and the other one has a row with the missing field."""
    targets = [
        xs.Target(OWN, "eu-west-1"),
        xs.Target("444455556666", role_arn="arn:aws:iam::444455556666:role/x"),
    ]
    with strange(DescribeExportTasks=page("a"), AssumeRole=answer) as server:
        all_services(server.url)
        with pytest.raises(xs.LoadError) as caught:
            xs.fetch_tasks(targets)
    assert caught.value.tasks["task_id"].to_list() == ["a"]
    (failure,) = caught.value.failures.itertuples()
    assert failure.account_id == "444455556666"
    assert "KeyError" not in failure.reason
