"""The fields of an answer, odd values, and the time of observation."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import exportstats as xs
from exportstats.aws.tasks import fetch_tasks
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    Make = Callable[..., Any]

ACCOUNT, REGION = "111122223333", "us-east-1"

# The tasks of the sample response in the API reference
API_SAMPLE = [
    {
        "taskId": "exampleTaskId",
        "taskName": name,
        "logGroupName": "my-log-group",
        "from": 1437584472382,
        "to": 1437584472833,
        "destination": "my-destination",
        "destinationPrefix": "my-prefix",
        "status": {"code": "COMPLETE", "message": "Example message"},
        "executionInfo": {"creationTime": 1437584472856, "completionTime": 1437584472986},
    }
    for name in ("my-task-1", "my-task-2")
]


def say(tasks: list[dict[str, Any]], next_token: str | None = None, *headers: str) -> bytes:
    """Write an answer with these tasks, without a Date."""
    body = json.dumps({"exportTasks": tasks, "nextToken": next_token})
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return ("\r\n".join(head) + body).encode()


def stamp(text: str) -> pd.Timestamp:
    """Parse a time."""
    return pd.Timestamp(text, tz="UTC")


# Fields


def test_every_field_of_the_response_arrives(session: boto3.Session) -> None:
    """Each of the eleven fields of the API has its column, with times to the millisecond."""
    with Emulator([API_SAMPLE[0] | {"accountId": ACCOUNT}]) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert found.drop(columns="observed_at").iloc[0].to_dict() == {
        "account_id": ACCOUNT,
        "region": REGION,
        "task_id": "exampleTaskId",
        "task_name": "my-task-1",
        "log_group_name": "my-log-group",
        "from_time": stamp("2015-07-22T17:01:12.382"),
        "to_time": stamp("2015-07-22T17:01:12.833"),
        "destination": "my-destination",
        "destination_prefix": "my-prefix",
        "status_code": "COMPLETED",
        "status_message": "Example message",
        "creation_time": stamp("2015-07-22T17:01:12.856"),
        "completion_time": stamp("2015-07-22T17:01:12.986"),
        "duration": pd.Timedelta(milliseconds=130),
        "window": pd.Timedelta(milliseconds=452),
    }


def test_the_references_own_sample_is_read(session: boto3.Session, scripted: Make) -> None:
    """Both tasks with one ID are kept and reported, and COMPLETE is read as COMPLETED."""
    with (
        scripted(say(API_SAMPLE)) as emulator,
        pytest.warns(xs.BadRowsWarning, match="another task has the same task_id") as caught,
    ):
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert len(caught) == 1
    assert found["task_name"].to_list() == ["my-task-1", "my-task-2"]
    assert found["status_code"].to_list() == ["COMPLETED", "COMPLETED"]


def test_fields_that_are_missing_are_missing_values(session: boto3.Session, scripted: Make) -> None:
    """Tasks with only an ID, with nulls or with unknown keys are one row each, without an error."""
    bare = {"taskId": "a"}
    nulls = {"taskId": "b", "taskName": None, "status": None, "executionInfo": None, "from": None}
    more = {"taskId": "c", "new": {"x": [1]}, "status": {"code": "ARCHIVED", "since": 1}}
    with scripted(say([bare, nulls, more])) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert found["task_id"].to_list() == ["a", "b", "c"]
    assert found["status_code"].isna().to_list() == [True, True, False]
    assert found["status_code"].iloc[2] == "ARCHIVED"
    rest = found.drop(columns=["account_id", "region", "task_id", "status_code", "observed_at"])
    assert rest.isna().all(axis=None)


def test_what_cannot_be_a_task_is_reported_with_its_place(
    session: boto3.Session, scripted: Make
) -> None:
    """An invalid entry is reported with its number and does not affect the others."""
    pages = [say([{"taskId": "a"}], "t"), say([{"taskId": "b"}, {"from": 1}, {"taskId": "c"}])]
    with (
        scripted(*pages) as emulator,
        pytest.warns(xs.BadRowsWarning, match=r"no task_id among its keys .* \(task 3\)"),
    ):
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert found["task_id"].to_list() == ["a", "b", "c"]


# The time of observation


def test_observed_at_is_the_services_own_clock(session: boto3.Session, scripted: Make) -> None:
    """Each row has the Date of its answer, whatever the local time is."""
    dates = ("Wed, 22 Jul 2015 17:01:12 GMT", "Wed, 22 Jul 2015 17:01:14 GMT")
    pages = [
        say([{"taskId": "a"}, {"taskId": "b"}], "t", f"Date: {dates[0]}"),
        say([{"taskId": "c"}], None, f"Date: {dates[1]}"),
    ]
    with scripted(*pages) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    first, second = stamp("2015-07-22T17:01:12"), stamp("2015-07-22T17:01:14")
    assert found["observed_at"].to_list() == [first, first, second]


@pytest.mark.parametrize(
    "header", [(), ("Date: soon",), ("Date: Wed, 99 Jul 2015 17:01:12 GMT",), ("Date: ",)]
)
def test_without_a_date_our_clock_has_to_do(
    session: boto3.Session, scripted: Make, header: tuple[str, ...]
) -> None:
    """Without a valid Date, the local time of arrival is used."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
    with scripted(say([{"taskId": "a"}], None, *header)) as emulator:
        found = fetch_tasks(session=session, endpoint_url=emulator.url)
    assert before <= found["observed_at"].iloc[0] <= dt.datetime.now(dt.UTC)
