"""The scripts of a backfill export each window once, whatever goes wrong.

moto stands for AWS; that a slot runs one task at a time, and that tasks end, is made up here. The
commands stand in for the true ones and are fast; one test takes those.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from one_slot import Slot, commands
from support import DAY, ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "eu-west-1"
FIRST = ms("2026-11-16T00:00Z")
RANGE = ["--since", "2026-11-16", "--until", "2026-11-20"]


@pytest.fixture
def slot(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slot]:
    """Point the environment at moto, with the log group and the bucket of the tasks."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    logs().create_log_group(logGroupName="/app")
    make_bucket("bucket")
    return Slot(monkeypatch)


def logs() -> Any:  # noqa: ANN401 - a client of boto3
    """Return a client of the slot."""
    return boto3.client("logs", region_name=REGION)


def make_bucket(name: str) -> None:
    """Create a bucket in the region of the log group."""
    s3: Any = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})


def windows(state: str | None = None) -> Counter[int]:
    """Count, by day, how often a window was exported or ended in a state."""
    tasks = logs().describe_export_tasks()["exportTasks"]
    return Counter(
        (task["from"] - FIRST) // DAY for task in tasks if state in (None, task["status"]["code"])
    )


@pytest.fixture
def source(page: Callable) -> Path:
    """Write the tasks of two of four nights: the second and the third are missing."""
    return page(
        *(
            {
                "taskId": f"t{number}",
                "accountId": ACCOUNT,
                "region": REGION,
                "logGroupName": "/app",
                "from": FIRST + number * DAY,
                "to": FIRST + (number + 1) * DAY - 1,
                "destination": "bucket",
                "status": {"code": "COMPLETED"},
                "observedAt": FIRST + 7 * DAY,
                "executionInfo": {
                    "creationTime": FIRST + (number + 2) * DAY,
                    "completionTime": FIRST + (number + 2) * DAY + 60_000,
                },
            }
            for number in (0, 3)
        )
    )


@pytest.fixture
def script(run: Callable, source: Path, tmp_path: Path, slot: Slot) -> Path:
    """Write the script of the plan, which creates nothing."""
    path = tmp_path / "backfill.sh"
    done = run("backfill", source, *RANGE, "--script", path)
    assert done.exit_code == 0, done.output
    assert f"to run it: sh {path}" in done.stderr
    assert not windows()
    assert not slot.refused
    return path


@pytest.fixture
def sh(script: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run the script with replacements for the AWS CLI and exportstats."""
    folder = tmp_path / "bin"

    def call(*first: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([*first, str(folder), "/usr/bin", "/bin"])
        return subprocess.run(
            ["sh", script],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
            timeout=300,
        )

    with commands(folder):
        yield call


@pytest.fixture
def start(script: Path, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start the script in its own process group, with a shell command as the AWS CLI."""
    started: list[subprocess.Popen[str]] = []

    def begin(command: str) -> subprocess.Popen[str]:
        folder = tmp_path / f"stuck-{len(started)}"  # the one before may not have run its own yet
        folder.mkdir()
        for name in ("aws", "exportstats"):
            (folder / name).write_text(f"#!/bin/sh\n{command}\n")
            (folder / name).chmod(0o755)
        process = subprocess.Popen(
            ["sh", script],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": f"{folder}:/usr/bin:/bin"},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.slow
def test_each_window_is_exported_once(sh: Callable, slot: Slot, tmp_path: Path):
    """Run twice with the real commands, the script exports each window once."""
    true = tmp_path / "true"
    true.mkdir()
    (true / "exportstats").symlink_to(Path(sys.executable).parent / "exportstats")
    if command := shutil.which("aws"):
        (true / "aws").symlink_to(command)
    done = sh(str(true))
    assert done.returncode == 0, done.stderr
    assert windows("COMPLETED") == {1: 1, 2: 1}
    assert "backfill: 1 of 2: /app, 2026-11-17 to 2026-11-18 UTC\n" in done.stderr
    assert "backfill: done: the windows of 2 tasks are exported\n" in done.stderr
    again = sh()
    assert again.returncode == 0, again.stderr
    assert windows() == {1: 1, 2: 1}
    assert again.stderr.count(": exported already\n") == 2
    assert slot.refused == 0


def test_a_task_of_someone_else_is_waited_for(sh: Callable, slot: Slot):
    """The script waits for another task in the slot, and skips a window that it exports."""
    wide = {"fromTime": FIRST, "to": FIRST + 2 * DAY - 1}
    held = logs().create_export_task(logGroupName="/app", destination="bucket", **wide)["taskId"]
    done = sh()
    assert done.returncode == 0, done.stderr
    assert f"backfill: task {held} holds the slot; waiting until it has ended\n" in done.stderr
    assert windows() == {0: 1, 2: 1}
    assert slot.refused == 0


def test_a_failed_task_stops_it_and_is_tried_again(sh: Callable, slot: Slot):
    """A failed task stops the script; the next run continues with this window."""
    slot.failing = {FIRST + DAY}
    done = sh()
    assert done.returncode == 1
    assert "has not completed\nbackfill: stopped; to continue: sh " in done.stderr
    assert windows() == {1: 1}
    slot.failing = set()
    done = sh()
    assert done.returncode == 0, done.stderr
    assert windows() == {1: 2, 2: 1}
    assert windows("COMPLETED") == {1: 1, 2: 1}


def test_the_first_refusal_stops_it(run: Callable, source: Path, sh: Callable, script: Path):
    """A refusal by AWS stops the script, which shows the message and how to continue."""
    words = ("backfill", source, *RANGE, "--destination", "later", "--script", script)
    assert run(*words).exit_code == 0
    done = sh()
    assert done.returncode == 1
    assert "bucket does not exist" in done.stderr
    assert "backfill: AWS refused this task; see its message above\n" in done.stderr
    assert done.stderr.endswith(f"backfill: stopped; to continue: sh {script}\n")
    assert not windows()
    make_bucket("later")
    assert sh().returncode == 0
    assert windows("COMPLETED") == {1: 1, 2: 1}


def test_another_account_is_no_place_for_it(script: Path, sh: Callable):
    """With credentials of another account, nothing is created."""
    script.write_text(script.read_text().replace(ACCOUNT, "444455556666"))
    done = sh()
    assert done.returncode == 1
    assert f"the credentials are for account {ACCOUNT}, not 444455556666" in done.stderr
    assert not windows()


def test_two_runs_at_once_export_once(sh: Callable, slot: Slot, script: Path):
    """The second of two runs stops at once, and names the lock to remove if it is old."""
    slot.meeting = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        done = [*pool.map(lambda _: sh(), range(2))]
    assert windows() == {1: 1, 2: 1}
    first, second = sorted(done, key=lambda run: run.returncode)
    assert (first.returncode, second.returncode) == (0, 1), first.stderr + second.stderr
    lock = script.parent / f"backfill-{ACCOUNT}-{REGION}.lock"
    remedy = (
        f"backfill: another run holds the lock; if there is no other run, remove it: rmdir '{lock}'"
    )
    assert remedy in second.stderr.splitlines()
    assert not lock.exists()


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGPIPE", "SIGTERM"])
def test_a_run_that_is_stopped_leaves_no_lock(name: str, start: Callable, script: Path):
    """A stopped run removes its lock; a run that finds a lock does not remove it."""
    number = signal.Signals[name]
    lock = script.parent / f"backfill-{ACCOUNT}-{REGION}.lock"
    process = start("sleep 300")
    while not lock.exists():
        time.sleep(0.05)
    assert start("exit 1").wait(30) == 1
    assert lock.exists()
    os.killpg(process.pid, number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert told.endswith(f"backfill: stopped; to continue: sh {script}\n")
    assert not lock.exists()


def test_a_slot_has_a_file_of_its_own(run: Callable, source: Path, page: Callable, tmp_path: Path):
    """Scripts of several slots go into a folder; a foreign file there is not replaced."""
    text = source.read_text()
    other = tmp_path / "other.json"
    other.write_text(text.replace(REGION, "us-east-1"))
    words = ("backfill", source, other, *RANGE, "--script")
    done = run(*words, tmp_path / "one.sh")
    assert done.exit_code == 2
    assert "each of the 2 slots has its own script; give a folder" in done.stderr
    folder = tmp_path / "scripts"
    done = run(*words, folder)
    assert done.exit_code == 0, done.stderr
    names = [f"backfill-{ACCOUNT}-{region}.sh" for region in (REGION, "us-east-1")]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["account", "region", "tasks"],
        [ACCOUNT, REGION, "2"],
        [ACCOUNT, "us-east-1", "2"],
    ]
    assert run(*words, folder).exit_code == 0
    (folder / names[1]).write_text("mine")
    (folder / names[0]).unlink()
    done = run(*words, folder)
    assert (done.exit_code, "is not a .sh file that this command wrote" in done.stderr) == (2, True)
    assert [path.read_text() for path in folder.iterdir()] == ["mine"]
    done = run("backfill", source, *RANGE, "--script", "x.sh", "--format", "json")
    assert (done.exit_code, "leave out --format json" in done.stderr) == (2, True)


def test_nothing_to_export_is_no_script(run: Callable, source: Path, tmp_path: Path):
    """Without anything to export, no file is written."""
    day = ("--since", "2026-11-19", "--until", "2026-11-20")
    done = run("backfill", source, *day, "--script", tmp_path / "none.sh")
    assert done.exit_code == 0
    assert "nothing to export" in done.stderr
    assert not (tmp_path / "none.sh").exists()
