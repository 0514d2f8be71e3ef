"""An incomplete answer is reported, and the exit code is 3."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from exportstats.cli import failing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RANGE = ["--since", "2023-11-14", "--until", "2023-11-15"]
LINES = ["status", "tasks", "durations", "slots", "eta", "report --week 2023-W46"]
COVERAGE = ["gaps", "coverage", "backfill"]


@pytest.fixture
def cut_short(tmp_path: Path, made: Callable) -> Path:
    """Write the first page of a longer list."""
    path = tmp_path / "page.json"
    observed = {"from": 0, "to": 1, "destination": "b", "observedAt": 1_700_500_000_000}
    path.write_text(json.dumps({"exportTasks": made(3, **observed), "nextToken": "abc"}))
    return path


@pytest.mark.parametrize("line", [*LINES, *COVERAGE])
def test_a_list_that_was_cut_short_ends_with_3(line: str, run: Callable, cut_short: Path):
    """An incomplete list is answered, reported, and the exit code is 3."""
    command, *options = line.split()
    done = run(command, cut_short, *options, *(RANGE if line in COVERAGE else []))
    assert done.exit_code == 3
    assert "the list of tasks is not complete" in done.stderr
    assert done.stdout or command == "backfill"


@pytest.mark.parametrize("line", ["gaps", "coverage", "backfill", "report --week 2023-W46"])
def test_coverage_says_that_it_is_partial(line: str, run: Callable, cut_short: Path):
    """A message and the title say that the rest may cover what looks like a gap."""
    command, *options = line.split()
    done = run(command, cut_short, *options, *(RANGE if line in COVERAGE else []))
    assert (
        "some tasks or log groups are missing or unreadable; some gaps may be covered"
        in done.stderr
    )
    if command in ("gaps", "coverage"):
        assert done.stdout.splitlines()[0].endswith("UTC (partial)")


def test_a_report_says_that_it_is_partial(run: Callable, cut_short: Path):
    """All formats of the report say so; in JSON it is a value."""
    files = [cut_short.with_name(f"r{ending}") for ending in (".html", ".md", ".eml", ".json")]
    options = zip(("--html", "--markdown", "--email", "--json"), files, strict=True)
    words = [word for option in options for word in option]
    for part, code in ((True, 3), (False, 0)):
        if not part:
            page = json.loads(cut_short.read_text())
            cut_short.write_text(json.dumps({"exportTasks": page["exportTasks"]}))
        done = run("report", cut_short, "--week", "2023-W46", *words)
        assert done.exit_code == code
        for text in (done.stdout, *(file.read_text() for file in files[:3])):
            assert (
                "Some tasks or log groups could not be listed" in " ".join(text.split())
            ) == part
        assert json.loads(files[3].read_text())["partial"] is part


def _damage(history: Path, entry: int) -> None:
    log = history / "tasks" / "_delta_log"
    (log / f"{entry:020}.json").write_text("damaged")


@pytest.mark.parametrize("entry", [0, 1])
def test_a_report_says_that_history_could_not_be_read(
    entry: int, run: Callable, page: Callable, made: Callable, tmp_path: Path
):
    """With another source, its tasks are reported on; all formats say that history is missing."""
    file, history = page(*made(3, observedAt=1_700_500_000_000)), tmp_path / "history"
    place = ["--account", "111122223333", "--region", "eu-west-1"]
    assert run("archive", "import", history, file, *place).exit_code == 0
    _damage(history, entry)
    files = [tmp_path / f"r{ending}" for ending in (".html", ".md", ".eml", ".json")]
    options = zip(("--html", "--markdown", "--email", "--json"), files, strict=True)
    words = [str(word) for option in options for word in option]
    done = run("report", history, file, "--week", "2023-W46", *words)
    assert done.exit_code == 3, done.stderr
    assert ("history could not be read: " in done.stderr) == (entry == 0)
    assert f"{history}/tasks" in done.stderr
    for text in (done.stdout, *(one.read_text() for one in files[:3])):
        assert "The history could not be read in full" in " ".join(text.split())
    answer = json.loads(files[3].read_text())
    assert answer["partial"]
    assert {row["measure"]: row["current"] for row in answer["figures"]}["tasks"] == 3
    for command in ("status", "slots", "eta"):
        assert run(command, history, file).exit_code == 3


def test_no_task_that_could_be_read_is_not_a_quiet_week(
    run: Callable, page: Callable, made: Callable, tmp_path: Path
):
    """If an archive has nothing that can be read, the headline does not say that none was made."""
    file, history = page(*made(3, observedAt=1_700_500_000_000)), tmp_path / "history"
    run("archive", "import", history, file, "--account", "111122223333", "--region", "eu-west-1")
    _damage(history, 1)
    done = run("report", history, "--week", "2023-W46")
    assert done.exit_code == 3
    assert "Whether tasks were created in this week is unknown" in done.stdout
    _damage(history, 0)
    done = run("report", history, "--week", "2023-W46")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "tasks cannot be read: " in done.stderr


@pytest.mark.parametrize("line", LINES)
def test_rows_that_were_left_out_end_with_3(
    line: str, run: Callable, page: Callable, made: Callable
):
    """Each command exits with 3 if a row was refused, in every format."""
    file = page(*made(2, observedAt=1_700_500_000_000), {"taskName": "nameless"})
    command, *options = line.split()
    formats = [[]] if command == "report" else [["--format", "csv"], ["--format", "json"]]
    for more in formats:
        done = run(command, file, *options, *more)
        assert done.exit_code == 3, done.stderr
        assert "the others were kept" in done.stderr


def test_no_row_that_can_be_read_is_a_failure(run: Callable, page: Callable):
    """If no row can be read, there is no answer, and the exit code is 1."""
    for command in (*LINES, *COVERAGE):
        words = command.split()
        done = run(words[0], page({"taskName": "a"}, {"taskName": "b"}), *words[1:])
        assert done.exit_code == 1, command
        assert not done.stdout


def test_what_is_missing_counts_more_than_what_is_found(run: Callable, cut_short: Path):
    """`--check` exits with 3, not 4, if the rest may cover the gap."""
    assert run("gaps", cut_short, *RANGE, "--check").exit_code == 3


def test_a_check_of_nothing_is_no_success(run: Callable, page: Callable):
    """Without any log group, `--check` fails."""
    done = run("gaps", page(), *RANGE)
    assert (done.exit_code, done.stdout.splitlines()[0][:13]) == (0, "no log groups")
    done = run("gaps", page(), *RANGE, "--check")
    assert done.exit_code == 1
    assert "nothing was checked: no task has a log group" in done.stderr


def test_unused_columns_are_a_warning(run: Callable, page: Callable, made: Callable):
    """An unused key is reported, and the exit code is 0."""
    done = run("status", page(*made(2, mine=1)))
    assert done.exit_code == 0, done.stderr
    assert "mine" in done.stderr


def test_times_that_are_misread_end_with_3(run: Callable, page: Callable):
    """Seconds read as milliseconds make every answer wrong, so the exit code is 3."""
    times = {"creationTime": 1_700_000_000, "completionTime": 1_700_000_012}
    file = page({"taskId": "a", "status": {"code": "COMPLETED"}, "executionInfo": times})
    done = run("durations", file)
    assert done.exit_code == 3
    assert "--times-in s" in done.stderr
    assert run("durations", file, "--times-in", "s").exit_code == 0


@pytest.mark.parametrize(("code", "ends"), [(0, 3), (1, 1), (2, 2), (4, 3), (None, 3)])
def test_what_failed_does_not_become_3(code: int | None, ends: int):
    """Only a success becomes 3; a command that fails keeps its exit code."""
    import click  # noqa: PLC0415 - for its own way to exit

    class Part(UserWarning):
        partial = True

    def end() -> None:
        meta: dict[str, Any] = {}
        with failing.in_one_line(meta):
            warnings.warn("a part", Part, stacklevel=1)
            if code is not None:
                raise click.exceptions.Exit(code)

    with pytest.raises(click.exceptions.Exit) as ended:
        end()
    assert ended.value.exit_code == ends


@pytest.mark.parametrize("command", ["gaps", "coverage", "backfill"])
@pytest.mark.parametrize("lacking", [{"logGroupName": None}, {"from": None}, {"to": None}])
def test_tasks_without_a_window(
    command: str, lacking: dict[str, None], run: Callable, page: Callable, made: Callable
):
    """A task without log group or window may cover a gap, so the exit code is 3."""
    window = {"from": 1_700_000_000_000, "to": 1_700_000_060_000}
    whole, other = made(2, destination="acme", **window)
    done = run(command, page(whole, other | lacking), *RANGE)
    assert done.exit_code == 3, done.stderr
    assert "1 of 2 tasks have no log group or no window" in done.stderr
    renamed = {"taskId": "a", "LogGroup": "/app", "status": "COMPLETED"}
    assert run(command, page(renamed), *RANGE).exit_code == 3
