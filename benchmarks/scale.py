"""Simulate loading the tasks of 1,000 accounts in 30 regions by many workers.

`python -m benchmarks.scale` simulates a first load of a billion tasks and a sync that finds at most
a page of new tasks in each account and region. The numbers of tasks are drawn with a fixed seed.

`python -m benchmarks.scale check` loads 256 lists from a local server at the quota, with one
worker, and simulates the same.
"""

from __future__ import annotations

import heapq
import sys
import time
from typing import NamedTuple

import boto3
import numpy as np

import exportstats as xs
from benchmarks import server

ACCOUNTS, REGIONS, TASKS = 1_000, 30, 1_000_000_000
# Measured: `python -m benchmarks live` (a page), `python -m benchmarks.scale check` (a target).
CPU_OF_PAGE, CPU_OF_TARGET = 0.00056, 0.0066
LATENCY = 0.1  # assumed
QUOTA, PER_PAGE, THREADS = 5, 50, 64

_SEED = 20261127


class Simulated(NamedTuple):
    """How long a load takes, how long its longest list does, and how busy its workers are."""

    seconds: float
    slowest: float
    busy: float


def pages_of(tasks: np.ndarray) -> np.ndarray:
    """Return the number of pages of each list; an empty list is one page, too."""
    return np.maximum(-(-tasks // PER_PAGE), 1)


def first_load(slots: int = ACCOUNTS * REGIONS, tasks: int = TASKS) -> np.ndarray:
    """Draw the number of tasks of each slot: lognormal, a few slots have most of them."""
    shares = np.random.default_rng(_SEED).lognormal(0, 1, slots)
    return (tasks * shares / shares.sum()).astype("int64")


def of_call(pages: np.ndarray, threads: int = THREADS) -> tuple[float, float, float]:
    """Return the seconds of one call, of its longest list, and of CPU.

    Each thread has one target at a time. It asks for a page at most every 200 ms, waits for the
    answer, and then for the only CPU of the process.
    """
    left = [*map(int, reversed(pages))]
    waiting: list[tuple[float, int, float, float]] = []  # answer, pages left, request, start
    cpu = slowest = 0.0

    def take(now: float) -> None:
        nonlocal cpu
        if left:
            cpu = max(cpu, now) + CPU_OF_TARGET
            heapq.heappush(waiting, (cpu + LATENCY, left.pop(), cpu, now))

    for _ in range(threads):
        take(0.0)
    while waiting:
        answer, many, asked, began = heapq.heappop(waiting)
        cpu = max(cpu, answer) + CPU_OF_PAGE
        if many == 1:
            slowest = max(slowest, cpu - began)
            take(cpu)
        else:
            again = max(cpu, asked + 1 / QUOTA)
            heapq.heappush(waiting, (again + LATENCY, many - 1, again, began))
    return cpu, slowest, len(pages) * CPU_OF_TARGET + float(pages.sum()) * CPU_OF_PAGE


def simulate(pages: np.ndarray, workers: int, each: int = THREADS) -> Simulated:
    """Simulate calls of `each` targets, which the workers take in turn."""
    calls = [of_call(pages[at : at + each]) for at in range(0, len(pages), each)]
    free = [0.0] * workers
    for seconds, _, _ in calls:
        heapq.heapreplace(free, free[0] + seconds)
    spent = sum(cpu for _, _, cpu in calls)
    return Simulated(max(free), max(slow for _, slow, _ in calls), spent / workers / max(free))


def check(lists: int = 256, tasks: int = 1_000) -> None:
    """Load lists for real, and simulate the same."""
    session = boto3.Session("123456789012", "made-up", region_name="us-east-1")
    targets = [xs.Target("123456789012", f"eu-test-{number}") for number in range(lists)]
    with server.serving(tasks, LATENCY) as url:
        options = {"session": session, "endpoint_url": url, "progress": False}
        xs.fetch_tasks(**options)  # imports are not measured
        started, spent = time.perf_counter(), time.process_time()
        found = xs.fetch_tasks(targets, requests_per_second=QUOTA, **options)
        took, cpu = time.perf_counter() - started, time.process_time() - spent
    assert len(found) == lists * tasks
    simulated = simulate(pages_of(np.full(lists, tasks)), 1, each=lists)
    print(f"{lists} lists of {tasks:,} tasks: {took:.1f} s, simulated {simulated.seconds:.1f} s;")
    print(f"{cpu:.1f} s of CPU, simulated {simulated.busy * simulated.seconds:.1f} s")


def main() -> None:
    """Print how long each load takes."""
    lists = ACCOUNTS * REGIONS
    first, nightly = pages_of(first_load()), pages_of(np.full(lists, PER_PAGE))
    print(f"{lists:,} lists, {TASKS:,} tasks, {first.sum():,} pages of the first load\n")
    print("| load | workers | a call has | minutes | longest list, minutes | CPU of a worker |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, pages in (("first", first), ("nightly", nightly)):
        for workers in (1, 4, 16, 64):
            for each in sorted({THREADS, len(pages) // workers}):
                took = simulate(pages, workers, each)
                times = f"{took.seconds / 60:,.1f} | {took.slowest / 60:.1f}"
                print(f"| {name} | {workers} | {each:,} | {times} | {took.busy:.0%} |", flush=True)


if __name__ == "__main__":
    check() if sys.argv[1:] == ["check"] else main()
