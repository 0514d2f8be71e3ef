"""Keep what was observed, and ask it as of any time."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from exportstats.archive.adding import append
from exportstats.archive.delta import Store
from exportstats.archive.info import count
from exportstats.archive.kinds import LOOKS, shards_of
from exportstats.archive.observations import changes, check_observations, counts
from exportstats.archive.query import Query, query_of
from exportstats.archive.reading import (
    apply_part,
    latest,
    lost_entries,
    read_all,
    read_latest,
    read_seen,
    table_of,
    warn_of_looks,
)
from exportstats.archive.storage import Storage
from exportstats.archive.upkeep import compact, vacuum
from exportstats.archive.views import observations_of
from exportstats.archive.workers import apply_on
from exportstats.core import frames, schema
from exportstats.core.shards import Shards, check_executor
from exportstats.errors import ArgumentError, MissingFileError, warn
from exportstats.stats.as_of import instant

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import date

    import boto3
    import pandas as pd

    from exportstats.archive.delta import Snapshot
    from exportstats.archive.reading import Columns, Reader
    from exportstats.aws.targets import Target
    from exportstats.core.schema import Table
    from exportstats.core.shards import Part


class Archive(Shards):
    """Tasks, log groups and other tables as they were observed, in a folder or a bucket.

    An archive only grows: it has a row for each new or changed task, and one for each time that a
    task was seen active. It answers what is known now, or what was known at any time. It can be
    passed to statistics, coverage functions and `build_weekly_report` in place of a table of tasks.

    Parameters
    ----------
    uri
        A folder, or `s3://bucket/prefix`. The credentials for S3 are those that boto3 finds.
    storage_options
        Options of deltalake for the storage, such as `{"AWS_REGION": "eu-west-1"}`. They replace
        those that boto3 finds.

    Raises
    ------
    ArgumentError
        The address is neither a folder nor in S3.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import exportstats as xs
    >>> with TemporaryDirectory() as folder:
    ...     archive = xs.Archive(folder)
    ...     added = archive.add(xs.sample_tasks())
    ...     len(archive.tasks(since="2026-11-22"))
    18
    >>> added.to_dict()
    {'new': 6096, 'changed': 0, 'unchanged': 0}
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        self._storage = Storage(uri, storage_options)
        self._executor: Executor | None = None

    def __repr__(self) -> str:
        """Return the address; options may have credentials."""
        return f"Archive({self.uri!r})"

    @property
    def uri(self) -> str:
        """The address."""
        return self._storage.uri

    def tasks(
        self,
        as_of: str | date | pd.Period | None = None,
        since: str | date | pd.Period | None = None,
        until: str | date | pd.Period | None = None,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return each task in its latest state, or as it was known at an instant.

        Parameters
        ----------
        as_of
            Use only what was observed until this time: an instant with a time zone, or a date in
            UTC.
        since, until
            Only tasks created at or after `since` and before `until`.
        accounts, regions
            Only these accounts and regions.
        columns
            The columns to return, in this order; by default all of them.

        Returns
        -------
        DataFrame
            A table of tasks. `observed_at` is when the state was first seen, or, of an active task
            and of the newest one of each account and region, when it was last seen.

        Raises
        ------
        ArchiveError
            The archive cannot be read.
        MissingFileError
            There is no archive at this address.

        Warns
        -----
        DamagedFileWarning
            A file is damaged or missing; the table has what is in the others.
        PartialListWarning
            A list was not read to its end, or long before the others, so tasks are missing.
        """
        start, end = (
            None if edge is None else instant(edge, name)
            for edge, name in ((since, "since"), (until, "until"))
        )
        wanted = None
        if columns is not None:
            frames.check_columns(columns, schema.NAMES)
            wanted = frozenset((*columns, "creation_time"))
        query = query_of(as_of, accounts, regions)
        tasks = self._latest(schema.TASKS, replace(query, since=start, until=end), wanted)
        created = tasks["creation_time"]
        for edge, keep in ((start, created.ge), (end, created.lt)):
            if edge is not None:
                tasks = tasks[keep(edge)]
        tasks = tasks.reset_index(drop=True)
        return tasks if columns is None else tasks[[*columns]]

    def log_groups(
        self,
        as_of: str | date | pd.Period | None = None,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return each log group in its latest state, or as it was known at an instant.

        The parameters are those of `tasks`.
        """
        return self.table("log_groups", as_of=as_of, accounts=accounts, regions=regions)

    def table(
        self,
        of: str,
        *,
        as_of: str | date | pd.Period | None = None,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return a table of a kind, each row in its latest state or as it was known at an instant.

        Parameters
        ----------
        of
            The kind: "tasks", "log_groups", "deliveries", "api_calls" or "incoming".
        as_of, accounts, regions
            As for `tasks`.
        """
        return self._latest(frames.table_of(of), query_of(as_of, accounts, regions))

    def history(self, task_id: str) -> pd.DataFrame:
        """Return the states of a task in order of time, one row each time that it changed.

        `observed_at` is when a state was first seen. An active task has a row for each time that
        it was seen.
        """
        if not isinstance(task_id, str):
            raise ArgumentError(f"task_id={task_id!r}; give the ID of one task")
        snapshot = self._snapshot(schema.TASKS)
        if snapshot is None:
            return frames.empty()
        rows = table_of(self._storage, read_all(snapshot, Query(ids=(task_id,))))
        return changes(frames.check(frames.derive(rows)))

    def info(self) -> pd.DataFrame:
        """Return what is kept of each account and region, and what the service has forgotten.

        Returns
        -------
        DataFrame
            One row per account and region: the numbers of `tasks`, of `active` ones and of
            `observations`; the range of creation times and of observations; `settled_until`: all
            tasks created before have ended and are kept; `oldest_listed`, the oldest creation when
            a list was last read to its end; the number of tasks that were `gone` from it by then,
            since when (`gone_since`), and bounds for how long the service remembers a task:
            `remembered_at_least` and `remembered_at_most`.

        Raises
        ------
        MissingFileError
            There is no archive at this address.
        """
        snapshot = self._snapshot(schema.TASKS)
        return frames.empty() if snapshot is None else count(self._storage, snapshot)

    def add(
        self,
        rows: pd.DataFrame,
        *,
        of: str = "tasks",
        observed_at: str | date | pd.Period | None = None,
    ) -> pd.Series:
        """Add observations that come from elsewhere; what is known already is left out.

        Parameters
        ----------
        rows
            A table of tasks, or of what `of` names, in any order of time. Each row needs an
            account and a region. Own columns are not kept.
        of
            As for `table`.
        observed_at
            When the rows were observed that do not say so. The output of the AWS CLI does not.

        Returns
        -------
        Series
            How many rows were `new`, `changed` and `unchanged`.

        Raises
        ------
        ArgumentError
            A row lacks an account, a region or a time of observation.
        SchemaError
            It is not such a table.
        ArchiveError
            The archive cannot be written. No row was added.
        """
        kind = frames.table_of(of)
        return counts(append(self._storage, kind, check_observations(rows, kind, observed_at)))

    def sync(  # noqa: PLR0913 - as fetch_tasks has them
        self,
        targets: Iterable[Target] | None = None,
        *,
        full: bool = False,
        log_groups: bool = False,
        session: boto3.Session | None = None,
        profile: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        requests_per_second: float | Literal["quota"] | None = "quota",
        max_workers: int | None = None,
        executor: Executor | None = None,
        errors: Literal["raise", "warn"] = "raise",
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Fetch what is new or changed, and keep it.

        The list of an account and region is read from its newest task down to where all further
        tasks are known and have ended. What arrived is kept every few seconds, and also if a
        request fails or the program is stopped; the next sync reads the rest.

        Parameters
        ----------
        targets
            Accounts and regions, as for `fetch_tasks`.
        full
            Read the lists to their end. This also finds the tasks that the service no longer
            lists; `info` counts them.
        log_groups
            Fetch and keep the log groups, too. Needs the permission `logs:DescribeLogGroups`.
        session, profile, region, endpoint_url
            As for `fetch_tasks`. They are for the list of tasks, not for the archive.
        requests_per_second, max_workers, executor, errors, progress
            As for `fetch_tasks`. With an executor, what arrived is kept once all lists of a call
            have ended.

        Returns
        -------
        DataFrame
            One row per target: `account_id`, `region`, `profile`, `role_arn`, `requests`, and the
            numbers of `new`, `changed` and `unchanged` tasks of those that were read; `reason` and
            `remedy` if it failed.

        Raises
        ------
        ArgumentError
            An argument is not valid; nothing was requested.
        LoadError
            A list could not be read. What arrived is kept. `.arrived` is the table above, and
            `.failures` has one row per failed target.
        LoadInterrupted
            Ctrl-C was pressed; it has the same attributes.
        ArchiveError
            The archive cannot be written.

        Examples
        --------
        Every night, for a whole organisation::

            targets = xs.fetch_targets(regions="all", role_name="audit")
            xs.Archive("s3://bucket/exportstats").sync(targets, errors="warn")
        """
        from exportstats.archive.sync import sync  # noqa: PLC0415 - imports boto3

        return sync(
            self._storage,
            targets,
            full=full,
            log_groups=log_groups,
            session=session,
            profile=profile,
            region=region,
            endpoint_url=endpoint_url,
            requests_per_second=requests_per_second,
            max_workers=max_workers,
            executor=executor,
            errors=errors,
            progress=progress,
        )

    def compact(self) -> pd.DataFrame:
        """Merge small files, so that reading stays fast; writers may go on meanwhile.

        The files that were merged stay until `vacuum` deletes them, for readers that began before.

        Returns
        -------
        DataFrame
            The numbers of files and bytes before and after, one row for each table of the archive.

        Raises
        ------
        ArchiveError
            It failed, for example because another compaction ran at the same time. Nothing is lost.
        """
        self._check_intact()
        return compact(self._storage)

    def vacuum(self, retention: str | pd.Timedelta | None = None) -> pd.DataFrame:
        """Delete files that were merged; no observation is deleted.

        Parameters
        ----------
        retention
            Keep files that a reader needs that began this long ago, by default "7D". With less than
            a day, files of writers that were stopped half-way are kept, too.

        Returns
        -------
        DataFrame
            The number of deleted files, one row for each table of the archive.
        """
        self._check_intact()
        return vacuum(self._storage, retention)

    def on(self, executor: Executor) -> Archive:
        """Return the archive with its parts run on an executor, which also reads the shards.

        Parameters
        ----------
        executor
            Any `concurrent.futures.Executor`: a pool of processes, `client.get_executor()` of Dask,
            `RayExecutor` or `SparkExecutor`. Its workers need this package and access to the
            archive.

        Raises
        ------
        ArgumentError
            It is not an executor, or a pool of forked processes, in which deltalake does not work.

        Examples
        --------
        On all cores of this machine::

            with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
                xs.duration_summary(archive.on(pool), by="log_group_name")
        """
        check_executor(executor)
        context = getattr(executor, "_mp_context", None)
        if context is not None and context.get_start_method() == "fork":
            raise ArgumentError(
                "deltalake does not work in forked processes; give "
                'ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))'
            )
        other = copy.copy(self)
        other._executor = executor  # noqa: SLF001 - its own
        return other

    if not TYPE_CHECKING:  # a type checker should still find wrong names

        def __getattr__(self, name: str) -> None:
            """Say how to get a DataFrame."""
            raise AttributeError(f"an Archive has no {name}; archive.tasks() returns a DataFrame")

        def __getitem__(self, key: object) -> None:
            """Say how to get a DataFrame."""
            raise TypeError(f"an Archive has no [{key!r}]; archive.tasks() returns a DataFrame")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the executor, which cannot be sent to another process."""
        return {**self.__dict__, "_executor": None}

    def map(self, part: Callable[[pd.DataFrame], pd.DataFrame], /) -> Iterator[pd.DataFrame]:
        """Apply `part` to the tasks of each shard, all of one version of the archive.

        With an executor, the shards are read where the parts run.

        Raises
        ------
        ArchiveError
            The archive cannot be read, or a worker of the executor ended; no result is complete.
        """
        looks = self._looks(Query())
        shard_of_look = np.array(shards_of(looks), dtype=int)
        looked = looks[[*schema.SLOT, "looked_at"]]
        return self._map(
            lambda shard: partial(read_seen, looked[shard_of_look == shard]), part, Query(), looks
        )

    @property
    def observations(self) -> Shards:
        """Every observation of the tasks, in shards, for functions that take a history.

        `history` returns those of one task.
        """
        return observations_of(self)

    def _map(
        self,
        reader_of: Callable[[int], Reader],
        part: Part,
        query: Query,
        looks: pd.DataFrame | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Apply a part to each shard, which the reader of its number reads."""
        snapshot = self._snapshot(schema.TASKS, looks)
        if snapshot is None:
            return
        jobs = [(shard, reader_of(shard)) for shard in snapshot.shards_of(query)]
        if self._executor is not None:
            yield from apply_on(self._executor, snapshot, part, query, jobs)
            return
        for shard, read in jobs:
            yield table_of(self._storage, apply_part(snapshot, read, part, query.of(shard)))

    def _looks(self, query: Query) -> pd.DataFrame:
        """Return when each list was last read, and warn of those that are incomplete."""
        looks = latest(self._storage, LOOKS, query)
        warn_of_looks(self._storage, looks)
        return looks

    def _latest(self, kind: Table, query: Query, columns: Columns = None) -> pd.DataFrame:
        """Return each row of a kind in its latest state."""
        read: Reader = read_latest
        looks = None
        if kind is schema.TASKS:
            looks = self._looks(replace(query, since=None, until=None))
            if query.until is None:  # the newest tasks are in the selection
                read = partial(read_seen, looks)
        snapshot = self._snapshot(kind, looks)
        if snapshot is None:
            return frames.empty(kind)
        return table_of(self._storage, read(snapshot, query, columns))

    def _snapshot(self, kind: Table, looks: pd.DataFrame | None = None) -> Snapshot | None:
        """Return the current version of a table, or None if the archive has no such table.

        With the looks that were read before, a warning says if they are about tasks that it lacks.

        Raises
        ------
        MissingFileError
            There is no archive.
        """
        snapshot = Store(self._storage, kind).snapshot()
        if snapshot is None and Store(self._storage, schema.TASKS).snapshot() is None:
            raise self._missing()
        if snapshot is not None and looks is not None and (lost := lost_entries(snapshot, looks)):
            warn(lost)
        return snapshot

    def _check_intact(self) -> None:
        """Refuse to change an archive that does not exist, or whose tasks have a damaged log."""
        if Store(self._storage, schema.TASKS).intact() is None:
            raise self._missing()

    def _missing(self) -> MissingFileError:
        return MissingFileError(
            f"there is no archive at {self.uri}; `exportstats archive sync` makes one"
        )
