"""LookupEvents of the emulator, as boto3 sees it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.validate import ParamValidator
from emulated import ACCOUNT, EPOCH, OTHER, error_of, make_task, make_tasks, raw
from trails import cancel, record, refused

from exportstats.emulator import Emulator, Fault
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Connect = Callable[..., Any]

TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"


def by(key: str, value: str) -> list[dict[str, str]]:
    """Return the attribute of a request."""
    return [{"AttributeKey": key, "AttributeValue": value}]


def all_events(client: Any, **params: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401
    """Return the events of all pages, with botocore's paginator."""
    pages = client.get_paginator("lookup_events").paginate(**params)
    return [event for page in pages for event in page["Events"]]


def test_each_task_has_the_call_that_created_it(connect: Connect) -> None:
    """A task has a CreateExportTask of a role at its creation, as botocore's model has it."""
    tasks = [*make_tasks(60), make_task(0, accountId=OTHER)]
    with Emulator(tasks) as emulator:
        client = connect(emulator, service="cloudtrail")
        pages = list(client.get_paginator("lookup_events").paginate())
        model = client.meta.service_model.operation_model("LookupEvents")
        _, body = raw(emulator, **{"X-Amz-Target": TARGET})
        assert len(all_events(connect(emulator, OTHER, service="cloudtrail"))) == 1
        assert all_events(connect(emulator, region="eu-west-1", service="cloudtrail")) == []
        emulator.add(make_task(60))
        assert len(all_events(client)) == 61
    assert [len(page["Events"]) for page in pages] == [50, 10]
    assert ParamValidator().validate(json.loads(body), model.output_shape).generate_report() == ""
    newest = pages[0]["Events"][0]
    made = json.loads(newest["CloudTrailEvent"])
    created = EPOCH + 59 * 60_000
    assert newest["EventTime"] == dt.datetime.fromtimestamp(created // 1000, dt.UTC)
    assert made["responseElements"] == {"taskId": "task-59"}
    assert made["requestParameters"]["from"] == created - 86_400_000
    assert made["eventID"] == newest["EventId"]
    assert made["recipientAccountId"] == ACCOUNT
    assert made["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"].endswith("role/synthetic")


def test_given_records_are_listed_too(connect: Connect) -> None:
    """Refused and cancelling calls are listed as they were given, and no call twice."""
    given = [record(0), refused(1), cancel(2, "task-0"), record(3, awsRegion="eu-west-1")]
    with Emulator([make_task(0)], api_calls=given) as emulator:
        client = connect(emulator, service="cloudtrail")
        found = all_events(client)
        assert [event["EventId"] for event in found] == ["event-2", "event-1", "event-0"]
        assert [json.loads(event["CloudTrailEvent"]) for event in found] == given[2::-1]
        for key, value, count in (
            ("EventName", "CreateExportTask", 2),
            ("EventId", "event-1", 1),
            ("EventSource", "logs.amazonaws.com", 3),
            ("Username", "nightly", 3),
            ("ResourceName", "x", 0),
        ):
            assert len(all_events(client, LookupAttributes=by(key, value))) == count
        time = dt.datetime(2026, 11, 23, 0, 0, 1, tzinfo=dt.UTC)
        assert len(all_events(client, StartTime=time)) == 2
        assert len(all_events(client, EndTime=time)) == 2
        assert len(all_events(client, StartTime=time, EndTime=time)) == 1


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"LookupAttributes": by("EventName", "a") * 2}, "InvalidLookupAttributesException"),
        (
            {"StartTime": "2026-01-02T00:00:00Z", "EndTime": "2026-01-01T00:00:00Z"},
            "InvalidTimeRangeException",
        ),
        ({"NextToken": "x"}, "InvalidNextTokenException"),
    ],
)
def test_wrong_requests_are_refused(connect: Connect, params: dict[str, Any], code: str) -> None:
    """Errors have the codes of botocore's model."""
    with Emulator() as emulator:
        error = error_of(connect(emulator, service="cloudtrail").lookup_events, **params)
    assert error["Error"]["Code"] == code


def test_pages_have_the_mechanism_of_the_other_lists(connect: Connect) -> None:
    """Tokens expire and belong to one question; quota and faults are those of the operation."""
    now = 0.0
    faults = [Fault("deny", at=(2,), operation="LookupEvents")]
    emulator = Emulator(make_tasks(4), requests_per_second=5, faults=faults)
    emulator._clock = lambda: now
    with emulator:
        client = connect(emulator, service="cloudtrail")
        token = client.lookup_events(MaxResults=1)["NextToken"]
        denied = error_of(client.lookup_events)["Error"]
        assert "cloudtrail:LookupEvents" in denied["Message"]
        connect(emulator).describe_export_tasks()  # has a quota of its own
        throttled = error_of(client.lookup_events)["Error"]
        assert throttled["Code"] == "ThrottlingException"
        now = 1.0
        error = error_of(
            client.lookup_events, NextToken=token, LookupAttributes=by("EventName", "a")
        )
        assert error["Error"]["Code"] == "InvalidNextTokenException"
        assert len(client.lookup_events(NextToken=token)["Events"]) == 3
        now = 86_400.0
        error = error_of(client.lookup_events, NextToken=token)
    assert "expired" in error["Error"]["Message"]


def test_a_record_without_a_time_is_refused() -> None:
    """A record that cannot be listed is an error that names it."""
    with pytest.raises(ArgumentError, match="'event-0' has no eventTime"):
        Emulator(api_calls=[record(0, eventTime=None)])
    with pytest.raises(ArgumentError, match="the API call 'event-0' has the accountId 1"):
        Emulator(api_calls=[record(0, recipientAccountId=1)])
