"""The blocks of code on the pages, and how to run or check each.

The word behind the three backticks says what is done with a block:

=========== ======================================================================================
`python`    runs. All such blocks of a page share their names.
`pycon`     runs, and shows what is written below each `>>>`. It shares the names, too.
`sh`        runs in Bash. Exit code 4 (something was found) is allowed, any other but 0 is not.
`py`        Python that needs what the tests do not have (Spark, Dask, a bucket): it is compiled,
            and the names and parameters of `xs.` exist.
`bash`      commands that need what the tests do not have (AWS, Docker, Terraform, a mail server):
            their syntax, and the commands and options of `exportstats` in them, are checked.
`console`   what is typed in a clone: as `bash`, and each `make` has its target.
`json`, `toml`, `yaml`
            are parsed.
others      those of `SHOWN` are not looked at.
=========== ======================================================================================

The blocks that run are run in order, in one folder for each page. It contains `tasks.parquet`,
fetched from `exportstats emulate --now 2026-11-23T06:00Z`, which is also AWS for them: the
synthetic sample with log groups, API calls, incoming data, log streams and objects. The account is
111122223333 and the region is eu-west-1.

A block `text` directly below a block `sh` is what that writes to the standard output. In it, `...`
stands for any text, and the amount of white space does not matter.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import NamedTuple

import click
import yaml

import exportstats as xs
from exportstats.cli import main

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "benchmarks/README.md",
        ROOT / "data/README.md",
    ]
)
RUN = {"python", "pycon", "sh"}
# What is shown only: output, files, and languages of programs that are not here.
SHOWN = {"text", "sql", "hcl", "dockerfile", "ini", "csv"}
# What a page takes as given, in Python.
GIVEN = {
    "docs/archive.md": "targets = [xs.Target(region='eu-west-1')]",
}
_FENCE = re.compile(r" *((?:```+)?)(\S*)")
_OPERATORS = re.compile(r"[;&|()<>\n]+")


class Block(NamedTuple):
    """A block of code: its word, its line on the page, its text and the output shown below it."""

    word: str
    line: int
    text: str
    output: str | None = None


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, also those within MyST's directives."""
    found: list[Block] = []
    directives: list[str] = []  # the fences of those that are open
    opened: tuple[str, str, int] | None = None
    inside: list[str] = []
    is_next = False  # whether only blank lines are between this block and the last one
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        fence, word = _FENCE.match(line).groups()
        if opened is not None:
            if fence.startswith(opened[0]) and not word:
                text = textwrap.dedent("".join(inside))
                if opened[1] == "text" and found and found[-1].word == "sh" and is_next:
                    found[-1] = found[-1]._replace(output=text)
                found.append(Block(opened[1], opened[2], text))
                opened, is_next = None, True
            else:
                inside.append(line)
        elif fence and directives and fence.startswith(directives[-1]) and not word:
            directives.pop()
        elif fence and word.startswith("{"):
            directives.append(fence)
        elif fence:
            opened, inside = (fence, word, number), []
        elif line.strip():
            is_next = False
    assert opened is None, f"{page.name}, line {opened[2]}: the block does not end"
    return found


def check(block: Block) -> None:
    """Check a block that does not run."""
    match block.word:
        case "py":
            check_python(block.text)
        case "bash" | "console":
            check_shell(block.text)
        case "json":
            json.loads(block.text)
        case "toml":
            tomllib.loads(block.text)
        case "yaml":
            list(yaml.safe_load_all(block.text))
        case _:
            assert block.word in RUN | SHOWN, (
                f"line {block.line}: the word {block.word!r} says not what to do with the block; "
                f"take one of {__file__}"
            )


def check_python(text: str) -> None:
    """Check that code compiles, and that the names and parameters of `xs.` exist."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Attribute(value=ast.Name(id="xs"), attr=name):
                assert hasattr(xs, name), f"there is no xs.{name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="xs"), attr=name)):
                given = [None] * sum(not isinstance(one, ast.Starred) for one in node.args)
                named = {one.arg: None for one in node.keywords if one.arg}
                inspect.signature(getattr(xs, name)).bind_partial(*given, **named)


def check_shell(text: str) -> None:
    """Check the syntax of a script, and the commands and options of `exportstats` in it."""
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for words in commands_of(text, "exportstats"):
        check_command(words)
    for words in commands_of(text, "make"):
        done = subprocess.run(
            ["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def commands_of(text: str, program: str) -> list[list[str]]:
    """Return the arguments of each call of a program in a script."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split = " \t", True
    calls: list[list[str]] = []
    words: list[str] | None = None
    before = "\n"
    for word in lexer:
        if _OPERATORS.fullmatch(word):
            words = None if word != ">" else words
        elif words is not None and before != ">":
            words.append(word)
        elif word.rpartition("/")[2] == program and before != "install":
            calls.append(words := [])
        before = word
    return calls


def check_command(words: list[str]) -> None:
    """Check the arguments of a call of `exportstats`, without what they mean."""
    command: click.Command = main
    context = click.Context(main, info_name="exportstats", **main.context_settings)
    while True:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
        for one in command.params:
            value = values.get(one.name)
            if isinstance(one.type, click.Choice) and isinstance(value, str) and "$" not in value:
                one.type.convert(value, one, context)
        if not isinstance(command, click.Group):
            assert not rest, rest
            return
        if not rest:  # with --help or --version, or alone
            return
        name, *words = rest
        inner = command.get_command(context, name)
        assert inner is not None, f"exportstats has no command {name!r}"
        command, context = inner, click.Context(inner, info_name=name, parent=context)
