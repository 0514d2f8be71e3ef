"""Check in S3 what COMPLETED tasks delivered.

The service writes `destination/prefix/taskId/stream/000000.gz`. First it writes the object
`aws-logs-write-test`, to check its access. If a COMPLETED task left nothing else, there were no
events, or they were not exported.
"""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm.auto import tqdm

from exportstats.aws.client import check_credentials, make_session
from exportstats.aws.faults import ASKING, explain
from exportstats.aws.fleet import MOST_WORKERS, DaemonThreads
from exportstats.aws.objects import Found, ObjectLister, Place, unknown
from exportstats.aws.streams import Streams, find_missing, list_streams
from exportstats.core import coerce, frames, schema
from exportstats.errors import ArgumentError, LoadError, LoadInterrupted
from exportstats.progress import is_shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    import boto3

    from exportstats.aws.streams import Key, Span
    from exportstats.aws.targets import Target

    Row = dict[str, Any]
    Known = Mapping[Key, Streams | str] | None

DEFAULT_PREFIX = "exportedlogs"
_LOOK_SECONDS = 0.2
_STOPPED = "stopped by the user before it was checked"


def fetch_deliveries(  # noqa: PLR0913 - all options are keyword-only
    tasks: pd.DataFrame,
    *,
    streams: bool = False,
    targets: Iterable[Target] | None = None,
    session: boto3.Session | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    logs_endpoint_url: str | None = None,
    max_workers: int | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Check in S3 what each COMPLETED task delivered.

    Needs `s3:ListBucket` on the buckets. Lists `destination/prefix/taskId/` of each task, many at
    once, and reads or writes no object. With `streams`, it also needs `logs:DescribeLogStreams` on
    the log groups, and lists the log streams of each log group once: 1,250 per second at most,
    because the service allows 25 requests per second. Log groups whose streams could not be listed
    only make the answer less certain.

    Parameters
    ----------
    tasks
        A table of tasks; tasks that are not COMPLETED are left out.
    streams
        Whether to compare the log streams that have objects with those of the log group.
    targets
        The accounts and regions of the log groups, as for `fetch_tasks`, for `streams`. By default
        those of the tasks, with the credentials of the session.
    session, profile, endpoint_url
        As in boto3. A bucket is listed in the region of its tasks, as the service requires.
    logs_endpoint_url
        The endpoint of CloudWatch Logs, for `streams`; `endpoint_url` is that of S3.
    max_workers
        How many tasks to check at once; by default at most 64.
    progress
        Whether to show a progress bar; by default only in a terminal or a notebook.

    Returns
    -------
    DataFrame
        One row per COMPLETED task: `account_id`, `region`, `task_id`, `destination`, `prefix` (the
        prefix that was listed), `objects` and `bytes` (without the service's write test),
        `first_key`, `last_key`, `streams` (the number of log streams with objects), `delivered`,
        the missing streams, `reason`, `duration` (`timedelta64[ms]`), `throughput` (bytes per
        second of the duration, queueing included) and `observed_at` (UTC).

        `delivered` is "yes"; "partial" if objects of some streams are missing for certain; "empty"
        if there is only the write test; "gone" if the write test is missing too, for example
        because a lifecycle rule deleted it; or "unknown", with a `reason`, if the list could not be
        read to its end or has more than ten million objects.

        `missing_streams` is the number of streams without objects that had an event in the window
        of the task, and `possibly_missing_streams` of those that may have had one. The first twenty
        names of each are in `missing_stream_names` and `possibly_missing_stream_names`, separated
        by `:`, which no name contains. All four are missing if the streams were not looked at, and
        `reason` says why they could not. `docs/definitions.md` says what is certain.

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
    >>> import boto3
    >>> import exportstats as xs
    >>> from exportstats.emulator import Emulator
    >>> session = boto3.Session("123456789012", "made-up", region_name="eu-west-1")
    >>> tasks = xs.sample_tasks().query("status_code == 'COMPLETED'").head(1)
    >>> bucket, prefix, task = tasks[["destination", "destination_prefix", "task_id"]].iloc[0]
    >>> objects = [{"Bucket": bucket, "Key": f"{prefix}/{task}/stream/000000.gz", "Size": 20}]
    >>> with Emulator(objects=objects) as emulator:
    ...     deliveries = xs.fetch_deliveries(tasks, session=session, endpoint_url=emulator.url)
    >>> deliveries[["objects", "bytes"]].iloc[0].to_list()
    [1, 20]

    With credentials that can list the buckets::

        deliveries = xs.fetch_deliveries(tasks, streams=True, profile="archive")
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
        s3 = ObjectLister(session, endpoint_url, {place.region for place in places})
    except ASKING as error:
        raise LoadError(str(explain(error)), tasks=frames.empty()) from None
    futures: list[Future[Row]] = []
    try:
        known: Known = None
        if streams:
            known = list_streams(
                _span_by_group(asked),
                targets,
                session=session,
                endpoint_url=logs_endpoint_url,
                max_workers=max_workers,
                progress=progress,
            )
        futures = _submit(s3, places, asked, known, max_workers)
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


def _places(tasks: pd.DataFrame) -> list[Place]:
    return [
        Place(region, bucket, (prefix or DEFAULT_PREFIX).rstrip("/"), task_id)
        for region, bucket, prefix, task_id in _plain(
            tasks, "region", "destination", "destination_prefix", "task_id"
        )
    ]


def _plain(tasks: pd.DataFrame, *columns: str) -> Iterable[tuple[Any, ...]]:
    """Return the rows of some columns, with None for missing values."""
    of = tasks[[*columns]].astype(object)
    return of.where(of.notna(), None).itertuples(index=False, name=None)


def _windows(tasks: pd.DataFrame) -> list[tuple[Key, Span] | str]:
    """Return the log group and the window of each task, or what of them is not known."""
    times = (coerce.millis(tasks[name]).tolist() for name in ("from_time", "to_time"))
    return [
        "the task has no log group"
        if key[-1] is None
        else "the task has no window"
        if coerce.NAT in (start, end) or start > end
        else (key, (start, end))
        for key, start, end in zip(_plain(tasks, *schema.LOG_GROUP), *times, strict=True)
    ]


def _span_by_group(tasks: pd.DataFrame) -> dict[Key, Span]:
    """Return from when to when the windows of each log group reach."""
    spans: dict[Key, Span] = {}
    for known in _windows(tasks):
        if not isinstance(known, str):
            key, (start, end) = known
            first, last = spans.get(key, (start, end))
            spans[key] = min(first, start), max(last, end)
    return spans


def _submit(
    s3: ObjectLister,
    places: Sequence[Place],
    tasks: pd.DataFrame,
    known: Known,
    max_workers: int | None,
) -> list[Future[Row]]:
    threads = DaemonThreads(min(len(places), max_workers or MOST_WORKERS))
    futures = [
        threads.submit(_check, s3, place, window, known)
        for place, window in zip(places, _windows(tasks), strict=True)
    ]
    threads.shutdown()
    return futures


def _check(s3: ObjectLister, place: Place, window: tuple[Key, Span] | str, known: Known) -> Row:
    """Return what a task delivered, and with `known` streams which of them are missing."""
    found = s3.look(place)
    row = _row(found)
    if known is None or found.delivered == "unknown":
        return row
    streams = window if isinstance(window, str) else known[window[0]]
    if isinstance(streams, str) or isinstance(window, str):
        reasons = [found.reason, f"streams were not looked at: {streams}"]
        return row | {"reason": "; ".join(reason for reason in reasons if reason)}
    missing = find_missing(found.streams or frozenset(), streams, window[1])
    if missing.certain[0] and found.delivered == "yes":
        row["delivered"] = "partial"
    for name, (many, names) in missing._asdict().items():
        prefix = "missing" if name == "certain" else "possibly_missing"
        row |= {f"{prefix}_streams": many, f"{prefix}_stream_names": names}
    return row


def _row(found: Found) -> Row:
    return found._asdict() | {"streams": None if found.streams is None else len(found.streams)}


def _watch(futures: Sequence[Future[Row]], *, progress: bool | None) -> None:
    """Wait for all tasks, and show the progress."""
    hidden = not is_shown(asked=progress)
    with tqdm(desc="deliveries", unit=" tasks", total=len(futures), disable=hidden) as bar:
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=_LOOK_SECONDS)
            bar.update(len(done))


def _to_table(
    tasks: pd.DataFrame, places: Sequence[Place], futures: Sequence[Future[Row]]
) -> pd.DataFrame:
    stopped = _row(unknown(_STOPPED))
    found = [
        future.result() if future.done() and not future.cancelled() else stopped
        for future in futures
    ] or [stopped] * len(places)
    rows = [
        {
            "account_id": account_id,
            "region": place.region,
            "task_id": place.task_id,
            "destination": place.bucket,
            "prefix": place.folder,
            "duration": duration,
            "throughput": _throughput(row["bytes"], duration),
            **row,
        }
        for (account_id, duration), place, row in zip(
            _plain(tasks, "account_id", "duration"), places, found, strict=True
        )
    ]
    return frames.conform(
        pd.DataFrame(rows, columns=[*schema.DELIVERIES.names], dtype=object), of="deliveries"
    )


def _throughput(size: int | None, duration: pd.Timedelta | None) -> float | None:
    """Return bytes per second; None if a value is missing or no time passed."""
    if size is None or duration is None or duration <= pd.Timedelta(0):
        return None
    return size / duration.total_seconds()
