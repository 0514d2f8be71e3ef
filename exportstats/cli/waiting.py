"""The commands `eta` and `wait`, on active tasks."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.evidence import INCOMING, load_incoming, scaled
from exportstats.cli.failing import FAILED, say
from exportstats.cli.question import Answer, question
from exportstats.cli.source import ENDPOINT_URL, LIVE_REGION, PROFILE
from exportstats.core.schema import ACTIVE_STATES
from exportstats.errors import ExportStatsError, LoadError
from exportstats.text import counted, percent, write_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from exportstats.cli.source import Origin

_RISKY = 0.01  # the probability of a time-out from which it has a column
HISTORY_PAGES = 10  # of the newest tasks to estimate from: 500 tasks, 2 s at the rate limit

ARCHIVE = click.option(
    "--archive",
    metavar="ADDRESS",
    help="Add all tasks that are seen to this archive: a folder, or s3://bucket/prefix.",
)


class Kept:
    """What was seen, added to an archive if there is one. A failure is reported once."""

    def __init__(self, address: str | None) -> None:
        self._archive = None if address is None else xs.Archive(address)
        self._has_failed = False

    def add(self, seen: Sequence[pd.DataFrame]) -> None:
        """Add tables of tasks; a task may be in several of them."""
        from exportstats.core.frames import stack

        tables = [tasks for tasks in seen if len(tasks)]
        if self._archive is None or not tables:
            return
        try:
            self._archive.add(stack(tables))
        except ExportStatsError as error:
            if not self._has_failed:
                say(f"what is seen is not kept: {error}")
            self._has_failed = True


@question(INCOMING)
def eta(origin: Origin) -> Answer:
    """Estimate when the active tasks will be done.

    The estimate is based on the durations of earlier tasks. In eight of ten cases a task ends
    between "from" and "to". An archive also knows since when a task has been RUNNING. With
    --incoming, durations are scaled by the bytes that came in, if they follow these.

    \b
    exportstats eta tasks.parquet --plot eta.png
    exportstats eta --region eu-west-1
    """
    tasks = origin.tasks()
    active = tasks[tasks["status_code"].isin(ACTIVE_STATES)]
    incoming = load_incoming(origin, tasks, active)
    forecasts = xs.estimate_completion(tasks, phases=origin.phases(), incoming=incoming)
    table = origin.wanted.of(forecasts, tasks)
    if len(table) and tasks["observed_at"].isna().all():
        say(
            "no task has a time of observation, so nothing can be estimated; "
            "use a file from `exportstats fetch`, not from the AWS CLI"
        )
    answer = forecast(table)._replace(plot=lambda: xs.plot_completion(table))
    if incoming is not None and len(table):
        answer = answer._replace(notes=[scaled(table, "estimate")])
    return answer if len(origin.wanted.rows(tasks)) else answer._replace(title="no tasks")


def forecast(table: pd.DataFrame) -> Answer:
    """Return the active tasks with their expected ends."""
    view = table[["account_id", "region", "log_group_name"]].assign(
        state=table["status_code"], left=table["remaining"]
    )
    view["from"], view["to"] = table["ends_low"], table["ends_high"]
    if (table["timeout_probability"] >= _RISKY).any():
        view["time-out"] = table["timeout_probability"]
    view = view.assign(elapsed=table["elapsed"], ends=table["ends"], n=table["n"])
    title = counted(len(table), "active task") if len(table) else "no active tasks"
    return Answer(table, title, view, {"time-out": percent})


@click.command()
@click.argument("task_id", metavar="TASK_ID")
@PROFILE
@LIVE_REGION
@ENDPOINT_URL
@click.option("--timeout", metavar="LENGTH", help="Wait no longer than this, such as 2h.")
@ARCHIVE
def wait(task_id: str, timeout: str | None, archive: str | None, **asked: Any) -> None:  # noqa: ANN401 - what click parsed
    """Wait until a task ends; exit with 0 only if it COMPLETED.

    The remaining time is estimated from the newest 500 tasks of the account and region. With
    --archive, an archive shows later how long the task waited, and how long it ran.

    \b
    exportstats wait cda45419-90ea-4db5-9833-aade86253e66 --timeout 2h
    """
    kept = Kept(archive)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", xs.AccountUnknownWarning)
            history = xs.fetch_tasks(**asked, max_pages=HISTORY_PAGES, progress=False)
    except LoadError as error:
        history = error.tasks  # a part is enough for the forecast
        if not len(history):
            raise
    kept.add([history])
    task = xs.wait_for_task(
        task_id, history=history, timeout=timeout, each=lambda seen: kept.add([seen]), **asked
    ).iloc[0]
    state = task["status_code"]
    active = state in ACTIVE_STATES
    say(f"the timeout has passed and the task is still {state}" if active else ending(task))
    click.get_current_context().exit(0 if state == "COMPLETED" else FAILED)


def ending(task: pd.Series) -> str:
    """Describe how a task ended: its state, its duration and, unless COMPLETED, the reason."""
    state, duration = task["status_code"], task["duration"].total_seconds()
    state = state if isinstance(state, str) else "in an unknown state"
    took = f" after {write_duration(duration)}" if duration == duration else ""  # noqa: PLR0124 - a NaN
    message = task["status_message"]
    why = f": {message}" if isinstance(message, str) and state != "COMPLETED" else ""
    return f"{state}{took}{why}"
