"""Impossible answers of any service: what arrived is kept, and the error is clear."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import exportstats as xs
from exportstats.aws.client import millis_of
from exportstats.emulator import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

OWN = "111122223333"
NAMESPACE = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
HTML = b"<html><body><p>Please sign in</p></body></html>"
CUT_HTML = b"<!DOCTYPE html><html><body><br>Please sign in</body></html>"


def say(body: bytes, *headers: str, status: int = 200) -> bytes:
    """Write an answer."""
    return wire.http(status, wire.JSON if body[:1] == b"{" else wire.XML, body, *headers)


def page(*ids: str, token: str | None = None) -> bytes:
    """Write a page of tasks."""
    more = {} if token is None else {"nextToken": token}
    return say(json.dumps({"exportTasks": [{"taskId": each} for each in ids], **more}).encode())


def identity(account: str = OWN) -> bytes:
    """Write the account of the credentials."""
    return say(
        f"<GetCallerIdentityResponse {NAMESPACE}><GetCallerIdentityResult>"
        f"<Arn>arn:aws:iam::{OWN}:user/a</Arn><Account>{account}</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>".encode()
    )


# The lists of CloudWatch Logs


@pytest.mark.parametrize(
    "answer",
    [
        *(say(b"{}", status=status) for status in (201, 202, 203, 206, 300)),
        *(page("b").replace(b" 200 ", b" %d " % status) for status in (202, 206, 300)),
        say(b"", status=304),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        say(b"{}"),
        say(b" { } ".strip().replace(b" ", b"")),
        say(b'{"exportTasks":{"taskId":"b"}}'),
        say(b'{"exportTasks":"b"}'),
        say(b'{"exportTasks":[],"nextToken":5}'),
        say(b'{"exportTasks":[],"nextToken":"\\u001b[31m"}'),
        say(HTML),
    ],
    ids=lambda answer: repr(answer[9:13] + answer[-24:]),
)
@pytest.mark.usefixtures("no_waiting")
def test_what_is_no_page_is_never_the_end_of_a_list(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    answer: bytes,
) -> None:
    """Earlier tasks are kept, with the token of the failed page and a clear text."""
    tasks = [page("a", token="to b"), answer]
    with (
        strange(DescribeExportTasks=tasks, GetCallerIdentity=identity()) as server,
        pytest.raises(xs.LoadError, match="page 2 of") as caught,
    ):
        xs.fetch_tasks(session=session, endpoint_url=server.url)
    error = caught.value
    assert error.tasks["task_id"].to_list() == ["a"]
    assert error.next_token == "to b"
    assert error.failures["next_token"].to_list() == ["to b"]
    assert "error is not expected" not in str(error)
    assert str(error).isprintable()
    assert "Unknown" not in str(error)


def test_a_page_that_cannot_be_read_costs_no_other(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the second of three pages cannot be parsed, the others are kept, and it is reported."""
    from exportstats.aws import tasks as door  # noqa: PLC0415 - for this double alone

    read = door.TASKS.read

    def stumble(pages: Any, first: int = 1) -> Any:  # noqa: ANN401 - as there
        if any(b"odd" in each.body for each in pages):
            raise ValueError("Exceeds the limit (4300 digits) for integer string conversion")
        return read(pages, first)

    monkeypatch.setattr(door, "TASKS", replace(door.TASKS, read=stumble))
    pages = [page("a", token="1"), page("odd", token="2"), page("c")]
    with (
        strange(DescribeExportTasks=pages, GetCallerIdentity=identity()) as server,
        pytest.raises(xs.LoadError, match=r"page 2 .*4300 digits") as caught,
    ):
        xs.fetch_tasks(session=session, endpoint_url=server.url)
    assert caught.value.tasks["task_id"].to_list() == ["a", "c"]
    assert "endpoint_url" not in str(caught.value)


@pytest.mark.parametrize("digits", [400, 5_000])
def test_a_number_of_any_length_costs_one_task_at_most(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    digits: int,
) -> None:
    """A huge number affects one task at most, which is reported."""
    odd = say(
        b'{"exportTasks":[{"taskId":"b"},{"taskId":"c","from":%s},{"taskId":"d"}]}'
        % (b"9" * digits)
    )
    pages = [page("a", token="1"), odd]
    with (
        strange(DescribeExportTasks=pages, GetCallerIdentity=identity()) as server,
        pytest.warns(xs.BadRowsWarning, match="task 3"),
    ):
        found = xs.fetch_tasks(session=session, endpoint_url=server.url)
    assert {"a", "b", "d"} <= set(found["task_id"])


@pytest.mark.filterwarnings("ignore::exportstats.errors.BadRowsWarning")
def test_what_is_no_task_costs_no_task(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """Texts, numbers, lists and nulls in the list are left out."""
    odd = say(b'{"exportTasks":[{"taskId":"a"},"x",5,[],null,{"taskId":5},{"taskId":"b"}]}')
    with strange(DescribeExportTasks=odd, GetCallerIdentity=identity()) as server:
        found = xs.fetch_tasks(session=session, endpoint_url=server.url)
    assert {"a", "b"} <= set(found["task_id"])


DATES = [
    "",
    "nonsense",
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Fri, 31 Dec 99999 23:59:59 GMT",
    "Fri, 31 Dec " + "9" * 5_000 + " 23:59:59 GMT",
    "Wed, 21 Oct 2015 07:28:00 +99999999999999999999",
    "Wed, 21 Oct 2015 99:99:99 GMT",
    "Thu, 01 Jan 1969 00:00:00 GMT",
    "\x00",
]


@pytest.mark.parametrize("date", DATES, ids=lambda date: repr(date[:32]))
def test_a_date_of_nonsense_is_not_believed(date: str) -> None:
    """With an invalid Date, the local time is used, without an overflow."""
    now = pd.Timestamp.now("UTC")
    found = pd.Timestamp(millis_of(date), unit="ms", tz="UTC")
    assert abs(found - now) < pd.Timedelta(hours=1) or found.year == 2001
    assert millis_of("Wed, 21 Oct 2015 07:28:00 GMT") == 1_445_412_480_000


def test_a_task_seen_at_a_date_of_nonsense_is_there(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """A page with a Date in the year 9999 has its tasks."""
    for date in ("Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 99999 23:59:59 GMT"):
        body = b'{"exportTasks":[{"taskId":"a"}]}'
        headers = f"Date: {date}\r\nContent-Length: {len(body)}"
        answer = f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode() + body
        with strange(DescribeExportTasks=answer, GetCallerIdentity=identity()) as server:
            found = xs.fetch_tasks(session=session, endpoint_url=server.url)
        assert found["task_id"].to_list() == ["a"]
        assert found["observed_at"].dt.year.between(2020, 2100).all()


# S3


def listing(*keys: str, truncated: str = "false", token: str = "") -> bytes:
    """Write a page of objects."""
    contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    return say(
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
        f"<KeyCount>{len(keys)}</KeyCount><IsTruncated>{truncated}</IsTruncated>{contents}"
        f"{token and f'<NextContinuationToken>{token}</NextContinuationToken>'}"
        "</ListBucketResult>".encode()
    )


KEY = "exportedlogs/a/s/000000.gz"


def tasks_of(*ids: str) -> pd.DataFrame:
    """Make tasks that COMPLETED."""
    rows = {
        "account_id": OWN,
        "region": "us-east-1",
        "task_id": ids,
        "destination": "bucket",
        "status_code": "COMPLETED",
    }
    return xs.conform(pd.DataFrame(rows))


def look(session: Any, *answers: Any, strange: Make) -> Any:  # noqa: ANN401
    """Check the delivery of one task."""
    with strange(ListObjectsV2=list(answers)) as server:
        (found,) = xs.fetch_deliveries(
            tasks_of("a"), session=session, endpoint_url=server.url
        ).itertuples()
    return found


@pytest.mark.parametrize(
    "answers",
    [
        [say(HTML)],
        [say(CUT_HTML)],
        [say(b"")],
        [say(b"{}")],
        [say(b"<ListBucketResult/>")],
        [b"HTTP/1.1 204 No Content\r\n\r\n"],
        [say(HTML, status=404)],
        [say(b"", status=404)],
        [say(b"", status=304)],
        [say(HTML, status=300)],
        [listing()[:-30]],
        [listing()[:-30].replace(b"Content-Length", b"X-Length")],
        [listing(KEY, truncated="true")],
        [listing(KEY, truncated="true", token="t")],
        [listing(KEY, truncated="true", token="t"), listing(truncated="true", token="u"),
         listing(truncated="true", token="t")],
        [listing(KEY, truncated="true", token="t"), say(HTML)],
        [listing(), say(HTML)],
        [say(b"<Error><Code>SlowDown</Code><Message>m</Message></Error>", status=400)],
        [say(b"<a>" * 50_000 + b"</a>" * 50_000)],
    ],
    ids=lambda answers: repr(answers[-1][9:13] + answers[-1][-24:]),
)  # fmt: skip
@pytest.mark.usefixtures("no_waiting")
def test_what_is_no_listing_is_unknown_and_never_gone(
    session: Any,  # noqa: ANN401 - boto3's
    strange: Make,
    answers: list[bytes],
) -> None:
    """The delivery is unknown, without counts, and the reason is one line."""
    found = look(session, *answers, strange=strange)
    assert found.delivered == "unknown"
    assert pd.isna(found.objects)
    assert found.reason.isprintable()
    assert 5 < len(found.reason) < 700


def test_a_whole_listing_is_believed(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """Two pages with an empty one between them are read, one of them compressed."""
    pages = [
        listing(KEY, truncated="true", token="t"),
        listing(truncated="true", token="u"),
        listing(KEY + "2"),
    ]
    found = look(session, *pages, strange=strange)
    assert (found.delivered, found.objects) == ("yes", 2)
    body = gzip.compress(listing(KEY).partition(b"\r\n\r\n")[2])
    found = look(session, say(body, "Content-Encoding: gzip"), strange=strange)
    assert (found.delivered, found.objects) == ("yes", 1)
    found = look(session, listing(), strange=strange)
    assert found.delivered == "gone"
    missing = say(b"<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>", status=404)
    assert look(session, missing, strange=strange).delivered == "gone"


@pytest.mark.usefixtures("no_waiting")
def test_a_listing_that_was_spoiled_once_is_asked_for_again(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """A proxy's page and an error 502 are retried once."""
    spoiled = [say(HTML), say(CUT_HTML, status=502), listing(KEY)]
    assert look(session, *spoiled, strange=strange).delivered == "yes"


def test_a_region_that_is_none_costs_no_other(session: Any, strange: Make) -> None:  # noqa: ANN401 - boto3's
    """A task in an invalid region is unknown, and the other one is found."""
    tasks = tasks_of("a", "b")
    tasks["region"] = pd.Categorical(["us-east-1", "not a region!"])
    with strange(ListObjectsV2=listing(KEY)) as server:
        found = xs.fetch_deliveries(tasks, session=session, endpoint_url=server.url)
    assert found["delivered"].to_list() == ["yes", "unknown"]
    with pytest.raises(xs.ArgumentError, match="endpoint_url"):
        xs.fetch_deliveries(tasks, session=session, endpoint_url="nonsense")


# STS, EC2, Organizations


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
def test_a_role_that_is_given_no_credentials_costs_its_target_only(
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
