"""The commands coverage, gaps and backfill print what the functions return."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from textwrap import dedent
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from covered import (
    ALL,
    DAY_OF_ALL,
    LOG_GROUPS,
    MINUTE,
    PNG,
    RANGE,
    UPPER_BOUND,
    Row,
    cells_of,
    group,
    iso,
    ms,
    task,
)

import exportstats as xs
from exportstats.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


RANGES = {
    "": ("2026-10-23", "2026-11-22"),
    "--since 2026-11-01T06:30Z": ("2026-11-01T06:30Z", "2026-11-22"),
    "--until 2026-09-01": ("2026-08-02", "2026-09-01"),
    "--since 2025-11-20 --until 2026-11-23T06:00 --tolerance 1min": (
        "2025-11-20",
        "2026-11-23T06:00Z",
        "1min",
    ),
    "--since 2026-11-10T02:00+02:00 --until 2026-11-20 --tolerance 59s": (
        "2026-11-10",
        "2026-11-20",
        "59s",
    ),
}


def machine_rows(table: pd.DataFrame) -> list[Row]:
    """Return a table in the form for machines."""
    rows = []
    for row in table.astype(object).to_dict("records"):
        made: Row = {}
        for name, value in row.items():
            if isinstance(value, pd.Timedelta):
                made[f"{name}_seconds"] = value.total_seconds()
            elif isinstance(value, pd.Timestamp):
                made[name] = iso(value.value // 1_000_000)
            else:
                made[name] = None if pd.isna(value) else value
        rows.append(made)
    return rows


def gaps_and_coverage(
    start: str, end: str, tolerance: str = "0s", *, with_groups: bool = True
) -> tuple[list[Row], list[Row]]:
    """Return the results of the Python functions for the sample."""
    log_groups = xs.sample_log_groups() if with_groups else None
    asked = {"start": start, "end": end, "tolerance": tolerance, "log_groups": log_groups}
    tasks = xs.sample_tasks()
    summary = xs.coverage_summary(tasks, **asked).sort_values(
        "missing", ascending=False, kind="stable"
    )
    return machine_rows(xs.find_gaps(tasks, **asked)), machine_rows(summary.reset_index())


@pytest.mark.parametrize(
    ("words", "with_groups"), [*((words, True) for words in RANGES), ("", False)]
)
def test_every_figure_of_gaps_and_coverage_is_that_of_the_functions(
    words: str,
    with_groups: bool,  # noqa: FBT001
    run: Callable,
    sample_file: Path,
):
    """JSON and CSV equal the results in Python, for any range, with and without log groups."""
    options = [*words.split(), *(["--log-groups", LOG_GROUPS] if with_groups else [])]
    gaps, coverage = gaps_and_coverage(*RANGES[words], with_groups=with_groups)
    for command, counted in (("gaps", gaps), ("coverage", coverage)):
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


def test_what_people_see_of_the_sample_is_the_same(run: Callable, sample_file: Path):
    """Markdown and the table have each gap and each log group, with its start and its reason."""
    counted, coverage = gaps_and_coverage("2026-10-23", "2026-11-22")
    more = (sample_file, "--log-groups", LOG_GROUPS)
    expected = [
        [
            *(row[name] for name in ("account_id", "region", "log_group_name")),
            row["start"][:16].replace("T", " "),
            (row["expires_at"] or "never")[:10],
            row["reason"].replace("_", " "),
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
        "expires",
        "why",
    ]
    assert [[*row[:4], *row[5:]] for row in cells] == expected
    lines = run("gaps", *more).stdout.splitlines()
    assert lines[0] == "51 gaps, 103 d 1 h, 2026-10-23 to 2026-11-22 UTC"
    assert len(counted) == 51
    # two units are said of it
    assert int(sum(row["length_seconds"] for row in counted) // 3600) == 103 * 24 + 1
    assert [re.split(r"  +", line.strip())[3] for line in lines[4:]] == [row[3] for row in expected]

    counted = coverage
    head, _, *cells = cells_of(run("coverage", *more, "--format", "markdown").stdout)
    names = ["covered", "gaps", "missing", "unbroken to", "overlap"]  # nothing is premature
    assert head == ["account_id", "region", "log_group_name", *names]
    assert [(*row[:3], row[4], row[6]) for row in cells] == [
        (*list(row.values())[:3], str(row["gaps"]), row["covered_until"][:10]) for row in counted
    ]
    whole = sum(row["gaps"] == 0 for row in counted)
    title = run("coverage", *more).stdout.splitlines()[0]
    assert title == f"{whole} of 18 log groups without a gap, 2026-10-23 to 2026-11-22 UTC"


GOLDEN = {
    "coverage": """
        1 of 2 log groups without a gap, 2026-11-01 to 2026-11-02 UTC

        account_id    region     log_group_name  covered  gaps  missing  unbroken to  overlap  premature
        ────────────────────────────────────────────────────────────────────────────────────────────────
        111122223333  eu-west-1  /app               75 %     2       6h  2026-11-01        2h      8.3 %
        111122223333  eu-west-1  /whole            100 %     0       0s  2026-11-02        0s        0 %
        """,  # noqa: E501 - a line is a row
    "coverage --format markdown": """
        1 of 2 log groups without a gap, 2026-11-01 to 2026-11-02 UTC

        | account\\_id | region | log\\_group\\_name | covered | gaps | missing | unbroken to | overlap | premature |
        | :-- | :-- | :-- | --: | --: | --: | :-- | --: | --: |
        | 111122223333 | eu-west-1 | /app | 75 % | 2 | 6h | 2026-11-01 | 2h | 8.3 % |
        | 111122223333 | eu-west-1 | /whole | 100 % | 0 | 0s | 2026-11-02 | 0s | 0 % |
        """,  # noqa: E501 - a line is a row
    "coverage --format csv --tolerance 2h": """
        account_id,region,log_group_name,covered_fraction,gaps,missing_seconds,overlapping_seconds,premature_fraction,covered_until
        111122223333,eu-west-1,/app,0.8333333333333334,1,14400.0,7200.0,0.08333333333333333,2026-11-01T16:00:00.000Z
        111122223333,eu-west-1,/whole,1.0,0,0.0,0.0,0.0,2026-11-02T00:00:00.000Z
        """,
    "gaps": """
        2 gaps, 6 h, 2026-11-01 to 2026-11-02 UTC

        account_id    region     log_group_name  start             length  why
        ─────────────────────────────────────────────────────────────────────────
        111122223333  eu-west-1  /app            2026-11-01 06:00      2h  failed
        111122223333  eu-west-1  /app            2026-11-01 16:00      4h  active
        """,
    "gaps --tolerance 2h --format markdown": """
        1 gap, 4 h, 2026-11-01 to 2026-11-02 UTC

        | account\\_id | region | log\\_group\\_name | start | length | why |
        | :-- | :-- | :-- | :-- | --: | :-- |
        | 111122223333 | eu-west-1 | /app | 2026-11-01 16:00 | 4h | active |
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
    """For a day with every kind of gap, each command prints exactly this and exits with 0."""
    command, *options = words.split()
    done = run(command, page(*DAY_OF_ALL), *RANGE, *options)
    assert done.exit_code == 0
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        line.rstrip() for line in dedent(GOLDEN[words]).strip().splitlines()
    ]


def test_the_default_range_is_thirty_days_before_a_midnight(run: Callable, page: Callable):
    """The default range ends at the last midnight at least a day before the latest observation."""
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


def test_log_groups_of_a_file_tell_of_creation_retention_and_those_never_exported(
    run: Callable, page: Callable, groups_file: Callable
):
    """A log group never exported is a gap since its creation, and lost where events expired."""
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
    assert re.search(r"/new +2026-11-01 12:00 +8h +never +never tried$", shown, re.MULTILINE)


CODES = [
    ("gaps {tasks}", 0, ""),
    ("gaps {tasks} --check", 4, ""),
    ("gaps {tasks} --check --tolerance 4h", 0, ""),
    ("gaps {tasks} --check --format csv", 4, ""),
    ("coverage {tasks} --check", 2, "No such option"),
    ("gaps {tasks} --status COMPLETED", 2, "No such option"),
    ("{command} {tasks} --tolerance nonsense", 2, "--tolerance nonsense; give a length of time"),
    ("{command} {tasks} --tolerance=-1min", 2, "--tolerance -1min; give a length of time"),
    ("{command} {tasks} --since 2026-11-03", 2, "is not before --until"),
    (
        "{command} {tasks} --since nonsense",
        2,
        "'nonsense' is not a time; use a form such as 2026-11-01",
    ),
    ("{command} {tasks} --region x", 2, "none of 9 tasks matches --region x"),
    ("{command} {tasks} --plot a.gif", 2, "is not a supported format"),
    ("{command} {tasks} --log-groups missing.json", 2, "missing.json"),
    ("{command} {tasks} --log-groups {tasks}", 1, "these are tasks"),
    ("{command} missing.json", 2, "there is no file 'missing.json'"),
    ("{command} {tasks} --format xml", 2, "'xml' is not one of"),
    ("backfill {tasks} --max-window 0D", 2, "--max-window 0D"),
    ("backfill {tasks} --destination=", 2, "--destination ''"),
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
    """The exit code is 0, 4 for a gap with --check, 2 for wrong usage or 1 for a broken file."""
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
    """Tasks without a time of observation need --since and --until."""
    done = run(command, page())
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "exportstats: no task has a time of observation; give --since and --until\n"
    )
    done = run(command, page(), *RANGE)
    assert done.exit_code == 0
    assert (
        done.stdout
        == {
            "coverage": "no log groups, 2026-11-01 to 2026-11-02 UTC\n",
            "gaps": "no log groups, 2026-11-01 to 2026-11-02 UTC\n",
            "backfill": "",
        }[command]
    )


@pytest.mark.parametrize("command", ALL)
def test_a_list_that_breaks_off_is_partial(
    command: str, run: Callable, serve: Callable, made: Callable
):
    """A partial result is shown and marked, and the exit code is 3, also with --check."""
    day = {"from": ms("2026-11-01"), "to": ms("2026-11-01T12:00") - 1, "destination": "acme"}
    serve(made(120, **day), faults=[Fault("deny", at=(2,))])
    words = [*RANGE, *(["--check"] if command == "gaps" else [])]
    done = run(command, *words)
    assert done.exit_code == 3, done.stderr
    assert done.stdout
    assert "incomplete: " in done.stderr


def test_what_is_said_beside_the_tables(run: Callable, page: Callable):
    """Notes on the upper bound and on short gaps are printed for people, not for machines."""
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
        "24 gaps are a minute or shorter; --tolerance 1min treats them as covered\n"
    )


@pytest.mark.parametrize("command", ALL)
def test_a_chart_is_a_png(command: str, run: Callable, page: Callable, tmp_path: Path):
    """--plot writes the chart and names its file; the result is unchanged."""
    path, chart = page(*DAY_OF_ALL), tmp_path / "chart.png"
    done = run(command, path, *RANGE, "--plot", chart)
    assert done.exit_code == 0
    assert chart.read_bytes().startswith(PNG)
    assert done.stdout == run(command, path, *RANGE).stdout
    assert done.stderr.endswith(f"exportstats: the chart is in {chart}\n")


def test_many_log_groups_are_drawn_too(run: Callable, page: Callable, tmp_path: Path):
    """With more than 50 log groups, coverage is drawn by day."""
    tasks = [task(f"{n}", 0, 6, logGroupName=f"/app/{n}") for n in range(51)]
    assert run("coverage", page(*tasks), *RANGE, "--plot", tmp_path / "a.png").exit_code == 0
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_a_backfill_can_be_piped_into_a_shell(run: Callable, sample_file: Path):
    """Stdout has only commands, one per line; the estimate is on stderr."""
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
    assert said[0] == "exportstats: left out: 1 d of events deleted by retention"
    slots_said = f"{len(lines)} tasks, one at a time in each of {len(slots)} slots"
    assert f"exportstats: {slots_said} (account and region)" in said
    done_by = r"exportstats: expected end (\S+ \S+), 90th percentile \S+ \S+ UTC"
    assert any(re.fullmatch(done_by, line) for line in said)
