"""Errors are one line with cause, place and remedy, and an exit code."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, strategies as st
from support import skip_waits

from exportstats.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USAGE = [
    ("status {tasks} --by nonsense", "--by nonsense; give one or several of account_id, region"),
    ("status {tasks} --by region,", "--by ''; give one or several of"),
    ("status {tasks} --by region --by region", "names a column twice"),
    ("status {tasks} --by status_code", "--by status_code is a column of the result itself"),
    ("failures {tasks} --by status_message", "--by status_message; leave it out"),
    ("status {tasks} --freq nonsense", "--freq nonsense; give a calendar frequency"),
    ("durations {tasks} --freq 0D", "--freq 0D; give a calendar frequency"),
    ("status {tasks} --freq=", "--freq ''; give a calendar frequency"),
    ("failures {tasks} --freq D", "No such option"),
    ("status {tasks} --since nonsense", "'nonsense' is not a time; use a form such as 2026-11-01"),
    ("status {tasks} --until=", "'' is not a time; use a form such as 2026-11-01"),
    ("status {tasks} --since 999999w", "'999999w' is not a time"),
    ("status {tasks} --since -1d", "'-1d' is not a time"),
    ("status {tasks} --since 2026-02-30", "'2026-02-30' is not a time"),
    (
        "status {tasks} --since 2026-11-02 --until 2026-11-01",
        "--since 2026-11-02 00:00:00+00:00 is not before --until 2026-11-01 00:00:00+00:00; swap",
    ),
    ("status {tasks} --status DONE", "'DONE' is not one of 'pending', 'running'"),
    ("status {tasks} --format xml", "'xml' is not one of 'table', 'csv', 'json', 'markdown'"),
    (
        "status {tasks} --plot chart.gif",
        "'chart.gif' is not a supported format; use one of .png, .svg, .pdf",
    ),
    ("status {tasks} --plot chart", "'chart' is not a supported format"),
    ("status {tasks} --plot missing/a.png", "the folder 'missing' does not exist"),
    ("status {tasks} --plot .", "'.' is a directory"),
    ("status {tasks} --profile audit", "--profile is for AWS; leave it out, or leave out"),
    ("status --strict", "--strict is for files; leave it out, or name a file"),
    ("status {tasks} --since 1969-12-31", "'1969-12-31' is not a time"),
    (
        "status {tasks} --until 9999-12-31T23:59-14:00",
        "is not a time; use a form such as 2026-11-01",
    ),
    ("status {tasks} --endpoint-url http://x", "--endpoint-url is for AWS"),
    ("status missing.json", "there is no file 'missing.json'"),
    ("status {tasks} missing*.json", "there is no file 'missing*.json'"),
    ("status --task-id=", "--task-id ''; give text of 1 to 512 characters"),
    ("status --region b@d", "'b@d'"),
    ("status --region eu-west-1 --endpoint-url nonsense", "nonsense; give endpoint_url as in"),
    ("fetch", "Missing option '-o' / '--output'"),
    ("demo -o {tasks}", "is a file"),
    ("emulate --port 70000", "70000 is not in the range 0<=x<=65535"),
    ("emulate --latency -1", "-1.0 is not in the range x>=0"),
    ("emulate --requests-per-second x", "'x' is not a valid float"),
    ("emulate --fault x", "unknown fault 'x'; give one of throttle, unavailable"),
    ("emulate --fault slow:0", "a fault every 0 requests; give 1 or more"),
    ("emulate missing.json", "there is no file 'missing.json'"),
    ("stats", "No such command 'stats'"),
]


def error_of(done) -> str:  # noqa: ANN001 - click's result, or our own
    """Return the line that says what is wrong; before it are click's usage or a file's warnings."""
    *before, last = done.stderr.splitlines()
    known = ("Usage: ", "Try ", "exportstats: ")
    assert all(line.startswith(known) or not line for line in before), done.stderr
    assert last.startswith(("Error: ", "exportstats: "))
    return last


@pytest.fixture
def tasks(page: Callable, made: Callable, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two tasks to a file, and change to its folder."""
    path = page(*made(2))
    monkeypatch.chdir(path.parent)
    return path


@pytest.mark.parametrize(("line", "reason"), USAGE)
def test_wrong_usage_is_one_line_and_2(line: str, reason: str, run: Callable, tasks: Path):
    """Wrong usage exits with 2, and the line names the value and what is allowed."""
    done = run(*line.format(tasks=tasks, folder=tasks.parent).split())
    assert done.exit_code == 2
    assert reason in error_of(done)
    assert not done.stdout


def test_a_chart_that_cannot_be_drawn_leaves_the_table(run: Callable, tasks: Path):
    """--plot with groups and periods is refused after the table was printed, with a remedy."""
    done = run("status", tasks, "--by", "region", "--freq", "D", "--plot", "chart.png")
    assert done.exit_code == 2
    assert "COMPLETED" in done.stdout
    assert "one chart cannot show both groups (region) and periods; leave out" in error_of(done)
    assert not list(tasks.parent.glob("*chart*"))


BROKEN = [
    (b"", "it is empty"),
    (b'{"exportTasks": [{"taskId": "a"', "line 1, column"),
    (b'{"exportTasks":\n [{"taskId": "a"},]}', "line 2"),
    (b'{"exportTasks": 1}', "no row could be read"),
    (b"[" * 100_000, ""),
    (b'{"a":' * 100_000, ""),
    (b'"text"', "neither JSON nor CSV nor Parquet"),
    (b"<html>", "neither JSON nor CSV nor Parquet"),
    (b"\xff\xfe{\x00}\x00", "neither a page of tasks nor a task"),
    (b"\x1f\x8b\x08\x00broken", "cannot be read to its end"),
    (b"\x28\xb5\x2f\xfdbroken", "cannot be read to its end"),
    (b"PAR1broken", ""),
    (b'{"exportTasks": [{"taskId": "\xff"}]}', ""),
]


@pytest.mark.parametrize(("content", "reason"), BROKEN)
def test_a_broken_file_is_one_line_and_1(content: bytes, reason: str, run: Callable, tasks: Path):
    """An invalid file exits with 1, and the line names the file and the place in it."""
    path = tasks.with_name("broken.json")
    path.write_bytes(content)
    done = run("status", path)
    assert done.exit_code == 1
    assert "broken.json" in error_of(done)
    assert reason in error_of(done)
    assert not done.stdout


LIVE = [
    ({}, ["--profile", "nobody"], "The config profile (nobody) could not be found"),
    ({"AWS_DEFAULT_REGION": None}, [], "You must specify a region; name a region"),
    ({"AWS_ACCESS_KEY_ID": None}, [], "Unable to locate credentials; name a profile"),
    ({"AWS_SECRET_ACCESS_KEY": None}, [], "AWS_SECRET_ACCESS_KEY; name a profile"),
    ({"AWS_CONFIG_FILE": "broken.ini"}, [], "broken.ini"),
]


@pytest.mark.parametrize(("environment", "words", "reason"), LIVE)
def test_aws_that_cannot_be_asked_is_one_line_and_1(
    environment: dict[str, str | None],
    words: list[str],
    reason: str,
    run: Callable,
    serve: Callable,
    tasks: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """A missing profile, region or credentials, or a broken configuration, has a remedy."""
    tasks.with_name("broken.ini").write_text("[profile\nx")
    emulator = serve([])
    for name, value in environment.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    done = run("status", *words)
    assert done.exit_code == 1
    assert reason in error_of(done)
    assert not emulator.requests


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore retry without waiting."""
    skip_waits(monkeypatch)


@pytest.mark.usefixtures("no_waiting")
def test_an_endpoint_without_a_listener(run: Callable, serve: Callable):
    """An unreachable endpoint exits with 1, and its address is named."""
    serve([])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = run("status", "--endpoint-url", url)
    assert done.exit_code == 1
    assert f'Could not connect to the endpoint URL: "{url}/"; check the network' in error_of(done)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("deny", 'allow the action logs:DescribeExportTasks on the resource "*"'),
        ("unrecognized", "check that the credentials are for this partition"),
        ("unavailable", "ServiceUnavailableException"),
        ("drop", "onnection"),
        ("html", "incomplete"),
    ],
)
def test_a_service_that_refuses_is_one_line_and_1(
    kind: str, reason: str, run: Callable, serve: Callable
):
    """An error from the service or a proxy is shown, with a remedy."""
    serve([], faults=[Fault(kind)])
    done = run("failures")
    assert done.exit_code == 1
    assert reason in error_of(done)
    assert not done.stdout


@pytest.mark.parametrize("words", ["status", "durations --format csv", "--help"])
def test_a_full_disk_is_one_line_and_1(words: str, sample_file: Path, shell: Callable):
    """If stdout cannot be written, that is one line, with exit code 1."""
    command, *options = words.split()
    source = [] if words == "--help" else [sample_file]
    with Path("/dev/full").open("wb") as full:
        done = shell(command, *source, *options, stdout=full.fileno())
    assert (done.code, done.stderr) == (
        1,
        "exportstats: the output cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("words", ["status", "status --format csv"])
def test_a_closed_pipe_prints_nothing(words: str, sample_file: Path, shell: Callable):
    """`| head -1` ends the command without a message."""
    command, *options = words.split()
    reader, writer = os.pipe()
    os.close(reader)
    done = shell(command, sample_file, *options, stdout=writer)
    os.close(writer)
    assert (done.code, done.stderr) == (1, "")


def test_a_character_that_the_terminal_lacks_is_no_error(
    shell: Callable, page: Callable, made: Callable
):
    """Characters that stdout cannot encode are escaped."""
    path = page(*made(1, logGroupName="日本"))
    done = shell("status", path, "--by", "log_group_name", PYTHONIOENCODING="latin-1")
    assert done.code == 0
    assert r"\u65e5\u672c" in done.stdout


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[", b"[" * 100_000, b"[1]", b'[{"account_id": 1}]', b"a,b\n1,2,3"],
)
def test_a_broken_list_of_targets_is_one_line_and_2(content: bytes, run: Callable, tasks: Path):
    """An invalid --targets file is wrong usage, and the line names it."""
    tasks.write_bytes(content)
    done = run("status", "--targets", tasks)
    assert done.exit_code == 2
    assert str(tasks) in error_of(done)


@pytest.mark.parametrize("freq", ["99999999999999999999D", "99999999999999W", "9" * 17 + "MS"])
def test_a_frequency_beyond_all_integers_is_wrong_usage(run: Callable, tasks: Path, freq: str):
    """A multiple of a period that does not fit an integer is refused like any invalid one."""
    done = run("status", tasks, "--freq", freq)
    assert done.exit_code == 2
    assert "give a calendar frequency" in error_of(done)


TEXT = st.text(max_size=12)
OPTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["--by", "--freq", "--since", "--until", "--status", "--task-id", "--format"]
        ),
        st.one_of(
            TEXT,
            st.sampled_from(["region", "log_group_name", "7d", "D", "W", "csv", "json", "FAILED"]),
            st.from_regex(r"[-+]?\d{1,4}(\.\d)?(h|D|W|MS|QS|YS|min|s|ms|B|W-SAT)", fullmatch=True),
            st.datetimes().map(str),
        ),
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def odd_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write tasks whose times are far apart or missing."""
    path = tmp_path_factory.mktemp("odd") / "odd.jsonl"
    times = ["0", "1795413600000", "-9223372036854775807", "9223372036854775807", "null"]
    path.write_text(
        "\n".join(
            f'{{"taskId": "{number}", "executionInfo": {{"creationTime": {time}}}}}'
            for number, time in enumerate(times)
        )
    )
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pandas has old names of frequencies
@given(command=st.sampled_from(["status", "durations", "failures"]), options=OPTIONS)
@example(command="status", options=[("--freq", "D"), ("--by", "region")])
@example(command="durations", options=[("--freq", "1ms")])
@example(command="status", options=[("--since", "0001-01-01T00:00+14:00"), ("--freq", "YS")])
@example(command="status", options=[("--until", "9999-12-31T23:59-14:00"), ("--freq", "ME")])
def test_no_option_brings_a_traceback(
    command: str, options: list[tuple[str, str]], run: Callable, odd_file: Path
):
    """Any option values end the command normally, with 0, 1 or 2."""
    done = run(command, odd_file, *(f"{name}={value}" for name, value in options))
    assert done.exit_code in (0, 2)
    assert done.stdout if done.exit_code == 0 else error_of(done)


@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text(alphabet='{}[]":,\\ \n0123456789.eE-+truefalsn', max_size=40).map(str.encode),
        st.sampled_from(["exportTasks", "taskId", "status", "executionInfo"]).flatmap(
            lambda key: st.recursive(
                st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
                lambda inner: (
                    st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2)
                ),
                max_leaves=4,
            ).map(lambda value: f'{{"taskId": "a", "{key}": {json.dumps(value)}}}'.encode())
        ),
    )
)
def test_no_file_brings_a_traceback(content: bytes, run: Callable, odd_file: Path):
    """Any file contents end the command normally, with 0 or 1."""
    path = odd_file.with_name("any.json")
    path.write_bytes(content)
    done = run("durations", path, "--by", "region", "--format", "csv")
    assert done.exit_code in (0, 1)
    assert done.exit_code == 0 or error_of(done)
