"""The door to live AWS: page through DescribeExportTasks into a table of tasks."""

from __future__ import annotations

import sys
import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from botocore.config import Config
from botocore.parsers import ResponseParserError
from tqdm.auto import tqdm

from exportstats import records, schema
from exportstats.errors import AccountUnknownWarning, ArgumentError, LoadError, LoadInterrupted
from exportstats.loaders.client import ask, check_credentials, is_aws, make_client, make_session
from exportstats.loaders.faults import ASKING, RepeatedTokenError, explain, token_is_dead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import boto3
    import pandas as pd

PAGE_SIZE = 50
_LONGEST_TASK_ID = 512


def fetch_tasks(  # noqa: PLR0913 - each is a parameter of boto3 or of the API
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
    progress: bool | None = None,
) -> pd.DataFrame:
    """Fetch every export task of an account and region that CloudWatch Logs lists.

    Needs the permission `logs:DescribeExportTasks` on `"*"`, and asks
    `sts:GetCallerIdentity`, which needs none, for the account's number.

    Parameters
    ----------
    session
        A boto3 session; without it one is made of `profile`, or of what the environment says.
    profile, region, endpoint_url
        As boto3 has them.
    status
        Only tasks in this state, such as "FAILED".
    task_id
        Only this task. An identifier that the service does not know gives an empty table.
    limit
        Tasks a page, 1 to 50.
    next_token
        Where to go on, as a `LoadError` carries it. A token lives for 24 hours.
    requests_per_second
        The pace. "quota" keeps to the service's own 5 a second for an account and region, and
        to none where the endpoint is not AWS's; None is no limit.
    progress
        Whether to show a bar; by default in a terminal and in a notebook only.

    Returns
    -------
    DataFrame
        A table of tasks, newest first, each task once in its latest state. `observed_at` is the
        service's own clock. `account_id` is missing, with an `AccountUnknownWarning`, where STS
        would not tell it.

    Raises
    ------
    ArgumentError
        An argument that the service would refuse; nothing was asked.
    LoadError
        The list could not be read to its end. `.tasks` has what arrived, `.next_token` says where
        to go on.
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
    try:
        session = make_session(session, profile, region)
        check_credentials(session)
        client = make_client(
            session,
            region=region,
            endpoint_url=endpoint_url,
            requests_per_second=requests_per_second,
        )
    except ArgumentError:
        raise
    except ValueError as error:  # boto3's own for a URL or a region's name that is none
        raise ArgumentError(str(explain(error))) from error
    except ASKING as error:
        raise LoadError(str(explain(error)), tasks=schema.empty()) from error
    account_id, unknown = find_account(session, client)
    region = client.meta.region_name
    with tqdm(
        desc=f"export tasks {region}",
        unit=" tasks",
        disable=not (_is_watched() if progress is None else progress),
    ) as bar:
        outcome = page_through(client, request, bar.update)
    rows = records.read_pages(outcome.pages)
    tasks = records.to_table(part.filled(account_id=account_id, region=region) for part in rows)
    if unknown and len(tasks):
        warnings.warn(AccountUnknownWarning(unknown), stacklevel=2)
    if outcome.stop is None:
        return tasks
    kind = LoadInterrupted if isinstance(outcome.stop, KeyboardInterrupt) else LoadError
    place = f"page {len(outcome.pages) + 1} of {account_id or 'the account'} in {region}"
    raise kind(
        f"{place}: {explain(outcome.stop)} ({len(tasks):,} tasks arrived)",
        tasks=tasks,
        next_token=outcome.next_token,
    ) from outcome.stop


class Outcome(NamedTuple):
    """The answers that came, and what ended them other than the end of the list."""

    pages: list[records.Page]
    stop: BaseException | None
    next_token: str | None


def page_through(
    client: Any,  # noqa: ANN401 - boto3 makes its clients' classes at run time
    request: Mapping[str, Any],
    on_page: Callable[[int], object],
) -> Outcome:
    """Ask for page after page to the end of the list, or as far as it goes."""
    pages: list[records.Page] = []
    token = request.get("nextToken")
    used = {token}
    try:
        while True:
            answer = ask(client, request if token is None else {**request, "nextToken": token})
            pages.append(answer.page)
            on_page(answer.tasks)
            if not answer.next_token:
                return Outcome(pages, None, None)
            if answer.next_token in used:
                again = "came back unchanged" if answer.next_token == token else "was used before"
                return Outcome(pages, RepeatedTokenError(f"the next token {again}"), None)
            token = answer.next_token
            used.add(token)
    except (*ASKING, KeyboardInterrupt) as stop:
        return Outcome(pages, stop, None if token_is_dead(stop) else token)


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
    whole = isinstance(limit, Integral) and not isinstance(limit, bool)
    if not whole or limit not in range(1, PAGE_SIZE + 1):
        raise ArgumentError(f"limit={limit!r}; give a whole number from 1 to {PAGE_SIZE}")
    if next_token is not None and not _is_text(next_token):
        raise ArgumentError(f"next_token={next_token!r}; give the token that a LoadError carries")
    asked = {"limit": int(limit), "statusCode": state, "taskId": task_id, "nextToken": next_token}
    return {name: value for name, value in asked.items() if value is not None}


def find_account(session: boto3.Session, client: Any) -> tuple[str | None, str]:  # noqa: ANN401 - boto3's client
    """Ask STS whose credentials these are.

    Returns
    -------
    account_id, reason
        The number, or None and the reason why it could not be had.
    """
    # A look-alike is asked for the account too: its credentials are no business of AWS's.
    elsewhere = client.meta.endpoint_url
    try:
        sts = session.client(
            "sts",
            region_name=client.meta.region_name,
            endpoint_url=None if is_aws(session, elsewhere) else elsewhere,
            # it is a detail: a network that has no way to STS shall not hold up the tasks
            config=Config(
                connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 1}
            ),
        )
        return str(sts.get_caller_identity()["Account"]), ""
    except (*ASKING, KeyError, ValueError, ResponseParserError) as error:
        return None, f"account_id is missing: STS would not tell it ({explain(error).reason})"


def _is_text(value: object, longest: int = sys.maxsize) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest


def _is_watched() -> bool:
    """Tell whether somebody looks at what is written: in a terminal or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
