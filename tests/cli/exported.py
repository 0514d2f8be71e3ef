"""Tasks of nights as the AWS CLI prints them."""

from __future__ import annotations

from typing import Any

DAY, HOUR = 86_400_000, 3_600_000
FIRST = 20_000 * DAY  # 2024-10-04


def night(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - a task's
    """Return a task that exports one day, counted from the first."""
    return {
        "taskId": f"task-{number}",
        "accountId": "111122223333",
        "region": "us-east-1",
        "logGroupName": "acme/api",
        "from": FIRST + number * DAY,
        "to": FIRST + (number + 1) * DAY - 1,
        "destination": "bucket",
        "status": {"code": "COMPLETED"},
        "executionInfo": {
            "creationTime": FIRST + (number + 2) * DAY,
            "completionTime": FIRST + (number + 2) * DAY + 60_000,
        },
        "observedAt": FIRST + 6 * DAY,
        **fields,
    }
