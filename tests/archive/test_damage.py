"""Damaged files, other formats and other versions are named, and the rest still answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import deltalake
import pandas as pd
import pyarrow as pa
import pytest
from archived import assert_same, data_files, everything, session, task
from support import table

import exportstats as xs
from exportstats.archive import kinds
from exportstats.archive.delta import Store
from exportstats.archive.query import Query
from exportstats.archive.storage import Storage
from exportstats.core import schema
from exportstats.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(file.read_bytes().replace(b"eu-west-1", b"eu-west-2")[::-1]),
    ],
    ids=["missing", "empty", "truncated", "other bytes"],
)
def test_a_damaged_file_is_named_and_the_others_are_read(
    archive: xs.Archive, sample: pd.DataFrame, damage: Callable[[Path], object]
):
    """The warning names the file and counts its rows; the result has what is in the others."""
    archive.add(sample)
    file = data_files(archive)[0]
    shard = int(file.parent.name.removeprefix("shard="))
    damage(file)
    of_file = pd.Series(kinds.shards_of(sample), sample.index) == shard
    with pytest.warns(xs.DamagedFileWarning, match="cannot be read, so [0-9,]+ obs") as caught:
        tasks = archive.tasks()
    warning = caught[0].message
    assert isinstance(warning, xs.DamagedFileWarning)
    assert file.name in str(warning)
    assert warning.files["rows"].to_list() == [int(of_file.sum())]
    assert_same(tasks, xs.conform(sample[~of_file]))
    with pytest.warns(xs.DamagedFileWarning):
        counts = xs.status_breakdown(archive)
    assert counts["tasks"].sum() == len(tasks)
    other = sample.loc[~of_file, list(schema.SLOT)].iloc[0].astype(str)
    assert len(archive.tasks(accounts=[other["account_id"]], regions=[other["region"]]))


def test_what_was_lost_is_read_again(archive: xs.Archive):
    """A full sync adds what the service still lists; deltalake's repair ends the warning."""
    with Emulator(map(task, range(120))) as emulator:
        archive.sync(session=session(), endpoint_url=emulator.url)
        (file,) = data_files(archive)
        file.unlink()
        with pytest.warns(xs.DamagedFileWarning):
            assert archive.tasks().empty
        with pytest.warns(xs.DamagedFileWarning):
            archive.sync(session=session(), endpoint_url=emulator.url, full=True)
        with pytest.warns(xs.DamagedFileWarning):
            assert archive.info()["tasks"].to_list() == [120]
        deltalake.DeltaTable(f"{archive.uri}/tasks").repair()
        assert_same(archive.tasks(), everything(emulator), seen=False)


def log_of(archive: xs.Archive, of: str = "tasks") -> list[Path]:
    """Return the entries of the log of one of its tables."""
    return sorted(Path(archive.uri, of, "_delta_log").glob("*.json"))


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda file: file.write_bytes(b"damaged"),
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(b""),
    ],
    ids=["missing", "other bytes", "truncated", "empty"],
)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_damaged_entry_of_the_log_is_named_and_what_is_before_it_is_read(
    archive: xs.Archive, sample: pd.DataFrame, at: int, damage: Callable[[Path], object]
):
    """The answer is that before it, nothing is changed, and the data files can be added again."""
    for part in range(4):
        archive.add(sample[part::4].reset_index(drop=True))
    entry, before = log_of(archive)[at], data_files(archive)
    damage(entry)
    files = {file: file.read_bytes() for file in Path(archive.uri).rglob("*") if file.is_file()}
    for ask in (archive.tasks, lambda: xs.status_breakdown(archive)):
        with pytest.warns(xs.DamagedFileWarning, match=f"{entry.name} .*restore it") as caught:
            ask()
        assert all("unknown>" not in str(one.message) for one in caught)
    with pytest.warns(xs.DamagedFileWarning):
        found = archive.tasks()
    earlier = pd.concat([sample[part::4] for part in range(at - 1)] or [sample.head(0)])
    assert_same(found, xs.conform(earlier.drop(columns=["duration", "window"])))
    changes = [lambda: archive.add(sample), archive.vacuum, archive.compact]
    for change in changes:
        with pytest.raises(xs.ArchiveError, match=f"{entry.name} .*nothing can be added; restore"):
            change()
    for file, content in files.items():
        assert file.read_bytes() == content
    for later in log_of(archive)[at:]:
        later.rename(Path(archive.uri).parent / later.name)
    entry.unlink(missing_ok=True)
    archive.add(xs.read_tasks(before))
    assert_same(archive.tasks(), sample)


def test_an_entry_before_a_checkpoint_does_not_matter(archive: xs.Archive, sample: pd.DataFrame):
    """An entry that a later checkpoint replaces is not read, so its damage is none."""
    for part in range(3):
        archive.add(sample[part::3].reset_index(drop=True))
    deltalake.DeltaTable(f"{archive.uri}/tasks").create_checkpoint()
    log_of(archive)[1].write_bytes(b"")
    log_of(archive)[2].write_bytes(b"damaged")
    assert_same(archive.tasks(), sample)
    archive.add(sample)
    assert_same(archive.tasks(), sample)


def test_an_archive_without_a_first_entry_is_an_error(archive: xs.Archive, sample: pd.DataFrame):
    """If there is no version before the damage, the error names the table and the remedy."""
    archive.add(sample)
    log_of(archive)[0].write_bytes(b"damaged")
    told = r"tasks cannot be read: Kernel error: [^\n]*; restore its _delta_log from a backup"
    for ask in (archive.tasks, lambda: archive.add(sample)):
        with pytest.raises(xs.ArchiveError, match=told):
            ask()


def test_a_log_that_is_gone_is_an_error(archive: xs.Archive, sample: pd.DataFrame):
    """Data files without a log are neither an archive that does not exist nor the begin of one."""
    archive.add(sample)
    shutil.rmtree(log_of(archive)[0].parent)
    for ask in (archive.tasks, lambda: archive.add(sample)):
        with pytest.raises(xs.ArchiveError, match="has data files but no log; restore its _delta"):
            ask()


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"PAR1")])
def test_a_damaged_checkpoint_is_not_taken_for_an_entry(
    archive: xs.Archive, sample: pd.DataFrame, damage: Callable[[Path], object]
):
    """If all entries are there, deleting the checkpoint mends the table, as the error says."""
    for part in range(3):
        archive.add(sample[part::3].reset_index(drop=True))
    deltalake.DeltaTable(f"{archive.uri}/tasks").create_checkpoint()
    log = log_of(archive)[0].parent
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    damage(checkpoint)
    with pytest.raises(xs.ArchiveError, match=r"delete _last_checkpoint and \*.checkpoint.parquet"):
        archive.tasks()
    checkpoint.unlink(missing_ok=True)
    (log / "_last_checkpoint").unlink()
    assert_same(archive.tasks(), sample)


def test_a_lost_last_entry_is_told_by_the_looks(archive: xs.Archive):
    """Readers warn, vacuum refuses, and the next sync reads each list to its end.

    deltalake itself opens the version before. The data files can be added again.
    """
    with Emulator(map(task, range(120))) as emulator:
        how = {"session": session(), "endpoint_url": emulator.url}
        archive.sync(**how)
        emulator.add(task(120))
        archive.sync(**how)
        entry, before = log_of(archive)[-1], data_files(archive)
        entry.unlink()
        shutil.copytree(archive.uri, f"{archive.uri}-2")
        for ask in (archive.tasks, lambda: xs.status_breakdown(archive)):
            with pytest.warns(xs.DamagedFileWarning, match=f"{entry.name}") as caught:
                ask()
            assert len(caught) == 1
        with pytest.raises(xs.ArchiveError, match=f"{entry.name}"):
            archive.vacuum()
        assert data_files(archive) == before
        other = xs.Archive(f"{archive.uri}-2")
        archive.add(xs.read_tasks(before))
        assert_same(archive.tasks(), everything(emulator), seen=False)
        with pytest.warns(xs.DamagedFileWarning, match="the next sync reads each list to its end"):
            found = other.sync(**how)
        assert found[["requests", "new"]].iloc[0].to_list() == [3, 1]
        assert_same(other.tasks(), everything(emulator), seen=False)


def test_a_sync_into_a_damaged_archive_asks_nothing(archive: xs.Archive):
    """A damaged entry of any table that a sync adds to is told before the first request."""
    with Emulator(map(task, range(3)), log_groups=[]) as emulator:
        how = {"session": session(), "endpoint_url": emulator.url, "full": True}
        archive.sync(**how, log_groups=True)
        asked = len(emulator.requests)
        for of in ("tasks", "looks"):
            entry = log_of(archive, of)[-1]
            content = entry.read_bytes()
            entry.write_bytes(b"damaged")
            with pytest.raises(xs.ArchiveError, match=f"{of}/_delta_log/{entry.name} .*restore it"):
                archive.sync(**how)
            entry.write_bytes(content)
        assert len(emulator.requests) == asked
        archive.sync(**how)
        assert len(emulator.requests) > asked


FULL = """
import resource, signal, sys
import exportstats as xs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
archive, sample = xs.Archive(sys.argv[1]), xs.sample_tasks()
archive.add(sample.head(1000))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    archive.add(sample)
except xs.ArchiveError as error:
    print(error)
"""


def test_a_full_disk(archive: xs.Archive, sample: pd.DataFrame):
    """If a file cannot be written whole, the error says so, and nothing was added or lost."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL, archive.uri], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written: " in done.stdout
    assert "File too large" in done.stdout
    assert "make room" in done.stdout
    assert_same(archive.tasks(), xs.conform(sample.head(1000)))
    archive.add(sample)
    assert_same(archive.tasks(), sample)


def test_a_reader_of_an_old_version_begins_again(archive: xs.Archive, sample: pd.DataFrame):
    """If the files of a version are deleted while it is read, the error says to begin again."""
    archive.add(sample.head(3000))
    snapshot = Store(Storage(archive.uri, None), schema.TASKS).snapshot()
    assert snapshot is not None
    archive.add(sample.tail(3096))
    assert len(snapshot.read(Query()).table) == 3000
    delta = deltalake.DeltaTable(f"{archive.uri}/tasks")
    delta.optimize.compact()
    assert len(snapshot.read(Query()).table) == 3000
    delta.vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(xs.ArchiveError, match=r"was compacted, .*; begin again"):
        snapshot.read(Query())
    assert_same(archive.tasks(), sample)


def rewritten(archive: xs.Archive, name: str, value: str) -> None:
    """Change an entry of the configuration of the Delta table of tasks."""
    log = next(Path(archive.uri, "tasks", "_delta_log").glob("*0.json"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "metaData" in line:
            line["metaData"]["configuration"] = {name: value}
    log.write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_a_newer_format_is_refused(archive: xs.Archive):
    """An archive of a newer major version is neither read nor written."""
    archive.add(table())
    rewritten(archive, "exportstats.format", "2")
    for ask in (archive.tasks, lambda: archive.add(table()), lambda: [*archive.map(len)]):
        with pytest.raises(xs.ArchiveError, match=r"has the format 2, and .* update exportstats"):
            ask()


def test_another_delta_table_is_refused(archive: xs.Archive):
    """A Delta table that is not part of an archive is neither read nor written."""
    archive.add(table())
    rewritten(archive, "made.by", "another")
    for ask in (archive.tasks, lambda: archive.add(table())):
        with pytest.raises(xs.ArchiveError, match="is a Delta table, but not one of an archive"):
            ask()


def test_a_column_of_next_year_does_not_matter(archive: xs.Archive, sample: pd.DataFrame):
    """Today's reader reads and writes an archive that has one more column."""
    archive.add(sample.head(3000))
    snapshot = Store(Storage(archive.uri, None), schema.TASKS).snapshot()
    assert snapshot is not None
    newer = kinds.to_stored(sample[3000:5000], schema.TASKS)
    newer = newer.append_column("bytes", pa.array(range(2000)))
    deltalake.write_deltalake(f"{archive.uri}/tasks", newer, mode="append", schema_mode="merge")
    archive.add(sample[5000:])
    assert_same(archive.tasks(), sample)
    assert len(archive.tasks(accounts=["111122223333"], since="2026-11-01"))
    stored = deltalake.DeltaTable(f"{archive.uri}/tasks").to_pandas()
    assert stored["bytes"].notna().sum() == 2000


def test_an_archive_without_a_column_of_today(archive: xs.Archive, sample: pd.DataFrame):
    """Next year's reader reads and writes an archive that lacks one of its columns."""
    archive.add(table())
    shutil.rmtree(Path(archive.uri, "tasks"))
    older = kinds.to_stored(sample.head(3000), schema.TASKS).drop_columns("status_message")
    deltalake.DeltaTable.create(
        f"{archive.uri}/tasks",
        older.schema,
        partition_by=["shard"],
        configuration={"exportstats.format": "1"},
        raise_if_key_not_exists=False,
    )
    deltalake.write_deltalake(f"{archive.uri}/tasks", older, mode="append")
    nothing = sample["status_message"].iloc[:0].cat.remove_unused_categories()
    lacking = sample.head(3000).assign(status_message=nothing.reindex(range(3000)))
    assert_same(archive.tasks(), xs.conform(lacking))
    archive.add(sample.tail(3096))
    assert_same(archive.tasks(), xs.concat([lacking, sample.tail(3096)]))
