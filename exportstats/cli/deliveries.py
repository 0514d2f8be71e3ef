"""The command that looks into S3 for what COMPLETED tasks delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import mark_part, say
from exportstats.cli.options import format_option
from exportstats.cli.source import source_options
from exportstats.errors import LoadInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.cli import output
    from exportstats.cli.options import Kind
else:
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)

_SHOWN = 40


@click.command()
@source_options
@click.option("--s3-profile", metavar="NAME", help="Look into S3 as this profile.")
@click.option("--s3-endpoint-url", metavar="URL", help="Look there instead of into AWS's own S3.")
@format_option
def deliveries(
    load: Callable[[], pd.DataFrame],
    s3_profile: str | None,
    s3_endpoint_url: str | None,
    kind: Kind,
) -> None:
    """List what each COMPLETED task delivered to S3.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.
    Needs s3:ListBucket on the buckets. The table shows only what is missing in S3; csv and json
    have a row for every task.

    \b
    exportstats deliveries tasks.parquet --since 7d
    """
    tasks = load()
    try:
        table = xs.fetch_deliveries(tasks, profile=s3_profile, endpoint_url=s3_endpoint_url)
    except LoadInterrupted as stop:
        say(str(stop))
        mark_part()
        table = stop.arrived
    counts = table["delivered"].value_counts()
    plural = "" if len(table) == 1 else "s"
    title = f"{len(table):,} COMPLETED task{plural} looked up in S3" + "".join(
        f", {counts[name]:,} {name}"
        for name in ("yes", "empty", "gone", "unknown")
        if name in counts
    )
    bad = table[table["delivered"] != "yes"]
    shown = bad.head(_SHOWN) if kind == "table" else bad
    output.show(table, _for_people(shown), kind, title=title.replace("yes", "delivered"))
    unknown = int((table["delivered"] == "unknown").sum())
    if unknown:
        say(f"{unknown:,} of {len(table):,} could not be looked up; see the reason of each")
        mark_part()
    if len(bad) > len(shown):
        say(f"{len(bad) - len(shown):,} more are not shown; --format csv has all")


def _for_people(table: pd.DataFrame) -> pd.DataFrame:
    names = ["account_id", "region", "task_id", "destination", "prefix", "delivered", "reason"]
    view = table[names]
    if view["reason"].isna().all():
        return view.drop(columns="reason")
    return view.assign(reason=view["reason"].fillna(""))
