"""What is written reads back as it was, and is never there by half."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import stat
from itertools import chain
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pandas.testing import assert_frame_equal
from support import MOST, quick, rows, rows_of, table

import exportstats as xs
from exportstats.core import schema
from exportstats.errors import ArgumentError, BadRowsWarning, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKABLE = (".json", ".jsonl", ".ndjson", ".csv")
SUFFIXES = (*PACKABLE, *(kind + more for kind in PACKABLE for more in (".gz", ".zst")), ".parquet")

in_folder = settings(quick, suppress_health_check=[*HealthCheck])

# Whatever a text may hold, and above all what means something in JSON, in CSV or to a spreadsheet.
TEXT = st.one_of(
    st.text(max_size=5),
    st.text(
        st.sampled_from([*"=+-@\t\r\n'\", \0\uff1d\uff0b\uff0d\uff20ä€\U0001f600;|{}[]\\"]),
        max_size=6,
    ),
)
TEXTS = tuple(
    column.name
    for column in schema.BASE_COLUMNS
    if column.kind != "time" and column.name != "task_id"
)


@st.composite
def tables(draw: Any) -> pd.DataFrame:  # noqa: ANN401
    """Make tables in which every text may be anything or missing, and times far out."""
    made = draw(st.lists(rows(), max_size=8))
    for number, row in enumerate(made):
        row["task_id"] = f"{draw(TEXT)}{number}"
        for name in draw(st.lists(st.sampled_from(TEXTS))):
            row[name] = draw(st.none() | TEXT)
    return table(*made)


EVERYTHING = table(
    {"task_name": "", "from_time": -MOST, "to_time": MOST, "status_code": "PAUSED"},
    {"task_name": None, "completion_time": 0, "observed_at": -1, "status_message": 'a "b",\r\n\0c'},
    {"task_name": "'=1", "log_group_name": "\uff1d1", "destination": "\U0001f64b"},
    {"creation_time": MOST, "completion_time": MOST, "account_id": "012345678901"},
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("tasks", [EVERYTHING, EVERYTHING.iloc[:0], EVERYTHING.iloc[:1]])
def test_suffixes(tmp_path: Path, suffix: str, tasks: pd.DataFrame) -> None:
    """Every format, packed or not, gives the same table back, be it of no task."""
    file = tmp_path / f"tasks{suffix}"
    xs.write_tasks(tasks, file)
    assert_frame_equal(xs.read_tasks(file), xs.conform(tasks))


@in_folder
@given(tasks=tables())
def test_anything_reads_back(tmp_path: Path, tasks: pd.DataFrame) -> None:
    """Whatever is in a table comes back: what is missing, what is empty, text of any kind."""
    for suffix in (".json", ".jsonl", ".csv", ".parquet"):
        file = tmp_path / f"tasks{suffix}"
        xs.write_tasks(tasks, file)
        assert_frame_equal(xs.read_tasks(file), tasks)
    # No cell of a CSV begins as a formula does, whatever blanks are before it.
    text = (tmp_path / "tasks.csv").read_bytes().decode()
    for cell in chain.from_iterable(csv.reader(io.StringIO(text, newline=""))):
        assert not re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]", cell)


def test_what_a_person_sees(tmp_path: Path) -> None:
    """Times are ISO 8601 in UTC, JSON has AWS's keys with a task a line, no derived column."""
    tasks = table({"from_time": 0, "task_name": "nightly", "region": "eu-west-1"})
    xs.write_tasks(tasks, tmp_path / "tasks.csv")
    header, row = csv.reader(io.StringIO((tmp_path / "tasks.csv").read_text("utf-8")))
    assert header == [column.name for column in schema.BASE_COLUMNS]
    assert row[header.index("from_time")] == "1970-01-01T00:00:00.000Z"
    xs.write_tasks(tasks, tmp_path / "tasks.json")
    assert (tmp_path / "tasks.json").read_text("utf-8") == (
        '{"exportTasks": [\n'
        '{"region":"eu-west-1","taskId":"task-0","taskName":"nightly","from":0}\n'
        "]}\n"
    )
    xs.write_tasks(tasks, tmp_path / "tasks.parquet")
    assert pq.read_schema(tmp_path / "tasks.parquet").names == header


def test_many_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is written slice by slice is one file all the same."""
    monkeypatch.setattr("exportstats.io.files._SLICE", 3)
    tasks = table(*({"task_name": f"€{number % 4}", "from_time": number} for number in range(10)))
    for suffix in SUFFIXES:
        xs.write_tasks(tasks, tmp_path / f"tasks{suffix}")
        assert_frame_equal(xs.read_tasks(tmp_path / f"tasks{suffix}"), tasks)
    assert len(json.loads((tmp_path / "tasks.json").read_bytes())["exportTasks"]) == 10


@pytest.mark.filterwarnings("ignore::exportstats.errors.BadRowsWarning")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_twins_read_back(tmp_path: Path, suffix: str) -> None:
    """Two different tasks with one identifier are both there afterwards, and reported again."""
    tasks = table({"task_id": "a", "task_name": "x"}, {"task_id": "a", "task_name": "y"})
    xs.write_tasks(tasks, tmp_path / f"tasks{suffix}")
    with pytest.warns(BadRowsWarning, match="2 x another task has the same task_id"):
        assert_frame_equal(xs.read_tasks(tmp_path / f"tasks{suffix}"), tasks)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_bytes_again(tmp_path: Path, suffix: str) -> None:
    """The same tasks are the same bytes, under any name and at any time."""
    for name in ("one", "other"):
        xs.write_tasks(EVERYTHING, tmp_path / f"{name}{suffix}")
    one, other = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "other"))
    assert one == other
    if suffix.endswith(".gz"):
        assert one[4:8] == bytes(4)  # when it was packed
        assert gzip.decompress(one)


def test_refused(tmp_path: Path) -> None:
    """What cannot be written is told with its remedy, and leaves nothing behind."""
    tasks = EVERYTHING
    for name in ("tasks", "tasks.xlsx", "tasks.gz", "tasks.parquet.gz", "tasks.json.bz2", ".json"):
        with pytest.raises(ArgumentError, match=r"one of \.json, \.jsonl, .*\.gz or \.zst"):
            xs.write_tasks(tasks, tmp_path / name)
    with pytest.raises(SchemaError, match=r"use xs\.conform"):
        xs.write_tasks(pd.DataFrame({"task_id": ["a"]}), tmp_path / "tasks.json")
    with pytest.raises(ArgumentError, match=r"there is no folder .*no; make it"):
        xs.write_tasks(tasks, tmp_path / "no" / "tasks.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ArgumentError, match=r"folder\.json' cannot be written: Is a directory"):
        xs.write_tasks(tasks, tmp_path / "folder.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failure_leaves_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """When writing fails half way, the file that was there is there unchanged, and no other."""
    file = tmp_path / f"tasks{suffix}"
    xs.write_tasks(EVERYTHING, file)
    before = file.read_bytes()
    monkeypatch.setattr("exportstats.io.files._SLICE", 1)
    real = pd.DataFrame.iloc.fget  # type: ignore[attr-defined]
    seen: Iterator[int] = iter(range(3))

    def failing(frame: pd.DataFrame) -> Any:  # noqa: ANN401
        if next(seen, None) is None:
            raise OSError(28, "No space left on device")
        return real(frame)

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "iloc", property(failing))
        full = "cannot be written: No space left on device"
        with pytest.raises(xs.ExportStatsError, match=full) as caught:
            xs.write_tasks(EVERYTHING, file)
    assert not isinstance(caught.value, ArgumentError)  # no argument was wrong
    assert file.read_bytes() == before
    assert [*tmp_path.iterdir()] == [file]


def test_replaces_what_was(tmp_path: Path) -> None:
    """A file is replaced, with the usual rights; a link stays one; "~" is one's home."""
    file = tmp_path / "real" / "tasks.json"
    file.parent.mkdir()
    (tmp_path / "tasks.json").symlink_to(file)
    for _ in range(2):
        xs.write_tasks(EVERYTHING, str(tmp_path / "tasks.json"))
    assert (tmp_path / "tasks.json").is_symlink()
    assert_frame_equal(xs.read_tasks(file), EVERYTHING)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~mask


def test_the_caller_keeps_the_table(tmp_path: Path) -> None:
    """Writing changes nothing in the table, and takes one of any index."""
    tasks = EVERYTHING.set_index(pd.Index(list("dcba")))
    for suffix in SUFFIXES:
        xs.write_tasks(tasks, tmp_path / f"tasks{suffix}")
        assert_frame_equal(xs.read_tasks(tmp_path / f"tasks{suffix}"), EVERYTHING)
    assert_frame_equal(tasks.reset_index(drop=True), EVERYTHING)
    assert rows_of(tasks) == rows_of(EVERYTHING)
