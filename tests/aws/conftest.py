"""Fixtures and helpers of the tests of `aws`: sessions, synthetic tasks, servers."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.session
import pandas as pd
import pytest
from botocore.awsrequest import AWSResponse
from botocore.loaders import create_loader
from pandas.testing import assert_frame_equal
from support import forget_environment, skip_waits
from urllib3 import HTTPResponse

from exportstats.core import frames, schema
from exportstats.emulator import DEFAULT_ACCOUNT, Emulator, Request, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from email.message import Message

    from botocore.awsrequest import AWSPreparedRequest

ACCOUNT = "111122223333"
REGION = "us-east-1"
EPOCH = 1_700_000_000_000
_MODELS = create_loader()  # reads botocore's models once for all sessions


@pytest.fixture(autouse=True)
def no_own_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the AWS configuration, credentials and proxies of this machine from every test."""
    forget_environment(monkeypatch)


@pytest.fixture(scope="session")
def make_session() -> Callable[..., boto3.Session]:
    """Return a function that makes sessions whose access key is the account ID."""

    def make(access_key: str = ACCOUNT, region: str | None = REGION, **more: Any) -> boto3.Session:  # noqa: ANN401
        core = botocore.session.Session()
        core.register_component("data_loader", _MODELS)
        return boto3.Session(
            access_key, "made-up", region_name=region, botocore_session=core, **more
        )

    return make


@pytest.fixture(scope="module")
def session(make_session: Callable[..., boto3.Session]) -> boto3.Session:
    """Return a session of the account of the synthetic tasks."""
    return make_session()


@pytest.fixture(scope="module")
def no_waiting() -> Iterator[None]:
    """Let botocore retry at once."""
    with pytest.MonkeyPatch.context() as patch:
        skip_waits(patch)
        yield


@pytest.fixture(scope="session")
def make_tasks() -> Callable[..., list[dict[str, Any]]]:
    """Make tasks in AWS's shape, newest first, in all six states in turn."""

    def make(count: int, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        return [_make_task(number) | fields for number in reversed(range(count))]

    return make


def _make_task(number: int) -> dict[str, Any]:
    created = EPOCH + number * 60_000
    task: dict[str, Any] = {
        "accountId": ACCOUNT,
        "region": REGION,
        "taskId": f"task-{number}",
        "taskName": f"nächtlich {number}",
        "logGroupName": f"/app/{number % 3}",
        "from": created - 86_400_000,
        "to": created - 1,
        "destination": "bucket",
        "destinationPrefix": f"exported/{number}",
        "status": {"code": schema.STATES[number % 6], "message": "as made up"},
        "executionInfo": {"creationTime": created, "completionTime": created + 30_000},
    }
    if task["status"]["code"] in schema.ACTIVE_STATES:
        del task["executionInfo"]["completionTime"], task["status"]["message"]
    return task


@pytest.fixture(scope="session")
def assert_tasks() -> Callable[..., None]:
    """Compare a table, without `observed_at`, with tasks in AWS's shape."""

    def compare(found: pd.DataFrame, tasks: Sequence[Mapping[str, Any]]) -> None:
        frames.check(found)
        rows = [_to_row(task) for task in tasks]
        wanted = frames.conform(pd.DataFrame(rows, columns=list(schema.NAMES), dtype=object))
        assert found["observed_at"].notna().all()
        assert_frame_equal(found.drop(columns="observed_at"), wanted.drop(columns="observed_at"))

    return compare


def _to_row(task: Mapping[str, Any]) -> dict[str, Any]:
    status, info = task.get("status", {}), task.get("executionInfo", {})
    return {
        "account_id": task["accountId"],
        "region": task["region"],
        "task_id": task["taskId"],
        "task_name": task.get("taskName"),
        "log_group_name": task.get("logGroupName"),
        "from_time": task.get("from"),
        "to_time": task.get("to"),
        "destination": task.get("destination"),
        "destination_prefix": task.get("destinationPrefix"),
        "status_code": status.get("code"),
        "status_message": status.get("message"),
        "creation_time": info.get("creationTime"),
        "completion_time": info.get("completionTime"),
    }


class Scripted(Emulator):
    """An emulator that answers DescribeExportTasks with given HTTP answers; the last repeats."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__()
        self._answers = answers

    def respond(self, headers: Message, body: bytes) -> tuple[bytes, bool]:
        """Return the next answer; STS is answered as usual."""
        if "X-Amz-Target" not in headers:
            return super().respond(headers, body)
        self.requests.append(Request.read(headers, body))
        number = sum(request.operation == wire.TASKS for request in self.requests)
        assert number < 500, "the client does not stop"
        return self._answers[min(number, len(self._answers)) - 1], True


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    """Return the class of an emulator with given answers."""
    return Scripted


@pytest.fixture
def closed_port() -> str:
    """Return the address of a port without a listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="session")
def in_place_of_aws() -> Callable[..., list[str]]:
    """Answer all requests of a session's clients, so that none leaves this machine.

    Returns a list that collects each operation with its host. STS is answered with `sts`, or
    requested for real if `sts` is None.
    """
    return _answer_in_place


_IDENTITY = wire.identity(DEFAULT_ACCOUNT).partition(b"\r\n\r\n")[2]


def _answer_in_place(session: boto3.Session, sts: bytes | None = _IDENTITY) -> list[str]:
    asked: list[str] = []
    tasks = b'{"exportTasks":[{"taskId":"a"}]}'

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        of_tasks = "X-Amz-Target" in request.headers
        asked.append(f"{'logs' if of_tasks else 'sts'} at {urlsplit(request.url).hostname}")
        body = tasks if of_tasks else sts
        if body is None:
            return None
        return AWSResponse(
            request.url, 200, {}, HTTPResponse(io.BytesIO(body), preload_content=False)
        )

    session.events.register("before-send", answer)
    return asked


class Strange:
    """A server on loopback that answers each operation of any service with given HTTP answers.

    The answers are given as `operation=[answer, ...]`; the last one repeats. An answer is bytes,
    an iterable of bytes that are sent one after another, or a function of the number of requests so
    far. `asked` has the operations in the order of the requests.
    """

    def __init__(self, **answers: Any) -> None:  # noqa: ANN401
        self.answers = {name: a if isinstance(a, list) else [a] for name, a in answers.items()}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        strange = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                operation = (
                    self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                    or parse_qs(body).get("Action", ["ListObjectsV2"])[0]
                )
                strange.asked.append(operation)
                count = strange.asked.count(operation)
                answers = strange.answers[operation]
                answer = answers[min(count, len(answers)) - 1]
                if callable(answer):
                    answer = answer(count)
                self.close_connection = True
                with suppress(OSError):  # the client may have disconnected
                    for piece in [answer] if isinstance(answer, bytes) else answer:
                        self.wfile.write(piece)

            do_POST = do_GET  # noqa: N815 - as http.server has it

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler

    def __enter__(self) -> Self:
        """Start."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def strange() -> type[Strange]:
    """Return the class of a server with given answers for any service."""
    return Strange


@pytest.fixture
def all_services(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the environment's endpoint of all services, and credentials."""

    def point(url: str, **more: str) -> None:
        values = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_DEFAULT_REGION": REGION,
        }
        for name, value in (values | more).items():
            monkeypatch.setenv(name, value)

    return point
