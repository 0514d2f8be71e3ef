"""The commands that answer one question with one table: status, durations, failures."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import say
from exportstats.cli.options import (
    by_option,
    columns,
    format_option,
    freq_option,
    plot_option,
)
from exportstats.cli.source import check_early, source_options
from exportstats.text import percent, write_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from exportstats.cli import output
    from exportstats.cli.options import Kind
    from exportstats.core import coerce, schema
else:  # pandas and rich are for a command that runs, not for its --help
    coerce = lazy_loader.load("exportstats.core.coerce", suppress_warning=True)
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)
    schema = lazy_loader.load("exportstats.core.schema", suppress_warning=True)

_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_ENOUGH_FOR_P99 = 100  # with fewer, less than one task lies above it


@click.command()
@source_options
@by_option
@freq_option
@format_option
@plot_option
def status(
    load: Callable[[], pd.DataFrame],
    by: tuple[str, ...],
    freq: str | None,
    kind: Kind,
    chart: Path | None,
) -> None:
    """Count tasks by state.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.

    \b
    exportstats status tasks.json
    exportstats status --region eu-west-1 --since 7d --by log_group_name
    """
    count = functools.partial(xs.status_breakdown, by=columns(by), freq=freq)
    check_early(count)
    tasks = load()
    table = count(tasks)
    output.show(table, _wide(table), kind, title=output.title_of(tasks))
    output.draw(lambda: xs.plot_status_breakdown(table), chart)


@click.command()
@source_options
@by_option
@freq_option
@format_option
@plot_option
def durations(
    load: Callable[[], pd.DataFrame],
    by: tuple[str, ...],
    freq: str | None,
    kind: Kind,
    chart: Path | None,
) -> None:
    """Summarise how long COMPLETED tasks took, from creation to completion.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.
    "censored" counts tasks that are still active, whose duration is not known yet.

    \b
    exportstats durations tasks.json --by log_group_name
    exportstats durations tasks.json --freq W --plot trend.png
    """
    summarise: Callable[..., pd.DataFrame]
    if freq is None:
        summarise = xs.duration_summary
    else:
        summarise = functools.partial(xs.duration_trend, freq=freq)
    check_early(lambda nothing: summarise(nothing, by=columns(by)))
    tasks = load()
    table = summarise(tasks, by=columns(by))
    output.show(table, _in_words(table), kind, title=output.title_of(tasks))
    few = table["completed"].between(1, _ENOUGH_FOR_P99 - 1).sum()
    if kind in ("table", "markdown") and "p99" in table and few:
        say(f"~ a p99 of fewer than {_ENOUGH_FOR_P99} tasks is little more than their maximum")
    output.draw(
        lambda: xs.plot_duration_summary(table) if freq is None else xs.plot_duration_trend(table),
        chart,
    )


@click.command()
@source_options
@by_option
@format_option
@plot_option
def failures(
    load: Callable[[], pd.DataFrame], by: tuple[str, ...], kind: Kind, chart: Path | None
) -> None:
    """Count FAILED tasks by reason, most frequent first.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.

    \b
    exportstats failures tasks.json --since 30d
    """
    count = functools.partial(xs.failure_reasons, by=columns(by))
    check_early(count)
    tasks = load()
    table = count(tasks)
    view = table.reset_index()
    view["share"] = view["share"].map(percent)
    view["first"] = output.dates(view.pop("first_time"))
    view["last"] = output.dates(view.pop("last_time"))
    view = view.rename(columns={"example_task_id": "example"})
    title = output.title_of(tasks)
    if len(tasks) and not len(table):
        title += "; none FAILED"
    output.show(table, view, kind, title=title)
    output.draw(lambda: xs.plot_failure_reasons(table), chart)


@click.command()
@source_options
@by_option
@click.option("--ended", is_flag=True, help="Also count FAILED and CANCELLED tasks as done.")
@format_option
@plot_option
def curve(
    load: Callable[[], pd.DataFrame],
    by: tuple[str, ...],
    ended: bool,  # noqa: FBT001 - click gives it by name
    kind: Kind,
    chart: Path | None,
) -> None:
    """Show by when tasks are done, counting active ones.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.
    The table shows how long it takes until so many of 100 tasks have completed; csv and json have
    every step.

    \b
    exportstats curve tasks.parquet --by log_group_name --plot curve.png
    """
    event: Literal["completed", "ended"] = "ended" if ended else "completed"
    follow = functools.partial(xs.completion_curve, by=columns(by), event=event)
    check_early(follow)
    tasks = load()
    table = follow(tasks)
    output.show(table, _of_curve(table), kind, title=output.title_of(tasks))
    output.draw(lambda: xs.plot_completion_curve(table), chart)


def _of_curve(table: pd.DataFrame) -> pd.DataFrame:
    """Return by when some shares of each group have ended; "never" if the curve ends below."""
    flat = table.reset_index()
    names = [name for name in table.index.names if name != "duration"]
    keys = flat[names].drop_duplicates()
    number = flat.groupby(names, dropna=False, observed=True).ngroup() if names else flat.index * 0
    view = keys.reset_index(drop=True) if names else flat.iloc[:1, :0]
    rows = [flat[number == number[at]] for at in (keys.index if names else flat.index[:1])]
    view["tasks"] = [f"{some['at_risk'].iloc[0]:,}" for some in rows]
    for share in _SHARES:
        reached = [some.loc[some["probability"] >= share, "duration"] for some in rows]
        view[f"{share:.0%}"] = [
            write_duration(there.iloc[0].total_seconds(), compact=True) if len(there) else "never"
            for there in reached
        ]
    return view


@click.command()
@source_options
@click.option(
    "--freq",
    metavar="FREQ",
    default="W",
    show_default=True,
    help="The periods, in UTC: h, D, W, MS (months), QS or YS, or multiples such as 6h.",
)
@format_option
@plot_option
def slots(load: Callable[[], pd.DataFrame], freq: str, kind: Kind, chart: Path | None) -> None:
    """Show how busy each slot is: an account and region, which runs one task at a time.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.

    \b
    exportstats slots tasks.parquet --since 4w
    exportstats slots tasks.parquet --freq D --plot slots.png
    """
    use = functools.partial(xs.slot_usage, freq=freq)
    check_early(use)
    tasks = load()
    table = use(tasks)
    view = table.reset_index()
    view["busy"] = output.in_words(view["busy"])
    view["share"] = view.pop("busy_share").map(percent)
    view["longest idle"] = output.in_words(view.pop("longest_idle"))
    twice = view.pop("overlapping")
    output.show(table, _dated(view), kind, title=output.title_of(tasks))
    if twice.any() and kind in ("table", "markdown"):
        say("more than one task was active at a time in a slot, which the service rules out")
    output.draw(lambda: xs.plot_task_timeline(tasks), chart)


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row a state; with groups a row a group and a column a state."""
    if table.index.nlevels == 1:
        view = table.reset_index()
        return view.assign(share=view["share"].map(percent))
    states = list(dict.fromkeys(table.index.get_level_values("status_code"))) or schema.STATES
    counts = table["tasks"].to_numpy().reshape(-1, len(states))
    view = table.index[:: len(states)].to_frame(index=False).drop(columns="status_code")
    view["tasks"] = counts.sum(axis=1)
    columns = {state: [state] for state in schema.TERMINAL_STATES}
    columns["active"] = list(schema.ACTIVE_STATES)
    # those that nobody knows yet, whose names may be anything
    columns["other"] = [state for state in states if state not in schema.STATES]
    for name, members in columns.items():
        view[name] = counts[:, [state in members for state in states]].sum(axis=1)
    return _dated(view if view["other"].any() else view.drop(columns="other"))


def _in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return the durations of a summary or a trend in words, and mark what too few tasks bear."""
    view = _dated(table.reset_index(drop=table.index.names == [None]))  # a frame of its own
    for name in table.columns:
        if table[name].dtype.kind == "m":
            view[name] = output.in_words(view[name])
    if "p99" in view:
        few = table["completed"].between(1, _ENOUGH_FOR_P99 - 1).to_numpy()
        view["p99"] = [
            f"~{text}" if weak else text for text, weak in zip(view["p99"], few, strict=True)
        ]
    limits = [name for name in view if str(name).endswith(("_low", "_high"))]
    return view.drop(columns=["min", "mean", "censored_p50", *limits], errors="ignore")


def _dated(view: pd.DataFrame) -> pd.DataFrame:
    """Write the periods as dates, or as times where they are shorter than days."""
    if "period" not in view:
        return view
    exact = coerce.iso_text(view["period"])
    known = exact.dropna().str
    if known.endswith("T00:00:00.000Z").all():
        return view.assign(period=output.dates(view["period"]))
    if known.endswith(":00.000Z").all():
        return view.assign(period=output.minutes(view["period"]))
    return view.assign(period=exact)
