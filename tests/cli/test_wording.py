"""Messages of commands name options, not parameters of the library."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import exportstats
from exportstats.cli import COMMANDS, main
from exportstats.cli.failing import in_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = [main.get_command(click.Context(main), name) for name in COMMANDS]
EVERY = [
    command
    for one in GROUP
    for command in (one.commands.values() if isinstance(one, click.Group) else [one])
]
PACKAGE = Path(exportstats.__file__).parent
NAMED = re.compile(r"(?<![-\w/])([a-z_]+)=(?=['\"\s,;)]|True|\d|$)")
# What no command passes on, or only after it has checked it.
ONLY_IN_PYTHON = {
    *(
        "accounts",
        "at_least",
        "bins",
        "bound",
        "columns",
        "confidence",
        "errors",
        "executor",
        "limit",
        "max_pages",
    ),
    *("event", "form", "max_workers", "of", "orient", "requests_per_second", "role_arn"),
    *("deadline", "kind", "policy", "runs", "scenarios", "seed"),
}


def messages() -> Iterator[tuple[str, str]]:
    """Yield the place and text of each error and warning, with 'x' for values."""
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name in ("cli", "emulator") or path.name == "scripts.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        whole = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
        parts = {id(part) for node in whole for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in parts:
                yield f"{path.name}:{node.lineno}", _written(node)


def _written(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_written, node.values))
    return "'x'"


# A message has a remedy after a semicolon, or names what it was given.
MESSAGE = re.compile(r"; |because|overlap|no region")
NAMING = [
    (place, text)
    for place, text in messages()
    if NAMED.search(text) and MESSAGE.search(text) and ">>>" not in text and len(text) < 500
]


@pytest.mark.parametrize(("place", "text"), NAMING, ids=[place for place, _ in NAMING])
def test_a_message_that_names_a_parameter_names_its_option(place: str, text: str):
    """Each parameter in a message becomes an option of some command, or is listed here."""
    written = [in_options(text, command) for command in EVERY]
    for name in set(NAMED.findall(text)) - ONLY_IN_PYTHON:
        assert any(not re.search(rf"\b{name}=", one) for one in written), (name, text)


@pytest.mark.parametrize(
    ("command", "text", "written"),
    [
        ("status", "region='eu-west-1'; give", "--region eu-west-1; give"),
        ("status", 'times_in="UTC" reads it', "--times-in UTC reads it"),
        ("status", "nothing was kept, because strict=True", "nothing was kept, because --strict"),
        (
            "status",
            "with its own region= and account_id= and",
            "with its own --region and --account and",
        ),
        ("status", "by='a b'; give", "--by 'a b'; give"),
        ("report", "by='a'; give", "--split-by a; give"),
        ("gaps", "read it with xs.read_api_calls (", "read it with `exportstats calls FILE` ("),
        ("gaps", "end='2026' is not after start='2027'", "--until 2026 is not after --since 2027"),
        ("watch", 'name some, or regions="all"', "name some, or --all-regions"),
        ("watch", "by='a'; give", "by='a'; give"),
        ("status", "s3://bucket/region=5, --region='x'", "s3://bucket/region=5, --region='x'"),
    ],
)
def test_a_parameter_is_the_option_of_the_command(command: str, text: str, written: str):
    """A parameter is replaced by the command's option; other words stay."""
    assert in_options(text, main.get_command(click.Context(main), command)) == written


def test_the_terminal_gets_options(run: Callable, page: Callable):
    """Errors and warnings of the library name options in every command."""
    path = page({"taskId": "a", "executionInfo": {"creationTime": "2026-11-01 06:00"}})
    done = run("status", path, "--by", "regoin", "--strict")
    assert "use --times-in UTC" in done.stderr
    path = page({"taskId": "a"}, {"taskId": "b", "executionInfo": {"creationTime": "lately"}})
    assert "because --strict\n" in run("status", path, "--strict").stderr
    assert "--by regoin; give one" in run("status", path, "--by", "regoin").stderr
