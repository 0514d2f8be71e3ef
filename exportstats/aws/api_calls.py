"""Fetch the API calls about export tasks from CloudTrail with LookupEvents."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from exportstats.aws.client import Operation
from exportstats.aws.load import Question
from exportstats.aws.outcome import fetch_table
from exportstats.core import schema
from exportstats.errors import ArgumentError
from exportstats.io.json_text import read_pages
from exportstats.stats.as_of import instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor
    from datetime import date

    import boto3
    import pandas as pd

    from exportstats.aws.targets import Target

_PAGE_SIZE = 50
_REACH = dt.timedelta(days=90)
API_CALLS = Operation(
    "LookupEvents",
    "lookup_events",
    "Events",
    "API calls",
    partial(read_pages, kind=schema.API_CALLS),
    service="cloudtrail",
    token="NextToken",  # noqa: S106 - the name of one
)


def fetch_api_calls(  # noqa: PLR0913 - as fetch_tasks has them
    targets: Iterable[Target] | None = None,
    *,
    start: str | date | pd.Period | None = None,
    end: str | date | pd.Period | None = None,
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
    """Fetch the API calls about export tasks of one or many accounts and regions.

    Needs the permission `cloudtrail:LookupEvents`, and no trail. CloudTrail keeps the events of the
    last 90 days for LookupEvents; `read_api_calls` reads the files of a trail, which reach further
    back. An event appears some minutes after the call. Targets and retries are those of
    `fetch_tasks`.

    Parameters
    ----------
    targets, session, profile, region, endpoint_url
        As for `fetch_tasks`.
    start, end
        The range of the times of the calls, both inclusive, to the second. By default all that
        CloudTrail has, up to now.
    requests_per_second
        The rate limit for each target. "quota" is the service's own limit, 2 per second for an
        account and region, or no limit if the endpoint is not AWS's; None is no limit.
    max_workers, executor, errors, progress
        As for `fetch_tasks`.

    Returns
    -------
    DataFrame
        A table of API calls: one row per CreateExportTask or CancelExportTask, refused ones
        included. Times are in UTC. It has neither source addresses nor access keys.

    Raises
    ------
    ArgumentError
        An argument is not valid, or `start` is more than 90 days ago; nothing was requested.
    LoadError
        A list could not be read to its end. `.arrived` has all that arrived, and `.failures` one
        row per failed target.
    LoadInterrupted
        Ctrl-C was pressed; it has the same attributes.

    Examples
    --------
    The emulator has the call that created each of its tasks.

    >>> import boto3
    >>> import exportstats as xs
    >>> from exportstats.emulator import Emulator
    >>> session = boto3.Session("123456789012", "made-up", region_name="eu-west-1")
    >>> task = {"taskId": "a", "region": "eu-west-1", "executionInfo": {"creationTime": 0}}
    >>> with Emulator([task]) as emulator:
    ...     calls = xs.fetch_api_calls(session=session, endpoint_url=emulator.url)
    >>> calls[["event_name", "task_id"]].iloc[0].to_list()
    ['CreateExportTask', 'a']

    With the same targets as the tasks::

        api_calls = xs.fetch_api_calls(targets, errors="warn")
        tasks = xs.annotate_tasks(tasks, api_calls)
    """
    question = Question(
        API_CALLS,
        {"MaxResults": _PAGE_SIZE, **_range(start, end)},
        endpoint_url,
        requests_per_second,
        each=_by_name,
    )
    return fetch_table(
        question,
        schema.API_CALLS,
        targets,
        {"region": region},
        errors,
        session=session,
        profile=profile,
        max_workers=max_workers,
        executor=executor,
        progress=progress,
    )


def _by_name(_: object) -> list[dict[str, Any]]:
    """Return what selects the events of each name; a request can select by one attribute only."""
    return [
        {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name}]}
        for name in schema.CALLS
    ]


def _range(
    start: str | date | pd.Period | None, end: str | date | pd.Period | None
) -> dict[str, dt.datetime]:
    """Return the times of the requests, which must be the same for all pages of a list."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    first = None if start is None else instant(start, "start")
    last = now if end is None else instant(end, "end")
    if first is not None and first < now - _REACH:
        raise ArgumentError(
            f"start={first.isoformat()} is more than 90 days ago, and LookupEvents reaches 90 days "
            "back; give a later start, or read the files of a trail with xs.read_api_calls"
        )
    if first is not None and first >= last:
        raise ArgumentError(
            f"start={first.isoformat()} is not before end={last.isoformat()}; swap or change them"
        )
    times = {"StartTime": first, "EndTime": last}
    return {name: time for name, time in times.items() if time is not None}
