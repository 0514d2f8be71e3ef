"""From the sample to the HTML of its report. The baseline draws one chart with pandas."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1
BASELINE = "imports and a chart"

# Each is a program of its own, because importing is part of the waiting time.
_CHART = """
import io, matplotlib
matplotlib.use("Agg")
import pandas as pd
from matplotlib import pyplot as plt
axes = pd.Series(range(100)).plot.bar(figsize=(10, 5.6))
axes.figure.savefig(io.BytesIO(), format="svg")
"""
_REPORT = """
import matplotlib
matplotlib.use("Agg")
import exportstats as xs
report = xs.build_weekly_report(
    xs.sample_tasks(), week="2026-W24", log_groups=xs.sample_log_groups()
)
assert len(report.to_html()) > 10_000
"""


@contextlib.contextmanager
def prepare(size: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Run both once, so that their files are in the system's cache, and byte code is kept.

    An installed package has its byte code. A checkout has none if PYTHONDONTWRITEBYTECODE is set.
    """
    with tempfile.TemporaryDirectory() as folder:
        given = size, {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        for program in (_CHART, _REPORT):
            run(given, program=program)
        yield given


def run(given: tuple[int, dict[str, str]], *, program: str) -> int:
    """Run a program `size` times."""
    size, environment = given
    for _ in range(size):
        subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    return size


def check(done: int, size: int) -> None:
    """Check that all were run."""
    assert done == size


CONTESTANTS = {
    BASELINE: partial(run, program=_CHART),
    "the report": partial(run, program=_REPORT),
}
