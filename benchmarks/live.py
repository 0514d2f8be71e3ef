"""From DescribeExportTasks to a typed DataFrame, over HTTP on loopback.

The baseline is what a user of boto3 and pandas writes. At the other end is no SDK at
all: urllib3, botocore's SigV4 and a C JSON parser, without retries, checks or the account ID.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
import pandas as pd
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

import exportstats as xs
from benchmarks import made_up, server

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 100_000
BASELINE = "paginator and json_normalize"


def _session() -> boto3.Session:
    return boto3.Session("123456789012", "made-up", region_name="us-east-1")


@contextlib.contextmanager
def prepare(size: int) -> Iterator[str]:
    """Serve the tasks; a first request imports everything before measuring."""
    with server.serving(1) as url:
        for contestant in CONTESTANTS.values():
            contestant(url)
    with server.serving(size) as url:
        yield url


def with_paginator(url: str) -> pd.DataFrame:
    """Use boto3's paginator and json_normalize."""
    client = _session().client("logs", endpoint_url=url)
    pages = client.get_paginator("describe_export_tasks").paginate()
    frame = pd.json_normalize([task for page in pages for task in page["exportTasks"]])
    return made_up.with_times(frame)


class _Info(msgspec.Struct, frozen=True):
    creationTime: int | None = None  # noqa: N815
    completionTime: int | None = None  # noqa: N815


class _Status(msgspec.Struct, frozen=True):
    code: str | None = None
    message: str | None = None


class _Task(msgspec.Struct, rename={"from_": "from"}):
    taskId: str  # noqa: N815
    taskName: str | None = None  # noqa: N815
    logGroupName: str | None = None  # noqa: N815
    from_: int | None = None
    to: int | None = None
    destination: str | None = None
    destinationPrefix: str | None = None  # noqa: N815
    status: _Status = _Status()
    executionInfo: _Info = _Info()  # noqa: N815


class _Page(msgspec.Struct):
    exportTasks: list[_Task] = []  # noqa: N815
    nextToken: str | None = None  # noqa: N815


def without_sdk(url: str) -> pd.DataFrame:
    """Sign with SigV4, send with urllib3, decode with msgspec, and make columns."""
    credentials = _session().get_credentials()
    signer = SigV4Auth(credentials, "logs", "us-east-1")
    pool = urllib3.PoolManager()
    decode = msgspec.json.Decoder(_Page).decode
    found: list[_Task] = []
    asked: dict[str, Any] = {"limit": 50}
    while True:
        request = AWSRequest(
            "POST",
            f"{url}/",
            data=json.dumps(asked).encode(),
            headers={
                "X-Amz-Target": "Logs_20140328.DescribeExportTasks",
                "Content-Type": "application/x-amz-json-1.1",
            },
        )
        signer.add_auth(request)
        sent = request.prepare()
        answer = pool.request(
            "POST", sent.url, body=sent.body, headers=dict(sent.headers.items()), retries=False
        )
        page = decode(answer.data)
        found += page.exportTasks
        if page.nextToken is None:
            break
        asked["nextToken"] = page.nextToken
    frame = pd.DataFrame(
        {
            "task_id": [task.taskId for task in found],
            "task_name": [task.taskName for task in found],
            "log_group_name": [task.logGroupName for task in found],
            "from": [task.from_ for task in found],
            "to": [task.to for task in found],
            "destination": [task.destination for task in found],
            "destination_prefix": [task.destinationPrefix for task in found],
            "status_code": [task.status.code for task in found],
            "status_message": [task.status.message for task in found],
            "executionInfo.creationTime": [task.executionInfo.creationTime for task in found],
            "executionInfo.completionTime": [task.executionInfo.completionTime for task in found],
        }
    )
    return made_up.with_times(frame)


def with_exportstats(url: str) -> pd.DataFrame:
    """Fetch a table of tasks."""
    return xs.fetch_tasks(session=_session(), endpoint_url=url, progress=False)


CONTESTANTS = {
    "paginator and json_normalize": with_paginator,
    "without an SDK": without_sdk,
    "exportstats": with_exportstats,
}
