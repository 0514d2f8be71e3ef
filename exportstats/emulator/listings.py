"""The lists that the services return in pages: export tasks, log groups, streams and events."""

from __future__ import annotations

import operator
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exportstats.emulator.events import call_of, event_of, has_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Item = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """A kind of list.

    Attributes
    ----------
    operation, member
        The operation that returns it, and the key of the items in the answer.
    noun, name
        What an item is called, and the field with its name.
    order, ascending
        The sort key of items, and the direction.
    filters
        For each filter parameter: the value of an item that it looks at, and whether that value
        matches the parameter's.
    create
        Make a valid item that sorts before the given first key, which is None in an empty list.
    service
        botocore's name of the service.
    token, limit
        The names of the token and of the size of a page in a request.
    bad_token
        The code of the error for a token that is not valid.
    share
        The part of the quota of DescribeExportTasks that it has.
    """

    operation: str
    member: str
    noun: str
    name: str
    order: Callable[[Item], Any]
    ascending: bool
    filters: Mapping[str, tuple[Callable[[Item], Any], Callable[[Any, Any], bool]]]
    create: Callable[[Any], dict[str, Any]]
    service: str = "logs"
    token: str = "nextToken"  # noqa: S105 - the name of one
    limit: str = "limit"
    bad_token: str = "InvalidParameterException"  # noqa: S105 - the name of an error
    share: float = 1.0


def _create_task(newest: int | None) -> dict[str, Any]:
    """Create a task that has ended, because a slot runs one at a time."""
    newest = int(time.time() * 1000) if newest is None else newest
    created = newest + 120_000
    return {
        "taskId": str(uuid.uuid4()),
        "taskName": "created-while-paging",
        "logGroupName": "/emulated/shift",
        "from": max(newest - 3_600_000, 0),
        "to": newest,
        "destination": "emulated",
        "destinationPrefix": "exportedlogs",
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {"creationTime": created, "completionTime": created + 60_000},
    }


def _create_log_group(_first: str | None) -> dict[str, Any]:
    """Create a log group; of all characters in names, # sorts first."""
    return {
        "logGroupName": f"#emulated/{uuid.uuid4()}",
        "creationTime": int(time.time() * 1000),
    }


TASKS = Listing(
    operation="DescribeExportTasks",
    member="exportTasks",
    noun="task",
    name="taskId",
    order=lambda task: task.get("executionInfo", {}).get("creationTime", 0),
    ascending=False,
    filters={
        "statusCode": (lambda task: task.get("status", {}).get("code"), operator.eq),
        "taskId": (lambda task: task.get("taskId"), operator.eq),
    },
    create=_create_task,
)


def _create_stream(_first: str | None) -> dict[str, Any]:
    """Create a log stream without events; of all characters in names, ! sorts first."""
    return {"logStreamName": f"!{uuid.uuid4()}", "creationTime": int(time.time() * 1000)}


def _name(group: Item) -> str:
    return str(group.get("logGroupName", ""))


LOG_GROUPS = Listing(
    operation="DescribeLogGroups",
    member="logGroups",
    noun="log group",
    name="logGroupName",
    order=_name,
    ascending=True,
    filters={
        "logGroupNamePrefix": (_name, str.startswith),
        "logGroupNamePattern": (_name, operator.contains),
        "logGroupClass": (lambda group: group.get("logGroupClass", "STANDARD"), operator.eq),
    },
    create=_create_log_group,
)
STREAMS = Listing(
    operation="DescribeLogStreams",
    member="logStreams",
    noun="log stream",
    name="logStreamName",
    order=lambda stream: stream["logStreamName"],
    ascending=True,
    # the last two do not select: `LogStreams` looks at them
    filters={
        "logStreamNamePrefix": (lambda stream: stream["logStreamName"], str.startswith),
        "orderBy": (lambda stream: stream.get("lastEventTimestamp", 0), lambda *_: True),
        "descending": (lambda _: None, lambda *_: True),
    },
    create=_create_stream,
    share=5.0,  # 25 requests per second, not 5
)
EVENTS = Listing(
    operation="LookupEvents",
    member="Events",
    noun="API call",
    name="EventId",
    order=lambda event: event["EventTime"],
    ascending=False,
    filters={
        "LookupAttributes": (dict, has_attributes),
        "StartTime": (lambda event: event["EventTime"], operator.ge),
        "EndTime": (lambda event: event["EventTime"], operator.le),
    },
    create=lambda newest: event_of(call_of(_create_task(newest and newest * 1000), "", "")),
    service="cloudtrail",
    token="NextToken",  # noqa: S106 - the name of one
    limit="MaxResults",
    bad_token="InvalidNextTokenException",  # noqa: S106 - the name of an error
    share=0.4,  # 2 of 5 requests per second
)
METRICS = Listing(
    operation="GetMetricData",
    member="MetricDataResults",
    noun="period",
    name="Id",
    order=lambda _: 0,  # in the order of the queries
    ascending=False,
    filters={},
    create=lambda _: {"logGroupName": "#emulated", "start": 0},
    service="cloudwatch",
    token="NextToken",  # noqa: S106 - the name of one
    limit="results",  # it has no limit of results, only one of data points
    bad_token="InvalidNextToken",  # noqa: S106 - the name of an error
)
LISTINGS = {listing.operation: listing for listing in (TASKS, LOG_GROUPS, STREAMS, EVENTS, METRICS)}
