"""The commands that show one table of the selected tasks: status, durations, failures, …."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import click

import exportstats as xs
from exportstats.cli.failing import mark_partial, say
from exportstats.cli.options import BY, FREQ
from exportstats.cli.question import Answer, question, title_of
from exportstats.core import schema
from exportstats.errors import ArgumentError, LoadInterrupted
from exportstats.text import counted, shorten, write_duration

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.cli.source import Origin

_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_TO = "\N{EN DASH}"
_SHOWN = 40  # rows in a terminal, by default
_ENOUGH_FOR_P99 = 100  # with fewer, less than one task is expected above it


@question(BY, FREQ)
def status(origin: Origin, by: list[str] | None, freq: str | None) -> Answer:
    """Count tasks by state.

    \b
    exportstats status tasks.json
    exportstats status --region eu-west-1 --since 7d --by log_group_name
    """
    count = partial(xs.status_breakdown, by=by, freq=freq)
    tasks = origin.load(count)
    table = count(tasks)
    view = table.reset_index() if table.index.nlevels == 1 else _a_column_a_state(table)
    return Answer(table, title_of(tasks), view, plot=lambda: xs.plot_status_breakdown(table))


@question(BY, FREQ)
def durations(origin: Origin, by: list[str] | None, freq: str | None) -> Answer:
    """Summarise how long COMPLETED tasks took.

    Durations are from creation to completion. The column "censored" counts tasks that are still
    active.

    \b
    exportstats durations tasks.json --by log_group_name
    exportstats durations tasks.json --freq W --plot trend.png
    """
    summarise = partial(xs.duration_summary, by=by)
    if freq is not None:
        summarise = partial(xs.duration_trend, by=by, freq=freq)
    tasks = origin.load(summarise)
    table = summarise(tasks)

    def plot() -> object:
        draw = xs.plot_duration_summary if freq is None else xs.plot_duration_trend
        return draw(table)

    view, notes = table.reset_index(drop=table.index.names == [None]), []
    limits = [name for name in view if str(name).endswith(("_low", "_high"))]
    view = view.drop(columns=["min", "mean", "censored_p50", *limits], errors="ignore")
    few = table["completed"].between(1, _ENOUGH_FOR_P99 - 1).to_numpy()
    if "p99" in view and few.any():
        texts = [write_duration(p99, compact=True) for p99 in view["p99"].dt.total_seconds()]
        view["p99"] = [f"~{p99}" if weak else p99 for p99, weak in zip(texts, few, strict=True)]
        notes = [
            f"~ marks a p99 of fewer than {_ENOUGH_FOR_P99} tasks, which is close to the maximum"
        ]
    return Answer(table, title_of(tasks), view, {"p99": str} if notes else {}, plot, notes)


@question(BY)
def failures(origin: Origin, by: list[str] | None) -> Answer:
    """Count FAILED tasks by reason, most frequent first.

    \b
    exportstats failures tasks.json --since 30d
    """
    count = partial(xs.failure_reasons, by=by)
    tasks = origin.load(count)
    table = count(tasks)
    view = table.reset_index()
    for name in ("first", "last"):
        view[name] = view.pop(f"{name}_time").dt.normalize()
    view["example_task_id"] = view.pop("example_task_id")
    none = "; none FAILED" if len(tasks) and not len(table) else ""
    return Answer(table, title_of(tasks) + none, view, plot=lambda: xs.plot_failure_reasons(table))


@question(
    BY, click.option("--ended", is_flag=True, help="Also count FAILED and CANCELLED tasks as done.")
)
def curve(origin: Origin, by: list[str] | None, *, ended: bool) -> Answer:
    """Show how long it takes until a share of the tasks is done.

    Active tasks are taken into account. The table has a column for each share; csv and json have
    every step of the curve.

    \b
    exportstats curve tasks.parquet --by log_group_name --plot curve.png
    """
    event: Literal["completed", "ended"] = "ended" if ended else "completed"
    trace = partial(xs.completion_curve, by=by, event=event)
    tasks = origin.load(trace)
    table = trace(tasks)
    write = {f"{share:.0%}": _write_reached for share in _SHARES}
    return Answer(
        table, title_of(tasks), _of_curve(table), write, lambda: xs.plot_completion_curve(table)
    )


def _of_curve(table: pd.DataFrame) -> pd.DataFrame:
    """Return when each group reaches some shares; missing if its curve ends below."""
    flat = table.reset_index()
    names = [name for name in table.index.names if name != "duration"]
    keys = [flat[name] for name in names] or [flat["at_risk"] * 0]
    each: dict[str, Any] = {"by": keys, "dropna": False, "observed": True, "sort": False}
    view = flat["at_risk"].groupby(**each).first().rename("tasks").to_frame()
    for share in _SHARES:
        reached = flat["duration"].where(flat["probability"] >= share)
        view[f"{share:.0%}"] = reached.groupby(**each).min().array
    return view.reset_index(drop=not names)


def _write_reached(length: pd.Timedelta) -> str:
    seconds = length.total_seconds()
    return "never" if math.isnan(seconds) else write_duration(seconds, compact=True)


@question(
    click.option(
        "--freq",
        default="W",
        show_default=True,
        metavar="FREQ",
        help="The periods, in UTC: h, D, W, MS (months), QS, YS, or a multiple such as 6h.",
    )
)
def slots(origin: Origin, freq: str) -> Answer:
    """Show how busy each account and region is.

    Each account and region is a slot, which runs one task at a time. With an archive, the table
    shows how much of the busy time a task ran rather than waited, at least and at most.

    \b
    exportstats slots tasks.parquet --since 4w
    exportstats slots tasks.parquet --freq D --plot slots.png
    """
    tasks = origin.load()
    phases = origin.phases()
    table = xs.slot_usage(tasks, freq=freq, phases=phases)
    ran = {"running_low": "ran at least", "running_high": "ran at most"}
    view = table.reset_index().drop(columns=["overlapping", *(ran if phases is None else ())])
    view["longest idle"] = view.pop("longest_idle")
    view = view.rename(columns={"busy_share": "share", **ran})
    twice = "some slots had more than one active task at a time, which the service rules out"
    return Answer(
        table,
        title_of(tasks),
        view,
        plot=lambda: xs.plot_task_timeline(tasks),
        notes=[twice] if table["overlapping"].any() else [],
    )


@question(BY, what="")
def phases(origin: Origin, by: list[str] | None) -> Answer:
    """Show how long tasks waited and ran, at least and at most.

    Only an archive can be the source, because a list does not say when a task started. The more
    often tasks were seen while they were active, the closer are the bounds. The quantiles are those
    of COMPLETED tasks.

    \b
    exportstats phases ./history --since 7d --by region
    exportstats phases ./history --plot phases.png
    """
    known = origin.phases() if origin.archives == origin.source else None
    if known is None:
        raise ArgumentError(
            "only an archive says when tasks were waiting or running; name one as SOURCE "
            "(`exportstats archive sync` or `exportstats archive import` makes one)"
        )
    found = origin.wanted.of(known)
    table = xs.phase_summary(found, by=by)
    view = table.reset_index(drop=table.index.names == [None])
    for name in ("waiting_p50", "running_p50", "waiting_p90", "running_p90"):
        bounds = zip(view.pop(f"{name}_low"), view.pop(f"{name}_high"), strict=True)
        view[name.replace("_", " ")] = [_TO.join(map(_write_length, pair)) for pair in bounds]
    for name in ("seen", "censored"):
        view[name] = view.pop(name)
    return Answer(table, counted(len(found)), view, plot=lambda: xs.plot_phase_durations(found))


def _write_length(length: pd.Timedelta) -> str:
    return write_duration(length.total_seconds(), compact=True)


def _a_column_a_state(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each group: its number of tasks, and that in each state."""
    states = list(dict.fromkeys(table.index.get_level_values("status_code"))) or schema.STATES
    counts = table["tasks"].to_numpy().reshape(-1, len(states))
    view = table.index[:: len(states)].to_frame(index=False).drop(columns="status_code")
    view["tasks"] = counts.sum(axis=1)
    columns = {state: [state] for state in schema.TERMINAL_STATES}
    columns["active"] = list(schema.ACTIVE_STATES)
    # unknown states, whose names may be anything
    columns["other"] = [state for state in states if state not in schema.STATES]
    for name, members in columns.items():
        view[name] = counts[:, [state in members for state in states]].sum(axis=1)
    return view if view["other"].any() else view.drop(columns="other")


@question(
    click.option(
        "--limit",
        type=click.IntRange(min=0),
        metavar="NUMBER",
        help=f"List at most this many tasks.  [default: all; {_SHOWN} in a terminal's table]",
    ),
    is_drawn=False,
)
def tasks(origin: Origin, limit: int | None) -> Answer:
    """List tasks, newest first.

    The table shows state, times, duration and message; csv and json have every column.

    \b
    exportstats tasks tasks.parquet --status failed --since 7d
    exportstats tasks --status RUNNING --format json | jq -r '.[].task_id'
    """
    found = origin.load()
    table = found.sort_values("creation_time", ascending=False, kind="stable", ignore_index=True)
    if limit is not None and limit < len(table):
        say(f"{len(table) - limit:,} older tasks are not shown; raise --limit to list more")
        table = table.head(limit)
    view = table[["account_id", "region", "task_id", "status_code", "log_group_name"]].assign(
        created=table["creation_time"],
        took=table["duration"],
        ended=table["completion_time"],
        message=table["status_message"]
        .astype("str")
        .where(table["status_code"] != "COMPLETED", ""),
    )
    view = view.rename(columns={"status_code": "state"})
    return Answer(table, title_of(found), view, shown=_SHOWN if limit is None else None)


@question(
    click.option("--s3-profile", metavar="NAME", help="The AWS profile for S3."),
    click.option(
        "--s3-endpoint-url", metavar="URL", help="The endpoint to use instead of S3's own."
    ),
    click.option(
        "--streams",
        is_flag=True,
        help="Compare the log streams in S3 with those of the log group. Requires "
        "logs:DescribeLogStreams, in 25 requests per second.",
    ),
    is_drawn=False,
)
def deliveries(origin: Origin, s3_profile: str | None, s3_endpoint_url: str | None) -> Answer:
    """List what tasks delivered to S3.

    Requires s3:ListBucket on the buckets. The table lists only tasks without objects in S3, or with
    missing log streams; csv and json have a row for each task.

    \b
    exportstats deliveries tasks.parquet --since 7d --streams
    """
    tasks = origin.load()
    of_streams = origin.of_streams(tasks) if origin.streams else {}
    try:
        table = xs.fetch_deliveries(
            tasks, profile=s3_profile, endpoint_url=s3_endpoint_url, **of_streams
        )
    except LoadInterrupted as stop:
        say(str(stop))
        mark_partial()
        table = stop.arrived
    counts = table["delivered"].value_counts()
    words = {"yes": "delivered", **{name: name for name in ("partial", "empty", "gone", "unknown")}}
    found = [f"{counts[name]:,} {text}" for name, text in words.items() if counts.get(name)]
    title = ", ".join([f"{counted(len(table), 'COMPLETED task')} looked up in S3", *found])
    if unknown := counts.get("unknown"):
        say(f"{unknown:,} of {len(table):,} could not be looked up; see the column reason")
        mark_partial()
    unseen = int((table["missing_streams"].isna() & (table["delivered"] != "unknown")).sum())
    if origin.streams and unseen:
        say(
            f"the streams of {unseen:,} of {len(table):,} were not looked at; see the column reason"
        )
        mark_partial()
    return Answer(table, title, _not_there(table), shown=_SHOWN)


def _not_there(table: pd.DataFrame) -> pd.DataFrame:
    """Return the deliveries that are not complete, and what is missing."""
    possible = table["possibly_missing_streams"].fillna(0) > 0
    bad = table[((table["delivered"] != "yes") | possible | table["reason"].notna()).to_numpy()]
    view = bad[["account_id", "region", "task_id", "delivered"]].assign(
        missing_streams=bad["missing_stream_names"].map(_listed, na_action="ignore"),
        possibly_missing=bad["possibly_missing_stream_names"].map(_listed, na_action="ignore"),
        **{name: bad[name] for name in ("destination", "prefix", "reason")},
    )
    texts = ("missing_streams", "possibly_missing", "reason")
    return view.dropna(axis="columns", how="all").fillna(dict.fromkeys(texts, ""))


def _listed(names: str) -> str:
    return shorten(names.replace(":", ", "), 40)
