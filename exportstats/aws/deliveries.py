"""Check in S3 what COMPLETED tasks delivered.

The service writes `destination/prefix/taskId/stream/000000.gz`. First it writes the object
`aws-logs-write-test`, to check its access. If a COMPLETED task left nothing else, there were no
events, or they were not exported.
"""

from __future__ import annotations

import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from botocore.exceptions import ClientError
from tqdm.auto import tqdm

from exportstats.aws.answers import pages
from exportstats.aws.client import check_credentials, connect, make_session, millis_of
from exportstats.aws.faults import ASKING, explain
from exportstats.aws.fleet import MOST_WORKERS, DaemonThreads
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError, LoadError, LoadInterrupted
from exportstats.progress import is_shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    import boto3

_DEFAULT_PREFIX = "exportedlogs"
_WRITE_TEST = "aws-logs-write-test"
_LOOK_SECONDS = 0.2
_MOST_PAGES = 10_000  # ten million objects, more than a task can write in its 24 hours
_STOPPED = "stopped by the user before it was checked"


class _Place(NamedTuple):
    """Where a task's objects should be."""

    region: str | None
    bucket: str | None
    prefix: str
    task_id: str


class _Found(NamedTuple):
    """What was found: the columns of `schema.DELIVERIES` that come from S3."""

    objects: int | None
    bytes: int | None
    first_key: str | None
    last_key: str | None
    delivered: str
    reason: str | None
    observed_at: int | None


def fetch_deliveries(
    tasks: pd.DataFrame,
    *,
    session: boto3.Session | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    max_workers: int | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Check in S3 what each COMPLETED task delivered.

    Needs `s3:ListBucket` on the buckets. Lists `destination/prefix/taskId/` of each task, many at
    once, and reads or writes no object.

    Parameters
    ----------
    tasks
        A table of tasks; tasks that are not COMPLETED are left out.
    session, profile, endpoint_url
        As in boto3. A bucket is listed in the region of its tasks, as the service requires.
    max_workers
        How many tasks to check at once; by default at most 64.
    progress
        Whether to show a progress bar; by default only in a terminal or a notebook.

    Returns
    -------
    DataFrame
        One row per COMPLETED task: `account_id`, `region`, `task_id`, `destination`, `prefix` (the
        prefix that was listed), `objects` and `bytes` (without the service's write test),
        `first_key`, `last_key`, `delivered`, `reason`, `duration` (`timedelta64[ms]`), `throughput`
        (bytes per second of the duration, queueing included) and `observed_at` (UTC).

        `delivered` is "yes"; "empty" if there is only the write test; "gone" if the write test is
        missing too, for example because a lifecycle rule deleted it; or "unknown", with a `reason`,
        if the list could not be read to its end or has more than ten million objects.

    Raises
    ------
    ArgumentError
        An argument is not valid.
    SchemaError
        `tasks` is not a table of tasks.
    LoadError
        There are no credentials.
    LoadInterrupted
        Ctrl-C was pressed; `.arrived` has all tasks, and those not yet checked as "unknown".

    Examples
    --------
    With credentials that can list the buckets::

        deliveries = xs.fetch_deliveries(tasks, profile="archive")
        gaps = xs.find_gaps(tasks, start=start, end=end, deliveries=deliveries)
    """
    tasks = frames.check(tasks)
    if max_workers is not None and max_workers < 1:
        raise ArgumentError(f"max_workers={max_workers!r}; give a whole number of 1 or more")
    asked = tasks[tasks["status_code"] == "COMPLETED"].drop_duplicates(list(schema.KEY))
    places = _places(asked)
    try:
        session = make_session(session, profile, None)
        check_credentials(session)
        if session.get_credentials() is None and places:
            raise LoadError(
                "there are no credentials for S3; name a profile, or set AWS_PROFILE",
                tasks=frames.empty(),
            )
        s3 = _ObjectLister(session, endpoint_url, {place.region for place in places})
    except ASKING as error:
        raise LoadError(str(explain(error)), tasks=frames.empty()) from None
    futures = _submit(s3, places, max_workers)
    try:
        _watch(futures, progress=progress)
    except KeyboardInterrupt as interrupt:
        for future in futures:
            future.cancel()
        arrived = _to_table(asked, places, futures)
        raise LoadInterrupted(
            f"stopped by the user; {(arrived['reason'] != _STOPPED).sum():,} of {len(arrived):,} "
            "tasks were checked",
            tasks=frames.empty(),
            arrived=arrived,
        ) from interrupt
    return _to_table(asked, places, futures)


class _ObjectLister:
    """List the objects of tasks, from any thread."""

    def __init__(
        self, session: boto3.Session, endpoint_url: str | None, regions: set[str | None]
    ) -> None:
        # clients can be used, but not created, in several threads
        self._clients: dict[str | None, Any] = {}
        for region in sorted(regions, key=str):
            try:
                self._clients[region] = connect(
                    session,
                    "s3",
                    region=region,
                    endpoint_url=endpoint_url,
                    max_pool_connections=MOST_WORKERS,
                )
            except ArgumentError:
                raise
            except Exception as error:  # noqa: BLE001 - one region must not affect the others
                self._clients[region] = error
        self._tests: dict[tuple[str | None, str], bool] = {}
        self._lock = threading.Lock()

    def look(self, place: _Place) -> _Found:
        """Return what a task delivered; an error becomes the reason."""
        try:
            return self._list(place)
        except ClientError as error:
            nothing = error.response["Error"].get("Code") == "NoSuchBucket"
            return _unknown(explain(error).reason, delivered="gone" if nothing else "unknown")
        except Exception as error:  # noqa: BLE001 - one task must not affect the others
            return _unknown(explain(error).reason)

    def _list(self, place: _Place) -> _Found:
        if place.bucket is None:
            return _unknown("the task has no destination")
        client = self._clients[place.region]
        if isinstance(client, Exception):
            raise client
        keys: list[str] = []
        objects = size = 0
        tested, date = False, None
        for page in pages(
            client.list_objects_v2,
            "Contents",
            "ContinuationToken",
            most_pages=_MOST_PAGES,
            Bucket=place.bucket,
            Prefix=_folder(place),
        ):
            date = page["ResponseMetadata"]["HTTPHeaders"].get("date")
            for found in page.get("Contents", ()):
                if found["Key"].endswith(f"/{_WRITE_TEST}"):
                    tested = True
                    continue
                objects += 1
                size += found["Size"]
                keys = [keys[0] if keys else found["Key"], found["Key"]]
        if objects:
            return _Found(objects, size, keys[0], keys[1], "yes", None, millis_of(date))
        tested = tested or self._was_tested(client, place)
        delivered = "empty" if tested else "gone"
        return _Found(0, 0, None, None, delivered, None, millis_of(date))

    def _was_tested(self, client: Any, place: _Place) -> bool:  # noqa: ANN401 - boto3's client
        """Return whether the prefix has a write test; each prefix is checked once."""
        key = place.bucket, place.prefix
        with self._lock:
            known = self._tests.get(key)
        if known is None:
            answer = client.list_objects_v2(
                Bucket=place.bucket, Prefix=f"{place.prefix}/{_WRITE_TEST}", MaxKeys=1
            )
            known = bool(answer.get("KeyCount"))
            with self._lock:
                self._tests[key] = known
        return known


def _places(tasks: pd.DataFrame) -> list[_Place]:
    columns = ["region", "destination", "destination_prefix", "task_id"]
    plain = tasks[columns].astype(object).where(tasks[columns].notna(), None)
    return [
        _Place(region, bucket, (prefix or _DEFAULT_PREFIX).rstrip("/"), task_id)
        for region, bucket, prefix, task_id in plain.itertuples(index=False)
    ]


def _folder(place: _Place) -> str:
    return f"{place.prefix}/{place.task_id}/"


def _unknown(reason: str, *, delivered: str = "unknown") -> _Found:
    return _Found(None, None, None, None, delivered, reason, None)


def _submit(
    s3: _ObjectLister, places: Sequence[_Place], max_workers: int | None
) -> list[Future[_Found]]:
    threads = DaemonThreads(min(len(places), max_workers or MOST_WORKERS))
    futures = [threads.submit(s3.look, place) for place in places]
    threads.shutdown()
    return futures


def _watch(futures: Sequence[Future[_Found]], *, progress: bool | None) -> None:
    """Wait for all tasks, and show the progress."""
    hidden = not is_shown(asked=progress)
    with tqdm(desc="deliveries", unit=" tasks", total=len(futures), disable=hidden) as bar:
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=_LOOK_SECONDS)
            bar.update(len(done))


def _to_table(
    tasks: pd.DataFrame, places: Sequence[_Place], futures: Sequence[Future[_Found]]
) -> pd.DataFrame:
    found = [
        future.result() if future.done() and not future.cancelled() else _unknown(_STOPPED)
        for future in futures
    ]
    known = tasks[["account_id", "region", "duration"]].astype(object)
    known = known.where(known.notna(), None)
    rows = [
        (
            account_id,
            region,
            place.task_id,
            place.bucket,
            _folder(place),
            *of[:-1],
            duration,
            _throughput(of.bytes, duration),
            of.observed_at,
        )
        for (account_id, region, duration), place, of in zip(
            known.itertuples(index=False), places, found, strict=True
        )
    ]
    columns = [column.name for column in schema.DELIVERIES.columns]
    return frames.conform(pd.DataFrame(rows, columns=columns, dtype=object), of="deliveries")


def _throughput(size: int | None, duration: pd.Timedelta | None) -> float | None:
    """Return bytes per second; None if a value is missing or no time passed."""
    if size is None or duration is None or duration <= pd.Timedelta(0):
        return None
    return size / duration.total_seconds()
