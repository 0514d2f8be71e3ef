"""Measure contestants in turn, each alone in a fresh process, and print the medians of the runs.

A benchmark is a module of this folder with

- `BASELINE`, the name of the contestant that ratios refer to;
- `CONTESTANTS`, a dict of names and functions, which take the result of `prepare`;
- `prepare(size)`, a context manager that makes the input, which is not measured;
- `SIZE`, the default size;
- optionally `check(result, size)`; by default a result must have `size` rows.
"""

from __future__ import annotations

import importlib
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sized

RUNS = 3


class Cost(NamedTuple):
    """The cost of one run: wall time and CPU time in seconds, and memory in MiB.

    `frame` is the memory divided by the size of the resulting DataFrame; 0 without one.
    """

    wall: float
    cpu: float
    memory: float
    frame: float = 0.0


def medians_of(name: str, size: int, runs: int = RUNS) -> dict[str, Cost]:
    """Run the contestants of a benchmark in turn, and return the median costs of each."""
    contestants = importlib.import_module(f"benchmarks.{name}").CONTESTANTS
    costs: dict[str, list[Cost]] = {contestant: [] for contestant in contestants}
    for _ in range(runs):
        for contestant, found in costs.items():
            found.append(Cost(*in_a_process("measure", name, contestant, str(size))))
    return {
        contestant: Cost(*map(statistics.median, zip(*found, strict=True)))
        for contestant, found in costs.items()
    }


def compare(name: str, size: int | None = None, runs: int = RUNS) -> None:
    """Run the contestants of a benchmark in turn, and print their costs and ratios."""
    module = importlib.import_module(f"benchmarks.{name}")
    size = module.SIZE if size is None else size
    medians = medians_of(name, size, runs)
    base = medians[module.BASELINE]
    print(f"\n{name}: {module.__doc__.splitlines()[0]}")
    print(f"size {size:,}; median of {runs}; the ratio is to {module.BASELINE}\n")
    print("| | wall s | ratio | CPU s | ratio | memory MiB | ratio | times the frame |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for contestant, cost in medians.items():
        cells = [
            f"{value:,.2f} | {value / whole:.3f}" if whole > 0 else f"{value:,.2f} | -"
            for value, whole in zip(cost[:3], base[:3], strict=True)
        ]
        cells.append(f"{cost.frame:.1f}" if cost.frame else "-")
        print(f"| {contestant} | {' | '.join(cells)} |")


def in_a_process(module: str, *given: str) -> list[float]:
    """Run a benchmark with some arguments in a fresh process, and return the numbers it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *given]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    numbers: list[float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def _measure(name: str, contestant: str, size: int) -> Cost:
    module = importlib.import_module(f"benchmarks.{name}")
    run = module.CONTESTANTS[contestant]
    with module.prepare(size) as given:
        before = memory()
        started, spent = time.perf_counter(), cpu_seconds()
        result = run(given)
        spent, peak = cpu_seconds() - spent, memory(peak=True) - before
        cost = Cost(time.perf_counter() - started, spent, peak)
        getattr(module, "check", _check)(result, size)
        if isinstance(result, pd.DataFrame):
            made = result.memory_usage(deep=True).sum() / 2**20
            cost = cost._replace(frame=cost.memory / made)
    return cost


def _check(result: Sized, size: int) -> None:
    assert len(result) == size


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory(*, peak: bool = False) -> float:
    """Return the memory of this process in MiB: now, or its peak since the last call."""
    status = Path("/proc/self/status")
    if not status.exists():  # not Linux: only the peak since the start is known
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    if not peak:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    return int(fields["VmHWM" if peak else "VmRSS"].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
