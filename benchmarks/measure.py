"""Measure contestants fairly: each alone in a fresh process, in turn, the median of several runs.

A benchmark is a module of this folder with

- `BASELINE`, the name of the contestant that is 1;
- `CONTESTANTS`, a dict of names and functions, each of what `prepare` gave;
- `prepare(size)`, a context manager that makes the input, which is not measured;
- `SIZE`, the usual size.
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
from typing import NamedTuple

import pandas as pd

_RUNS = 3


class Cost(NamedTuple):
    """What one run took: seconds on the wall, seconds of processor, MiB above what was there.

    `frame` is how many times the frame that came out, 0 where none did.
    """

    wall: float
    cpu: float
    memory: float
    frame: float = 0.0


def compare(name: str, size: int | None = None, runs: int = _RUNS) -> None:
    """Run a benchmark's contestants in turn and print each one's cost, and its ratio."""
    module = importlib.import_module(f"benchmarks.{name}")
    size = module.SIZE if size is None else size
    costs: dict[str, list[Cost]] = {contestant: [] for contestant in module.CONTESTANTS}
    for _ in range(runs):
        for contestant, found in costs.items():
            found.append(_in_a_process(name, contestant, size))
    medians = {
        contestant: Cost(*map(statistics.median, zip(*found, strict=True)))
        for contestant, found in costs.items()
    }
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


def _in_a_process(name: str, contestant: str, size: int) -> Cost:
    command = [sys.executable, "-m", "benchmarks.measure", name, contestant, str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def _measure(name: str, contestant: str, size: int) -> Cost:
    module = importlib.import_module(f"benchmarks.{name}")
    run = module.CONTESTANTS[contestant]
    with module.prepare(size) as given:
        before = _memory()
        started, spent = time.perf_counter(), _cpu()
        result = run(given)
        cost = Cost(time.perf_counter() - started, _cpu() - spent, _memory(peak=True) - before)
        module.check(result, size)
        if isinstance(result, pd.DataFrame):
            made = result.memory_usage(deep=True).sum() / 2**20
            cost = cost._replace(frame=cost.memory / made)
    return cost


def _cpu() -> float:
    """Return the processor's seconds of this process, and of its children that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _memory(*, peak: bool = False) -> float:
    """Return this process's memory now, or at its peak since this was last asked, in MiB."""
    status = Path("/proc/self/status")
    if not status.exists():  # no Linux: the peak since the beginning has to do
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    if not peak:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    return int(fields["VmHWM" if peak else "VmRSS"].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
