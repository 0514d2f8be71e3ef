"""`wait_for_task` returns at every end, limits its requests and shows a forecast."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import exportstats as xs
from exportstats.aws import wait as wait_module
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NOW = 1_760_000_000_000
TASK = {
    "taskId": "the one",
    "region": "us-east-1",
    "accountId": "111122223333",
    "logGroupName": "/app",
    "status": {"code": "PENDING"},
    "executionInfo": {"creationTime": NOW},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll every few milliseconds."""
    monkeypatch.setattr(wait_module, "_SOONEST_SECONDS", 0.05)


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED", "CANCELLED"])
def test_it_goes_from_pending_to_each_end(make_session: Make, end: str):
    """The task goes through PENDING and RUNNING to each end, and its last state is returned."""
    with Emulator([TASK]) as emulator:
        seen: list[str] = []

        def live() -> None:
            for state in ("RUNNING", *(["PENDING_CANCEL"] if end == "CANCELLED" else []), end):
                seen_twice = len(emulator.requests) + 2
                while len(emulator.requests) < seen_twice:
                    time.sleep(0.01)
                over = {"completionTime": NOW + 60_000} if state == end else {}
                emulator.update("the one", status={"code": state}, executionInfo=over)
                seen.append(state)

        thread = threading.Thread(target=live, daemon=True)
        thread.start()
        task = xs.wait_for_task(
            "the one", session=make_session("111122223333"), endpoint_url=emulator.url
        )
        thread.join()
        asked = [request.operation for request in emulator.requests]
    assert seen[-1] == end
    assert task["status_code"].to_list() == [end]
    assert task["duration"].to_list() == [pd.Timedelta("1min")]
    assert asked.count("GetCallerIdentity") == 1
    assert asked.count("DescribeExportTasks") > 3


@pytest.mark.parametrize("state", ["ARCHIVED", None])
def test_an_unknown_state_is_not_waited_for(make_session: Make, state: str | None):
    """A task in a missing or unknown state is returned at once."""
    with Emulator([{**TASK, "status": {"code": state}}]) as emulator:
        task = xs.wait_for_task(
            "the one",
            session=make_session("111122223333"),
            endpoint_url=emulator.url,
            timeout="5min",
        )
    assert (
        task["status_code"].astype(object).where(task["status_code"].notna(), None).item() == state
    )


def test_the_time_can_be_up(make_session: Make):
    """After the timeout, the active task is returned as last seen."""
    started = time.monotonic()
    with Emulator([TASK]) as emulator:
        task = xs.wait_for_task(
            "the one",
            session=make_session("111122223333"),
            endpoint_url=emulator.url,
            timeout="300ms",
        )
    assert task["status_code"].to_list() == ["PENDING"]
    assert 0.3 < time.monotonic() - started < 5


def test_an_unknown_task_is_an_error_at_once(make_session: Make):
    """The error names the task and the remedy; so does an error of the service."""
    session = make_session("111122223333")
    with Emulator([TASK]) as emulator, pytest.raises(xs.LoadError, match="no task 'another'"):
        xs.wait_for_task("another", session=session, endpoint_url=emulator.url)
    with Emulator([TASK], faults=[Fault("deny")]) as emulator, pytest.raises(xs.LoadError):
        xs.wait_for_task("the one", session=session, endpoint_url=emulator.url)


@pytest.mark.parametrize("timeout", ["a while", "-1s", "0s", "60"])
def test_an_invalid_time_is_refused(timeout: str):
    """An invalid timeout is refused before any request."""
    with pytest.raises(xs.ArgumentError, match="timeout="):
        xs.wait_for_task("the one", timeout=timeout)


def test_one_looks_seldom_while_the_end_is_far(monkeypatch: pytest.MonkeyPatch):
    """The interval is a tenth of the rest, within 5 and 60 seconds; 5 without a forecast."""
    monkeypatch.setattr(wait_module, "_SOONEST_SECONDS", 5.0)
    for left, wanted in (("1s", 5.0), ("2min", 12.0), ("3h", 60.0)):
        forecast = pd.DataFrame({"remaining": [pd.Timedelta(left)]})
        assert wait_module._interval(forecast) == wanted
    assert wait_module._interval(None) == 5.0


def test_the_bar_shows_what_to_expect(make_session: Make, capsys: pytest.CaptureFixture[str]):
    """With a history the bar shows a forecast and its tasks; without, that there is none."""
    done = {"status": {"code": "COMPLETED"}}
    before = [
        {**TASK, **done, "taskId": f"{number}",
         "executionInfo": {"creationTime": NOW - number * 10_000_000,
                           "completionTime": NOW - number * 10_000_000 + 10**12}}
        for number in range(1, 30)
    ]  # fmt: skip
    session = make_session("111122223333")
    with Emulator([TASK, *before]) as emulator:
        where = {"session": session, "endpoint_url": emulator.url}
        history = xs.fetch_tasks(**where, progress=False)
        xs.wait_for_task("the one", history=history, timeout="200ms", progress=True, **where)
        output = capsys.readouterr().err
        xs.wait_for_task("the one", timeout="200ms", progress=True, **where)
        untold = capsys.readouterr().err
        xs.wait_for_task("1", progress=True, **where)
        ended = capsys.readouterr().err
    assert "PENDING" in output
    assert "from 29 tasks" in output
    assert "no history" in untold
    assert "COMPLETED |" in ended
    assert "█|, 11,574 d 2 h" in ended
