"""`--help` is fast, complete and at most 80 columns wide."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

import exportstats as xs
from exportstats.cli import COMMANDS, main, options
from exportstats.core import frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SLOW = {"pandas", "numpy", "pyarrow", "boto3", "botocore", "matplotlib", "rich", "msgspec", "tqdm"}
LOADED = """
import json, sys
from exportstats.cli import COMMANDS, main
try:
    main(sys.argv[1:], prog_name="exportstats")
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["-h"], *([name, "--help"] for name in COMMANDS)]
)
def test_help_imports_nothing_that_is_slow(words: list[str]):
    """`--help` of the group and of each command does not import pandas or boto3."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout
    assert not SLOW & set(json.loads(done.stderr))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_every_option_in_80_columns(name: str, run: Callable):
    """Each option of each command has a text, and no line is longer than 80."""
    with click.Context(main) as context:
        command = main.get_command(context, name)
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name
    done = run(name, "--help")
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_group_lists_each_command(name: str, run: Callable):
    """`exportstats --help` lists each command with its purpose, and all exit codes."""
    text = run("--help").stdout
    assert f"  {name} " in text
    assert main.get_command(click.Context(main), name).get_short_help_str(80) in text
    for code in ("0 success", "1 failure", "2 wrong usage", "3 partial result", "130 stopped"):
        assert code in " ".join(text.split())


def test_without_a_command_help_is_shown(run: Callable):
    """`exportstats` alone shows the help, on stderr, as wrong usage."""
    done = run()
    assert done.exit_code == 2
    assert "Commands:" in done.stderr


def test_the_module_is_the_command(shell: Callable):
    """`python -m exportstats` does what `exportstats` does."""
    done = subprocess.run(
        [sys.executable, "-m", "exportstats", "--version"], capture_output=True, text=True
    )
    assert done.stdout == shell("--version").stdout == f"exportstats {xs.__version__}\n"


def test_what_help_knows_by_heart_is_still_so(tmp_path: Path):
    """The suffixes in the help are all that a table can be written to."""
    for ending in options.TABLES:
        xs.write_tasks(frames.empty(), tmp_path / f"tasks{ending}")
    with pytest.raises(xs.ArgumentError) as refused:
        xs.write_tasks(frames.empty(), tmp_path / "tasks")
    for ending in {ending.split(".")[1] for ending in options.TABLES}:
        assert f".{ending}" in str(refused.value)


@pytest.mark.parametrize(("typed", "meant"), [("sttaus", "status"), ("gap", "gaps")])
def test_a_mistyped_command_gets_a_suggestion(typed: str, meant: str):
    """An unknown command is refused with a suggestion."""
    result = CliRunner().invoke(main, [typed])
    assert result.exit_code == 2
    assert f"No such command '{typed}'; did you mean {meant}" in result.output
    assert "mean" not in CliRunner().invoke(main, ["xyz"]).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, monkeypatch: pytest.MonkeyPatch):
    """The script asks the command itself, which completes commands and options."""
    script = CliRunner().invoke(main, ["completion", shell])
    assert f"_EXPORTSTATS_COMPLETE={shell}_complete" in script.output
    monkeypatch.setenv("COMP_WORDS", "exportstats status --fre")
    monkeypatch.setenv("COMP_CWORD", "2")
    asked = {"_EXPORTSTATS_COMPLETE": "bash_complete"}
    done = CliRunner().invoke(main, prog_name="exportstats", env=asked)
    assert done.output.splitlines() == ["plain,--freq"]
