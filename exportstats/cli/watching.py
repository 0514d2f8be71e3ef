"""The command `watch`: active tasks of many accounts and regions, live in the terminal."""

from __future__ import annotations

import datetime as dt
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import click

import exportstats as xs
from exportstats.cli.failing import PARTIAL
from exportstats.cli.fleet import failure_lines, print_failures
from exportstats.cli.source import sourced
from exportstats.cli.waiting import ARCHIVE, HISTORY_PAGES, Kept, ending, forecast
from exportstats.cli.wanted import PLACE
from exportstats.core.schema import ACTIVE_STATES
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from rich.live import Live

    from exportstats.aws.targets import Target
    from exportstats.cli.source import Origin

# A poll is three requests; all users of an account and region share 5 a second.
_SHORTEST_SECONDS = 5
_FRAME = 7  # lines that are not rows: title, header, notes and cursor
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
        "--once", is_flag=True, help="Print the table once; the default if not in a terminal."
    ),
    ARCHIVE,
    filters=PLACE,
    is_live=True,
)
def watch(origin: Origin, interval_seconds: int, archive: str | None, *, once: bool) -> None:
    """Watch active tasks, and when each will be done.

    Finding the active tasks takes three requests for each account and region. If there are any,
    the newest 500 tasks are fetched once to estimate durations. In eight of ten cases a task ends
    between "from" and "to". The command ends when no task is active.

    \b
    exportstats watch --region eu-west-1
    exportstats watch --organization --role-name audit --all-regions --interval 60
    """
    from rich.live import Live
    from rich.text import Text

    from exportstats.cli import output

    kept = Kept(archive)
    watched, wanted = Watched(targets=origin.targets, **origin.asked), origin.wanted
    kept.add(watched.seen)
    wanted.say_unknown(watched.tasks, where=" among the newest tasks")

    def active() -> pd.DataFrame:
        forecasts = wanted.of_log_groups(xs.estimate_completion(watched.tasks))
        return forecasts.sort_values("ends", kind="stable")

    forecasts = active()
    if once or not sys.stdout.isatty():
        output.show(forecast(forecasts), "table")
        if watched.failures is not None:
            print_failures(watched.failures)
    else:
        with Live(console=output.console_of(), auto_refresh=False) as live:
            _show(live, forecasts, watched, interval_seconds)
            while len(forecasts):
                time.sleep(interval_seconds)
                ended = watched.poll()
                kept.add(watched.seen)
                for _, task in wanted.of_log_groups(ended).iterrows():
                    # above the table, where it stays; stderr would be overwritten
                    live.console.print(Text(plain(f"{_name(task)}: {ending(task)}")))
                forecasts = active()
                _show(live, forecasts, watched, interval_seconds)
    click.get_current_context().exit(0 if watched.failures is None else PARTIAL)


def _show(live: Live, forecasts: pd.DataFrame, watched: Watched, seconds: int) -> None:
    """Show as many active tasks as fit, and the failures below them."""
    from rich.console import Group
    from rich.text import Text

    from exportstats.cli import output

    answer = forecast(forecasts)
    title = f"{answer.title} at {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    if len(forecasts):
        title += f", refreshed every {seconds} s until Ctrl-C"
    notes = [] if watched.failures is None else list(failure_lines(watched.failures))
    room = max(live.console.height - _FRAME - len(notes), 1)
    if len(forecasts) > room:
        notes.insert(0, f"… and {len(forecasts) - room:,} more")
    table = output.fitted(answer._replace(title=title), live.console, rows=room)
    live.update(Group(*table, *map(Text, map(plain, notes))), refresh=True)


class Watched:
    """The tasks of some targets in their latest known state.

    Attributes
    ----------
    tasks
        The active tasks and, if there are any, the newest ones, to estimate durations from.
    seen
        What the last poll fetched, table by table; at first also the newest tasks.
    failures
        The failures of the last poll, as in `LoadError.failures`; None if there are none.
    """

    def __init__(self, *, targets: list[Target] | None, region: str | None, **asked: Any) -> None:  # noqa: ANN401 - fetch_tasks' own
        self._asked = asked
        self._failed: list[xs.LoadError] = []
        self.seen: list[pd.DataFrame] = []
        self.tasks = self._active(targets, region=region)
        failures = self.failures
        if failures is not None and len(failures) == len(targets or [None]):
            if targets is not None:
                print_failures(failures)
            raise self._failed[0]
        # the account is now known, so STS is not asked again
        account = self.tasks["account_id"].iloc[0] if len(self.tasks) else None
        known = account if isinstance(account, str) else None
        self._targets = targets or [xs.Target(known, region).verified()]
        busy = {one: None for _, task in self.tasks.iterrows() for one in self._whose(task)}
        if busy:
            history = self._fetch(list(busy), max_pages=HISTORY_PAGES)
            self.tasks = xs.concat([history, self.tasks])

    @property
    def failures(self) -> pd.DataFrame | None:
        """The failures, one row per target."""
        from exportstats.core.frames import stack

        rows = [failed.failures for failed in self._failed if failed.failures is not None]
        if not rows:
            return None
        return stack(rows).drop_duplicates(_TARGET)

    def poll(self) -> pd.DataFrame:
        """Poll the active tasks, and return those that have ended."""
        self._failed, self.seen = [], []
        before = self.tasks[self.tasks["status_code"].isin(ACTIVE_STATES)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # already shown at the first poll
            seen = self._active(self._targets)
            lost = before[~before["task_id"].isin(seen["task_id"])]
            found = [
                self._fetch(self._whose(task), task_id=task["task_id"], progress=False)
                for _, task in lost.iterrows()
            ]
            seen = xs.concat([seen, *found])
            # tasks that could not be polled keep their last state
            others = self.tasks[~self.tasks["task_id"].isin(seen["task_id"])]
            self.tasks = xs.concat([others, seen])
        return seen[~seen["status_code"].isin(ACTIVE_STATES)]

    def _active(self, targets: Sequence[Target] | None, **more: Any) -> pd.DataFrame:  # noqa: ANN401 - fetch_tasks' own
        """Fetch the active tasks, with a request for each state.

        States are in the order in which tasks pass them. So a task that changes its state
        meanwhile is seen twice, but never missed.
        """
        some = [
            self._fetch(targets, status=state, progress=False, **more) for state in ACTIVE_STATES
        ]
        return xs.concat(some)

    def _whose(self, task: pd.Series) -> list[Target]:
        """Return the targets that a task may belong to, as its account or region may be missing."""
        return [
            target
            for target in self._targets
            if target.account_id in (None, task["account_id"])
            and target.region in (None, task["region"])
        ]

    def _fetch(self, targets: Sequence[Target] | None, **what: Any) -> pd.DataFrame:  # noqa: ANN401 - fetch_tasks' own
        """Fetch tasks; record failures, and keep what arrived."""
        try:
            found = xs.fetch_tasks(targets, **self._asked, **what)
        except xs.LoadError as error:
            if error.failures is None:  # the targets are unknown
                raise
            self._failed.append(error)
            found = error.tasks
        self.seen.append(found)
        return found


def _name(task: pd.Series) -> str:
    where = [task[name] for name in ("account_id", "region", "log_group_name")]
    return " ".join(part for part in where if isinstance(part, str)) or task["task_id"]
