"""Incomplete lists: the error, the tasks that arrived, and how to continue."""

from __future__ import annotations

import pickle
import re
import signal
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import exportstats as xs
from exportstats.aws.tasks import fetch_tasks
from exportstats.core import frames, schema
from exportstats.emulator import Emulator, Fault, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    Make = Callable[..., Any]

ACCOUNT = "111122223333"
pytestmark = pytest.mark.usefixtures("no_waiting")


def asked(emulator: Emulator) -> int:
    """Count the requests for tasks, including retries."""
    return sum(seen.operation == wire.TASKS for seen in emulator.requests)


def join(first: pd.DataFrame, rest: pd.DataFrame) -> pd.DataFrame:
    """Join both parts as the documentation says."""
    return xs.conform(pd.concat([first, rest]))


# Failures

FAILURES = {
    "throttle": (10, "ThrottlingException after 10 of 10 attempts: Rate exceeded", "try again"),
    "unavailable": (10, "ServiceUnavailableException after 10 of 10 attempts", "try again"),
    "drop": (10, "Connection was closed before we received a valid response", "try again"),
    "cut": (5, "answer was incomplete in every attempt", "try again"),
    "short": (5, "answer was incomplete in every attempt", "try again"),
    "invalid_json": (5, "answer was incomplete in every attempt", "try again"),
    "html": (5, "answer was incomplete in every attempt: .*<!DOCTYPE html>", "try again"),
    "expired": (1, "ExpiredTokenException: The security token .* is expired", "sign in again"),
    "unrecognized": (1, "UnrecognizedClientException: The security token", "check .* credentials"),
    "deny": (1, "AccessDeniedException: User: .* is not authorized", "allow the action"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_part_way_keeps_what_came_and_continues(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make, kind: str
) -> None:
    """The error has the cause, the place and the remedy; both parts are the whole list."""
    attempts, reason, remedy = FAILURES[kind]
    tasks = make_tasks(25)
    trouble = Fault(kind, at=tuple(range(3, 3 + attempts)))
    with Emulator(tasks, faults=[trouble]) as emulator:
        ask = {"session": session, "endpoint_url": emulator.url, "limit": 4}
        with pytest.raises(xs.LoadError) as caught:
            fetch_tasks(**ask)
        assert asked(emulator) == 2 + attempts
        error = caught.value
        assert_tasks(error.tasks, tasks[:8])
        assert error.next_token == emulator.requests[-1].params["nextToken"]
        rest = fetch_tasks(**ask, next_token=error.next_token)
        whole = fetch_tasks(**ask)
    text = str(error)
    assert text.startswith(f"page 3 of {ACCOUNT} in us-east-1: ")
    assert re.search(f"{reason}.*; .*{remedy}", text)
    assert text.endswith("(8 tasks arrived)")
    assert "\n" not in text
    assert error.__context__ is not None  # for debugging
    assert error.__cause__ is None
    assert_tasks(rest, tasks[8:])
    joined = join(error.tasks, rest)
    assert_tasks(joined, tasks)
    assert_frame_equal(joined.drop(columns="observed_at"), whole.drop(columns="observed_at"))


def test_a_notebook_shows_the_sentence_and_the_failures_whole(session: boto3.Session) -> None:
    """The traceback has no errors of boto3 and urllib3, and `.failures` shows full texts."""
    with Emulator(faults=[Fault("deny")]) as emulator, pytest.raises(xs.LoadError) as caught:
        fetch_tasks(session=session, endpoint_url=emulator.url)
    error = caught.value
    shown = "".join(traceback.format_exception(error))
    assert "botocore" not in shown
    assert str(error) in shown
    whole = 'allow the action logs:DescribeExportTasks on the resource "*"'
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
    for failures in (error.failures, again.failures):
        assert failures.loc[0, "remedy"] == whole
        assert whole in repr(failures)
        assert whole in failures._repr_html_()
        assert type(failures.head()) is pd.DataFrame


def test_an_unforeseen_error_keeps_its_traceback(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error is shown with its full traceback."""
    monkeypatch.setattr("exportstats.aws.load.ask", lambda *_: 1 / 0)
    with pytest.raises(xs.LoadError, match="please report it") as caught:
        fetch_tasks(session=session)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_failure_at_once_has_an_empty_table(session: boto3.Session) -> None:
    """If nothing arrived, the error has an empty table of tasks and no token."""
    with (
        Emulator(faults=[Fault("deny")]) as emulator,
        pytest.raises(xs.LoadError, match=r"page 1 of .*\(0 tasks arrived\)") as caught,
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url)
    assert_frame_equal(caught.value.tasks, frames.empty())
    assert caught.value.next_token is None


def test_continuing_after_the_list_moved_loses_nothing(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """Tasks created before continuing cause no repeated and no lost rows."""
    tasks = make_tasks(20)
    with Emulator(tasks, faults=[Fault("expired", at=(4,))]) as emulator:
        ask = {"session": session, "endpoint_url": emulator.url, "limit": 3}
        with pytest.raises(xs.LoadError) as caught:
            fetch_tasks(**ask)
        for task in make_tasks(22)[:2]:
            emulator.add(task)
        rest = fetch_tasks(**ask, next_token=caught.value.next_token)
    assert len(caught.value.tasks) + len(rest) == 22  # two of them twice
    assert_tasks(join(caught.value.tasks, rest), tasks)


def test_a_fetch_can_continue_after_each_failure(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """A list that fails at every second page can be loaded in parts, with filters too."""
    tasks = [task for task in make_tasks(60) if task["status"]["code"] == "FAILED"]
    with Emulator(make_tasks(60), faults=[Fault("deny", every=2)]) as emulator:
        pieces, token, failures = [], None, 0
        while True:
            try:
                pieces.append(
                    fetch_tasks(
                        session=session,
                        endpoint_url=emulator.url,
                        status="FAILED",
                        limit=3,
                        next_token=token,
                    )
                )
                break
            except xs.LoadError as error:
                pieces.append(error.tasks)
                token, failures = error.next_token, failures + 1
    assert failures == 3
    assert_tasks(xs.conform(pd.concat(pieces)), tasks)


def test_expired_credentials_are_renewed(
    make_session: Make, make_tasks: Make, assert_tasks: Make
) -> None:
    """The token is still valid with renewed credentials."""
    tasks = make_tasks(9, accountId="123456789012")
    trouble = Fault("expired", access_key="AKIDOLD", at=(2,))
    with Emulator(tasks, faults=[trouble]) as emulator:
        with pytest.raises(xs.LoadError, match="aws sso login") as caught:
            fetch_tasks(session=make_session("AKIDOLD"), endpoint_url=emulator.url, limit=4)
        rest = fetch_tasks(
            session=make_session("AKIDNEW"),
            endpoint_url=emulator.url,
            limit=4,
            next_token=caught.value.next_token,
        )
    assert_tasks(join(caught.value.tasks, rest), tasks)


def test_a_token_that_is_too_old_is_not_offered_again(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """If the service refuses the token, the remedy is to start again without it."""
    tasks = make_tasks(9)
    with (
        Emulator(tasks, faults=[Fault("expired_token")]) as emulator,
        pytest.raises(xs.LoadError, match=r"nextToken is expired; .* start again") as caught,
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url, limit=4)
    assert_tasks(caught.value.tasks, tasks[:4])
    assert caught.value.next_token is None


def test_access_denied_names_the_permission(session: boto3.Session) -> None:
    """The error names the action and the resource to allow."""
    with (
        Emulator(faults=[Fault("deny")]) as emulator,
        pytest.raises(xs.LoadError, match=r'logs:DescribeExportTasks on the resource "\*"'),
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url)


def test_a_service_that_recovers_is_not_an_error(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """Nine refused attempts are retried, and the tenth succeeds."""
    tasks = make_tasks(9)
    trouble = Fault("throttle", at=tuple(range(2, 11)))
    with Emulator(tasks, faults=[trouble]) as emulator:
        assert_tasks(fetch_tasks(session=session, endpoint_url=emulator.url, limit=5), tasks)
        assert asked(emulator) == 11


# Ctrl-C

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import boto3, exportstats as xs
session = boto3.Session("111122223333", "made-up", region_name="us-east-1")
try:
    try:
        xs.fetch_tasks(session=session, endpoint_url=sys.argv[1], limit=10)
    except Exception:
        print("swallowed")
except xs.LoadInterrupted as stop:
    print(len(stop.tasks), stop.next_token, stop)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
def test_ctrl_c_hands_over_what_arrived(
    session: boto3.Session, make_tasks: Make, assert_tasks: Make
) -> None:
    """SIGINT during a request is not caught by `except Exception`."""
    tasks = make_tasks(30)
    with Emulator(tasks, faults=[Fault("hang", at=(3,))]) as emulator:
        command = [sys.executable, "-W", "error", "-c", PROGRAM, emulator.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            while asked(emulator) < 3 and child.poll() is None:
                time.sleep(0.01)
            child.send_signal(signal.SIGINT)
            said, _ = child.communicate(timeout=20)
        count, token, text = said.split(" ", 2)
        assert count == "20"
        assert text.startswith(f"page 3 of {ACCOUNT} in us-east-1: stopped by the user")
        rest = fetch_tasks(session=session, endpoint_url=emulator.url, next_token=token)
    assert_tasks(rest, tasks[20:])


@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_interrupt_at_any_page_loses_nothing(
    make_session: Make, make_tasks: Make, assert_tasks: Make, page: int
) -> None:
    """After Ctrl-C before any page, the tasks and the token complete the list."""
    tasks = make_tasks(9)
    session, pages = make_session(), 0

    def interrupt(**_: object) -> None:
        nonlocal pages
        pages += 1
        if pages == page:
            raise KeyboardInterrupt

    session.events.register("before-send.cloudwatch-logs", interrupt)
    with Emulator(tasks) as emulator:
        ask = {"session": session, "endpoint_url": emulator.url, "limit": 3}
        with pytest.raises(xs.LoadInterrupted) as caught:
            fetch_tasks(**ask)
        stop = caught.value
        assert not isinstance(stop, Exception)
        assert isinstance(stop, KeyboardInterrupt)
        assert len(stop.tasks) == 3 * (page - 1)
        assert_tasks(join(stop.tasks, fetch_tasks(**ask, next_token=stop.next_token)), tasks)


# Invalid arguments


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("status", value) for value in ("", "DONE", 5, ["FAILED"])),
        *(("task_id", value) for value in ("", "x" * 513, 5, b"a")),
        *(("limit", value) for value in (0, 51, -1, None, "5", 5.0, 2.5, True, np.nan)),
        *(("max_pages", value) for value in (0, -1, "5", 5.0, True)),
        *(("next_token", value) for value in ("", 5, b"a")),
        *(
            ("requests_per_second", value)
            for value in (0, -1, float("nan"), "5", "fast", True, [5])
        ),
    ],
)
def test_what_the_service_would_refuse_is_refused_before(
    session: boto3.Session, name: str, value: object
) -> None:
    """The error has the argument, its value and valid values; nothing was requested."""
    with (
        Emulator() as emulator,
        pytest.raises(xs.ArgumentError, match=f"^{re.escape(f'{name}={value!r}')}; give") as caught,
    ):
        fetch_tasks(session=session, endpoint_url=emulator.url, **{name: value})
    assert emulator.requests == []
    assert "endpoint_url" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("status", value) for value in (None, *schema.STATES, "COMPLETE")),
        *(("task_id", value) for value in (None, "x", "x" * 512, "ünïcode")),
        *(("limit", value) for value in (1, 50, np.int64(7))),
        *(("max_pages", value) for value in (None, 1, 10**9, np.int64(7))),
        *(
            ("requests_per_second", value)
            for value in (None, "quota", 1e9, np.int64(10**6), np.float64(1e6), float("inf"))
        ),
    ],
)
def test_what_the_service_takes_is_taken(session: boto3.Session, name: str, value: object) -> None:
    """Values at the limits and NumPy's numbers are accepted."""
    with Emulator() as emulator:
        assert fetch_tasks(session=session, endpoint_url=emulator.url, **{name: value}).empty
    assert asked(emulator) == 1


def test_a_session_and_a_profile_contradict_each_other(session: boto3.Session) -> None:
    """A session and a profile together are an error; neither is ignored."""
    with pytest.raises(xs.ArgumentError, match=r"profile='audit'.*leave one out$"):
        fetch_tasks(session=session, profile="audit")


def test_an_invalid_session_is_refused() -> None:
    """A client instead of a session is refused with the remedy."""
    with pytest.raises(xs.ArgumentError, match=r"session is a str; give a boto3\.Session"):
        fetch_tasks(session="audit")  # type: ignore[arg-type]
