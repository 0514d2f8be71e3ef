"""The lists that the service returns in pages: export tasks and log groups."""

from __future__ import annotations

import operator
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """

    operation: str
    member: str
    noun: str
    name: str
    order: Callable[[Item], Any]
    ascending: bool
    filters: Mapping[str, tuple[Callable[[Item], str | None], Callable[[Any, Any], bool]]]
    create: Callable[[Any], dict[str, Any]]


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
LISTINGS = {listing.operation: listing for listing in (TASKS, LOG_GROUPS)}
