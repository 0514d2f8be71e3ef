"""Apply a part to the shards of an archive with the workers of an executor, which read them."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from exportstats.archive.delta import Store
from exportstats.archive.kinds import SHARD
from exportstats.archive.reading import apply_part, table_of
from exportstats.core import schema
from exportstats.core.shards import refused_by
from exportstats.errors import ArchiveError, ExportStatsError, collect_warnings, warn
from exportstats.text import name_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    import pandas as pd

    from exportstats.archive.delta import Snapshot
    from exportstats.archive.query import Query
    from exportstats.archive.reading import Reader
    from exportstats.archive.storage import Storage
    from exportstats.core.shards import Part

    Job: TypeAlias = tuple[int, Reader]  # a shard, and how to read it
    Answer: TypeAlias = tuple[pd.DataFrame, list[Warning]]


def apply_on(
    executor: Executor, snapshot: Snapshot, part: Part, query: Query, jobs: Sequence[Job]
) -> Iterator[pd.DataFrame]:
    """Apply a part to each shard on an executor; the results have the order of the jobs.

    Raises
    ------
    ArchiveError
        A worker ended, or had an error that is not of this package.
    ArgumentError
        The executor takes no calls.
    """
    store = snapshot.store
    # with a number of its own: Dask answers equal calls once, and keeps an error as long as it is
    # shown
    there = partial(_answer, store.storage, snapshot.version, part, query, uuid.uuid4())
    for table, warnings in _answers(executor, there, jobs, store.place):
        for warning in warnings:
            warn(warning)
        yield table


def _answers(
    executor: Executor, there: partial[Answer], jobs: Sequence[Job], place: str
) -> Iterator[Answer]:
    done = 0
    try:
        answers = executor.map(there, jobs)
    except ExportStatsError:
        raise
    except Exception as error:
        raise refused_by(executor, error) from error
    try:
        for answer in answers:
            yield answer
            done += 1
    except ExportStatsError as error:
        raise error from None  # without the traceback of the worker
    except Exception as error:  # executors have errors of their own
        raise ArchiveError(
            f"{place}/{SHARD}={jobs[done][0]} got no answer from the {type(executor).__name__}: "
            f"{name_error(error)}; see the output of its workers, and ask again; a "
            "worker that was killed may need more memory"
        ) from error


def _answer(
    storage: Storage, version: int, part: Part, query: Query, _: uuid.UUID, job: Job
) -> Answer:
    """Apply a part to a shard in a worker; also return the warnings.

    Raises
    ------
    ArchiveError
        This version is not there any more.
    """
    shard, read = job
    with collect_warnings() as warnings:
        snapshot = Store(storage, schema.TASKS).snapshot(version)
        if snapshot is None:
            raise ArchiveError(f"{storage.uri} was deleted while it was read")
        table = table_of(storage, apply_part(snapshot, read, part, query.of(shard)))
    return table, warnings
