"""`phases`, and what `slots` and `eta` learn from an archive of waiting and running."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rich.cells import cell_len
from shown import AS_TERMINAL, SGR
from support import HOUR, START, table

import exportstats as xs
from exportstats.archive.delta import Snapshot
from exportstats.archive.kinds import shard_of
from exportstats.core import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.archive.query import Query

MINUTE = 60_000
TO = "\N{EN DASH}"
SLOT = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "/acme/api"}


@pytest.fixture
def address(tmp_path: Path) -> Path:
    """Return an archive of ten tasks that waited for 20 of 30 minutes, and of a running one."""
    archive = xs.Archive(tmp_path / "history")
    for number in range(11):
        fields = {**SLOT, "task_id": f"task-{number:02}", "creation_time": START + number * HOUR}
        for minute, state in [(19, "PENDING"), (21, "RUNNING"), (40, "COMPLETED")]:
            if number == 10 and state == "COMPLETED":
                continue
            seen = fields["creation_time"] + minute * MINUTE
            ended = seen - 10 * MINUTE if state == "COMPLETED" else None
            archive.add(table(fields, status_code=state, completion_time=ended, observed_at=seen))
    return tmp_path / "history"


def test_phases_shows_the_bounds(run: Callable, address: Path):
    """The table has the bounds of each quantile, and JSON is that of the function."""
    shown = run("phases", address, "--by", "region").stdout
    assert "11 tasks" in shown
    assert shown.split("\n")[4].replace(TO, "|").split() == [
        *("eu-west-1", "10", *(["19m|21m1s", "8m59s|11m"] * 2), "10", "1"),
    ]
    (row,) = json.loads(run("phases", address, "--format", "json").stdout)
    summary = xs.phase_summary(xs.phase_durations(xs.Archive(address))).iloc[0]
    assert row["running_p90_high_seconds"] == summary["running_p90_high"].total_seconds()
    (none,) = json.loads(run("phases", address, "--until=2026-11-01", "--format=json").stdout)
    assert none["completed"] == 0


@pytest.mark.parametrize("words", [["phases"], ["phases", "--by", "log_group_name"], ["slots"]])
def test_they_fit_80_columns(run: Callable, words: list[str], address: Path):
    """In a terminal of 80 columns, the medians and the running times are shown."""
    command, *options = words
    shown = SGR.sub("", run(command, address, *options, env=AS_TERMINAL).stdout)
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert ("ran at most" if command == "slots" else f"8m59s{TO}11m") in shown


def test_phases_can_be_drawn(run: Callable, address: Path, tmp_path: Path):
    """`--plot` writes a complete PNG."""
    assert run("phases", address, "--plot", tmp_path / "chart.png").exit_code == 0
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_phases_needs_an_archive(run: Callable, address: Path, sample_file: Path):
    """Without an archive, or with files beside it, the command says what it needs."""
    for source in ([], [sample_file], [address, sample_file]):
        done = run("phases", *source)
        assert done.exit_code == 2
        assert "only an archive says when tasks were waiting" in done.stderr


def test_slots_shows_how_much_tasks_ran(run: Callable, address: Path, sample_file: Path):
    """With an archive, the table has the running time; with a file, JSON has the widest bounds."""
    assert "ran at least  ran at most" in run("slots", address).stdout
    (row,) = json.loads(run("slots", address, "--format", "json").stdout)
    lengths = [row[f"{name}_seconds"] for name in ("busy", "running_low", "running_high")]
    assert lengths == [10 * 1800 + 21 * 60, 10 * 539, 10 * 660 + 120]
    assert "ran at least" not in run("slots", sample_file).stdout
    for row in json.loads(run("slots", sample_file, "--format", "json").stdout):
        assert row["running_low_seconds"] == 0
        assert row["running_high_seconds"] == row["busy_seconds"]


def test_eta_compares_running_times(run: Callable, address: Path):
    """A task that has waited as long as others will take as long as they ran."""
    (row,) = json.loads(run("eta", address, "--format", "json").stdout)
    archive = xs.Archive(address)
    phases = xs.phase_durations(archive)
    (told,) = xs.estimate_completion(archive, phases=phases)["remaining"]
    assert row["remaining_seconds"] == pytest.approx(told.total_seconds())
    assert told < pd.Timedelta("11min")


@pytest.mark.parametrize("command", ["phases", "eta", "slots"])
def test_of_one_account_only_its_files_are_read(
    command: str, run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With --account and --region, the answer comes from the files of one place."""
    archive = xs.Archive(tmp_path / "history")
    accounts = [f"{number:012}" for number in range(8)]
    seen = {**SLOT, "status_code": "RUNNING", "creation_time": START, "observed_at": START + HOUR}
    archive.add(table(*({**seen, "account_id": one, "task_id": one} for one in accounts)))
    files, read = [], Snapshot._read

    def watched(snapshot: Snapshot, some: pd.DataFrame, query: Query) -> object:
        if snapshot.store.kind is schema.TASKS:
            files.extend(some["path"])
        return read(snapshot, some, query)

    monkeypatch.setattr(Snapshot, "_read", watched)
    place = ["--account", accounts[3], "--region", SLOT["region"]]
    words = [command, tmp_path / "history", "--format=csv"]
    answer = run(*words, *place).stdout.splitlines()
    folder = f"shard={shard_of(accounts[3], SLOT['region'])}"
    assert {file.split("/")[0] for file in files} == {folder}
    assert len(answer) == 2
    files.clear()
    whole = run(*words).stdout.splitlines()
    assert len({*files}) > 1
    assert command == "phases" or answer[1] in whole
