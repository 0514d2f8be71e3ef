"""`fetch` stores the tasks that arrive, however it ends."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

import pytest
from pandas.testing import assert_frame_equal

import exportstats as xs
from exportstats.emulator import Emulator, Fault, wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message
    from pathlib import Path

PAGES = 33  # of 50 tasks, of the 1,641 that the emulator serves


def asked(emulator: Emulator) -> int:
    """Count the pages that were requested."""
    return sum(request.operation == wire.TASKS for request in emulator.requests)


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".JSON"])
def test_all_tasks_are_in_the_file(ending: str, run: Callable, live: Emulator, tmp_path: Path):
    """`fetch` writes the tasks of `fetch_tasks`; its messages are on stderr, stdout is empty."""
    path = tmp_path / f"tasks{ending}"
    done = run("fetch", "-o", path)
    assert done.exit_code == 0
    assert not done.stdout
    assert done.stderr.startswith(f"exportstats: {path}: 1,641 tasks, created 2025-11-25 to 2026-")
    wanted = xs.fetch_tasks().drop(columns="observed_at")
    assert_frame_equal(xs.read_tasks(path).drop(columns="observed_at"), wanted)
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


def test_fetch_selects(run: Callable, live: Emulator, tmp_path: Path):
    """The file has only tasks that --status and --since select."""
    path = tmp_path / "tasks.csv"
    run("fetch", "-o", path, "--status", "failed", "--since", "2026-06-01")
    tasks = xs.read_tasks(path)
    assert set(tasks["status_code"]) == {"FAILED"}
    assert 0 < len(tasks) < 46
    assert tasks["creation_time"].min().isoformat() >= "2026-06-01"


def test_no_tasks_are_an_empty_file(run: Callable, live: Emulator, tmp_path: Path):
    """A region without tasks gives a file without tasks, which can be read again."""
    for ending in (".parquet", ".csv", ".jsonl", ".json"):
        path = tmp_path / f"tasks{ending}"
        assert run("fetch", "--region", "eu-north-1", "-o", path).exit_code == 0
        done = run("status", path)
        assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "no tasks")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "tasks",
            "'tasks' is not a supported format; use one of .parquet, .csv, .csv.gz",
        ),
        ("tasks.xlsx", ".xlsx' is not a supported format; use one of"),
        (".csv", "is not a supported format"),
        ("tasks.parquet.gz", "is not a supported format"),
        ("missing/tasks.csv", "the folder 'missing' does not exist or is not writable; create it"),
        ("folder.csv", "'folder.csv' is a directory"),
        ("", "'.' is a directory"),
    ],
)
def test_what_cannot_be_written_is_refused_before_aws_is_asked(
    name: str,
    reason: str,
    run: Callable,
    live: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """A path that cannot be written is refused before anything is fetched."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    done = run("fetch", "-o", name)
    assert done.exit_code == 2
    assert reason in done.stderr
    assert not live.requests


@pytest.mark.parametrize("words", [["--by", "x"], ["--freq", "x"], ["--plot", "x"]])
def test_what_cannot_be_counted_is_refused_before_aws_is_asked(
    words: list[str], run: Callable, live: Emulator
):
    """An invalid column, frequency or chart is refused before anything is fetched."""
    assert run("status", *words).exit_code == 2
    assert run("durations", *words).exit_code == 2
    assert not live.requests


def test_ctrl_c_writes_what_arrived(
    start: Callable, end: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """After Ctrl-C the file has the pages that arrived, and the exit code is 3."""
    emulator = serve(made(50 * PAGES), latency_seconds=0.1)
    path = tmp_path / "tasks.parquet"
    process = start("fetch", "-o", path)
    while asked(emulator) < 5:
        time.sleep(0.01)
        assert process.poll() is None, process.stderr.read()
    done = end(process)
    assert done.code == 3, done
    arrived = len(xs.read_tasks(path))
    assert arrived % 50 == 0
    assert 150 <= arrived < 50 * PAGES
    stopped, rest, written = done.stderr.splitlines()
    assert stopped == f"exportstats: stopped: {arrived} tasks arrived"
    assert rest.startswith("exportstats: for the rest: exportstats fetch --next-token=")
    assert written.startswith(f"exportstats: {path}: {arrived} tasks")


def test_ctrl_c_before_anything_arrived(
    start: Callable, end: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """Ctrl-C before the first page leaves the file unchanged, and the exit code is 130."""
    emulator = serve(made(1), faults=[Fault("hang")])
    path = tmp_path / "tasks.csv"
    xs.write_tasks(xs.sample_tasks().head(3), path)
    before = path.read_bytes()
    process = start("fetch", "-o", path)
    while not asked(emulator):
        time.sleep(0.01)
        assert process.poll() is None, process.stderr.read()
    assert end(process) == (130, "", "exportstats: stopped\n")
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.iterdir()] == ["tasks.csv"]


def test_ctrl_c_prints_the_table_of_what_arrived(
    start: Callable, end: Callable, serve: Callable, made: Callable
):
    """After Ctrl-C a table of the tasks that arrived is printed, and the exit code is 3."""
    emulator = serve(made(50 * PAGES), latency_seconds=0.1)
    process = start("status", "--format", "csv")
    while asked(emulator) < 4:
        time.sleep(0.01)
    done = end(process)
    assert done.code == 3
    assert done.stdout.startswith("status_code,tasks,share\n")


def test_a_failure_keeps_what_arrived_and_says_how_to_continue(
    run: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """A later failure exits with 3, and the command that it prints fetches only the rest."""
    emulator = serve(made(170), faults=[Fault("deny", at=(3,))])
    path = tmp_path / "tasks.parquet"
    words = ["--region", "eu-west-1", "--endpoint-url", emulator.url, "--status", "completed"]
    done = run("fetch", "-o", path, *words)
    assert done.exit_code == 3
    incomplete, rest, _ = done.stderr.splitlines()
    assert incomplete.startswith(
        "exportstats: incomplete: page 3 of 111122223333 in eu-west-1: AccessDeniedException"
    )
    assert "logs:DescribeExportTasks" in incomplete
    assert len(xs.read_tasks(path)) == 100

    command = shlex.split(rest.removeprefix("exportstats: for the rest: "))
    assert command[:2] == ["exportstats", "fetch"]
    assert command[-2:] == ["-o", "rest.parquet"]
    again = run(*command[1:-1], tmp_path / "rest.parquet")
    assert again.exit_code == 0, again.stderr
    both = run("status", tmp_path / "*.parquet", "--format", "csv")
    assert "COMPLETED,170,1.0" in both.stdout


def test_a_failure_at_once_writes_nothing(
    run: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """A failure before the first page exits with 1, and the old file stays."""
    serve(made(3), faults=[Fault("expired")])
    path = tmp_path / "tasks.jsonl"
    xs.write_tasks(xs.sample_tasks().head(3), path)
    before = path.read_bytes()
    done = run("fetch", "-o", path)
    assert done.exit_code == 1
    assert "ExpiredTokenException" in done.stderr
    assert "sign in again" in done.stderr
    assert done.stderr.count("\n") == 1
    assert path.read_bytes() == before


class Talkative(Emulator):
    """A service whose token and error message are hostile."""

    TOKEN = "'; touch harmed; '$(touch harmed)"

    def respond(self, headers: Message, body: bytes) -> tuple[bytes, bool]:
        """Return one page with the token, then refuse."""
        request = wire.Request.read(headers, body)
        if request.operation != wire.TASKS:
            return super().respond(headers, body)
        self.requests.append(request)
        if "nextToken" in request.params:
            evil = "no\x1b]0;title\x07\n\u202e[bold red]way[/]"
            return wire.json_error(wire.ServiceError("Access\x1bDenied", evil)), True
        token = self.TOKEN.encode()
        return wire.http(
            200, wire.JSON, b'{"exportTasks":[{"taskId":"a"}],"nextToken":"%b"}' % token
        ), True


def test_what_aws_says_of_a_failure_is_only_text(run: Callable, serve: Callable, tmp_path: Path):
    """A message or token with escapes, quotes or newlines is printed as text."""
    serve([], kind=Talkative)
    done = run("fetch", "-o", tmp_path / "tasks.csv")
    assert done.exit_code == 3, done.stderr
    incomplete, rest, _ = done.stderr.splitlines()
    assert done.stderr.replace("\n", "").isprintable()
    assert "[bold red]way[/]" in incomplete
    words = shlex.split(rest.removeprefix("exportstats: for the rest: "))
    assert words[2] == f"--next-token={Talkative.TOKEN}"
    assert words[3:] == ["-o", "rest.parquet"]


def test_a_hidden_account_is_reported(run: Callable, serve: Callable, made: Callable):
    """If STS denies the account ID, one line on stderr says so, and the exit code is 0."""
    serve(made(2), faults=[Fault("deny_identity")])
    done = run("status", "--format", "json")
    assert done.exit_code == 0
    assert done.stderr.startswith("exportstats: account_id is missing: STS did not return it")
    assert done.stderr.count("\n") == 1


SLOTS = {("111122223333", "eu-west-1"): 120, ("444455556666", "us-east-1"): 50}
ORGANISATION = ("--organization", "--role-name", "audit", "--all-regions")


def of_organisation(made: Callable) -> list[dict[str, object]]:
    """Return tasks in two of the four slots of an organisation."""
    return [
        {**task, "accountId": account, "region": region, "taskId": f"{account}-{number}"}
        for (account, region), count in SLOTS.items()
        for number, task in enumerate(made(count))
    ]


def test_a_dry_run_counts_what_a_fetch_sends(
    run: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """Without a file it is at least a request a target; with the file of a fetch, as many."""
    emulator = serve(of_organisation(made))
    path = tmp_path / "tasks.parquet"
    done = run("fetch", *ORGANISATION, "-o", path, "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "4 targets",
        "DescribeExportTasks: at least 4 requests",
        "AssumeRole: 1 request",
    ]
    listing = {"GetCallerIdentity", "DescribeRegions", "ListAccounts"}
    assert {one.operation for one in emulator.requests} == listing
    assert not path.exists()

    emulator.requests.clear()
    assert run("fetch", *ORGANISATION, "-o", path).exit_code == 0
    sent = [one.operation for one in emulator.requests]
    stored = path.read_bytes()
    done = run("fetch", *ORGANISATION, "-o", path, "--dry-run")
    counts = {"DescribeExportTasks": sent.count("DescribeExportTasks")}
    assert counts == {"DescribeExportTasks": 6}
    assert done.stdout.splitlines()[1:] == [
        f"DescribeExportTasks: about 6 requests, as 2 targets had tasks in {path}",
        f"AssumeRole: {sent.count('AssumeRole')} request",
    ]
    assert path.read_bytes() == stored


def test_a_dry_run_of_one_account_asks_nothing(run: Callable, live: Emulator, tmp_path: Path):
    """One account and region is one target, whose requests a file of only its tasks tells."""
    path = tmp_path / "tasks.parquet"
    done = run("fetch", "-o", path, "--dry-run")
    assert done.stdout.splitlines() == ["1 target", "DescribeExportTasks: at least 1 request"]
    assert not live.requests
    run("fetch", "-o", path)
    live.requests.clear()
    done = run("fetch", "-o", path, "--dry-run")
    assert f"about {PAGES} requests, as 1 target had tasks" in done.stdout
    done = run("fetch", "-o", path, "--dry-run", "--status", "FAILED")
    assert "about 1 request, as 1 target had tasks" in done.stdout
    assert not live.requests
