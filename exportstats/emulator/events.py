"""API calls as CloudTrail records them, and the events of LookupEvents with them."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE = "synthetic"  # the role that creates tasks without an API call of their own
_ASKED = ("taskName", "logGroupName", "from", "to", "destination", "destinationPrefix")


def call_of(task: Mapping[str, Any], account: str, region: str) -> dict[str, Any]:
    """Return the record of the CreateExportTask that created a task."""
    task_id = str(task.get("taskId"))
    created = (task.get("executionInfo") or {}).get("creationTime") or 0
    role = {
        "type": "Role",
        "arn": f"arn:aws:iam::{account}:role/{ROLE}",
        "accountId": account,
        "userName": ROLE,
    }
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{account}:assumed-role/{ROLE}/nightly",
            "accountId": account,
            "sessionContext": {"sessionIssuer": role},
        },
        "eventTime": f"{dt.datetime.fromtimestamp(created // 1000, dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "logs.amazonaws.com",
        "eventName": "CreateExportTask",
        "awsRegion": region,
        "userAgent": "emulated",
        "requestParameters": {name: task[name] for name in _ASKED if task.get(name) is not None},
        "responseElements": {"taskId": task_id},
        # the same one each time that it is made
        "eventID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{account}/{region}/{task_id}")),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "apiVersion": "20140328",
        "recipientAccountId": account,
    }


def event_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as an event of LookupEvents.

    Raises
    ------
    ArgumentError
        It has no time.
    """
    try:
        time = dt.datetime.fromisoformat(record["eventTime"]).timestamp()
    except (KeyError, ValueError, TypeError) as error:
        raise ArgumentError(
            f"the API call {record.get('eventID')!r} has no eventTime; give one, such as "
            "2026-11-23T06:00:00Z"
        ) from error
    who = record.get("userIdentity") or {}
    event: dict[str, Any] = {
        "EventId": record.get("eventID"),
        "EventName": record.get("eventName"),
        "ReadOnly": str(record.get("readOnly", False)).lower(),
        "EventTime": int(time),
        "EventSource": record.get("eventSource"),
        "Username": who.get("userName") or str(who.get("arn", "")).rpartition("/")[2] or None,
        "Resources": [],
        "CloudTrailEvent": json.dumps(record),
    }
    return {key: value for key, value in event.items() if value is not None}


def has_attributes(event: Mapping[str, Any], wanted: list[Mapping[str, str]]) -> bool:
    """Return whether an event has the attributes of a request."""
    return all(event.get(one["AttributeKey"]) == one["AttributeValue"] for one in wanted)
