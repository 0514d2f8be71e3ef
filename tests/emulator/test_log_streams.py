"""The list of log streams of the emulator, with boto3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.validate import ParamValidator
from emulated import ACCOUNT, EPOCH, OTHER, error_of, raw

from exportstats.emulator import Emulator, Fault
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    Connect = Callable[..., Any]

STREAMS = "DescribeLogStreams"


def make_stream(name: str, group: str = "/app", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a log stream with one event."""
    times = {"firstEventTimestamp": EPOCH, "lastEventTimestamp": EPOCH}
    place = {"accountId": ACCOUNT, "logGroupName": group}
    return place | {"logStreamName": name, "creationTime": EPOCH} | times | fields


def names(client: Any, **params: Any) -> list[str]:  # noqa: ANN401
    """Return the names of all pages, with botocore's paginator."""
    pages = client.get_paginator("describe_log_streams").paginate(**params)
    return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]


def test_log_streams_are_listed_by_name(connect: Connect) -> None:
    """Those of the named log group arrive in ASCII order, 50 per page, with AWS's fields only."""
    made = [make_stream(f"{letter}/{n:02}") for letter in "bAa" for n in range(20)]
    other = make_stream("x", group="/web", region="eu-west-1")
    with Emulator(log_streams=[*made, make_stream("x", group="/web"), other]) as emulator:
        client = connect(emulator)
        found = names(client, logGroupName="/app")
        body = raw(
            emulator, b'{"logGroupName":"/app"}', **{"X-Amz-Target": f"Logs_20140328.{STREAMS}"}
        )[1]
        assert names(connect(emulator, region="eu-west-1"), logGroupName="/web") == ["x"]
        sizes = [len(client.describe_log_streams(logGroupName="/app")["logStreams"])]
        model = client.meta.service_model.operation_model(STREAMS)
    assert found == sorted(stream["logStreamName"] for stream in made)
    assert sizes == [50]
    page = json.loads(body)
    assert ParamValidator().validate(page, model.output_shape).generate_report() == ""
    assert page["logStreams"][0] == {
        "logStreamName": "A/00",
        "creationTime": EPOCH,
        "firstEventTimestamp": EPOCH,
        "lastEventTimestamp": EPOCH,
    }


def test_log_streams_are_filtered_and_ordered(connect: Connect) -> None:
    """By prefix, by the time of the last event, and descending, over pages."""
    made = [make_stream(name, lastEventTimestamp=EPOCH + at) for at, name in enumerate("cab")]
    with Emulator(log_streams=[*made, make_stream("ab/1"), make_stream("ab/2")]) as emulator:
        client = connect(emulator)
        page = {"logGroupName": "/app", "PaginationConfig": {"PageSize": 1}}
        assert names(client, **page, logStreamNamePrefix="ab") == ["ab/1", "ab/2"]
        by_time = names(client, **page, orderBy="LastEventTime", descending=True)
        assert by_time[:2] == ["b", "a"]
        assert names(client, **page, descending=True) == ["c", "b", "ab/2", "ab/1", "a"]
        token = client.describe_log_streams(logGroupName="/app", limit=1)["nextToken"]
        error = error_of(
            client.describe_log_streams, logGroupName="/app", descending=True, nextToken=token
        )
    assert "nextToken is invalid" in error["Error"]["Message"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "InvalidParameterException"),
        ({"logGroupIdentifier": "/app"}, "InvalidParameterException"),
        (
            {"logGroupName": "/app", "orderBy": "LastEventTime", "logStreamNamePrefix": "a"},
            "InvalidParameterException",
        ),
        ({"logGroupName": "/app", "limit": 51}, "InvalidParameterException"),
        ({"logGroupName": "/none"}, "ResourceNotFoundException"),
    ],
)
def test_requests_that_are_refused(connect: Connect, params: dict[str, Any], code: str) -> None:
    """A log group is needed, and the answer says if there is none of its name."""
    with Emulator(log_streams=[make_stream("a")]) as emulator:
        error = error_of(connect(emulator).describe_log_streams, **params)
    assert error["Error"]["Code"] == code


def test_the_quota_is_25_requests_per_second(connect: Connect) -> None:
    """It is five times that of the other lists, and denied like them."""
    faults = [Fault("deny", operation=STREAMS, account=OTHER)]
    emulator = Emulator(log_streams=[make_stream("a")], requests_per_second=5, faults=faults)
    emulator._clock = lambda: 0.0
    with emulator:
        client = connect(emulator)
        for _ in range(25):
            client.describe_log_streams(logGroupName="/app")
        error = error_of(client.describe_log_streams, logGroupName="/app")
        denied = error_of(connect(emulator, OTHER).describe_log_streams, logGroupName="/app")
    assert error["Error"]["Code"] == "ThrottlingException"
    assert "logs:DescribeLogStreams" in denied["Error"]["Message"]


def test_a_log_stream_that_does_not_match_the_model_is_refused() -> None:
    """The error names the stream and the field."""
    with pytest.raises(ArgumentError, match=r"the log stream 'a'.*lastEventTimestamp"):
        Emulator(log_streams=[make_stream("a", lastEventTimestamp="x")])
    with pytest.raises(ArgumentError, match="needs a logGroupName"):
        Emulator(log_streams=[{"logStreamName": "a"}])
