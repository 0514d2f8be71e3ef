"""Where a command's tasks come from: the options that say so, and getting them."""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import exportstats as xs
from exportstats.cli.failing import PARTIAL, say
from exportstats.errors import ArgumentError, LoadError, LoadInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

_STATES = ("PENDING", "RUNNING", "PENDING_CANCEL", "COMPLETED", "FAILED", "CANCELLED")
_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LIVE_ONLY = ("profile", "region", "endpoint_url", "next_token")


class Loaded(NamedTuple):
    """A command's tasks, and the exit code if they are not all."""

    tasks: pd.DataFrame
    exit_code: int


class Moment(click.ParamType[dt.datetime]):
    """An instant: a date or a time (UTC unless it says otherwise), or as long ago as "7d"."""

    name = "TIME"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> dt.datetime:
        """Read it."""
        ago = _AGO.fullmatch(value)
        if ago:
            return dt.datetime.now(dt.UTC) - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; give 2026-11-01, 2026-11-01T06:00Z or 7d", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


_LIVE = (
    click.option("--profile", help="Profile of the AWS configuration."),
    click.option("--region", help="AWS region, such as eu-west-1."),
    click.option("--endpoint-url", metavar="URL", help="Ask this instead of AWS."),
)
_FILTERS = (
    click.option(
        "--status",
        type=click.Choice(_STATES, case_sensitive=False),
        help="Only tasks in this state.",
    ),
    click.option("--task-id", help="Only this task."),
    click.option(
        "--since", type=Moment(), help="Only tasks created then or later; 7d is a week ago."
    ),
    click.option("--until", type=Moment(), help="Only tasks created before."),
)


def live_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which tasks to fetch, and give the command a `load` for them."""
    return _with_options(command, (*_LIVE, *_FILTERS))


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument and the options that say which tasks to read or fetch, and a `load`."""
    source = click.argument("source", nargs=-1, metavar="[SOURCE]...")
    return _with_options(command, (source, *_LIVE, *_FILTERS))


def _with_options(command: Callable[..., None], options: tuple[Any, ...]) -> Callable[..., None]:
    asked = ("source", "status", "task_id", "since", "until", *_LIVE_ONLY)

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - what click parsed
        mine = {name: given.pop(name) for name in asked if name in given}
        command(load=functools.partial(_load, **mine), **given)

    for option in reversed(options):
        run = option(run)
    return run


def _load(
    *,
    source: tuple[str, ...] = (),
    status: str | None,
    task_id: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    **live: str | None,
) -> Loaded:
    """Read the files, or ask AWS where none is named."""
    named = [name for name, value in live.items() if value is not None]
    if source and named:
        option = "--" + named[0].replace("_", "-")
        raise ArgumentError(f"{option} is for asking AWS; leave it out, or leave out {source[0]}")
    if source:
        tasks, code = xs.read_tasks(*source), 0
        for name, wanted in (("status_code", status), ("task_id", task_id)):
            tasks = tasks if wanted is None else tasks[tasks[name] == wanted]
    else:
        tasks, code = _fetch(status=status, task_id=task_id, **live)
    for moment, keep in ((since, "ge"), (until, "lt")):
        if moment is not None:
            tasks = tasks[getattr(tasks["creation_time"], keep)(moment)]
    return Loaded(tasks.reset_index(drop=True), code)


def _fetch(**asked: str | None) -> Loaded:
    try:
        return Loaded(xs.fetch_tasks(**asked), 0)  # type: ignore[arg-type] # all are text
    except (LoadError, LoadInterrupted) as stop:
        if not len(stop.tasks):
            raise
        say(f"incomplete: {stop}")
        if stop.next_token:
            say(f"the rest: exportstats fetch --next-token '{stop.next_token}' -o REST")
        return Loaded(stop.tasks, PARTIAL)
