"""Run benchmarks.

`python -m benchmarks`, which is `make benchmarks`, runs those of `areas.py`, and writes their
results to `results.json`, README.md and the charts. `python -m benchmarks NAME[=SIZE] ...` runs
those that are named, and prints their results.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import page
from benchmarks.areas import AREAS
from benchmarks.measure import compare

_VERSIONS = ("numpy", "pandas", "pyarrow", "botocore", "duckdb")


def run_areas() -> None:
    """Measure all areas, and write the results."""
    started, load = time.perf_counter(), os.getloadavg()[0]
    found = {}
    for area, measure in AREAS.items():
        print(area, flush=True)
        found[area] = []
        for row in measure():
            print(f"  {row.ratio:6.2f} {page.verdict(row):10} {row.what}", flush=True)
            found[area].append(row._asdict())
    minutes = (time.perf_counter() - started) / 60
    results = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "versions": {"Python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _VERSIONS},
        "minutes": round(minutes, 1),
        "load": round(load, 1),
        "areas": found,
    }
    page.RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page.write(page.read())
    print(f"{minutes:.1f} minutes")


def contests() -> list[str]:
    """Return the names of the benchmarks that can be asked for."""
    paths = sorted(Path(__file__).parent.glob("*.py"))
    return [path.stem for path in paths if "\nBASELINE = " in path.read_text(encoding="utf-8")]


def asked_for(argument: str) -> tuple[str, int | None]:
    """Read NAME or NAME=SIZE.

    Raises
    ------
    SystemExit
        If it is neither.
    """
    name, _, size = argument.partition("=")
    if name not in contests() or not (size.isdecimal() or name == argument):
        sys.exit(f"{argument!r} is not NAME or NAME=SIZE; names are {', '.join(contests())}")
    return name, int(size) if size else None


if len(sys.argv) == 1:
    run_areas()
for one in [asked_for(argument) for argument in sys.argv[1:]]:
    compare(*one)
