"""Every block of code on every page runs, or is checked as far as it can be."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import blocks
import click
import pytest
from blocks import PAGES, ROOT, RUN, blocks_of, check, check_command, check_python, commands_of
from support import forget_environment

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterator

names = [str(page.relative_to(ROOT)) for page in PAGES]
# what a run of `exportstats` ended with: 4 is "something was found"
SHELL = "set -o pipefail\ntrap 'code=$?; [ $code = 4 ] || exit $code' ERR\n"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.fixture(scope="module")
def emulated() -> Iterator[str]:
    """Run `exportstats emulate`, and yield its address."""
    program = Path(sys.executable).parent / "exportstats"
    command = [program, "emulate", "--now", "2026-11-23T06:00Z", "--requests-per-second", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        yield next(found[0] for line in started.stdout if (found := re.search(r"http://\S+", line)))
        started.terminate()


@pytest.fixture
def aws(emulated: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of a page, with the emulator as AWS."""
    forget_environment(monkeypatch)
    commands = Path(sys.executable).parent
    for name, value in {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(Path.home() / ".config/matplotlib")),
        "AWS_ENDPOINT_URL": emulated,
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "PYTHONWARNINGS": "error::RuntimeWarning",  # a command shows it as a message
    }.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    xs.write_tasks(xs.fetch_tasks(), "tasks.parquet")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_blocks_that_do_not_run_are_checked(page: Path):
    """Each block has a word that says what is done with it, and is correct."""
    for block in blocks_of(page):
        try:
            check(block)
        except (AssertionError, SyntaxError, TypeError, ValueError, click.UsageError) as error:
            pytest.fail(f"line {block.line}: {error}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.word in RUN for block in blocks_of(page))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_blocks_run(page: Path, aws: Path):
    """The blocks of a page run in order, each with what those before it left."""
    given: dict[str, Any] = {"xs": xs}
    exec(blocks.GIVEN.get(str(page.relative_to(ROOT)), ""), given)  # noqa: S102 - it is ours
    for block in blocks_of(page):
        where = f"{page.name}, line {block.line}"
        if block.word == "python":
            lines = "\n" * block.line + block.text  # so that a traceback names the page's line
            exec(compile(lines, str(page), "exec"), given)  # noqa: S102 - it is ours
        elif block.word == "pycon":
            run_dialogue(block.text, given, where)
        elif block.word == "sh":
            done = subprocess.run(
                ["bash", "-c", SHELL + block.text], capture_output=True, text=True, timeout=120
            )
            assert done.returncode in (0, 4), f"{where}\n{done.stdout}\n{done.stderr}"
            if block.output is not None:
                alike = doctest.OutputChecker().check_output(block.output, done.stdout, FLAGS)
                assert alike, f"{where} shows\n{block.output}\nand not\n{done.stdout}"


def run_dialogue(text: str, given: dict[str, Any], where: str) -> None:
    """Run what is behind `>>>`, and compare what it shows."""
    test = doctest.DocTestParser().get_doctest(text, given, where, where, 0)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append, clear_globs=False)
    given.update(test.globs)
    assert not result.failed, "".join(said)


def test_blocks_are_found_within_lists_and_directives(tmp_path: Path):
    """A block may be indented, or inside a directive of MyST."""
    page = tmp_path / "page.md"
    page.write_text(
        "- one\n\n  ```python\n  if 1:\n      pass\n  ```\n"
        "````{tab-item} Shell\n```sh\ntrue\n```\n\n```text\nout\n```\n````\n"
        "```\nno word\n```\n\nA text.\n\n```text\nno output\n```\n"
    )
    assert [tuple(block) for block in blocks_of(page)] == [
        ("python", 3, "if 1:\n    pass\n", None),
        ("sh", 8, "true\n", "out\n"),
        ("text", 12, "out\n", None),
        ("", 16, "no word\n", None),
        ("text", 22, "no output\n", None),
    ]


def test_calls_are_found_in_a_script():
    """Calls are found behind variables, in conditions and in several lines."""
    script = (
        "# exportstats nothing\nif ! A=1 exportstats gaps a.parquet \\\n  --check >out.csv; then\n"
        "  cat x | venv/bin/exportstats report - && exportstats status\nfi\n"
        "pip install exportstats\n"
    )
    assert commands_of(script, "exportstats") == [
        ["gaps", "a.parquet", "--check"],
        ["report", "-"],
        ["status"],
    ]


@pytest.mark.parametrize(
    "words",
    [["statuses"], ["status", "--bye", "x"], ["status", "--format", "xml"], ["gaps", "--since"]],
)
def test_wrong_commands_are_refused(words: list[str]):
    """A command, an option, a choice and a value that do not exist are errors."""
    with pytest.raises((AssertionError, click.UsageError)):
        check_command(words)


@pytest.mark.parametrize("text", ["xs.nothing", "xs.find_gaps(tasks, begin=1)", "if"])
def test_wrong_python_is_refused(text: str):
    """A name and a parameter that do not exist are errors, and so is wrong syntax."""
    with pytest.raises((AssertionError, SyntaxError, TypeError)):
        check_python(text)
