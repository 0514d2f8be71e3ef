"""Count what a sync costs over a long history, and time how a large archive is read.

`python -m benchmarks.sync` syncs from the emulator, in another process: one slot of 100,000 tasks,
and 200 slots of 5,000. Then 50 tasks are created in the slot, and one in each of the 200, and they
are synced; and once more, with nothing new. It also reads a million tasks in turn with pandas'
`read_parquet` of the same files, once to warm up and five times more.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd

import exportstats as xs
from benchmarks.archive import files_of, keep
from benchmarks.measure import cpu_seconds, memory
from exportstats.core import schema
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

MOST_REQUESTS, MOST_PER_SLOT, MOST_RATIO, MOST_BYTES = 3, 1.1, 2.5, 60

_ACCOUNT = "111122223333"
_HISTORIES = ((1, 100_000, 50), (200, 5_000, 1))  # slots, tasks in each, new ones in each
_MILLION, _RUNS = 1_000_000, 5
_START, _MINUTE = 1_767_225_600_000, 60_000  # 2026-01-01


def _task(slot: int, number: int) -> dict[str, Any]:
    created = _START + number * _MINUTE
    return {
        "accountId": _ACCOUNT,
        "region": f"region-{slot}",
        "taskId": f"{slot:08x}-0000-4000-8000-{number:012x}",
        "taskName": f"nightly-{number // 100}",
        "logGroupName": f"/acme/{number % 10:04}",
        "from": created - 86_400_000,
        "to": created - 1,
        "destination": f"acme-logs-{slot}",
        "destinationPrefix": f"nightly/{number % 10:04}",
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {"creationTime": created, "completionTime": created + 30_000},
    }


def _serve(end: Connection, slots: int, each: int) -> None:
    tasks = (_task(slot, number) for slot in range(slots) for number in range(each))
    with Emulator(tasks) as emulator:
        end.send(emulator.url)
        for new in iter(end.recv, None):
            for slot in range(slots):
                for number in range(each, each + new):
                    emulator.add(_task(slot, number))
            end.send(None)


@contextmanager
def _serving(slots: int, each: int) -> Iterator[tuple[str, Callable[[int], None]]]:
    """Serve tasks from another process; yield the address, and a function that creates more."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(there, slots, each))
    process.start()

    def create(new: int) -> None:
        here.send(new)
        here.recv()

    yield here.recv(), create
    here.send(None)
    process.join()


def _verdict(found: float, most: float) -> str:
    return "kept" if found <= most else "**missed**"


def _sync_history(slots: int, each: int, new: int) -> None:
    """Print what three syncs of a history cost."""
    targets = [xs.Target(_ACCOUNT, f"region-{slot}") for slot in range(slots)]
    session = boto3.Session(_ACCOUNT, "made-up", region_name="region-0")
    most = MOST_REQUESTS if slots == 1 else MOST_PER_SLOT * slots
    with tempfile.TemporaryDirectory() as folder, _serving(slots, each) as (url, create):
        archive = xs.Archive(folder)
        for what in ("all", "new", "nothing new"):
            if what == "new":
                create(new)
            commits, before, started = _commits(folder), memory(), time.perf_counter()
            found = archive.sync(
                targets,
                session=session,
                endpoint_url=url,
                requests_per_second=None,
                progress=False,
            )
            took, peak = time.perf_counter() - started, memory(peak=True) - before
            requests, arrived = found["requests"].sum(), found["new"].sum()
            commits = _commits(folder) - commits
            bound = "" if what == "all" else _verdict(requests, most)
            if what == "nothing new" and commits:
                bound = "**missed**"
            cells = f"{requests:,} | {arrived:,} | {commits} | {took:.1f} | {peak:.0f}"
            print(f"| {slots} of {each:,} | {what} | {cells} | {bound} |", flush=True)


def _commits(folder: str) -> int:
    return len([*Path(folder).glob("*/_delta_log/*.json")])


def _read_million() -> None:
    """Print how large the archive of a million tasks is, and what reading it costs."""
    with tempfile.TemporaryDirectory() as folder:
        archive = keep(folder, _MILLION)
        files = files_of(folder)
        size = sum(Path(file).stat().st_size for file in files) / _MILLION
        names = [column.name for column in schema.TASKS.base]
        readers = {
            "read_parquet": lambda: pd.read_parquet(files, columns=names),
            ".tasks()": archive.tasks,
        }
        costs: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(1 + _RUNS):
            for name, read in readers.items():
                spent = cpu_seconds()
                read()
                costs[name].append(cpu_seconds() - spent)
        theirs, ours = (min(spent[1:]) for spent in costs.values())
    print(f"\nbytes a task: {size:.0f}, {_verdict(size, MOST_BYTES)}")
    print(f"CPU seconds: read_parquet {theirs:.2f}, .tasks() {ours:.2f}, ", end="")
    print(f"ratio {ours / theirs:.2f}, {_verdict(ours / theirs, MOST_RATIO)}")


if __name__ == "__main__":
    print("| slots | sync of | requests | tasks | commits | s | peak MiB | |")
    print("|---|---|--:|--:|--:|--:|--:|---|")
    for _history in _HISTORIES:
        _sync_history(*_history)
    _read_million()
