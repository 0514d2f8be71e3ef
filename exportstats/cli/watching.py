"""The command `watch`: the active tasks of many accounts and regions, live in the terminal."""

from __future__ import annotations

import datetime as dt
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import PARTIAL
from exportstats.cli.fleet import failure_lines, tell_failures
from exportstats.cli.source import sourced
from exportstats.cli.waiting import HISTORY_PAGES, ending, forecast
from exportstats.cli.wanted import PLACE
from exportstats.core.schema import ACTIVE_STATES
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from rich.live import Live

    from exportstats.aws.targets import Target
    from exportstats.cli.source import Origin

# Three requests a look, of the 5 a second that everybody in an account and region shares.
_SHORTEST_SECONDS = 5
_FRAME = 7  # lines that are no rows: the title, the head, what is left out, the cursor's
_TARGET = ["account_id", "region", "profile", "role_arn"]


@sourced(
    click.option(
        "--interval",
        "interval_seconds",
        metavar="SECONDS",
        type=click.IntRange(min=_SHORTEST_SECONDS),
        default=30,
        show_default=True,
        help="How long to wait between requests.",
    ),
    click.option(
        "--once", is_flag=True, help="Print the table once; the default without a terminal."
    ),
    filters=PLACE,
    is_live=True,
)
def watch(origin: Origin, interval_seconds: int, *, once: bool) -> None:
    """Watch the active tasks, and when each will be done.

    Three requests for each account and region find the active tasks. If there are any, its newest
    500 tasks are fetched once, to learn how long they take. In eight of ten cases a task ends
    between "from" and "to". The command ends when no task is active.

    \b
    exportstats watch --region eu-west-1
    exportstats watch --organization --role-name audit --all-regions --interval 60
    """
    from rich.live import Live
    from rich.text import Text

    from exportstats.cli import output

    watched, wanted = Watched(targets=origin.targets, **origin.asked), origin.wanted
    wanted.tell_unknown(watched.tasks, where=" among the newest tasks")

    def active() -> pd.DataFrame:
        told = wanted.of_log_groups(xs.estimate_completion(watched.tasks))
        return told.sort_values("ends", kind="stable")

    told = active()
    if once or not sys.stdout.isatty():
        output.show(forecast(told), "table")
        if watched.failures is not None:
            tell_failures(watched.failures)
    else:
        with Live(console=output.console_of(), auto_refresh=False) as live:
            _show(live, told, watched, interval_seconds)
            while len(told):
                time.sleep(interval_seconds)
                for _, task in wanted.of_log_groups(watched.look()).iterrows():
                    # above the table, to stay; what goes to stderr would be overwritten
                    live.console.print(Text(plain(f"{_name(task)}: {ending(task)}")))
                told = active()
                _show(live, told, watched, interval_seconds)
    click.get_current_context().exit(0 if watched.failures is None else PARTIAL)


def _show(live: Live, told: pd.DataFrame, watched: Watched, seconds: int) -> None:
    """Show the active tasks, as many as there is room for, and the failures below them."""
    from rich.console import Group
    from rich.text import Text

    from exportstats.cli import output

    answer = forecast(told)
    title = f"{answer.title} at {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    if len(told):
        title += f", and again every {seconds} s until Ctrl-C"
    notes = [] if watched.failures is None else list(failure_lines(watched.failures))
    room = max(live.console.height - _FRAME - len(notes), 1)
    if len(told) > room:
        notes.insert(0, f"… and {len(told) - room:,} more")
    table = output.fitted(answer._replace(title=title), live.console, rows=room)
    live.update(Group(*table, *map(Text, map(plain, notes))), refresh=True)


class Watched:
    """The tasks of some targets, as they were last seen.

    Attributes
    ----------
    tasks
        The active ones and, if there are any, the newest, which tell how long they take.
    failures
        What failed when they were last asked for, as a `LoadError` has it; None if nothing did.
    """

    def __init__(self, *, targets: list[Target] | None, region: str | None, **asked: Any) -> None:  # noqa: ANN401 - fetch_tasks' own
        self._asked = asked
        self._failed: list[xs.LoadError] = []
        self.tasks = self._active(targets, region=region)
        failures = self.failures
        if failures is not None and len(failures) == len(targets or [None]):
            if targets is not None:
                tell_failures(failures)
            raise self._failed[0]
        # the account is known now, and STS not asked again
        account = self.tasks["account_id"].iloc[0] if len(self.tasks) else None
        known = account if isinstance(account, str) else None
        self._targets = targets or [xs.Target(known, region).verified()]
        busy = {one: None for _, task in self.tasks.iterrows() for one in self._whose(task)}
        if busy:
            history = self._fetch(list(busy), max_pages=HISTORY_PAGES)
            self.tasks = xs.concat([history, self.tasks])

    @property
    def failures(self) -> pd.DataFrame | None:
        """Return what failed, a row a target."""
        from exportstats.core.frames import stack

        rows = [failed.failures for failed in self._failed if failed.failures is not None]
        if not rows:
            return None
        return stack(rows).drop_duplicates(_TARGET)

    def look(self) -> pd.DataFrame:
        """Ask for the active ones; give those that are not active any more."""
        self._failed = []
        before = self.tasks[self.tasks["status_code"].isin(ACTIVE_STATES)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # they were told of at the first look
            seen = self._active(self._targets)
            lost = before[~before["task_id"].isin(seen["task_id"])]
            found = [
                self._fetch(self._whose(task), task_id=task["task_id"], progress=False)
                for _, task in lost.iterrows()
            ]
            seen = xs.concat([seen, *found])
            # of those that could not be asked for, what was seen last stays
            others = self.tasks[~self.tasks["task_id"].isin(seen["task_id"])]
            self.tasks = xs.concat([others, seen])
        return seen[~seen["status_code"].isin(ACTIVE_STATES)]

    def _active(self, targets: Sequence[Target] | None, **more: Any) -> pd.DataFrame:  # noqa: ANN401 - fetch_tasks' own
        """Ask for the active tasks, with a request for each state.

        That is in the order of a task's life: one that moves on meanwhile is seen twice, not never.
        """
        some = [
            self._fetch(targets, status=state, progress=False, **more) for state in ACTIVE_STATES
        ]
        return xs.concat(some)

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


def _name(task: pd.Series) -> str:
    where = [task[name] for name in ("account_id", "region", "log_group_name")]
    return " ".join(part for part in where if isinstance(part, str)) or task["task_id"]
