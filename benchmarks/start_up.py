"""Run commands on the sample in new processes. The baseline imports pandas and pyarrow."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 5  # processes of each contestant, one after another
BASELINE = "imports"

_COMMANDS = ("status", "durations", "failures", "gaps", "eta")


@contextlib.contextmanager
def prepare(size: int) -> Iterator[tuple[Path, int]]:
    """Write the file, and run a command once to fill the system's cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tasks.parquet")
        xs.write_tasks(xs.sample_tasks(), path)
        given = path, size
        run((path, 1), words=["-m", "exportstats", "status"])
        yield given


def run(given: tuple[Path, int], *, words: list[str]) -> int:
    """Run Python `times` times with these arguments and the file."""
    path, times = given
    for _ in range(times):
        subprocess.run([sys.executable, *words, path], check=True, stdout=subprocess.DEVNULL)
    return times


def check(done: int, size: int) -> None:
    """Check that all were run."""
    assert done == size


CONTESTANTS = {
    BASELINE: partial(run, words=["-c", "import pandas, pyarrow"]),
    **{name: partial(run, words=["-m", "exportstats", name]) for name in _COMMANDS},
}
