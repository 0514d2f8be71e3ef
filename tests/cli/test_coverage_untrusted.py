"""Hostile names in the coverage commands are printed as text, within 80 columns."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest
from covered import (
    ACCOUNT,
    EVIL,
    LOG_GROUPS,
    RANGE,
    REGION,
    cells_of,
    group,
    task,
)
from shown import AS_TERMINAL, SGR, assert_fits_80, is_harmless

from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write tasks and log groups with hostile names."""
    folder = tmp_path_factory.mktemp("evil")
    tasks = [
        task(f"{n}", 0, 12, logGroupName=name, destination=name, destinationPrefix=name)
        for n, name in enumerate(EVIL)
    ]
    tasks += [task(name[:512], 20, 22, "FAILED", logGroupName=name) for name in EVIL]
    groups = [group(f"{name}2", accountId=ACCOUNT, region=REGION) for name in EVIL]
    (folder / "tasks.json").write_text(json.dumps({"exportTasks": tasks}))
    (folder / "groups.json").write_text(json.dumps({"logGroups": groups}))
    return folder / "tasks.json", folder / "groups.json"


@pytest.mark.parametrize("command", ["coverage", "gaps"])
@pytest.mark.parametrize("kind", ["table", "csv", "json", "markdown"])
def test_hostile_names_are_text(command: str, kind: str, run: Callable, evil: tuple[Path, Path]):
    """Every format has each name complete and as text, without control sequences."""
    done = run(command, evil[0], *RANGE, "--log-groups", evil[1], "--format", kind)
    assert done.exit_code == 0
    assert is_harmless(done.stdout)
    assert is_harmless(done.stderr)
    names = {name + end for name in EVIL for end in ("", "2")}
    if kind == "json":
        assert done.stdout.isascii()
        assert {row["log_group_name"] for row in json.loads(done.stdout)} == names
    elif kind == "csv":
        rows = list(csv.reader(io.StringIO(done.stdout)))
        assert done.stdout.count("\n") == len(rows)
        cells = [cell for row in rows for cell in row]
        assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "\t"))]
        assert {plain(name) for name in names} <= {cell.removeprefix("'") for cell in cells}
    elif kind == "table":
        assert all(plain(name) in done.stdout for name in names)
    else:
        head, _, *rows = cells_of(done.stdout)
        assert {len(row) for row in rows} == {len(head)}
        # an escaped backslash before a bar is no escape of the bar, so such names are left out
        assert {plain(n) for n in names if "\\" not in plain(n)} <= {row[2] for row in rows}


@pytest.mark.parametrize("form", ["shell", "json"])
def test_the_commands_of_hostile_names_are_a_line_each(
    form: str, run: Callable, evil: tuple[Path, Path]
):
    """No name ends the line of a command or controls the terminal."""
    more = ["--log-groups", evil[1], "--never-exported", "--format", form]
    done = run("backfill", evil[0], *RANGE, *more)
    assert done.exit_code == 0
    assert is_harmless(done.stdout)
    assert is_harmless(done.stderr)
    # 12 to 24 of those with tasks, all of the day of those without
    assert done.stdout.count("\n") == 2 * len(EVIL)


@pytest.mark.parametrize("command", ["coverage", "gaps"])
def test_a_table_fits_80_columns(
    command: str, run: Callable, evil: tuple[Path, Path], sample_file: Path
):
    """The table fits 80 columns whatever the names, and numbers are complete."""
    for path, groups, more in ((evil[0], evil[1], RANGE), (sample_file, LOG_GROUPS, [])):
        done = run(command, path, *more, "--log-groups", groups, env=AS_TERMINAL)
        assert "\x1b[1m" in done.stdout
        assert_fits_80(done.stdout)
        lines = SGR.sub("", done.stdout).splitlines()[4:]
        end = (
            r" +[<>]?[\d.]+ % +\d+ +\S+( |$)"
            if command == "coverage"
            else r" (\d{4}-)?\d\d-\d\d( \d\d:\d\d)? +\S+ +(\d{4}-\d\d-\d\d|never)( |$)"
        )
        whole = [line for line in lines if re.search(end, line)]
        assert len(whole) >= (18 if command == "coverage" else 51) or path == evil[0]


def test_a_real_terminal_obeys_nothing(terminal: Callable, evil: tuple[Path, Path]):
    """A real terminal of 80 columns gets no control sequences either."""
    code, shown = terminal("gaps", evil[0], *RANGE, "--log-groups", evil[1], "--check")
    assert code == 4
    assert_fits_80(shown)
