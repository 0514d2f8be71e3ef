"""`emulate` serves tasks until Ctrl-C, to clients configured as it prints."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
import socket
from typing import TYPE_CHECKING

import boto3

import exportstats as xs
from exportstats.emulator import KINDS
from exportstats.io import sample

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    import pytest


END = "2026-11-23T06:00Z"  # of the sample


def read_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """Return the lines that a process prints, up to a certain one."""
    lines: list[str] = []
    while last not in lines:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line.rstrip("\n"))
    return lines


def exported(lines: list[str], account: str, region: str) -> dict[str, str]:
    """Return the variables that the printed exports of a slot set in a shell."""
    first = next(line for line in lines if "AWS_ENDPOINT_URL" in line)
    slot = next(line for line in lines if account in line and region in line)
    words = [shlex.split(line, comments=True) for line in (first, slot)]
    assert {command for command, *_ in words} == {"export"}
    return dict(pair.split("=", 1) for _, *pairs in words for pair in pairs)


def slot_lines(lines: list[str]) -> list[str]:
    """Return the lines that choose an account and region."""
    return [line for line in lines if "AWS_ACCESS_KEY_ID" in line]


def test_what_it_prints_works(
    start: Callable,
    end: Callable,
    run: Callable,
    shell: Callable,
    monkeypatch: pytest.MonkeyPatch,
):
    """The printed exports point boto3 and `exportstats` at the sample; Ctrl-C exits with 0."""
    process = start("emulate", "--requests-per-second", "0", "--now", END)
    lines = read_until(process, "exportstats status")
    assert lines[0] == "6,096 synthetic tasks and 18 log groups as of 2026-11-23 06:00 UTC"
    assert re.match(r"on http://127\.0\.0\.1:\d+ until Ctrl-C\.", lines[1])
    assert len(slot_lines(lines)) == 5
    assert "eu-west-1" in slot_lines(lines)[-1], "pasted all at once, the largest is chosen"
    assert not any("#" in line for line in lines), "zsh takes a # for an argument"
    assert max(map(len, lines)) < 80

    environment = exported(lines, "444455556666", "us-east-1")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("logs")
    assert len(client.describe_export_tasks()["exportTasks"]) == 50
    client.close()
    done = run("status", "--format", "csv")
    assert done.exit_code == 0
    assert "COMPLETED,1414," in done.stdout
    status = run("status").stdout
    assert "observed 2026-11-23 06:0" in status

    assert end(process) == (0, "", "")


def test_it_serves_files_and_faults(
    start: Callable, end: Callable, page: Callable, run: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Tasks of a file without accounts are of a made-up one; faults happen, and are refused."""
    path = page({"taskId": "a"}, {"taskId": "b"})
    process = start("emulate", path, "--fault", "deny")
    lines = read_until(process, "exportstats status")
    assert lines[0] == "2 tasks"
    assert len(slot_lines(lines)) == 1
    for name, value in exported(lines, "123456789012", "us-east-1").items():
        monkeypatch.setenv(name, value)
    done = run("status")
    assert done.exit_code == 1
    assert "AccessDeniedException" in done.stderr
    assert end(process).code == 0


def test_the_sample_is_as_of_now(
    start: Callable, run: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """By default each command that looks at the present finds one: day, week and active task."""
    process = start("emulate", "--requests-per-second", "0")
    lines = read_until(process, "exportstats status")
    for name, value in exported(lines, "444455556666", "eu-west-1").items():
        monkeypatch.setenv(name, value)
    now = dt.datetime.now(dt.UTC)
    tasks = xs.fetch_tasks()
    assert dt.timedelta(0) <= now - tasks["completion_time"].max() < dt.timedelta(days=1)
    (running,) = json.loads(run("eta", "--format", "json").stdout)
    assert running["status_code"] == "RUNNING"
    assert 0 <= running["elapsed_seconds"] < 24 * 3_600
    assert running["remaining_seconds"] > 0
    assert "1 active task" in run("watch", "--once").stdout
    covered = json.loads(run("coverage", "--since", "14d", "--format", "json").stdout)
    assert [row["covered_at_most"] > 0.8 for row in covered] == [True] * 3
    report = tmp_path / "report.json"
    assert run("report", "--log-groups", "aws", "--json", report).exit_code == 0
    written = json.loads(report.read_text(encoding="utf-8"))
    assert dt.timedelta(0) <= now - dt.datetime.fromisoformat(written["end"]) <= dt.timedelta(7)
    assert {row["measure"]: row["current"] for row in written["figures"]}["tasks"] > 15


def test_the_sample_has_its_evidence(
    start: Callable, run: Callable, monkeypatch: pytest.MonkeyPatch
):
    """With the evidence that is served and the sample's deliveries, coverage has two bounds."""
    process = start("emulate", "--requests-per-second", "0", "--now", END)
    lines = read_until(process, "exportstats status")
    for name, value in exported(lines, "111122223333", "us-east-1").items():
        monkeypatch.setenv(name, value)
    lost = sample.folder() / "deliveries.jsonl.gz"
    days = ("--since", "2026-10-01", "--until", "2026-11-22")
    done = run("coverage", *days, "--evidence", "live", "--deliveries", lost)
    assert done.exit_code == 0, done.stderr
    summary = xs.coverage_summary(
        xs.sample_tasks(),
        start=days[1],
        end=days[3],
        api_calls=xs.sample_api_calls(),
        incoming=xs.sample_incoming(),
        deliveries=xs.sample_deliveries(),
    ).loc["111122223333", "us-east-1"]
    least, most = (summary[f"covered_at_{name}"].mean() for name in ("least", "most"))
    assert 0.9 < least < most < 1
    assert f"covered at least {least:.1%}, at most {most:.1%}".replace("%", " %") in done.stderr


def test_it_serves_the_log_groups_of_a_file(
    start: Callable, page: Callable, groups_file: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Log groups of a file are served unchanged, with or without tasks of a file."""
    groups = groups_file({"logGroupName": "/app", "creationTime": 1_700_000_000_000})
    process = start("emulate", page({"taskId": "a"}), "--log-groups", groups)
    lines = read_until(process, "exportstats status")
    assert lines[0] == "1 tasks and 1 log groups"
    for name, value in exported(lines, "123456789012", "us-east-1").items():
        monkeypatch.setenv(name, value)
    found = xs.fetch_log_groups()
    assert found["log_group_name"].to_list() == ["/app"]
    assert found["creation_time"][0] == dt.datetime.fromtimestamp(1_700_000_000, dt.UTC)


def test_files_are_moved_by_now_alone(
    start: Callable, page: Callable, monkeypatch: pytest.MonkeyPatch
):
    """With --now, a file's tasks are as of that time, and so is the emulator's clock."""
    running = {
        "taskId": "a",
        "status": {"code": "RUNNING"},
        "executionInfo": {"creationTime": 1_700_000_000_000},
        "observedAt": 1_700_000_060_000,
    }
    for words, created, observed in (
        ((), 1_700_000_000, dt.datetime.now(dt.UTC).timestamp()),
        (("--now", "2026-11-23T06:00:00Z"), 1_795_413_540, 1_795_413_600),
    ):
        process = start("emulate", page(running), *words)
        lines = read_until(process, "exportstats status")
        for name, value in exported(lines, "123456789012", "us-east-1").items():
            monkeypatch.setenv(name, value)
        task = xs.fetch_tasks().iloc[0]
        assert task["creation_time"].timestamp() == created
        assert abs(task["observed_at"].timestamp() - observed) < 30


def test_a_region_from_a_file_is_only_text(start: Callable, run: Callable, page: Callable):
    """The printed exports are safe to copy into a shell."""
    evil = "$(touch harmed)\x1b[31m'; touch harmed #"
    path = page({"taskId": "a", "region": evil, "accountId": "111122223333"})
    lines = read_until(start("emulate", path), "exportstats status")
    assert all(line.isprintable() for line in lines)
    words = shlex.split(slot_lines(lines)[0], comments=True)
    assert words[2] == "AWS_DEFAULT_REGION=" + evil.replace("\x1b", r"\x1b")


def test_a_port_that_is_taken_is_an_error(run: Callable):
    """A port in use is wrong usage, with a remedy."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("emulate", "--port", port)
    assert done.exit_code == 2
    assert done.stderr == (
        f"exportstats: cannot listen on port {port}: Address already in use; give another, or 0\n"
    )


def test_help_lists_every_fault(run: Callable):
    """The help lists and describes every fault."""
    text = run("emulate", "--help").stdout
    for kind in KINDS:
        assert f"  {kind} " in text
