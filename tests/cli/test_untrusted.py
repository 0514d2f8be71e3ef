"""Text from AWS or a file controls no terminal, spreadsheet or Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len
from shown import SGR, assert_fits_80, is_harmless

import exportstats as xs
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVIL = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07\x9b31m",
    "two\nlines\r\n\x0b\u2028three",
    "\u202egnp.exe\u2066\u200b",
    "a|b|c \\| \\",
    "<script>alert(1)</script> <!-- &amp; -->",
    '=HYPERLINK("http://x")',
    "  =1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\uff1d1",
    "[bold red]loud[/] :smile: [link=http://x]x[/link]",
    "**bold** _it_ `code` # head [a](b) ~~x~~ $y$",
    "日本語のとても長いロググループの名前です、はい",
    "👩‍👩‍👧‍👦 ❤️ 🇨🇭 👍🏽",
    "e\u0301" * 30,
    "x" * 10_000,
    "日" * 10_000,
    '"quoted", and commas',
    " ",
    "",
]
COMMANDS = [
    "status --by task_name",
    "status --by task_name --by destination_prefix --freq D",
    "durations --by task_name,log_group_name",
    "durations --by task_name --freq YS",
    "failures",
    "failures --by log_group_name",
    "coverage --since 1970-01-01 --until 1970-01-02",
    "gaps --since 1970-01-01 --until 1970-01-02",
]


@pytest.fixture(scope="module")
def evil_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write tasks in which every text is hostile and every state is unknown."""
    path = tmp_path_factory.mktemp("evil") / "evil.json"
    tasks = []
    for number, text in enumerate(EVIL):
        names = ("taskName", "logGroupName", "destination", "destinationPrefix")
        task = {"taskId": f"{number}{text}"[:512], **dict.fromkeys(names, text)}
        task |= {"from": 0, "to": 1000 + number}
        times = {"creationTime": 0, "completionTime": 1000 + number}
        for code in ("FAILED", "COMPLETED", text or "OTHER"):
            state = {"code": code, "message": text}
            tasks.append({**task, "taskId": f"{code}{number}", "status": state})
            tasks[-1]["executionInfo"] = times
    path.write_text(json.dumps({"exportTasks": tasks}), encoding="utf-8")
    return path


def test_a_terminal_obeys_nothing(evil_file: Path, terminal: Callable):
    """In a terminal of 80 columns every line fits, and all escapes are our own colours."""
    code, shown = terminal("failures", evil_file, "--by", "log_group_name")
    assert code == 0
    assert_fits_80(shown)


@pytest.mark.parametrize("words", COMMANDS)
def test_whatever_is_asked_the_terminal_obeys_nothing(words: str, evil_file: Path, run: Callable):
    """The same holds for every command, with a simulated terminal."""
    command, *options = words.split()
    shown = run(command, evil_file, *options, env={"FORCE_COLOR": "1", "COLUMNS": "80"}).stdout
    assert "\x1b[1m" in shown
    assert_fits_80(shown)


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("kind", ["table", "csv", "json", "markdown"])
def test_no_format_has_anything_to_obey(words: str, kind: str, evil_file: Path, run: Callable):
    """Every format has only printable text and newlines, also in a pipe."""
    command, *options = words.split()
    done = run(command, evil_file, *options, "--format", kind)
    assert done.exit_code == 0
    assert is_harmless(done.stdout)
    assert is_harmless(done.stderr)


def test_markup_is_text(run: Callable, evil_file: Path):
    """Markup of rich and names of emoji are printed unchanged."""
    shown = run("status", evil_file, "--by", "task_name").stdout
    assert "[bold red]loud[/] :smile: [link=http://x]x[/link]" in shown


def test_csv_has_no_formula(run: Callable, evil_file: Path):
    """No CSV cell begins a formula, each row is one line, and names are complete."""
    text = run("status", evil_file, "--by", "task_name", "--format", "csv").stdout
    rows = list(csv.reader(io.StringIO(text)))
    assert text.count("\n") == len(rows)
    for row in rows:
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\t")), cell
    names = {row[0].removeprefix("'") for row in rows[1:]}
    assert {plain(text) for text in EVIL} <= names


def test_the_file_of_fetch_has_no_formula(run: Callable, serve: Callable, tmp_path: Path):
    """A CSV file of `fetch` has no formulas, and reads back unchanged."""
    texts = [text for text in EVIL if 0 < len(text) <= 512]  # longer ones AWS has none of
    serve(
        {"taskId": str(n), "taskName": text, "region": "us-east-1", "accountId": "111122223333"}
        for n, text in enumerate(texts)
    )
    path = tmp_path / "tasks.csv"
    assert run("fetch", "--region", "us-east-1", "-o", path).exit_code == 0
    assert sorted(xs.read_tasks(path)["task_name"]) == sorted(texts)
    for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")):
        for cell in row:
            assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\uff1d")), cell


def test_json_is_exact(run: Callable, evil_file: Path):
    """JSON has each name exactly, in ASCII."""
    text = run("durations", evil_file, "--by", "task_name", "--format", "json").stdout
    assert text.isascii()
    assert {row["task_name"] for row in json.loads(text)} == set(
        xs.read_tasks(evil_file)["task_name"]
    )


def cells_of(markdown: str) -> list[list[str]]:
    """Return the texts of the cells of the only table of a page."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    kinds = [token.type for token in tokens if token.nesting >= 0]
    assert kinds[:3] == ["paragraph_open", "inline", "table_open"]
    assert kinds.count("table_open") == 1
    assert tokens[-1].type == "table_close"
    rows: list[list[str]] = []
    for token, before in zip(tokens[1:], tokens, strict=False):
        if before.type == "tr_open":
            rows.append([])
        if token.type == "inline" and before.type in ("td_open", "th_open"):
            assert {inner.type for inner in token.children} <= {"text", "text_special"}
            rows[-1].append((token.children and "".join(i.content for i in token.children)) or "")
    return rows


@pytest.mark.parametrize("words", COMMANDS)
def test_markdown_is_one_table_of_plain_text(words: str, run: Callable, evil_file: Path):
    """A Markdown parser finds one table in which each cell is its plain text."""
    command, *options = words.split()
    head, *rows = cells_of(run(command, evil_file, *options, "--format", "markdown").stdout)
    assert rows
    assert {len(row) for row in rows} == {len(head)}
    if "task_name" in words:
        assert {plain(text).strip() for text in EVIL} <= {row[0] for row in rows}


def test_names_of_files_are_text(run: Callable, page: Callable, monkeypatch: pytest.MonkeyPatch):
    """A hostile file name is text in errors and messages."""
    monkeypatch.chdir(page().parent)
    for name in ("\x1b[31m.json", "two\nlines.json", "\udcff.json", "\u202e.json", "[bold]"):
        done = run("status", name)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert is_harmless(done.stderr)
    done = run("status", page(), "--plot", "\x1b[31m\n.png")
    assert done.exit_code == 0
    assert is_harmless(done.stderr)


def test_names_of_options_are_text(run: Callable, page: Callable):
    """A refused value of an option is printed as text."""
    for option in ("--by", "--freq", "--since", "--status", "--format", "--plot"):
        done = run("status", page(), f"{option}=\x1b[31m\n\u202e")
        assert done.exit_code == 2
        assert is_harmless(done.stderr), option


@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8"), max_size=200)
        | st.text(st.sampled_from("日👍🏽❤\ufe0f\u200de\u0301ㅤ|\\[]`\n\x1b=a "), max_size=60),
        min_size=1,
        max_size=4,
    ),
    columns=st.integers(60, 140),
)
@example(texts=["日" * 100], columns=80)
@example(texts=["❤\ufe0f" * 50, "👩\u200d👩" * 30], columns=61)
def test_whatever_names_are_the_table_fits(
    texts: list[str], columns: int, run: Callable, evil_file: Path
):
    """Whatever the names, lines fit the terminal, and Markdown and CSV are complete."""
    path = evil_file.with_name("any.json")
    tasks: list[dict[str, Any]] = [
        {"taskId": str(n), "taskName": text, "logGroupName": text} for n, text in enumerate(texts)
    ]
    path.write_text(json.dumps({"exportTasks": tasks}), encoding="utf-8")
    by = ["--by", "task_name,log_group_name"]
    shown = run("status", path, *by, env={"FORCE_COLOR": "1", "COLUMNS": str(columns)}).stdout
    for line in SGR.sub("", shown).splitlines():
        assert cell_len(line) <= columns, line
    names = set(xs.read_tasks(path)["task_name"].fillna("(unknown)"))
    rows = cells_of(run("status", path, *by, "--format", "markdown").stdout)[1:]
    assert {row[0] for row in rows} == {plain(name).strip() for name in names}
    assert {row[1] for row in rows} == {plain(name).strip() for name in names}


def test_many_groups_still_fit(evil_file: Path, run: Callable):
    """Three groups and a period fit 80 columns, with complete numbers."""
    by = ["--by", "account_id,region,log_group_name", "--freq", "YS"]
    shown = run("status", evil_file, *by, env={"FORCE_COLOR": "1", "COLUMNS": "80"}).stdout
    lines = SGR.sub("", shown).splitlines()
    assert max(map(cell_len, lines)) <= 80
    [rule] = (at for at, line in enumerate(lines) if line.startswith("───"))
    assert len(lines) > rule + 20
    assert all(re.search(r"( +\d+){6}$", line) for line in lines[rule + 1 :]), shown
