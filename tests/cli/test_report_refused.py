"""What `report` refuses: weeks, files and waivers that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from shown import is_harmless

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--week", "2026-W99"], "2026-W99"),
        (["--week", "2025-W53"], "2025-W53"),
        (["--week", "last week"], "last week"),
        (["--week", "\x1b[31m\n"], "\\x1b[31m"),
        (["--week", "9999-W52"], "9999"),
        (["--tz", "Mars/Olympus"], "Mars/Olympus"),
        (["--tz", ""], "--tz ''"),
    ],
)
def test_an_invalid_week_is_refused_first(words: list[str], says: str, run: Callable):
    """An invalid week or time zone is refused with 2 before a file is read."""
    done = run("report", "there-is-no-such-file.json", *words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "there-is-no-such-file" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert is_harmless(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("option", "name", "says"),
    [
        ("--html", "no/such/report.html", "does not exist or is not writable"),
        ("--html", "report.txt", "the suffix of"),
        ("--markdown", "report.html", "the suffix of"),
        ("--email", "no/such/report.eml", "does not exist or is not writable"),
        ("--json", "report", "the suffix of"),
    ],
)
def test_files_that_cannot_be_are_refused_first(
    option: str, name: str, says: str, run: Callable, tmp_path: Path
):
    """A missing folder or an unknown suffix is refused before a file is read."""
    done = run("report", "there-is-no-such-file.json", option, tmp_path / name)
    assert done.exit_code == 2
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_tables_that_is_a_file_is_refused(run: Callable, tmp_path: Path):
    """A file in place of the folder of tables is refused, and stays."""
    path = tmp_path / "tables"
    path.write_text("mine", encoding="utf-8")
    done = run("report", "there-is-no-such-file.json", "--csv-dir", path)
    assert done.exit_code == 2
    assert path.read_text(encoding="utf-8") == "mine"


def test_nothing_is_half_written(run: Callable, small: Callable, tmp_path: Path):
    """If a source cannot be read, no file is written, and existing ones stay."""
    path = tmp_path / "report.html"
    path.write_text("<!doctype html>\n<title>Export tasks, last week", encoding="utf-8")
    before = path.read_bytes()
    broken = tmp_path / "broken.json"
    broken.write_text('{"exportTasks": [{"taskId"', encoding="utf-8")
    done = run("report", broken, "--html", path, "--csv-dir", tmp_path / "tables")
    assert done.exit_code == 1
    made = {file.name for file in tmp_path.iterdir() if not file.name.startswith(".")}
    assert made == {"report.html", "broken.json"}
    assert path.read_bytes() == before
    assert run("report", small("whole"), "--html", path).exit_code == 0
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")


WAIVER = '[[waiver]]\nlog_group = "acme/*"\nreason = "moved"\n'


def test_what_is_waived_is_a_note(run: Callable, small: Callable, tmp_path: Path):
    """Waived gaps are a note; an expired waiver is reported."""
    waivers = tmp_path / "waivers.toml"
    words = ("report", small("waived", "CANCELLED"), "--fail-on", "warning", "--waivers", waivers)
    waivers.write_text(f"{WAIVER}from = 2026-11-17\nuntil = 2026-12-31\n", encoding="utf-8")
    done = run(*words)
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    assert "3 d of events of 1 log group are waived: acme/secret" in text
    waivers.write_text(f"{WAIVER}until = 2026-11-20\n", encoding="utf-8")
    done = run(*words)
    assert done.exit_code == 4
    text = " ".join(done.stdout.split())
    assert "WARNING: 1 waiver was valid until 2026-11-20 or earlier, such as that of acme/*" in text
    assert "Remove them from the file, or set a later `until`." in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[[", "is not TOML: "),
        (b"\xff\xfe", "is not TOML: "),
        (b"waiver = 1", "give each waiver as a table [[waiver]], and nothing else"),
        (b'[[waiver]]\nreason = "x"', "waiver 1: log_group is missing or not text"),
        (f'{WAIVER}till = "x"'.encode(), "waiver 1: 'till' is not known; give log_group, reason"),
        (
            f'{WAIVER}{WAIVER}until = "Friday"'.encode(),
            "waiver 2: until = 'Friday' is not a date; give one like 2026-11-16",
        ),
        (f"{WAIVER}until = 2026-02-30".encode(), "is not TOML: "),
        (
            f"{WAIVER}from = 2026-11-20\nto = 2026-11-20".encode(),
            "waiver 1: to = 2026-11-20 is not after from = 2026-11-20; give the first day",
        ),
    ],
)
def test_an_invalid_file_of_waivers_is_refused(
    text: bytes, says: str, run: Callable, tmp_path: Path
):
    """An invalid waiver is one line with its place, before a source is read."""
    waivers = tmp_path / "waivers.toml"
    waivers.write_bytes(text)
    done = run("report", "there-is-no-such-file.json", "--waivers", waivers)
    assert done.exit_code == 2
    assert str(waivers) in done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_file_of_waivers_that_cannot_be_read_is_refused(run: Callable, tmp_path: Path):
    """A missing file of waivers, or a folder, is refused with its name."""
    for path in (tmp_path / "none.toml", tmp_path):
        done = run("report", "there-is-no-such-file.json", "--waivers", path)
        assert done.exit_code == 2
        assert "--waivers" in done.stderr
        assert str(path) in done.stderr
        assert "there-is-no-such-file" not in done.stderr
