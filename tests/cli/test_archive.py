"""The commands `archive …`, and archives as the source of other commands."""

from __future__ import annotations

import datetime as dt
import json
import re
import signal
import time
from typing import TYPE_CHECKING

import click
import pandas as pd
import pytest
from archived import ACCOUNT, REGION, assert_same, files, task

import exportstats as xs
from exportstats.cli import main
from exportstats.cli.archive import archive as group
from exportstats.emulator import Emulator, Fault, wire

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]

NAMES = ["sync", "info", "history", "compact", "vacuum", "export", "import"]


@pytest.fixture
def history(tmp_path: Path) -> xs.Archive:
    """Return an archive of the sample."""
    made = xs.Archive(tmp_path / "history")
    made.add(xs.sample_tasks())
    made.add(xs.sample_log_groups(), of="log_groups")
    return made


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Serve 120 tasks, with credentials in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with Emulator(map(task, range(120))) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str, run: Run):
    """Each command explains each of its options, in 80 columns."""
    command = group.get_command(click.Context(group), name)
    assert command is not None
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name
    done = run("archive", name, "--help")
    command._help_option = None
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "ARCHIVE" in done.stdout


def test_sync_and_look(run: Run, emulator: Emulator, tmp_path: Path):
    """A sync says what was new; the other commands show what is kept."""
    place = tmp_path / "history"
    done = run("archive", "sync", place)
    assert done.exit_code == 0, done.output
    assert "1 target: 120 new, 0 changed, 0 unchanged; 3 requests" in done.stdout
    done = run("archive", "sync", place, "--format", "json", "--account", ACCOUNT)
    (row,) = json.loads(done.stdout)
    assert (row["requests"], row["new"], row["unchanged"]) == (1, 0, 50)
    assert "120 tasks in 1 slot" in run("archive", "info", place).stdout
    shown = run("archive", "history", place, "task-7", "--format", "csv").stdout
    assert len(shown.splitlines()) == 2
    assert "COMPLETED" in shown
    emulator.add(task(120))
    run("archive", "sync", place, "--full")
    assert re.search(r"files became \d", run("archive", "compact", place).stdout)
    assert "0 files deleted" in run("archive", "vacuum", place).stdout
    assert "files deleted" in run("archive", "vacuum", place, "--retention", "0h").stdout
    assert re.search(r"(?m)^table +files_before", run("archive", "compact", place).stdout)
    done = run("status", place, "--format", "csv")
    assert done.exit_code == 0
    assert "COMPLETED,121," in done.stdout


def test_a_sync_that_fails_in_part(run: Run, emulator: Emulator, tmp_path: Path):
    """If only some arrived the exit code is 3, if nothing arrived it is 1; the reason is shown."""
    emulator._faults = (Fault("deny", at=(3, 4)),)
    done = run("archive", "sync", tmp_path / "history")
    assert done.exit_code == 3
    assert "logs:DescribeExportTasks" in done.stderr
    assert "1 target, 1 failed: 100 new" in done.stdout
    done = run("archive", "sync", tmp_path / "other")
    assert done.exit_code == 1
    assert not (tmp_path / "other").exists()
    assert run("archive", "sync", tmp_path / "history").exit_code == 0
    assert len(xs.read_tasks(tmp_path / "history")) == 120
    targets = tmp_path / "targets.csv"
    targets.write_text(f"account_id,region\n{ACCOUNT},{REGION}\n{ACCOUNT},us-east-1\n")
    emulator._faults = (Fault("deny", region="us-east-1"),)
    done = run("archive", "sync", tmp_path / "history", "--targets", targets)
    assert done.exit_code == 3
    assert f"{ACCOUNT} us-east-1: 0 arrived" in done.stderr


def test_an_archive_is_a_source(run: Run, history: xs.Archive, tmp_path: Path):
    """Commands answer from an archive as from a file with the same tasks."""
    file = tmp_path / "tasks.parquet"
    xs.write_tasks(xs.sample_tasks(), file)
    xs.write_log_groups(xs.sample_log_groups(), tmp_path / "groups.jsonl")
    for words in (
        ["status", "--by", "region", "--format", "csv"],
        ["durations", "--freq", "MS", "--format", "csv"],
        ["failures", "--since", "2026-11-01", "--format", "csv"],
        ["eta", "--format", "csv"],
    ):
        name, *options = words
        of_archive, of_file = run(name, history.uri, *options), run(name, file, *options)
        assert of_archive.exit_code == of_file.exit_code == 0
        assert of_archive.stdout == of_file.stdout
    groups = [("--log-groups", history.uri), ("--log-groups", tmp_path / "groups.jsonl")]
    shown = [
        run("report", source, "--week", "2026-W45", *words)
        for source, words in zip((history.uri, file), groups, strict=True)
    ]
    assert [done.exit_code for done in shown] == [0, 0]
    assert shown[0].stdout.replace(history.uri, "") == shown[1].stdout.replace(
        str(file), ""
    ).replace(str(tmp_path / "groups.jsonl"), "")


def test_the_log_groups_of_an_archive_are_used(run: Run, history: xs.Archive, tmp_path: Path):
    """Coverage and the report use them by default; `--log-groups` names others."""
    words = ["gaps", history.uri, "--since", "2026-11-01", "--until", "2026-11-20"]
    default = run(*words, "--format", "csv").stdout
    assert default == run(*words, "--log-groups", history.uri, "--format", "csv").stdout
    nothing = tmp_path / "none.json"
    nothing.write_text('{"logGroups": []}')
    assert default != run(*words, "--log-groups", nothing, "--format", "csv").stdout
    assert "expire" in run("report", history.uri, "--week", "2026-W45").stdout


def test_an_account_of_an_archive(run: Run, history: xs.Archive):
    """`--account` and `--region` select as they do of files, and what is unknown is said."""
    sample = xs.sample_tasks()
    of_account = sample["account_id"] == "444455556666"
    done = run("status", history.uri, "--account", "444455556666", "--format", "json")
    assert sum(row["tasks"] for row in json.loads(done.stdout)) == of_account.sum()
    of_slot = of_account & (sample["region"] == "eu-west-1")
    words = ["--account", "444455556666", "--region", "eu-west-1", "--format", "json"]
    rows = json.loads(run("status", history.uri, *words).stdout)
    assert sum(row["tasks"] for row in rows) == of_slot.sum()
    assert "6,096" in run("status", history.uri, "--account", "999999999999").stderr


def test_archives_and_files_are_combined(history: xs.Archive, tmp_path: Path):
    """An archive and a file are one table; each task is once, in its latest state."""
    tasks = xs.sample_tasks()
    ended = tasks.assign(status_code="COMPLETED", observed_at=pd.Timestamp("2026-12-01", tz="UTC"))
    xs.write_tasks(xs.conform(ended), tmp_path / "later.parquet")
    both = xs.read_tasks([history.uri, tmp_path / "later.parquet"])
    assert_same(both, xs.concat([tasks, xs.conform(ended)]))
    assert len(xs.read_log_groups(history.uri)) == len(xs.sample_log_groups())
    assert xs.read_deliveries(history.uri).empty
    with pytest.raises(xs.ArgumentError, match="if it is one of an archive, give the archive's"):
        xs.read_tasks(tmp_path / "history" / "tasks")


def test_export(run: Run, history: xs.Archive, tmp_path: Path):
    """A table is written as it is, or was; an existing file is kept unless told otherwise."""
    file = tmp_path / "tasks.jsonl.gz"
    assert "6,096 tasks" in run("archive", "export", history.uri, "-o", file).stderr
    assert_same(xs.read_tasks(file), xs.sample_tasks())
    done = run("archive", "export", history.uri, "-o", file, "--as-of", "2026-01-01")
    assert done.exit_code == 2
    assert "exists; choose another file, or give --replace" in done.stderr
    words = ["--as-of", "2026-01-01", "--replace"]
    done = run("archive", "export", history.uri, "-o", file, *words)
    assert done.exit_code == 2
    assert "is before the first observation; give a time from 2026-11-2" in done.stderr
    assert len(xs.read_tasks(file)) == 6096
    groups = tmp_path / "groups.csv"
    run("archive", "export", history.uri, "-o", groups, "--of", "log_groups")
    assert len(xs.read_log_groups(groups)) == len(xs.sample_log_groups())


def test_import_files_of_earlier_days(run: Run, tmp_path: Path):
    """The AWS CLI's output of each day is a look at its time; importing it again adds nothing."""
    place = tmp_path / "history"
    for day, state in ((3, "COMPLETED"), (1, "PENDING"), (2, "RUNNING")):
        one = {name: value for name, value in task(1, state).items() if name != "accountId"}
        file = tmp_path / f"{day}.json"
        file.write_text(json.dumps({"exportTasks": [one]}))
        words = ["archive", "import", place, file, "--account", ACCOUNT]
        done = run(*words)
        assert done.exit_code == 2
        assert "1 of 1 tasks have no observed_at; give --observed-at" in done.stderr
        assert run(*words, "--observed-at", f"2026-11-{23 + day}T06:00Z").exit_code == 0
    kept = xs.Archive(place)
    assert kept.history("task-1")["status_code"].to_list() == ["PENDING", "RUNNING", "COMPLETED"]
    before = files(kept)
    assert run(*words, "--observed-at", "2026-11-25T06:00Z").exit_code == 0
    assert files(kept) == before
    tasks = kept.tasks(as_of=dt.datetime(2026, 11, 25, tzinfo=dt.UTC))
    assert tasks["status_code"].to_list() == ["PENDING"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sync_that_is_stopped(
    number: int,
    start: Callable[..., subprocess.Popen[str]],
    serve: Callable[..., Emulator],
    run: Run,
    tmp_path: Path,
):
    """What arrived before Ctrl-C is kept, with exit code 3, and the next sync reads the rest."""
    emulator = serve(map(task, range(2000)), latency_seconds=0.1)
    process = start("archive", "sync", tmp_path / "history")
    while sum(request.operation == wire.TASKS for request in emulator.requests) < 5:
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 3, stderr
    assert "Traceback" not in stderr
    assert "stopped by the user; what arrived was kept, and the next sync reads" in stderr
    with pytest.warns(xs.PartialListWarning, match="was never read to its end"):
        arrived = len(xs.read_tasks(tmp_path / "history"))
    assert 150 <= arrived < 2000
    assert f"1 target, 1 failed: {arrived:,} new" in stdout
    emulator._latency = 0
    assert run("archive", "sync", tmp_path / "history").exit_code == 0
    assert len(xs.read_tasks(tmp_path / "history")) == 2000


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["info", "nowhere"], 2, "there is no archive at"),
        (["history", "HISTORY", "no-such-task"], 2, "has no task 'no-such-task'"),
        (["vacuum", "HISTORY", "--retention", "soon"], 2, "--retention soon; give a length"),
        (["vacuum", "HISTORY", "--retention", "7"], 2, "--retention 7; give a length"),
        (["sync", "gs://bucket"], 2, "give a folder or s3://bucket/prefix"),
        (["snyc", "HISTORY"], 2, "No such command 'snyc'"),
        (["./it's"], 2, """ARCHIVE follows a command: exportstats archive info './it'"'"'s'"""),
        (["export", "HISTORY", "-o", "tasks.xls"], 2, "is not a supported format"),
        (["import", "HISTORY"], 2, "Missing argument 'FILE...'"),
    ],
)
def test_refusals(run: Run, history: xs.Archive, words: list[str], code: int, told: str):
    """What is wrong is one line on stderr, with the options of the command."""
    done = run("archive", *(history.uri if word == "HISTORY" else word for word in words))
    assert done.exit_code == code
    assert told in done.stderr


def test_a_damaged_file_is_a_partial_result(run: Run, history: xs.Archive):
    """A command answers from the other files, names the damaged one, and exits with 3."""
    file = next(path for path in files(history) if path.suffix == ".parquet")
    file.write_bytes(b"")
    of = file.parents[1].name
    done = run("archive", "export", history.uri, "-o", f"{history.uri}.jsonl", "--of", of)
    assert done.exit_code == 3
    assert file.name in done.stderr


def test_the_group_is_in_the_reference():
    """The group has the commands that the documentation lists."""
    assert group.list_commands(click.Context(main)) == sorted(NAMES)
