"""Helpers of the tests of the coverage commands: tasks, and coverage in plain Python."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
from collections import defaultdict
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


Row = dict[str, Any]
Key = tuple[str, str, str]

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
TASKS, LOG_GROUPS = SAMPLE / "tasks.jsonl.gz", SAMPLE / "log_groups.json"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ACCOUNT, REGION = "111122223333", "eu-west-1"
HOPE = ("never_tried", "failed", "cancelled", "active")
SAYS = {"FAILED": "failed", "CANCELLED": "cancelled"}
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


def key_of(row: Row) -> Key:
    """Return the key of a log group."""
    return row["accountId"], row["region"], row["logGroupName"]


def sample_rows() -> list[Row]:
    """Read the lines of the sample."""
    return [json.loads(line) for line in gzip.decompress(TASKS.read_bytes()).splitlines()]


class Plainly:
    """Coverage in plain Python: a range is cut wherever a window starts or ends."""

    def __init__(
        self, tasks: list[Row], start: int, end: int, tolerance: int, groups: list[Row]
    ) -> None:
        self.start, self.end, self.tolerance = start, end, tolerance
        self.groups = {key_of(group): group for group in groups}
        self.as_of = max(task["observedAt"] for task in tasks)
        self.tasks: dict[Key, list[Row]] = defaultdict(list)
        for task in tasks:
            self.tasks[key_of(task)].append(task)

    def keys(self) -> list[Key]:
        """Return the log groups that have tasks or are known."""
        return sorted({*self.tasks, *self.groups})

    def low(self, key: Key) -> int:
        """Return the start of the range of a log group."""
        return max(self.start, self.groups.get(key, {}).get("creationTime", self.start))

    def pieces(self, key: Key) -> Iterator[tuple[int, int, list[Row]]]:
        """Return the pieces of a log group's range, each with the tasks that contain it."""
        low = self.low(key)
        near = [t for t in self.tasks[key] if t["from"] < self.end and t["to"] >= low]
        edges = {low, self.end, *(t["from"] for t in near), *(t["to"] + 1 for t in near)}
        for first, last in pairwise(sorted(edge for edge in edges if low <= edge <= self.end)):
            yield first, last, [t for t in near if t["from"] <= first and t["to"] >= last - 1]

    def holes(self, key: Key) -> list[tuple[int, int, list[Row]]]:
        """Return the gaps that exceed the tolerance, with the tasks that tried to export them."""
        found = []
        for covered, run in groupby(
            self.pieces(key), lambda piece: any(map(is_completed, piece[2]))
        ):
            some = list(run)
            tries = [task for piece in some for task in piece[2]]
            if not covered and some[-1][1] - some[0][0] > self.tolerance:
                found.append((some[0][0], some[-1][1], tries))
        return found

    def gaps(self) -> list[Row]:
        """Return the rows of `gaps` as in its JSON."""
        rows = []
        for key in self.keys():
            days = self.groups.get(key, {}).get("retentionInDays")
            for start, end, tries in self.holes(key):
                reason = max((says(t) for t in tries), key=HOPE.index, default="never_tried")
                last = max(
                    (t for t in tries if says(t) == reason),
                    key=lambda t: (t["executionInfo"]["creationTime"], t["taskId"]),
                    default={"taskId": None},
                )
                gone = start if days is None else self.as_of - days * DAY
                cut = min(max(gone, start), end)
                for first, after, why in ((start, cut, "lost"), (cut, end, reason)):
                    if first < after:
                        rows.append(
                            {
                                "account_id": key[0],
                                "region": key[1],
                                "log_group_name": key[2],
                                "start": iso(first),
                                "end": iso(after),
                                "length_seconds": (after - first) / 1000,
                                "reason": why,
                                "last_task_id": last["taskId"],
                                "expires_at": None if days is None else iso(first + days * DAY),
                            }
                        )
        return rows

    def coverage(self) -> list[Row]:
        """Return the rows of `coverage`, the worst first."""
        rows = []
        for key in self.keys():
            whole, overlap, premature = self.end - self.low(key), 0, 0
            for first, last, tasks in self.pieces(key):
                done = [task for task in tasks if is_completed(task)]
                overlap += (last - first) * (len(done) > 1)
                premature += (last - first) * (bool(done) and all(map(is_premature, done)))
            holes = self.holes(key)
            missing = sum(end - start for start, end, _ in holes)
            rows.append(
                {
                    "account_id": key[0],
                    "region": key[1],
                    "log_group_name": key[2],
                    "covered_fraction": (whole - missing) / whole,
                    "gaps": len(holes),
                    "missing_seconds": missing / 1000,
                    "overlapping_seconds": overlap / 1000,
                    "premature_fraction": premature / whole,
                    "covered_until": iso(holes[0][0] if holes else self.end),
                }
            )
        return sorted(rows, key=lambda row: -row["missing_seconds"])


def is_completed(task: Row) -> bool:
    """Return whether a task covers its window."""
    return task["status"]["code"] == "COMPLETED"


def is_premature(task: Row) -> bool:
    """Return whether a task was created less than 12 hours after the end of its window."""
    return task["executionInfo"]["creationTime"] - (task["to"] + 1) < 12 * HOUR


def says(task: Row) -> str:
    """Return the reason for a gap that a task gives."""
    return SAYS.get(task["status"]["code"], "active")


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
