"""The commands that answer one question with one table: status, durations, failures."""

from __future__ import annotations

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

    from exportstats.cli import output
    from exportstats.cli.options import Kind
    from exportstats.cli.source import Loaded
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)

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

    \b
    exportstats status tasks.json
    exportstats status --region eu-west-1 --since 7d --by log_group_name
    """
    tasks, code = load()
    table = xs.status_breakdown(tasks, by=columns(by), freq=freq)
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

    \b
    exportstats durations tasks.json --by log_group_name
    exportstats durations tasks.json --freq W --plot trend.png
    """
    tasks, code = load()
    if freq is None:
        table, plot = xs.duration_summary(tasks, by=columns(by)), xs.plot_duration_summary
    else:
        table = xs.duration_trend(tasks, by=columns(by), freq=freq)
        plot = xs.plot_duration_trend
    output.show(table, _in_words(table), kind, title=output.title_of(tasks))
    few = table["completed"].between(1, _ENOUGH_FOR_P99 - 1).sum()
    if kind == "table" and "p99" in table and few:
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

    \b
    exportstats failures tasks.json --since 30d
    """
    tasks, code = load()
    table = xs.failure_reasons(tasks, by=columns(by))
    view = table.reset_index()
    view["share"] = view["share"].map(percent)
    view["first"] = view.pop("first_time").dt.strftime("%Y-%m-%d")
    view["last"] = view.pop("last_time").dt.strftime("%Y-%m-%d")
    view = view.rename(columns={"example_task_id": "example"})
    output.show(table, view, kind, title=output.title_of(tasks))
    output.draw(xs.plot_failure_reasons, table, chart)
    click.get_current_context().exit(code)


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """Give a row a state; with groups a row a group, and a column a state that occurs."""
    if table.index.nlevels == 1:
        return table.reset_index().assign(share=table["share"].map(percent))
    states = list(dict.fromkeys(table.index.get_level_values("status_code")))
    counts = table["tasks"].to_numpy().reshape(-1, len(states))
    view = table.index[:: len(states)].to_frame(index=False).drop(columns="status_code")
    view["tasks"] = counts.sum(axis=1)
    for state, count in zip(states, counts.T, strict=True):
        if count.any():
            view[str(state)] = count
    return _dated(view)


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
    return view.drop(columns=["mean"], errors="ignore")


def _dated(view: pd.DataFrame) -> pd.DataFrame:
    """Write the periods as dates, or as times where they are shorter than days."""
    if "period" not in view:
        return view
    whole_days = (view["period"].dt.normalize() == view["period"]).all()
    form = "%Y-%m-%d" if whole_days else "%Y-%m-%d %H:%M"
    return view.assign(period=view["period"].dt.strftime(form))
