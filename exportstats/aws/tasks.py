"""Fetch a table of tasks from AWS with DescribeExportTasks."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from exportstats.aws.client import Operation
from exportstats.aws.load import Question
from exportstats.aws.outcome import fetch_table
from exportstats.core import schema
from exportstats.core.coerce import is_whole
from exportstats.errors import ArgumentError
from exportstats.io.json_text import read_pages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor

    import boto3
    import pandas as pd

    from exportstats.aws.targets import Target

PAGE_SIZE = 50
_LONGEST_TASK_ID = 512
TASKS = Operation(
    "DescribeExportTasks",
    "describe_export_tasks",
    "exportTasks",
    "export tasks",
    partial(read_pages, kind=schema.TASKS),
)


def fetch_tasks(  # noqa: PLR0913 - each is a parameter of boto3, of the API, or of how to load
    targets: Iterable[Target] | None = None,
    *,
    session: boto3.Session | None = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    status: str | None = None,
    task_id: str | None = None,
    limit: int = PAGE_SIZE,
    next_token: str | None = None,
    max_pages: int | None = None,
    requests_per_second: float | Literal["quota"] | None = "quota",
    max_workers: int | None = None,
    executor: Executor | None = None,
    errors: Literal["raise", "warn"] = "raise",
    progress: bool | None = None,
) -> pd.DataFrame:
    """Fetch the export tasks of one or many accounts and regions.

    Needs the permission `logs:DescribeExportTasks` on `"*"`. A missing account ID is requested with
    `sts:GetCallerIdentity`, which needs no permission.

    Parameters
    ----------
    targets
        Accounts and regions, for example from `fetch_targets`; by default those of the session.
    session
        A boto3 session; by default one for `profile`, or for the environment. Its credentials are
        used to assume the targets' roles.
    profile, region, endpoint_url
        As in boto3; `region` cannot be used with `targets`.
    status
        Only tasks in this state, such as "FAILED".
    task_id
        Only this task. The table is empty if there is no such task.
    limit
        Tasks per page, 1 to 50.
    next_token
        The token to continue from, from a `LoadError`. A token is valid for 24 hours.
    max_pages
        The most pages to load per target; by default all. The newest tasks come first.
    requests_per_second
        The rate limit for each target. "quota" is the service's own limit, 5 per second for an
        account and region, or no limit if the endpoint is not AWS's; None is no limit.
    max_workers
        How many targets to load at once, each in a thread; by default at most 64. With an executor,
        as many in each of its calls.
    executor
        A `concurrent.futures.Executor`, such as that of Dask or a `RayExecutor`. Its workers load
        the targets, with the credentials that they find themselves.
    errors
        What to do if some of the `targets` fail: "raise" a `LoadError` that carries the tasks of
        the others, or "warn" and return them.
    progress
        Whether to show a progress bar; by default only in a terminal or a notebook.

    Returns
    -------
    DataFrame
        A table of tasks (docs/schema.md), target by target, newest first, each task once in its
        latest state.
        `observed_at` is the time of the service's clock. If STS did not return the account,
        `account_id` is missing, with an `AccountUnknownWarning`.

    Raises
    ------
    ArgumentError
        An argument is not valid, or the service would refuse it; nothing was requested.
    LoadError
        A list could not be read to its end. `.tasks` has all that arrived, and `.failures` one row
        per failed target with the reason, the remedy and the token to continue from. The limits are
        100,000 pages or 400 consecutive empty pages per list, and 20 s or 64 MiB per answer.
    LoadInterrupted
        Ctrl-C was pressed; it has the same attributes.

    Examples
    --------
    >>> import boto3
    >>> import exportstats as xs
    >>> from exportstats.emulator import Emulator
    >>> session = boto3.Session("123456789012", "made-up", region_name="eu-west-1")
    >>> task = {"taskId": "a", "region": "eu-west-1", "executionInfo": {"creationTime": 0}}
    >>> with Emulator([task]) as emulator:
    ...     tasks = xs.fetch_tasks(session=session, endpoint_url=emulator.url)
    >>> tasks[["account_id", "region", "task_id"]].iloc[0].to_list()
    ['123456789012', 'eu-west-1', 'a']
    """
    request = make_request(status=status, task_id=task_id, limit=limit, next_token=next_token)
    if max_pages is not None and not (is_whole(max_pages) and max_pages >= 1):
        raise ArgumentError(f"max_pages={max_pages!r}; give a whole number of at least 1")
    question = Question(TASKS, request, endpoint_url, requests_per_second, max_pages)
    return fetch_table(
        question,
        schema.TASKS,
        targets,
        {"region": region, "next_token": next_token},
        errors,
        session=session,
        profile=profile,
        max_workers=max_workers,
        executor=executor,
        progress=progress,
    )


def make_request(
    *, status: str | None, task_id: str | None, limit: int, next_token: str | None
) -> dict[str, Any]:
    """Return the parameters of the request; refuse what the service would refuse."""
    state = schema.state_of(status) if isinstance(status, str) else status
    if state is not None and state not in schema.STATES:
        raise ArgumentError(f"status={status!r}; give one of {', '.join(schema.STATES)}")
    if task_id is not None and not _is_text(task_id, _LONGEST_TASK_ID):
        raise ArgumentError(f"task_id={task_id!r}; give text of 1 to {_LONGEST_TASK_ID} characters")
    if not is_whole(limit) or limit not in range(1, PAGE_SIZE + 1):
        raise ArgumentError(f"limit={limit!r}; give a whole number from 1 to {PAGE_SIZE}")
    if next_token is not None and not _is_text(next_token):
        raise ArgumentError(f"next_token={next_token!r}; give the token of a LoadError")
    asked = {"limit": int(limit), "statusCode": state, "taskId": task_id, "nextToken": next_token}
    return {name: value for name, value in asked.items() if value is not None}


def _is_text(value: object, longest: int = sys.maxsize) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest and value.isprintable()
