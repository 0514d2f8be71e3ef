"""A slot at moto that runs one task at a time, and replacements for a script's commands."""

from __future__ import annotations

import contextlib
import socketserver
import sys
import time
from threading import Barrier, BrokenBarrierError, Lock, Thread
from typing import TYPE_CHECKING, Any

import boto3
import jmespath
from botocore.exceptions import ClientError
from moto.logs.exceptions import LimitExceededException
from moto.logs.models import LogsBackend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

NAMES = {
    "from": "fromTime",
    "task-name": "taskName",
    "log-group-name": "logGroupName",
    "destination-prefix": "destinationPrefix",
    "task-id": "taskId",
}
KEYS = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up"}
STUB = """#!{python} -SE
import os, socket, sys
keys = [os.environ.get("AWS_" + name, "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
with socket.create_connection(("127.0.0.1", {port})) as aws:
    words = [*keys, os.environ.get("AWS_SESSION_TOKEN", ""), *sys.argv[1:]]
    aws.sendall("\\0".join(words).encode())
    aws.shutdown(socket.SHUT_WR)
    code, said = aws.makefile().read().split("\\n", 1)
print(said, end="", file=sys.stderr if int(code) else sys.stdout)
sys.exit(int(code))
"""

WAIT = """#!/bin/sh
[ "$1 $3" = "wait --" ] || exit 2
state=$(aws logs describe-export-tasks "$2" --output=text --task-id="$4" \\
    --query='exportTasks[].[status.code]')
[ "$state" = COMPLETED ]
"""


class _Aws(socketserver.StreamRequestHandler):
    """Does what the AWS CLI does with the arguments of a command."""

    def handle(self) -> None:
        """Read credentials and arguments; answer with exit code, line break and output."""
        key, secret, token, service, operation, *words = self.rfile.read().decode().split("\0")
        options = dict(word[2:].split("=", 1) for word in words if word != "--no-paginate")
        query, region = options.pop("query"), options.pop("region")
        assert options.pop("output") == "text"
        given = {
            NAMES.get(name, name): int(value) if name in ("from", "to") else value
            for name, value in options.items()
        }
        client = boto3.client(
            service,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token or None,
        )
        try:
            answer = getattr(client, operation.replace("-", "_"))(**given)
        except ClientError as error:
            self.wfile.write(f"1\naws: {error}\n".encode())
            return
        found = jmespath.search(query, answer)
        rows = found if isinstance(found, list) else [[found]]
        lines = ["\t".join(map(str, row)) for row in rows]
        self.wfile.write("\n".join(["0", *lines, ""]).encode())


@contextlib.contextmanager
def commands(folder: Path) -> Iterator[None]:
    """Put the commands `aws` and `exportstats` into a folder; this process answers for AWS.

    Each is a small script with few imports, because a test runs dozens of them.
    """
    folder.mkdir()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Aws) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        aws = STUB.format(python=sys.executable, port=server.server_address[1])
        for name, text in {"aws": aws, "exportstats": WAIT}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        yield
        server.shutdown()


class Slot:
    """A slot that runs one task at a time; a task ends when its state is requested."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing: set[int] = set()  # window starts of the tasks that fail
        self.refused = 0
        self.meeting: Barrier | None = None  # where clients wait that found the slot free
        lock, create, describe = (
            Lock(),
            LogsBackend.create_export_task,
            LogsBackend.describe_export_tasks,
        )

        def create_one(backend: LogsBackend, **given: Any) -> str:  # noqa: ANN401 - moto's own
            if self.meeting and not self.meeting.broken:
                self.meet(backend)
            with lock:
                if any(t.status["code"] == "RUNNING" for t in backend.export_tasks.values()):
                    self.refused += 1
                    raise LimitExceededException
                name = create(backend, **given)
                backend.export_tasks[name].status["code"] = "RUNNING"
                return name

        def describe_and_end(backend: LogsBackend, task_id: str) -> list[Any]:
            found = describe(backend, task_id)
            for task in found if task_id else ():
                if task.status["code"] == "RUNNING":
                    failed = task.from_time in self.failing
                    task.status["code"] = "FAILED" if failed else "COMPLETED"
            return found

        monkeypatch.setattr(LogsBackend, "create_export_task", create_one)
        monkeypatch.setattr(LogsBackend, "describe_export_tasks", describe_and_end)

    def meet(self, backend: LogsBackend) -> None:
        """Let all but one of the clients create a task only after that one's task has ended."""
        assert self.meeting
        with contextlib.suppress(BrokenBarrierError):
            if self.meeting.wait(3):
                while not any(
                    t.status["code"] == "COMPLETED" for t in backend.export_tasks.values()
                ):
                    time.sleep(0.1)
