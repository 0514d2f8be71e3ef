"""The rate limit, and the progress bar."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from exportstats.aws import client as client_module
from exportstats.aws.client import SERVICE_RATE, RateLimit
from exportstats.aws.tasks import TASKS, fetch_tasks
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


# The rate limit


class Clock(SimpleNamespace):
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        super().__init__(now=100.0, slept=[])

    def monotonic(self) -> float:
        """Return the time."""
        return float(self.now)

    def sleep(self, seconds: float) -> None:
        """Advance the time."""
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock of the rate limit."""
    made = Clock()
    monkeypatch.setattr(client_module, "time", made)
    return made


def test_the_pace_is_one_request_an_interval(clock: Clock) -> None:
    """The first request is sent at once, and each other one an interval later, without bursts."""
    limit = RateLimit(4)
    for _ in range(4):
        limit.wait()
    assert clock.slept == [0.25, 0.25, 0.25]
    clock.now += 10
    for _ in range(3):
        limit.wait()
    assert clock.slept == [0.25] * 5


def test_the_pace_holds_for_many_threads_together() -> None:
    """N requests take at least (n - 1) intervals, from any number of threads."""
    limit, passed = RateLimit(100), []

    def ask() -> None:
        for _ in range(5):
            limit.wait()
            passed.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 20
    assert max(passed) - min(passed) >= 19 / 100 - 0.02  # the resolution of a clock


@pytest.mark.parametrize(
    ("endpoint_url", "requests_per_second", "wanted"),
    [
        (None, "quota", 1 / SERVICE_RATE),
        ("https://vpce-0a1b.logs.eu-west-1.vpce.amazonaws.com", "quota", 1 / SERVICE_RATE),
        (None, 2, 0.5),
        (None, None, None),
        ("http://localhost:4566", "quota", None),
        ("https://logs.eu-west-1.amazonaws.com.evil.example", "quota", None),
        ("http://localhost:4566", 2, 0.5),
    ],
)
def test_the_quota_is_kept_at_aws_and_nowhere_else(
    make_session: Make,
    in_place_of_aws: Make,
    clock: Clock,
    endpoint_url: str | None,
    requests_per_second: float | str | None,
    wanted: float | None,
) -> None:
    """The default is 5 per second at AWS and no limit elsewhere; a number always applies."""
    session = make_session()
    in_place_of_aws(session)
    made = client_module.make_client(
        session,
        region="eu-west-1",
        endpoint_url=endpoint_url,
        requests_per_second=requests_per_second,
        operation=TASKS,
    )
    for _ in range(3):
        client_module.ask(made, TASKS, {})
    made.close()
    assert clock.slept == ([wanted] * 2 if wanted else [])


@pytest.mark.usefixtures("no_waiting")
def test_what_is_tried_again_is_paced_too(
    make_session: Make, make_tasks: Make, clock: Clock
) -> None:
    """Retries count: seven requests have six intervals between them."""
    faults = [Fault("throttle", at=(2, 3)), Fault("html", at=(5,)), Fault("drop", at=(6,))]
    with Emulator(make_tasks(9), faults=faults) as emulator:
        found = fetch_tasks(
            session=make_session(), endpoint_url=emulator.url, limit=4, requests_per_second=8
        )
    assert len(found) == 9
    assert clock.slept == [0.125] * 6


def test_at_the_quotas_pace_nothing_is_throttled(make_session: Make, make_tasks: Make) -> None:
    """Thirty pages at the quota are not throttled by the service."""
    with Emulator(make_tasks(30), requests_per_second=20) as emulator:
        begin = time.monotonic()
        found = fetch_tasks(
            session=make_session(), endpoint_url=emulator.url, limit=1, requests_per_second=20
        )
        taken = time.monotonic() - begin
    assert len(found) == 30
    assert {seen.outcome for seen in emulator.requests} == {"ok"}
    assert taken >= 29 / 20 - 0.05


# Progress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.mark.parametrize(
    ("where", "progress", "shown"),
    [
        ("pipe", None, False),
        ("pipe", True, True),
        ("terminal", None, True),
        ("terminal", False, False),
        ("notebook", None, True),
        ("notebook", False, False),
    ],
)
def test_progress_is_shown_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    make_session: Make,
    make_tasks: Make,
    where: str,
    progress: bool | None,  # noqa: FBT001
    shown: bool,  # noqa: FBT001
) -> None:
    """A terminal, a notebook or `progress=True` shows the tasks so far and their rate."""
    monkeypatch.setattr(sys, "stderr", Terminal() if where == "terminal" else io.StringIO())
    monkeypatch.delitem(sys.modules, "ipykernel.kernelapp", raising=False)
    if where == "notebook":
        monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", ModuleType("kernelapp"))
    with Emulator(make_tasks(120)) as emulator:
        fetch_tasks(session=make_session(), endpoint_url=emulator.url, progress=progress)
    written = sys.stderr.getvalue()
    if shown:
        assert re.search(r"export tasks us-east-1: 120 tasks \[.*tasks/s\]", written)
    else:
        assert written == ""
