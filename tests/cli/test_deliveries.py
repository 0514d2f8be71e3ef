"""The command deliveries: what tasks delivered to S3, with moto's server as S3."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from rich.cells import cell_len
from shown import SGR, is_harmless

import exportstats as xs
from exportstats.emulator import Emulator, Fault
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    from click.testing import Result

Row = dict[str, Any]

ACCOUNT, REGION = "111122223333", "us-east-1"
START = 1_795_413_600_000  # 2026-11-23T06:00Z
EVIL = [
    "\x1b[31mred\x1b[0m",
    "two\nlines\r\n\u2028three",
    "\u202egnp.exe\u2066\u200b",
    '=HYPERLINK("http://x")',
    "+cmd|' /C calc'!A0",
    "[bold red]loud[/]",
    "日本語のとても長い名前です、はい",
    "x" * 10_000,
]


@pytest.fixture(scope="module")
def moto(moto_server: str) -> str:
    """Serve a bucket with the deliveries of four tasks; return the URL."""
    s3: Any = boto3.client(
        "s3",
        endpoint_url=moto_server,
        region_name=REGION,
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
    )
    s3.create_bucket(Bucket="acme-logs")
    for key, size in OBJECTS.items():
        s3.put_object(Bucket="acme-logs", Key=key, Body=b"x" * size)
    return moto_server


OBJECTS = {
    "exportedlogs/aws-logs-write-test": 27,
    "exportedlogs/full/a/000000.gz": 1000,
    "exportedlogs/full/b/000000.gz": 500,
    "exportedlogs/fuller/a/000000.gz": 7,
    "nightly/deep/full/x/000000.gz": 3,
}


def task(name: str, code: str = "COMPLETED", **more: Any) -> Row:  # noqa: ANN401
    """Make a task that took ten seconds."""
    return {
        "taskId": name,
        "accountId": ACCOUNT,
        "region": REGION,
        "logGroupName": "/app",
        "destination": "acme-logs",
        "status": {"code": code},
        "executionInfo": {"creationTime": START, "completionTime": START + 10_000},
        **more,
    }


TASKS = [
    task("full"),
    task("fuller"),
    task("nothing"),
    task("away", destinationPrefix="elsewhere"),
    task("lost", destination="no-such-bucket"),
    task("nowhere", destination=None),
    task("failed", "FAILED"),
    task("active", "RUNNING"),
]
EXPECTED = {
    "full": "yes",
    "fuller": "yes",
    "nothing": "empty",
    "away": "gone",
    "lost": "gone",
    "nowhere": "unknown",
}


@pytest.fixture
def look(
    run: Callable, page: Callable, moto: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run the command on tasks of a file, against moto's S3."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")

    def call(tasks: list[Row], *words: object, **more: Any) -> Result:  # noqa: ANN401
        return run("deliveries", page(*tasks), "--s3-endpoint-url", moto, *words, **more)

    return call


UNKNOWN = "exportstats: 1 of 6 could not be looked up; see the column reason\n"


def listed(name: str, prefix: str = "exportedlogs") -> list[int]:
    """Return the sizes of the objects of a task, without the write test."""
    folder = f"{prefix}/{name}/"
    return [size for key, size in OBJECTS.items() if key.startswith(folder)]


def test_machines_have_a_row_for_every_completed_task(look: Callable):
    """JSON and CSV have a row per task, with objects, bytes and rate as in the bucket."""
    done = look(TASKS, "--format", "json")
    assert (done.exit_code, done.stderr) == (3, UNKNOWN)
    rows = {row["task_id"]: row for row in json.loads(done.stdout)}
    assert {name: row["delivered"] for name, row in rows.items()} == EXPECTED
    for name in ("full", "fuller"):
        sizes = listed(name)
        assert rows[name]["objects"] == len(sizes)
        assert rows[name]["bytes"] == sum(sizes)
        assert rows[name]["duration_seconds"] == 10
        assert rows[name]["throughput"] == sum(sizes) / 10
        assert rows[name]["prefix"] == f"exportedlogs/{name}/"
    assert rows["full"]["first_key"] == "exportedlogs/full/a/000000.gz"
    assert rows["full"]["last_key"] == "exportedlogs/full/b/000000.gz"
    assert rows["lost"]["reason"].startswith("NoSuchBucket")
    assert rows["nowhere"]["reason"] == "the task has no destination"
    cells = list(csv.DictReader(io.StringIO(look(TASKS, "--format", "csv").stdout)))
    assert {row["task_id"]: row["delivered"] for row in cells} == EXPECTED
    assert list(cells[0]) == list(rows["full"])


def test_people_see_what_is_not_there(look: Callable):
    """The title counts all tasks; the table has those without deliveries, and why."""
    done = look(TASKS)
    assert (done.exit_code, done.stderr) == (3, UNKNOWN)
    title, _, _, _, *lines = done.stdout.splitlines()
    assert title == ("6 COMPLETED tasks looked up in S3, 2 delivered, 1 empty, 2 gone, 1 unknown")
    bad = {name: said for name, said in EXPECTED.items() if said != "yes"}
    for name, said in bad.items():
        (line,) = (line for line in lines if re.search(rf" {name} ", line))
        assert f" {said}" in line
    text = look(TASKS, "--format", "markdown").stdout
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| 1111")]
    assert {row[2]: row[3] for row in rows} == bad


def test_where_all_is_delivered_the_title_says_so(look: Callable):
    """There is no table if nothing is missing or if there are no tasks."""
    done = look(TASKS[:2])
    assert done.exit_code == 0
    assert done.stdout == "2 COMPLETED tasks looked up in S3, 2 delivered\n"
    done = look(TASKS[6:])
    assert (done.exit_code, done.stdout) == (0, "0 COMPLETED tasks looked up in S3\n")
    assert json.loads(look(TASKS[6:], "--format", "json").stdout) == []


def test_a_long_table_is_cut_and_says_so(look: Callable):
    """A terminal shows the first 40 rows and counts the rest; other formats have all."""
    tasks = [task(f"none-{n}", destination=None) for n in range(45)]
    none = "exportstats: 45 of 45 could not be looked up; see the column reason\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORCE_COLOR", "1")
        done = look(tasks)
    assert len(re.findall(r"^none-\d+ ", done.stdout, re.MULTILINE)) == 40
    more = "exportstats: 5 more rows are not shown; use --format csv or json for all\n"
    assert done.stderr == none + more
    done = look(tasks, "--format", "markdown")
    assert len(re.findall(r"/none-\d+/", done.stdout)) == 45
    assert done.stderr == none


STREAMS = [
    {"accountId": ACCOUNT, "region": REGION, "logGroupName": "/app", "logStreamName": name}
    | {"firstEventTimestamp": first, "lastEventTimestamp": last}
    for name, first, last in [
        ("a", 5, 5),
        ("b", 0, 9),
        ("c", 5, 20),
        ("d/\x1b[31m", 5, 5),
        ("e", 0, 9),
    ]
]
WINDOW = {"from": 1, "to": 8}


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch, look: Callable) -> Iterator[Callable[..., Result]]:
    """Run the command with `--streams`, against moto's S3 and an emulator of the log streams."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    with Emulator(log_streams=STREAMS) as emulator:
        yield lambda *given: look(*given, "--streams", "--endpoint-url", emulator.url)


def test_missing_streams_are_listed(logs: Callable):
    """With --streams, a delivery without some streams is partial, and the streams are named."""
    done = logs([task("full", **WINDOW), task("nothing", **WINDOW)])
    assert (done.exit_code, done.stderr) == (0, "")
    title, *_ = done.stdout.splitlines()
    assert title == "2 COMPLETED tasks looked up in S3, 1 partial, 1 empty"
    assert is_harmless(done.stdout)
    rows = json.loads(logs([task("full", **WINDOW)], "--format", "json").stdout)
    assert rows[0]["delivered"] == "partial"
    assert (rows[0]["missing_streams"], rows[0]["possibly_missing_streams"]) == (1, 2)
    assert rows[0]["missing_stream_names"] == "c"
    assert rows[0]["possibly_missing_stream_names"] == "d/\x1b[31m:e"
    text = logs([task("full", **WINDOW)], "--format", "markdown").stdout
    assert "| partial | c |" in text


def test_streams_that_cannot_be_looked_at_are_said(logs: Callable):
    """The deliveries are listed all the same, with exit code 3."""
    done = logs([task("full", logGroupName="/deleted", **WINDOW)])
    assert done.exit_code == 3
    assert "the streams of 1 of 1 were not looked at; see the column reason" in done.stderr
    assert "ResourceNotFoundException" in done.stdout.replace("\n", "")


def test_options_select_tasks(look: Callable):
    """--since, --until and --task-id keep the tasks that they name."""
    old = task("old", destination=None, executionInfo={"creationTime": START - 86_400_000})
    tasks = [*TASKS, old]
    for words, kept in (
        (["--since", "2026-11-23"], set(EXPECTED)),
        (["--until", "2026-11-23"], {"old"}),
        (["--task-id", "full"], {"full"}),
        (["--status", "failed"], set()),
    ):
        rows = json.loads(look(tasks, *words, "--format", "json").stdout)
        assert {row["task_id"] for row in rows} == kept


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("{tasks} --s3-profile nobody", 1, "The config profile (nobody) could not be found"),
        ("{tasks} --all-regions", 2, "--all-regions is for AWS"),
        ("{tasks} --format xml", 2, "'xml' is not one of"),
        ("{tasks} --plot a.png", 2, "No such option"),
        ("missing.json", 2, "there is no file 'missing.json'"),
        ("{tasks}", 1, "there are no credentials for S3"),
    ],
)
def test_what_goes_wrong_is_one_line(
    words: str, code: int, said: str, run: Callable, page: Callable
):
    """Wrong usage exits with 2 and an unreachable S3 with 1; no table is printed."""
    done = run("deliveries", *words.format(tasks=page(*TASKS)).split())
    assert done.exit_code == code
    assert said in done.stderr.splitlines()[-1]
    assert not done.stdout


def test_partial_tasks_end_with_3(run: Callable, serve: Callable, made: Callable, moto: str):
    """Tasks that arrived before a failure are looked up, and the exit code is 3."""
    serve(made(120), faults=[Fault("deny", at=(2,))])
    done = run("deliveries", "--s3-endpoint-url", moto, "--format", "json")
    assert done.exit_code == 3
    assert len(json.loads(done.stdout)) == 50
    assert "incomplete: " in done.stderr


@pytest.fixture
def evil(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Make tasks with hostile names, and an S3 with hostile answers."""
    tasks = [
        task(f"{n}{name}"[:512], destination=name, destinationPrefix=name)
        for n, name in enumerate(EVIL)
    ]
    plainly = xs.fetch_deliveries

    def fetch(found: pd.DataFrame, **more: Any) -> pd.DataFrame:  # noqa: ANN401
        table = plainly(found, **more)
        return table.assign(reason=table["destination"].astype("str"))

    monkeypatch.setattr(xs, "fetch_deliveries", fetch)
    return tasks


@pytest.mark.parametrize("kind", ["table", "csv", "json", "markdown"])
def test_hostile_names_are_text(kind: str, look: Callable, evil: list[Row]):
    """Every format shows each name as text, without control sequences."""
    done = look(evil, "--format", kind)
    assert done.exit_code == 3, "there is none of the buckets"
    assert is_harmless(done.stdout)
    assert is_harmless(done.stderr)
    if kind == "json":
        assert done.stdout.isascii()
        assert {row["destination"] for row in json.loads(done.stdout)} == set(EVIL)
    elif kind == "csv":
        rows = list(csv.reader(io.StringIO(done.stdout)))
        assert done.stdout.count("\n") == len(rows)
        cells = {cell for row in rows for cell in row}
        assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "\t"))]
        assert {plain(name) for name in EVIL} <= {cell.removeprefix("'") for cell in cells}
    elif kind == "table":
        assert all(plain(name) in done.stdout for name in EVIL)


def test_a_table_fits_80_columns(look: Callable):
    """In a terminal, no line is too wide, and the only control sequences are colours."""
    tasks = [*TASKS, task("wide", destination="日" * 60)]
    shown = look(tasks, env={"FORCE_COLOR": "1", "COLUMNS": "80"}).stdout
    assert "\x1b[1m" in shown
    text = SGR.sub("", shown)
    assert is_harmless(text)
    assert max(map(cell_len, text.splitlines())) <= 80
