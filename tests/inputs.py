"""Inputs for the tests of reading."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Task = dict[str, Any]

CREATED, COMPLETED = 1437584472382, 1437584689202
FROM, TO = 1437584400000, 1437588000000
LISTS = "`aws logs describe-export-tasks`"


def task(name: str = "a", **more: Any) -> Task:  # noqa: ANN401
    """Return a task in AWS's shape that took 216.82 s."""
    return {
        "taskId": name,
        "taskName": "nightly-app",
        "logGroupName": "/app/web",
        "from": FROM,
        "to": TO,
        "destination": "my-exported-logs",
        "destinationPrefix": "web",
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {"creationTime": CREATED, "completionTime": COMPLETED},
    } | more


def page(*tasks: Any, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a page of tasks."""
    return {"exportTasks": list(tasks)} | more


@contextmanager
def warned() -> Iterator[list[Warning]]:
    """Collect warnings instead of raising them."""
    found: list[Warning] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield found
    found += [one.message for one in caught]


def renamed(value: Any, rename: Callable[[str], str]) -> Any:  # noqa: ANN401
    """Return decoded JSON with other keys."""
    if isinstance(value, list):
        return [renamed(inner, rename) for inner in value]
    if isinstance(value, dict):
        return {rename(key): renamed(inner, rename) for key, inner in value.items()}
    return value


def pascal(key: str) -> str:
    """Return a key as Go, .NET and PowerShell write it."""
    return key[:1].upper() + key[1:]


def snake(key: str) -> str:
    """Return a key as Ruby and Python write it."""
    return re.sub("([A-Z])", r"_\1", key).lower()


def net(value: Task) -> Task:
    """Return a task as PowerShell writes .NET objects."""
    made = renamed(value, pascal)
    made["Status"]["Code"] = {"Value": made["Status"]["Code"]}
    return made


def flat(value: Task, between: str) -> Task:
    """Return a task without nesting."""
    made: Task = {}
    for key, inner in value.items():
        inner_keys = inner.items() if isinstance(inner, dict) else [("", inner)]
        made |= {key + (between + name if name else ""): of for name, of in inner_keys}
    return made
