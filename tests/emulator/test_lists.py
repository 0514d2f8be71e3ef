"""The lists of the emulator over HTTP: with boto3, or raw where boto3 hides the protocol."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.validate import ParamValidator
from emulated import (
    ACCOUNT,
    EPOCH,
    LOG_GROUPS,
    OTHER,
    TASKS,
    all_ids,
    error_of,
    ids,
    make_task,
    make_tasks,
    numbered,
    raw,
)

import exportstats as xs
from exportstats.emulator import DEFAULT_ACCOUNT, Emulator, Fault
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Connect = Callable[..., Any]

# The list


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


# The protocol


def test_the_wire_has_no_null_and_nothing_of_ours() -> None:
    """Missing values are left out, and so are accountId, region and observedAt."""
    bare = {"taskId": "bare", "accountId": ACCOUNT, "taskName": None, "observedAt": EPOCH}
    nested = make_task(1, status={"code": "PENDING", "message": None}, region="us-east-1")
    with Emulator([bare, nested]) as emulator:
        _, body = raw(emulator)
    assert b"null" not in body
    served = json.loads(body)["exportTasks"]
    assert served[1] == {"taskId": "bare"}
    assert served[0]["status"] == {"code": "PENDING"}
    assert not {"accountId", "region", "observedAt"} & served[0].keys()


def test_a_page_fits_the_model_of_the_service(connect: Connect) -> None:
    """An answer is valid by botocore's model of the output."""
    with Emulator(make_tasks(51)) as emulator:
        model = connect(emulator).meta.service_model.operation_model("DescribeExportTasks")
        _, body = raw(emulator)
    page = json.loads(body)
    assert ParamValidator().validate(page, model.output_shape).generate_report() == ""
    assert len(page["exportTasks"]) == 50
    assert page["nextToken"]
    assert page["exportTasks"][0] == {
        key: value for key, value in make_task(50).items() if key != "accountId"
    }


def test_an_answer_has_the_headers_of_the_service() -> None:
    """Every answer has a request ID, a date and a type, and an error has its name."""
    with Emulator() as emulator:
        good, _ = raw(emulator)
        bad, body = raw(emulator, b'{"limit": 51}')
    for answer in (good, bad):
        assert answer.getheader("Content-Type") == "application/x-amz-json-1.1"
        assert len(answer.getheader("x-amzn-RequestId", "")) == 36
        age = time.time() - parsedate_to_datetime(answer.getheader("Date", "")).timestamp()
        assert abs(age) < 60
    assert bad.status == 400
    assert bad.getheader("x-amzn-ErrorType") == "InvalidParameterException"
    assert json.loads(body)["__type"] == "InvalidParameterException"


def test_the_date_is_that_of_its_own_clock() -> None:
    """With `now`, answers and errors have the emulator's time; signatures are not affected."""
    now = dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC)
    with Emulator(now=now) as emulator:
        for body in (b"{}", b'{"limit": 51}'):
            answer, _ = raw(emulator, body)
            date = parsedate_to_datetime(answer.getheader("Date", ""))
            assert dt.timedelta(0) <= date - now < dt.timedelta(minutes=1)


def test_a_connection_is_kept() -> None:
    """Several requests use one connection, with errors among them."""
    with Emulator() as emulator:
        connection = http.client.HTTPConnection(emulator.url.removeprefix("http://"))
        raw(emulator, connection=connection)
        first = connection.sock
        raw(emulator, b'{"limit": 51}', connection=connection)
        raw(emulator, connection=connection)
        assert first is not None
        assert connection.sock is first
        connection.close()


def test_a_task_unlike_the_services_is_refused() -> None:
    """A task that does not match the model is an ArgumentError with the task and the field."""
    with pytest.raises(ArgumentError, match=r"'task-1'.*status\.code.*<class 'int'>"):
        Emulator([make_task(0), make_task(1, status={"code": 7})])
    with pytest.raises(ArgumentError, match=r"'task-1'.*Unknown.*\"logGroup\""):
        Emulator([make_task(1, logGroup="/app")])
    with pytest.raises(ArgumentError, match=r"'task-1'.*accountId 12345"):
        Emulator([make_task(1, accountId=12345)])


def test_an_unknown_state_is_served(connect: Connect) -> None:
    """A state that is not in the model, such as COMPLETE, is served."""
    with Emulator([make_task(0, status={"code": "COMPLETE"})]) as emulator:
        (task,) = connect(emulator).describe_export_tasks()["exportTasks"]
    assert task["status"]["code"] == "COMPLETE"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"limit": 0}', "min value: 1"),
        (b'{"limit": 51}', "Value '51' at 'limit' .* less than or equal to 50"),
        (b'{"limit": "5"}', "valid types: <class 'int'>"),
        (b'{"statusCode": "COMPLETE"}', r"'statusCode' .* enum value set: \[.*COMPLETED"),
        (b'{"taskId": ""}', "min length: 1"),
        (b'{"taskId": "%b"}' % (b"x" * 513), "length less than or equal to 512"),
        (b'{"since": 1}', 'Unknown parameter in input: "since"'),
    ],
)
def test_a_wrong_parameter_is_refused(body: bytes, message: str) -> None:
    """Parameters are checked against the model, including maxima and states."""
    check_refused(TASKS, body, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"limit": 0}', "min value: 1"),
        (b'{"limit": 51}', "Value '51' at 'limit' .* less than or equal to 50"),
        (b'{"logGroupClass": "GOLD"}', r"'logGroupClass' .* enum value set: \[STANDARD"),
        (
            json.dumps({"accountIdentifiers": [ACCOUNT] * 21}).encode(),
            "length less than or equal to 20",
        ),
        (b'{"taskId": "a"}', 'Unknown parameter in input: "taskId"'),
        (b'{"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}', "mutually exclusive"),
        (b'{"logGroupIdentifiers": ["/a"]}', "the emulator does not answer logGroupIdentifiers"),
    ],
)
def test_a_wrong_parameter_of_log_groups_is_refused(body: bytes, message: str) -> None:
    """Parameters are checked, and those that are not emulated are refused."""
    check_refused(LOG_GROUPS, body, message)


def check_refused(operation: str, body: bytes, message: str) -> None:
    """Check that a request is refused for its parameters with a message."""
    with Emulator() as emulator:
        answer, content = raw(emulator, body, **{"X-Amz-Target": f"Logs_20140328.{operation}"})
        assert emulator.requests[0].outcome == "InvalidParameterException"
    assert answer.status == 400
    error = json.loads(content)
    assert error["__type"] == "InvalidParameterException"
    assert re.search(message, error["message"])


def test_an_unsigned_request_is_refused(connect: Connect) -> None:
    """A request without a valid signature is refused."""
    with Emulator() as emulator:
        client = connect(emulator, signature_version=UNSIGNED)
        error = error_of(client.describe_export_tasks)
        answer, _ = raw(emulator, Authorization="Basic dXNlcg==")
    assert error["Error"]["Code"] == "MissingAuthenticationTokenException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == answer.status == 400


def test_another_operation_is_unknown(connect: Connect) -> None:
    """Only the three operations are answered."""
    with Emulator() as emulator:
        error = error_of(connect(emulator).describe_queries)
    assert error["Error"]["Code"] == "UnknownOperationException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


# Log groups


def make_group(name: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Make a log group."""
    return {"accountId": ACCOUNT, "logGroupName": name, "creationTime": EPOCH} | fields


def names(page: Mapping[str, Any]) -> list[str]:
    """Return the names of a page's log groups."""
    return [group["logGroupName"] for group in page["logGroups"]]


def all_names(client: Any, **params: Any) -> list[str]:  # noqa: ANN401
    """Return the names of all pages, with botocore's paginator."""
    pages = client.get_paginator("describe_log_groups").paginate(**params)
    return [name for page in pages for name in names(page)]


def test_log_groups_are_listed_by_name(connect: Connect) -> None:
    """All log groups arrive in ASCII order, 50 per page by default, with AWS's fields only."""
    made = [
        make_group(f"{letter}/{n:02}", retentionInDays=7, observedAt=EPOCH)
        for letter in "bAa"
        for n in range(20)
    ]
    with Emulator(log_groups=made) as emulator:
        client = connect(emulator)
        pages = list(client.get_paginator("describe_log_groups").paginate())
        model = client.meta.service_model.operation_model(LOG_GROUPS)
        _, body = raw(emulator, **{"X-Amz-Target": f"Logs_20140328.{LOG_GROUPS}"})
        assert {request.operation for request in emulator.requests} == {LOG_GROUPS}
    assert [len(page["logGroups"]) for page in pages] == [50, 10]
    found = [name for page in pages for name in names(page)]
    assert found == sorted(group["logGroupName"] for group in made)
    page = json.loads(body)
    assert ParamValidator().validate(page, model.output_shape).generate_report() == ""
    assert page["logGroups"][0] == {
        "logGroupName": "A/00",
        "creationTime": EPOCH,
        "retentionInDays": 7,
    }


def test_log_groups_are_filtered(connect: Connect) -> None:
    """Prefix, pattern and class filter as AWS documents; there are no linked accounts."""
    made = [
        make_group("/app/web", storedBytes=1, arn="arn"),
        make_group("/app/Web", logGroupClass="INFREQUENT_ACCESS"),
        make_group("/web/app", logGroupClass="ESSENTIALS"),
        make_group("/x", logGroupClass="DELIVERY"),
    ]
    with Emulator(log_groups=made) as emulator:
        client = connect(emulator)
        assert all_names(client, logGroupNamePrefix="/app") == ["/app/Web", "/app/web"]
        assert all_names(client, logGroupNamePattern="web") == ["/app/web", "/web/app"]
        assert all_names(client, logGroupClass="STANDARD") == ["/app/web"]
        assert all_names(client, logGroupClass="ESSENTIALS") == ["/web/app"]
        assert all_names(client, logGroupClass="DELIVERY", logGroupNamePrefix="/app") == []
        assert len(all_names(client, includeLinkedAccounts=True, accountIdentifiers=[OTHER])) == 4
        by_pattern = client.describe_log_groups(logGroupNamePattern="app/web")["logGroups"]
    # the model: then "only arn, creationTime, and logGroupName are included in the response"
    assert by_pattern == [{"arn": "arn", "creationTime": EPOCH, "logGroupName": "/app/web"}]


def test_a_log_group_is_of_one_slot(connect: Connect) -> None:
    """Account and region are those of the fields, else of the ARN, else the defaults."""
    arn = f"arn:aws:logs:eu-west-1:{OTHER}:log-group:/c:*"
    made = [
        make_group("/a"),
        make_group("/b", region="eu-west-1"),
        {"logGroupName": "/c", "arn": arn},
        make_group("/d", arn=arn, region="us-west-2"),
        {"logGroupName": "/e"},
    ]
    with Emulator(log_groups=made) as emulator:
        assert all_names(connect(emulator)) == ["/a"]
        assert all_names(connect(emulator, region="eu-west-1")) == ["/b"]
        assert all_names(connect(emulator, OTHER, "eu-west-1")) == ["/c"]
        assert all_names(connect(emulator, region="us-west-2")) == ["/d"]
        assert all_names(connect(emulator, DEFAULT_ACCOUNT)) == ["/e"]


def test_a_log_group_unlike_the_services_is_refused() -> None:
    """A log group that does not match the model is an ArgumentError with the field."""
    with pytest.raises(ArgumentError, match=r"the log group '/a'.*retentionInDays.*<class 'str'>"):
        Emulator(log_groups=[make_group("/a", retentionInDays="7")])
    with pytest.raises(ArgumentError, match=r"the log group '/a'.*accountId 12345"):
        Emulator(log_groups=[make_group("/a", accountId=12345)])


def test_both_lists_have_the_same_mechanism(connect: Connect) -> None:
    """Each list has its own tokens, quota and counter; faults affect both or the one named."""
    now = 0.0
    groups = [make_group(f"/{n}") for n in range(3)]
    faults = [Fault("throttle", at=(2,)), Fault("deny", at=(3,), operation=LOG_GROUPS)]
    emulator = Emulator(make_tasks(3), log_groups=groups, requests_per_second=5, faults=faults)
    emulator._clock = lambda: now
    with emulator:
        client = connect(emulator)
        token = client.describe_log_groups(limit=1)["nextToken"]
        assert ids(client.describe_export_tasks(limit=1)) == numbered(2)
        for call in (client.describe_log_groups, client.describe_export_tasks):
            assert error_of(call)["Error"]["Code"] == "ThrottlingException"
        denied = error_of(client.describe_log_groups)["Error"]
        assert denied["Code"] == "AccessDeniedException"
        assert "not authorized to perform: logs:DescribeLogGroups on" in denied["Message"]
        error = error_of(client.describe_export_tasks, nextToken=token)["Error"]
        assert "nextToken is invalid" in error["Message"]
        # three and four of five requests were used
        assert names(client.describe_log_groups(nextToken=token)) == ["/1", "/2"]
        client.describe_log_groups()
        error_of(client.describe_log_groups)
        client.describe_export_tasks()
        client.describe_export_tasks()
        error_of(client.describe_export_tasks)
        now = 86_400.0
        assert (
            "expired" in error_of(client.describe_log_groups, nextToken=token)["Error"]["Message"]
        )


def test_shift_creates_a_log_group_ahead_of_the_others(connect: Connect) -> None:
    """The second page repeats the last log group of the first."""
    groups = [make_group(name) for name in ("-a", "/b", "c")]
    with Emulator(log_groups=groups, faults=[Fault("shift", at=(2,))]) as emulator:
        client = connect(emulator)
        paginator = client.get_paginator("describe_log_groups")
        pages = [names(page) for page in paginator.paginate(PaginationConfig={"PageSize": 2})]
        assert pages == [["-a", "/b"], ["/b", "c"]]
        assert len(all_names(client)) == 4


def test_log_groups_are_fetched() -> None:
    """`fetch_log_groups` returns all log groups of a slot, page by page."""
    groups = [make_group(f"/{n:03}", retentionInDays=7, storedBytes=n) for n in range(120)]
    with Emulator(log_groups=groups) as emulator:
        found = xs.fetch_log_groups(
            session=boto3.Session(ACCOUNT, "secret", region_name="us-east-1"),
            endpoint_url=emulator.url,
        )
    assert found["log_group_name"].to_list() == [group["logGroupName"] for group in groups]
    assert found["stored_bytes"].to_list() == list(range(120))
    assert set(found["account_id"]) == {ACCOUNT}
    assert set(found["retention"]) == {dt.timedelta(days=7)}
    assert set(found["creation_time"]) == {dt.datetime.fromtimestamp(EPOCH / 1000, dt.UTC)}


# Tokens


def test_a_token_tells_nothing() -> None:
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


# Accounts and regions


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


def test_the_identity_is_told_at_the_same_address(connect: Connect) -> None:
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
