"""The commands on what is not in S3: coverage and gaps."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import FAILED, FOUND, say
from exportstats.cli.options import format_option, plot_option
from exportstats.cli.ranges import SHORT_GAP, range_options, say_upper_bound
from exportstats.text import percent, total

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from exportstats.cli import output
    from exportstats.cli.options import Kind
    from exportstats.cli.ranges import Asked
    from exportstats.core import coerce
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)
    coerce = lazy_loader.load("exportstats.core.coerce", suppress_warning=True)

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
        title = f"{len(table):,} gap{plural}, {total(table['length'])}, {asked.days}"
    output.show(table, _of_gaps(table), kind, title=title)
    if kind in ("table", "markdown"):
        say_upper_bound()
        short = int((table["length"] <= SHORT_GAP).sum())
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
    view["start"] = coerce.minute_text(view["start"])
    view["length"] = output.in_words(view["length"])
    view["why"] = view.pop("reason").astype("str").str.replace("_", " ")
    if table["expires_at"].notna().any():
        view["expires"] = output.dates(view["expires_at"]).fillna("never")
    return view.drop(columns="expires_at")
