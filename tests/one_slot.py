"""A slot at moto that runs one task at a time, and stand-ins for the commands of a script."""

from __future__ import annotations

import contextlib
import sys
import time
from threading import Barrier, BrokenBarrierError, Lock
from typing import TYPE_CHECKING, Any

from moto.logs.exceptions import LimitExceededException
from moto.logs.models import LogsBackend

if TYPE_CHECKING:
    import pytest

KEYS = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up"}
STUB = f"""#!{sys.executable}
import json, sys
import boto3, jmespath
from botocore.exceptions import ClientError
service, operation, *words = sys.argv[1:]
options = dict(word[2:].split("=", 1) for word in words if word != "--no-paginate")
client = boto3.client(service, region_name=options.pop("region"))
query = options.pop("query")
assert options.pop("output") == "text"
names = {{"from": "fromTime", "task-name": "taskName", "log-group-name": "logGroupName",
          "destination-prefix": "destinationPrefix", "task-id": "taskId"}}
given = {{names.get(name, name): int(value) if name in ("from", "to") else value
          for name, value in options.items()}}
try:
    answer = getattr(client, operation.replace("-", "_"))(**given)
except ClientError as error:
    sys.exit(f"aws: {{error}}")
found = jmespath.search(query, answer)
for row in found if isinstance(found, list) else [[found]]:
    print(*("None" if cell is None else cell for cell in row), sep="\\t")
"""

WAIT = """#!/bin/sh
[ "$1 $3" = "wait --" ] || exit 2
state=$(aws logs describe-export-tasks "$2" --output=text --task-id="$4" \\
    --query='exportTasks[].[status.code]')
[ "$state" = COMPLETED ]
"""


class Slot:
    """A slot that runs one task at a time; a task ends when its own state is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing: set[int] = set()  # the starts of the windows of tasks to fail
        self.refused = 0
        self.meeting: Barrier | None = None  # where those who found the slot free wait
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
        """Let all but one create a task only after that one's task has ended."""
        assert self.meeting
        with contextlib.suppress(BrokenBarrierError):
            if self.meeting.wait(3):
                while not any(
                    t.status["code"] == "COMPLETED" for t in backend.export_tasks.values()
                ):
                    time.sleep(0.1)
