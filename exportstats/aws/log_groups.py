"""Fetch log groups and their retention from AWS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from exportstats.aws.client import Operation
from exportstats.aws.load import Question
from exportstats.aws.outcome import fetch_table
from exportstats.core import schema
from exportstats.io.json_text import read_pages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor

    import boto3
    import pandas as pd

    from exportstats.aws.targets import Target

_PAGE_SIZE = 50
LOG_GROUPS = Operation(
    "DescribeLogGroups",
    "describe_log_groups",
    "logGroups",
    "log groups",
    partial(read_pages, kind=schema.LOG_GROUPS),
)


def fetch_log_groups(  # noqa: PLR0913 - as fetch_tasks has them
    targets: Iterable[Target] | None = None,
    *,
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
    """Fetch the log groups of one or many accounts and regions, with their retention.

    Needs the permission `logs:DescribeLogGroups`. Targets, rate limit and retries are those of
    `fetch_tasks`.

    Parameters
    ----------
    targets, session, profile, region, endpoint_url
        As for `fetch_tasks`.
    requests_per_second, max_workers, executor, errors, progress
        As for `fetch_tasks`.

    Returns
    -------
    DataFrame
        One row per log group: `account_id`, `region`, `log_group_name`, `creation_time` (UTC),
        `retention` (`timedelta64[ms]`, missing if events never expire), `retention_policy_name`
        (missing unless a policy of the account sets the retention), `stored_bytes`,
        `log_group_class`, `observed_at` (UTC).

    Raises
    ------
    ArgumentError
        An argument is not valid; nothing was requested.
    LoadError
        A list could not be read to its end. `.arrived` has all that arrived, and `.failures` one
        row per failed target.
    LoadInterrupted
        Ctrl-C was pressed; it has the same attributes.

    Examples
    --------
    >>> import boto3
    >>> import exportstats as xs
    >>> from exportstats.emulator import Emulator
    >>> session = boto3.Session("123456789012", "made-up", region_name="eu-west-1")
    >>> log_group = {"logGroupName": "acme/api", "retentionInDays": 30, "region": "eu-west-1"}
    >>> with Emulator(log_groups=[log_group]) as emulator:
    ...     log_groups = xs.fetch_log_groups(session=session, endpoint_url=emulator.url)
    >>> log_groups["retention"].iloc[0]
    Timedelta('30 days 00:00:00')

    With the same targets as the tasks::

        targets = xs.fetch_targets(regions="all", role_name="audit")
        log_groups = xs.fetch_log_groups(targets, errors="warn")
        gaps = xs.find_gaps(tasks, start=start, end=end, log_groups=log_groups)
    """
    question = Question(LOG_GROUPS, {"limit": _PAGE_SIZE}, endpoint_url, requests_per_second)
    return fetch_table(
        question,
        schema.LOG_GROUPS,
        targets,
        {"region": region},
        errors,
        session=session,
        profile=profile,
        max_workers=max_workers,
        executor=executor,
        progress=progress,
    )
