"""What the commands `archive …` say, in a terminal of 80 columns and on stderr."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import click
import pandas as pd
import pytest
from archived import ACCOUNT, REGION, data_files, session, task

import exportstats as xs
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]
    Terminal = Callable[..., tuple[int, str]]

NIGHT = dt.datetime(2026, 11, 24, 3, tzinfo=dt.UTC)


@pytest.fixture
def history(tmp_path: Path) -> xs.Archive:
    """Return an archive of the sample in a folder whose name has a space."""
    made = xs.Archive(tmp_path / "my histöry")
    made.add(xs.sample_tasks())
    return made


def test_info_fits_into_80_columns(terminal: Terminal, tmp_path: Path):
    """`info` shows until when all is settled, what is gone, and for how long AWS lists a task."""
    archive = xs.Archive(tmp_path / "history")
    regions = {"eu-west-1": 1, "ap-southeast-2": 2}
    targets = [xs.Target(ACCOUNT, region) for region in regions]
    for first, days in ((0, 0), (100, 1)):
        tasks = [
            task(number * step, region=region)
            for region, step in regions.items()
            for number in range(first, 300)
        ]
        with Emulator(tasks, now=NIGHT + dt.timedelta(days=days)) as emulator:
            archive.sync(targets, session=session(), endpoint_url=emulator.url, full=True)
    code, shown = terminal("archive", "info", archive.uri)
    assert code == 0
    shown = click.unstyle(shown)
    assert max(map(len, shown.splitlines())) <= 80
    assert "observed 2026-11-25 03:00 UTC" in shown
    for text in ("settled_until", "10:59", "15:58", "gone", "100", "remembered", "1d19h"):
        assert text in shown
    assert "columns not shown" not in shown
    assert archive.info()["last_observed"].dt.day.to_list() == [25, 25]


def test_info_of_tasks_that_were_only_added(run: Run, history: xs.Archive):
    """Without a sync, it is not known for how long AWS lists a task."""
    done = run("archive", "info", history.uri)
    assert "6,096 tasks in 5 slots (accounts and regions), observed 2026-11-2" in done.stdout
    assert "remembered" in done.stdout


def test_history_keeps_the_time_that_tells_its_rows_apart(terminal: Terminal, tmp_path: Path):
    """Of looks within a minute, `history` shows the seconds, in 80 columns too."""
    archive = xs.Archive(tmp_path / "history")
    for second, state in ((0, "PENDING"), (8, "RUNNING"), (40, "COMPLETED")):
        one = task(1, state, taskName="nightly", destination="acme-logs")
        with Emulator([one], now=NIGHT + dt.timedelta(seconds=second)) as emulator:
            archive.sync(session=session(), endpoint_url=emulator.url)
    _, shown = terminal("archive", "history", archive.uri, "task-1")
    assert [f"2026-11-24 03:00:{second}" in shown for second in ("00", "08", "40")] == [True] * 3


def test_import_says_what_was_new(run: Run, tmp_path: Path):
    """Each file has the numbers of new, changed and unchanged tasks, and its own columns."""
    tasks = xs.conform(xs.sample_tasks().head(100))
    first, second = tmp_path / "first.csv", tmp_path / "second.jsonl"
    xs.write_tasks(tasks.assign(team="web", owner="ann"), first)
    later = tasks.assign(observed_at=tasks["observed_at"] + pd.Timedelta("1h"))
    xs.write_tasks(later.assign(status_message=["other"] * 10 + ["same"] * 90), second)
    place = tmp_path / "history"
    done = run("archive", "import", place, first, second)
    assert f"{first}: 100 new, 0 changed, 0 unchanged" in done.stderr
    assert f"{second}: 0 new, 100 changed, 0 unchanged" in done.stderr
    assert f"{first}: an archive does not keep your own columns, here team, owner" in done.stderr
    assert f"{second}: an archive" not in done.stderr
    again = run("archive", "import", place, first)
    assert f"{first}: 0 new, 0 changed, 100 unchanged" in again.stderr


def test_import_refuses_looks_in_the_future(run: Run, tmp_path: Path):
    """An observation later than now is refused with its time, and nothing is added."""
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps({"exportTasks": [task(1)]}))
    words = ["archive", "import", tmp_path / "history", file, "--account", ACCOUNT]
    done = run(*words, "--observed-at", "2199-01-01T06:00Z")
    assert done.exit_code == 2
    assert "rows observed at 2199-01-01T06:00:00Z, which is in the future" in done.stderr
    assert "correct --observed-at, the file, or the clock" in done.stderr
    assert not (tmp_path / "history").exists()
    seen = xs.read_tasks(file, account_id=ACCOUNT, region=REGION)
    seen["observed_at"] = pd.Timestamp("2198-01-01", tz="UTC").as_unit("ms")
    xs.write_tasks(seen, tmp_path / "seen.csv")
    done = run("archive", "import", tmp_path / "history", tmp_path / "seen.csv")
    assert "seen.csv has rows observed at 2198-01-01T00:00:00Z" in done.stderr


def test_a_vacuum_counts_each_file_once(run: Run, history: xs.Archive):
    """A second vacuum finds nothing to delete."""
    tasks = xs.sample_tasks()
    history.add(tasks.assign(observed_at=tasks["observed_at"] + pd.Timedelta("1h")))
    history.compact()
    before = len(data_files(history))
    done = run("archive", "vacuum", history.uri, "--retention", "0d")
    deleted = before - len(data_files(history))
    assert deleted > 0
    assert f"{deleted} files deleted" in done.stdout
    done = run("archive", "vacuum", history.uri, "--retention", "0d")
    assert "0 files deleted" in done.stdout


def test_compact_of_a_damaged_archive(run: Run, history: xs.Archive):
    """The error names the file once, as a path, and how to get its tasks back."""
    tasks = xs.sample_tasks()
    history.add(tasks.assign(observed_at=tasks["observed_at"] + pd.Timedelta("1h"), task_name="x"))
    file = data_files(history)[0]
    file.unlink()
    done = run("archive", "compact", history.uri)
    assert done.exit_code == 1
    assert done.stderr.count(file.name) == 1
    assert f"{file} (no such file) cannot be read, so " in done.stderr
    assert f"`exportstats archive sync --full '{history.uri}'` adds again" in done.stderr
    assert run("archive", "info", history.uri).stderr.count(file.name) == 1


def test_eta_tells_no_match_from_no_active_task(run: Run, history: xs.Archive):
    """A filter that no task matches is told from one that matches no active task."""
    done = run("eta", history.uri, "--account", "999999999999")
    assert done.exit_code == run("status", history.uri, "--account", "999999999999").exit_code
    assert done.stdout == "no tasks\n"
    assert "none of 6,096 tasks matches --account 999999999999" in done.stderr
    done = run("eta", history.uri, "--region", "ap-southeast-2")
    assert (done.stdout, done.stderr) == ("no active tasks\n", "")
    done = run("slow", history.uri, "--region", "ap-southeast-2")
    assert "none of" not in done.stderr


def test_the_last_week_of_an_archive_that_was_not_synced_since(run: Run, tmp_path: Path):
    """A report of an older week than the clock's says when the list was last read."""
    archive = xs.Archive(tmp_path / "history")
    tasks = xs.sample_tasks()
    then = pd.Timestamp("2026-11-01T06:00Z")
    archive.add(xs.conform(tasks[tasks["creation_time"] < then].assign(observed_at=then)))
    done = run("report", archive.uri)
    assert done.exit_code == 0
    assert "last read from AWS at 2026-11-01 06:00 UTC" in done.stderr
    assert "this is the report of week 2026-W43 instead of week " in done.stderr
    assert "last read" not in run("report", archive.uri, "--week", "2026-W43").stderr
    now = pd.Timestamp.now("UTC").as_unit("ms")
    archive.add(xs.conform(tasks.head(1).assign(observed_at=now, status_message="other")))
    assert "last read" not in run("report", archive.uri).stderr
