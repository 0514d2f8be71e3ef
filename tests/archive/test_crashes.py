"""Nothing is lost and nothing is twice: programs that are killed, or run at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import boto3
import pytest
from archived import ACCOUNT, assert_same, needs_moto, session, task
from support import WHOLE

import exportstats as xs
from exportstats.core import schema
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

KILLS = 100 if WHOLE else 2
REGIONS = [f"region-{number}" for number in range(8)]
TARGETS = [xs.Target(ACCOUNT, region) for region in REGIONS]
# Sync all the time, and print how many tasks are known after each; compact after every second one.
SCRIPT = """
import itertools, sys
import exportstats as xs
from exportstats.archive import keeping
keeping._SECONDS_BETWEEN_COMMITS = 0.05
archive, url, regions = xs.Archive(sys.argv[1]), sys.argv[2], sys.argv[3:]
targets = [xs.Target("111122223333", region) for region in regions]
print("ready", flush=True)
for number in itertools.count():
    archive.sync(targets, endpoint_url=url, requests_per_second=None)
    print(len(archive.tasks()), flush=True)
    if number % 2:
        archive.compact()
        archive.vacuum("0h")
"""


@pytest.fixture
def busy() -> Iterator[Emulator]:
    """Serve eight slots with 100 tasks each, with a little latency."""
    tasks = [task(number, region=region) for region in REGIONS for number in range(100)]
    with Emulator(tasks, latency_seconds=0.01) as emulator:
        yield emulator


def whole(emulator: Emulator) -> pd.DataFrame:
    """Return all tasks that the emulator lists."""
    return xs.fetch_tasks(TARGETS, session=session(), endpoint_url=emulator.url, progress=False)


def count_of(archive: xs.Archive) -> int:
    """Return the number of tasks, after checking that each is there once."""
    if not Path(archive.uri, "tasks").exists():
        return 0
    tasks = archive.tasks()
    assert not tasks.duplicated(list(schema.KEY)).any()
    return len(tasks)


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.filterwarnings("ignore::exportstats.PartialListWarning")
def test_programs_that_are_killed(archive: xs.Archive, busy: Emulator):
    """After `kill -9` of syncs and compactions at any moment, all that was acknowledged is there.

    A sync after that brings the archive to exactly what the service lists.
    """
    random = Random(16)  # noqa: S311 - nothing secret
    keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "made-up"}
    command = [sys.executable, "-c", SCRIPT, archive.uri, busy.url, *REGIONS]
    acknowledged, numbers = 0, dict.fromkeys(REGIONS, 100)
    for number in range(KILLS):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, **keys}
        ) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            if number % 4 == 0:
                acknowledged = int(running.stdout.readline())
            until = time.monotonic() + random.uniform(0, 1)
            while time.monotonic() < until:
                region = random.choice(REGIONS)
                busy.add(task(numbers[region], region=region))
                numbers[region] += 1
                time.sleep(0.02)
            running.send_signal(signal.SIGKILL)
            told = running.stdout.read().rpartition("\n")[0].splitlines()
        acknowledged = max([acknowledged, *map(int, told)])
        assert count_of(archive) >= acknowledged
    assert acknowledged >= 100 * len(REGIONS)
    archive.sync(TARGETS, session=session(), endpoint_url=busy.url)
    assert_same(archive.tasks(), whole(busy), seen=False)
    archive.compact()
    archive.vacuum()
    assert_same(archive.tasks(), whole(busy), seen=False)


def sync_at_once(archive: xs.Archive, emulator: Emulator, *, most: int = 8) -> None:
    """Run several syncs at once, half of them of the same slots."""

    def one(number: int) -> pd.DataFrame:
        targets = TARGETS if number % 2 else TARGETS[number : number + 2]
        return xs.Archive(archive.uri).sync(
            targets, session=session(), endpoint_url=emulator.url, progress=False
        )

    with ThreadPoolExecutor(most) as pool:
        assert all(found["reason"].isna().all() for found in pool.map(one, range(most)))


def test_eight_syncs_at_once(archive: xs.Archive, busy: Emulator):
    """All of them end, with a new archive and with one that is known, and each task is once."""
    sync_at_once(archive, busy)
    for region in REGIONS:
        busy.add(task(100, region=region))
    sync_at_once(archive, busy)
    assert count_of(archive) == 808
    assert_same(archive.tasks(), whole(busy), seen=False)
    assert len(archive.history("task-7")) == len(REGIONS)


@pytest.mark.slow
@pytest.mark.sampled
@needs_moto
def test_syncs_at_once_in_s3(moto: str, busy: Emulator, monkeypatch: pytest.MonkeyPatch):
    """The same in a bucket, with a compaction."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="history")
    client.close()
    archive = xs.Archive("s3://history")
    sync_at_once(archive, busy, most=8 if WHOLE else 3)
    assert_same(archive.tasks(), whole(busy), seen=False)
    archive.compact()
    assert archive.vacuum("0h")["deleted_files"].sum() > 0
    assert_same(archive.tasks(), whole(busy), seen=False)
    assert archive.info()["settled_until"].notna().all()
