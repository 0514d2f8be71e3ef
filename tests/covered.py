"""Helpers of the tests of the coverage commands: tasks, and hostile texts."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
from pathlib import Path
from typing import Any

Row = dict[str, Any]

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
TASKS, LOG_GROUPS = SAMPLE / "tasks.jsonl.gz", SAMPLE / "log_groups.json"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ACCOUNT, REGION = "111122223333", "eu-west-1"
UPPER_BOUND = "exportstats: coverage is an upper bound: "
PNG = b"\x89PNG\r\n\x1a\n"
EVIL = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07\x9b31m",
    "two\nlines\r\n\u2028three",
    "\u202egnp.exe\u2066\u200b",
    "a|b|c \\| \\",
    '=HYPERLINK("http://x")',
    "+cmd|' /C calc'!A0",
    "@SUM(1)",
    "[bold red]loud[/] :smile:",
    "$(touch owned) `touch owned` ; touch owned 'x' \"y\" !! \\",
    "--region=us-east-1",
    "file:///etc/passwd",
    "日本語のとても長いロググループの名前です、はい",
    "x" * 10_000,
]
ALL = ("coverage", "gaps", "backfill")


def ms(text: str) -> int:
    """Return a time in UTC in milliseconds since 1970."""
    time = dt.datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
    return (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


def iso(millis: int) -> str:
    """Write a time as in the machine-readable formats."""
    time = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=millis)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sample_rows() -> list[Row]:
    """Read the lines of the sample."""
    return [json.loads(line) for line in gzip.decompress(TASKS.read_bytes()).splitlines()]


def task(name: str, first: int, last: int, code: str = "COMPLETED", **more: Any) -> Row:  # noqa: ANN401
    """Make a task over the hours from `first` to before `last` of 2026-11-01."""
    day = ms("2026-11-01")
    created = more.pop("created", day + 48 * HOUR)
    return {
        "taskId": name,
        "accountId": ACCOUNT,
        "region": REGION,
        "logGroupName": "/app",
        "from": day + first * HOUR,
        "to": day + last * HOUR - 1,
        "destination": "acme-logs",
        "status": {"code": code},
        "executionInfo": {
            "creationTime": created,
            **({"completionTime": created + MINUTE} if code == "COMPLETED" else {}),
        },
        "observedAt": day + 72 * HOUR,
        **more,
    }


# A day: covered to 6, failed to 8, covered to 14 (2 of it twice), premature to 16, nothing to 18,
# cancelled and then active to 20, covered to the end.
DAY_OF_ALL = [
    task("a", -24, 6),
    task("b", 6, 8, "FAILED"),
    task("c", 8, 12),
    task("d", 10, 14),
    task("e", 14, 16, created=ms("2026-11-01T18:00")),
    task("f", 18, 20, "CANCELLED"),
    task("g", 19, 20, "RUNNING"),
    task("h", 20, 30),
    task("i", 0, 24, logGroupName="/whole"),
]
RANGE = ["--since", "2026-11-01", "--until", "2026-11-02"]


def group(name: str = "/app", **more: Any) -> Row:  # noqa: ANN401
    """Make a log group in the output of the AWS CLI."""
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"
    return {"logGroupName": name, "creationTime": 0, "arn": arn, **more}


def cells_of(markdown: str) -> list[list[str]]:
    """Return the cells of the only table of a page, without escapes."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in row] for row in cells]
