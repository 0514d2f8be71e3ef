"""`curve`, `compare`, `slow` and `slots` print the tables of the functions."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from shown import AS_TERMINAL, SGR

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEEKS = ["--current", "2026-W47", "--previous", "2026-W46"]


def test_compare_shows_each_measure_with_a_verdict(run: Callable, sample_file: Path):
    """Machines get one row per measure with its unit, and people its values with units."""
    rows = json.loads(run("compare", sample_file, *WEEKS, "--format", "json").stdout)
    table = xs.compare_periods(xs.sample_tasks(), current="2026-W47", previous="2026-W46").loc[
        "all"
    ]
    assert [row["measure"] for row in rows] == ["tasks", "failure_rate", "p50", "p90"]
    assert [row["unit"] for row in rows] == ["tasks", "share", "s", "s"]
    assert [row["verdict"] for row in rows] == [None, *["no clear change"] * 3]
    lengths = [table[name, "current"].total_seconds() for name in ("p50", "p90")]
    numbers = [table[name, "current"] for name in ("tasks", "failure_rate")]
    assert [row["current"] for row in rows] == [*numbers, *lengths]
    shown = run("compare", sample_file, *WEEKS).stdout
    assert shown.startswith("2026-W47 compared with 2026-W46: no clear change\n")
    worse = run("compare", sample_file, "--current", "2026-W24", "--previous", "2026-W23").stdout
    assert re.search(r"failure_rate +2.4 % +17.2 % +7.11x +worse\np50 .*x\np90 .*x\n", worse)
    assert re.search(r"tasks +115 +110 +0.96x\n", shown)
    early = run("compare", sample_file, "--current", "2026-W24", "--previous", "2020-W23").stdout
    assert early.startswith("2026-W24 compared with 2020-W23: no tasks to compare\n")
    days = ["--current", "2026-11-16/2026-11-23", "--previous", "2026-11-09/2026-11-16"]
    again = json.loads(run("compare", sample_file, *days, "--format", "json").stdout)
    assert again == rows, "the same weeks, told by their days"


@pytest.mark.parametrize("period", ["2026-W99", "2026-11-16/", "lately", "2026-11-23/2026-11-16"])
def test_an_invalid_period_is_refused(run: Callable, sample_file: Path, period: str):
    """A wrong period is named in one line, with exit code 2."""
    done = run("compare", sample_file, "--current", period, "--previous", "2026-W46")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1


def test_slow_lists_tasks_and_lasting_slowdowns(run: Callable, sample_file: Path):
    """The planted slowdown alone is lasting; single slow tasks come worst first."""
    (row,) = json.loads(run("slow", sample_file, "--lasting", "--format", "json").stdout)
    assert row["log_group_name"] == "acme/payments/api"
    assert row["since"].startswith("2026-09-14")
    assert 2.25 < row["factor"] < 2.75
    assert "1 lasting slowdown\n" in run("slow", sample_file, "--lasting").stdout
    rows = json.loads(run("slow", sample_file, "--format", "json").stdout)
    scores = [row["score"] for row in rows]
    assert len(rows) == len(xs.find_slow_tasks(xs.sample_tasks()))
    assert scores == sorted(scores, reverse=True)
    fewer = json.loads(run("slow", sample_file, "--threshold", "6", "--format", "json").stdout)
    assert [row["task_id"] for row in fewer] == [
        row["task_id"] for row in rows if row["score"] >= 6
    ]


def test_curve_shows_by_when_shares_are_done(run: Callable, sample_file: Path):
    """The table shows when each share is reached, and "never" above the end of the curve."""
    rows = json.loads(run("curve", sample_file, "--format", "json").stdout)
    table = xs.completion_curve(xs.sample_tasks())
    assert [row["probability"] for row in rows] == table["probability"].to_list()
    half = table.index[(table["probability"] >= 0.5).to_numpy().argmax()]
    assert half.total_seconds() == pytest.approx(305, abs=1)
    assert re.search(
        r"6,096 +21.5s +1m1s +5m5s +22m46s +58m3s +1h26m", run("curve", sample_file).stdout
    )
    by = run("curve", sample_file, "--by", "region", "--ended").stdout
    assert len(re.findall(r"^(eu-west-1|us-east-1|ap-southeast-2) ", by, re.MULTILINE)) == 3


def test_slots_shows_how_busy_each_is(run: Callable, sample_file: Path):
    """The table is that of the function, without a warning if no tasks overlap."""
    words = ["slots", sample_file, "--freq", "MS"]
    rows = json.loads(run(*words, "--format", "json").stdout)
    table = xs.slot_usage(xs.sample_tasks(), freq="MS")
    assert [row["busy_share"] for row in rows] == table["busy_share"].to_list()
    done = run(*words)
    assert "rules out" not in done.stderr
    assert "444455556666  us-east-1" in done.stdout


@pytest.mark.parametrize("command", ["curve", "slots", "compare", "slow", "eta"])
def test_each_can_be_drawn(command: str, run: Callable, sample_file: Path, tmp_path: Path):
    """Each command writes a complete PNG."""
    words = WEEKS if command == "compare" else []
    done = run(command, sample_file, *words, "--plot", tmp_path / "chart.png")
    assert done.exit_code == 0
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_only_single_slow_tasks_are_drawn(run: Callable, tmp_path: Path):
    """Lasting slowdowns have no chart, which is refused before anything is read."""
    done = run("slow", tmp_path / "none.csv", "--lasting", "--plot", tmp_path / "chart.png")
    assert (done.exit_code, "leave out --lasting" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "words", [["curve"], ["slots"], ["slow"], ["slow", "--lasting"], ["compare", *WEEKS], ["eta"]]
)
def test_they_fit_80_columns(words: list[str], run: Callable, sample_file: Path):
    """In a terminal of 80 columns, names are shortened."""
    command, *options = words
    done = run(command, sample_file, *options, env=AS_TERMINAL)
    shown = SGR.sub("", done.stdout)
    assert max(map(cell_len, shown.splitlines())) <= 80
