"""The faults of the emulator, and its quota."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from emulated import ACCOUNT, OTHER, all_ids, error_of, ids, make_tasks, numbered, raw

from exportstats.emulator import DEFAULT_ACCOUNT, KINDS, Emulator, Fault
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    Connect = Callable[..., Any]


def test_requests_beyond_the_quota_are_throttled(connect: Connect) -> None:
    """A slot allows a burst and then its rate, independently of other slots."""
    now = 0.0
    emulator = Emulator(requests_per_second=5)
    emulator._clock = lambda: now
    with emulator:
        client = connect(emulator)
        for _ in range(5):
            client.describe_export_tasks()
        error = error_of(client.describe_export_tasks)
        assert error["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
        connect(emulator, OTHER).describe_export_tasks()
        connect(emulator, region="eu-west-1").describe_export_tasks()
        connect(emulator, service="sts").get_caller_identity()
        now = 0.5
        for _ in range(2):
            client.describe_export_tasks()
        error_of(client.describe_export_tasks)
        now = 100.0
        for _ in range(5):
            client.describe_export_tasks()
        error_of(client.describe_export_tasks)


@pytest.mark.parametrize(
    ("kind", "code", "status", "message"),
    [
        ("throttle", "ThrottlingException", 400, "Rate exceeded"),
        ("unavailable", "ServiceUnavailableException", 500, "cannot complete the request"),
        ("expired", "ExpiredTokenException", 400, "security token .* is expired"),
        ("unrecognized", "UnrecognizedClientException", 400, "security token .* is invalid"),
        (
            "deny",
            "AccessDeniedException",
            400,
            rf"arn:aws:iam::{ACCOUNT}:user/.* is not authorized .*:logs:us-east-1:{ACCOUNT}:",
        ),
    ],
)
def test_a_fault_can_be_an_error(
    connect: Connect, kind: str, code: str, status: int, message: str
) -> None:
    """These kinds are the service's own errors, with its codes, statuses and messages."""
    with Emulator(faults=[Fault(kind)]) as emulator:
        with pytest.raises(ClientError, match=message) as caught:
            connect(emulator).describe_export_tasks()
        assert emulator.requests[0].outcome == code
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_cut_ends_within_the_body() -> None:
    """The connection ends in the middle of a body whose full length was announced."""
    with Emulator(make_tasks(3), faults=[Fault("cut")]) as emulator:
        with pytest.raises(http.client.IncompleteRead) as caught:
            raw(emulator)
        assert emulator.requests[0].outcome == "cut"
    assert caught.value.partial.startswith(b'{"exportTasks":[')
    assert 0 < caught.value.expected <= len(caught.value.partial) + 1


def test_boto3_refuses_a_cut_page(connect: Connect) -> None:
    """boto3 raises an error or sees a page without tasks, depending on its version."""
    with Emulator(make_tasks(3), faults=[Fault("cut", at=(1,))]) as emulator:
        client = connect(emulator)
        with suppress(BotoCoreError):
            assert "exportTasks" not in client.describe_export_tasks()
        assert all_ids(client) == numbered(2, 1, 0)


def test_drop_answers_nothing(connect: Connect) -> None:
    """The connection ends before the first byte, and the next one works."""
    with Emulator(make_tasks(1), faults=[Fault("drop", at=(1, 2))]) as emulator:
        with pytest.raises(http.client.RemoteDisconnected):
            raw(emulator)
        client = connect(emulator)
        with pytest.raises(BotoCoreError):
            client.describe_export_tasks()
        assert all_ids(client) == numbered(0)


@pytest.mark.parametrize("kind", ["short", "invalid_json", "html"])
def test_a_spoiled_body_looks_like_a_whole_answer(connect: Connect, kind: str) -> None:
    """Status and length are valid, but the JSON is not: boto3 sees a page without tasks."""
    with Emulator(make_tasks(3), faults=[Fault(kind)]) as emulator:
        answer, body = raw(emulator)
        assert "exportTasks" not in connect(emulator).describe_export_tasks()
    assert answer.status == 200
    assert len(body) == int(answer.getheader("Content-Length", ""))
    with pytest.raises(ValueError, match="char"):
        json.loads(body)
    assert (answer.getheader("Content-Type") == "text/html") == (kind == "html")


def test_gzip_is_whole_and_labelled() -> None:
    """The decompressed body is the right page."""
    with Emulator(make_tasks(3), faults=[Fault("gzip")]) as emulator:
        answer, body = raw(emulator)
    assert answer.getheader("Content-Encoding") == "gzip"
    assert ids(json.loads(gzip.decompress(body))) == numbered(2, 1, 0)


def test_repeated_token_gives_back_what_was_sent(connect: Connect) -> None:
    """The second page has the token that was sent; the first has none to repeat."""
    with Emulator(make_tasks(3), faults=[Fault("repeated_token")]) as emulator:
        client = connect(emulator)
        token = client.describe_export_tasks(limit=1)["nextToken"]
        again = client.describe_export_tasks(limit=1, nextToken=token)
        assert [request.outcome for request in emulator.requests] == ["ok", "repeated_token"]
    assert ids(again) == numbered(1)
    assert again["nextToken"] == token


def test_empty_page_continues_where_it_was(connect: Connect) -> None:
    """An empty page causes no lost and no repeated task."""
    with Emulator(make_tasks(5), faults=[Fault("empty_page", at=(1, 3))]) as emulator:
        client = connect(emulator)
        paginator = client.get_paginator("describe_export_tasks")
        pages = [ids(page) for page in paginator.paginate(PaginationConfig={"PageSize": 2})]
    assert pages == [[], numbered(4, 3), [], numbered(2, 1), numbered(0)]


def test_shift_creates_a_task_before_the_answer(connect: Connect) -> None:
    """The second page repeats the last task of the first, and the new task comes first."""
    with Emulator(make_tasks(4), faults=[Fault("shift", at=(2,))]) as emulator:
        client = connect(emulator)
        paginator = client.get_paginator("describe_export_tasks")
        pages = [ids(page) for page in paginator.paginate(PaginationConfig={"PageSize": 2})]
        assert pages == [numbered(3, 2), numbered(2, 1), numbered(0)]
        newest, *others = all_ids(client)
    assert others == numbered(3, 2, 1, 0)
    assert newest not in others


def test_shift_begins_an_empty_list(connect: Connect) -> None:
    """An empty list gets a task."""
    with Emulator(faults=[Fault("shift")]) as emulator:
        assert len(all_ids(connect(emulator))) == 1


def test_slow_and_latency_delay_the_answer(connect: Connect) -> None:
    """A slow answer is delayed in addition to the latency, and is complete."""
    faults = [Fault("slow", at=(2,), seconds=0.2)]
    with Emulator(make_tasks(1), latency_seconds=0.1, faults=faults) as emulator:
        client = connect(emulator)
        taken = []
        for _ in range(2):
            start = time.perf_counter()
            assert all_ids(client) == numbered(0)
            taken.append(time.perf_counter() - start)
    assert taken[0] >= 0.1
    assert taken[1] >= 0.3


def test_expired_token_refuses_the_token(connect: Connect) -> None:
    """A request with a token is refused as expired; one without is answered."""
    with Emulator(make_tasks(2), faults=[Fault("expired_token")]) as emulator:
        client = connect(emulator)
        token = client.describe_export_tasks(limit=1)["nextToken"]
        error = error_of(client.describe_export_tasks, nextToken=token)["Error"]
    assert error["Code"] == "InvalidParameterException"
    assert "expired" in error["Message"]


@pytest.mark.parametrize(
    ("fault", "refused"),
    [
        (Fault("throttle"), [1, 2, 3, 4, 5, 6]),
        (Fault("throttle", every=3), [3, 6]),
        (Fault("throttle", at=(1, 4)), [1, 4]),
        (Fault("throttle", every=3, at=(1,)), [1, 3, 6]),
        (Fault("throttle", account=OTHER), []),
        (Fault("throttle", every=2, region="us-east-1"), [2, 4, 6]),
        (Fault("throttle", region="eu-west-1"), []),
        (Fault("throttle", access_key="AKIDOLD"), []),
    ],
)
def test_a_fault_happens_when_it_says(connect: Connect, fault: Fault, refused: list[int]) -> None:
    """A fault affects the requests that its fields select, counted for each slot."""
    with Emulator(faults=[fault]) as emulator:
        for client in [connect(emulator), connect(emulator, DEFAULT_ACCOUNT)] * 6:
            with suppress(ClientError):
                client.describe_export_tasks()
        outcomes = [seen.outcome for seen in emulator.requests if seen.account == ACCOUNT]
    assert [i for i, outcome in enumerate(outcomes, 1) if outcome != "ok"] == refused


def test_credentials_expire_until_refreshed(connect: Connect) -> None:
    """With `access_key`, the old credentials are refused and new ones are accepted."""
    faults = [Fault("expired", access_key="AKIDOLD")]
    tasks = make_tasks(1, accountId=DEFAULT_ACCOUNT)
    with Emulator(tasks, faults=faults) as emulator:
        error = error_of(connect(emulator, "AKIDOLD").describe_export_tasks)
        assert all_ids(connect(emulator, "AKIDNEW")) == numbered(0)
    assert error["Error"]["Code"] == "ExpiredTokenException"


def test_the_first_fault_listed_happens() -> None:
    """Of two faults for one request, the first applies."""
    with Emulator(faults=[Fault("html", every=2), Fault("throttle")]) as emulator:
        raw(emulator)
        raw(emulator)
        assert [request.outcome for request in emulator.requests] == ["ThrottlingException", "html"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop", Fault("drop")),
        ("throttle:10", Fault("throttle", every=10)),
        (
            "deny@123456789012/eu-west-1",
            Fault("deny", account="123456789012", region="eu-west-1"),
        ),
        ("deny@/eu-west-1", Fault("deny", region="eu-west-1")),
        ("slow:10=2.5", Fault("slow", every=10, seconds=2.5)),
        (
            "slow:10=2.5@123456789012",
            Fault("slow", every=10, seconds=2.5, account="123456789012"),
        ),
    ],
)
def test_a_fault_can_be_typed(text: str, fault: Fault) -> None:
    """The text of the command line has kind, every, seconds, account and region."""
    assert Fault.parse(text) == fault


def test_a_fault_in_an_unknown_operation_is_refused() -> None:
    """The error has the given operation and the valid ones."""
    with pytest.raises(ArgumentError, match=r"'CreateExportTask'.*one of .*DescribeLogGroups"):
        Fault("drop", operation="CreateExportTask")


@pytest.mark.parametrize(
    ("text", "named"),
    [("explode:10", "'explode'"), ("", "''"), ("throttle:x", "'throttle:x'")],
)
def test_a_fault_that_cannot_be_read_lists_the_kinds(text: str, named: str) -> None:
    """The error has the given text and every kind."""
    with pytest.raises(ArgumentError) as caught:
        Fault.parse(text)
    assert named in str(caught.value)
    assert all(kind in str(caught.value) for kind in KINDS)


def test_a_fault_every_zero_requests_is_refused() -> None:
    """`every` must be 1 or more."""
    with pytest.raises(ArgumentError, match="every 0 requests"):
        Fault("drop", every=0)
