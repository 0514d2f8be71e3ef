"""The command `watch`: the active tasks of many accounts and regions, live in the terminal."""

from __future__ import annotations

import datetime as dt
import functools
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import click
import lazy_loader

import exportstats as xs
from exportstats.cli.failing import PARTIAL
from exportstats.cli.fleet import failure_lines, tell_failures
from exportstats.cli.source import live_options
from exportstats.cli.waiting import HISTORY_PAGES, ending
from exportstats.cli.wanted import PLACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from exportstats.aws.targets import Target
    from exportstats.cli import output, screen
    from exportstats.cli.source import Origin
    from exportstats.cli.wanted import Wanted
    from exportstats.core import frames, schema
else:  # pandas and rich are for a command that runs, not for its --help
    output = lazy_loader.load("exportstats.cli.output", suppress_warning=True)
    schema = lazy_loader.load("exportstats.core.schema", suppress_warning=True)
    frames = lazy_loader.load("exportstats.core.frames", suppress_warning=True)
    screen = lazy_loader.load("exportstats.cli.screen", suppress_warning=True)

# Three requests a look, of the 5 a second that everybody in an account and region shares.
_SHORTEST_SECONDS = 5
_TARGET = ["account_id", "region", "profile", "role_arn"]


@click.command()
@functools.partial(live_options, filters=PLACE)
@click.option(
    "--interval",
    "interval_seconds",
    metavar="SECONDS",
    type=click.IntRange(min=_SHORTEST_SECONDS),
    default=30,
    show_default=True,
    help="How long to wait between requests.",
)
@click.option("--once", is_flag=True, help="Print the table once; the default without a terminal.")
def watch(origin: Origin, wanted: Wanted, interval_seconds: int, *, once: bool) -> None:
    """Watch the active tasks: how long they have run, and when they will be done.

    The newest 500 tasks of each account and region are fetched first, to learn how long they take;
    after that, three requests for each find the active ones. In eight of ten cases a task ends
    between "from" and "to". The command ends when no task is active.

    \b
    exportstats watch --region eu-west-1
    exportstats watch --organization --role-name audit --all-regions --interval 60
    """
    watched = Watched(targets=origin.targets, **origin.asked)
    wanted.tell_unknown(watched.tasks, where=" among the newest tasks")
    told = wanted.of_log_groups(xs.estimate_completion(watched.tasks))
    if once or not sys.stdout.isatty():
        output.show(told, _view(told), "table", title=_title(told))
        if watched.failures is not None:
            tell_failures(watched.failures)
    else:
        with screen.Screen() as place:
            _show(place, told, watched, interval_seconds)
            while len(told):
                time.sleep(interval_seconds)
                for _, task in wanted.of_log_groups(watched.look()).iterrows():
                    place.tell(f"{_name(task)}: {ending(task)}")
                told = wanted.of_log_groups(xs.estimate_completion(watched.tasks))
                _show(place, told, watched, interval_seconds)
    click.get_current_context().exit(0 if watched.failures is None else PARTIAL)


class Watched:
    """The tasks of some targets, as they were last seen.

    Attributes
    ----------
    tasks
        The newest of them, those that ended for what they tell of the others. A slot runs one task
        at a time, so the active ones are among them.
    failures
        What failed when they were last asked for, as a `LoadError` has it; None if nothing did.
    """

    def __init__(self, *, targets: list[Target] | None, region: str | None, **asked: Any) -> None:  # noqa: ANN401 - fetch_tasks' own
        self._asked = asked
        self._failed: list[xs.LoadError] = []
        self.tasks = self._fetch(targets, region=region, max_pages=HISTORY_PAGES)
        failures = self.failures
        if failures is not None and len(failures) == len(targets or [None]):
            if targets is not None:
                tell_failures(failures)
            raise self._failed[0]
        # the account is known now, and STS not asked again
        account = self.tasks["account_id"].iloc[0] if len(self.tasks) else None
        known = account if isinstance(account, str) else None
        self._targets = targets or [xs.Target(known, region).verified()]

    @property
    def failures(self) -> pd.DataFrame | None:
        """Return what failed, a row a target."""
        rows = [failed.failures for failed in self._failed if failed.failures is not None]
        return frames.stack(rows).drop_duplicates(_TARGET) if rows else None  # noqa: PD013 - ours, not pandas'

    def look(self) -> pd.DataFrame:
        """Ask for the active ones; give those that are not active any more."""
        self._failed = []
        before = self.tasks[self.tasks["status_code"].isin(schema.ACTIVE_STATES)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # they were told of at the first look
            # in the order of a task's life: one that moves on meanwhile is seen twice, not never
            seen = frames.concat(
                [
                    self._fetch(self._targets, status=state, progress=False)
                    for state in schema.ACTIVE_STATES
                ]
            )
            lost = before[~before["task_id"].isin(seen["task_id"])]
            found = [
                self._fetch(self._whose(task), task_id=task["task_id"], progress=False)
                for _, task in lost.iterrows()
            ]
            seen = frames.concat([seen, *found])
            # of those that could not be asked for, what was seen last stays
            others = self.tasks[~self.tasks["task_id"].isin(seen["task_id"])]
            self.tasks = frames.concat([others, seen])
        return seen[~seen["status_code"].isin(schema.ACTIVE_STATES)]

    def _whose(self, task: pd.Series) -> list[Target]:
        """Return the targets that a task may be of: one need not name its account or region."""
        return [
            target
            for target in self._targets
            if target.account_id in (None, task["account_id"])
            and target.region in (None, task["region"])
        ]

    def _fetch(self, targets: Sequence[Target] | None, **what: Any) -> pd.DataFrame:  # noqa: ANN401 - fetch_tasks' own
        """Fetch tasks; what fails is kept, and does not cost the others."""
        try:
            return xs.fetch_tasks(targets, **self._asked, **what)
        except xs.LoadError as error:
            if error.failures is None:  # it is not known whom to ask
                raise
            self._failed.append(error)
            return error.tasks


def _show(place: screen.Screen, told: pd.DataFrame, watched: Watched, seconds: int) -> None:
    title = f"{_title(told)} at {dt.datetime.now(dt.UTC):%H:%M:%S} UTC"
    if len(told):
        title += f", and again every {seconds} s until Ctrl-C"
    notes = [] if watched.failures is None else list(failure_lines(watched.failures))
    place.show(_view(told), title=title, notes=notes)


def _title(told: pd.DataFrame) -> str:
    count = f"{len(told):,}" if len(told) else "no"
    return f"{count} active task{'' if len(told) == 1 else 's'}"


def _view(told: pd.DataFrame) -> pd.DataFrame:
    """Return the forecasts for people, what ends first first."""
    told = told.sort_values("ends", kind="stable")
    view = told[["account_id", "region", "log_group_name", "status_code"]].copy()
    for name, column in (("elapsed", "elapsed"), ("left", "remaining")):
        view[name] = output.in_words(told[column])
    for name, column in (("ends", "ends"), ("from", "ends_low"), ("to", "ends_high")):
        view[name] = output.minutes(told[column]).str[-5:].fillna("-")
    return view


def _name(task: pd.Series) -> str:
    where = [task[name] for name in ("account_id", "region", "log_group_name")]
    return " ".join(part for part in where if isinstance(part, str)) or task["task_id"]
