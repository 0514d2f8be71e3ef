"""The figures of `gaps` and `coverage` are those of the functions, and are shown word for word."""

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
from covered import DAY_OF_ALL, LOG_GROUPS, RANGE, Row, cells_of, iso, ms, task

import exportstats as xs

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
        account_id,region,log_group_name,length_seconds,covered_at_least,covered_at_most,partial_fraction,silent_fraction,gaps,missing_seconds,overlapping_seconds,premature_fraction,covered_until
        111122223333,eu-west-1,/app,86400.0,0.0,0.8333333333333334,0.0,0.0,1,14400.0,7200.0,0.08333333333333333,2026-11-01T16:00:00.000Z
        111122223333,eu-west-1,/whole,86400.0,0.0,1.0,0.0,0.0,0,0.0,0.0,0.0,2026-11-02T00:00:00.000Z
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
        account_id,region,log_group_name,start,end,length_seconds,reason,last_task_id,expires_at,error_code,tried_by,incoming_bytes,incoming_events
        111122223333,eu-west-1,/app,2026-11-01T06:00:00.000Z,2026-11-01T08:00:00.000Z,7200.0,failed,b,,,,,
        111122223333,eu-west-1,/app,2026-11-01T16:00:00.000Z,2026-11-01T19:30:00.000Z,12600.0,active,g,,,,,
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
