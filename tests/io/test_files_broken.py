"""A file that is broken is told so, and costs no task that is whole."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support import quick, table

import exportstats as xs
from exportstats.errors import BadRowsWarning, ExportStatsError, FileFormatError

if TYPE_CHECKING:
    import pandas as pd

IDS = [letter * 3 for letter in "abcdefghijkl"]  # what is cut out of one never makes another
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

in_folder = settings(quick, suppress_health_check=[*HealthCheck])


def read(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a file; give the places that were reported too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tasks = xs.read_tasks(file)
    assert all(isinstance(one.message, BadRowsWarning) for one in caught)
    return tasks, [place for one in caught for place in one.message.rows["place"]]  # type: ignore[union-attr]


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "cut off": ('{"exportTasks": [\n  {"taskId": "a", "fr', "line 2, column 19: not JSON: Unterm"),
    "cut off behind a task": ('{"exportTasks": [\n  {"taskId": "a"}', r"line 2, column 18: .*','"),
    "cut off behind a comma": ('[{"taskId": "a"},', "line 1, column 18: not JSON: Expecting value"),
    "cut off behind the list": ('{"exportTasks": [{"taskId": "a"}]', r"line 1, column 34: .*','"),
    "comma at the end": ('[{"taskId": "a"},\n]', "line 2, column 1: not JSON: a value is expected"),
    "no comma": ('[{"taskId": "a"}\n{"taskId": "b"}]', "line 2, column 1: not JSON: ',' is exp"),
    "no colon": ('{"exportTasks" []}', "line 1, column 16: not JSON: ':' is expected"),
    "key without quotes": ("{exportTasks: []}", "line 1, column 2: not JSON: a key in double qu"),
    "more behind": ('{"exportTasks": []}\n]', "line 2, column 1: no task, page or list"),
    "no list": (
        '{"exportTasks": {"taskId": "a"}}',
        "line 1, column 1: the exportTasks of this obj",
    ),
    "zero for a list": (
        '{"exportTasks": 0}',
        "line 1, column 1: the exportTasks of this object is",
    ),
    "something else": ('{"logGroups": []}', "line 1, column 1: this object is neither a page"),
    "a number": ("5", "line 1, column 1: neither JSON nor CSV nor Parquet of tasks: it begins"),
    "a table for people": ("-----\n| a |\n", "The AWS CLI gives JSON with --output json"),
    "not UTF-8": (b'[\n{"taskId": "\xe4"}]', "line 2, column 13: not UTF-8"),
    "UTF-16": ('[{"taskId": "a"}]'.encode("utf-16"), "line 1, column 1: this is UTF-16"),
    "deep": ("[" * 100_000, "line 1, column 2: .*recursion"),
    "a number of 5000 digits": ('[{"taskId": "a", "from": ' + "9" * 5000 + "}]", "4300 digits"),
    "empty": ("", "it is empty"),
    "blank": (" \n", "it is empty"),
    "no header": ("name,state\na,b\n", "neither JSON nor CSV"),
    "semicolons": ("task_id;from_time\na;0\n", "line 1, column 1: .*commas.*: task_id;from_time"),
    "name twice": ("task_id,task_id\na,b\n", "line 1, column 1: two columns are named task_id"),
    "header cut off": ('task_id,"from', "line 1, column 1: a CSV of tasks has"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_broken(tmp_path: Path, content: str | bytes, message: str) -> None:
    """What cannot be read at all is told with file, line and column."""
    file = tmp_path / "tasks.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FileFormatError, match=message) as caught:
        xs.read_tasks(file)
    assert str(caught.value).startswith(f"{file}")


def test_csv_without_our_columns(tmp_path: Path) -> None:
    """A file that is called CSV is taken for one, and told what its header lacks."""
    file = tmp_path / "tasks.csv"
    file.write_text("name,state\na,b\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"has a column task_id, .*: name, state"):
        xs.read_tasks(file)


def test_empty_lines_are_no_tasks(tmp_path: Path) -> None:
    """An empty file of JSON Lines is a table without a row, whole as any."""
    for name in ("tasks.jsonl", "tasks.NDJSON", "tasks.jsonl.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
        assert xs.read_tasks(tmp_path / name).equals(xs.conform(TABLE.iloc[:0]))


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_packed_and_cut_off(tmp_path: Path, codec: str) -> None:
    """Packed data that are cut off, or followed by something else, are not taken for whole."""
    packed = pa.compress(LINES, codec, asbytes=True)
    file = tmp_path / "tasks.jsonl"
    for data in (packed[:-1], packed[: len(packed) // 2], packed + packed[:9], packed + b"rest"):
        file.write_bytes(data)
        with pytest.raises(FileFormatError, match=r"tasks\.jsonl: cannot be read to its end: \w"):
            xs.read_tasks(file)


def test_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be opened is named with the system's own reason."""
    file = tmp_path / "tasks.json"
    file.write_bytes(LINES)

    def refuse(*_: Any, **__: Any) -> None:  # noqa: ANN401
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:  # root may open anything
        patch.setattr(Path, "open", refuse)
        with pytest.raises(FileFormatError, match="cannot be opened: Permission denied"):
            xs.read_tasks(file)


def test_parquet_cut_off(tmp_path: Path) -> None:
    """Parquet that is cut off, packed once more, or without identifiers, is told so."""
    file = tmp_path / "tasks.parquet"
    xs.write_tasks(TABLE, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with pytest.raises(FileFormatError, match=r"tasks\.parquet: broken Parquet"):
        xs.read_tasks(file)
    file.write_bytes(gzip.compress(whole))
    with pytest.raises(FileFormatError, match="Parquet is read from a plain file alone"):
        xs.read_tasks(file)
    TABLE[["task_name"]].to_parquet(file)
    with pytest.raises(
        FileFormatError, match="needs the column task_id; this frame has: task_name"
    ):
        xs.read_tasks(file)


def test_parquet_that_is_not_utf8(tmp_path: Path) -> None:
    """Parquet whose text is no text is told so, and not found out by whoever prints it."""
    starts = pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0]))
    ids = pa.StringArray.from_buffers(1, starts, pa.py_buffer(b"\xff"))
    file = tmp_path / "tasks.parquet"
    pq.write_table(pa.table({"task_id": ids}), file)
    with pytest.raises(FileFormatError, match=r"broken Parquet: .*UTF8"):
        xs.read_tasks(file)


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """Cut bytes off, out, or put others in."""
    cut = st.tuples(st.integers(0, len(data)), st.integers(0, 30), st.binary(max_size=3))
    return cut.map(lambda at: data[: at[0]] + at[2] + data[at[0] + at[1] :]) | st.integers(
        0, len(data)
    ).map(lambda end: data[:end])


FORMATS = (".json", ".jsonl", ".csv", ".parquet", ".json.gz", ".csv.zst")


@in_folder
@given(suffix=st.sampled_from(FORMATS), data=st.data())
def test_any_damage_is_an_error_of_ours(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    """Whatever happens to a file, reading it ends well or in an `ExportStatsError`."""
    file = tmp_path / f"tasks{suffix}"
    xs.write_tasks(TABLE, file)
    file.write_bytes(data.draw(mutated(file.read_bytes())))
    try:
        tasks, _ = read(file)
    except ExportStatsError:
        return
    assert set(tasks.columns) == set(TABLE.columns)


@in_folder
@given(mutated(LINES))
def test_other_lines_are_never_lost(tmp_path: Path, damaged: bytes) -> None:
    """In JSON Lines each whole line gives its task, and each other one is reported."""
    file = tmp_path / "tasks.jsonl"
    file.write_bytes(damaged)
    lines = [line for line in damaged.split(b"\n") if line.strip()]
    whole = dict(zip(LINES.splitlines(), IDS, strict=True))
    kept = [whole[line] for line in lines if line in whole]
    try:
        tasks, places = read(file)
    except FileFormatError:
        assert lines[:1] != LINES.splitlines()[:1]  # what begins otherwise may be another format
        return
    assert [name for name in tasks["task_id"] if name in kept] == kept
    # a task that a line end was put into may be whole all the same
    assert len(tasks) + len(places) >= len(lines) or len(tasks) == len(IDS)


@in_folder
@given(st.data())
def test_other_csv_rows_are_never_lost(tmp_path: Path, data: st.DataObject) -> None:
    """In CSV too, whatever is missing in one line: each whole line gives its task."""
    file = tmp_path / "tasks.csv"
    xs.write_tasks(TABLE, file)
    header, *lines = file.read_bytes().splitlines()  # no value has a line end in it
    at = data.draw(st.integers(0, len(lines) - 1))
    start = data.draw(st.integers(0, len(lines[at])))
    end = data.draw(st.integers(start, len(lines[at])))
    damaged = lines[at][:start] + lines[at][end:]
    file.write_bytes(b"\n".join([header, *lines[:at], damaged, *lines[at + 1 :], b""]))
    tasks, places = read(file)
    others = [name for number, name in enumerate(IDS) if number != at]
    assert [name for name in tasks["task_id"] if name in others] == others
    assert len(tasks) + len(places) >= len(lines) - (not damaged)
