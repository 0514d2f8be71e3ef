"""The list of tasks of the emulator over HTTP: order, pages, filters, tokens, slots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulated import (
    ACCOUNT,
    EPOCH,
    OTHER,
    all_ids,
    error_of,
    ids,
    make_task,
    make_tasks,
    numbered,
    raw,
)

from exportstats.emulator import DEFAULT_ACCOUNT, Emulator, Fault
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    Connect = Callable[..., Any]


def test_the_newest_creation_comes_first(connect: Connect) -> None:
    """Tasks are listed from newest to oldest, in whatever order they were added."""
    unsorted = [make_task(number) for number in (2, 0, 3, 1)]
    with Emulator(unsorted) as emulator:
        assert ids(connect(emulator).describe_export_tasks()) == numbered(3, 2, 1, 0)


@pytest.mark.parametrize(("limit", "sizes"), [(None, [50, 50]), (50, [50, 50]), (40, [40, 40, 20])])
def test_pages_hold_up_to_their_limit(
    connect: Connect, limit: int | None, sizes: list[int]
) -> None:
    """A page has `limit` tasks, 50 by default; the last one has no token, even if it is full."""
    with Emulator(make_tasks(100)) as emulator:
        params = {} if limit is None else {"limit": limit}
        pages = list(connect(emulator).get_paginator("describe_export_tasks").paginate(**params))
    assert [len(page["exportTasks"]) for page in pages] == sizes
    assert "nextToken" not in pages[-1]
    assert [one for page in pages for one in ids(page)] == numbered(*reversed(range(100)))


def test_filters_compose(connect: Connect) -> None:
    """State and ID filter alone and together; an unknown ID returns an empty list."""
    tasks = [
        make_task(number, status={"code": "FAILED" if number % 2 else "COMPLETED"})
        for number in range(8)
    ]
    with Emulator(tasks) as emulator:
        client = connect(emulator)
        assert all_ids(client, statusCode="FAILED", PaginationConfig={"PageSize": 3}) == numbered(
            7, 5, 3, 1
        )
        assert all_ids(client, taskId="task-3") == numbered(3)
        assert all_ids(client, taskId="task-3", statusCode="FAILED") == numbered(3)
        assert all_ids(client, taskId="task-3", statusCode="COMPLETED") == []
        assert client.describe_export_tasks(taskId="nobody")["exportTasks"] == []


def test_a_task_created_while_paging_shifts_the_list(connect: Connect) -> None:
    """After an `add`, the last task of a page is repeated as the first of the next."""
    with Emulator(make_tasks(4)) as emulator:
        client = connect(emulator)
        first = client.describe_export_tasks(limit=2)
        emulator.add(make_task(4))
        second = client.describe_export_tasks(limit=2, nextToken=first["nextToken"])
    assert ids(first) == numbered(3, 2)
    assert ids(second) == numbered(2, 1)


def test_update_changes_what_is_served(connect: Connect) -> None:
    """Nested fields are merged, None removes one, and a new creation time moves the task."""
    pending = make_task(
        0, status={"code": "PENDING"}, executionInfo={"creationTime": EPOCH}, taskName="name"
    )
    with Emulator([pending, make_task(1)]) as emulator:
        client = connect(emulator)
        assert all_ids(client, statusCode="PENDING") == numbered(0)
        emulator.update(
            "task-0",
            status={"code": "COMPLETED"},
            executionInfo={"completionTime": EPOCH + 1},
            taskName=None,
        )
        assert all_ids(client, statusCode="PENDING") == []
        (task,) = client.describe_export_tasks(taskId="task-0")["exportTasks"]
        assert task["status"] == {"code": "COMPLETED"}
        assert task["executionInfo"] == {"creationTime": EPOCH, "completionTime": EPOCH + 1}
        assert "taskName" not in task
        emulator.update("task-0", executionInfo={"creationTime": EPOCH + 120_000})
        assert all_ids(client) == numbered(0, 1)
    with pytest.raises(ArgumentError, match="no task 'nobody'"):
        emulator.update("nobody", status={"code": "FAILED"})


def test_an_unknown_state_is_served(connect: Connect) -> None:
    """A state that is not in the model, such as COMPLETE, is served."""
    with Emulator([make_task(0, status={"code": "COMPLETE"})]) as emulator:
        (task,) = connect(emulator).describe_export_tasks()["exportTasks"]
    assert task["status"]["code"] == "COMPLETE"


def test_tokens_cannot_be_guessed() -> None:
    """Tokens are long and random, so that nobody can guess one."""
    with Emulator(make_tasks(60)) as emulator:
        tokens = {json.loads(raw(emulator)[1])["nextToken"] for _ in range(3)}
    assert len(tokens) == 3
    assert min(map(len, tokens)) > 60


def test_a_token_is_good_for_its_own_list_only(connect: Connect) -> None:
    """A token for another account, region or filter, or an invented one, is refused."""
    tasks = [*make_tasks(3), *make_tasks(3, accountId=OTHER), *make_tasks(3, region="eu-west-1")]
    with Emulator(tasks) as emulator:
        client = connect(emulator)
        token = client.describe_export_tasks(limit=1)["nextToken"]
        refused = [
            error_of(connect(emulator, OTHER).describe_export_tasks, nextToken=token),
            error_of(connect(emulator, region="eu-west-1").describe_export_tasks, nextToken=token),
            error_of(client.describe_export_tasks, nextToken=token, statusCode="COMPLETED"),
            error_of(client.describe_export_tasks, nextToken="1"),
        ]
        assert ids(client.describe_export_tasks(nextToken=token)) == numbered(1, 0)
    for error in refused:
        assert error["Error"]["Code"] == "InvalidParameterException"
        assert "nextToken is invalid" in error["Error"]["Message"]


def test_a_token_expires(connect: Connect) -> None:
    """A token expires after its lifetime, 24 hours by default, with an error that says so."""
    now = 0.0
    emulator = Emulator(make_tasks(2))
    emulator._clock = lambda: now
    with emulator:
        client = connect(emulator)
        token = client.describe_export_tasks(limit=1)["nextToken"]
        now = 86_399.0
        assert ids(client.describe_export_tasks(nextToken=token)) == numbered(0)
        now = 86_400.0
        error = error_of(client.describe_export_tasks, nextToken=token)["Error"]
    assert error["Code"] == "InvalidParameterException"
    assert "expired" in error["Message"]


def test_account_and_region_are_those_of_the_signature(connect: Connect) -> None:
    """Each slot has its own list; keys that are not account IDs use the default account."""
    tasks = [
        make_task(0),
        make_task(1, accountId=OTHER),
        make_task(2, region="eu-west-1"),
        {"taskId": "task-3"},
    ]
    with Emulator(tasks) as emulator:
        assert all_ids(connect(emulator)) == numbered(0)
        assert all_ids(connect(emulator, OTHER)) == numbered(1)
        assert all_ids(connect(emulator, region="eu-west-1")) == numbered(2)
        assert all_ids(connect(emulator, "AKIDEXAMPLE")) == numbered(3)
        assert all_ids(connect(emulator, DEFAULT_ACCOUNT)) == numbered(3)
        assert all_ids(connect(emulator, OTHER, "eu-west-1")) == []


def test_the_identity_is_served_at_the_same_address(connect: Connect) -> None:
    """GetCallerIdentity returns the account ID, and faults of other calls do not affect it."""
    with Emulator(faults=[Fault("deny")]) as emulator:
        identity = connect(emulator, service="sts").get_caller_identity()
        assert emulator.requests[0][:3] == ("GetCallerIdentity", ACCOUNT, "us-east-1")
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"].startswith(f"arn:aws:iam::{ACCOUNT}:")
    assert identity["UserId"]
    assert identity["ResponseMetadata"]["RequestId"]


def test_deny_identity_denies_the_identity_alone(connect: Connect) -> None:
    """The fault affects only GetCallerIdentity."""
    with Emulator(make_tasks(1), faults=[Fault("deny_identity")]) as emulator:
        error = error_of(connect(emulator, service="sts").get_caller_identity)
        assert all_ids(connect(emulator)) == numbered(0)
    assert error["Error"]["Code"] == "AccessDenied"
    assert "not authorized to perform: sts:GetCallerIdentity" in error["Error"]["Message"]
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_what_was_asked_is_remembered(connect: Connect) -> None:
    """Each request is recorded with its caller, its parameters and its outcome."""
    with Emulator(make_tasks(2), faults=[Fault("throttle", at=(2,))]) as emulator:
        client = connect(emulator, region="eu-west-1")
        client.describe_export_tasks(limit=1)
        error_of(client.describe_export_tasks, statusCode="FAILED")
        operation = "DescribeExportTasks"
        assert emulator.requests == [
            (operation, ACCOUNT, "eu-west-1", ACCOUNT, {"limit": 1}, "ok"),
            (
                operation,
                ACCOUNT,
                "eu-west-1",
                ACCOUNT,
                {"statusCode": "FAILED"},
                "ThrottlingException",
            ),
        ]
