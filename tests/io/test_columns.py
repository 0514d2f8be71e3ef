"""`read_tasks(columns=)` returns the same values as reading everything, and reads less."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

import exportstats as xs
from exportstats.core import shards
from exportstats.errors import UnusedWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLUMNS = [
    ["duration"],
    ["window", "task_id", "observed_at"],
    ["log_group_name", "status_code", "status_message"],
    ["team", "creation_time"],
    [],
]
columns = pytest.mark.parametrize("columns", COLUMNS, ids=",".join)


@pytest.fixture(scope="module")
def tasks() -> pd.DataFrame:
    """Return some tasks of the sample, with an own column."""
    some = xs.sample_tasks().iloc[::40].reset_index(drop=True)
    return some.assign(team=some["log_group_name"].astype("str").str[:6])


@columns
@pytest.mark.parametrize("name", ["tasks.parquet", "tasks.csv", "tasks.json", "tasks.jsonl.gz"])
def test_the_columns_of_a_file_are_those_of_the_whole(
    tasks: pd.DataFrame, tmp_path: Path, name: str, columns: list[str]
):
    """They have the same values and dtypes, in the order that was asked for."""
    xs.write_tasks(tasks, tmp_path / name)
    whole = xs.read_tasks(tmp_path / name)
    assert_frame_equal(xs.read_tasks(tmp_path / name, columns=columns), whole[columns])
    with (tmp_path / name).open("rb") as file:
        assert_frame_equal(xs.read_tasks(file, columns=columns), whole[columns])


@columns
def test_repeated_tasks_are_in_their_latest_state(
    tasks: pd.DataFrame, tmp_path: Path, columns: list[str]
):
    """Also if the columns that tell which state is the latest were not asked for."""
    early = tasks.assign(status_code="RUNNING", completion_time=pd.NaT, team="early")
    early["observed_at"] = early["creation_time"]
    for number, some in enumerate((tasks, early.iloc[::3])):
        xs.write_tasks(some, tmp_path / f"{number}.parquet")
    whole = xs.read_tasks(tmp_path)
    assert len(whole) == len(tasks)
    assert_frame_equal(xs.read_tasks(tmp_path, columns=columns), whole[columns])


@columns
def test_of_a_foreign_file_and_of_archives(tasks: pd.DataFrame, tmp_path: Path, columns: list[str]):
    """Columns with AWS's names, archives, and a mixture of both with files."""
    foreign = tasks.rename(
        columns={"creation_time": "creationTime", "log_group_name": "logGroupName"}
    )
    foreign.drop(columns=["duration", "window"]).to_parquet(tmp_path / "foreign.parquet")
    archive = xs.Archive(tmp_path / "history")
    archive.add(tasks.iloc[::2])
    file = tmp_path / "foreign.parquet"
    for sources in ([file], [file, tmp_path / "history"], [tmp_path / "history"]):
        names = [name for name in columns if name != "team" or file in sources]
        whole = xs.read_tasks(*sources)
        found = xs.read_tasks(*sources, columns=names)
        assert_frame_equal(found, whole[names], check_categorical=False)


def test_other_columns_of_parquet_are_not_read(
    tasks: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The key, and what derived columns derive from, are read too."""
    path, read, seen = tmp_path / "tasks.parquet", pq.ParquetFile.read, []

    def watched(file: pq.ParquetFile, names: Any = None) -> Any:  # noqa: ANN401 - Arrow's
        seen.append(names)
        return read(file, names)

    monkeypatch.setattr(pq.ParquetFile, "read", watched)
    xs.write_tasks(tasks, path)
    xs.read_tasks(path, columns=["duration"])
    key = {"account_id", "region", "task_id"}
    assert {*seen.pop()} == {*key, "creation_time", "completion_time"}
    xs.read_tasks(path, columns=["team"])
    assert {*seen.pop()} == {*key, "team"}


def test_a_misspelt_column_of_a_file_is_still_named(tasks: pd.DataFrame, tmp_path: Path):
    """A file without a column that was asked for is read as a whole."""
    misspelt = tasks.rename(columns={"log_group_name": "group"})
    misspelt.drop(columns=["duration", "window"]).to_parquet(tmp_path / "foreign.parquet")
    with pytest.warns(UnusedWarning, match=r"no task has log_group_name; .*\(group, team\)"):
        xs.read_tasks(tmp_path / "foreign.parquet", columns=["log_group_name"])


@pytest.mark.parametrize("source", ["tasks.parquet", "tasks.csv", "history"])
def test_an_unknown_column_is_named_with_a_suggestion(
    tasks: pd.DataFrame, tmp_path: Path, source: str
):
    """So is one that is missing in the file or archive, and what is no list of names."""
    if source == "history":
        xs.Archive(tmp_path / source).add(tasks)
    else:
        xs.write_tasks(tasks, tmp_path / source)
    says = "there is no column 'durations'; did you mean duration"
    with pytest.raises(xs.SchemaError, match=says):
        xs.read_tasks(tmp_path / source, columns=["task_id", "durations"])
    for wrong in ("duration", [1], 5):
        with pytest.raises(xs.SchemaError, match=r"columns=.*; give a list of names, such as"):
            xs.read_tasks(tmp_path / source, columns=wrong)  # type: ignore[arg-type]


QUESTIONS: list[Callable[[Any], pd.DataFrame]] = [
    partial(xs.duration_summary, by="team"),
    partial(xs.duration_trend, freq="MS"),
    partial(xs.status_breakdown, by=["region"]),
    partial(xs.find_gaps, start="2026-06", end="2026-07"),
    partial(xs.slot_usage, as_of="2026-08"),
    xs.failure_reasons,
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_statistic_needs_only_the_columns_that_it_reads(
    tasks: pd.DataFrame, tmp_path: Path, question: Callable[[Any], pd.DataFrame]
):
    """It has the same answer; a missing column is named."""
    xs.write_tasks(tasks, tmp_path / "tasks.parquet")
    names = sorted(shards.columns_of(question) or ())
    some = xs.read_tasks(tmp_path / "tasks.parquet", columns=names)
    assert_frame_equal(question(some), question(xs.read_tasks(tmp_path / "tasks.parquet")))
    with pytest.raises(xs.SchemaError, match="a table of tasks needs the column status_code"):
        question(some.drop(columns="status_code"))


def test_nothing_in_a_buffer_is_read_twice(tasks: pd.DataFrame):
    """An open file with repeated tasks is read as a whole."""
    buffer = io.BytesIO()
    pd.concat([tasks, tasks]).drop(columns=["duration", "window"]).to_parquet(buffer)
    buffer.seek(0)
    assert len(xs.read_tasks(buffer, columns=["duration"])) == len(tasks)


def test_a_column_without_values_is_still_named(tasks: pd.DataFrame, tmp_path: Path):
    """Then the others are read too, because one of them may have its values."""
    path = tmp_path / "tasks.parquet"
    xs.write_tasks(tasks.assign(log_group_name=None), path)
    names = ["log_group_name", "from_time"]
    with pytest.warns(UnusedWarning, match=r"no task has log_group_name; .*\(team\)"):
        assert list(xs.read_tasks(path, columns=names)) == names
