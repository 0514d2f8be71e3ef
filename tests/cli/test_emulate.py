"""`emulate`: it serves what it says, to whoever copies what it prints, until Ctrl-C."""

from __future__ import annotations

import re
import shlex
import socket
from typing import TYPE_CHECKING

import boto3

from exportstats.emulator import KINDS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    import pytest


def read_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """Give the lines that a process prints, up to a certain one."""
    lines: list[str] = []
    while last not in lines:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line.rstrip("\n"))
    return lines


def exported(lines: list[str], account: str, region: str) -> dict[str, str]:
    """Give what a shell exports that runs the first line, and the one of a slot."""
    first = next(line for line in lines if "AWS_ENDPOINT_URL" in line)
    slot = next(line for line in lines if account in line and region in line)
    words = [shlex.split(line, comments=True) for line in (first, slot)]
    assert {command for command, *_ in words} == {"export"}
    return dict(pair.split("=", 1) for _, *pairs in words for pair in pairs)


def test_what_it_prints_works(
    start: Callable,
    end: Callable,
    run: Callable,
    shell: Callable,
    monkeypatch: pytest.MonkeyPatch,
):
    """The exports that it prints lead boto3 and `exportstats` to the sample; Ctrl-C gives 0."""
    process = start("emulate", "--requests-per-second", "0")
    lines = read_until(process, "exportstats status")
    assert re.match(r"6,096 synthetic tasks on http://127\.0\.0\.1:\d+ until Ctrl-C\.", lines[0])
    assert sum("AWS_ACCESS_KEY_ID" in line for line in lines) == 5
    assert any(line.endswith("AWS_DEFAULT_REGION=eu-west-1  # 1,641 tasks") for line in lines)

    environment = exported(lines, "444455556666", "us-east-1")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("logs")
    assert len(client.describe_export_tasks()["exportTasks"]) == 50
    client.close()
    done = run("status", "--format", "csv")
    assert done.exit_code == 0
    assert "COMPLETED,1414," in done.stdout

    assert end(process) == (0, "", "")


def test_it_serves_files_and_faults(
    start: Callable, end: Callable, page: Callable, run: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Tasks of a file without accounts are of a made-up one; faults happen, and are refused."""
    path = page({"taskId": "a"}, {"taskId": "b"})
    process = start("emulate", path, "--fault", "deny")
    lines = read_until(process, "exportstats status")
    assert lines[0].startswith("2 tasks on http://127.0.0.1:")
    assert lines[3].endswith("  # 2 tasks")
    for name, value in exported(lines, "123456789012", "us-east-1").items():
        monkeypatch.setenv(name, value)
    done = run("status")
    assert done.exit_code == 1
    assert "AccessDeniedException" in done.stderr
    assert end(process).code == 0


def test_a_region_from_a_file_is_only_text(start: Callable, run: Callable, page: Callable):
    """What is printed to be copied into a shell has nothing in it that a shell obeys."""
    evil = "$(touch harmed)\x1b[31m'; touch harmed #"
    path = page({"taskId": "a", "region": evil, "accountId": "111122223333"})
    lines = read_until(start("emulate", path), "exportstats status")
    assert all(line.isprintable() for line in lines)
    words = shlex.split(lines[3], comments=True)
    assert words[2] == "AWS_DEFAULT_REGION=" + evil.replace("\x1b", r"\x1b")


def test_a_port_that_is_taken_is_said(run: Callable):
    """A port that somebody else has is wrong usage, with a remedy."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("emulate", "--port", port)
    assert done.exit_code == 2
    assert done.stderr == (
        f"exportstats: cannot listen on port {port}: Address already in use; take another, or 0\n"
    )


def test_help_lists_every_fault(run: Callable):
    """Each fault that there is stands in the help, with what it does."""
    text = run("emulate", "--help").stdout
    for kind in KINDS:
        assert f"  {kind} " in text
