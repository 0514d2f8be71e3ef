"""Helpers of the tests of the sample: its rows, intervals and coverage, in plain Python."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support import Row

DATA = Path(__file__).parents[2] / "data"
SAMPLE = DATA / "sample"
PACKED = ("tasks.jsonl.gz", "api_calls.jsonl.gz", "incoming.csv.gz", "deliveries.jsonl.gz")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = 60_000
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
ACTIVE = {"PENDING", "RUNNING", "PENDING_CANCEL"}
Key = tuple[str, str, str]
Interval = tuple[int, int]


def ms(text: str) -> int:
    """Return an ISO 8601 text in milliseconds since 1970; a date is its midnight in UTC."""
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


def key_of(row: Row) -> Key:
    """Return the log group of a row of planted.json, of a task or of a log group."""
    if "account_id" in row:
        return row["account_id"], row["region"], row["log_group_name"]
    return row["accountId"], row["region"], row["logGroupName"]


def code(task: Row) -> str:
    """Return the state of a task."""
    return str(task["status"]["code"])


def created(task: Row) -> int:
    """Return the creation time of a task."""
    return int(task["executionInfo"]["creationTime"])


def span(row: Row) -> Interval:
    """Return the half-open interval of a row of planted.json, or of a task."""
    return (ms(row["start"]), ms(row["end"])) if "start" in row else (row["from"], row["to"] + 1)


def read_packed(file: Path) -> bytes:
    """Read the uncompressed rows, because compressed bytes depend on the zlib version."""
    return gzip.decompress(file.read_bytes())


def read_lines(name: str) -> list[Row]:
    """Read the lines of a file of the sample."""
    return [json.loads(line) for line in read_packed(SAMPLE / name).splitlines()]


def depths(tasks: Iterable[Row], start: int, end: int) -> list[tuple[int, int, int]]:
    """Count the windows over each part of [start, end), by adding starts and subtracting ends."""
    steps = Counter({start: 0, end: 0})
    for task in tasks:
        left, right = span(task)
        if left < end and right > start:
            steps[max(left, start)] += 1
            steps[min(right, end)] -= 1
    # Sums of zero are not edges: one night follows another, so equal neighbours are joined.
    edges = sorted(edge for edge in steps if steps[edge] or edge in {start, end})
    totals = list(accumulate(steps[edge] for edge in edges))[:-1]
    return [(*piece, depth) for piece, depth in zip(pairwise(edges), totals, strict=True)]


def completed(tasks: Iterable[Row]) -> list[Row]:
    """Return the tasks that completed."""
    return [task for task in tasks if code(task) == "COMPLETED"]
