"""Evidence beside the list of tasks: the options, and loading."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import mark_partial, say
from exportstats.cli.source import ASK, fill_places
from exportstats.core import schema
from exportstats.errors import LoadError, LoadInterrupted
from exportstats.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.cli.source import Origin

KINDS = ("deliveries", "api_calls", "incoming")
_REACH = dt.timedelta(days=90) - dt.timedelta(minutes=5)  # of LookupEvents, with time for asking
_KEPT = dt.timedelta(days=454)  # hours in CloudWatch, without the one that is deleted meanwhile
_KEY = list(schema.LOG_GROUP)
_NOTHING = dt.timedelta(0)
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


INCOMING = _option(
    "incoming", "What came in, as `exportstats incoming` writes it", "ask CloudWatch's metrics"
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
    INCOMING,
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
    *,
    history: dt.timedelta = _NOTHING,
) -> dict[str, pd.DataFrame]:
    """Load the evidence that options name, or that an archive among the sources has.

    Incoming data is fetched for at least `history` before the end.
    """
    fetched: tuple[Callable[[], pd.DataFrame], ...] = (
        lambda: _deliveries(origin, tasks, start, end),
        lambda: _api_calls(origin, start),
        lambda: _incoming(
            origin, tasks if log_groups is None else log_groups, min(start, end - history), end
        ),
    )
    found = {}
    for name, fetch in zip(KINDS, fetched, strict=True):
        table = _load(origin, name, fetch)
        if table is None:
            continue
        if name != "deliveries":
            table = origin.wanted.of_log_groups(fill_places(table, tasks))
        if len(about := _about(name, table, fill_places(tasks, table, is_said=False), log_groups)):
            found[name] = about
        elif len(table):
            what = schema.TABLES[name].name
            say(f"{len(table):,} rows of {what} are not of these tasks and log groups")
    return found


def load_incoming(
    origin: Origin, tasks: pd.DataFrame, exports: pd.DataFrame
) -> pd.DataFrame | None:
    """Load what came in during the windows of some exports, and of earlier tasks like them.

    It is what the option names, or what an archive among the sources has.
    """
    table = _load(
        origin,
        "incoming",
        lambda: _of_windows(origin, tasks, exports),
        lambda: _kept_of_windows(origin, tasks, exports),
    )
    return None if table is None else fill_places(table, tasks)


def scaled(table: pd.DataFrame, what: str) -> str:
    """Return in words how many forecasts use what came in."""
    used = int((table["scaled_by"] == "bytes").sum())
    unknown = "they are not known, or durations do not follow them"
    if used == 0 < len(table):
        return f"not scaled by the bytes that came in: {unknown}"
    whole = f"scaled by the bytes that came in: {used:,} of {counted(len(table), what)}"
    return whole if used == len(table) else f"{whole}; for the others, {unknown}"


def _of_windows(origin: Origin, tasks: pd.DataFrame, exports: pd.DataFrame) -> pd.DataFrame:
    from exportstats.core import frames
    from exportstats.stats import matching

    earlier = _latest(tasks[matching.locate(tasks, exports[_KEY].drop_duplicates()) >= 0])
    now = dt.datetime.now(dt.UTC)
    start, end = earlier["from_time"].min(), min(exports["to_time"].max(), now)
    if not start < end:  # also if there is no export
        return frames.empty(schema.INCOMING)
    return _incoming(origin, exports, max(start, now - _KEPT), end)


def _kept_of_windows(origin: Origin, tasks: pd.DataFrame, exports: pd.DataFrame) -> pd.DataFrame:
    """Read from archives what forecasts of exports and active tasks need."""
    from exportstats.archive.views import incoming_of
    from exportstats.core import frames
    from exportstats.stats import matching

    active = tasks[tasks["status_code"].isin(schema.ACTIVE_STATES).to_numpy()]
    asked = frames.stack([rows[[*_KEY, "from_time", "to_time"]] for rows in (exports, active)])
    earlier = _latest(tasks)
    # without a history of its own, the forecast of a log group is from those of others
    if (matching.locate(asked, earlier[_KEY].drop_duplicates()) >= 0).all():
        earlier = earlier[matching.locate(earlier, asked[_KEY].drop_duplicates()) >= 0]
    needed = frames.stack([asked, earlier[[*asked]]])
    start, end = needed["from_time"].min(), needed["to_time"].max()
    if not start <= end:  # also if nothing is asked
        return frames.empty(schema.INCOMING)
    found = [
        incoming_of(xs.Archive(name), needed[_KEY].drop_duplicates(), start, end + _LATE)
        for name in origin.archives
    ]
    return found[0] if len(found) == 1 else frames.concat(found, of="incoming")


def _latest(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the tasks that the histories of their log groups are made of, or some more."""
    from exportstats.stats.histories import LATEST

    done = tasks[((tasks["status_code"] == "COMPLETED") & tasks["duration"].notna()).to_numpy()]
    created = done.groupby(_KEY, observed=True, dropna=False)["creation_time"]
    behind = created.rank(method="min", ascending=False)
    return done[~(behind > LATEST)]


def _deliveries(
    origin: Origin, tasks: pd.DataFrame, start: dt.datetime, end: dt.datetime
) -> pd.DataFrame:
    """Look into S3 for the tasks of a range; leave out what could not be looked up."""
    inside = (tasks["from_time"] < end) & (tasks["to_time"] >= start)
    profile, url = (origin.asked[name] for name in ("profile", "endpoint_url"))
    asked = tasks[inside.to_numpy()]
    table = xs.fetch_deliveries(
        asked, profile=profile, endpoint_url=url, **origin.of_streams(asked)
    )
    is_unknown = (table["delivered"] == "unknown").to_numpy()
    if is_unknown.any():
        say(
            f"{is_unknown.sum():,} of {len(table):,} deliveries could not be looked up, so the "
            f"answer is less certain: {table['reason'][is_unknown].iloc[0]}"
        )
        if ASK in origin.deliveries_from:
            mark_partial()
    found = table[~is_unknown]
    unseen = found.loc[found["missing_streams"].isna().to_numpy(), "reason"].dropna()
    if len(unseen):
        say(
            f"the streams of {len(unseen):,} of {len(table):,} deliveries were not looked at, so "
            f"the answer is less certain: {unseen.iloc[0]}"
        )
    return found


def _api_calls(origin: Origin, start: dt.datetime) -> pd.DataFrame:
    since = max(start, dt.datetime.now(dt.UTC) - _REACH)
    return xs.fetch_api_calls(origin.targets, start=since, **origin.asked)


def _incoming(
    origin: Origin, rows: pd.DataFrame, start: dt.datetime, end: dt.datetime
) -> pd.DataFrame:
    """Ask for the log groups of tasks or of a table of log groups."""
    keys = rows[list(schema.LOG_GROUP)].drop_duplicates().dropna(subset="log_group_name")
    asked = {name: value for name, value in origin.asked.items() if name != "region"}
    groups = xs.conform(keys, of="log_groups")
    return xs.fetch_incoming(groups, targets=origin.targets, start=start, end=end + _LATE, **asked)


def _about(
    name: str, table: pd.DataFrame, tasks: pd.DataFrame, log_groups: pd.DataFrame | None
) -> pd.DataFrame:
    """Return the rows about the tasks, or about their log groups or the listed ones.

    Without any, nothing was looked at. A call that was refused before its log group was recorded is
    about the accounts of the tasks.
    """
    import numpy as np

    from exportstats.coverage import exports
    from exportstats.stats import matching

    if name == "deliveries":
        return table[exports.are_among(table, tasks[list(schema.KEY)])]
    known = [rows for rows in (tasks, log_groups) if rows is not None]
    is_about = np.logical_or.reduce([matching.locate(table, rows) >= 0 for rows in known])
    if name == "api_calls":
        unnamed = table["log_group_name"].isna() & table["account_id"].isin(tasks["account_id"])
        is_about |= unnamed.to_numpy()
    return table[is_about]


def _load(
    origin: Origin,
    name: str,
    fetch: Callable[[], pd.DataFrame],
    kept: Callable[[], pd.DataFrame] | None = None,
) -> pd.DataFrame | None:
    """Load a kind of evidence; `kept` reads it from archives, by default all of it."""
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
    table = read(*origin.archives) if kept is None else kept()
    return table if len(table) else None
