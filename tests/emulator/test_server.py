"""The server of the emulator: many clients, hanging ones, and its end."""

from __future__ import annotations

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError
from emulated import ACCOUNT, OTHER, all_ids, make_task, make_tasks, numbered, raw

from exportstats.emulator import Emulator, Fault
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    Connect = Callable[..., Any]


def test_eight_clients_at_once_lose_nothing(connect: Connect) -> None:
    """Eight clients of four slots get complete lists, and every request is recorded."""
    slots = [
        (account, region) for account in (ACCOUNT, OTHER) for region in ("eu-west-1", "us-east-1")
    ]
    tasks = [
        make_task(number, accountId=account, region=region)
        for account, region in slots
        for number in range(200)
    ]
    with Emulator(tasks) as emulator:
        clients = [connect(emulator, *slot) for slot in slots * 2]
        with ThreadPoolExecutor(8) as pool:
            lists = list(pool.map(lambda c: all_ids(c, PaginationConfig={"PageSize": 10}), clients))
        assert len(emulator.requests) == 8 * 20
    assert all(found == numbered(*reversed(range(200))) for found in lists)


def test_stop_does_not_wait_for_those_who_hang(connect: Connect) -> None:
    """It stops within a second and closes the connections of waiting clients."""
    with ThreadPoolExecutor(4) as pool, Emulator(faults=[Fault("hang")]) as emulator:
        clients = [connect(emulator, read_timeout=60) for _ in range(4)]
        waiting = [pool.submit(client.describe_export_tasks) for client in clients]
        while len(emulator.requests) < 4:
            time.sleep(0.01)
        start = time.perf_counter()
        emulator.stop()
        for future in waiting:
            assert isinstance(future.exception(timeout=5), BotoCoreError)
        assert time.perf_counter() - start < 1


def test_after_stop_nothing_is_answered(connect: Connect) -> None:
    """Open connections are closed too, and the emulator can be started again."""
    emulator = Emulator(make_tasks(1))
    with emulator:
        client = connect(emulator)
        assert all_ids(client) == numbered(0)
    with pytest.raises(BotoCoreError):
        client.describe_export_tasks()
    with emulator:
        assert all_ids(connect(emulator)) == numbered(0)


def test_a_client_that_goes_away_is_no_trouble(
    connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    """A client that disconnects causes no traceback, and others are answered."""
    faults = [Fault("slow", at=(1,), seconds=0.3)]
    with Emulator(make_tasks(1), faults=faults) as emulator:
        with pytest.raises(BotoCoreError):
            connect(emulator, read_timeout=0.1).describe_export_tasks()
        assert all_ids(connect(emulator)) == numbered(0)
        time.sleep(0.4)
    assert capfd.readouterr().err == ""


def test_a_port_in_use_is_an_error() -> None:
    """An unavailable port is an ArgumentError that names it."""
    with Emulator() as emulator:
        port = int(emulator.url.rpartition(":")[2])
        with pytest.raises(ArgumentError, match=f"port {port}"):
            Emulator(port=port).start()


def test_the_emulator_leaves_no_thread() -> None:
    """After it stops, its threads end."""
    before = threading.active_count()
    with Emulator() as emulator:
        connection = http.client.HTTPConnection(emulator.url.removeprefix("http://"))
        raw(emulator, connection=connection)
        assert threading.active_count() > before
    connection.close()
    deadline = time.perf_counter() + 2
    while threading.active_count() > before and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
