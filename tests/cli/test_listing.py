"""`tasks`: the list of tasks, for people and for machines."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from shown import SGR

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UUID = "cda45419-90ea-4db5-9833-aade86253e{:02d}"


@pytest.fixture
def fifty(page: Callable, made: Callable) -> Path:
    """Write fifty tasks with IDs as in AWS; one FAILED and one has no times."""
    tasks = made(50, logGroupName="/aws/containerinsights/acme-prod/application")
    for number, task in enumerate(tasks):
        task["taskId"] = UUID.format(number)
    tasks[1]["status"] = {"code": "FAILED", "message": "Synthetic: access denied"}
    tasks[2] |= {"status": {"code": "PENDING"}, "executionInfo": {}}
    return page(*reversed(tasks))


def test_machines_get_every_column_newest_first(run: Callable, sample_file: Path):
    """In csv and json, all tasks have all columns, and durations are in seconds."""
    expected = xs.sample_tasks().sort_values("creation_time", ascending=False, kind="stable")
    rows = json.loads(run("tasks", sample_file, "--format", "json").stdout)
    assert [row["creation_time"] for row in rows] == sorted(
        (row["creation_time"] for row in rows), reverse=True
    )
    assert {row["task_id"] for row in rows} == set(expected["task_id"])
    names = [f"{n}_seconds" if n in ("duration", "window") else n for n in expected.columns]
    assert list(rows[0]) == names
    took = {row["task_id"]: row["duration_seconds"] for row in rows}
    for task_id, duration in zip(expected["task_id"], expected["duration"], strict=True):
        seconds = duration.total_seconds()
        assert took[task_id] == (None if seconds != seconds else seconds)  # noqa: PLR0124 - a NaN
    text = run("tasks", sample_file, "--format", "csv").stdout
    assert [row["task_id"] for row in csv.DictReader(io.StringIO(text))] == [
        row["task_id"] for row in rows
    ]


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (3, 3), (50, 50), (99, 50)])
def test_limit_keeps_the_newest(limit: int, count: int, run: Callable, fifty: Path):
    """`--limit` keeps the newest tasks in every format, and reports how many it omits."""
    for kind in ("json", "csv", "table", "markdown"):
        done = run("tasks", fifty, "--limit", limit, "--format", kind)
        assert done.exit_code == 0
        assert sum(UUID[:30] in line for line in done.stdout.splitlines()) == count
        said = f"exportstats: {50 - count} older tasks are not shown; raise --limit to list more\n"
        assert done.stderr == (said if count < 50 else "")
    assert run("tasks", fifty, "--limit", -1).exit_code == 2


def test_a_pipe_gets_all(run: Callable, fifty: Path):
    """Without a terminal, the table has all rows, so that it can be searched."""
    done = run("tasks", fifty)
    assert sum(UUID[:30] in line for line in done.stdout.splitlines()) == 50
    assert not done.stderr


def test_a_terminal_gets_whole_identifiers(terminal: Callable, fifty: Path):
    """In 80 columns IDs are complete, so `wait` accepts them; omitted rows are counted."""
    code, shown = terminal("tasks", fifty)
    lines = SGR.sub("", shown).splitlines()
    assert code == 0
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1] == "exportstats: 10 more rows are not shown; use --format csv or json for all"
    assert sum(UUID[:34] in line for line in lines) == 40
    first = next(line for line in lines if UUID[:34] in line)
    assert first.startswith(UUID.format(0))
    assert "COMPLETED" in first
    assert "1m" in first


def test_a_wide_terminal_shows_messages(terminal: Callable, fifty: Path):
    """A wide terminal also shows why a task FAILED."""
    _, shown = terminal("tasks", fifty, columns=160)
    assert "Synthetic: access denied" in SGR.sub("", shown)


def test_own_columns_are_listed(run: Callable, tmp_path: Path):
    """The user's own columns are in csv and json."""
    tasks = xs.sample_tasks().head(3).assign(team=["a", "b", None])
    xs.write_tasks(tasks, tmp_path / "tasks.csv")
    rows = json.loads(run("tasks", tmp_path / "tasks.csv", "--format", "json").stdout)
    teams: dict[str, Any] = {row["task_id"]: row["team"] for row in rows}
    assert [teams[one] for one in tasks["task_id"]] == ["a", "b", None]
