"""A broken file is reported, and costs no intact task."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import table

import exportstats as xs
from exportstats.errors import (
    BadRowsError,
    BadRowsWarning,
    ExportStatsError,
    FileFormatError,
    UnusedWarning,
)

if TYPE_CHECKING:
    import pandas as pd

IDS = [letter * 3 for letter in "abcdefghijkl"]  # removing bytes from one never results in another
TASKS = [
    {"taskId": name, "taskName": "a,b", "status": {"code": "FAILED"}, "from": number}
    for number, name in enumerate(IDS)
]
LINES = b"".join(json.dumps(task).encode() + b"\n" for task in TASKS)
NAMES = ['say "=1"', "", None, "a,b", '"', "'", "€"]
TABLE = table(
    *(
        {"task_id": name, "task_name": NAMES[number % 7], "region": NAMES[number % 3]}
        for number, name in enumerate(IDS)
    )
)


def read(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a file; return the reported places too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        tasks = xs.read_tasks(file)
    messages = [one.message for one in caught]
    assert all(isinstance(one, (BadRowsWarning, UnusedWarning)) for one in messages)
    rows = [one.rows for one in messages if isinstance(one, BadRowsWarning)]
    return tasks, [place for found in rows for place in found["place"]]


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "cut off": ('{"exportTasks": [\n  {"taskId": "a", "fr', "line 2, column 19: not JSON: Unterm"),
    "cut off behind tasks": (
        '{"exportTasks": [\n {"taskId": "a"},\n  {"taskId": "b"}',
        r"line 3, column 18: .*','",
    ),
    "cut off behind a comma": ('[{"taskId": "a"},', "line 1, column 18: not JSON: Expecting value"),
    "cut off behind the list": ('{"exportTasks": [{"taskId": "a"}]', r"line 1, column 34: .*','"),
    "comma at the end": ('[{"taskId": "a"},\n]', "line 2, column 1: not JSON: Expecting value"),
    "no comma": ('[{"taskId": "a"}\n{"taskId": "b"}]', "line 2, column 1: not JSON: Expecting ','"),
    "no colon": ('{"exportTasks" []}', "line 1, column 16: not JSON: Expecting ':'"),
    "key without quotes": ("{exportTasks: []}", "line 1, column 2: not JSON: .* in double quotes"),
    "more behind": ('{"exportTasks": [\n]}\n]', "line 3, column 1: not JSON: Expecting value"),
    "a number": (
        "5",
        "line 1, column 1: neither JSON nor CSV nor Parquet of tasks: it begins with '5'",
    ),
    "a table for people": (
        "-----\n| a |\n",
        "a table for people.* The AWS CLI prints JSON with --ou",
    ),
    "not UTF-8": (b'[\n{"taskId": "\xe4"}]', "line 2, column 13: not UTF-8"),
    "UTF-16 cut off": ('[{"taskId": "a"}]'.encode("utf-16")[:-1], "to its end: 'utf-16-le' codec"),
    "deep": ("[" * 100_000, "line 1, column 1: .*recursion"),
    "empty": ("", "it is empty"),
    "blank": (" \n", "it is empty"),
    "no header": (
        "name,state\na,b\n",
        "neither JSON nor CSV nor Parquet .* begins with 'name,state'",
    ),
    "name twice": ("task_id,task_id\na,b\n", "two columns named task_id"),
    "header cut off": ('task_id,"from', "its header cannot be read: unexpected end of data"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_broken(tmp_path: Path, content: str | bytes, message: str) -> None:
    """An unreadable file is reported with file, line and column."""
    file = tmp_path / "tasks.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FileFormatError, match=message) as caught:
        xs.read_tasks(file)
    assert str(caught.value).startswith(f"{file}")


REFUSED: dict[str, tuple[str, str]] = {
    "no list": ('{"exportTasks": 0}', "the task is not an object but 0"),
    "something else": (
        '{"logGroups": []}',
        "these are log groups; read them with xs.read_log_groups",
    ),
    "nothing known": ('{"a": 1, "b": 2}', 'no task_id among its keys "a, b"'),
    "no object": ('["a"]', 'the task is not an object but "a"'),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, content: str, reason: str) -> None:
    """JSON of something else has no readable row, and each is reported with the reason."""
    file = tmp_path / "tasks.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(
        BadRowsError, match=f"{reason} .*tasks.json, task 1.*; no row could be read"
    ):
        xs.read_tasks(file)


def test_a_number_of_5000_digits(tmp_path: Path) -> None:
    """A number of any length is out of bounds, and only its task is reported."""
    file = tmp_path / "tasks.json"
    digits = "9" * 5000
    listed = f'[{{"taskId": "a", "from": {digits}}}, {{"taskId": "b"}}]'
    for text in (listed, f"task_id,from_time\na,{digits}\nb,\n"):
        file.write_text(text, encoding="utf-8")
        with pytest.warns(BadRowsWarning, match="1 x from_time is after 2999: set to that bound"):
            assert xs.read_tasks(file)["task_id"].to_list() == ["a", "b"]


def test_csv_without_our_columns(tmp_path: Path) -> None:
    """A file named .csv is read as CSV, and the error says what its header lacks."""
    file = tmp_path / "tasks.csv"
    file.write_text("name,state\na,b\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"needs a column task_id, .*: name, state"):
        xs.read_tasks(file)


def test_empty_lines_are_no_tasks(tmp_path: Path) -> None:
    """An empty file of JSON Lines is a complete table without rows."""
    for name in ("tasks.jsonl", "tasks.NDJSON", "tasks.jsonl.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
        assert xs.read_tasks(tmp_path / name).equals(xs.conform(TABLE.iloc[:0]))


COMPRESS = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": partial(pa.compress, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("codec", COMPRESS)
def test_compressed_and_cut_off(tmp_path: Path, codec: str) -> None:
    """Truncated compressed data, or data with something after it, are an error."""
    whole = COMPRESS[codec](LINES)
    file = tmp_path / "tasks.jsonl"
    broken = [whole[:-1], whole[: len(whole) // 2], whole + whole[:9], whole + b"rest"]
    # bz2 and xz ignore trailing data, as their commands do
    for data in broken[: 2 if codec in ("bz2", "xz") else 4]:
        file.write_bytes(data)
        with pytest.raises(FileFormatError, match=r"tasks\.jsonl: cannot be read to its end: \w"):
            xs.read_tasks(file)


def test_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without read permission is reported with the system's reason."""
    file = tmp_path / "tasks.json"
    file.write_bytes(LINES)

    def refuse(*_: Any, **__: Any) -> None:  # noqa: ANN401
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:  # root can open every file
        patch.setattr(Path, "open", refuse)
        with pytest.raises(FileFormatError, match="cannot be opened: Permission denied"):
            xs.read_tasks(file)


def test_parquet_cut_off(tmp_path: Path) -> None:
    """Truncated Parquet, or Parquet without IDs, is an error; compressed Parquet is read."""
    file = tmp_path / "tasks.parquet"
    xs.write_tasks(TABLE, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with pytest.raises(FileFormatError, match=r"tasks\.parquet: broken Parquet"):
        xs.read_tasks(file)
    file.write_bytes(gzip.compress(whole))
    assert_frame_equal(xs.read_tasks(file), TABLE)
    TABLE[["task_name"]].to_parquet(file)
    with pytest.raises(
        FileFormatError, match="needs the column task_id; this frame has: task_name"
    ):
        xs.read_tasks(file)


def test_parquet_that_is_not_utf8(tmp_path: Path) -> None:
    """Parquet with text that is not UTF-8 is refused when it is read."""
    starts = pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0]))
    ids = pa.StringArray.from_buffers(1, starts, pa.py_buffer(b"\xff"))
    file = tmp_path / "tasks.parquet"
    pq.write_table(pa.table({"task_id": ids}), file)
    with pytest.raises(FileFormatError, match=r"broken Parquet: .*UTF8"):
        xs.read_tasks(file)


def test_parquet_whose_names_are_not_utf8(tmp_path: Path) -> None:
    """Column names that are not UTF-8 make the file a broken one."""
    file = tmp_path / "tasks.parquet"
    xs.write_tasks(TABLE, file)
    file.write_bytes(file.read_bytes().replace(b"task_name", b"task\xffname"))
    with pytest.raises(FileFormatError, match=r"broken Parquet: .*utf-8"):
        xs.read_tasks(file)


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """Remove, insert or replace bytes."""
    cut = st.tuples(st.integers(0, len(data)), st.integers(0, 30), st.binary(max_size=3))
    return cut.map(lambda at: data[: at[0]] + at[2] + data[at[0] + at[1] :]) | st.integers(
        0, len(data)
    ).map(lambda end: data[:end])


FORMATS = (".json", ".jsonl", ".csv", ".parquet", ".json.gz", ".csv.zst", ".csv")


@given(suffix=st.sampled_from(FORMATS), data=st.data())
def test_any_damage_is_an_error_of_ours(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    """Reading a damaged file succeeds or raises an `ExportStatsError`."""
    file = tmp_path / f"tasks{suffix}"
    xs.write_tasks(TABLE, file)
    file.write_bytes(data.draw(mutated(file.read_bytes())))
    try:
        tasks, _ = read(file)
    except ExportStatsError:
        return
    assert set(tasks.columns) >= set(TABLE.columns)  # a damaged name is an own column


@given(mutated(LINES))
def test_other_lines_are_never_lost(tmp_path: Path, damaged: bytes) -> None:
    """In JSON Lines each intact line is a task, and each other one is reported."""
    file = tmp_path / "tasks.jsonl"
    file.write_bytes(damaged)
    lines = [line for line in damaged.split(b"\n") if line.strip()]
    whole = dict(zip(LINES.splitlines(), IDS, strict=True))
    kept = [whole[line] for line in lines if line in whole]
    try:
        tasks, places = read(file)
    except (FileFormatError, BadRowsError):
        assert not kept
        return
    assert [name for name in tasks["task_id"] if name in kept] == kept
    # a task with an inserted line end may still be intact
    assert len(tasks) + len(places) >= len(lines) or len(tasks) == len(IDS)


@given(st.data())
def test_other_csv_rows_are_never_lost(tmp_path: Path, data: st.DataObject) -> None:
    """In a CSV with any damage, each intact line is a task or is reported.

    If a quote is lost, the lines up to the next one are one field, which is reported with the
    number of its lines.
    """
    file = tmp_path / "tasks.csv"
    xs.write_tasks(TABLE, file)
    header, *lines = file.read_bytes().splitlines()  # no value has a line end in it
    at = data.draw(st.integers(0, len(lines) - 1))
    start = data.draw(st.integers(0, len(lines[at])))
    end = data.draw(st.integers(start, len(lines[at])))
    damaged = lines[at][:start] + lines[at][end:]
    file.write_bytes(b"\n".join([header, *lines[:at], damaged, *lines[at + 1 :], b""]))
    others = [name for number, name in enumerate(IDS) if number != at]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            tasks = xs.read_tasks(file)
        except ExportStatsError:
            return
    kept = [name for name in tasks["task_id"] if name in others]
    left_out = [one.message for one in caught if getattr(one.message, "partial", False)]
    assert kept == others or "its quotes do not match" in str(left_out)
    assert len(kept) >= len(others) - 1


@pytest.mark.parametrize("number", range(len(IDS)))
def test_a_quote_that_is_lost(tmp_path: Path, number: int) -> None:
    """Without its closing quote, a row and the next one are lost and reported."""
    file = tmp_path / "tasks.csv"
    text = "task_id,task_name\n" + "".join(f'"{name}","a,b"\n' for name in IDS)
    name = IDS[number]
    file.write_text(text.replace(f'"{name}","a,b"', f'"{name}","a,b'), encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = set(xs.read_tasks(file)["task_id"])
    lost = IDS[number : number + 2]
    assert found >= set(IDS) - set(lost)
    (warning,) = (one for one in caught if isinstance(one.message, BadRowsWarning))
    assert "quotes do not match" in str(warning.message)
    assert warning.message.rows["place"].to_list() == [f"{file}, row {number + 2}"]


def test_text_of_several_lines(tmp_path: Path) -> None:
    """Text with line ends and commas does not start a row, if its quotes match."""
    file = tmp_path / "tasks.csv"
    notes = ["hello, world\nand, more", "a\n,\n", 'say ""x"",\n', "b,c\r\nd,e"]
    file.write_text(
        "task_id,status_message\n"
        + "".join(f'{IDS[number]},"{note}"\n' for number, note in enumerate(notes)),
        encoding="utf-8",
        newline="",
    )
    tasks = xs.read_tasks(file)
    assert tasks["task_id"].to_list() == IDS[:4]
    assert tasks["status_message"].to_list() == [note.replace('""', '"') for note in notes]


def test_csv_that_is_not_utf8(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each row of a Latin-1 CSV with non-ASCII letters is reported, whatever its width."""
    file = tmp_path / "tasks.csv"
    text = "task_id,task_name\na,b\nb,Büro\nc,d,é\né\ne,f\n"
    file.write_text(text, encoding="latin-1")
    with pytest.warns(BadRowsWarning) as caught:
        assert xs.read_tasks(file)["task_id"].to_list() == ["a", "e"]
    assert dict(caught[0].message.rows.itertuples(index=False, name=None)) == {
        f"{file}, row 3": "not UTF-8; save it as UTF-8",
        f"{file}, row 4": "it has 3 fields, not 2",
        f"{file}, row 5": "it has 1 fields, not 2",
    }
    assert capfd.readouterr() == ("", "")
