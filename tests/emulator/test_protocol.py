"""The protocol of the emulator: raw HTTP where boto3 hides it, and what is refused."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore import UNSIGNED
from botocore.validate import ParamValidator
from emulated import ACCOUNT, EPOCH, LOG_GROUPS, TASKS, error_of, make_task, make_tasks, raw

from exportstats.emulator import Emulator
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    Connect = Callable[..., Any]


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


def test_a_task_that_does_not_match_the_model_is_refused() -> None:
    """A task that does not match the model is an ArgumentError with the task and the field."""
    with pytest.raises(ArgumentError, match=r"'task-1'.*status\.code.*<class 'int'>"):
        Emulator([make_task(0), make_task(1, status={"code": 7})])
    with pytest.raises(ArgumentError, match=r"'task-1'.*Unknown.*\"logGroup\""):
        Emulator([make_task(1, logGroup="/app")])
    with pytest.raises(ArgumentError, match=r"'task-1'.*accountId 12345"):
        Emulator([make_task(1, accountId=12345)])


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
