"""The commands that answer one question with one table: status, durations, failures."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

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
from exportstats.cli.source import source_options
from exportstats.text import percent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from exportstats import coerce, schema
    from exportstats.cli import output
    from exportstats.cli.options import Kind
    from exportstats.cli.source import Loaded
else:  # pandas and rich are for a command that runs, not for its --help
    coerce = lazy_loader.load("exportstats.coerce", suppress_warning=True)
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)
    schema = lazy_loader.load("exportstats.schema", suppress_warning=True)

_ENOUGH_FOR_P99 = 100  # with fewer, less than one task lies above it


@click.command()
@source_options
@by_option
@freq_option
@format_option
@plot_option
def status(
    load: Callable[[], Loaded],
    by: tuple[str, ...],
    freq: str | None,
    kind: Kind,
    chart: Path | None,
) -> None:
    """Count tasks by state.

    SOURCE is a file or several, a pattern, or - for standard input; without it, AWS is asked.

    \b
    exportstats status tasks.json
    exportstats status --region eu-west-1 --since 7d --by log_group_name
    """
    count = functools.partial(xs.status_breakdown, by=columns(by), freq=freq)
    count(schema.empty())  # what cannot be counted is refused before AWS is asked
    tasks, code = load()
    table = count(tasks)
    output.show(table, _wide(table), kind, title=output.title_of(tasks))
    output.draw(xs.plot_status_breakdown, table, chart)
    click.get_current_context().exit(code)


@click.command()
@source_options
@by_option
@freq_option
@format_option
@plot_option
def durations(
    load: Callable[[], Loaded],
    by: tuple[str, ...],
    freq: str | None,
    kind: Kind,
    chart: Path | None,
) -> None:
    """Summarise how long COMPLETED tasks took, from creation to completion.

    SOURCE is a file or several, a pattern, or - for standard input; without it, AWS is asked.
    "censored" counts those that are still active, whose duration is not known yet.

    \b
    exportstats durations tasks.json --by log_group_name
    exportstats durations tasks.json --freq W --plot trend.png
    """
    summarise: Callable[..., pd.DataFrame]
    if freq is None:
        summarise, plot = xs.duration_summary, xs.plot_duration_summary
    else:
        summarise, plot = functools.partial(xs.duration_trend, freq=freq), xs.plot_duration_trend
    summarise(schema.empty(), by=columns(by))
    tasks, code = load()
    table = summarise(tasks, by=columns(by))
    output.show(table, _in_words(table), kind, title=output.title_of(tasks))
    few = table["completed"].between(1, _ENOUGH_FOR_P99 - 1).sum()
    if kind in ("table", "markdown") and "p99" in table and few:
        say(f"~ a p99 of fewer than {_ENOUGH_FOR_P99} tasks is little more than their maximum")
    output.draw(plot, table, chart)
    click.get_current_context().exit(code)


@click.command()
@source_options
@by_option
@format_option
@plot_option
def failures(
    load: Callable[[], Loaded], by: tuple[str, ...], kind: Kind, chart: Path | None
) -> None:
    """Count FAILED tasks by reason, most frequent first.

    SOURCE is a file or several, a pattern, or - for standard input; without it, AWS is asked.

    \b
    exportstats failures tasks.json --since 30d
    """
    count = functools.partial(xs.failure_reasons, by=columns(by))
    count(schema.empty())
    tasks, code = load()
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
    output.draw(xs.plot_failure_reasons, table, chart)
    click.get_current_context().exit(code)


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """Give a row a state; with groups a row a group, and a column a state."""
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
    """Give the durations of a summary or a trend in words, and mark what too few tasks bear."""
    view = _dated(table.reset_index() if table.index.names != [None] else table)
    for name in table.columns:
        if table[name].dtype.kind == "m":
            view[name] = output.in_words(view[name])
    if "p99" in view:
        few = table["completed"].between(1, _ENOUGH_FOR_P99 - 1).to_numpy()
        view["p99"] = [
            f"~{text}" if weak else text for text, weak in zip(view["p99"], few, strict=True)
        ]
    return view.drop(columns=["min", "mean"], errors="ignore")


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
