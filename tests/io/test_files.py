"""Tasks are read from all kinds of files, which are detected by their content."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal
from support import API_SAMPLE

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import (
    ArgumentError,
    BadRowsError,
    BadRowsWarning,
    MissingFileError,
    PartialListWarning,
    UnusedWarning,
)
from exportstats.io.json_text import Page, read_pages
from exportstats.io.rows import to_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def task(number: int, **more: object) -> dict[str, Any]:
    """Make a task in AWS's shape, with our three keys."""
    return {
        "taskId": f"task-{number}",
        "taskName": "nightly",
        "logGroupName": f"acme/{number % 3}",
        "from": 1_700_000_000_000 + number,
        "to": 1_700_000_059_999 + number,
        "destination": "acme-logs",
        "destinationPrefix": "exportedlogs",
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {"creationTime": 1_700_000_100_000, "completionTime": 1_700_000_200_000},
        "accountId": "012345678901",
        "region": "eu-west-1",
        "observedAt": 1_700_000_300_000,
    } | more


TASKS = [task(number) for number in range(5)]
PAGES = [{"exportTasks": TASKS[:2], "nextToken": "x"}, {"exportTasks": TASKS[2:]}]
EXPECTED = to_table(read_pages([Page(TASKS, 0)], 1, schema.TASKS), schema.TASKS)


def read(*paths: Any) -> pd.DataFrame:  # noqa: ANN401
    """Read files with unused keys or a token in the last page."""
    with warnings.catch_warnings():
        for kind in (PartialListWarning, UnusedWarning):
            warnings.simplefilter("ignore", kind)
        return xs.read_tasks(*paths)


def compact(value: object) -> str:
    """Return JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


FLAVOURS: dict[str, str] = {
    "merged object": compact({"exportTasks": TASKS}),
    "merged object, indented": json.dumps({"exportTasks": TASKS}, indent=4),
    "token first": json.dumps({"nextToken": "x", "exportTasks": TASKS}, indent=1),
    "token and more last": json.dumps({"exportTasks": TASKS, "x": [{}, {"taskId": "no"}]}),
    "pages, one a line": "\n".join(map(compact, PAGES)),
    "pages, indented": "\n".join(json.dumps(page, indent=2) for page in PAGES),
    "pages without anything between": "".join(map(compact, PAGES)),
    "list of pages": json.dumps(PAGES, indent=2),
    "empty page first": compact({"exportTasks": []}) + compact({"exportTasks": TASKS}),
    "null page first": compact({"exportTasks": None}) + compact({"exportTasks": TASKS}),
    "bare list": compact(TASKS),
    "bare list, indented": json.dumps(TASKS, indent=4),
    "lists one after another": compact(TASKS[:3]) + "\n" + compact(TASKS[3:]),
    "JSON Lines": "".join(compact(one) + "\n" for one in TASKS),
    "JSON Lines, blank lines, none at the end": "\n\n" + "\n\n".join(map(compact, TASKS)),
    "JSON Lines with blanks": "".join(json.dumps(one) + "  \n" for one in TASKS),
    "tasks, indented": "\n".join(json.dumps(one, indent=2) for one in TASKS),
    "tasks on one line": " ".join(map(compact, TASKS)),
    "list of pages and tasks": json.dumps([PAGES[0], *TASKS[2:]], indent=1),
    "in Pascal case": json.dumps(
        [
            {k.title() if k == "from" else k[0].upper() + k[1:]: v for k, v in one.items()}
            for one in TASKS
        ]
    ),
    "our own columns": EXPECTED.to_json(orient="records", date_format="iso"),
    "our own columns, a line each": EXPECTED.to_json(
        orient="records", lines=True, date_format="iso"
    ),
    "pages and tasks": compact({"exportTasks": TASKS[:2]}) + "".join(map(compact, TASKS[2:])),
    "one task odd": compact({"exportTasks": [*TASKS[:-1], TASKS[-1] | {"from": "1700000000004"}]}),
    "unknown keys": compact([one | {"x": [{"a": 1}, {"b": "]},{"}]} for one in TASKS]),
}


@pytest.mark.parametrize("text", FLAVOURS.values(), ids=FLAVOURS)
def test_flavours(tmp_path: Path, text: str) -> None:
    """Every form of JSON gives the same table, whatever the name of the file."""
    for name in ("tasks.json", "tasks.jsonl", "tasks"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert_frame_equal(read(tmp_path / name), EXPECTED)


@pytest.mark.parametrize("text", FLAVOURS.values(), ids=FLAVOURS)
def test_marks_and_line_ends(tmp_path: Path, text: str) -> None:
    """A byte order mark, the line ends of Windows, and UTF-16 change nothing."""
    file = tmp_path / "tasks.json"
    lines = text.replace("\n", "\r\n")
    for code in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        file.write_bytes(lines.encode(code))
        assert_frame_equal(read(file), EXPECTED)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("indent", [None, 4])
def test_few_tasks(tmp_path: Path, count: int, indent: int | None) -> None:
    """A page and a list may have one task or none."""
    for value in ({"exportTasks": TASKS[:count]}, TASKS[:count]):
        file = tmp_path / "tasks.json"
        file.write_text(json.dumps(value, indent=indent), encoding="utf-8")
        tasks = xs.read_tasks(file)
        assert frames.check(tasks) is tasks
        assert tasks["task_id"].to_list() == ["task-0"] * count


def test_api_sample(tmp_path: Path) -> None:
    """The API's own sample is two COMPLETED tasks of 130 ms, reported as doubtful."""
    file = tmp_path / "sample.json"
    file.write_bytes(API_SAMPLE)
    with pytest.warns(BadRowsWarning, match="2 x another task has the same task_id") as caught:
        tasks = xs.read_tasks(file)
    assert tasks["task_name"].to_list() == ["my-task-1", "my-task-2"]
    assert tasks["status_code"].to_list() == ["COMPLETED"] * 2
    assert tasks["duration"].to_list() == [pd.Timedelta(130, "ms")] * 2
    (warning,) = caught
    assert warning.message.rows["place"].to_list() == [f"{file}, task 1", f"{file}, task 2"]


def zstd(data: bytes) -> bytes:
    """Compress with the zstd command, if there is one."""
    try:
        return subprocess.run(["zstd", "-c"], input=data, capture_output=True, check=True).stdout
    except FileNotFoundError:
        return pa.compress(data, "zstd", asbytes=True)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd])
@pytest.mark.parametrize("name", ["tasks.jsonl.gz", "tasks.jsonl.zst", "tasks"])
def test_compressed(tmp_path: Path, compress: Callable[[bytes], bytes], name: str) -> None:
    """Compressed files are detected by their bytes, and all members and frames are read."""
    lines = FLAVOURS["JSON Lines"].encode()
    half = lines.index(b"\n", 500) - 20  # a line may span two members
    (tmp_path / name).write_bytes(compress(lines[:half]) + compress(lines[half:]))
    assert_frame_equal(xs.read_tasks(tmp_path / name), EXPECTED)


def test_many_files(tmp_path: Path) -> None:
    """Patterns are read in order into one table, and a repeated task is kept once."""
    for number, page in enumerate(PAGES):
        (tmp_path / f"{number}.json").write_text(json.dumps(page), encoding="utf-8")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    again = task(2, observedAt=1_700_000_400_000, status={"code": "FAILED"})
    (tmp_path / "deep" / "er" / "x.jsonl").write_text(compact(again), encoding="utf-8")
    assert_frame_equal(xs.read_tasks(tmp_path / "*.json"), EXPECTED)
    assert_frame_equal(xs.read_tasks(f"{tmp_path}/[01].json", tmp_path / "0.json"), EXPECTED)
    for paths in (str(tmp_path / "**" / "*.json*"), tmp_path, [[tmp_path / "deep"], tmp_path]):
        tasks = xs.read_tasks(paths).set_index("task_id")
        assert tasks["status_code"].eq("FAILED").sum() == 1
        assert tasks.loc["task-2", "status_code"] == "FAILED"


def test_folders(tmp_path: Path) -> None:
    """Of a folder, possible tables are read; hidden and temporary files are not."""
    (tmp_path / "tasks.json.gz").write_bytes(gzip.compress(FLAVOURS["bare list"].encode()))
    (tmp_path / "sub").mkdir()
    xs.write_tasks(EXPECTED, tmp_path / "sub" / "tasks.parquet")
    for name in ("README.md", ".tasks.json", "_SUCCESS", "notes.txt"):
        (tmp_path / name).write_text("no", encoding="utf-8")
    (tmp_path / "_temporary").mkdir()
    (tmp_path / "_temporary" / "x.json").write_text("no", encoding="utf-8")
    assert_frame_equal(xs.read_tasks(tmp_path), EXPECTED)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match=r"no file of \.json, .* in the folder .*empty"):
        xs.read_tasks(tmp_path / "empty")
    (tmp_path / "delta" / "_delta_log").mkdir(parents=True)
    with pytest.raises(ArgumentError, match=r"is a Delta table; .* read it with deltalake"):
        xs.read_tasks(tmp_path / "delta")


def test_files_in_order(tmp_path: Path) -> None:
    """The files of a pattern are read in the order of their names, without folders."""
    (tmp_path / "folder").mkdir()
    for name in "fbdaecg":
        (tmp_path / f"{name}.json").write_text(f'[{{"taskId": "{name}"}}]', encoding="utf-8")
    assert "".join(xs.read_tasks(tmp_path / "*")["task_id"]) == "abcdefg"


def test_literal_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing path is itself, even if it looks like a pattern; "~" is the home folder."""
    (tmp_path / "[a].json").write_text(FLAVOURS["bare list"], encoding="utf-8")
    (tmp_path / "a.json").write_text("[]", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(xs.read_tasks(tmp_path / "[a].json")) == 5
    assert len(xs.read_tasks("~/[a].json")) == 5


def test_nothing_there(tmp_path: Path) -> None:
    """An invalid path is named, with the remedy."""
    with pytest.raises(ArgumentError, match="no path was given"):
        xs.read_tasks()
    for name in ("no.json", "*.json"):
        with pytest.raises(
            FileNotFoundError, match=rf"there is no file '.*{re.escape(name)}'"
        ) as caught:
            xs.read_tasks(tmp_path / name)
        assert isinstance(caught.value, ArgumentError)
    with pytest.raises(ArgumentError, match="a path is text or a Path, not int"):
        xs.read_tasks(5)
    for name in ("a\0b", "a" * 5000):
        with pytest.raises(ArgumentError, match=r"there is no file 'a|'a.*' cannot be a file: "):
            xs.read_tasks(name)
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    with pytest.raises(xs.ExportStatsError, match=r"loop\.json: cannot be opened: "):
        xs.read_tasks(tmp_path / "loop.json")


@pytest.mark.parametrize("text", [False, True])
def test_open_files(tmp_path: Path, text: bool) -> None:  # noqa: FBT001
    """Open files, and text or bytes in memory, are read like paths."""
    file = tmp_path / "tasks.json"
    file.write_text(FLAVOURS["bare list"], encoding="utf-8")
    with file.open("r" if text else "rb", encoding="utf-8" if text else None) as stream:
        assert_frame_equal(xs.read_tasks(stream), EXPECTED)
        assert not stream.closed
    content = FLAVOURS["bare list"]
    for compress in (None,) if text else (bytes, gzip.compress, zstd):
        memory = io.BytesIO(compress(content.encode())) if compress else io.StringIO(content)
        assert_frame_equal(xs.read_tasks(memory), EXPECTED)
        assert not memory.closed
        memory.seek(0)
        assert_frame_equal(xs.read_tasks(memory), EXPECTED)


@pytest.mark.parametrize("flavour", ["merged object, indented", "JSON Lines", "CSV"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd])
def test_standard_input(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flavour: str,
    compress: Callable[[bytes], bytes],
) -> None:
    """A minus sign is standard input: JSON or CSV, compressed or not."""
    xs.write_tasks(EXPECTED, tmp_path / "tasks.csv")
    text = (tmp_path / "tasks.csv").read_bytes() if flavour == "CSV" else FLAVOURS[flavour].encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(compress(text))))
    assert_frame_equal(xs.read_tasks("-"), EXPECTED)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_pipe(tmp_path: Path) -> None:
    """A pipe can be read, although it cannot be read twice."""
    code = """if True:
        import exportstats as xs, sys
        print(len(xs.read_tasks("-")), len(xs.read_tasks(sys.argv[1])))"""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(
        [sys.executable, "-c", code, pipe],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(FLAVOURS["JSON Lines"].encode())
        process.stdin.close()
        pipe.write_text(FLAVOURS["pages, indented"], encoding="utf-8")
        assert process.stdout.read() == b"5 5\n"


def test_bad_rows_are_placed(tmp_path: Path) -> None:
    """An invalid row is reported with file and number, and the others are kept."""
    lines, listed, saved = tmp_path / "a.jsonl", tmp_path / "b.json", tmp_path / "c.csv"
    lines.write_text(f"{compact(TASKS[0])}\n\nnope\n" + '{"taskId": 5}\n[7]\n', encoding="utf-8")
    listed.write_text(json.dumps([TASKS[1], {}, TASKS[2], "x", None]), encoding="utf-8")
    saved.write_text('task_id,from_time\na,"x\ny"\n\nb\nc,5\n,1\n', encoding="utf-8")
    with pytest.warns(BadRowsWarning, match="the others were kept") as caught:
        tasks = xs.read_tasks(lines, listed, saved)
    assert tasks["task_id"].to_list() == ["task-0", "task-1", "task-2", "c"]
    (warning,) = caught
    assert warning.filename == __file__  # the caller's line
    assert warning.message.partial
    times = "from_time is not a time (an aware timestamp, milliseconds since 1970, or ISO 8601 "
    assert sorted(warning.message.rows.to_numpy().tolist()) == [
        [f"{lines}, line 3", "not JSON: Expecting value at column 1"],
        [f"{lines}, line 4", "task_id is not text"],
        [f"{lines}, line 5", "the task is not an object but 7"],
        [f"{listed}, task 2", 'neither a page of tasks nor a task: no task_id among its keys ""'],
        [f"{listed}, task 4", 'the task is not an object but "x"'],
        [f"{listed}, task 5", "the task is not an object but null"],
        [f"{saved}, row 2", times + "with an offset)"],
        [f"{saved}, row 4", "it has 1 fields, not 2"],
        [f"{saved}, row 6", "no task_id"],
    ]
    with pytest.raises(BadRowsError, match="nothing was kept"):
        xs.read_tasks(lines, strict=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", "nope\n{}\n"),
        ("a.json", '[{"taskId": null}]'),
        ("a.csv", "task_id,from_time\n,5\n"),
        ("a.csv", "task_id,from_time\na,tomorrow\n"),
    ],
)
def test_no_row_that_can_be_read_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    """If all rows are invalid, that is an error, not an empty table."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BadRowsError, match=rf"{name}, .*; no row could be read$") as caught:
        xs.read_tasks(tmp_path / name)
    assert len(caught.value.rows)


def test_doubtful_rows_are_placed(tmp_path: Path) -> None:
    """A doubtful row has the right line number, even after refused and blank lines."""
    file = tmp_path / "tasks.jsonl"
    twins = [{"taskId": "a", "taskName": name, "from": "0"} for name in ("x", "y")]
    file.write_text("\n\n".join(["{}", compact(twins[0]), "?", compact(twins[1])]), "utf-8")
    with pytest.warns(BadRowsWarning) as caught:
        xs.read_tasks(file)
    left_out, kept = (one.message.rows["place"].to_list() for one in caught)
    assert left_out == [f"{file}, line 1", f"{file}, line 5"]
    assert kept == [f"{file}, line 3", f"{file}, line 7"]


def test_spreadsheet_csv(tmp_path: Path) -> None:
    """A CSV of a spreadsheet or a person is read, with few columns or other quotes."""
    file = tmp_path / "tasks.csv"
    file.write_text(
        "\ufeffnote,task_id,creation_time,log_group_name,duration\r\n"
        'x,a,2026-11-24T01:00:00+01:00,"say ""hi"", you",1\r\n'
        'x,b,1795478400000,,"1"\r\n',
        encoding="utf-8",
    )
    with pytest.warns(UnusedWarning, match="no task has from_time, to_time, status_code; .*note"):
        tasks = xs.read_tasks(file)
    assert tasks["creation_time"].to_list() == [pd.Timestamp("2026-11-24", tz="UTC")] * 2
    assert tasks["log_group_name"].isna().to_list() == [False, True]
    assert tasks["log_group_name"].iloc[0] == 'say "hi", you'
    assert tasks["duration"].isna().all()
    assert tasks["note"].to_list() == ["x", "x"]


def test_foreign_parquet(tmp_path: Path) -> None:
    """Foreign Parquet is read with other types and own columns; bad rows are reported."""
    file = tmp_path / "tasks.parquet"
    times = pd.to_datetime([0, 5], unit="ms", utc=True).as_unit("ns")
    pd.DataFrame(
        {"task_id": ["a", None], "from_time": times, "to_time": [5, None], "other": [[1], []]},
        index=[7, 8],
    ).astype({"to_time": "Int64"}).to_parquet(file)
    with (
        pytest.warns(UnusedWarning, match=r"no task has .*\(other\) has these values"),
        pytest.warns(BadRowsWarning, match=r"1 x no task_id \(.*parquet, row 2\)"),
    ):
        tasks = xs.read_tasks(file)
    assert tasks["window"].to_list() == [pd.Timedelta(6, "ms")]
    assert tasks["other"].iloc[0].tolist() == [1]
    pq.write_table(pa.table({"taskId": ["b"], "from": [5]}), tmp_path / "no-suffix")
    for compress in (bytes, gzip.compress):
        (tmp_path / "tasks").write_bytes(compress((tmp_path / "no-suffix").read_bytes()))
        tasks = xs.read_tasks(tmp_path / "tasks")
        assert tasks["task_id"].to_list() == ["b"]
        assert tasks["from_time"].to_list() == [pd.Timestamp(5, unit="ms", tz="UTC")]


def test_parquet_of_any_types(tmp_path: Path) -> None:
    """Objects in columns of Parquet are read, and impossible types are named."""
    file = tmp_path / "tasks.parquet"
    pd.DataFrame([{key: one[key] for key in one if key != "x"} for one in TASKS]).to_parquet(file)
    assert_frame_equal(xs.read_tasks(file), EXPECTED)
    ids = pa.array(["a", "b"])
    for name, values in {
        "region": pa.array([[1], None]),
        "destination": pa.array([b"x", None]),
        "status_code": pa.array([1, None]),
        "from_time": pa.array([True, None]),
        "to_time": pa.array([1, 2], pa.duration("s")),
        "completion_time": pa.array([1, None], pa.timestamp("us")),
    }.items():
        pq.write_table(pa.table({"task_id": ids, name: values}), file)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                assert xs.read_tasks(file)["task_id"].to_list() == ["b"]
                said = "; ".join(str(one.message) for one in caught)
            except xs.FileFormatError as error:
                said = str(error)
        assert re.search(rf"1 x {name} is not |tasks\.parquet: the (column|times in) {name} ", said)
