"""The command `incoming`: how much log groups took in."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING

import click

import exportstats as xs
from exportstats.cli.calls import add_to
from exportstats.cli.failing import mark_partial, say
from exportstats.cli.fetch import read_existing
from exportstats.cli.options import ADD_TO
from exportstats.cli.question import Answer, question
from exportstats.cli.ranges import LOG_GROUPS
from exportstats.cli.wanted import PLACE, moment, refuse_reversed
from exportstats.core import schema
from exportstats.errors import ArgumentError, ExportStatsError, LoadError, LoadInterrupted
from exportstats.text import counted, write_bytes, write_duration

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path
    from typing import Literal, TypeAlias

    import pandas as pd

    from exportstats.cli.source import Origin

    Period: TypeAlias = Literal["1h", "5min", "1min"]

_SHOWN = 40  # rows in a terminal


@question(
    click.option(
        "--since",
        callback=moment,
        metavar="TIME",
        help="The start of the range (UTC by default), such as 2026-11-01, or an age: 24h or 7d. "
        "AWS is only asked with it.",
    ),
    click.option(
        "--until",
        callback=moment,
        default="0h",
        show_default="now",
        metavar="TIME",
        help="The end of the range.",
    ),
    click.option(
        "--period",
        type=click.Choice(["1h", "5min", "1min"]),
        default="1h",
        show_default=True,
        help="The length of the periods. CloudWatch keeps 1h for 455 days, 5min for 63 and 1min "
        "for 15.",
    ),
    ADD_TO,
    LOG_GROUPS,
    filters=PLACE,
    what="log groups",
    asks_aws=True,
    is_drawn=False,
)
def incoming(
    origin: Origin,
    *,
    since: dt.datetime | None,
    until: dt.datetime,
    period: Period,
    file: Path | None,
) -> Answer:
    """Show how much log groups took in, the largest first.

    SOURCE or --log-groups names the log groups. AWS is asked for the metrics IncomingBytes and
    IncomingLogEvents. It requires the permission cloudwatch:GetMetricData. If SOURCE is files that
    -o wrote, they are shown instead, with their rows of --period. csv and json have a row for each
    period.

    \b
    exportstats incoming --since 30d -o incoming.parquet
    exportstats incoming incoming.parquet --log-group '/aws/*'
    exportstats incoming tasks.parquet --since 2026-10-01 --until 2026-11-01
    """
    refuse_reversed(since, until)
    if file is not None:
        read_existing(file, "incoming")  # fail before AWS is asked
    table = _written(origin, since, until, period)
    unknown = 0
    if table is None:
        if since is None:
            raise ArgumentError("give --since, from when AWS is asked, such as --since 7d")
        groups = _log_groups(origin)
        table = _fetched(origin, groups, since, until, period)
        unknown = len(groups) - len(table[list(schema.LOG_GROUP)].drop_duplicates())
    if file is not None:
        add_to(file, table, "incoming")
    key = list(schema.LOG_GROUP)
    view = table.groupby(key, observed=True, dropna=False)[["incoming_bytes", "incoming_events"]]
    totals = view.sum().sort_values("incoming_bytes", ascending=False, kind="stable").reset_index()
    title = f"{counted(len(totals), 'log group')} with data"
    if unknown:
        say(
            f"nothing is known of {counted(unknown, 'log group')}: CloudWatch has no data of it in "
            "the whole periods of this range"
        )
        mark_partial()
    return Answer(table, title, totals, {"incoming_bytes": write_bytes}, shown=_SHOWN)


def _written(
    origin: Origin, since: dt.datetime | None, until: dt.datetime, period: Period
) -> pd.DataFrame | None:
    """Return the selected rows of files of incoming data; None if the source is something else."""
    import pandas as pd

    if not origin.source or origin.archives or "-" in origin.source:
        return None
    with warnings.catch_warnings(record=True) as said:
        try:
            every = xs.read_incoming(*origin.source, **origin.reading)
        except (ExportStatsError, OSError):
            return None
    for one in said:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    dataclasses.replace(origin, asks_aws=False)  # refuses options for AWS
    table = origin.wanted.of_log_groups(every)
    table = table[(table["start"] < until).to_numpy()]
    if since is not None:
        table = table[(table["start"] >= since).to_numpy()]
    is_asked = (table["period"] == pd.Timedelta(period)).to_numpy()
    if len(table) and not is_asked.any():
        lengths = map(write_duration, table["period"].drop_duplicates().dt.total_seconds())
        raise ArgumentError(f"--period {period}: the files have periods of {', '.join(lengths)}")
    return table[is_asked]


def _fetched(
    origin: Origin, groups: pd.DataFrame, since: dt.datetime, until: dt.datetime, period: Period
) -> pd.DataFrame:
    """Ask AWS for what log groups took in."""
    asked = {name: value for name, value in origin.asked.items() if name != "region"}
    try:
        return xs.fetch_incoming(
            groups, targets=origin.targets, start=since, end=until, period=period, **asked
        )
    except (LoadError, LoadInterrupted) as stop:
        if not len(stop.arrived):
            raise
        say(f"incomplete: {stop}")
        mark_partial()
        return stop.arrived


def _log_groups(origin: Origin) -> pd.DataFrame:
    """Return the selected log groups, of files or of AWS."""
    found = origin.read_log_groups() + origin.fetch_log_groups()
    if not found and origin.source:
        keys = origin.tasks()[list(schema.LOG_GROUP)].drop_duplicates()
        found = [xs.conform(keys.dropna(subset="log_group_name"), of="log_groups")]
    elif not found:
        found = [xs.fetch_log_groups(origin.targets, **origin.asked)]
    every = xs.concat(found, of="log_groups")
    kept = origin.wanted.of_log_groups(every)
    if not len(kept):
        raise ArgumentError(origin.wanted.nothing_of(0, every))
    return kept
