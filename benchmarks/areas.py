"""The benchmarks of `make benchmarks`, by area; the others are commands of their own."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks import archive, tables
from benchmarks.measure import RUNS, medians_of
from benchmarks.page import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


OTHERS = (  # contestants that are neither the baseline nor exportstats
    "without an SDK",
    "json_normalize",
    "DuckDB",
    "read_parquet, foreign file",
    "bioframe.merge, shuffled",
)


def contest(
    module: str,
    size: int,
    what: str,
    bounds: Mapping[str, float] = MappingProxyType({}),
    *,
    measure: str = "CPU",
    runs: int = RUNS,
) -> Iterator[Row]:
    """Run the contestants of a module; `bounds` are the largest ratios of some."""
    baseline = importlib.import_module(f"benchmarks.{module}").BASELINE
    costs = medians_of(module, size, runs)
    seconds = {name: cost.cpu if measure == "CPU" else cost.wall for name, cost in costs.items()}
    of_baseline = seconds.pop(baseline)
    for name, some in seconds.items():
        title = what if name == "exportstats" else f"{what}: {name}"
        is_ours = name not in OTHERS
        yield Row(title, baseline, measure, some, of_baseline, runs, bounds.get(name), is_ours)


def pairs(
    found: Iterable[tuple[str, float, float]], baseline: str, runs: int, bound: float | None = None
) -> Iterator[Row]:
    """Take the CPU seconds of exportstats and of the baseline for each question."""
    for name, ours, theirs in found:
        yield Row(name, baseline, "CPU", ours, theirs, runs, bound)


def loading() -> Iterator[Row]:
    """Load from servers on this machine."""
    yield from contest("live", 100_000, "100,000 tasks", {"exportstats": 0.45}, runs=1)
    yield from contest("clients", 20, "20 clients", {"regions": 0.1, "accounts with roles": 0.2})
    most = {"exportstats": 1.11}  # 90 % of the rate
    yield from contest("fleet", 40, "40 targets at a rate limit", most, measure="time")
    most = {"exportstats": 1.1}
    yield from contest("quota", 50, "50 pages at the quota", most, measure="time", runs=1)


def files() -> Iterator[Row]:
    """Read files of 200,000 tasks, and of 50,000 API calls."""
    yield from contest("json_lines", 200_000, "JSON Lines")
    yield from contest("one_object", 200_000, "JSON of the AWS CLI")
    yield from contest("parquet", 200_000, "Parquet")
    yield from contest("api_calls", 50_000, "compressed JSON", runs=1)


def statistics() -> Iterator[Row]:
    """Compute tables of a million tasks, and the gaps between a million windows."""
    tasks = tables.make(1_000_000)
    yield from pairs(tables.pairs(tasks), "plain pandas", tables.RUNS, tables.MOST_RATIO)
    yield from contest("gaps", 1_000_000, "gaps", {"the kernel": 0.1, "find_gaps": 0.25}, runs=1)


def archives() -> Iterator[Row]:
    """Ask an archive of a million tasks, and its files with SQL."""
    yield from pairs(archive.pairs(1_000_000), "DuckDB", 1)


def reports() -> Iterator[Row]:
    """Build reports, and draw."""
    yield from contest("report", 250_000, "250,000 tasks", runs=1)
    yield from contest("report_of_sample", 1, "the sample", {"the report": 2.2})
    most = {"5,000, bars": 5.0, "5,000, days": 5.0}
    yield from contest("drawn", 5_000, "coverage of log groups", most, runs=1)


def commands() -> Iterator[Row]:
    """Run commands on the sample."""
    most = {"status": 1.4, "durations": 1.6, "eta": 2.6}
    yield from contest("start_up", 3, "exportstats", most, runs=1)


AREAS: dict[str, Callable[[], Iterator[Row]]] = {
    "Loading": loading,
    "Files": files,
    "Statistics": statistics,
    "Archive": archives,
    "Reports and charts": reports,
    "Commands": commands,
}
