"""The on-call script says what it needs, and runs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from recipes import RECIPES, ROOT, run

from exportstats.emulator import Emulator, Fault
from exportstats.io.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

SCRIPT = RECIPES / "oncall.py"


def test_the_script_names_a_wheel_and_not_only_a_name():
    """Its metadata (PEP 723) has the lowest Python, and the address of a wheel of this version."""
    block = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$"  # as in the specification
    [found] = re.finditer(block, SCRIPT.read_text(encoding="utf-8"))
    lines = found["content"].splitlines()
    metadata = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["requires-python"] == project["requires-python"]
    [needed] = map(Requirement, metadata["dependencies"])
    assert needed.name == project["name"]
    assert needed.url.endswith(f"/exportstats-{project['version']}-py3-none-any.whl")


@pytest.mark.slow
@pytest.mark.parametrize("is_retried", [True, False])
def test_the_script_finds_what_was_not_retried(
    *, is_retried: bool, aws: Callable[..., None], slot: pd.DataFrame, tmp_path: Path
):
    """It counts and lists the failed tasks of the last day without a retry, and ends with 4."""
    latest = slot.sort_values("creation_time").tail(3).copy()
    latest["status_code"] = ["COMPLETED", "FAILED", "COMPLETED" if is_retried else "RUNNING"]
    same = latest.iloc[1][["log_group_name", "from_time", "to_time"]]
    if is_retried:
        latest.loc[latest.index[2], same.index] = same
    with Emulator(to_json(latest), now=latest["creation_time"].max()) as emulator:
        aws(emulator.url)
        done = run(sys.executable, SCRIPT, folder=tmp_path)
    assert done.returncode == (0 if is_retried else 4), done.stderr
    assert f"{0 if is_retried else 1} of 1 failed tasks were not retried" in done.stdout
    assert (same["log_group_name"] in done.stdout) is not is_retried


def test_tasks_that_cannot_be_listed_have_another_exit_code(
    aws: Callable[..., None], tmp_path: Path
):
    """Without an answer, the script ends with 1, which does not mean that a task failed."""
    with Emulator([], faults=[Fault("deny")]) as emulator:
        aws(emulator.url)
        done = subprocess.run(
            [sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 1
    assert "allow the action logs:DescribeExportTasks" in done.stderr
