"""Read tables from files and archives, in any mixture."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exportstats.archive.kinds import KINDS, NAMES
from exportstats.archive.storage import S3, Storage
from exportstats.core import frames
from exportstats.core.schema import API_CALLS, DELIVERIES, INCOMING, LOG_GROUPS, TASKS, Table
from exportstats.errors import ArchiveError, DamagedFileWarning, ExportStatsError, warn
from exportstats.io.files import read_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd


def read_tasks(
    *paths: Any,  # noqa: ANN401 - paths, lists of them, open files
    account_id: str | None = None,
    region: str | None = None,
    times_in: str | None = None,
    strict: bool = False,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read export tasks from files or archives.

    An archive is its folder, or `s3://bucket/prefix`. The format of a file is detected from the
    content: JSON (the output of `aws logs describe-export-tasks`, one or more pages, a list of
    tasks, or one task per line), CSV, or Parquet. Keys and columns may have AWS's names or ours, in
    any casing, nested, or flat with a dot. Text may be UTF-8 or UTF-16, and compressed with gzip,
    zstandard, bzip2 or xz.

    Parameters
    ----------
    *paths
        Archives, files, lists of files, patterns such as `"exports/**/*.json"`, folders, open
        files, or "-" for standard input. The account and the region are read from folders named
        `account_id=…` and `region=…`, and from names such as `eu-west-1.json`.
    account_id, region
        The account and the region of tasks that have none.
    times_in
        The unit of times that are numbers ("s", "ms", "us", "ns"), or the time zone of times
        without one ("UTC", "Europe/Berlin"). By default numbers are milliseconds since 1970, and
        times need an offset.
    strict
        Raise an error if a row cannot be read. Otherwise such rows are left out and reported in a
        `BadRowsWarning` with their place and reason.
    columns
        The columns to return, in this order; by default all of them. Of an archive and of Parquet,
        only these are read, which is faster, and the values of others are not checked.

    Returns
    -------
    DataFrame
        One table with the tasks of all files and archives, each task once in its latest state.
        Times are `datetime64[ms, UTC]`, durations `timedelta64[ms]`.

    Raises
    ------
    ArgumentError
        No path was given, a file does not exist (also a `FileNotFoundError`), or files may be from
        different regions or accounts.
    FileFormatError
        A file is broken, empty, or has other contents. The text names the file, line and column.
    SchemaError
        There is no such column as one of `columns`.
    BadRowsError
        No row can be read; or, with `strict`, one row cannot be read.

    Warns
    -----
    BadRowsWarning
        Rows were left out, or kept with a changed value.
    UnusedWarning
        Keys are not used, or times look like another unit.
    PartialListWarning
        A list is incomplete: its last page has a token.
    AccountUnknownWarning
        Several files have no region or account.
    DamagedFileWarning
        A file of an archive is damaged; or, of several sources, an archive cannot be read. The
        table has what is in the others.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import exportstats as xs
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "tasks.json")
    ...     _ = file.write_text('{"exportTasks": [{"taskId": "a", "from": 0, "to": 59999}]}')
    ...     tasks = xs.read_tasks(file)
    >>> tasks["window"].iloc[0]
    Timedelta('0 days 00:01:00')
    """
    return _read(TASKS, paths, account_id, region, times_in, strict=strict, columns=columns)


def read_log_groups(
    *paths: Any,  # noqa: ANN401 - as read_tasks
    account_id: str | None = None,
    region: str | None = None,
    times_in: str | None = None,
    strict: bool = False,
) -> pd.DataFrame:
    """Read log groups from archives or files, such as the output of `aws logs describe-log-groups`.

    Parameters, errors and warnings are those of `read_tasks`. The account and the region of a log
    group come from its `arn`, unless it names others. Each log group is kept once.

    Examples
    --------
    >>> import io
    >>> import exportstats as xs
    >>> page = io.StringIO('{"logGroups": [{"logGroupName": "/app", "retentionInDays": 30}]}')
    >>> xs.read_log_groups(page)["retention"].iloc[0]
    Timedelta('30 days 00:00:00')
    """
    return _read(LOG_GROUPS, paths, account_id, region, times_in, strict=strict)


def read_deliveries(
    *paths: Any,  # noqa: ANN401 - as read_tasks
    account_id: str | None = None,
    region: str | None = None,
    times_in: str | None = None,
    strict: bool = False,
) -> pd.DataFrame:
    """Read deliveries from archives, or from files that `write_deliveries` wrote.

    Parameters, errors and warnings are those of `read_tasks`. Each task is kept once.

    Examples
    --------
    >>> import io
    >>> import exportstats as xs
    >>> xs.read_deliveries(io.StringIO('[{"taskId": "a", "objects": 3}]'))["objects"].to_list()
    [3]
    """
    return _read(DELIVERIES, paths, account_id, region, times_in, strict=strict)


def read_api_calls(
    *paths: Any,  # noqa: ANN401 - as read_tasks
    account_id: str | None = None,
    region: str | None = None,
    times_in: str | None = None,
    strict: bool = False,
) -> pd.DataFrame:
    """Read the API calls about export tasks from the files of a trail, or from archives.

    A file is one that CloudTrail delivered (JSON with `Records`, also compressed), the output of
    `aws cloudtrail lookup-events`, or one that `write_api_calls` wrote. A folder may be a copy of
    the trail's folder `AWSLogs` with all that is in it. Only CreateExportTask and CancelExportTask
    of CloudWatch Logs are read; records of other calls and services are skipped. So an empty table
    means that there was no such call in the files. Source addresses and access keys are not kept.

    Parameters, errors and warnings are those of `read_tasks`. Each API call is kept once, even if
    several trails recorded it.

    Examples
    --------
    >>> import io
    >>> import json
    >>> import exportstats as xs
    >>> record = {"eventSource": "logs.amazonaws.com", "eventName": "CreateExportTask",
    ...           "eventTime": "2026-11-23T06:00:00Z", "eventID": "e-1",
    ...           "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ann"},
    ...           "requestParameters": {"logGroupName": "/app", "from": 0, "to": 86399999},
    ...           "errorCode": "LimitExceededException"}
    >>> api_calls = xs.read_api_calls(io.StringIO(json.dumps({"Records": [record]})))
    >>> api_calls[["log_group_name", "error_code", "principal"]].iloc[0].to_list()
    ['/app', 'LimitExceededException', 'arn:aws:iam::123456789012:user/ann']
    """
    return _read(API_CALLS, paths, account_id, region, times_in, strict=strict)


def read_incoming(
    *paths: Any,  # noqa: ANN401 - as read_tasks
    account_id: str | None = None,
    region: str | None = None,
    times_in: str | None = None,
    strict: bool = False,
) -> pd.DataFrame:
    """Read what log groups took in from archives, or from files that `write_incoming` wrote.

    Parameters, errors and warnings are those of `read_tasks`. Each period of a log group is kept
    once, as it was last observed.

    Examples
    --------
    >>> import io
    >>> import exportstats as xs
    >>> row = '{"logGroupName": "/app", "start": 0, "periodInSeconds": 3600, "incomingBytes": 9}'
    >>> xs.read_incoming(io.StringIO(row))["incoming_bytes"].to_list()
    [9]
    """
    return _read(INCOMING, paths, account_id, region, times_in, strict=strict)


def is_archive(path: object) -> bool:
    """Return whether a path is the address of an archive."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        return False
    if str(path).startswith(S3):
        return True
    try:
        folder = Path(str(path)).expanduser()
        return any((folder / name / "_delta_log").is_dir() for name in KINDS)
    except (OSError, ValueError, RuntimeError):  # reading it says what is wrong
        return False


def is_readable(path: str) -> bool:
    """Return whether the tasks of an archive can be read; reading them says why not."""
    from exportstats.archive.delta import Store  # noqa: PLC0415 - not needed for files

    try:
        with warnings.catch_warnings(action="ignore"):
            Store(Storage(path, None), TASKS).snapshot()
    except ExportStatsError:
        return False
    return True


def _read(
    kind: Table,
    paths: Iterable[Any],
    *how: str | None,
    strict: bool,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read archives and files, and combine what is in them."""
    if columns is not None:
        frames.check_columns(columns)
    given = [*_flat(paths)]
    archives = [path for path in given if is_archive(path)]
    files = [path for path in given if not is_archive(path)]
    if not archives:
        rows = read_files(kind, files, *how, strict=strict, columns=columns)
    else:
        from exportstats.archive.archive import Archive  # noqa: PLC0415 - not needed for files
        from exportstats.archive.delta import damages  # noqa: PLC0415 - the same

        of, kept = NAMES[kind], [Archive(path) for path in dict.fromkeys(archives)]
        if columns is not None and not files and len(kept) == 1:
            return kept[0].tasks(columns=columns)
        tables, unread = [], []
        for archive in kept:
            try:
                tables.append(archive.table(of))
            except ArchiveError as error:
                unread.append((archive, error))
        if files:
            tables.append(read_files(kind, files, *how, strict=strict))
        if not tables:
            raise unread[0][1]
        for archive, why in unread:
            lacking = damages([(archive.uri, None, None, str(why))])
            warn(DamagedFileWarning(f"history could not be read: {why}", lacking))
        rows = tables[0] if len(tables) == 1 else frames.concat(tables, of=of)
    if columns is None:
        return rows
    frames.check_columns(columns, rows.columns)
    return rows[[*columns]]


def _flat(paths: Iterable[Any]) -> Iterator[Any]:
    for path in paths:
        if isinstance(path, (list, tuple)):
            yield from _flat(path)
        else:
            yield path
