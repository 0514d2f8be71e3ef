"""Compaction and vacuum keep an archive small, and every observation in it."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
from archived import assert_same, data_files, files

import exportstats as xs

if TYPE_CHECKING:
    import pandas as pd


def add_in_pieces(archive: xs.Archive, tasks: pd.DataFrame, pieces: int = 8) -> None:
    """Add a table in several commits."""
    for piece in range(pieces):
        archive.add(tasks[piece::pieces].reset_index(drop=True))


def test_compaction_merges_the_files_of_each_shard(archive: xs.Archive, sample: pd.DataFrame):
    """There is one file for each shard, and tasks and their history are the same."""
    add_in_pieces(archive, sample)
    archive.add(xs.sample_log_groups(), of="log_groups")
    shards = {path.parent for path in data_files(archive)}
    found = archive.compact().set_index("table")
    assert found.loc["tasks", "files_before"] == 8 * len(shards)
    assert found.loc["tasks", "files_after"] == len(shards)
    assert found.loc["log_groups", "files_after"] == found.loc["log_groups", "files_before"]
    assert_same(archive.tasks(), sample)
    before = files(archive)
    archive.compact()
    assert files(archive) == before
    archive.add(sample)
    assert files(archive) == before


def test_vacuum_deletes_what_was_merged_after_its_time(archive: xs.Archive, sample: pd.DataFrame):
    """Merged files stay for a week by default, and go at once if that is asked for."""
    add_in_pieces(archive, sample)
    archive.compact()
    count = len(data_files(archive))
    assert archive.vacuum()["deleted_files"].to_list() == [0]
    assert len(data_files(archive)) == count
    deleted = archive.vacuum("0h")["deleted_files"].sum()
    assert len(data_files(archive)) == count - deleted
    assert_same(archive.tasks(), sample)


def test_files_of_a_running_writer_are_not_deleted(archive: xs.Archive, sample: pd.DataFrame):
    """A file that is in no version yet stays for a day, also with a short retention."""
    archive.add(sample)
    young, old = (data_files(archive)[0].with_name(f"part-{n}.parquet") for n in ("a", "b"))
    for file in (young, old):
        file.write_bytes(b"half of a file")
    long_ago = time.time() - 2 * 86_400
    os.utime(old, (long_ago, long_ago))
    archive.vacuum("0h")
    assert young.exists()
    assert old.exists()
    archive.vacuum("1D")
    assert young.exists()
    assert not old.exists()


def test_writers_go_on_during_compaction(archive: xs.Archive, sample: pd.DataFrame):
    """What is added while an archive is compacted and vacuumed is kept, and nothing is twice."""
    archive.add(sample.head(100))
    done = Event()

    def upkeep() -> None:
        while not done.is_set():
            archive.compact()
            archive.vacuum("1h")

    thread = Thread(target=upkeep)
    thread.start()
    add_in_pieces(archive, sample, 20)
    done.set()
    thread.join()
    assert_same(archive.tasks(), sample)
    archive.compact()
    assert sum(len(archive.history(one)) for one in sample["task_id"].head(5)) == 5


def test_two_compactions_at_once(archive: xs.Archive, sample: pd.DataFrame):
    """One of them may fail, which says so; nothing is lost or twice."""
    add_in_pieces(archive, sample)

    def one(_: int) -> str:
        try:
            xs.Archive(archive.uri).compact()
        except xs.ArchiveError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(3) as pool:
        told = [*pool.map(one, range(3))]
    assert all("cannot be compacted: " in text for text in told if text)
    assert "" in told
    assert_same(archive.tasks(), sample)


@pytest.mark.parametrize("retention", ["soon", -1, "-1h"])
def test_a_retention_that_is_not_valid(kept: xs.Archive, retention: object):
    """Other retentions are refused with the value."""
    with pytest.raises(
        xs.ArgumentError, match=r'retention=.*; give a length of time, such as "7D"'
    ):
        kept.vacuum(retention)  # type: ignore[arg-type]


def test_vacuum_deletes_only_files_of_the_archive(archive: xs.Archive, sample: pd.DataFrame):
    """A file that the archive did not write stops a vacuum before anything is deleted."""
    add_in_pieces(archive, sample)
    archive.compact()
    foreign = Path(archive.uri, "tasks", "tasks.parquet")
    foreign.write_text("mine")
    os.utime(foreign, (0, 0))
    before = files(archive)
    with pytest.raises(
        xs.ArchiveError, match=r"a file that is not its own: .*tasks\.parquet; move"
    ):
        archive.vacuum()
    assert files(archive) == before


def test_addresses_where_data_would_be_lost_are_refused(kept: xs.Archive, tmp_path: Path):
    """An archive is not made in a table, over a file, or in a misspelt bucket."""
    file = tmp_path / "file"
    file.write_text("mine")
    for address, says in (
        (Path(kept.uri, "tasks"), "lies in the archive"),
        (Path(kept.uri, "tasks", "new"), "lies in the archive"),
        (file, "is a file"),
        ("s3:/bucket/history", "is not the address of an archive"),
    ):
        with pytest.raises(xs.ArgumentError, match=says):
            xs.Archive(address)


def test_upkeep_of_nothing(archive: xs.Archive, tmp_path: Path):
    """Where no archive is, none is made."""
    for ask in (archive.compact, archive.vacuum):
        with pytest.raises(xs.MissingFileError):
            ask()
    assert not [*tmp_path.iterdir()]
