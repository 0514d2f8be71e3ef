"""Syncs night after night, of which some are broken off: what is kept, and what is said."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archived import ACCOUNT, REGION, assert_same, session, task

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

REGIONS = [f"region-{number}" for number in range(4)]
TARGETS = [xs.Target(ACCOUNT, region) for region in REGIONS]
NIGHT = dt.datetime(2026, 11, 24, 6, tzinfo=dt.UTC)
A_DAY = 1440  # tasks, as `task` makes one a minute
SYNC = """
import sys
import exportstats as xs
from exportstats.archive import keeping
from exportstats.aws import load
keeping._SECONDS_BETWEEN_COMMITS, load._PAGES_OF_WALK = 0.05, 2
archive, url, regions = xs.Archive(sys.argv[1]), sys.argv[2], sys.argv[3:]
targets = [xs.Target("111122223333", region) for region in regions]
archive.sync(targets, endpoint_url=url, requests_per_second=None)
"""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Serve an empty list in each of four regions, from the first night on."""
    with Emulator(now=NIGHT, latency_seconds=0.1) as running:
        yield running


def pass_day(emulator: Emulator, day: int) -> None:
    """Create the tasks of a day in each region, end those of the day before, and go on to night.

    The last tasks of each day have not ended at night, and one is still running the night after.
    """
    for region in REGIONS:
        first = day * A_DAY
        for number in (*range(first, first + 600), first + 1420, first + 1430):
            code = "RUNNING" if number - first > 600 else "COMPLETED"
            emulator.add(task(number, code, region=region, taskId=f"{region}-{number}"))
        if day:
            emulator.update(f"{region}-{first - 10}", status={"code": "FAILED"})
        if day > 1:
            emulator.update(f"{region}-{first - A_DAY - 20}", status={"code": "CANCELLED"})
    emulator._ahead_seconds += 86_400 if day else 0


def start_sync(archive: xs.Archive, emulator: Emulator) -> subprocess.Popen[bytes]:
    """Start a sync in another process."""
    keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "made-up"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SYNC, archive.uri, emulator.url, *REGIONS],
        env={**os.environ, **keys},
    )


def commits(archive: xs.Archive) -> int:
    """Return the number of commits of tasks; a file alone is not yet part of the table."""
    return len([*Path(archive.uri, "tasks", "_delta_log").glob("*.json")])


def whole(emulator: Emulator) -> pd.DataFrame:
    """Return all tasks that the emulator lists."""
    return xs.fetch_tasks(TARGETS, session=session(), endpoint_url=emulator.url, progress=False)


def states(archive: xs.Archive) -> dict[str, set[str]]:
    """Return every state in which each task was seen."""
    seen: dict[str, set[str]] = {}
    for rows in archive.observations.map(lambda rows: rows):
        for name, state in zip(rows["task_id"], rows["status_code"].astype(str), strict=True):
            seen.setdefault(name, set()).add(state)
    return seen


@pytest.mark.slow
def test_three_nights(archive: xs.Archive, emulator: Emulator):
    """Three nights, the second killed half-way and the third run twice, keep what is listed.

    The archive equals that of a full fetch of every night, task by task and state by state.
    """
    kept = xs.Archive(f"{archive.uri}-of-full-fetches")

    pass_day(emulator, 0)
    kept.add(whole(emulator))
    assert start_sync(archive, emulator).wait(60) == 0
    assert_same(archive.tasks(), kept.tasks(), seen=False)

    pass_day(emulator, 1)
    kept.add(whole(emulator))
    before = commits(archive)
    with start_sync(archive, emulator) as running:
        while commits(archive) == before:
            assert running.poll() is None
            time.sleep(0.005)
        running.send_signal(signal.SIGKILL)
    with pytest.warns(xs.PartialListWarning, match="read only in part at 2026-11-25 06:0"):
        half = archive.tasks()
    assert 602 * len(REGIONS) < len(half) < len(kept.tasks())

    pass_day(emulator, 2)
    kept.add(whole(emulator))
    twice = [start_sync(archive, emulator) for _ in range(2)]
    assert [running.wait(60) for running in twice] == [0, 0]
    assert_same(archive.tasks(), kept.tasks(), seen=False)
    of_full_fetches = states(kept)
    assert all(seen <= of_full_fetches[name] for name, seen in states(archive).items())
    assert archive.tasks()["status_code"].value_counts()["CANCELLED"] == len(REGIONS)


def read(archive: xs.Archive, emulator: Emulator, *, region: str = REGION) -> None:
    """Sync one region."""
    target = xs.Target(ACCOUNT, region)
    archive.sync([target], session=session(), endpoint_url=emulator.url, progress=False)


def test_a_later_sync_that_is_broken_off_is_told(archive: xs.Archive):
    """Reading says that tasks are missing, of this list alone, until a sync has read the rest."""
    with Emulator(map(task, range(100)), now=NIGHT) as emulator:
        read(archive, emulator)
        read(archive, emulator, region="us-east-1")
        for number in range(100, 300):
            emulator.add(task(number))
        emulator._ahead_seconds += 3600
        emulator._faults = (Fault("deny", at=(5,)),)
        with pytest.raises(xs.LoadError, match="100 new or changed tasks are kept"):
            read(archive, emulator)
        says = f"{ACCOUNT}, {REGION} was read only in part at 2026-11-24 07:00Z, so tasks are mis"
        for ask in (archive.tasks, lambda: xs.read_tasks(archive.uri)):
            with pytest.warns(xs.PartialListWarning, match=says):
                assert len(ask()) == 200
        with pytest.warns(xs.PartialListWarning, match=says):
            xs.status_breakdown(archive)
        archive.tasks(regions=["us-east-1"])
        archive.tasks(as_of="2026-11-24T06:30Z")
        emulator._faults = ()
        emulator._ahead_seconds += 3600
        read(archive, emulator)
        assert len(archive.tasks()) == 300


def test_a_sync_broken_off_among_known_tasks_leaves_nothing_out(archive: xs.Archive):
    """If no new task was kept, none is missing, and nothing is said."""
    with Emulator([*map(task, range(100)), task(0, "RUNNING", taskId="a")], now=NIGHT) as emulator:
        read(archive, emulator)
        emulator._ahead_seconds += 3600
        emulator._faults = (Fault("deny", at=(5,)),)
        with pytest.raises(xs.LoadError, match=r"\(0 new or changed tasks are kept"):
            read(archive, emulator)
    assert len(archive.tasks()) == 101
