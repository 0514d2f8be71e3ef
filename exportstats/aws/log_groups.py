"""The door to log groups: what there is to export, since when, and how long it is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pandas as pd

from exportstats.aws.client import Operation, check_rate
from exportstats.aws.fleet import load_targets
from exportstats.aws.load import Question
from exportstats.aws.outcome import check_errors, judge, warn_of_unknown_accounts
from exportstats.aws.targets import check_targets
from exportstats.core import schema, side_tables
from exportstats.errors import ArgumentError, FileFormatError
from exportstats.io.source import open_source

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Executor

    import boto3

    from exportstats.aws.targets import Target
    from exportstats.io.records import Page

_Row: TypeAlias = tuple[Any, ...]  # the columns of side_tables.LOG_GROUPS

_PAGE_SIZE = 50
_LONG = 5  # an ARN has more parts: arn:aws:logs:region:account:log-group:name
_DAY = pd.Timedelta(days=1)
_LONGEST_DAYS = 36_600  # a hundred years; the service's own most is ten


def _read_pages(pages: Sequence[Page], first: int) -> list[_Row]:
    """Read answers, page after page; `first` is the number of the first one."""
    return [
        _row(group, f"page {number}, log group {at}", observed_at=page.observed_at)
        for number, page in enumerate(pages, first)
        for at, group in enumerate(_log_groups_of(page.body), 1)
    ]


def _log_groups_of(body: bytes | Sequence[Any]) -> Sequence[Any]:
    return (json.loads(body).get("logGroups") or []) if isinstance(body, bytes) else body


LOG_GROUPS = Operation(
    "DescribeLogGroups", "describe_log_groups", "logGroups", "log groups", _read_pages
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
    """Fetch the log groups of one account and region or of many, with their retention.

    Needs the permission `logs:DescribeLogGroups`. Loads as `fetch_tasks` does: the same targets,
    pace, retries and care.

    Parameters
    ----------
    targets, session, profile, region, endpoint_url
        As for `fetch_tasks`.
    requests_per_second, max_workers, executor, errors, progress
        As for `fetch_tasks`.

    Returns
    -------
    DataFrame
        One row a log group: `account_id`, `region`, `log_group_name`, `creation_time` (UTC),
        `retention` (`timedelta64[ms]`, missing where events are kept for ever), `stored_bytes`,
        `log_group_class`, `observed_at` (UTC).

    Raises
    ------
    ArgumentError
        An argument that cannot be meant; nothing was asked.
    LoadError
        A list could not be read to its end; `.arrived` has all that came, `.failures` a row
        a target that failed.
    LoadInterrupted
        Ctrl-C; carries the same.

    Examples
    --------
    With the same targets as the tasks::

        targets = xs.find_targets(regions="all", role_name="audit")
        log_groups = xs.fetch_log_groups(targets, errors="warn")
        gaps = xs.find_gaps(tasks, start=start, end=end, log_groups=log_groups)
    """
    check_rate(requests_per_second)
    check_errors(errors)
    question = Question(LOG_GROUPS, {"limit": _PAGE_SIZE}, endpoint_url, requests_per_second)
    loads = load_targets(
        check_targets(targets, region=region),
        question,
        session=session,
        profile=profile,
        max_workers=max_workers,
        executor=executor,
        progress=progress,
    )
    if targets is None and loads[0].refused:
        raise ArgumentError(str(loads[0].fault)) from loads[0].cause
    log_groups = _to_table(
        (load.account_id, load.region, *row[2:]) for load in loads for row in load.arrived.parts
    )
    warn_of_unknown_accounts(loads, log_groups)
    return judge(loads, log_groups, errors)


def read_log_groups(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read log groups from a file of JSON.

    Parameters
    ----------
    path
        What `aws logs describe-log-groups` prints, or a list of log groups; "-" for standard
        input. `accountId`, `region` and `observedAt` (milliseconds) may stand beside what AWS says
        of a log group; without them the account is that of its `arn`, and so is the region.

    Returns
    -------
    DataFrame
        As `fetch_log_groups` gives it; a log group that stands there twice is kept once.

    Raises
    ------
    FileFormatError
        It is no JSON of log groups; the text says where.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "log-groups.json")
    ...     _ = file.write_text('{"logGroups": [{"logGroupName": "/app", "retentionInDays": 30}]}')
    ...     read_log_groups(file)["retention"].iloc[0]
    Timedelta('30 days 00:00:00')
    """
    with open_source(str(path)) as source:
        while not source.ended:
            source.fill(2 * max(len(source.data), 1))
        try:
            found = json.loads(bytes(source.data[source.at :]).decode())
        except json.JSONDecodeError as fault:
            raise FileFormatError(
                f"{source.name}, line {fault.lineno}, column {fault.colno}: not JSON: {fault.msg}"
            ) from fault
        except (ValueError, RecursionError) as fault:
            raise FileFormatError(f"{source.name}: not JSON that can be read: {fault}") from fault
        groups = found.get("logGroups") if isinstance(found, dict) else found
        if not isinstance(groups, list):
            raise FileFormatError(
                f"{source.name}: there is no list of log groups in it; "
                "give what `aws logs describe-log-groups --output json` prints"
            )
        return _to_table(
            _row(group, f"{source.name}, log group {at}") for at, group in enumerate(groups, 1)
        )


def _to_table(rows: Iterable[_Row]) -> pd.DataFrame:
    table = side_tables.make(rows, side_tables.LOG_GROUPS)
    # a list that moves while one pages can give one twice
    return table.drop_duplicates(list(schema.LOG_GROUP), keep="last", ignore_index=True)


def _row(group: Any, place: str, observed_at: int | None = None) -> _Row:  # noqa: ANN401 - what JSON can hold
    """Make a row of a log group as AWS has it.

    Raises
    ------
    FileFormatError
        It is none; the text says where it stands.
    """
    try:
        arn = str(group.get("arn")).split(":")
        region, account_id = arn[3:5] if len(arn) > _LONG else (None, None)
        return (
            _text(group.get("accountId", account_id)),
            _text(group.get("region", region)),
            group["logGroupName"] + "",
            side_tables.time_of(_whole(group.get("creationTime"))),
            _days(group.get("retentionInDays")),
            _whole(group.get("storedBytes")),
            _text(group.get("logGroupClass")),
            side_tables.time_of(_whole(group.get("observedAt", observed_at))),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        shown = json.dumps(group)[:80]
        raise FileFormatError(
            f"{place}: {shown} is no log group as AWS gives it; take it out"
        ) from fault


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise TypeError
    return value


def _days(value: object) -> pd.Timedelta | None:
    days = _whole(value)
    if days is not None and not 0 < days <= _LONGEST_DAYS:
        raise ValueError
    return None if days is None else days * _DAY
