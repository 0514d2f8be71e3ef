"""A terminal and a pipe: colour, width and progress where somebody looks, and only there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from shown import AS_TERMINAL, SGR

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
    """In 80 columns names lose their middle, numbers nothing."""
    words = ["durations", sample_file, "--by", "log_group_name"]
    lines = SGR.sub("", run(*words, env=AS_TERMINAL).stdout).splitlines()
    assert max(map(cell_len, lines)) <= 80
    row = next(line for line in lines if line.startswith("/aws/container"))
    assert re.fullmatch(
        r"/aws/container\S*…\S*/application +361 +0 +29m42s +44m15s +1h28m +2h59m", row
    )


def test_a_wide_terminal_shows_more(run: Callable, sample_file: Path):
    """With room for it, each reason is one line, with the example of it."""
    shown = run("failures", sample_file, env=AS_TERMINAL | {"COLUMNS": "160"}).stdout
    lines = SGR.sub("", shown).splitlines()
    assert len(lines) == 9
    assert "example" in lines[2]
    assert "c0dee22f-9b22-44c0-b913-6ebd0144ba76" in lines[4]


def test_no_color_is_heeded(run: Callable, sample_file: Path):
    """NO_COLOR leaves the colours out."""
    assert re.search(r"\x1b\[3\d", run("status", sample_file, env=AS_TERMINAL).stdout)
    shown = run("status", sample_file, env=AS_TERMINAL | {"NO_COLOR": "1"}).stdout
    assert not re.search(r"\x1b\[3\d", shown)


@pytest.mark.parametrize("kind", ["csv", "json", "markdown"])
def test_other_formats_have_no_colour(kind: str, run: Callable, sample_file: Path):
    """What is for machines or for a page is the same in a terminal as in a pipe."""
    words = ["durations", sample_file, "--by", "log_group_name", "--format", kind]
    shown = run(*words, env=AS_TERMINAL)
    assert "\x1b" not in shown.stdout
    assert shown.stdout == run(*words).stdout


def test_a_pipe_has_all_and_no_colour(run: Callable, sample_file: Path):
    """Through a pipe nothing is shortened, and nothing is coloured."""
    shown = run("failures", sample_file, "--by", "log_group_name").stdout
    assert "\x1b" not in shown
    assert "…" not in shown
    assert "/aws/containerinsights/acme-prod/application" in shown
    assert "Synthetic: no answer from <bucket> after <number> attempts in <number> s" in shown


def test_progress_is_for_somebody_who_looks(
    terminal: Callable, run: Callable, live: Emulator, tmp_path: Path
):
    """In a terminal a bar tells how many tasks have come; elsewhere there is none."""
    code, shown = terminal("fetch", "-o", tmp_path / "tasks.csv")
    assert code == 0
    assert re.search(r"export tasks.*1,?641 ?tasks", shown.replace("\r", "\n"))
    assert shown.rstrip().endswith("UTC")
    assert run("status").stderr == ""
