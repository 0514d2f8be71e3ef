"""The commands on tasks that are active: when they will be done, and waiting for one."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import FAILED, say
from exportstats.cli.options import format_option, plot_option
from exportstats.cli.source import history_options, slot_options
from exportstats.errors import LoadError
from exportstats.text import percent, write_duration

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from exportstats.cli import output
    from exportstats.cli.options import Kind
    from exportstats.cli.source import Origin
    from exportstats.cli.wanted import Wanted
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)

_RISKY = 0.01  # the probability of a time-out that is worth a column
HISTORY_PAGES = 10  # of the newest tasks, to estimate from: 500 tasks, 2 s by the quota


@click.command()
@history_options
@format_option
@plot_option
def eta(origin: Origin, wanted: Wanted, kind: Kind, chart: Path | None) -> None:
    """Estimate when the active tasks will be done, from the durations of earlier tasks.

    SOURCE is files, folders, patterns, or - for standard input; without it, tasks come from AWS.
    In eight of ten cases a task ends between "from" and "to".

    \b
    exportstats eta tasks.parquet --plot eta.png
    exportstats eta --region eu-west-1
    """
    tasks = origin.tasks()
    table = wanted.of(xs.estimate_completion(tasks), tasks)
    title = f"{len(table):,} active task{'' if len(table) == 1 else 's'}"
    if len(table) and tasks["observed_at"].isna().all():
        say(
            "no task says when it was observed, so nothing can be estimated; "
            "`exportstats fetch` writes it, the AWS CLI does not"
        )
    output.show(table, _for_people(table), kind, title=title)
    output.draw(lambda: xs.plot_completion(table), chart)


def _for_people(table: pd.DataFrame) -> pd.DataFrame:
    view = table[["account_id", "region", "log_group_name", "status_code"]].copy()
    for name, column in (("elapsed", "elapsed"), ("left", "remaining")):
        view[name] = output.in_words(table[column])
    view["from"], view["to"] = (
        output.minutes(table[name]).str[-5:] for name in ("ends_low", "ends_high")
    )
    view["n"] = table["n"]
    risky = table["timeout_probability"]
    if (risky >= _RISKY).any():
        view["time-out"] = risky.map(percent, na_action="ignore")
    return view


@click.command()
@click.argument("task_id", metavar="TASK_ID")
@slot_options
@click.option("--timeout", metavar="LENGTH", help="Wait no longer than this, as in 2h.")
def wait(
    task_id: str,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    timeout: str | None,
) -> None:
    """Wait until a task has ended; exit with 0 only if it COMPLETED.

    The remaining time is estimated from the newest 500 tasks of the account and region.

    \b
    exportstats wait cda45419-90ea-4db5-9833-aade86253e66 --timeout 2h
    """
    asked: dict[str, Any] = {"profile": profile, "region": region, "endpoint_url": endpoint_url}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", xs.AccountUnknownWarning)
            history = xs.fetch_tasks(**asked, max_pages=HISTORY_PAGES, progress=False)
    except LoadError as error:
        history = error.tasks  # for the forecast, what arrived has to do
        if not len(history):
            raise
    task = xs.wait_for_task(task_id, history=history, timeout=timeout, **asked).iloc[0]
    state = task["status_code"]
    active = state in ("PENDING", "RUNNING", "PENDING_CANCEL")
    say(f"the time is up, and the task is still {state}" if active else ending(task))
    click.get_current_context().exit(0 if state == "COMPLETED" else FAILED)


def ending(task: pd.Series) -> str:
    """Say how a task ended, after how long and, if it did not COMPLETE, why."""
    state, duration = task["status_code"], task["duration"].total_seconds()
    state = state if isinstance(state, str) else "in no known state"
    took = f" after {write_duration(duration)}" if duration == duration else ""  # noqa: PLR0124 - a NaN
    message = task["status_message"]
    why = f": {message}" if isinstance(message, str) and state != "COMPLETED" else ""
    return f"{state}{took}{why}"
