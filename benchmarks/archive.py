"""Ask an archive of ten million tasks, and ask its files with SQL in DuckDB.

`python -m benchmarks.archive [TASKS]` keeps tasks of 300 slots, one in thirty of which was also
seen while it was active, and compacts the archive. It prints the bytes per task on disk, and for
each question the time and the peak memory of exportstats and of DuckDB, each alone in a fresh
process, with one process (or thread) and with two. The SQL takes each task in its latest state. It
has no confidence limits, censored median or empty periods. The weekly report is compared with the
sum of the questions.

`python -m benchmarks.archive growth [FILE]` asks archives of 10^5 to 10^7 tasks with one process,
and draws the CPU times to a PNG or SVG.
"""

# ruff: noqa: S608 - the queries are constants

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
from deltalake import DeltaTable

import exportstats as xs
from benchmarks.large import QUERIES
from benchmarks.measure import cpu_seconds, in_a_process, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 10_000_000
MOST_RATIO, MOST_GIB, MOST_BYTES = 2.0, 1.5, 60

_SLOTS, _REGIONS, _GROUPS, _BATCHES = 300, 10, 10, 10
_SEEN_TWICE = 30
_DAY = 86_400_000
_START = 20_454 * _DAY  # 2026-01-01
_SEED = 20261126
_REPORT = "weekly report"
_SIZES = (100_000, 1_000_000, SIZE)
_DURATION = "epoch_ms(completion_time) - epoch_ms(creation_time)"
QUESTIONS: dict[str, Callable[[xs.Archive], object]] = {
    "status_breakdown": partial(xs.status_breakdown, by="log_group_name"),
    "duration_summary": partial(xs.duration_summary, by="log_group_name"),
    "duration_trend": partial(xs.duration_trend, by="log_group_name"),
    "find_gaps": partial(xs.find_gaps, start="2026", end="2027"),
    "slot_usage": partial(xs.slot_usage, freq="W"),
    _REPORT: partial(xs.build_weekly_report, week="2026-W46"),
}
_SQL = {
    "status_breakdown": "select log_group_name, status_code, count(*) from tasks group by 1, 2",
    **QUERIES,
    # the time of tasks that run one after another, by the week in which they began
    "slot_usage": f"""
        select account_id, region, date_trunc('week', epoch_ms(epoch_ms(creation_time))),
            count(*), sum({_DURATION}) from tasks group by 1, 2, 3""",
}


def make(size: int, first: int, slots: int) -> pd.DataFrame:
    """Make tasks of a year for some slots, one after another in each."""
    random = np.random.default_rng(_SEED + first)
    each = size // _SLOTS
    slot = np.repeat(np.arange(first, first + slots), each)
    space = 365 * _DAY // each
    created = _START + np.tile(np.arange(each), slots) * space
    took = np.minimum(random.lognormal(np.log(0.3 * space), 0.5, len(slot)), 0.95 * space)
    states = np.array(["COMPLETED", "FAILED", "CANCELLED"])
    ids = random.integers(0, 2**63, (len(slot), 2))
    group = slot * _GROUPS + random.integers(0, _GROUPS, len(slot))
    ended = created + took.astype("int64")
    return xs.conform(
        pd.DataFrame(
            {
                "account_id": np.char.mod("%012d", slot // _REGIONS),
                "region": np.char.mod("region-%d", slot % _REGIONS),
                "task_id": [f"{one:016x}{two:016x}" for one, two in ids.tolist()],
                "task_name": np.char.mod("nightly-%d", created // _DAY),
                "log_group_name": np.char.mod("/acme/%04d", group),
                "from_time": created - 2 * _DAY,
                "to_time": created - _DAY - 1,
                "destination": np.char.mod("acme-logs-%d", slot // _REGIONS),
                "destination_prefix": np.char.mod("nightly/%04d", group),
                "status_code": states[random.choice(3, len(slot), p=[0.93, 0.05, 0.02])],
                "status_message": "Completed successfully",
                "creation_time": created,
                "completion_time": ended,
                # once a day
                "observed_at": (ended // _DAY + 1) * _DAY,
            }
        )
    )


def keep(folder: str, size: int) -> xs.Archive:
    """Keep the tasks, some of which were seen while they were active."""
    archive = xs.Archive(folder)
    slots = _SLOTS // _BATCHES
    for first in range(0, _SLOTS, slots):
        tasks = make(size, first, slots)
        seen = tasks.iloc[::_SEEN_TWICE]
        early = seen.assign(
            status_code="RUNNING", completion_time=pd.NaT, observed_at=seen["creation_time"]
        )
        archive.add(xs.conform(early))
        archive.add(tasks)
    archive.compact()
    return archive


def files_of(folder: str) -> list[str]:
    """Return the files of the current version."""
    return DeltaTable(f"{folder}/tasks").file_uris()


def ask(folder: str, question: str, processes: int) -> None:
    """Answer a question with exportstats."""
    archive = xs.Archive(folder)
    with ExitStack() as stack:
        if processes > 1:
            spawn = multiprocessing.get_context("spawn")
            archive = archive.on(stack.enter_context(ProcessPoolExecutor(processes, spawn)))
        QUESTIONS[question](archive)


def query(folder: str, question: str, threads: int) -> None:
    """Answer a question with DuckDB."""
    with duckdb.connect(config={"threads": threads}) as database:
        database.sql(
            f"""create view tasks as select * from read_parquet({files_of(folder)})
            qualify row_number() over (
                partition by account_id, region, task_id order by observed_at desc) = 1"""
        )
        database.sql(_SQL[question]).df()


CONTESTANTS = {"exportstats": ask, "DuckDB": query}


def _run(folder: str, contestant: str, question: str, number: int) -> None:
    QUESTIONS[question](xs.sample_tasks())  # imports are not measured
    before = memory()
    started, spent = time.perf_counter(), cpu_seconds()
    CONTESTANTS[contestant](folder, question, number)
    cost = time.perf_counter() - started, cpu_seconds() - spent
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    print(json.dumps((*cost, max(memory(peak=True), of_children, before) / 2**10)))


def pairs(size: int) -> Iterator[tuple[str, float, float]]:
    """Yield the CPU seconds of each question with one process, and those of DuckDB."""
    with tempfile.TemporaryDirectory() as folder:
        keep(folder, size)
        for question in _SQL:
            ours, theirs = (
                in_a_process("archive", folder, who, question, "1") for who in CONTESTANTS
            )
            yield question, ours[1], theirs[1]


def main(size: int) -> None:
    """Print one row per question."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        keep(folder, size)
        used = sum(Path(file).stat().st_size for file in files_of(folder))
        print(f"{size:,} tasks kept in {time.perf_counter() - started:.0f} s", end="; ")
        print(f"{used / size:.0f} bytes a task\n")
        print("| question | processes | s | DuckDB s | ratio | CPU s | DuckDB | GiB | DuckDB | |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|")
        whole = dict.fromkeys((1, 2), (0.0, 0.0, 0.0))
        for question in QUESTIONS:
            for number in (1, 2):
                ours = in_a_process("archive", folder, "exportstats", question, str(number))
                if question == _REPORT:
                    theirs = whole[number]
                else:
                    theirs = in_a_process("archive", folder, "DuckDB", question, str(number))
                    wall, cpu, peak = whole[number]
                    whole[number] = wall + ours[0], cpu + ours[1], max(peak, ours[2])
                kept = ours[0] <= MOST_RATIO * theirs[0] and ours[2] <= MOST_GIB
                cells = (ours[0], theirs[0], ours[0] / theirs[0], ours[1], theirs[1])
                cells += (ours[2], theirs[2])
                row = " | ".join(f"{cell:.1f}" for cell in cells)
                verdict = "kept" if kept else "**missed**"
                print(f"| {question} | {number} | {row} | {verdict} |", flush=True)


def growth(chart: str | None = None) -> None:
    """Print the CPU seconds of each question by the number of tasks, and draw them."""
    rows = {}
    for size in _SIZES:
        with tempfile.TemporaryDirectory() as folder:
            keep(folder, size)
            costs = {
                one: in_a_process("archive", folder, "exportstats", one, "1") for one in QUESTIONS
            }
        rows[size] = {one: cpu for one, (_, cpu, _) in costs.items()}
        rows[size]["largest GiB"] = max(peak for _, _, peak in costs.values())
    table = pd.DataFrame.from_dict(rows, orient="index")
    print("| tasks |", " | ".join(table), "|")
    print("|--:|" + "--:|" * len(table.columns))
    for size, row in table.iterrows():
        print(f"| {size:,} |", " | ".join(f"{cell:.1f}" for cell in row), "|")
    if chart is not None:
        figure = table[[*QUESTIONS]].plot(loglog=True, marker="o", xlabel="tasks").figure
        figure.axes[0].set_ylabel("CPU seconds")
        figure.savefig(chart, dpi=100)


if __name__ == "__main__":
    if sys.argv[1:2] == ["growth"]:
        growth(*sys.argv[2:])
    elif len(sys.argv) > 2:
        _run(*sys.argv[1:4], int(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
