"""The command `calls`: who asked for exports, and what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import exportstats as xs
from exportstats.cli.failing import say
from exportstats.cli.fetch import read_existing
from exportstats.cli.options import ADD_TO
from exportstats.cli.question import Answer, question
from exportstats.cli.wanted import PLACE, moment, refuse_reversed
from exportstats.core.schema import TABLES
from exportstats.errors import ArgumentError
from exportstats.io.whole import one_at_a_time
from exportstats.text import counted

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    import pandas as pd

    from exportstats.cli.source import Origin

_SHOWN = 40  # rows in a terminal
_CALLS = {"CreateExportTask": "create", "CancelExportTask": "cancel"}


@question(
    click.option(
        "--since",
        callback=moment,
        metavar="TIME",
        help="Only calls at or after this time (UTC by default), such as 2026-11-01 or "
        "2026-11-01T06:00Z, or an age: 90m, 24h, 7d or 4w.",
    ),
    click.option("--until", callback=moment, metavar="TIME", help="Only calls before this time."),
    ADD_TO,
    click.option(
        "--redact",
        is_flag=True,
        help="Replace accounts, principals, sessions, log groups and other names with pseudonyms.",
    ),
    filters=PLACE,
    what="API calls",
    is_drawn=False,
)
def calls(
    origin: Origin,
    *,
    since: dt.datetime | None,
    until: dt.datetime | None,
    file: Path | None,
    redact: bool,
) -> Answer:
    """List who created or cancelled tasks, and what was refused.

    Files are those of a CloudTrail trail, or the output of `aws cloudtrail lookup-events`. AWS is
    asked with LookupEvents, which reaches 90 days back. It requires the permission
    cloudtrail:LookupEvents, and no trail. The table shows who called and why a call was refused;
    csv and json have every column.

    \b
    exportstats calls --since 7d -o calls.parquet
    exportstats calls AWSLogs/123456789012/CloudTrail --log-group /app
    """
    refuse_reversed(since, until)
    if file is not None and file.exists():
        if redact:
            raise ArgumentError(f"{file} exists; choose another file for redacted calls")
        _refuse_records(file)
        read_existing(file, "api_calls")  # fail before AWS is asked
    table = _selected(origin, since, until)
    if redact:
        table = _redacted(table)
    if file is not None:
        add_to(file, table, "api_calls")
    table = table.sort_values("event_time", ascending=False, kind="stable", ignore_index=True)
    refused = int(table["error_code"].notna().sum())
    title = f"{counted(len(table), 'API call')}, {refused:,} refused"
    return Answer(table, title, _of_calls(table), shown=_SHOWN)


def _selected(origin: Origin, since: dt.datetime | None, until: dt.datetime | None) -> pd.DataFrame:
    """Load the API calls of the selected places and times."""
    every = origin.api_calls(since, until)
    table = origin.wanted.of_log_groups(every)
    for time, keep in ((since, "ge"), (until, "lt")):
        if time is not None:
            table = table[getattr(table["event_time"], keep)(time)]
    if len(every) and not len(table):
        say(f"none of {counted(len(every), 'API call')} is of these places and times")
    return table


def _redacted(table: pd.DataFrame) -> pd.DataFrame:
    from exportstats.core import frames, schema
    from exportstats.report.redaction import redact

    hidden = redact(frames.empty(), api_calls=table)[3]
    return frames.check(hidden, schema.API_CALLS)


def _refuse_records(file: Path) -> None:
    """Refuse to add to a file of CloudTrail, which has more than API calls about tasks."""
    from exportstats.io.source import open_source

    with open_source(file) as source:
        if b'"eventSource"' in source.head or b'"CloudTrailEvent"' in source.head:
            raise ArgumentError(
                f"{file} is a file of CloudTrail, and adding to it would lose data; choose "
                "another file"
            )


def add_to(file: Path, table: pd.DataFrame, of: str) -> None:
    """Add the rows of a table to a file."""
    with one_at_a_time(file):
        before = read_existing(file, of)  # another command may have written it meanwhile
        written = table if before is None else xs.concat([before, table], of=of)
        getattr(xs, f"write_{of}")(written, file)
    say(f"{file}: {counted(len(written), TABLES[of].row)}")


def _of_calls(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns for people, with the last part of ARNs."""
    view = table[["account_id", "region"]].assign(
        time=table["event_time"],
        call=table["event_name"].astype("str").replace(_CALLS),
        log_group_name=table["log_group_name"],
        by=table["principal"].astype("str").str.replace(r"^arn:.*[:/]", "", regex=True),
    )
    for name, column in (("refused", "error_code"), ("session", "session_name")):
        if table[column].notna().any():
            view[name] = table[column].astype("str").fillna("")
    return view
