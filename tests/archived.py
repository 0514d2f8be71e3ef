"""Helpers of the tests of the archive: tasks of an emulator, comparison in any order, files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from pandas.testing import assert_frame_equal

import exportstats as xs
from exportstats.core import schema

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.emulator import Emulator

ACCOUNT, REGION = "111122223333", "eu-west-1"
EPOCH = 1_795_413_600_000
MINUTE = 60_000
Task = dict[str, Any]
needs_moto = pytest.mark.skipif(find_spec("moto") is None, reason="moto is not installed")


def task(number: int, code: str = "COMPLETED", **fields: Any) -> Task:  # noqa: ANN401
    """Make a task in AWS's shape, created in the minute of its number."""
    created = EPOCH + number * MINUTE
    info = {"creationTime": created}
    if code == "COMPLETED":
        info["completionTime"] = created + 30_000
    return {
        "accountId": ACCOUNT,
        "region": REGION,
        "taskId": f"task-{number}",
        "logGroupName": f"/app/{number % 3}",
        "from": created - 86_400_000,
        "to": created - 1,
        "status": {"code": code},
        "executionInfo": info,
    } | fields


def session(account: str = ACCOUNT) -> boto3.Session:
    """Return a session whose access key is the account."""
    return boto3.Session(account, "made-up", region_name=REGION)


def everything(emulator: Emulator) -> pd.DataFrame:
    """Return the whole list of the slot of the session."""
    return xs.fetch_tasks(session=session(), endpoint_url=emulator.url, progress=False)


def assert_same(one: pd.DataFrame, other: pd.DataFrame, *, seen: bool = True) -> None:
    """Compare tables of tasks in any order of rows; without `seen` not when they were observed."""
    left, right = (
        table.sort_values(list(schema.KEY), ignore_index=True).drop(
            columns=[] if seen else "observed_at"
        )
        for table in (one, other)
    )
    assert_frame_equal(left, right)


def files(archive: xs.Archive) -> list[Path]:
    """Return the files of an archive in a folder."""
    return sorted(path for path in Path(archive.uri).rglob("*") if path.is_file())


def data_files(archive: xs.Archive, of: str = "tasks") -> list[Path]:
    """Return the data files of one of its tables."""
    return sorted(Path(archive.uri, of).rglob("*.parquet"))
