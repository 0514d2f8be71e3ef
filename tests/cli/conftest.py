"""Fixtures for tests of commands: an isolated AWS configuration, and ways to run commands."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest
from click.testing import CliRunner, Result
from exported import DAY, FIRST, night
from support import forget_environment

import exportstats as xs
from exportstats.cli import COMMANDS, main
from exportstats.emulator import Emulator
from exportstats.io.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ACCOUNT, REGION = "111122223333", "eu-west-1"
COMMAND = Path(sys.executable).parent / "exportstats"
# As a shell in the foreground starts a command; one in the background lets it ignore Ctrl-C.
HEARS_CTRL_C = (
    "import signal, runpy\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "runpy.run_module('exportstats', run_name='__main__')\n"
)


class Done(NamedTuple):
    """The result of a process."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def no_own_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate every test from the AWS configuration, proxies and colour settings of the machine."""
    forget_environment(monkeypatch)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(autouse=True)
def forget_help() -> Iterator[None]:
    """Reset the help option names that click caches for the whole process."""
    yield
    for command in (main, *(main.get_command(click.Context(main), name) for name in COMMANDS)):
        command._help_option = None


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the command in this process, and check that it ends with an exit code."""

    def invoke(*words: object, **more: Any) -> Result:  # noqa: ANN401 - CliRunner's own
        done = CliRunner().invoke(main, list(map(str, words)), prog_name="exportstats", **more)
        if done.exc_info and not isinstance(done.exception, SystemExit | None):
            raise done.exception
        assert "Traceback" not in done.output
        return done

    return invoke


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., Done]:
    """Run the installed command as a separate process, in an empty folder."""

    def call(
        *words: object,
        stdin: str | None = None,
        stdout: int = subprocess.PIPE,
        **environment: str,
    ) -> Done:
        done = subprocess.run(
            [COMMAND, *map(str, words)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=stdout,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=tmp_path,
            env={**os.environ, **environment},
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout or "", done.stderr)

    return call


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command as a process that receives Ctrl-C; the fixture ends it."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: object, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HEARS_CTRL_C, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, **environment},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def end() -> Callable[[subprocess.Popen[str]], Done]:
    """Press Ctrl-C, and return the result of the process."""

    def interrupt(process: subprocess.Popen[str]) -> Done:
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        assert "Traceback" not in stderr
        return Done(process.returncode, stdout, stderr)

    return interrupt


@pytest.fixture
def terminal() -> Callable[..., tuple[int, str]]:
    """Run the command in a real terminal; return the exit code and all output.

    `stop_at` is a text after which Ctrl-C is pressed.
    """

    def show(
        *words: object, columns: int = 80, stop_at: str | None = None, **environment: str
    ) -> tuple[int, str]:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", HEARS_CTRL_C, *map(str, words)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(slave)
        sent = b""
        with contextlib.suppress(OSError):  # that is how Linux tells that nobody writes any more
            while more := os.read(master, 65_536):
                sent += more
                if stop_at is not None and stop_at.encode() in sent:
                    process.send_signal(signal.SIGINT)
                    stop_at = None
        os.close(master)
        return process.wait(timeout=30), sent.decode().replace("\r\n", "\n")

    return show


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Path]:
    """Write tasks as `aws logs describe-export-tasks` prints them."""

    def write(*tasks: Mapping[str, Any], name: str = "page.json") -> Path:
        path = tmp_path / name
        path.write_text(json.dumps({"exportTasks": tasks}), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the synthetic sample to a file, once."""
    path = tmp_path_factory.mktemp("sample") / "tasks.parquet"
    xs.write_tasks(xs.sample_tasks(), path)
    return path


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Serve the sample's tasks of one account and region, newest first, 1,641 of them."""
    tasks = xs.sample_tasks().query("account_id == @ACCOUNT and region == @REGION")
    with Emulator(to_json(tasks)) as running:
        yield running


@pytest.fixture
def live(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Point the environment at the emulator, with its requests reset."""
    point_to(emulator.url, monkeypatch)
    emulator.requests.clear()
    return emulator


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Emulator]]:
    """Start a separate emulator, and point the environment at it."""
    with contextlib.ExitStack() as stack:

        def begin(tasks: Any, *, kind: type[Emulator] = Emulator, **more: Any) -> Emulator:  # noqa: ANN401
            emulator = stack.enter_context(kind(tasks, **more))
            point_to(emulator.url, monkeypatch)
            return emulator

        yield begin


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the environment at an emulator."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


@pytest.fixture(scope="session")
def made() -> Callable[..., list[dict[str, Any]]]:
    """Make tasks in AWS's shape, the newest first, all COMPLETED within a minute."""

    def make(count: int, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        return [
            {
                "accountId": ACCOUNT,
                "region": REGION,
                "taskId": f"task-{number}",
                "logGroupName": "/app",
                "status": {"code": "COMPLETED"},
                "executionInfo": {
                    "creationTime": 1_700_000_000_000 + number * 3_600_000,
                    "completionTime": 1_700_000_060_000 + number * 3_600_000,
                },
                **fields,
            }
            for number in reversed(range(count))
        ]

    return make


@pytest.fixture
def groups_file(tmp_path: Path) -> Callable[..., Path]:
    """Write log groups as `aws logs describe-log-groups` prints them."""

    def write(*groups: Mapping[str, Any]) -> Path:
        path = tmp_path / "log-groups.json"
        path.write_text(json.dumps({"logGroups": groups}), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write four weeks of nights of a log group, the last ones in some state."""
    folder = tmp_path_factory.mktemp("small")
    monday = 1_794_787_200_000  # 2026-11-16

    def write(name: str, state: str = "COMPLETED", **fields: Any) -> Path:  # noqa: ANN401
        tasks = []
        for number in range(-28, 6):
            start = monday + number * DAY
            created = start + 38 * 3_600_000
            code = "COMPLETED" if number < 2 else state
            tasks.append(
                {
                    "taskId": f"task-{number}",
                    "accountId": "111122223333",
                    "region": "eu-west-1",
                    "logGroupName": "acme/secret",
                    "destination": "acme-logs",
                    "from": start,
                    "to": start + DAY - 1,
                    "status": {"code": code},
                    "executionInfo": {"creationTime": created, "completionTime": created + 60_000},
                    "observedAt": monday + 7 * DAY + 3_600_000,
                    **fields,
                }
            )
        path = folder / f"{name}.json"
        path.write_text(json.dumps({"exportTasks": tasks}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def tasks_file(tmp_path: Path) -> Path:
    """Write four nights: the second FAILED, the fourth ends a minute early."""
    file = tmp_path / "tasks.json"
    nights = [
        night(0),
        night(1, status={"code": "FAILED"}),
        night(2),
        night(3, to=FIRST + 4 * DAY - 60_001),
    ]
    file.write_text(json.dumps({"exportTasks": nights}))
    return file
