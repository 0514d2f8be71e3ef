"""JSON as people have it: AWS's names in any casing, our own names, and unused keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from inputs import (
    COMPLETED,
    CREATED,
    FROM,
    TO,
    flat,
    net,
    page,
    pascal,
    renamed,
    snake,
    task,
    warned,
)
from pandas.testing import assert_frame_equal
from support import plain

import exportstats as xs
from exportstats.errors import ExportStatsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Task = dict[str, Any]

PYTHON = {"RequestId": "x", "HTTPStatusCode": 200, "HTTPHeaders": {"date": "x"}, "RetryAttempts": 0}
CASINGS: dict[str, Any] = {
    "AWS": page(task(), task("b")),
    "boto3": page(task(), task("b"), ResponseMetadata=PYTHON),
    "Go": renamed(page(task(), task("b")), pascal) | {"NextToken": None, "ResultMetadata": {}},
    "JavaScript": page(task(), task("b")) | {"$metadata": {"attempts": 1}},
    ".NET": {"ExportTasks": [net(task()), net(task("b"))], "HttpStatusCode": 200},
    "PowerShell": [net(task()), net(task("b"))],
    "Ruby": renamed(page(task(), task("b")), snake),
    "a mixture": [task(), renamed(task("b"), pascal)],
    "a mixture in one task": [task(), {**task("b"), "LogGroupName": "/app/web"}],
    "json_normalize": [flat(task(), "."), flat(task("b"), ".")],
    "joined by underscores": [flat(task(), "_"), flat(task("b"), "_")],
    "all small": renamed(page(task(), task("b")), str.lower),
    "all large": renamed(page(task(), task("b")), str.upper),
    "with hyphens": renamed(page(task(), task("b")), lambda key: snake(key).replace("_", "-")),
    "in an unknown object": [flat(one, "/") | one for one in (task(), task("b"))],
}


@pytest.mark.parametrize("content", CASINGS.values(), ids=CASINGS)
@pytest.mark.parametrize("lines", [False, True])
def test_casings(save: Callable[..., Path], content: Any, lines: bool) -> None:  # noqa: ANN401, FBT001
    """AWS's names in any casing and nesting give the same table, as one text and as JSON Lines."""
    expected = xs.read_tasks(save(CASINGS["AWS"], "expected.json"))
    assert plain(expected["duration"]) == [216820] * 2
    with warned() as messages:
        if lines:
            rows = content if isinstance(content, list) else [content]
            found = xs.read_tasks(save("\n".join(map(json.dumps, rows)), "tasks.jsonl"))
        else:
            found = xs.read_tasks(save(content))
    assert_frame_equal(found, expected)
    first = content[0] if isinstance(content, list) else content
    assert bool(messages) == any("/" in key for key in first)


def test_single_objects(save: Callable[..., Path]) -> None:
    """An object instead of a list of one, as from PowerShell, is read; so is a single task."""
    expected = xs.read_tasks(save(page(task()), "expected.json"))
    for value in (net(task()), {"ExportTasks": net(task()), "NextToken": None}, task()):
        for indent in (None, 2):
            found = xs.read_tasks(save(json.dumps(value, indent=indent)))
            assert_frame_equal(found, expected)


def test_our_own_columns(save: Callable[..., Path], tmp_path: Path) -> None:
    """Our columns as JSON of pandas give the same table as CSV and Parquet."""
    records = [
        {
            **dict.fromkeys(("account_id", "region")),
            "task_id": name,
            "task_name": "nightly-app",
            "log_group_name": "/app/web",
            "from_time": FROM,
            "to_time": TO,
            "destination": "my-exported-logs",
            "destination_prefix": "web",
            "status_code": state,
            "status_message": None,
            "creation_time": CREATED,
            "completion_time": COMPLETED,
            "observed_at": None,
            "duration": COMPLETED - CREATED,
            "window": TO - FROM + 1,
        }
        for name, state in (("a", "COMPLETED"), ("b", "FAILED"))
    ]
    tasks = xs.read_tasks(save(records))
    assert plain(tasks["duration"]) == [216820] * 2
    assert plain(tasks["window"]) == [TO - FROM + 1] * 2
    for name in ("tasks.csv", "tasks.parquet", "tasks.jsonl"):
        xs.write_tasks(tasks, tmp_path / name)
        assert_frame_equal(xs.read_tasks(tmp_path / name), tasks)
    text = json.dumps(tasks.to_dict("records"), default=str)
    assert '"observed_at": "NaT"' in text
    assert_frame_equal(xs.read_tasks(save(text)), tasks)
    for orient in ("records", "split", "columns", "index", "table"):
        text = tasks.to_json(orient=orient, date_format="iso")
        if orient == "records":
            assert_frame_equal(xs.read_tasks(save(text)), tasks)
        else:  # other shapes have no task_id in an object
            with pytest.raises(ExportStatsError):
                xs.read_tasks(save(text))


@pytest.mark.parametrize(
    ("content", "unused"),
    [
        ([{"taskId": "a", "Status": "FAILED", "Started": CREATED}], "Started (1)"),
        ([{**task(), "bytes": 5}, {**task("b"), "bytes": 5, "x": {"y": 1}}], "bytes (2), x.y (1)"),
        ([{**task(), "status": {"code": "FAILED", "detail": "x"}}], "status.detail (1)"),
        ([{**task(), "executionInfo": "in full"}], "executionInfo (1)"),
    ],
)
def test_unused_keys_are_named(save: Callable[..., Path], content: list[Task], unused: str) -> None:
    """Each unused key is named once with its number of tasks, and the rest is read."""
    for name, text in (
        ("a.json", json.dumps(content)),
        ("b.jsonl", "\n".join(map(json.dumps, content))),
    ):
        with warned() as messages:
            assert len(xs.read_tasks(save(text, name))) == len(content)
        (message,) = messages
        assert isinstance(message, xs.UnusedWarning)
        assert str(message).startswith("unused keys, with the number of tasks that have each: ")
        assert str(message).endswith(unused)


def test_flat_keys_of_a_query(save: Callable[..., Path]) -> None:
    """Flat keys are read if they are unambiguous."""
    hashed = [
        {
            "taskId": "a",
            "status": "COMPLETED",
            "creationTime": CREATED,
            "completionTime": COMPLETED,
            "logGroupName": "/app/web",
            "from": FROM,
            "to": TO,
        }
    ]
    tasks = xs.read_tasks(save(hashed))
    assert plain(tasks["duration"]) == [216820]
    assert plain(tasks["status_code"]) == ["COMPLETED"]


def as_json(value: object) -> str:
    """Return an object as JSON text."""
    return json.dumps(value)


@pytest.mark.parametrize("write", [str, as_json])
def test_objects_that_became_text(save: Callable[..., Path], tmp_path: Path, write: Any) -> None:  # noqa: ANN401
    """The objects of a task are read from text too, as `DataFrame(pages).to_csv` writes them."""
    made = [task(), task("b", status={"code": "RUNNING"}, executionInfo={"creationTime": CREATED})]
    expected = xs.read_tasks(save(made, "expected.json"))
    texts = [
        {key: write(value) if isinstance(value, dict) else value for key, value in one.items()}
        for one in made
    ]
    frame = pd.DataFrame(texts)
    frame.to_csv(tmp_path / "tasks.csv", index=False)
    frame.to_parquet(tmp_path / "tasks.parquet")
    for name in (save(texts), tmp_path / "tasks.csv", tmp_path / "tasks.parquet"):
        assert_frame_equal(xs.read_tasks(name), expected)
    assert_frame_equal(xs.conform(frame), expected)


@pytest.mark.parametrize(
    "text",
    [
        "{code=COMPLETED, message=Completed successfully}",  # Athena
        "@{Code=COMPLETED; Message=ok}",  # PowerShell
        "Amazon.CloudWatchLogs.Model.ExportTaskStatus",  # Export-Csv of PowerShell
        "{'code': COMPLETED, 'message': ok}",  # DuckDB
    ],
)
def test_a_state_that_cannot_be_read(save: Callable[..., Path], text: str) -> None:
    """An object as another tool writes it is no state, and is reported with the remedy."""
    row = task(status=text)
    for name, content in (("a.json", [row]), ("a.csv", f'taskId,status\na,"{text}"\n')):
        with warned() as messages:
            assert plain(xs.read_tasks(save(content, name))["status_code"]) == [text]
        said = [str(one) for one in messages if isinstance(one, xs.BadRowsWarning)]
        assert "status_code is an object written as text: write JSON" in said[0]


def test_columns_that_may_be_ours(save: Callable[..., Path]) -> None:
    """If one of our columns is empty and there are own columns, these are named."""
    text = "task_id,log_group,state\na,/app,COMPLETED\n"
    says = r"no task has log_group_name, .*\(log_group, state\)"
    with pytest.warns(xs.UnusedWarning, match=says):
        tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["log_group"]) == ["/app"]


def test_states(save: Callable[..., Path]) -> None:
    """States are read in any casing, unknown ones are kept, and missing ones stay missing."""
    states = ["completed", "Failed", "PendingCancel", "pending_cancel", "COMPLETE", "active", None]
    made = [task(str(n), status={"code": state}) for n, state in enumerate(states)]
    made[-1].pop("status")
    tasks = xs.read_tasks(save(made))
    assert plain(tasks["status_code"]) == [
        *("COMPLETED", "FAILED", "PENDING_CANCEL", "PENDING_CANCEL", "COMPLETED", "active", None)
    ]
