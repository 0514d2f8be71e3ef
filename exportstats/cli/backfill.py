"""The command `backfill`: the tasks that would close the gaps."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from typing import TYPE_CHECKING, Any, Literal

import click

import exportstats as xs
from exportstats.cli import remedies
from exportstats.cli.evidence import scaled
from exportstats.cli.failing import say
from exportstats.cli.findings import FINDING, ByFinding, of_finding
from exportstats.cli.options import PLOT, NewFile, NewFolder
from exportstats.cli.question import draw
from exportstats.cli.ranges import RANGE, SHORT_GAP, ask, last_due
from exportstats.cli.source import sourced
from exportstats.cli.wanted import PLACE
from exportstats.core import schema
from exportstats.errors import ArgumentError
from exportstats.io.whole import whole_file
from exportstats.text import counted, total, total_bytes, write_bytes, write_duration, write_minute

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    import pandas as pd

    from exportstats.cli.ranges import Asked
    from exportstats.cli.source import Origin

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LATEST = dt.timedelta(hours=12)  # until an event can be exported
_HISTORY = dt.timedelta(days=30)  # a forecast by bytes needs 20 earlier tasks with known ones
_TOMORROW = dt.timedelta(days=2)  # until tomorrow's export is done
# Messages on what a plan leaves out, by reason.
_LEFT_OUT = {
    "lost": "{length} of events past their retention{stake}",
    "silent": "{length} in which nothing came in",
    "never_exported": "{log_groups} never exported{stake}; --never-exported adds them",
    "short": "{gaps} of a minute or less{stake}; --short-gaps adds them",
    "too_recent": "{length} within the last 12 h{stake}, where events may still arrive",
    "active": "{length} that active tasks are exporting{stake}",
}
_SCRIPT = NewFile({".sh": re.compile(b"#!/bin/sh\n# Backfill made by exportstats")})


class _Scripts(NewFolder):
    """A folder to write scripts into, or a single script."""

    def convert(self, value: Any, *more: Any) -> Path:  # noqa: ANN401 - click's signature
        """Return the path, or refuse it."""
        if str(value).endswith(".sh"):
            return _SCRIPT.convert(value, *more)
        return super().convert(value, *more)


@sourced(
    *RANGE,
    *FINDING,
    click.option(
        "--max-window",
        default="1D",
        show_default=True,
        metavar="LENGTH",
        help="The longest window of one task, such as 6h or 7D.",
    ),
    click.option(
        "--destination", metavar="BUCKET", help="The S3 bucket.  [default: that of the last task]"
    ),
    click.option("--prefix", help="The key prefix.  [default: that of the last task]"),
    click.option(
        "--format",
        "form",
        type=click.Choice(["shell", "json"]),
        default="shell",
        show_default=True,
        help="Print AWS CLI commands, or a line of JSON with the arguments of each boto3 call.",
    ),
    click.option(
        "--script",
        type=_Scripts(),
        metavar="FOLDER|FILE.sh",
        help="Write a shell script for each slot instead of printing commands. A script creates "
        "one task after another, and can be run again. Give a folder, or a file for a single slot.",
    ),
    click.option("--short-gaps", is_flag=True, help="Also export gaps of a minute or less."),
    click.option(
        "--never-exported", is_flag=True, help="Also export log groups that were never exported."
    ),
    PLOT,
    filters=PLACE,
    cls=ByFinding,
)
def backfill(
    origin: Origin,
    *,
    form: Literal["shell", "json"],
    script: Path | None,
    short_gaps: bool,
    chart: Path | None,
    from_report: str | None,
    finding: str | None,
    **given: Any,  # noqa: ANN401 - as `ask` and `plan_backfill` take them
) -> None:
    """Print the commands that would close the gaps.

    No task is created. The commands go to standard output. An estimate of how long they take, and
    the gaps that are left out, go to standard error. A slot (an account and region) runs one task
    at a time, so wait for each task to end before you create the next. What expires first comes
    first; with --incoming, else the gaps in which most bytes came in.

    \b
    exportstats backfill tasks.parquet --log-groups log-groups.json > commands.sh
    exportstats backfill tasks.parquet --since 2026-10-01 --script backfill
    exportstats backfill --from-report report.json --finding gaps-1a2b3c
    """
    if script is not None and form == "json":
        raise ArgumentError("--script writes shell scripts; leave out --format json")
    limits = {name: given.pop(name) for name in ("since", "until", "tolerance")}
    asked = ask(origin, _plan, **limits, history=_HISTORY)
    table = of_finding(xs.find_gaps(asked.tasks, **asked.range), asked)
    if from_report is not None:
        say(f"the finding {finding} of {from_report}:")
    when = asked.range["as_of"] or dt.datetime.now(dt.UTC).isoformat()
    plan = xs.plan_backfill(
        table,
        asked.every,
        margin=_LATEST,
        tolerance=dt.timedelta(0) if short_gaps else SHORT_GAP,
        as_of=when,
        incoming=asked.range.get("incoming"),
        **given,
    )
    if script is None:
        click.echo(xs.render_commands(plan, form=form), nl=False)
    elif len(plan):
        _write_scripts(plan, script, when)
    _say_left_out(plan)
    for note in remedies.undeleted(origin, asked, table):
        say(note) if isinstance(note, str) else say(*note)
    if from_report is None:
        _say_outside(asked)
    _say_estimate(plan, asked)
    if chart is not None:
        draw(lambda: xs.plot_backfill(plan), chart)


def _plan(tasks: Any) -> pd.DataFrame:  # noqa: ANN401 - a table, or shards
    """Plan nothing, to show which columns `plan_backfill` reads."""
    from exportstats.core.frames import empty

    return xs.plan_backfill(xs.find_gaps(empty(), start="1970", end="2999"), tasks)


def _write_scripts(plan: pd.DataFrame, place: Path, as_of: str | date | pd.Period | None) -> None:
    """Write a script for each slot; refuse to replace a file that is not such a script."""
    from exportstats.coverage import scripts

    texts = scripts.render_scripts(plan, as_of)
    if place.suffix == ".sh":
        if len(texts) > 1:
            raise ArgumentError(
                f"--script {place} is a single file, but each of the {len(texts):,} slots has its "
                "own script; give a folder"
            )
        files = dict(zip([place], texts.values(), strict=True))
    else:
        place.mkdir(parents=True, exist_ok=True)
        files = {place / f"backfill-{'-'.join(slot)}.sh": text for slot, text in texts.items()}
    for path in files:
        _SCRIPT.convert(path, None, None)
    for path, text in files.items():
        with whole_file(path) as file:
            file.write(text.encode())
    click.echo("\n".join(scripts.table_of(scripts.summarize_slots(plan))))
    for path in files:
        say("to run it:", f"sh {shlex.quote(str(path))}")


def _say_left_out(plan: pd.DataFrame) -> None:
    """Print which gaps are left out of the plan, and how to include them."""
    for why, text in _LEFT_OUT.items():
        left = plan.attrs["left_out"][why]
        if left["gaps"]:
            gaps, groups = counted(left["gaps"], "gap"), counted(left["log_groups"], "log group")
            length = write_duration(left["length"].total_seconds())
            stake = ""
            if left["gaps_with_bytes"]:
                least = "at least " * (left["gaps_with_bytes"] < left["gaps"])
                stake = f" ({least}{write_bytes(left['incoming_bytes'])})"
            said = text.format(gaps=gaps, log_groups=groups, length=length, stake=stake)
            say(f"left out: {said}")


def _say_estimate(plan: pd.DataFrame, asked: Asked) -> None:
    """Print how long the plan takes, and how many tasks will be too late."""
    if not len(plan):
        say(f"nothing to export, {asked.days}")
        return
    planned = plan["to_time"] - plan["from_time"] + dt.timedelta(milliseconds=1)
    stake = total_bytes(plan["incoming_bytes"])
    stake = stake and f", {stake} (uncompressed)"
    say(f"to export: {total(planned)}{stake}, {asked.days}")
    slots = counted(len(plan[["account_id", "region"]].drop_duplicates()), "slot")
    say(f"{counted(len(plan))}, one at a time in each of {slots} (account and region)")
    if plan["end_high"].notna().any():
        middle, high = (write_minute(plan.attrs[name]) for name in ("expected_end", "end_high"))
        say(f"expected end {middle}, 90th percentile {high} UTC")
    if "incoming" in asked.range:
        say(scaled(plan, "task"))
    if guesses := int((~plan["enough_history"]).sum()):
        say(f"{guesses:,} are guesses: fewer than 20 durations of the log group are known")
    if late := int(plan["late"].sum()):
        say(f"{late:,} will probably be too late: retention deletes the events first")


def _say_outside(asked: Asked) -> None:
    """Print which gaps lie before and after the range, and how to include them.

    After the last day that is due, only gaps that expire before tomorrow's export count.
    """
    as_of, start, end = (asked.range[name] for name in ("as_of", "start", "end"))
    now = as_of or dt.datetime.now(dt.UTC)
    before = _known_gaps(asked, _EPOCH, start)
    if len(before):
        _say_gaps(before, f"before {write_minute(start)}", f"--since {before['start'].min():%F}")
    is_due = end < last_due(now)
    limit = last_due(now) if is_due else now - _LATEST
    if end >= limit:
        return
    after = _known_gaps(asked, end, limit)
    if not is_due:
        after = after[after["expires_at"] < now + _TOMORROW]
    if len(after):
        last = write_minute(after["end"].max().ceil("min")).replace(" ", "T")
        _say_gaps(after, f"after {write_minute(end)}", f"--until {last}")


def _say_gaps(gaps: pd.DataFrame, where: str, option: str) -> None:
    """Print how many gaps there are, when the first expires, and which option adds them."""
    expires = gaps["expires_at"].dropna()
    first = f"; first expiry {write_minute(expires.min())}" if len(expires) else ""
    many = f"{counted(len(gaps), 'gap')} of {total(gaps['length'])}"
    stake = total_bytes(gaps["incoming_bytes"])
    say(f"left out: {many} {where} UTC" + (f" ({stake})" if stake else ""))
    say(f"{option} adds them{first}")


def _known_gaps(asked: Asked, start: dt.datetime, end: dt.datetime) -> pd.DataFrame:
    """Find gaps in another range, except lost ones and those before the first export."""
    gaps = xs.find_gaps(asked.tasks, **{**asked.range, "start": start, "end": end})
    key = list(schema.LOG_GROUP)
    done = asked.tasks[(asked.tasks["status_code"] == "COMPLETED").to_numpy()]
    first = done.groupby(key, observed=True, dropna=False)["from_time"].min().rename("first")
    since = gaps.merge(first, how="left", left_on=key, right_index=True)["first"]
    return gaps[(~gaps["reason"].isin(["lost", "silent"]) & (gaps["start"] >= since)).to_numpy()]
