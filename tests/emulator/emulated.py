"""Helpers of the tests of the emulator: synthetic tasks, clients, raw requests."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exportstats.emulator import Emulator

    Connect = Callable[..., Any]


ACCOUNT = "111122223333"
OTHER = "444455556666"
TASKS, LOG_GROUPS = "DescribeExportTasks", "DescribeLogGroups"
EPOCH = 1_700_000_000_000


def make_task(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make an ended task; higher numbers are newer."""
    created = EPOCH + number * 60_000
    task = {
        "accountId": ACCOUNT,
        "taskId": f"task-{number}",
        "taskName": f"nächtlich {number}",
        "logGroupName": "/app/web",
        "from": created - 86_400_000,
        "to": created - 1,
        "destination": "bucket",
        "destinationPrefix": "exportedlogs",
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {"creationTime": created, "completionTime": created + 30_000},
    }
    return task | fields


def make_tasks(count: int, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Make tasks 0 to `count - 1`, oldest first."""
    return [make_task(number, **fields) for number in range(count)]


def ids(page: Mapping[str, Any]) -> list[str]:
    """Return the IDs of the tasks of a page."""
    return [task["taskId"] for task in page["exportTasks"]]


def numbered(*numbers: int) -> list[str]:
    """Return the IDs of the tasks with these numbers."""
    return [f"task-{number}" for number in numbers]


def all_ids(client: Any, **params: Any) -> list[str]:  # noqa: ANN401
    """Return the IDs of all pages, with botocore's paginator."""
    pages = client.get_paginator("describe_export_tasks").paginate(**params)
    return [task_id for page in pages for task_id in ids(page)]


def error_of(call: Callable[..., Any], **params: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the error that a call raises."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response


def raw(
    emulator: Emulator,
    body: bytes = b"{}",
    connection: http.client.HTTPConnection | None = None,
    **headers: str,
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send a request without botocore, which drops nulls and unknown fields."""
    own = connection or http.client.HTTPConnection(emulator.url.removeprefix("http://"), timeout=5)
    scope = f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/us-east-1/logs/aws4_request, more"
    sent = {"Authorization": scope, "X-Amz-Target": "Logs_20140328.DescribeExportTasks"} | headers
    try:
        own.request("POST", "/", body, sent)
        answer = own.getresponse()
        return answer, answer.read()
    finally:
        if connection is None:
            own.close()
