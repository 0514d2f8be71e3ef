"""SIGTERM and SIGHUP end a command as Ctrl-C does; other handlers stay."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import exportstats as xs
from exportstats.emulator import Fault, wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.emulator import Emulator

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def wait_for(emulator: Emulator, pages: int, process: subprocess.Popen[str]) -> None:
    """Wait until this many pages were requested."""
    while sum(request.operation == wire.TASKS for request in emulator.requests) < pages:
        time.sleep(0.01)
        assert process.poll() is None, process.stderr.read()


@pytest.mark.parametrize("number", SIGNALS)
def test_what_arrived_is_written(
    number: int, start: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """The file has the pages that arrived, without a temporary file, and the exit code is 3."""
    emulator = serve(made(2_000), latency_seconds=0.1)
    path = tmp_path / "tasks.parquet"
    process = start("fetch", "-o", path)
    wait_for(emulator, 5, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 3, stderr
    assert "Traceback" not in stderr
    arrived = len(xs.read_tasks(path))
    assert 150 <= arrived < 2_000
    assert arrived % 50 == 0
    assert f"stopped: {arrived} tasks arrived" in stderr
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("number", SIGNALS)
def test_before_anything_arrived(
    number: int, start: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """With nothing to write, the exit code is 128 plus the number of the signal."""
    emulator = serve(made(1), faults=[Fault("hang")])
    process = start("fetch", "-o", tmp_path / "tasks.csv")
    wait_for(emulator, 1, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (128 + number, "exportstats: stopped\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_chart_half_drawn_leaves_nothing(number: int, start: Callable, tmp_path: Path):
    """A signal during writing leaves the old file and no temporary one."""
    path = tmp_path / "tasks.csv"
    script = (
        "import os, pathlib, sys\n"
        "from exportstats.cli import failing, main\n"
        "from exportstats.io import whole\n"
        "def busy(path):\n"
        "    with whole.whole_file(path) as file:\n"
        "        file.write(b'half')\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "import exportstats.cli.tables as tables\n"
        f"tables.status.callback = lambda **_: busy(pathlib.Path({str(path)!r}))\n"
        "main(['status', 'x.json'], prog_name='exportstats')\n"
    )
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (128 + number, "exportstats: stopped\n")
    assert path.read_text() == "old"
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


def test_nohup_is_respected(serve: Callable, made: Callable, tmp_path: Path):
    """With nohup, SIGHUP stays ignored."""
    emulator = serve(made(500), latency_seconds=0.05)
    path = tmp_path / "tasks.csv"
    script = (
        "import signal, runpy\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "runpy.run_module('exportstats', run_name='__main__')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "fetch", "-o", str(path)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(emulator, 3, process)
    process.send_signal(signal.SIGHUP)
    assert process.wait(30) == 0
    process.communicate()
    assert len(xs.read_tasks(path)) == 500


def test_handlers_are_put_back(run: Callable, sample_file: Path):
    """After a call from Python, the signal handlers are those from before."""
    before = [signal.getsignal(number) for number in SIGNALS]
    assert run("status", sample_file).exit_code == 0
    assert [signal.getsignal(number) for number in SIGNALS] == before
