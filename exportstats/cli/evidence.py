"""Evidence beside the list of tasks: the options, and loading."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import mark_partial, say
from exportstats.cli.source import ASK
from exportstats.core import schema
from exportstats.errors import LoadError, LoadInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.cli.source import Origin

KINDS = ("deliveries", "api_calls", "incoming")
_REACH = dt.timedelta(days=90) - dt.timedelta(minutes=5)  # of LookupEvents, with time for asking
_LATE = dt.timedelta(hours=2)  # what may belong to the end of the range comes in by then


def _option(name: str, what: str, how: str) -> Callable[..., Any]:
    return click.option(
        f"--{name}",
        f"{name.replace('-', '_')}_from",
        multiple=True,
        metavar="FILE|aws",
        help=f"{what}, or `aws` to {how}. Repeat it for several files. Those of an archive are "
        "used by default.",
    )


EVIDENCE = (
    _option(
        "deliveries", "Deliveries that `exportstats deliveries` wrote", "look into the S3 buckets"
    ),
    _option(
        "api-calls",
        "API calls: the files of a CloudTrail trail, or those of `exportstats calls`",
        "ask CloudTrail",
    ),
    _option(
        "incoming", "What came in, as `exportstats incoming` writes it", "ask CloudWatch's metrics"
    ),
    click.option(
        "--evidence",
        type=click.Choice(["live"]),
        help="`live` asks AWS for log groups, deliveries, API calls and incoming data. What is "
        "not permitted makes the answer less certain.",
    ),
)


def load_evidence(
    origin: Origin,
    tasks: pd.DataFrame,
    log_groups: pd.DataFrame | None,
    start: dt.datetime,
    end: dt.datetime,
) -> dict[str, pd.DataFrame]:
    """Load the evidence that options name, or that an archive among the sources has."""

    def deliveries() -> pd.DataFrame:
        inside = (tasks["from_time"] < end) & (tasks["to_time"] >= start)
        profile, url = (origin.asked[name] for name in ("profile", "endpoint_url"))
        table = xs.fetch_deliveries(tasks[inside.to_numpy()], profile=profile, endpoint_url=url)
        unknown = table[(table["delivered"] == "unknown").to_numpy()]
        if len(unknown):
            say(
                f"{len(unknown):,} of {len(table):,} deliveries could not be "
                f"looked up, so the answer is less certain: {unknown['reason'].iloc[0]}"
            )
        return table[(table["delivered"] != "unknown").to_numpy()]

    def api_calls() -> pd.DataFrame:
        since = max(start, dt.datetime.now(dt.UTC) - _REACH)
        return xs.fetch_api_calls(origin.targets, start=since, **origin.asked)

    def incoming() -> pd.DataFrame:
        groups = log_groups
        if groups is None:
            from exportstats.core import frames

            keys = tasks[list(schema.LOG_GROUP)].drop_duplicates().dropna()
            groups = frames.conform(keys, of="log_groups")
        asked = {name: value for name, value in origin.asked.items() if name != "region"}
        return xs.fetch_incoming(
            groups, targets=origin.targets, start=start, end=end + _LATE, **asked
        )

    fetched = dict(zip(KINDS, (deliveries, api_calls, incoming), strict=True))
    found = {name: _load(origin, name, fetch) for name, fetch in fetched.items()}
    # without rows, nothing could be looked at
    return {name: table for name, table in found.items() if table is not None and len(table)}


def _load(origin: Origin, name: str, fetch: Callable[[], pd.DataFrame]) -> pd.DataFrame | None:
    given: tuple[str, ...] = getattr(origin, f"{name}_from")
    read, what = getattr(xs, f"read_{name}"), schema.TABLES[name].name
    table: pd.DataFrame
    if files := [one for one in given if one != ASK]:
        table = read(*files, **origin.reading)
        return table
    if ASK in given or origin.evidence is not None:
        try:
            return fetch()
        except (LoadError, LoadInterrupted) as stop:
            say(f"{what} did not all arrive, so the answer is less certain: {stop}")
            if ASK in given:
                mark_partial()
            return stop.arrived if len(stop.arrived) and name != "deliveries" else None
    if not origin.archives:
        return None
    table = read(*origin.archives)
    return table if len(table) else None
