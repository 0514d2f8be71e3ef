"""Synthetic records of API calls, as CloudTrail writes them."""

from __future__ import annotations

import json
from typing import Any

ACCOUNT, REGION = "111122223333", "us-east-1"
SECRET = "ASIASYNTHETIC0000000"  # an access key, which must never be kept
ADDRESS = "203.0.113.77"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/exporter"
ASSUMED = {
    "type": "AssumedRole",
    "principalId": "AROASYNTHETIC:nightly",
    "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/exporter/nightly",
    "accountId": ACCOUNT,
    "accessKeyId": SECRET,
    "sessionContext": {
        "sessionIssuer": {
            "type": "Role",
            "arn": ROLE,
            "accountId": ACCOUNT,
            "userName": "exporter",
        },
        "attributes": {"creationDate": "2026-11-22T00:00:00Z", "mfaAuthenticated": "false"},
    },
}


def record(number: int = 0, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make the record of a CreateExportTask; higher numbers are later."""
    made = {
        "eventVersion": "1.11",
        "userIdentity": ASSUMED,
        "eventTime": f"2026-11-23T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "eventSource": "logs.amazonaws.com",
        "eventName": "CreateExportTask",
        "awsRegion": REGION,
        "sourceIPAddress": ADDRESS,
        "userAgent": "Boto3/1.42.0",
        "requestParameters": {
            "taskName": "nightly",
            "logGroupName": "/app/web",
            "from": 1_763_000_000_000,
            "to": 1_763_086_399_999,
            "destination": "acme-logs",
            "destinationPrefix": "nightly/web",
        },
        "responseElements": {"taskId": f"task-{number}"},
        "requestID": f"request-{number}",
        "eventID": f"event-{number}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "apiVersion": "20140328",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    return made | fields


def refused(
    number: int = 0,
    code: str = "LimitExceededException",
    **fields: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Make the record of a refused CreateExportTask."""
    error = {
        "errorCode": code,
        "errorMessage": "Resource limit exceeded.",
        "responseElements": None,
    }
    return record(number, **(error | fields))


def cancel(number: int, task_id: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make the record of a CancelExportTask."""
    made = {
        "eventName": "CancelExportTask",
        "requestParameters": {"taskId": task_id},
        "responseElements": None,
    }
    return record(number, **(made | fields))


def trail(*records: Any) -> str:  # noqa: ANN401
    """Return the file of a trail."""
    return json.dumps({"Records": records}, separators=(",", ":"))


def event(of: dict[str, Any]) -> dict[str, Any]:
    """Return the event of LookupEvents with a record."""
    return {
        "EventId": of.get("eventID"),
        "EventName": of.get("eventName"),
        "ReadOnly": "false",
        "AccessKeyId": SECRET,
        "EventTime": "2026-11-23T06:35:14+00:00",
        "EventSource": of.get("eventSource"),
        "Username": "nightly",
        "Resources": [],
        "CloudTrailEvent": json.dumps(of),
    }
