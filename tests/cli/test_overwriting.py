"""No command overwrites its input or a file that it did not write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.emulator import Emulator

WEEK = ["--week", "2023-W46"]
KINDS = [
    ("status", "--plot", "a.png"),
    ("status", "--plot", "a.svg"),
    ("status", "--plot", "a.pdf"),
    ("report", "--html", "a.html"),
    ("report", "--markdown", "a.md"),
    ("report", "--email", "a.eml"),
    ("report", "--json", "a.json"),
]


@pytest.fixture
def tasks(page: Callable, made: Callable, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write tasks, and change to their folder."""
    path = page(*made(3, **{"from": 0, "to": 1, "observedAt": 1_700_500_000_000}), name="tasks")
    monkeypatch.chdir(path.parent)
    return path


def words(command: str) -> list[str]:
    """Return the other arguments that a command needs."""
    return WEEK if command == "report" else []


@pytest.mark.parametrize(("command", "option", "name"), KINDS)
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_an_output_is_not_a_source(
    command: str, option: str, name: str, link: Callable, run: Callable, tasks: Path
):
    """An input is not overwritten, even if named by another path, a link or a pattern."""
    tasks.rename(name)
    before = (tasks.parent / name).read_bytes()
    output = name
    if link is not None:
        output = f"other-{name}"
        link(name, output)
    for source in (name, f"{name[:1]}*", f"./{name}"):
        done = run(command, source, *words(command), option, output)
        assert done.exit_code == 2
        assert not done.stdout
        assert output in done.stderr
    assert (tasks.parent / name).read_bytes() == before


def test_an_output_is_not_a_file_of_log_groups_or_targets(
    run: Callable, tasks: Path, live: Emulator, groups_file: Callable
):
    """Files of log groups and targets are not overwritten either."""
    report = tasks.with_name("report.json")
    assert run("report", tasks, *WEEK, "--json", report).exit_code == 0
    before = report.read_bytes()
    done = run("report", tasks, *WEEK, "--log-groups", report, "--json", report)
    assert done.exit_code == 2
    assert f"--json {report} is the input file {report}; choose another file" in done.stderr
    targets = tasks.with_name("targets.csv")
    targets.write_text("account_id,region\n111122223333,eu-west-1\n")
    done = run("fetch", "--targets", targets, "-o", targets)
    assert done.exit_code == 2
    assert "is the input file" in done.stderr
    assert report.read_bytes() == before
    assert not live.requests


@pytest.mark.parametrize(("command", "option", "name"), KINDS)
@pytest.mark.parametrize("content", ["my notes", '{"mine": 1}', "<html>mine</html>", "# Mine\n"])
def test_a_file_of_another_kind_stays(
    command: str, option: str, name: str, content: str, run: Callable, tasks: Path, live: Emulator
):
    """A file of another kind is refused before anything is read or fetched."""
    path = tasks.with_name(name)
    path.write_text(content)
    for source in ([], ["missing.json"]):
        done = run(command, *source, *words(command), option, name)
        assert done.exit_code == 2
        assert f"'{name}' exists and is not a" in done.stderr
        assert path.read_text() == content
    assert not live.requests


@pytest.mark.parametrize(("command", "option", "name"), KINDS)
def test_the_last_one_is_replaced(command: str, option: str, name: str, run: Callable, tasks: Path):
    """A file that the command wrote, or an empty one, is replaced; its mode stays."""
    path = tasks.with_name(name)
    path.touch(0o600)
    sizes = []
    for _ in range(2):
        assert run(command, tasks, *words(command), option, name).exit_code == 0
        sizes.append(path.stat().st_size)
        assert path.stat().st_mode & 0o777 == 0o600
    assert sizes[0] == sizes[1] > 0


def test_a_link_is_written_through(run: Callable, tasks: Path):
    """A link stays a link, for all outputs."""
    folder = tasks.with_name("real")
    folder.mkdir()
    for command, option, name in KINDS:
        tasks.with_name(name).symlink_to(folder / name)
        assert run(command, tasks, *words(command), option, name).exit_code == 0
        assert tasks.with_name(name).is_symlink()
        assert (folder / name).stat().st_size


@pytest.mark.parametrize(("command", "option", "name"), KINDS)
def test_an_invalid_place_for_a_file_is_refused(
    command: str, option: str, name: str, run: Callable, tasks: Path
):
    """A pipe, a loop of links, a long name and a NUL are refused in one line, with 2."""
    ending = name.partition(".")[2]
    os.mkfifo(f"pipe.{ending}")
    tasks.with_name(f"loop.{ending}").symlink_to(f"loop.{ending}")
    for place in (f"pipe.{ending}", f"loop.{ending}", f"{'x' * 300}.{ending}", f"a\0.{ending}"):
        done = run(command, tasks, *words(command), option, place)
        assert done.exit_code == 2, place
        assert done.stderr.splitlines()[-1].startswith("Error: Invalid value")


def test_tables_do_not_replace_other_files(run: Callable, tasks: Path, live: Emulator):
    """`--csv-dir` into a folder with a foreign figures.csv is refused."""
    folder = tasks.with_name("tables")
    folder.mkdir()
    (folder / "figures.csv").write_text("date,weight\n2026-01-01,70\n")
    for source in ([], [tasks]):
        done = run("report", *source, *WEEK, "--csv-dir", folder)
        assert done.exit_code == 2
        assert "figures.csv is there, and is no table of a report; remove it" in done.stderr
        assert not done.stdout
    assert [path.name for path in folder.iterdir()] == ["figures.csv"]
    assert not live.requests


@pytest.mark.parametrize("place", ["", "\0", "x" * 300, "tasks"])
def test_an_invalid_place_for_a_folder_is_refused(place: str, run: Callable, tasks: Path):
    """An empty name, a NUL, a long name and a file are refused as a folder."""
    for words in (["report", tasks, *WEEK, f"--csv-dir={place}"], ["demo", f"--output={place}"]):
        done = run(*words)
        assert done.exit_code == 2
        assert done.stderr.splitlines()[-1].startswith("Error: Invalid value")
    assert [path.name for path in tasks.parent.iterdir()] == [tasks.name]


def test_bytes_that_are_no_text_are_wrong_usage(tasks: Path):
    """An argument that is not UTF-8 is refused in one line."""
    for option in (b"--task-id=\xff", b"--log-group=\xff", b"--region=\xff"):
        command = [sys.executable, "-m", "exportstats", "status", tasks, option]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode in (0, 2)
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("exportstats: ")


def test_tables_replace_those_of_last_week(run: Callable, tasks: Path, groups_file: Callable):
    """Tables in a folder are replaced; other files in it stay."""
    folder = tasks.with_name("tables")
    groups = groups_file({"logGroupName": "/app", "retentionInDays": 7, "creationTime": 0})
    assert run("report", tasks, *WEEK, "--csv-dir", folder).exit_code == 0
    (folder / "mine.csv").write_text("mine")
    done = run("report", tasks, *WEEK, "--csv-dir", folder, "--log-groups", groups)
    assert done.exit_code == 0, done.stderr
    assert run("report", tasks, *WEEK, "--csv-dir", folder).exit_code == 0
    assert (folder / "mine.csv").read_text() == "mine"


def test_demo_takes_no_folder_with_own_files(run: Callable, tmp_path: Path):
    """A folder with other files is refused by `demo`, and stays."""
    (tmp_path / "tasks.parquet").write_text("a year of history")
    done = run("demo", "-o", tmp_path)
    assert done.exit_code == 2
    assert "has files that are not from a demo; choose another folder with -o" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.parquet"]


@pytest.mark.parametrize("name", ["\0", "loop", "x" * 300, "missing/file"])
def test_a_source_that_cannot_be_read_is_one_line(name: str, run: Callable, tasks: Path):
    """A NUL, a loop of links or a long name in an input path is one line."""
    tasks.with_name("loop").symlink_to("loop")
    lines = ["status", name], ["gaps", tasks, "--log-groups", name], ["status", "--targets", name]
    for line in lines:
        done = run(*line)
        assert done.exit_code in (1, 2)
        assert done.stderr.splitlines()[-1].startswith(("exportstats: ", "Error: "))


@pytest.mark.parametrize("time", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "1969-12-31"])
@pytest.mark.parametrize("command", ["status", "gaps", "coverage", "tasks", "backfill"])
def test_times_that_no_task_has_are_wrong_usage(
    time: str, command: str, run: Callable, tasks: Path
):
    """A time before 1970 or after 2999 is refused in one line."""
    for option in ("--since", "--until"):
        done = run(command, tasks, f"{option}={time}")
        assert done.exit_code == 2
        assert "is not a time; use a form such as 2026-11-01" in done.stderr


def test_json_of_a_report_is_known_again(run: Callable, tasks: Path):
    """JSON of a report is recognised by its beginning, whatever it contains."""
    path = tasks.with_name("report.json")
    assert run("report", tasks, *WEEK, "--json", path).exit_code == 0
    assert list(json.loads(path.read_text()))[:2] == ["version", "name"]


def test_tables_in_a_folder_that_is_read(run: Callable, tasks: Path, tmp_path: Path):
    """`--csv-dir` in a source folder is refused, because it would be read as tasks."""
    folder = tmp_path / "read"
    folder.mkdir()
    tasks.rename(folder / "tasks.json")
    (tmp_path / "link").symlink_to(folder)
    for place in (folder, folder / "tables", tmp_path / "link" / "new"):
        done = run("report", folder, *WEEK, "--csv-dir", place)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"--csv-dir {place} is in the input folder {folder}" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["tasks.json"]
    assert run("report", folder, *WEEK, "--csv-dir", tmp_path / "tables").exit_code == 0
