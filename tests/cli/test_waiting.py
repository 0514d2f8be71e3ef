"""`eta` and `wait`: when active tasks will be done, and how waiting ends."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = 1_760_000_000_000
TASK: dict[str, Any] = {
    "taskId": "the-one",
    "region": "eu-west-1",
    "accountId": "111122223333",
    "logGroupName": "/app",
    "status": {"code": "PENDING"},
    "executionInfo": {"creationTime": NOW},
}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Serve one PENDING task, with a short interval between requests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111122223333")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr("exportstats.aws.wait._SOONEST_SECONDS", 0.05)
    with Emulator([TASK]) as served:
        yield served


@pytest.mark.parametrize(("end", "code"), [("COMPLETED", 0), ("FAILED", 1), ("CANCELLED", 1)])
def test_waiting_ends_with_the_task(run: Callable, emulator: Emulator, end: str, code: int):
    """The exit code is 0 only for COMPLETED; state, time and message are printed."""

    def live() -> None:
        for state in ("RUNNING", end):
            time.sleep(0.3)
            over = {"completionTime": NOW + 90_000} if state == end else {}
            emulator.update(
                "the-one", status={"code": state, "message": "so it is"}, executionInfo=over
            )

    thread = threading.Thread(target=live)
    thread.start()
    done = run("wait", "the-one", "--endpoint-url", emulator.url)
    thread.join()
    assert done.exit_code == code
    assert f"{end} after 1 min 30 s" in done.stderr
    assert ("so it is" in done.stderr) == (end != "COMPLETED")
    assert done.stdout == ""


@pytest.mark.parametrize(("end", "code"), [("COMPLETED", 0), ("FAILED", 1)])
def test_old_tasks_are_not_waited_for(
    run: Callable, serve: Callable, made: Callable, end: str, code: int
):
    """Of 19,000 tasks, `wait` fetches the newest 500 for its estimate, and then its own."""
    emulator = serve([{**TASK, "status": {"code": end}}, *made(19_000)])
    assert run("wait", "the-one").exit_code == code
    asked = [one.params for one in emulator.requests if one.operation == "DescribeExportTasks"]
    assert [one.get("taskId") for one in asked] == [None] * 10 + ["the-one"]


@pytest.mark.parametrize("page", [1, 2, 11])
def test_a_page_that_fails_is_no_success(run: Callable, serve: Callable, made: Callable, page: int):
    """If a page of the history fails, `wait` still waits and ends as the task does."""
    serve(
        [{**TASK, "status": {"code": "COMPLETED"}}, *made(600)],
        faults=[Fault("deny", at=(page,))],
    )
    done = run("wait", "the-one")
    assert done.exit_code == (0 if page == 2 else 1), done.stderr


@pytest.mark.parametrize(
    ("state", "text"), [("ARCHIVED", "ARCHIVED"), (None, "in an unknown state")]
)
def test_an_unknown_state(run: Callable, emulator: Emulator, state: str | None, text: str):
    """An unknown state ends the wait at once, with an error."""
    emulator.update("the-one", status={"code": state})
    done = run("wait", "the-one", "--endpoint-url", emulator.url, "--timeout", "5min")
    assert done.exit_code == 1
    assert text in done.stderr
    assert "time is up" not in done.stderr


def test_the_time_can_be_up(run: Callable, emulator: Emulator):
    """A time limit exits with 1; an unknown task or an invalid length is one line too."""
    done = run("wait", "the-one", "--endpoint-url", emulator.url, "--timeout", "200ms")
    assert done.exit_code == 1
    assert "the timeout has passed and the task is still PENDING" in done.stderr
    done = run("wait", "nobody", "--endpoint-url", emulator.url)
    assert (done.exit_code, "no task 'nobody'" in done.stderr) == (1, True)
    done = run("wait", "the-one", "--endpoint-url", emulator.url, "--timeout", "soon")
    assert (done.exit_code, "--timeout soon" in done.stderr) == (2, True)


def test_an_archive_keeps_each_look(run: Callable, emulator: Emulator, tmp_path: Path):
    """With --archive, it has every state that was seen, and bounds of waiting and running."""
    emulator._ahead_seconds += NOW / 1000 + 10 - time.time()

    def live() -> None:
        for state, after in (("RUNNING", 30), ("COMPLETED", 90)):
            time.sleep(0.4)
            emulator._ahead_seconds += 60
            over = {"completionTime": NOW + after * 1000} if state == "COMPLETED" else {}
            emulator.update("the-one", status={"code": state}, executionInfo=over)

    thread = threading.Thread(target=live)
    thread.start()
    address = tmp_path / "history"
    done = run("wait", "the-one", "--endpoint-url", emulator.url, "--archive", address)
    thread.join()
    assert (done.exit_code, done.stderr.count("\n")) == (0, 1)
    archive = xs.Archive(address)
    states = archive.history("the-one")["status_code"].astype("str").unique()
    assert states.tolist() == ["PENDING", "RUNNING", "COMPLETED"]
    (phases,) = xs.phase_durations(archive).to_dict("records")
    assert phases["looks"] >= 2
    assert phases["waiting_low"] >= pd.Timedelta("10s")
    assert phases["waiting_high"] <= pd.Timedelta("80s")
    assert phases["waiting_low"] + phases["running_high"] == pd.Timedelta("90s")


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED"])
def test_an_archive_that_fails_does_not_stop_it(
    run: Callable, emulator: Emulator, tmp_path: Path, end: str
):
    """A failing archive is reported once, and the exit code is that of the task."""
    (tmp_path / "file").write_text("not a folder")
    thread = threading.Timer(0.5, emulator.update, ["the-one"], {"status": {"code": end}})
    thread.start()
    where = tmp_path / "file" / "history"
    done = run("wait", "the-one", "--endpoint-url", emulator.url, "--archive", where)
    thread.join()
    assert done.exit_code == (0 if end == "COMPLETED" else 1)
    assert done.stderr.count("what is seen is not kept: ") == 1
    assert str(where) in done.stderr
    assert end in done.stderr
    done = run("wait", "the-one", "--archive", "gs://bucket/history")
    assert (done.exit_code, "gs://bucket/history" in done.stderr) == (2, True)


def test_eta_lists_the_active_tasks(run: Callable, sample_file: Path):
    """`eta` lists the active tasks of the sample as the function estimates them."""
    rows = json.loads(run("eta", sample_file, "--format", "json").stdout)
    told = xs.estimate_completion(xs.sample_tasks())
    assert [row["task_id"] for row in rows] == told["task_id"].to_list()
    assert [row["remaining_seconds"] for row in rows] == [
        length.total_seconds() for length in told["remaining"]
    ]
    shown = run("eta", sample_file).stdout
    assert shown.startswith("3 active tasks\n")
    assert "PENDING_CANCEL" in shown


def test_nothing_active_is_one_line(run: Callable, tmp_path: Path):
    """Without active tasks there is one line and no table."""
    tasks = xs.sample_tasks()
    xs.write_tasks(tasks[tasks["status_code"] == "FAILED"], tmp_path / "failed.csv")
    assert run("eta", tmp_path / "failed.csv").stdout == "no active tasks\n"
