"""The synthetic sample: a year of export tasks of two made-up accounts, and what is beside them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exportstats.core.schema import API_CALLS, DELIVERIES, INCOMING, LOG_GROUPS, TASKS
from exportstats.io.files import read_files

if TYPE_CHECKING:
    import pandas as pd

_SIZE = 1_000_000
_STREAMS = ("blue/1", "blue/2", "green/1", "green/2")  # of each log group
_PACKAGE = Path(__file__).parents[1]


def sample_tasks() -> pd.DataFrame:
    """Return the synthetic sample: about 6,000 made-up tasks in all states, with planted problems.

    The tasks are from two accounts in three regions. They were created from 2025-11-24 on and
    observed at 2026-11-23T06:00Z. `data/README.md` describes the planted problems.

    Returns
    -------
    DataFrame
        A table of tasks.

    Examples
    --------
    >>> import exportstats as xs
    >>> tasks = xs.sample_tasks()
    >>> tasks["account_id"].nunique(), tasks["status_code"].nunique()
    (2, 6)
    """
    return read_files(TASKS, [folder() / "tasks.jsonl.gz"])


def sample_log_groups() -> pd.DataFrame:
    """Return the log groups of the synthetic sample, including those that were never exported.

    Returns
    -------
    DataFrame
        A table of log groups.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_log_groups()["retention"].max()
    Timedelta('731 days 00:00:00')
    """
    return read_files(LOG_GROUPS, [folder() / "log_groups.json"])


def sample_api_calls() -> pd.DataFrame:
    """Return the API calls of the last twelve weeks of the synthetic sample, refused ones included.

    They are from 2026-08-31 on. Each task that was created since then has its call.

    Returns
    -------
    DataFrame
        A table of API calls.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_api_calls()["error_code"].value_counts().to_dict()
    {'LimitExceededException': 65, 'AccessDenied': 3}
    """
    return read_files(API_CALLS, [folder() / "api_calls.jsonl.gz"])


def sample_incoming() -> pd.DataFrame:
    """Return what the log groups of the synthetic sample took in, in each hour since 2026-08-31.

    Returns
    -------
    DataFrame
        A table of incoming data.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_incoming()["period"].unique()
    <TimedeltaArray>
    ['0 days 01:00:00']
    Length: 1, dtype: timedelta64[ms]
    """
    return read_files(INCOMING, [folder() / "incoming.csv.gz"])


def sample_deliveries() -> pd.DataFrame:
    """Return what the tasks of the synthetic sample that were created since 2026-08-31 left in S3.

    Returns
    -------
    DataFrame
        A table of deliveries.

    Examples
    --------
    >>> import exportstats as xs
    >>> xs.sample_deliveries()["delivered"].value_counts().to_dict()
    {'yes': 1361, 'partial': 10, 'empty': 1, 'gone': 1}
    """
    return read_files(DELIVERIES, [folder() / "deliveries.jsonl.gz"])


def recorded_calls() -> list[dict[str, Any]]:
    """Return the API calls of the sample as CloudTrail records them, for the emulator."""
    with gzip.open(folder() / "api_calls.jsonl.gz") as lines:
        return [json.loads(line) for line in lines]


def recorded_streams(log_groups: list[dict[str, Any]], now: int) -> list[dict[str, Any]]:
    """Return the log streams of log groups of the sample, for the emulator.

    Each has had events from the creation of the log group until `now`, in milliseconds.
    """
    kept = ("accountId", "region", "logGroupName", "creationTime")
    return [
        {name: group[name] for name in kept if name in group}
        | {"logStreamName": stream, "firstEventTimestamp": group.get("creationTime", 0)}
        | {"lastEventTimestamp": now}
        for group in log_groups
        for stream in _STREAMS
    ]


def recorded_objects() -> list[dict[str, Any]]:
    """Return what the COMPLETED tasks of the sample left in S3, for the emulator.

    It is one object for each stream. Where the deliveries do not reach back to, its size is made
    up.
    """
    tasks = sample_tasks()
    done = tasks[(tasks["status_code"] == "COMPLETED").to_numpy()]
    columns = ["task_id", "destination", "destination_prefix"]
    deliveries = sample_deliveries()[["task_id", "delivered", "bytes", "missing_stream_names"]]
    known = done[columns].merge(deliveries, how="left", on="task_id")
    known = known[(known["delivered"] != "gone").to_numpy()]
    is_empty = (known["delivered"] == "empty").to_numpy()
    names = known["missing_stream_names"].fillna("").str.split(":")
    sizes = known["bytes"].fillna(_SIZE)
    made = []
    for (_, task_id, bucket, prefix), size, missing, empty in zip(
        known[columns].itertuples(name=None), sizes, names, is_empty, strict=True
    ):
        keys = [f"{name.replace('/', '-')}/000000.gz" for name in _STREAMS if name not in missing]
        found = {"aws-logs-write-test": size} if empty else dict.fromkeys(keys, size // len(keys))
        made += [
            {"Bucket": bucket, "Key": f"{prefix}/{task_id}/{key}", "Size": part}
            for key, part in found.items()
        ]
    return made


def folder() -> Path:
    """Return the folder of the sample: in the installed package, or in the repository."""
    inside = _PACKAGE / "sample_data"
    return inside if inside.is_dir() else _PACKAGE.parent / "data" / "sample"
