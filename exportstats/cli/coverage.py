"""The commands on what is not in S3: coverage, gaps, backfill."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import FAILED, FOUND, say
from exportstats.cli.options import format_option, plot_option
from exportstats.cli.ranges import range_options, say_upper_bound
from exportstats.text import percent, write_duration

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from exportstats.cli import output
    from exportstats.cli.options import Kind
    from exportstats.cli.ranges import Asked
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)

_SHORT = dt.timedelta(minutes=1)
_MANY = 50  # log groups, from which a heat map shows more than bars


@click.command()
@range_options
@format_option
@plot_option
def coverage(asked: Asked, kind: Kind, chart: Path | None) -> None:
    """Show how much of a range is in S3, log group by log group, the worst first.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.

    \b
    exportstats coverage tasks.parquet --since 2026-10-01 --until 2026-11-01
    exportstats coverage tasks.parquet --log-groups log-groups.json
    """
    table = xs.coverage_summary(asked.tasks, **asked.range)
    table = table.sort_values("missing", ascending=False, kind="stable")
    output.show(table, _of_summary(table), kind, title=_title(table, asked))
    if kind in ("table", "markdown"):
        say_upper_bound()
    follow = xs.coverage_by_day if len(table) > _MANY else xs.coverage_timeline
    output.draw(lambda: xs.plot_coverage(follow(asked.tasks, **asked.range)), chart)


@click.command()
@range_options
@click.option("--check", is_flag=True, help="Exit with 4 if there is a gap.")
@format_option
@plot_option
def gaps(asked: Asked, check: bool, kind: Kind, chart: Path | None) -> None:  # noqa: FBT001 - click gives it by name
    """List the parts of a range that no COMPLETED task covers, and why.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.

    \b
    exportstats gaps tasks.parquet --since 7d
    exportstats gaps tasks.parquet --log-groups log-groups.json --check
    """
    table = xs.find_gaps(asked.tasks, **asked.range)
    title = f"no {'gaps' if asked.has_log_groups else 'log groups'}, {asked.days}"
    if len(table):
        plural = "s" if len(table) > 1 else ""
        title = f"{len(table):,} gap{plural}, {_sum_of(table['length'])}, {asked.days}"
    output.show(table, _of_gaps(table), kind, title=title)
    if kind in ("table", "markdown"):
        say_upper_bound()
        short = int((table["length"] <= _SHORT).sum())
        if short > 1:
            say(f"{short:,} gaps are of a minute or less; --tolerance 1min takes them for covered")
    output.draw(lambda: xs.plot_coverage(xs.coverage_timeline(asked.tasks, **asked.range)), chart)
    click.get_current_context().exit(_checked(table, asked) if check else 0)


def _checked(gaps: pd.DataFrame, asked: Asked) -> int:
    """Return the exit code of a check: where nothing was looked at, nothing is fine."""
    if not asked.has_log_groups:
        say("nothing was checked: the tasks name no log group; name them with --log-groups")
        return FAILED
    return FOUND if len(gaps) else 0


@click.command()
@range_options
@click.option(
    "--max-window",
    default="1D",
    show_default=True,
    metavar="LENGTH",
    help="The longest window of one task, such as 6h or 7D.",
)
@click.option(
    "--destination", metavar="BUCKET", help="The S3 bucket; by default that of the last task."
)
@click.option("--prefix", help="The prefix of the keys; by default that of the last task.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["shell", "json"]),
    default="shell",
    show_default=True,
    help="Print commands of the AWS CLI, or one line of JSON for each call of boto3.",
)
@plot_option
def backfill(
    asked: Asked,
    max_window: str,
    destination: str | None,
    prefix: str | None,
    form: Literal["shell", "json"],
    chart: Path | None,
) -> None:
    """Print the commands that would close the gaps; nothing is created.

    The commands are printed on standard output, an estimate of how long they take on standard
    error. A slot (an account and region) runs one task at a time: wait for the end of each.

    \b
    exportstats backfill tasks.parquet --log-groups log-groups.json > commands.sh
    """
    table = xs.find_gaps(asked.tasks, **asked.range)
    plan = xs.plan_backfill(
        table,
        asked.tasks,
        max_window=max_window,
        destination=destination,
        prefix=prefix,
        as_of=asked.range["as_of"] or dt.datetime.now(dt.UTC).isoformat(),
    )
    click.echo(xs.render_commands(plan, form=form), nl=False)
    _say_estimate(table, plan)
    output.draw(lambda: xs.plot_backfill(plan), chart)


def _sum_of(lengths: pd.Series) -> str:
    return write_duration(lengths.dt.total_seconds().sum())


def _title(summary: pd.DataFrame, asked: Asked) -> str:
    if not len(summary):
        return f"no log groups, {asked.days}"
    whole = int((summary["gaps"] == 0).sum())
    return f"{whole:,} of {len(summary):,} log groups without a gap, {asked.days}"


def _of_summary(table: pd.DataFrame) -> pd.DataFrame:
    view = table.reset_index()
    view = output.without_the_obvious(view)
    view["covered"] = view.pop("covered_fraction").map(percent)
    view["gaps"] = view.pop("gaps")
    view["missing"] = output.in_words(view.pop("missing"))
    overlap, premature = view.pop("overlapping"), view.pop("premature_fraction")
    if (overlap > dt.timedelta(0)).any():
        view["overlap"] = output.in_words(overlap)
    if (premature > 0).any():
        view["premature"] = premature.map(percent)
    view["unbroken to"] = output.dates(view.pop("covered_until"))
    return view


def _of_gaps(table: pd.DataFrame) -> pd.DataFrame:
    view = output.without_the_obvious(table.drop(columns=["end", "last_task_id"]))
    view["start"] = output.times(view["start"])
    view["length"] = output.in_words(view["length"])
    view["why"] = view.pop("reason").astype("str").str.replace("_", " ")
    if table["expires_at"].notna().any():
        view["expires"] = output.dates(view["expires_at"]).fillna("never")
    return view.drop(columns="expires_at")


def _say_estimate(gaps: pd.DataFrame, plan: pd.DataFrame) -> None:
    """Say how long a plan takes, what of it comes too late, and what it leaves out."""
    lost = gaps.loc[gaps["reason"] == "lost", "length"]
    if len(lost):
        say(f"left out: {_sum_of(lost)} of events that retention has taken")
    if not len(plan):
        say("nothing to export")
        return
    slots = len(plan[["account_id", "region"]].drop_duplicates())
    say(f"{len(plan):,} tasks, one at a time in each of {slots:,} slots (account and region)")
    if plan["end_high"].notna().any():
        middle, high = output.minutes(plan[["expected_end", "end_high"]].max())
        say(f"done by about {middle} UTC, and nine times out of ten by {high} UTC")
    if guesses := int((~plan["enough_history"]).sum()):
        say(
            f"{guesses:,} of them are guesses: fewer than 20 durations of their log group are known"
        )
    if late := int(plan["late"].sum()):
        say(f"{late:,} of them will probably come too late: retention is faster")
