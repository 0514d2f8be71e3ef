"""The door to live AWS: page through DescribeExportTasks into a table of tasks."""

from __future__ import annotations

import sys
import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import pandas as pd
from tqdm.auto import tqdm

from exportstats import records, schema
from exportstats.errors import (
    AccountUnknownWarning,
    ArgumentError,
    LoadError,
    LoadInterrupted,
    LoadWarning,
)
from exportstats.loaders.client import check_rate, make_session
from exportstats.loaders.faults import ASKING, explain
from exportstats.loaders.fleet import load_all, load_on
from exportstats.loaders.load import Question
from exportstats.loaders.targets import Sessions, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Executor

    import boto3

    from exportstats.loaders.load import Load

PAGE_SIZE = 50
_LONGEST_TASK_ID = 512
_FAILURE_DTYPES = {
    "account_id": "str",
    "region": "str",
    "profile": "str",
    "role_arn": "str",
    "reason": "str",
    "remedy": "str",
    "tasks": "int64",
    "next_token": "str",
}


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
    requests_per_second: float | Literal["quota"] | None = "quota",
    max_workers: int | None = None,
    executor: Executor | None = None,
    errors: Literal["raise", "warn"] = "raise",
    progress: bool | None = None,
) -> pd.DataFrame:
    """Fetch every export task that CloudWatch Logs lists, of one account and region or of many.

    Needs the permission `logs:DescribeExportTasks` on `"*"`, and asks
    `sts:GetCallerIdentity`, which needs none, for an account's number that is not known.

    Parameters
    ----------
    targets
        Accounts and regions, as `find_targets` finds them; without any, those of the session.
    session
        A boto3 session; without it one is made of `profile`, or of what the environment says. Its
        credentials assume the targets' roles.
    profile, region, endpoint_url
        As boto3 has them; `region` is for loading without `targets`.
    status
        Only tasks in this state, such as "FAILED".
    task_id
        Only this task. An identifier that the service does not know gives an empty table.
    limit
        Tasks a page, 1 to 50.
    next_token
        Where to go on, as a `LoadError` carries it. A token lives for 24 hours.
    requests_per_second
        The pace for each target. "quota" keeps to the service's own 5 a second for an account and
        region, and to none where the endpoint is not AWS's; None is no limit.
    max_workers
        How many targets at once, each in a thread; 64 at most by default.
    executor
        Load on this executor instead: on processes, or on other machines.
    errors
        What to do when some of the `targets` fail: "raise" a `LoadError` that carries the tasks of
        the others, or "warn" and give them.
    progress
        Whether to show a bar; by default in a terminal and in a notebook only.

    Returns
    -------
    DataFrame
        A table of tasks, target by target, newest first, each task once in its latest state.
        `observed_at` is the service's own clock. `account_id` is missing, with an
        `AccountUnknownWarning`, where STS would not tell it.

    Raises
    ------
    ArgumentError
        An argument that cannot be meant or that the service would refuse; nothing was asked.
    LoadError
        A list could not be read to its end. `.tasks` has all that arrived, `.failures` a row a
        target that failed, with reason, remedy and where to go on.
    LoadInterrupted
        Ctrl-C; carries the same.

    Examples
    --------
    >>> import boto3
    >>> from exportstats.emulator import Emulator
    >>> session = boto3.Session("123456789012", "made-up", region_name="eu-west-1")
    >>> task = {"taskId": "a", "region": "eu-west-1", "executionInfo": {"creationTime": 0}}
    >>> with Emulator([task]) as emulator:
    ...     tasks = fetch_tasks(session=session, endpoint_url=emulator.url)
    >>> tasks[["account_id", "region", "task_id"]].iloc[0].to_list()
    ['123456789012', 'eu-west-1', 'a']
    """
    request = make_request(status=status, task_id=task_id, limit=limit, next_token=next_token)
    check_rate(requests_per_second)
    question = Question(request, endpoint_url, requests_per_second)
    wanted = [Target(region=region)] if targets is None else _checked(targets, region, next_token)
    if errors not in ("raise", "warn"):
        raise ArgumentError(f'errors={errors!r}; give "raise" or "warn"')
    if max_workers is not None and max_workers not in range(1, 1025):
        raise ArgumentError(f"max_workers={max_workers!r}; give a whole number from 1 to 1024")
    if executor is not None and session is not None:
        raise ArgumentError(
            "a session cannot travel to an executor's workers; give profile=, or targets with "
            "profiles, and leave out session"
        )
    with _Bar(shown=progress, targets=len(wanted)) as bar:
        if executor is None:
            try:
                sessions = Sessions(make_session(session, profile, None))
            except ASKING as error:
                raise LoadError(str(explain(error)), tasks=schema.empty()) from error
            loads = load_all(wanted, question, sessions, max_workers=max_workers, look=bar.look)
        else:
            loads = load_on(executor, wanted, question, profile, look=bar.look)
    if targets is None and loads[0].refused:
        raise ArgumentError(str(loads[0].fault)) from loads[0].cause
    tasks = records.to_table(
        part.filled(account_id=load.account_id, region=load.region)
        for load in loads
        for part in load.arrived.rows
    )
    unknown = [load.unknown for load in loads if load.unknown and load.arrived.pages]
    if unknown and len(tasks):
        warnings.warn(AccountUnknownWarning(unknown[0]), stacklevel=2)
    return _judged(loads, tasks, errors)


def _judged(
    loads: list[Load], tasks: pd.DataFrame, errors: Literal["raise", "warn"]
) -> pd.DataFrame:
    """Give the tasks if all went well, else raise or warn with all that is known."""
    failed = [load for load in loads if load.fault is not None]
    if not failed:
        return tasks
    first = failed[0]
    arrived = f"({len(tasks):,} tasks arrived)"
    if len(loads) == 1:
        message = f"{_place(first)}{first.fault} {arrived}"
    else:
        reasons = "; ".join(f"{load.target}: {_brief(load)}" for load in failed[:3])
        more = f"; and {len(failed) - 3:,} more, see .failures" if len(failed) > 3 else ""  # noqa: PLR2004
        message = f"{len(failed):,} of {len(loads):,} targets failed {arrived}: {reasons}{more}"
    found = failures_of(failed)
    token = first.next_token if len(loads) == 1 else None
    if any(load.interrupted for load in loads):
        raise LoadInterrupted(message, tasks=tasks, next_token=token, failures=found)
    if errors == "warn":
        warnings.warn(LoadWarning(message, found), stacklevel=3)
        return tasks
    raise LoadError(message, tasks=tasks, next_token=token, failures=found) from first.cause


def failures_of(failed: Iterable[Load]) -> pd.DataFrame:
    """Make the table of what failed: a row a target, with what an engineer needs to act."""
    rows = [
        (
            load.account_id or load.target.account_id,
            load.region or load.target.region,
            load.target.profile,
            load.target.role_arn,
            *load.fault,
            load.tasks,
            load.next_token,
        )
        for load in failed
        if load.fault is not None
    ]
    return pd.DataFrame(rows, columns=list(_FAILURE_DTYPES)).astype(_FAILURE_DTYPES)


def _place(load: Load) -> str:
    """Say where a load stopped, if it got anywhere."""
    if load.region is None:
        return ""
    return f"page {load.arrived.pages + 1} of {load.account_id or 'the account'} in {load.region}: "


def _brief(load: Load) -> str:
    reason = load.fault.reason if load.fault else ""
    return reason.partition(":")[0]


def _checked(targets: Iterable[Target], region: str | None, next_token: str | None) -> list[Target]:
    """Check the targets, each wanted once."""
    wanted = list(dict.fromkeys(targets))
    for target in wanted:
        if not isinstance(target, Target):
            raise ArgumentError(f"{target!r} is no target; give xs.Target(account_id, region, ...)")
    if not wanted:
        raise ArgumentError("there are no targets; xs.find_targets finds some")
    for name, value in (("region", region), ("next_token", next_token)):
        if value is not None:
            raise ArgumentError(f"{name}={value!r} is for loading without targets; leave one out")
    return wanted


def make_request(
    *, status: str | None, task_id: str | None, limit: int, next_token: str | None
) -> dict[str, Any]:
    """Make the request's parameters, refusing what the service would refuse.

    Raises
    ------
    ArgumentError
        It names the argument, its value and what may stand there.
    """
    state = schema.STATE_ALIASES.get(status, status) if isinstance(status, str) else status
    if state is not None and state not in schema.STATES:
        raise ArgumentError(f"status={status!r}; give one of {', '.join(schema.STATES)}")
    if task_id is not None and not _is_text(task_id, _LONGEST_TASK_ID):
        raise ArgumentError(
            f"task_id={task_id!r}; give a text of 1 to {_LONGEST_TASK_ID} characters"
        )
    if not _is_whole(limit) or limit not in range(1, PAGE_SIZE + 1):
        raise ArgumentError(f"limit={limit!r}; give a whole number from 1 to {PAGE_SIZE}")
    if next_token is not None and not _is_text(next_token):
        raise ArgumentError(f"next_token={next_token!r}; give the token that a LoadError carries")
    asked = {"limit": int(limit), "statusCode": state, "taskId": task_id, "nextToken": next_token}
    return {name: value for name, value in asked.items() if value is not None}


def _is_text(value: object, longest: int = sys.maxsize) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


class _Bar:
    """The progress of loads: tasks so far and their rate, and of many targets how many are done."""

    def __init__(self, *, shown: bool | None, targets: int) -> None:
        self._targets = targets
        shown = _is_watched() if shown is None else shown
        self._bar = tqdm(desc="export tasks", unit=" tasks", disable=not shown)

    def __enter__(self) -> Self:
        """Show it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it as it is at the end."""
        self._bar.close()

    def look(self, loads: Sequence[Load]) -> None:
        """Show how far some loads are."""
        if self._targets > 1:
            failed = sum(load.fault is not None for load in loads)
            ended = sum(load.ended for load in loads)
            self._bar.set_postfix_str(
                f"{ended} of {self._targets} targets, {failed} failed", refresh=False
            )
        else:
            where = loads[0].region or ""
            self._bar.set_description_str(f"export tasks {where}".strip(), refresh=False)
        self._bar.update(sum(load.tasks for load in loads) - self._bar.n)
        self._bar.refresh()


def _is_watched() -> bool:
    """Tell whether somebody looks at what is written: in a terminal or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
