"""The commands coverage, gaps and backfill: every figure counted again in plain Python."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer
from rich.cells import cell_len

from exportstats.emulator import Fault
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from click.testing import Result

Row = dict[str, Any]
Key = tuple[str, str, str]

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
TASKS, LOG_GROUPS = SAMPLE / "tasks.jsonl.gz", SAMPLE / "log_groups.json"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ACCOUNT, REGION = "111122223333", "eu-west-1"
HOPE = ("never_tried", "failed", "cancelled", "active")
SAYS = {"FAILED": "failed", "CANCELLED": "cancelled"}
UPPER_BOUND = "exportstats: coverage is an upper bound: "
PNG = b"\x89PNG\r\n\x1a\n"
AS_TERMINAL = {"FORCE_COLOR": "1", "COLUMNS": "80"}
SGR = re.compile(r"\x1b\[[\d;]*m")
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
    """Give the milliseconds since 1970 of a time in UTC."""
    time = dt.datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
    return (time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


def iso(millis: int) -> str:
    """Write a time as the formats for machines do."""
    time = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=millis)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key_of(row: Row) -> Key:
    """Give what a log group is known by."""
    return row["accountId"], row["region"], row["logGroupName"]


def sample_rows() -> list[Row]:
    """Read the sample's own lines."""
    return [json.loads(line) for line in gzip.decompress(TASKS.read_bytes()).splitlines()]


class Plainly:
    """What is covered of a range and what is not, cut wherever a window begins or ends."""

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
        """Give the log groups that have tasks or are known of."""
        return sorted({*self.tasks, *self.groups})

    def low(self, key: Key) -> int:
        """Give where the range of a log group begins."""
        return max(self.start, self.groups.get(key, {}).get("creationTime", self.start))

    def pieces(self, key: Key) -> Iterator[tuple[int, int, list[Row]]]:
        """Give the pieces of a log group's range, and the tasks whose windows hold each."""
        low = self.low(key)
        near = [t for t in self.tasks[key] if t["from"] < self.end and t["to"] >= low]
        edges = {low, self.end, *(t["from"] for t in near), *(t["to"] + 1 for t in near)}
        for first, last in pairwise(sorted(edge for edge in edges if low <= edge <= self.end)):
            yield first, last, [t for t in near if t["from"] <= first and t["to"] >= last - 1]

    def holes(self, key: Key) -> list[tuple[int, int, list[Row]]]:
        """Give what no COMPLETED task covers and is too long to be bridged, with the tries."""
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
        """Give the rows of `gaps`, as JSON has them."""
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
        """Give the rows of `coverage`, the worst first."""
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
    """Tell whether a task covers its window."""
    return task["status"]["code"] == "COMPLETED"


def is_premature(task: Row) -> bool:
    """Tell whether a task was created less than 12 hours after the end of its window."""
    return task["executionInfo"]["creationTime"] - (task["to"] + 1) < 12 * HOUR


def says(task: Row) -> str:
    """Tell what a task that is not COMPLETED says of a gap."""
    return SAYS.get(task["status"]["code"], "active")


RANGES = {
    "": ("2026-10-23", "2026-11-22", 0),
    "--since 2026-11-01T06:30Z": ("2026-11-01T06:30", "2026-11-22", 0),
    "--until 2026-09-01": ("2026-08-02", "2026-09-01", 0),
    "--since 2025-11-20 --until 2026-11-23T06:00 --tolerance 1min": (
        "2025-11-20",
        "2026-11-23T06:00",
        MINUTE,
    ),
    "--since 2026-11-10T02:00+02:00 --until 2026-11-20 --tolerance 59s": (
        "2026-11-10",
        "2026-11-20",
        59_000,
    ),
}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Read the sample's tasks."""
    return sample_rows()


@pytest.mark.parametrize(
    ("words", "with_groups"), [*((words, True) for words in RANGES), ("", False)]
)
def test_every_figure_of_gaps_and_coverage_is_that_of_the_file(
    words: str,
    with_groups: bool,  # noqa: FBT001
    rows: list[Row],
    run: Callable,
    sample_file: Path,
):
    """JSON and CSV have what plain Python counts, in any range, with log groups and without."""
    since, until, tolerance = RANGES[words]
    groups = json.loads(LOG_GROUPS.read_text()) if with_groups else []
    options = [*words.split(), *(["--log-groups", LOG_GROUPS] if with_groups else [])]
    expected = Plainly(rows, ms(since), ms(until), tolerance, groups)
    for command, counted in (("gaps", expected.gaps()), ("coverage", expected.coverage())):
        assert counted
        done = run(command, sample_file, *options, "--format", "json")
        assert (done.exit_code, done.stderr) == (0, "")
        assert json.loads(done.stdout) == counted
        text = run(command, sample_file, *options, "--format", "csv").stdout
        cells = [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in counted
        ]
        assert list(csv.DictReader(io.StringIO(text))) == cells


def cells_of(markdown: str) -> list[list[str]]:
    """Give the cells of the one table of a page, escapes taken off."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in row] for row in cells]


def test_what_people_see_of_the_sample_is_the_same(
    rows: list[Row], run: Callable, sample_file: Path
):
    """Markdown and the table have each gap and each log group, with its start and its reason."""
    plainly = Plainly(
        rows, ms("2026-10-23"), ms("2026-11-22"), 0, json.loads(LOG_GROUPS.read_text())
    )
    more = (sample_file, "--log-groups", LOG_GROUPS)
    counted = plainly.gaps()
    expected = [
        [
            *(row[name] for name in ("account_id", "region", "log_group_name")),
            row["start"][:16].replace("T", " ").removesuffix(" 00:00"),
            row["reason"].replace("_", " "),
            (row["expires_at"] or "never")[:10],
        ]
        for row in counted
    ]
    head, _, *cells = cells_of(run("gaps", *more, "--format", "markdown").stdout)
    assert head == [
        "account_id",
        "region",
        "log_group_name",
        "start",
        "length",
        "why",
        "expires",
    ]
    assert [[*row[:4], *row[5:]] for row in cells] == expected
    lines = run("gaps", *more).stdout.splitlines()
    assert lines[0] == "51 gaps, 103 d 1 h, 2026-10-23 to 2026-11-22 UTC"
    assert len(counted) == 51
    # two units are said of it
    assert int(sum(row["length_seconds"] for row in counted) // 3600) == 103 * 24 + 1
    assert [re.split(r"  +", line.strip())[3] for line in lines[4:]] == [row[3] for row in expected]

    counted = plainly.coverage()
    head, _, *cells = cells_of(run("coverage", *more, "--format", "markdown").stdout)
    names = ["covered", "gaps", "missing", "overlap", "unbroken to"]  # nothing is premature
    assert head == ["account_id", "region", "log_group_name", *names]
    assert [(*row[:3], row[4], row[7]) for row in cells] == [
        (*list(row.values())[:3], str(row["gaps"]), row["covered_until"][:10]) for row in counted
    ]
    whole = sum(row["gaps"] == 0 for row in counted)
    title = run("coverage", *more).stdout.splitlines()[0]
    assert title == f"{whole} of 18 log groups without a gap, 2026-10-23 to 2026-11-22 UTC"


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
GOLDEN = {
    "coverage": """
        1 of 2 log groups without a gap, 2026-11-01 to 2026-11-02 UTC

        log_group_name  covered  gaps  missing  overlap  premature  unbroken to
        ───────────────────────────────────────────────────────────────────────
        /app               75 %     2       6h       2h      8.3 %   2026-11-01
        /whole            100 %     0       0s       0s        0 %   2026-11-02
        """,
    "coverage --format markdown": """
        1 of 2 log groups without a gap, 2026-11-01 to 2026-11-02 UTC

        | log\\_group\\_name | covered | gaps | missing | overlap | premature | unbroken to |
        | :-- | --: | --: | --: | --: | --: | --: |
        | /app | 75 % | 2 | 6h | 2h | 8.3 % | 2026-11-01 |
        | /whole | 100 % | 0 | 0s | 0s | 0 % | 2026-11-02 |
        """,
    "coverage --format csv --tolerance 2h": """
        account_id,region,log_group_name,covered_fraction,gaps,missing_seconds,overlapping_seconds,premature_fraction,covered_until
        111122223333,eu-west-1,/app,0.8333333333333334,1,14400.0,7200.0,0.08333333333333333,2026-11-01T16:00:00.000Z
        111122223333,eu-west-1,/whole,1.0,0,0.0,0.0,0.0,2026-11-02T00:00:00.000Z
        """,
    "gaps": """
        2 gaps, 6 h, 2026-11-01 to 2026-11-02 UTC

        log_group_name             start  length  why
        ────────────────────────────────────────────────
        /app            2026-11-01 06:00      2h  failed
        /app            2026-11-01 16:00      4h  active
        """,
    "gaps --tolerance 2h --format markdown": """
        1 gap, 4 h, 2026-11-01 to 2026-11-02 UTC

        | log\\_group\\_name | start | length | why |
        | :-- | --: | --: | :-- |
        | /app | 2026-11-01 16:00 | 4h | active |
        """,
    "gaps --until 2026-11-01T19:30 --format csv": """
        account_id,region,log_group_name,start,end,length_seconds,reason,last_task_id,expires_at
        111122223333,eu-west-1,/app,2026-11-01T06:00:00.000Z,2026-11-01T08:00:00.000Z,7200.0,failed,b,
        111122223333,eu-west-1,/app,2026-11-01T16:00:00.000Z,2026-11-01T19:30:00.000Z,12600.0,active,g,
        """,
    "gaps --tolerance 4h": "no gaps, 2026-11-01 to 2026-11-02 UTC",
    "backfill": """
        aws logs create-export-task --region=eu-west-1 --task-name='backfill /app 2026-11-01T06:00:00.000Z' --log-group-name=/app --from=1793512800000 --to=1793519999999 --destination=acme-logs
        aws logs create-export-task --region=eu-west-1 --task-name='backfill /app 2026-11-01T16:00:00.000Z' --log-group-name=/app --from=1793548800000 --to=1793559599999 --destination=acme-logs
        """,  # noqa: E501 - a line is a command or a row
    "backfill --max-window 2h --tolerance 2h --destination other --prefix a/b": """
        aws logs create-export-task --region=eu-west-1 --task-name='backfill /app 2026-11-01T16:00:00.000Z' --log-group-name=/app --from=1793548800000 --to=1793555999999 --destination=other --destination-prefix=a/b
        aws logs create-export-task --region=eu-west-1 --task-name='backfill /app 2026-11-01T18:00:00.000Z' --log-group-name=/app --from=1793556000000 --to=1793559599999 --destination=other --destination-prefix=a/b
        """,  # noqa: E501 - a line is a command or a row
    "backfill --tolerance 2h --format json": """
        {"accountId": "111122223333", "region": "eu-west-1", "request": {"taskName": "backfill /app 2026-11-01T16:00:00.000Z", "logGroupName": "/app", "fromTime": 1793548800000, "to": 1793559599999, "destination": "acme-logs"}}
        """,  # noqa: E501 - a line is a command or a row
}  # fmt: skip


@pytest.mark.parametrize("words", GOLDEN)
def test_a_day_of_all_is_word_for_word(words: str, run: Callable, page: Callable):
    """Of a day that has everything each command prints just this, in each format, and exits 0."""
    command, *options = words.split()
    done = run(command, page(*DAY_OF_ALL), *RANGE, *options)
    assert done.exit_code == 0
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        line.rstrip() for line in dedent(GOLDEN[words]).strip().splitlines()
    ]


def test_the_default_range_is_thirty_days_before_a_midnight(run: Callable, page: Callable):
    """It ends at the last midnight a day or more before the latest observation, UTC."""
    observed = {"2026-11-23T06:00": "2026-11-22", "2026-11-23T00:00": "2026-11-22"}
    observed["2026-11-22T23:59:59.999"] = "2026-11-21"
    for time, end in observed.items():
        path = page(task("a", 0, 1), task("b", 0, 1, observedAt=ms(time)))
        start = dt.date.fromisoformat(end) - dt.timedelta(days=30)
        title = run("gaps", path).stdout.splitlines()[0]
        assert title.endswith(f", {start} to {end} UTC"), time
    title = run("coverage", path, "--until", "2026-11-05T06:00").stdout.splitlines()[0]
    assert title.endswith(", 2026-10-06 06:00 to 2026-11-05 06:00 UTC")
    title = run("gaps", path, "--since", "2026-11-05T06:00").stdout.splitlines()[0]
    assert title.endswith(", 2026-11-05 06:00 to 2026-11-21 UTC")


def group(name: str = "/app", **more: Any) -> Row:  # noqa: ANN401
    """Make a log group as the AWS CLI prints it."""
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"
    return {"logGroupName": name, "creationTime": 0, "arn": arn, **more}


@pytest.fixture
def groups_file(tmp_path: Path) -> Callable[..., Path]:
    """Write log groups as `aws logs describe-log-groups` prints them."""

    def write(*groups: Row) -> Path:
        path = tmp_path / "log-groups.json"
        path.write_text(json.dumps({"logGroups": groups}), encoding="utf-8")
        return path

    return write


def test_log_groups_of_a_file_tell_of_creation_retention_and_those_never_exported(
    run: Callable, page: Callable, groups_file: Callable
):
    """One never exported is a gap; before its creation there is none; what is gone is lost."""
    path = groups_file(
        group(retentionInDays=3),
        group("/new", creationTime=ms("2026-11-01T12:00")),
        group("/whole"),
    )
    # observed at 2026-11-04, so with 3 days of retention all before 2026-11-01 is gone
    more = ["--since", "2026-10-30", "--until", "2026-11-01T20:00", "--log-groups", path]
    found = json.loads(run("gaps", page(*DAY_OF_ALL), *more, "--format", "json").stdout)
    assert [
        (row["log_group_name"], row["start"][5:16], row["end"][5:16], row["reason"])
        for row in found
    ] == [
        ("/app", "10-30T00:00", "10-31T00:00", "lost"),
        ("/app", "11-01T06:00", "11-01T08:00", "failed"),
        ("/app", "11-01T16:00", "11-01T20:00", "active"),
        ("/new", "11-01T12:00", "11-01T20:00", "never_tried"),
        ("/whole", "10-30T00:00", "11-01T00:00", "never_tried"),
    ]
    assert [row["expires_at"] for row in found][1:4] == [
        "2026-11-04T06:00:00.000Z",
        "2026-11-04T16:00:00.000Z",
        None,
    ]
    shown = run("gaps", page(*DAY_OF_ALL), *more).stdout
    assert re.search(r"/new +2026-11-01 12:00 +8h +never tried +never$", shown, re.MULTILINE)


CODES = [
    ("gaps {tasks}", 0, ""),
    ("gaps {tasks} --check", 4, ""),
    ("gaps {tasks} --check --tolerance 4h", 0, ""),
    ("gaps {tasks} --check --format csv", 4, ""),
    ("coverage {tasks} --check", 2, "No such option"),
    ("gaps {tasks} --status COMPLETED", 2, "No such option"),
    ("{command} {tasks} --tolerance nonsense", 2, "tolerance='nonsense'; give a length of time"),
    ("{command} {tasks} --tolerance=-1min", 2, "tolerance='-1min'; give a length of time"),
    ("{command} {tasks} --since 2026-11-03", 2, "is not before --until"),
    ("{command} {tasks} --since nonsense", 2, "'nonsense' is no time; give 2026-11-01"),
    ("{command} {tasks} --region x", 2, "--region is for asking AWS"),
    ("{command} {tasks} --plot a.gif", 2, "says no format"),
    ("{command} {tasks} --log-groups missing.json", 1, "missing.json"),
    ("{command} {tasks} --log-groups {tasks}", 1, "no list of log groups"),
    ("{command} missing.json", 2, "there is no file 'missing.json'"),
    ("{command} {tasks} --format xml", 2, "'xml' is not one of"),
    ("backfill {tasks} --max-window 0D", 2, "max_window='0D'"),
    ("backfill {tasks} --destination=", 2, "destination=''"),
]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (line.replace("{command}", command), code, said)
        for line, code, said in CODES
        for command in (("coverage", "backfill") if "{command}" in line else ["-"])
    ],
)
def test_how_each_command_ends(
    line: str,
    code: int,
    said: str,
    run: Callable,
    page: Callable,
    monkeypatch: pytest.MonkeyPatch,
):
    """0 is well, 4 a gap under --check, 2 wrong usage and 1 a broken file, said in one line."""
    path = page(*DAY_OF_ALL)
    monkeypatch.chdir(path.parent)
    name, first, *rest = line.format(tasks=path).split()
    done = run(name, first, *RANGE, *rest)
    assert done.exit_code == code
    if said:
        assert said in done.stderr.splitlines()[-1]
        assert not done.stdout


@pytest.mark.parametrize("command", ALL)
def test_no_tasks_without_a_range_are_refused(command: str, run: Callable, page: Callable):
    """Where nothing tells when it was observed, a range has to be given; with one, all is well."""
    done = run(command, page())
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "exportstats: no task says when it was observed; give --since and --until\n"
    )
    done = run(command, page(), *RANGE)
    assert done.exit_code == 0
    assert (
        done.stdout
        == {
            "coverage": "no log groups, 2026-11-01 to 2026-11-02 UTC\n",
            "gaps": "no gaps, 2026-11-01 to 2026-11-02 UTC\n",
            "backfill": "",
        }[command]
    )


@pytest.mark.parametrize("command", ALL)
def test_a_list_that_breaks_off_is_partial(
    command: str, run: Callable, serve: Callable, made: Callable
):
    """What arrived is shown, that it is not all is said; the exit code is 3, also of --check."""
    day = {"from": ms("2026-11-01"), "to": ms("2026-11-01T12:00") - 1, "destination": "acme"}
    serve(made(120, **day), faults=[Fault("deny", at=(2,))])
    words = [*RANGE, *(["--check"] if command == "gaps" else [])]
    done = run(command, *words)
    assert done.exit_code == 3, done.stderr
    assert done.stdout
    assert "incomplete: " in done.stderr


def test_what_is_said_beside_the_tables(run: Callable, page: Callable):
    """People are told that coverage is an upper bound, and of gaps of a minute; machines not."""
    path = page(*DAY_OF_ALL)
    for command in ("coverage", "gaps"):
        for kind in ("table", "markdown"):
            said = run(command, path, *RANGE, "--format", kind).stderr
            assert said.startswith(UPPER_BOUND)
            assert said.count("\n") == 1
        for kind in ("csv", "json"):
            assert run(command, path, *RANGE, "--format", kind).stderr == ""
    hours = [{**task(f"{n}", n, n + 1)} for n in range(24)]
    late = [{**hour, "to": hour["to"] - MINUTE} for hour in hours]
    said = run("gaps", page(*late), *RANGE).stderr
    assert said.endswith(
        "24 gaps are of a minute or less; --tolerance 1min takes them for covered\n"
    )


@pytest.mark.parametrize("command", ALL)
def test_a_chart_is_a_png(command: str, run: Callable, page: Callable, tmp_path: Path):
    """--plot draws into the file beside the result, which stays the same, and says where it is."""
    path, chart = page(*DAY_OF_ALL), tmp_path / "chart.png"
    done = run(command, path, *RANGE, "--plot", chart)
    assert done.exit_code == 0
    assert chart.read_bytes().startswith(PNG)
    assert done.stdout == run(command, path, *RANGE).stdout
    assert done.stderr.endswith(f"exportstats: the chart is in {chart}\n")


def test_many_log_groups_are_drawn_too(run: Callable, page: Callable, tmp_path: Path):
    """From 51 log groups on coverage is drawn day by day."""
    tasks = [task(f"{n}", 0, 6, logGroupName=f"/app/{n}") for n in range(51)]
    assert run("coverage", page(*tasks), *RANGE, "--plot", tmp_path / "a.png").exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_a_backfill_can_be_piped_into_a_shell(run: Callable, sample_file: Path):
    """Stdout is commands alone, a line each; the estimate is on stderr."""
    more = (sample_file, "--log-groups", LOG_GROUPS)
    done = run("backfill", *more)
    lines = done.stdout.splitlines()
    assert all(line.startswith("aws logs create-export-task --region=") for line in lines)
    plan = [
        json.loads(line)
        for line in run("backfill", *more, "--format", "json").stdout.split("\n")[:-1]
    ]
    assert len(plan) == len(lines)
    slots = {(row["accountId"], row["region"]) for row in plan}
    said = done.stderr.splitlines()
    assert all(line.startswith("exportstats: ") for line in said)
    # one lost day, by the table of gaps itself
    assert said[0] == "exportstats: left out: 1 d of events that retention has taken"
    assert said[1] == (
        f"exportstats: {len(lines)} tasks, one at a time in each of {len(slots)} slots "
        "(account and region)"
    )
    assert re.fullmatch(
        r"exportstats: done by about (\S+ \S+) UTC, and nine times out of ten by \S+ \S+ UTC",
        said[2],
    )


def test_the_plan_is_the_gaps_without_what_is_lost_or_under_way(
    rows: list[Row], run: Callable, sample_file: Path
):
    """The windows add up, log group by log group, to what plain Python leaves to export."""
    plainly = Plainly(
        rows, ms("2026-10-23"), ms("2026-11-22"), 0, json.loads(LOG_GROUPS.read_text())
    )
    left: dict[Key, int] = defaultdict(int)
    for row in plainly.gaps():
        key = row["account_id"], row["region"], row["log_group_name"]
        if row["reason"] == "lost":
            continue
        first, last = ms(row["start"]), ms(row["end"])
        for start, end, tasks in plainly.pieces(key):
            if not any(says(t) == "active" and not is_completed(t) for t in tasks):
                left[key] += max(0, min(end, last) - max(start, first))
    text = run("backfill", sample_file, "--log-groups", LOG_GROUPS, "--format", "json").stdout
    planned: dict[Key, int] = defaultdict(int)
    for line in text.splitlines():
        call = json.loads(line)
        request = call["request"]
        key = call["accountId"], call["region"], request["logGroupName"]
        planned[key] += request["to"] + 1 - request["fromTime"]
        assert request["fromTime"] // DAY == request["to"] // DAY, "cut at midnights"
    assert planned == {key: length for key, length in left.items() if length}


# AWS's own command, as far as a backfill needs it: it takes these options and no others.
AWS = """\
#!{python} -IS
import argparse, json, os, socket, sys
parser = argparse.ArgumentParser(prog="aws", allow_abbrev=False)
parser.add_argument("service", choices=["logs"])
parser.add_argument("operation", choices=["create-export-task"])
for name in ("region", "task-name", "log-group-name", "destination", "destination-prefix",
             "cli-input-json"):
    parser.add_argument("--" + name)
for name in ("from", "to"):
    parser.add_argument("--" + name, type=int)
given = vars(parser.parse_args())
given["account"] = os.environ["AWS_ACCESS_KEY_ID"]
with socket.create_connection(("127.0.0.1", {port})) as line:
    line.sendall(json.dumps(given).encode() + b"\\n")
    said = line.makefile().read()
sys.exit(said or None)
"""
NAMES = {
    "task_name": "taskName",
    "log_group_name": "logGroupName",
    "from": "fromTime",
    "to": "to",
    "destination": "destination",
    "destination_prefix": "destinationPrefix",
}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Serve AWS's look-alike; gives its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def fresh_moto(moto: str) -> str:
    """Let moto forget what it was told."""
    urlopen(Request(f"{moto}/moto-api/reset", method="POST")).close()  # noqa: S310 - it is ours
    return moto


class Cloud:
    """Clients of moto's server, of any account and region."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[tuple[str, ...], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, account: str, region: str) -> Any:  # noqa: ANN401 - boto3's
        """Make a client whose requests moto takes for those of the account."""
        key = service, account, region
        with self._lock:
            if key not in self._clients:
                client = boto3.client(
                    service,
                    region_name=region,
                    endpoint_url=self.url,
                    aws_access_key_id="made-up",
                    aws_secret_access_key="made-up",
                )
                client.meta.events.register(
                    "before-sign.*.*",
                    lambda request, **_: request.headers.add_header("x-moto-account-id", account),
                )
                self._clients[key] = client
            return self._clients[key]

    def create(self, account: str, region: str, name: str, bucket: str) -> None:
        """Create a log group, and a bucket if there is none yet."""
        self.client("logs", account, region).create_log_group(logGroupName=name)
        s3 = self.client("s3", account, "us-east-1")
        if bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=bucket)

    def tasks(self, account: str, region: str) -> list[Row]:
        """Give the export tasks of an account and region."""
        return self.client("logs", account, region).describe_export_tasks()["exportTasks"]


@pytest.fixture
def cloud(fresh_moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Put a command `aws` on PATH, whose calls boto3 makes of moto's server."""
    made = Cloud(fresh_moto)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            given = json.loads(self.rfile.readline())
            whole = json.loads(given["cli_input_json"] or "{}")
            if "from" in whole:  # the API's own name, which boto3 has another for
                whole["fromTime"] = whole.pop("from")
            request = whole | {
                key: given[name] for name, key in NAMES.items() if given[name] is not None
            }
            try:
                logs = made.client("logs", given["account"], given["region"])
                logs.create_export_task(**request)
            except Exception as error:  # noqa: BLE001 - whatever it is, the command tells it
                self.wfile.write(repr(error).encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = tmp_path / "bin"
        folder.mkdir()
        script = AWS.format(python=sys.executable, port=server.server_address[1])
        (folder / "aws").write_text(script)
        (folder / "aws").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield made
        server.shutdown()


def run_in_bash(commands: Iterable[str], account: str, folder: Path) -> None:
    """Run commands as they stand, with an account's credentials; each has to go well."""
    script = "set -e\n" + "".join(f"{command}\n" for command in commands)
    done = subprocess.run(
        ["bash"],
        input=script,
        text=True,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "AWS_ACCESS_KEY_ID": account},
        timeout=50,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def plan_of(run: Callable[..., Result], *words: object) -> tuple[list[str], list[Row]]:
    """Give the commands of a backfill, and the same as calls of boto3."""
    commands = run("backfill", *words).stdout.splitlines()
    calls = [
        json.loads(line) for line in run("backfill", *words, "--format", "json").stdout.splitlines()
    ]
    assert len(commands) == len(calls) > 0
    return commands, calls


def test_the_printed_commands_close_the_gaps(
    rows: list[Row], run: Callable, cloud: Cloud, tmp_path: Path
):
    """Run as they stand, and COMPLETED, with the active tasks, they leave only what is lost."""
    sample = tmp_path / "sample.jsonl"
    sample.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    more = ["--log-groups", LOG_GROUPS, "--since", "2026-10-23", "--until", "2026-11-22"]
    assert run("gaps", sample, *more, "--check").exit_code == 4

    commands, calls = plan_of(run, sample, *more)
    slots = sorted({(call["accountId"], call["region"]) for call in calls})
    for known in json.loads(LOG_GROUPS.read_text()):
        logs = cloud.client("logs", known["accountId"], known["region"])
        logs.create_log_group(logGroupName=known["logGroupName"])
    for account, bucket in sorted({(c["accountId"], c["request"]["destination"]) for c in calls}):
        cloud.client("s3", account, "us-east-1").create_bucket(Bucket=bucket)
    of_slot: dict[tuple[str, str], list[str]] = defaultdict(list)
    for command, call in zip(commands, calls, strict=True):
        of_slot[call["accountId"], call["region"]].append(command)
    with ThreadPoolExecutor() as pool:  # slots run side by side
        list(pool.map(lambda slot: run_in_bash(of_slot[slot], slot[0], tmp_path), slots))

    later = max(row["observedAt"] for row in rows) + DAY
    created = [
        {
            **made,
            "accountId": account,
            "region": region,
            "status": {"code": "COMPLETED"},
            "executionInfo": {"creationTime": later - HOUR, "completionTime": later - MINUTE},
            "observedAt": later,
        }
        for account, region in slots
        for made in cloud.tasks(account, region)
    ]
    assert len(created) == len(commands)
    ended = [
        {
            **row,
            "status": {"code": "COMPLETED"},
            "executionInfo": {**row["executionInfo"], "completionTime": later - MINUTE},
            "observedAt": later,
        }
        for row in rows
        if says(row) == "active" and not is_completed(row)
    ]
    assert len(ended) == 3
    new = tmp_path / "new.json"
    new.write_text(json.dumps({"exportTasks": created + ended}))

    done = run("gaps", sample, new, *more, "--check", "--format", "json")
    assert {row["reason"] for row in json.loads(done.stdout)} == {"lost"}
    assert done.exit_code == 4
    assert run("backfill", sample, new, *more).stdout == ""
    # with a range of which nothing is lost, nothing is left
    more[more.index("2026-10-23")] = "2026-10-25"
    done = run("gaps", sample, new, *more, "--check")
    assert done.stdout == "no gaps, 2026-10-25 to 2026-11-22 UTC\n"
    assert done.exit_code == 0


def test_hostile_names_reach_aws_as_they_are(
    run: Callable, page: Callable, cloud: Cloud, tmp_path: Path
):
    """A shell obeys nothing in a name, and exported is the log group that is so named."""
    short = [name for name in EVIL if len(name) <= 512]
    for name in short:
        cloud.create(ACCOUNT, REGION, name, "acme-logs")
    tasks = [
        task(f"{n}", 0, 12, logGroupName=name, destinationPrefix=name)
        for n, name in enumerate(short)
    ]
    commands, _ = plan_of(run, page(*tasks), *RANGE)
    assert len(commands) == len(short)
    folder = tmp_path / "empty"
    folder.mkdir()
    run_in_bash(commands, ACCOUNT, folder)
    found = cloud.tasks(ACCOUNT, REGION)
    assert sorted(made["logGroupName"] for made in found) == sorted(short)
    assert all(made["destinationPrefix"] == made["logGroupName"] for made in found)
    assert {made["from"] for made in found} == {ms("2026-11-01T12:00")}
    assert {made["to"] for made in found} == {ms("2026-11-02") - 1}
    assert not list(folder.iterdir())


def test_log_groups_and_tasks_of_aws(run: Callable, cloud: Cloud, monkeypatch: pytest.MonkeyPatch):
    """`--log-groups aws` asks the same account and region as for the tasks."""
    own = "123456789012"
    for name in ("/tried", "/never"):
        cloud.create(own, REGION, name, "acme-logs")
    logs = cloud.client("logs", own, REGION)
    logs.put_retention_policy(logGroupName="/never", retentionInDays=7)
    (created,) = (
        found["creationTime"]
        for found in logs.describe_log_groups()["logGroups"]
        if found["logGroupName"] == "/never"
    )
    first, last = created - HOUR, created + 10 * DAY - 1
    call = {"fromTime": first, "to": last, "destination": "acme-logs"}
    logs.create_export_task(logGroupName="/tried", taskName="a", destinationPrefix="p", **call)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    more = ["--region", REGION, "--endpoint-url", cloud.url, "--log-groups", "aws"]
    more += ["--since", iso(first), "--until", iso(created + 30 * DAY)]
    done = run("gaps", *more, "--format", "json", "--check")
    assert (done.exit_code, done.stderr) == (4, "")
    found = json.loads(done.stdout)
    assert [(row["log_group_name"], row["reason"]) for row in found] == [
        ("/never", "never_tried"),
        ("/tried", "never_tried"),
    ]
    assert found[0]["account_id"] == own
    assert found[0]["start"] == iso(created), "before its creation there is no gap"
    assert found[0]["expires_at"] == iso(created + 7 * DAY)
    rows = json.loads(run("coverage", *more, "--format", "json").stdout)
    # moto's tasks are COMPLETED at once; this one covers ten of thirty days
    assert rows[0] | {"covered_fraction": 0, "gaps": 1} == rows[0]
    assert rows[1]["covered_until"] == found[1]["start"] == iso(last + 1)
    assert rows[1]["missing_seconds"] == 20 * DAY / 1000
    planned = run("backfill", *more, "--destination", "acme-logs", "--format", "json").stdout
    names = {json.loads(line)["request"]["logGroupName"] for line in planned.splitlines()}
    assert names == {"/tried", "/never"}


def test_log_groups_of_aws_beside_tasks_of_a_file(
    run: Callable, page: Callable, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
):
    """With a SOURCE the environment says where `--log-groups aws` asks."""
    own = "123456789012"
    cloud.create(own, REGION, "/never", "acme-logs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    done = run(
        *("gaps", page(*DAY_OF_ALL), "--log-groups", "aws", "--since", "2026-11-01"),
        *("--until", "2099-01-01", "--format", "json"),
    )
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert {row["log_group_name"] for row in found} == {"/app", "/whole", "/never"}
    assert {row["account_id"] for row in found if row["log_group_name"] == "/never"} == {own}


def test_log_groups_that_aws_does_not_tell_are_an_error(run: Callable, live: object):
    """Where it does not know the question the command ends with 1, and prints no table."""
    done = run("gaps", *RANGE, "--log-groups", "aws")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write tasks and log groups whose names are the evil ones."""
    folder = tmp_path_factory.mktemp("evil")
    tasks = [
        task(f"{n}", 0, 12, logGroupName=name, destination=name, destinationPrefix=name)
        for n, name in enumerate(EVIL)
    ]
    tasks += [task(name[:512], 20, 22, "FAILED", logGroupName=name) for name in EVIL]
    groups = [group(f"{name}2", accountId=ACCOUNT, region=REGION) for name in EVIL]
    (folder / "tasks.json").write_text(json.dumps({"exportTasks": tasks}))
    (folder / "groups.json").write_text(json.dumps({"logGroups": groups}))
    return folder / "tasks.json", folder / "groups.json"


def is_harmless(text: str) -> bool:
    """Tell whether a terminal would show all of a text, line ends apart, and obey none of it."""
    return text.replace("\n", "").isprintable()


@pytest.mark.parametrize("command", ["coverage", "gaps"])
@pytest.mark.parametrize("kind", ["table", "csv", "json", "markdown"])
def test_hostile_names_are_text(command: str, kind: str, run: Callable, evil: tuple[Path, Path]):
    """In each format each name is there whole, as text, and nothing of it is obeyed."""
    done = run(command, evil[0], *RANGE, "--log-groups", evil[1], "--format", kind)
    assert done.exit_code == 0
    assert is_harmless(done.stdout)
    assert is_harmless(done.stderr)
    names = {name + end for name in EVIL for end in ("", "2")}
    if kind == "json":
        assert done.stdout.isascii()
        assert {row["log_group_name"] for row in json.loads(done.stdout)} == names
    elif kind == "csv":
        rows = list(csv.reader(io.StringIO(done.stdout)))
        assert done.stdout.count("\n") == len(rows)
        cells = [cell for row in rows for cell in row]
        assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "\t"))]
        assert {plain(name) for name in names} <= {cell.removeprefix("'") for cell in cells}
    elif kind == "table":
        assert all(plain(name) in done.stdout for name in names)
    else:
        head, _, *rows = cells_of(done.stdout)
        assert {len(row) for row in rows} == {len(head)}
        # an escaped backslash before a bar is no escape of the bar, so such names are left out
        assert {plain(n) for n in names if "\\" not in plain(n)} <= {row[0] for row in rows}


@pytest.mark.parametrize("form", ["shell", "json"])
def test_the_commands_of_hostile_names_are_a_line_each(
    form: str, run: Callable, evil: tuple[Path, Path]
):
    """Nothing in a name ends a command's line, or is obeyed where it is printed."""
    more = ["--log-groups", evil[1], "--format", form]
    done = run("backfill", evil[0], *RANGE, *more)
    assert done.exit_code == 0
    assert is_harmless(done.stdout)
    assert is_harmless(done.stderr)
    # 12 to 24 of those with tasks, all of the day of those without
    assert done.stdout.count("\n") == 2 * len(EVIL)


def assert_fits_80(shown: str) -> None:
    """Check that nothing is wider than 80 columns, and that there is nothing to obey but SGR."""
    assert set(SGR.findall(shown)) <= {f"\x1b[{code}m" for code in (0, 1, 31, 32, 34, 36)}
    for line in SGR.sub("", shown).splitlines():
        if not line.startswith("exportstats: "):
            assert cell_len(line) <= 80, line
    assert is_harmless(SGR.sub("", shown))


@pytest.mark.parametrize("command", ["coverage", "gaps"])
def test_a_table_fits_80_columns(
    command: str, run: Callable, evil: tuple[Path, Path], sample_file: Path
):
    """Whatever the names, where rich takes stdout for a terminal; and numbers are whole."""
    for path, groups, more in ((evil[0], evil[1], RANGE), (sample_file, LOG_GROUPS, [])):
        done = run(command, path, *more, "--log-groups", groups, env=AS_TERMINAL)
        assert "\x1b[1m" in done.stdout
        assert_fits_80(done.stdout)
        lines = SGR.sub("", done.stdout).splitlines()[4:]
        end = (
            r" +[<>]?[\d.]+ % +\d+ +\S+ .*\d{4}-\d\d-\d\d$"
            if command == "coverage"
            else r" \d{4}-\d\d-\d\d( \d\d:\d\d)? +\S+ +\S+( \S+)? +(\d{4}-\d\d-\d\d|never) *$"
        )
        whole = [line for line in lines if re.search(end, line)]
        assert len(whole) >= (18 if command == "coverage" else 51) or path == evil[0]


def test_a_real_terminal_obeys_nothing(terminal: Callable, evil: tuple[Path, Path]):
    """The same in a real terminal of 80 columns."""
    code, shown = terminal("gaps", evil[0], *RANGE, "--log-groups", evil[1], "--check")
    assert code == 4
    assert_fits_80(shown)
