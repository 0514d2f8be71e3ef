"""Make any number of tasks in the shape of DescribeExportTasks."""

from __future__ import annotations

import hashlib
import json
from typing import IO, Any

import pandas as pd

DAY = 86_400_000
START = 1_764_000_000_000


def task(number: int) -> dict[str, Any]:
    """Make one task; a higher number is created later."""
    group = number % 997
    created = START + number * 30_000
    return {
        "taskId": hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest(),
        "taskName": f"nightly-{number // 12}",
        "logGroupName": f"/aws/lambda/acme-service-{group}",
        "from": created - 2 * DAY,
        "to": created - DAY - 1,
        "destination": f"acme-logs-archive-{group % 7}",
        "destinationPrefix": f"nightly/service-{group}",
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {
            "creationTime": created,
            "completionTime": created + 20_000 + number % 9_973,
        },
    }


def tasks(count: int) -> list[dict[str, Any]]:
    """Make tasks, the newest first, as the service lists them."""
    return [task(number) for number in range(count - 1, -1, -1)]


def pages(count: int, page: int = 50) -> list[dict[str, Any]]:
    """Make pages of tasks, as boto3 decodes them."""
    made = tasks(count)
    return [{"exportTasks": made[start : start + page]} for start in range(0, count, page)]


def write_page(file: IO[str], count: int) -> None:
    """Write tasks as one indented object, as the AWS CLI prints it, task by task."""
    file.write('{\n    "exportTasks": [')
    for number in range(count):
        made = json.dumps(task(number), indent=4).replace("\n", "\n        ")
        file.write(("," if number else "") + "\n        " + made)
    file.write("\n    ]\n}\n")


def with_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert the columns of times, named as json_normalize names them."""
    for name in ("from", "to", "executionInfo.creationTime", "executionInfo.completionTime"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame
