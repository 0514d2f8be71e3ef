"""Written tables read back unchanged, and files are never incomplete."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import stat
import warnings
from itertools import chain
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import FEW, FIRST, LAST, START, plain, rows, rows_of, table

import exportstats as xs
from exportstats.core import schema
from exportstats.errors import ArgumentError, BadRowsWarning, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPRESSIBLE = (".json", ".jsonl", ".ndjson", ".csv")
SUFFIXES = (
    *COMPRESSIBLE,
    *(kind + more for kind in COMPRESSIBLE for more in (".gz", ".zst")),
    ".parquet",
)

# Any text, especially with special characters of JSON, CSV or spreadsheets.
TEXT = st.one_of(
    st.text(max_size=5),
    st.text(
        st.sampled_from([*"=+-@\t\r\n'\", \0\uff1d\uff0b\uff0d\uff20ä€\U0001f600;|{}[]\\"]),
        max_size=6,
    ),
)
TEXTS = tuple(
    column.name
    for column in schema.TASKS.base
    if column.kind != "time" and column.name != "task_id"
)


@st.composite
def tables(draw: Any) -> pd.DataFrame:  # noqa: ANN401
    """Make tables with any text or missing values, and distant times."""
    made = draw(st.lists(rows(), max_size=8))
    for number, row in enumerate(made):
        row["task_id"] = f"{draw(TEXT)}{number}"
        for name in draw(st.lists(st.sampled_from(TEXTS))):
            row[name] = draw(st.none() | TEXT)
    return table(*made)


EVERYTHING = table(
    {"task_name": "", "from_time": FIRST, "to_time": LAST, "status_code": "PAUSED"},
    {"task_name": None, "completion_time": 0, "observed_at": 1, "status_message": 'a "b",\r\n\0c'},
    {"task_name": "'=1", "log_group_name": "\uff1d1", "destination": "\U0001f64b"},
    {"creation_time": LAST, "completion_time": LAST, "account_id": "012345678901"},
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("tasks", [EVERYTHING, EVERYTHING.iloc[:0], EVERYTHING.iloc[:1]])
def test_suffixes(tmp_path: Path, suffix: str, tasks: pd.DataFrame) -> None:
    """Every format, compressed or not, returns the same table, even without tasks."""
    file = tmp_path / f"tasks{suffix}"
    xs.write_tasks(tasks, file)
    assert_frame_equal(xs.read_tasks(file), xs.conform(tasks))


@FEW
@given(tasks=tables())
def test_anything_reads_back(tmp_path: Path, tasks: pd.DataFrame) -> None:
    """Everything in a table is read back: missing values, empty text, any text."""
    for suffix in (".json", ".jsonl", ".csv", ".parquet"):
        file = tmp_path / f"tasks{suffix}"
        xs.write_tasks(tasks, file)
        assert_frame_equal(xs.read_tasks(file), tasks)
    # No cell of a CSV starts like a formula, even after blanks.
    text = (tmp_path / "tasks.csv").read_bytes().decode()
    for cell in chain.from_iterable(csv.reader(io.StringIO(text, newline=""))):
        assert not re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]", cell)


def test_what_a_person_sees(tmp_path: Path) -> None:
    """Times are ISO 8601 in UTC, JSON has AWS's keys and one task per line, nothing derived."""
    tasks = table({"from_time": 0, "task_name": "nightly", "region": "eu-west-1"})
    xs.write_tasks(tasks, tmp_path / "tasks.csv")
    header, row = csv.reader(io.StringIO((tmp_path / "tasks.csv").read_text("utf-8")))
    assert header == [column.name for column in schema.TASKS.base]
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
    """A table that is written in slices is one file."""
    monkeypatch.setattr("exportstats.io.writing._SLICE", 3)
    tasks = table(*({"task_name": f"€{number % 4}", "from_time": number} for number in range(10)))
    for suffix in SUFFIXES:
        xs.write_tasks(tasks, tmp_path / f"tasks{suffix}")
        assert_frame_equal(xs.read_tasks(tmp_path / f"tasks{suffix}"), tasks)
    assert len(json.loads((tmp_path / "tasks.json").read_bytes())["exportTasks"]) == 10


@pytest.mark.filterwarnings("ignore::exportstats.errors.BadRowsWarning")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_twins_read_back(tmp_path: Path, suffix: str) -> None:
    """Two tasks with one ID are both written, and reported again when read."""
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
        assert one[3:8] == bytes(5)  # neither the name nor the time of compression
        assert gzip.decompress(one)


def test_refused(tmp_path: Path) -> None:
    """A refused write is reported with the remedy, and leaves no file."""
    tasks = EVERYTHING
    for name in ("tasks", "tasks.xlsx", "tasks.gz", "tasks.parquet.gz", "tasks.json.bz2", ".json"):
        with pytest.raises(ArgumentError, match=r"one of \.json, \.jsonl, .*\.gz or \.zst"):
            xs.write_tasks(tasks, tmp_path / name)
    with pytest.raises(SchemaError, match=r"needs the column account_id; .*xs\.conform makes one"):
        xs.write_tasks(pd.DataFrame({"task_id": ["a"]}), tmp_path / "tasks.json")
    with pytest.raises(ArgumentError, match=r"there is no folder .*no; create it"):
        xs.write_tasks(tasks, tmp_path / "no" / "tasks.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ArgumentError, match=r"folder\.json' is not a regular file"):
        xs.write_tasks(tasks, tmp_path / "folder.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failure_leaves_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """If writing fails half way, the old file is unchanged and there is no other."""
    file = tmp_path / f"tasks{suffix}"
    xs.write_tasks(EVERYTHING, file)
    before = file.read_bytes()
    monkeypatch.setattr("exportstats.io.writing._SLICE", 1)
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
    """A file is replaced and has the usual mode, a link stays one, "~" is the home folder."""
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
    """Writing does not change the table, and accepts any index."""
    tasks = EVERYTHING.set_index(pd.Index(list("dcba")))
    for suffix in SUFFIXES:
        xs.write_tasks(tasks, tmp_path / f"tasks{suffix}")
        assert_frame_equal(xs.read_tasks(tmp_path / f"tasks{suffix}"), EVERYTHING)
    assert_frame_equal(tasks.reset_index(drop=True), EVERYTHING)
    assert rows_of(tasks) == rows_of(EVERYTHING)


OWN = EVERYTHING.assign(
    team=["web", None, "", "=1+1"],
    cost=[0.1 + 0.2, None, -1.5, 1e-07],
    tickets=[2**53 + 1, 2, -3, 0],
    code=["007", "1e5", None, "true"],
    note=["a,b\nc", "'x", "\N{FIRE}", None],
    seen=pd.to_datetime([START, START + 1, None, -1], unit="ms", utc=True).as_unit("ms"),
    empty=[None] * 4,
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_own_columns_read_back(tmp_path: Path, suffix: str) -> None:
    """Own columns are written too, and read back under their names."""
    file = tmp_path / f"tasks{suffix}"
    xs.write_tasks(OWN, file)
    again = xs.read_tasks(file)
    ours = list(EVERYTHING.columns)
    assert_frame_equal(again[ours], EVERYTHING)
    in_json = suffix.split(".")[1] in ("json", "jsonl", "ndjson")
    assert ("empty" in again) != in_json  # JSON leaves out what is missing
    again["seen"] = pd.to_datetime(again["seen"], format="ISO8601")  # and has no times
    for name in OWN.columns[len(ours) : -1]:
        assert plain(again[name]) == plain(OWN[name]), name
    assert str(again["tickets"].dtype) == "int64"
    assert str(again["cost"].dtype) == "float64"


@pytest.mark.parametrize("suffix", [".json", ".csv", ".parquet"])
@pytest.mark.parametrize(
    "name", ["Team 1", "own", "own.x", "a\nb", "=cmd", "a,b", 'say "x"', "é", "next_token"]
)
def test_own_columns_of_any_name(tmp_path: Path, suffix: str, name: str) -> None:
    """An own column may have any name, which is no formula in a spreadsheet."""
    tasks = EVERYTHING.assign(**{name: list("wxyz")})
    file = tmp_path / f"tasks{suffix}"
    xs.write_tasks(tasks, file)
    assert_frame_equal(xs.read_tasks(file), tasks)
    if suffix == ".csv":
        header = next(csv.reader(io.StringIO(file.read_text("utf-8"), newline="")))
        assert not any(cell.startswith("=") for cell in header)


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".parquet"])
def test_own_values_of_any_kind(tmp_path: Path, suffix: str) -> None:
    """Values of any type are written as text if the format has no type for them."""
    values = [{1}, b"x", pd.Timedelta("1h"), 5]
    naive = pd.to_datetime(["2026-11-23", None, None, None])
    tasks = EVERYTHING.assign(mixed=values, naive=naive, part=pd.Categorical(list("abca")))
    tasks[5] = [True, None, False, True]
    xs.write_tasks(tasks, tmp_path / f"tasks{suffix}")
    again = xs.read_tasks(tmp_path / f"tasks{suffix}")
    assert_frame_equal(again[list(EVERYTHING.columns)], EVERYTHING)
    assert plain(again["part"]) == list("abca")
    assert str(again["naive"].iloc[0])[:10] == "2026-11-23"
    assert len(again["mixed"].dropna()) == 4
    assert [str(value) for value in again["5"].dropna()] == ["True", "False", "True"]


GROUPS = xs.conform(
    pd.DataFrame(
        {
            "account_id": ["012345678901", None, None],
            "log_group_name": ["/a", "=1", "€"],
            "creation_time": [FIRST, LAST, None],
            "retention": pd.to_timedelta([1, None, 731], unit="D"),
            "stored_bytes": pd.array([0, 2**62, None], dtype="Int64"),
            "log_group_class": ["STANDARD", None, ""],
            "team": ["web", None, "data"],
        }
    ),
    of="log_groups",
)
FOUND = xs.conform(
    pd.DataFrame(
        {
            "task_id": ["a", "b", "c"],
            "destination": ["bucket", None, ""],
            "objects": [5, None, 0],
            "bytes": pd.array([2**62, None, 0], dtype="Int64"),
            "delivered": ["yes", "unknown", "empty"],
            "reason": [None, "AccessDenied", ""],
            "first_key": ["exportedlogs/a/=x/000000.gz", None, None],
            "duration": pd.to_timedelta([1, None, 0], unit="ms"),
            "throughput": [0.1 + 0.2, None, 0.0],
            "observed_at": pd.to_datetime([START, START + 1, None], unit="ms", utc=True),
        }
    ),
    of="deliveries",
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("of", ["log_groups", "deliveries"])
def test_other_tables(tmp_path: Path, suffix: str, of: str) -> None:
    """Log groups and deliveries are written and read like tasks, with the same bytes."""
    whole = GROUPS if of == "log_groups" else FOUND
    write, read = getattr(xs, f"write_{of}"), getattr(xs, f"read_{of}")
    file = tmp_path / f"table{suffix}"
    for table_ in (whole, whole.iloc[:1], whole.drop(columns="team", errors="ignore").iloc[:0]):
        write(table_, file)
        before = file.read_bytes()
        again = read(file)
        assert_frame_equal(again, xs.conform(table_, of=of))
        write(again, file)
        assert file.read_bytes() == before
    with pytest.raises(SchemaError, match="needs the column"):
        write(EVERYTHING.drop(columns="destination"), file)


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".parquet"])
def test_own_numbers_that_are_missing_in_some_rows(tmp_path: Path, suffix: str) -> None:
    """A long own number is not rounded if another row has none."""
    tickets = pd.array([2**53 + 1, None], dtype="Int64")
    tasks = xs.conform(pd.DataFrame({"task_id": ["a", "b"]})).assign(ticket=tickets)
    path = tmp_path / f"tasks{suffix}"
    xs.write_tasks(tasks, path)
    with warnings.catch_warnings(action="ignore"):  # that no task has a log group
        assert_frame_equal(xs.read_tasks(path), tasks)
