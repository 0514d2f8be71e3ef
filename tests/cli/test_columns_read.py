"""A command reads only the columns of tasks that its question needs, and loses nothing by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import exportstats as xs
from exportstats.core import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BASE = {column.name for column in schema.TASKS.base}
OF_COVERAGE = BASE - {"task_name", "destination", "destination_prefix", "status_message"}
OF_BACKFILL = BASE - {"task_name", "status_message"}
DAYS = ["--since", "2026-11-01", "--until", "2026-11-15"]
COMMANDS: dict[str, set[str]] = {
    "status": {*schema.KEY, "log_group_name", "status_code", "creation_time", "observed_at"},
    "coverage": OF_COVERAGE,
    "gaps": OF_COVERAGE,
    "backfill": OF_BACKFILL,
}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the columns of each Parquet file and archive that is read; None for all of them."""
    asked: list[Any] = []
    of_file, of_archive = pq.ParquetFile.read, xs.Archive.tasks

    def read_file(file: pq.ParquetFile, names: Any = None) -> Any:  # noqa: ANN401 - Arrow's
        asked.append(names)
        return of_file(file, names)

    def read_archive(archive: xs.Archive, **how: Any) -> pd.DataFrame:  # noqa: ANN401
        asked.append(how["columns"])
        return of_archive(archive, **how)

    monkeypatch.setattr(pq.ParquetFile, "read", read_file)
    monkeypatch.setattr(xs.Archive, "tasks", read_archive)
    return asked


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Write tasks of the sample, with an own column, as Parquet, as CSV and to an archive."""
    tasks = xs.sample_tasks().assign(team="web")
    tasks = tasks[tasks["creation_time"] > pd.Timestamp("2026-10-25", tz="UTC")]
    for name in ("tasks.parquet", "tasks.csv"):
        xs.write_tasks(tasks, tmp_path / name)
    xs.Archive(tmp_path / "history").add(tasks)
    return tmp_path / "tasks.parquet", tmp_path / "history", tmp_path / "tasks.csv"


@pytest.mark.parametrize("command", COMMANDS)
def test_only_the_columns_of_the_question_are_read(
    command: str, run: Callable, files: tuple[Path, Path, Path], read: list[Any], tmp_path: Path
):
    """Of Parquet and of an archive; what is printed and drawn is that of the whole table."""
    words = [] if command == "status" else DAYS
    printed, charts = [], []
    for number, file in enumerate(files):
        charts.append(tmp_path / f"chart{number}.png")
        done = run(command, file, *words, "--plot", charts[-1])
        assert done.exit_code == 0
        printed.append(done.output.replace(str(charts[-1]), "CHART").replace(str(file), "SOURCE"))
    assert printed[0] == printed[1] == printed[2]
    assert charts[0].read_bytes() == charts[1].read_bytes() == charts[2].read_bytes()
    of_file, of_archive = read
    assert {*of_file} == COMMANDS[command]
    assert {*of_archive} - {"duration", "window"} == COMMANDS[command]


def test_an_own_column_is_read_if_it_is_asked_for(
    run: Callable, files: tuple[Path, Path, Path], read: list[Any]
):
    """An unknown one is named with those that there are."""
    parquet, _, text = files
    narrow, whole = (run("durations", "--by", "team", file) for file in (parquet, text))
    assert narrow.stdout == whole.stdout
    assert "team" in read[0]
    assert "task_name" not in read[0]
    done = run("durations", "--by", "taem", parquet)
    assert done.exit_code == 2
    assert "did you mean team" in done.stderr


@pytest.mark.parametrize("command", ["coverage", "gaps", "backfill"])
def test_strict_checks_every_column(command: str, run: Callable, read: list[Any], tmp_path: Path):
    """A bad value in a column that is not needed is an error with --strict only."""
    tasks = pd.DataFrame({"task_id": ["a", "b"], "status_message": [b"fine", b"\xff"]})
    for name in ("from_time", "to_time", "creation_time", "observed_at"):
        tasks[name] = pd.Timestamp("2026-11-01", tz="UTC")
    for name in sorted(BASE - {*tasks}):
        tasks[name] = None
    tasks.to_parquet(tmp_path / "tasks.parquet")
    assert "status_message" in run(command, tmp_path / "tasks.parquet", "--strict").stderr
    assert read == [None]
    assert "status_message" not in run(command, tmp_path / "tasks.parquet").stderr


def test_a_whole_table_is_read_to_look_deliveries_up(
    run: Callable, files: tuple[Path, Path, Path], read: list[Any]
):
    """`fetch_deliveries` needs buckets and prefixes; here it says that it has no credentials."""
    done = run("gaps", files[0], *DAYS, "--deliveries", "aws")
    assert read == [None]
    assert "there are no credentials for S3" in done.stderr
