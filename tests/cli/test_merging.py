"""`fetch -o` adds to an existing file, so nothing that AWS has forgotten is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import exportstats as xs
from exportstats.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WINDOW = {"from": 0, "to": 1}
ENDINGS = [".parquet", ".csv", ".json", ".jsonl.gz"]


def states(path: Path) -> dict[str, str]:
    """Return the state of each task of a file."""
    tasks = xs.read_tasks(path)
    assert tasks["task_id"].is_unique
    return dict(zip(tasks["task_id"], tasks["status_code"].astype("str"), strict=True))


def running(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task as it was before it ended."""
    times = {"creationTime": task["executionInfo"]["creationTime"]}
    return {**task, "status": {"code": "RUNNING"}, "executionInfo": times, "observedAt": 0}


@pytest.fixture
def written(tmp_path: Path, made: Callable) -> Callable[..., Path]:
    """Write the older of five tasks to a file; the last of them is still RUNNING."""

    def write(ending: str, **own: Any) -> Path:  # noqa: ANN401 - columns
        page = tmp_path / "before.json"
        tasks = made(5, observedAt=1_700_000_000_000, **WINDOW)
        page.write_text(json.dumps({"exportTasks": [running(tasks[2]), *tasks[3:]]}))
        path = tmp_path / f"tasks{ending}"
        xs.write_tasks(xs.read_tasks(page).assign(**own), path)
        page.unlink()
        return path

    return write


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_task_is_there_once_in_its_latest_state(
    ending: str, run: Callable, serve: Callable, made: Callable, written: Callable
):
    """Old tasks stay, changed ones are updated, and both are counted."""
    path = written(ending)
    assert list(states(path).values()) == ["RUNNING", "COMPLETED", "COMPLETED"]
    serve(made(5, **WINDOW)[:4])  # task-0, the oldest, is forgotten
    done = run("fetch", "-o", path)
    assert done.exit_code == 0, done.stderr
    assert states(path) == {f"task-{number}": "COMPLETED" for number in range(5)}
    assert done.stderr.endswith("; 2 new, 1 changed, 2 unchanged\n")
    done = run("fetch", "-o", path)
    assert done.stderr.endswith("; 0 new, 0 changed, 5 unchanged\n")
    assert [left.name for left in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_own_columns_stay(
    ending: str, run: Callable, serve: Callable, made: Callable, written: Callable
):
    """The user's own columns stay with their task when its state changes."""
    large = 10**9 + 1 if "json" in ending else 2**60 + 1  # JSON's numbers are floats
    path = written(ending, team=["web", "api", None], rank=[3, large, 1])
    serve(made(5, **WINDOW)[:4])
    done = run("fetch", "-o", path)
    assert done.exit_code == 0, done.stderr
    tasks = xs.read_tasks(path).set_index("task_id")
    assert tasks.loc["task-2", "status_code"] == "COMPLETED"
    assert {
        name: (team, int(rank))
        for name, team, rank in tasks[["team", "rank"]].dropna(subset="rank").itertuples()
        if isinstance(team, str)
    } == {"task-2": ("web", 3), "task-1": ("api", large)}
    assert tasks["rank"].notna().sum() == 3


def test_replace_replaces(run: Callable, serve: Callable, made: Callable, written: Callable):
    """With `--replace`, the file has only what AWS lists now."""
    path = written(".csv")
    serve(made(5, **WINDOW)[:2])
    done = run("fetch", "-o", path, "--replace")
    assert done.exit_code == 0
    assert set(states(path)) == {"task-4", "task-3"}
    assert "unchanged" not in done.stderr


def test_a_part_never_replaces(run: Callable, serve: Callable, made: Callable, written: Callable):
    """An incomplete fetch only adds, even with `--replace`, and the exit code is 3."""
    path = written(".parquet")
    for words in ([], ["--replace"]):
        serve(made(120), faults=[Fault("deny", at=(3,))])
        done = run("fetch", "-o", path, *words)
        assert done.exit_code == 3
        assert set(states(path)) == {
            *(f"task-{number}" for number in (0, 1, 2)),
            *(f"task-{number}" for number in range(20, 120)),
        }
        assert bool(words) == (f"not all tasks arrived, so {path} is not replaced" in done.stderr)


def test_nothing_arrived_changes_nothing(
    run: Callable, serve: Callable, made: Callable, written: Callable
):
    """A region without tasks, or a refusal, leaves the file unchanged."""
    path = written(".jsonl.gz")
    before = states(path)
    serve(made(3))
    assert run("fetch", "-o", path, "--region", "eu-north-1").exit_code == 0
    assert states(path) == before
    content = path.read_bytes()
    serve(made(3), faults=[Fault("expired")])
    assert run("fetch", "-o", path, "--replace").exit_code == 1
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tasks.csv", "date,weight\n2026-01-01,70\n"),
        ("tasks.csv", "my notes"),
        ("tasks.json", '{"exportTasks": [{"taskId": "a", "mine": 1}, {"mine": 2}]}'),
        ("tasks.json", '{"exportTasks": [{"taskId": "a"'),
        ("tasks.jsonl", '{"mine": 1}\n'),
        ("tasks.parquet", "PAR1 is no Parquet"),
    ],
)
@pytest.mark.parametrize("words", [[], ["--replace"]])
def test_an_invalid_table_of_tasks_is_refused_first(
    name: str, content: str, words: list[str], run: Callable, serve: Callable, tmp_path: Path
):
    """A file that would lose data is refused before AWS is asked, and stays."""
    emulator = serve([])
    path = tmp_path / name
    path.write_text(content)
    done = run("fetch", "-o", path, *words)
    assert done.exit_code == 2
    assert f"{path} exists, and adding to it would lose data: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert path.read_text() == content
    assert not emulator.requests


def test_parquet_of_something_else_is_refused(run: Callable, serve: Callable, tmp_path: Path):
    """A Parquet file without tasks is not overwritten."""
    emulator = serve([])
    path = tmp_path / "tasks.parquet"
    pd.DataFrame({"weight": [70]}).to_parquet(path)
    before = path.read_bytes()
    assert run("fetch", "-o", path).exit_code == 2
    assert path.read_bytes() == before
    assert not emulator.requests


def test_an_empty_file_is_filled(run: Callable, serve: Callable, made: Callable, tmp_path: Path):
    """An empty file, as `mktemp` makes it, is overwritten."""
    serve(made(2))
    path = tmp_path / "tasks.parquet"
    path.touch()
    assert run("fetch", "-o", path).exit_code == 0
    assert len(states(path)) == 2


def test_an_account_that_sts_hides_one_night_doubles_nothing(
    run: Callable, serve: Callable, made: Callable, written: Callable
):
    """Tasks fetched without an account ID are matched with those in the file."""
    path = written(".parquet")
    serve(made(4, **WINDOW), faults=[Fault("deny_identity")])
    done = run("fetch", "-o", path)
    assert done.exit_code == 0, done.stderr
    assert len(states(path)) == 5 - 1
    assert "1 new, 1 changed, 2 unchanged" in done.stderr


def test_two_fetches_at_once_lose_nothing(
    start: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """Two processes can add different tasks to one file at the same time."""
    serve([*made(200), *made(200, region="us-east-1")], latency_seconds=0.01)
    path = tmp_path / "tasks.csv"
    processes = [
        start("fetch", "-o", path, "--region", region) for region in ("eu-west-1", "us-east-1") * 2
    ]
    for process in processes:
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
    tasks = xs.read_tasks(path)
    assert tasks.groupby("region", observed=True).size().to_dict() == {
        "eu-west-1": 200,
        "us-east-1": 200,
    }
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


def test_a_mode_and_a_link_stay(run: Callable, serve: Callable, made: Callable, written: Callable):
    """The mode of the file and a link to it stay."""
    path = written(".csv")
    path.chmod(0o600)
    link = path.with_name("link.csv")
    link.symlink_to(path.name)
    serve(made(5, **WINDOW))
    assert run("fetch", "-o", link).exit_code == 0
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(states(path)) == 5


def test_a_million_hours_are_merged_in_seconds(tmp_path: Path):
    """Merging 100,000 tasks takes a few seconds, so not each is compared with each."""
    script = (
        "import pandas as pd, exportstats as xs\n"
        "from exportstats.cli.fetch import _compared, _merged\n"
        "ids = [f'{n:036d}' for n in range(100_000)]\n"
        "tasks = xs.conform(pd.DataFrame({'task_id': ids, 'account_id': '1', 'region': 'r'}))\n"
        "print(_compared(tasks[:99_000], _merged(tasks[:99_000], tasks[1_000:])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "1,000 new, 0 changed, 99,000 unchanged\n"
