"""One Delta table of an archive: append observations, and read those of one version."""

from __future__ import annotations

import bisect
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pf

from exportstats.archive import kinds
from exportstats.archive.storage import without_credentials
from exportstats.errors import (
    ArchiveError,
    DamagedFileWarning,
    ExportStatsError,
    missing_library,
    warn,
)
from exportstats.io.writing import NO_ROOM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deltalake import DeltaTable

    from exportstats.archive.query import Query
    from exportstats.archive.storage import Storage
    from exportstats.core.schema import Table

_CONFIGURATION = "exportstats.format"
_UNKNOWN = pd.Timestamp("2999-12-31", tz="UTC")


class Read(NamedTuple):
    """What was read, and the files that could not be: `file`, `rows`, `shard` and `reason`."""

    table: pa.Table
    damaged: pd.DataFrame


def deltalake() -> Any:  # noqa: ANN401 - the module
    """Import deltalake, which is an extra.

    Raises
    ------
    ExportStatsError
        It is not installed.
    """
    try:
        import deltalake  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise missing_library("an archive", "deltalake") from error
    return deltalake


@dataclass(frozen=True)
class Store:
    """The Delta table of one kind of table."""

    storage: Storage
    kind: Table

    @property
    def address(self) -> str:
        """Its address, for deltalake."""
        return self.storage.at(kinds.NAMES[self.kind])

    @property
    def place(self) -> str:
        """Its folder or address, for messages."""
        return f"{self.storage.uri}/{kinds.NAMES[self.kind]}"

    def snapshot(self, version: int | None = None) -> Snapshot | None:
        """Return the table as it is now, or as of a version; None if there is none.

        If an entry of its log is damaged, it is the version before that, with a warning.

        Raises
        ------
        ArchiveError
            It cannot be read, or its format is newer.
        """
        found = self._open(version)
        if found is not None and found.damage is not None:
            warn(found.damage)
        return found

    def intact(self) -> Snapshot | None:
        """Return the table as it is now, to change it; None if there is none.

        Raises
        ------
        ArchiveError
            An entry of its log is damaged, it cannot be read, or its format is newer.
        """
        found = self._open()
        if found is not None and found.damage is not None:
            raise ArchiveError(str(found.damage))
        return found

    def _open(self, version: int | None = None) -> Snapshot | None:
        module, damage = deltalake(), None
        with self.explained("read") as options:
            try:
                table = module.DeltaTable(self.address, version=version, storage_options=options)
                if version is None:
                    self._refuse_empty_entry()
            except module.exceptions.TableNotFoundError:
                self._refuse_missing_log()
                return None
            except (module.exceptions.DeltaError, ArchiveError) as error:
                if version is not None:
                    raise
                table, damage = self._before_damage(options, error)
        self._check_format(table)
        return Snapshot(self, table, damage)

    def _entries(self, options: dict[str, str]) -> tuple[int | None, dict[int, int]]:
        """Return the version of the last checkpoint of the log, and the sizes of later entries.

        Without a checkpoint, the version is -1; None if the log names one that is missing.
        """
        found = self.filesystem(options).get_file_info(pf.FileSelector("_delta_log"))
        files = {one.base_name: one.size for one in found if one.base_name[:20].isdecimal()}
        last = max((int(name[:20]) for name in files if ".checkpoint." in name), default=-1)
        sizes = {int(name[:20]): size for name, size in files.items() if name.endswith(".json")}
        is_lost = last < 0 and any(one.base_name == "_last_checkpoint" for one in found)
        later = {version: size for version, size in sizes.items() if version > last}
        return None if is_lost else last, later

    def _refuse_empty_entry(self) -> None:
        """Refuse an empty entry of the log in a folder, as after a crash; deltalake skips it.

        Raises
        ------
        ArchiveError
            There is one.
        """
        if not self.storage.is_local or not Path(self.place, "_delta_log").is_dir():
            return
        if not all(self._entries({})[1].values()):
            raise ArchiveError("it is empty")

    def _refuse_missing_log(self) -> None:
        """Refuse a folder with data files and without a log, which would begin a new table.

        Raises
        ------
        ArchiveError
            It is one.
        """
        if self.storage.is_local and any(Path(self.place).glob("shard=*/*.parquet")):
            raise self._unreadable("it has data files but no log", checkpoint=-1)

    def _unreadable(self, reason: str, checkpoint: int | None) -> ArchiveError:
        """Return the error of a log without a version that can be read."""
        spare = (
            f"; if it has all entries from {0:020}.json on, delete _last_checkpoint and "
            "*.checkpoint.parquet, which only repeat them"
        )
        return ArchiveError(
            f"{self.place} cannot be read: {reason}; restore its _delta_log from a backup or from "
            f"earlier versions of the objects{'' if checkpoint == -1 else spare}; without one, "
            "docs/archive.md says how to make a new archive of the data files"
        )

    def _before_damage(
        self, options: dict[str, str], error: Exception
    ) -> tuple[DeltaTable, DamagedFileWarning]:
        """Return the last version whose log can be read, and a warning of the damaged entry.

        Raises
        ------
        ArchiveError
            There is none.
        """
        module = deltalake()
        try:
            checkpoint, sizes = self._entries(options)
        except (pa.ArrowException, OSError):
            raise error from None
        reason = without_credentials(str(error), options).rstrip(".")
        if checkpoint is None:
            raise self._unreadable(reason, checkpoint)
        versions = range(max(checkpoint, 0), max(sizes, default=-1) + 1)

        def opened(version: int) -> DeltaTable | None:
            if any(not size for one, size in sizes.items() if one <= version):
                return None
            with contextlib.suppress(module.exceptions.DeltaError):
                table: DeltaTable = module.DeltaTable(self.address, version, options)
                return table
            return None

        first = bisect.bisect_left(versions, True, key=lambda version: opened(version) is None)
        if first in (0, len(versions)) or (table := opened(versions[first - 1])) is None:
            raise self._unreadable(reason, checkpoint)
        file = f"{self.place}/_delta_log/{versions[first]:020}.json"
        files = damages([(file, None, None, reason)])
        missing = f"what was kept from version {versions[first]} on is missing"
        return table, DamagedFileWarning(
            f"{file} ({reason}) cannot be read, so {missing}, and nothing can be added; "
            "restore it from a backup or an earlier version of the object; without one, "
            "docs/archive.md says how to add the data files again",
            files,
        )

    def append(self, rows: pa.Table) -> None:
        """Append observations, all of them or none; create the table if there is none.

        Raises
        ------
        ArchiveError
            They cannot be written, or the format of the table is newer.
        """
        self.ensure()
        with self.explained("written") as options:
            deltalake().write_deltalake(
                self.address,
                rows,
                mode="append",
                schema_mode="merge",
                storage_options=options,
                writer_properties=writer_properties(),
            )

    def ensure(self) -> None:
        """Create the table if there is none; another process may do so at the same time."""
        if self.intact() is not None:
            return
        with self.explained("created") as options:
            try:
                deltalake().DeltaTable.create(
                    self.address,
                    kinds.stored_schema(self.kind),
                    partition_by=[kinds.SHARD],
                    configuration={
                        _CONFIGURATION: str(kinds.FORMAT),
                        # `vacuum` does it, so that writers need no permission to delete
                        "delta.enableExpiredLogCleanup": "false",
                    },
                    storage_options=options,
                    # of two that create it at once, one must fail instead of changing the table
                    commit_properties=deltalake().CommitProperties(max_commit_retries=0),
                    raise_if_key_not_exists=False,
                )
            except deltalake().exceptions.DeltaError:
                if self.intact() is None:
                    raise

    def filesystem(
        self, options: dict[str, str], sizes: dict[str, int] | None = None
    ) -> pf.FileSystem:
        """Return the files of the table; known sizes save requests."""
        folder = self.storage.folder(kinds.NAMES[self.kind])
        if folder is not None:
            return pf.SubTreeFileSystem(str(folder), pf.LocalFileSystem())
        from deltalake.fs import DeltaStorageHandler  # noqa: PLC0415 - an extra

        return pf.PyFileSystem(DeltaStorageHandler(self.address, options, sizes))

    def _check_format(self, table: DeltaTable) -> None:
        found = (table.metadata().configuration or {}).get(_CONFIGURATION, "")
        if not found.isdecimal():
            raise ArchiveError(
                f"{self.place} is a Delta table, but not one of an archive; give another address"
            )
        if int(found) > kinds.FORMAT:
            raise ArchiveError(
                f"{self.place} has the format {found}, and this version of exportstats knows "
                f"only {kinds.FORMAT}; update exportstats"
            )

    @contextlib.contextmanager
    def explained(self, what: str) -> Iterator[dict[str, str]]:
        """Yield the options of the storage, and make one sentence of an error of deltalake."""
        if what != "read" and self.storage.is_local:
            self.storage.check_writable()
        options: dict[str, str] = self.storage.options()
        try:
            yield options
        except ExportStatsError:
            raise
        except (deltalake().exceptions.DeltaError, pa.ArrowException, OSError, ValueError) as error:
            told = without_credentials(str(error), options)
            if any(f"(os error {number})" in told for number in NO_ROOM):
                told += "; make room and repeat it; what was kept before is unharmed"
            raise ArchiveError(f"{self.place} cannot be {what}: {told}") from None


def writer_properties() -> Any:  # noqa: ANN401 - deltalake's
    """Return how files are written."""
    return deltalake().WriterProperties(compression="ZSTD", max_row_group_size=kinds.ROWS_IN_GROUP)


class Snapshot:
    """One version of a Delta table."""

    def __init__(
        self, store: Store, table: DeltaTable, damage: DamagedFileWarning | None = None
    ) -> None:
        self.store = store
        self.damage = damage  # of the log after this version
        self.table = table
        self.version = table.version()
        actions: pd.DataFrame = pa.table(table.get_add_actions(flatten=True)).to_pandas()
        self.files = actions.sort_values("path", ignore_index=True)

    def fresh(self, options: dict[str, str]) -> DeltaTable:
        """Return the table at its current version, to change it with credentials valid now."""
        table: DeltaTable = deltalake().DeltaTable(self.store.address, storage_options=options)
        return table

    def shards_of(self, query: Query) -> list[int]:
        """Return the shards that may have selected rows."""
        return sorted(map(int, query.files(self.files)[f"partition.{kinds.SHARD}"].unique()))

    def newest(self) -> pd.Series:
        """Return the latest creation of each shard, or a later time if a file has no statistics."""
        created = self.files.reindex(columns=["max.creation_time"])["max.creation_time"]
        created = created.astype("datetime64[ms, UTC]")  # no file may have any
        return created.fillna(_UNKNOWN).groupby(self.files[f"partition.{kinds.SHARD}"]).max()

    def read(self, query: Query) -> Read:
        """Read the selected observations, without the files that are damaged.

        Raises
        ------
        ArchiveError
            A file of this version was deleted meanwhile.
        """
        files = query.files(self.files)
        try:
            return Read(self._read(files, query), damages([]))
        except (pa.ArrowException, OSError):
            return self._read_each(files, query)

    def _read_each(self, files: pd.DataFrame, query: Query) -> Read:
        """Read file by file, to find the damaged ones."""
        tables, found = [self._read(files[:0], query)], []
        for at in range(len(files)):
            one = files.iloc[at : at + 1]
            try:
                tables.append(self._read(one, query))
            except (pa.ArrowException, OSError) as error:
                file = one.iloc[0]
                shard, rows = file[f"partition.{kinds.SHARD}"], file["num_records"]
                reason = self._reason(error, file["path"])
                found.append((f"{self.store.place}/{file['path']}", rows, shard, reason))
        damaged = damages(found)
        if found and not self._are_current(damaged):
            raise ArchiveError(
                f"{self.store.place} was compacted, and its old files were deleted, while "
                f"version {self.version} was read; begin again"
            )
        return Read(pa.concat_tables(tables, promote_options="default"), damaged)

    def _are_current(self, damaged: pd.DataFrame) -> bool:
        """Return whether files still belong to the table."""
        now = self.store.snapshot()
        if now is None:
            return False
        return bool(damaged["file"].isin(f"{self.store.place}/" + now.files["path"]).all())

    def _reason(self, error: Exception, path: str) -> str:
        """Return why a file cannot be read, without its path."""
        if isinstance(error, FileNotFoundError):
            return "no such file"
        if isinstance(error, PermissionError):
            return "permission denied; let this user read it"
        told = without_credentials(str(error), self.store.storage.options())
        return told.rpartition(f"{path}': ")[2].rstrip(".")

    def _read(self, files: pd.DataFrame, query: Query) -> pa.Table:
        kind = self.store.kind
        stored = [field.name for field in self.table.schema().fields]
        schema = kinds.reading_schema(kind, stored, query.plain(kind))
        names = [name for name in schema.names if query.columns is None or name in query.columns]
        repeated = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        sizes = dict(zip(files["path"], files["size_bytes"].astype(int), strict=True))
        dataset = ds.dataset(
            [*files["path"]],
            schema=schema,
            format=ds.ParquetFileFormat(dictionary_columns=repeated),
            filesystem=self.store.filesystem(self.store.storage.options(), sizes),
        )
        return kinds.from_stored(dataset.to_table(names, query.rows(kind)), kind)


def damages(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    """Return a table of files that cannot be read."""
    return pd.DataFrame(rows, columns=["file", "rows", "shard", "reason"])
