"""A terminal gets colour, a fitted width and progress; a pipe does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from shown import AS_TERMINAL, SGR

import exportstats as xs
from exportstats.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.emulator import Emulator


def test_a_terminal_has_colours(terminal: Callable, sample_file: Path):
    """In a terminal states are coloured."""
    _, shown = terminal("status", sample_file)
    assert "\x1b[32mCOMPLETED" in shown
    assert "\x1b[31mFAILED" in shown


def test_names_give_way_and_numbers_never(run: Callable, sample_file: Path):
    """In 80 columns, names are shortened in the middle, but numbers are complete."""
    words = ["durations", sample_file, "--by", "log_group_name"]
    lines = SGR.sub("", run(*words, env=AS_TERMINAL).stdout).splitlines()
    assert max(map(cell_len, lines)) <= 80
    row = next(line for line in lines if line.startswith("/aws/container"))
    assert re.fullmatch(
        r"/aws/container\S*…\S*/application +361 +0 +29m42s +44m15s +1h28m +2h59m", row
    )


def test_a_wide_terminal_shows_more(run: Callable, sample_file: Path):
    """In a wide terminal, each reason is one line, with its example."""
    shown = run("failures", sample_file, env=AS_TERMINAL | {"COLUMNS": "160"}).stdout
    lines = SGR.sub("", shown).splitlines()
    assert len(lines) == 9
    assert "example" in lines[2]
    assert "c0dee22f-9b22-44c0-b913-6ebd0144ba76" in lines[4]


def test_no_color_is_respected(run: Callable, sample_file: Path):
    """NO_COLOR disables colours."""
    assert re.search(r"\x1b\[3\d", run("status", sample_file, env=AS_TERMINAL).stdout)
    shown = run("status", sample_file, env=AS_TERMINAL | {"NO_COLOR": "1"}).stdout
    assert not re.search(r"\x1b\[3\d", shown)


def test_color_is_an_option(run: Callable, sample_file: Path):
    """`--color always` colours a pipe despite NO_COLOR; `never` disables it in a terminal."""
    shown = run("--color", "always", "status", sample_file, env={"NO_COLOR": "1"}).stdout
    assert "\x1b[32mCOMPLETED" in shown
    shown = run("--color", "always", "status", sample_file, env=AS_TERMINAL | {"NO_COLOR": "1"})
    assert "\x1b[32mCOMPLETED" in shown.stdout
    shown = run("--color", "never", "status", sample_file, env=AS_TERMINAL).stdout
    assert not re.search(r"\x1b\[3\d", shown)


@pytest.mark.parametrize("columns", [60, 80, 100])
@pytest.mark.parametrize(
    "line",
    [
        "tasks --limit 30",
        "tasks --limit 30 --account 444455556666 --region us-east-1",
        "status --by account_id,region,log_group_name",
        "durations --by account_id,region,log_group_name --freq MS",
        "failures --by log_group_name",
        "slow",
        "slots",
        "gaps --since 2026-10-23 --until 2026-11-22",
        "coverage --since 2026-10-23 --until 2026-11-22",
        "eta",
    ],
)
def test_no_column_is_lost(line: str, columns: int, run: Callable, sample_file: Path):
    """Each column is in the header, in the title, or listed as not shown."""
    command, *options = line.split()
    _, _, head, *_ = run(command, sample_file, *options).stdout.splitlines()
    env = AS_TERMINAL | {"COLUMNS": str(columns)}
    shown = SGR.sub("", run(command, sample_file, *options, env=env).stdout)
    title, _, table = shown.partition("\n\n")
    names, _, rows = table.partition("─")
    _, _, missing = rows.partition("columns not shown: ")
    for name in re.split(r" {2,}", head):
        assert name in names or f"{name} " in title.replace("\n", " ") or name in missing, name
    assert not re.search(r"\b(1{4}|4{4})\d*…|…[2356]*\b(3{4}|6{4})\b", shown)
    assert "…" not in names
    assert max(map(cell_len, shown.splitlines())) <= columns


def test_an_empty_column_leaves_no_word_in_the_title(page: Callable, run: Callable):
    """Of the columns that all rows share, one without a value is not mentioned."""
    tasks = [
        {
            "accountId": "111122223333",
            "region": "eu-west-1",
            "taskId": f"cda45419-90ea-4db5-9833-aade86253e{number:02}",
            "logGroupName": "/aws/containerinsights/acme-prod/application",
            "status": {"code": "COMPLETED"},
            "executionInfo": {
                "creationTime": 1_700_000_000_000,
                "completionTime": 1_700_000_060_000 + number,
            },
        }
        for number in range(2)
    ]
    done = run("tasks", page(*tasks), env=AS_TERMINAL)
    title = " ".join(SGR.sub("", done.stdout).partition("\n\n")[0].split())
    assert "state COMPLETED" in title
    assert "message" not in title


@pytest.mark.parametrize(
    ("minutes", "shared", "shown"),
    [
        (5, "times of 2023-11-14 UTC", ["22:18", "22:13"]),
        (120, "times of 2023 UTC", ["11-15 00:13", "11-14 22:13"]),
        (60 * 24 * 60, "", ["2024-01-13 22:13", "2023-11-14 22:13"]),
    ],
)
def test_times_have_their_date_unless_all_share_it(
    minutes: int, shared: str, shown: list[str], page: Callable, run: Callable
):
    """Times on several days have dates, and in several years the year."""
    tasks = [
        {
            "accountId": "111122223333",
            "region": "eu-west-1",
            "taskId": f"cda45419-90ea-4db5-9833-aade86253e{number:02}",
            "logGroupName": "/aws/containerinsights/acme-prod/application",
            "status": {"code": "PENDING"},
            "executionInfo": {"creationTime": 1_700_000_000_000 + number * minutes * 60_000},
        }
        for number in range(2)
    ]
    done = run("tasks", page(*tasks), env=AS_TERMINAL)
    title, _, table = SGR.sub("", done.stdout).partition("\n\n")
    assert shared in " ".join(title.split())
    rows = [line for line in table.splitlines() if line.startswith("cda45419")]
    for row, time in zip(rows, shown, strict=True):
        assert re.search(rf" {time}( |$)", row), row


def test_notes_wrap_between_words(terminal: Callable, sample_file: Path):
    """A long line on stderr has the width of the terminal, and no word is broken.

    That is so for notes, and for what click and the library refuse.
    """
    _, shown = terminal("gaps", sample_file, "--since", "2026-11-01", "--until", "2026-11-22")
    said = shown[shown.index("exportstats: coverage") :].splitlines()
    # a command to copy is one line
    assert max(len(line) for line in said if not line.startswith("exportstats backfill")) <= 80
    assert "and whether anything came in (--incoming) are not known" in " ".join(
        line.strip() for line in said
    )
    for words, end in (
        (["--freq", "fortnight"], 'or a multiple such as "6h"'),
        (["--plot", "a" * 40 + ".gif"], "use one of .png, .svg, .pdf"),
    ):
        code, shown = terminal("status", sample_file, *words)
        assert code == 2
        assert max(map(len, shown.splitlines())) <= 80
        assert " ".join(shown.split()).endswith(end)


@pytest.mark.parametrize("kind", ["csv", "json", "markdown"])
def test_other_formats_have_no_colour(kind: str, run: Callable, sample_file: Path):
    """CSV, JSON and Markdown are the same in a terminal as in a pipe."""
    words = ["durations", sample_file, "--by", "log_group_name", "--format", kind]
    shown = run(*words, env=AS_TERMINAL)
    assert "\x1b" not in shown.stdout
    assert shown.stdout == run(*words).stdout


def test_a_pipe_has_all_and_no_colour(run: Callable, sample_file: Path):
    """In a pipe, nothing is shortened or coloured."""
    shown = run("failures", sample_file, "--by", "log_group_name").stdout
    assert "\x1b" not in shown
    assert "…" not in shown
    assert "/aws/containerinsights/acme-prod/application" in shown
    assert "Synthetic: no answer from <bucket> after <number> attempts in <number> s" in shown


def test_progress_is_only_for_terminals(
    terminal: Callable, run: Callable, live: Emulator, tmp_path: Path
):
    """A terminal has a progress bar that counts tasks; elsewhere there is none."""
    code, shown = terminal("fetch", "-o", tmp_path / "tasks.csv")
    assert code == 0
    assert re.search(r"export tasks.*1,?641 ?tasks", shown.replace("\r", "\n"))
    assert shown.rstrip().endswith("UTC")
    assert run("status").stderr == ""


def test_a_command_to_run_can_be_copied_whole(
    terminal: Callable, serve: Callable, made: Callable, tmp_path: Path
):
    """A command to continue is on a line of its own, however long."""
    serve(made(120), faults=[Fault("deny", at=(3,))])
    code, shown = terminal("fetch", "-o", tmp_path / "tasks.csv")
    assert code == 3
    (line,) = (line for line in shown.splitlines() if "exportstats fetch --" in line)
    assert line.startswith("exportstats fetch --")
    assert line.endswith("-o rest.parquet")


def test_a_number_to_group_by_has_no_separators(run: Callable, tmp_path: Path):
    """A year or cost centre has no separators, even if some are missing; counts have them."""
    tasks = xs.sample_tasks()
    tasks["year"] = 2026
    tasks["centre"] = tasks["region"].eq("eu-west-1").map({True: 1234.0})
    xs.write_tasks(tasks, tmp_path / "tasks.parquet")
    lines = run("status", tmp_path / "tasks.parquet", "--by", "year,centre").stdout.splitlines()
    counts = tasks["centre"].isna().value_counts()
    assert [line.split()[:3] for line in lines[4:]] == [
        ["2026", "1234", f"{counts[False]:,}"],
        ["2026", "(unknown)", f"{counts[True]:,}"],
    ]
