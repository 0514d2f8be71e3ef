"""Keep an archive small: merge small files, and delete those that no version needs."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.archive.delta import Store, writer_properties
from exportstats.archive.kinds import KINDS, LOOKS, SHARD
from exportstats.archive.query import Query
from exportstats.archive.reading import explain_damage, latest, lost_entries
from exportstats.core.schema import TASKS
from exportstats.errors import ArchiveError, ArgumentError
from exportstats.stats.as_of import to_length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exportstats.archive.delta import Snapshot
    from exportstats.archive.storage import Storage

# Larger files are left alone until there are two small ones.
_SMALL = 64 * 2**20
# A writer that is this old does not finish any more, so its files belong to nobody.
_LONGEST_WRITE = pd.Timedelta("1D")
_USUAL = pd.Timedelta("7D")
_OWN_FILE = re.compile(r"^(.*/)?shard=\d+/part-[^/]+\.parquet$|(^|/)_delta_log/[^/]+$")


def compact(storage: Storage) -> pd.DataFrame:
    """Merge the files of each shard, sorted by account; see `Archive.compact`."""
    rows = []
    for name, store, before in _tables(storage):
        for shard, files in before.files.groupby(f"partition.{SHARD}"):
            if (files["size_bytes"] < _SMALL).sum() > 1:
                _compact_shard(before, str(shard))
        after = store.snapshot()
        found = [len(before.files), before.files["size_bytes"].sum()]
        found += [] if after is None else [len(after.files), after.files["size_bytes"].sum()]
        rows.append((name, *map(int, found)))
    names = ["table", "files_before", "bytes_before", "files_after", "bytes_after"]
    return pd.DataFrame(rows, columns=names)


def _compact_shard(snapshot: Snapshot, shard: str) -> None:
    store = snapshot.store
    try:
        with store.explained("compacted") as options:
            snapshot.fresh(options).optimize.z_order(
                ["account_id"],
                partition_filters=[(SHARD, "=", shard)],
                writer_properties=writer_properties(),
            )
    except ArchiveError:
        damaged = snapshot.read(Query().of(int(shard))).damaged
        if not len(damaged):
            raise
        why = explain_damage(store.storage, damaged)
        raise ArchiveError(f"{store.place} cannot be compacted: {why}") from None


def vacuum(storage: Storage, retention: object) -> pd.DataFrame:
    """Delete files that only versions before `retention` need; see `Archive.vacuum`."""
    length = _length(retention)
    looks, rows = latest(storage, LOOKS, Query()), []
    for name, store, snapshot in _tables(storage):
        if store.kind is TASKS and (lost := lost_entries(snapshot, looks)) is not None:
            raise ArchiveError(f"this would delete data files, because {lost}")
        with store.explained("vacuumed") as options:
            table = snapshot.fresh(options)
            delete = partial(
                table.vacuum,
                retention_hours=int(length / pd.Timedelta("1h")),
                enforce_retention_duration=False,
                full=length >= _LONGEST_WRITE,
            )
            for file in delete(dry_run=True):
                if not _OWN_FILE.search(file):
                    raise ArchiveError(
                        f"{store.place} has a file that is not its own: {file}; move it out of "
                        "the archive, because this would delete it"
                    )
            table.cleanup_metadata()
            # without `full`, the files that earlier vacuums deleted are named again
            there = set(delete(full=True, dry_run=True))
            deleted = there.intersection(delete(dry_run=False))
        rows.append((name, len(deleted)))
    return pd.DataFrame(rows, columns=["table", "deleted_files"])


def _tables(storage: Storage) -> Iterator[tuple[str, Store, Snapshot]]:
    for name, kind in KINDS.items():
        store = Store(storage, kind)
        snapshot = store.intact()
        if snapshot is not None:
            yield name, store, snapshot


def _length(retention: object) -> pd.Timedelta:
    """Return the length of time, in whole hours."""
    if isinstance(retention, str):  # pandas does not want the small letter any more
        retention = re.sub(r"(?<=\d)d$", "D", retention)
    length = _USUAL if retention is None else to_length(retention)
    if length is None or not length >= pd.Timedelta(0):
        raise ArgumentError(f'retention={retention!r}; give a length of time, such as "7D"')
    return length.ceil("h")
