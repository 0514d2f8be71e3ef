"""What the coverage commands share: a time range, log groups and tasks."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import exportstats as xs
from exportstats.cli.evidence import EVIDENCE, load_evidence
from exportstats.cli.failing import is_partial, mark_partial, say
from exportstats.cli.source import fill_places
from exportstats.cli.wanted import moment, refuse_reversed
from exportstats.errors import ArgumentError, LoadError
from exportstats.text import counted, write_minute

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.cli.source import Origin
    from exportstats.cli.wanted import Wanted

SHORT_GAP = dt.timedelta(minutes=1)  # a gap of a minute or less is seldom worth a task
# What each source of evidence would tell.
_UNKNOWN = {
    "api_calls": "the stream prefixes of tasks (--api-calls)",
    "deliveries": "what tasks wrote (--deliveries)",
    "incoming": "whether anything came in (--incoming)",
}
_DAYS = 30


class Asked(NamedTuple):
    """The input of a coverage command: tasks, log groups and a time range.

    Attributes
    ----------
    tasks
        The selected tasks.
    every
        All tasks, because those not selected also occupy slots.
    range
        The arguments that all coverage functions share.
    """

    tasks: pd.DataFrame
    every: pd.DataFrame
    range: dict[str, Any]

    @property
    def days(self) -> str:
        """The range in words, marked as partial if tasks are missing."""
        days = " to ".join(write_minute(self.range[name]) for name in ("start", "end")) + " UTC"
        return f"{days} (partial)" if is_partial() else days

    @property
    def has_evidence(self) -> bool:
        """Whether any evidence was loaded."""
        return any(name in self.range for name in _UNKNOWN)

    @property
    def uncertainty(self) -> str:
        """What is not known about coverage, and the options that would tell."""
        unknown = [what for name, what in _UNKNOWN.items() if name not in self.range]
        if unseen := _unseen(self.range.get("deliveries")):
            unknown.append(f"the streams of {unseen} (exportstats deliveries --streams)")
        if not self.has_evidence:
            listed = f"{', '.join(unknown[:-1])} and {unknown[-1]} are not known"
            return f"coverage is an upper bound: {listed}"
        if unknown:
            return f"not known: {', '.join(unknown)}"
        return "what a stream prefix leaves out, and events later than assumed, are not known"

    @property
    def has_log_groups(self) -> bool:
        """Whether any log group is known."""
        tables = [self.tasks, self.range["log_groups"]]
        return any(table["log_group_name"].notna().any() for table in tables if table is not None)


def _unseen(deliveries: pd.DataFrame | None) -> str:
    """Return of how many tasks the streams were not looked at; empty if there are none."""
    if deliveries is None:
        return ""
    unseen = (deliveries["delivered"] == "yes") & deliveries["missing_streams"].isna()
    return counted(int(unseen.sum()), "delivered task") if unseen.any() else ""


LOG_GROUPS = click.option(
    "--log-groups",
    "log_groups_from",
    multiple=True,
    metavar="FILE|aws",
    help="The output of `aws logs describe-log-groups`, or `aws` to fetch the log groups. It shows "
    "which ones were never exported and when events expire. Repeat it for several files. The log "
    "groups of an archive are used by default.",
)
RANGE = (
    click.option(
        "--since",
        callback=moment,
        metavar="TIME",
        help="The start of the range (UTC by default), such as 2026-11-01 or 2026-11-01T06:00Z, "
        f"or an age: 24h, 7d or 4w.  [default: {_DAYS} days before its end]",
    ),
    click.option(
        "--until",
        callback=moment,
        metavar="TIME",
        help="The end of the range.  [default: the last midnight that is at least a day before "
        "the tasks were observed]",
    ),
    click.option(
        "--tolerance",
        default="0ms",
        show_default=True,
        metavar="LENGTH",
        help="Treat gaps up to this length as covered, such as 1min.",
    ),
    LOG_GROUPS,
    *EVIDENCE,
)


def ask(
    origin: Origin,
    *more: Callable[[Any], Any],
    since: Any,  # noqa: ANN401 - as `moment` returns it
    until: Any,  # noqa: ANN401
    tolerance: str,
    history: dt.timedelta = dt.timedelta(0),
) -> Asked:
    """Load the input of a coverage command; `more` are questions besides those of coverage.

    Incoming data is fetched for at least `history` before the end.

    Tasks are not selected by state or time. FAILED tasks explain gaps, and a task of any later
    time may cover the range.
    """
    from exportstats.stats.as_of import length

    length(tolerance, "tolerance")  # fail before AWS is asked
    every, log_groups = load_both(
        origin,
        lambda tasks: _range_of(tasks, since, until),
        partial(xs.find_gaps, start="1970", end="2999"),  # all of coverage reads what it reads
        *more,
        can_spare=origin.evidence is not None,
    )
    _warn_of_unknown_coverage(every)  # before a selection drops tasks without a log group
    tasks, log_groups = kept(origin.wanted, every, log_groups)
    start, end, as_of = _range_of(tasks if len(tasks) else every, since, until)
    evidence = load_evidence(origin, tasks, log_groups, start, end, history=history)
    for table in evidence.values():
        tasks = fill_places(tasks, table)
        every = fill_places(every, table, is_said=False)
    common = {
        "start": start,
        "end": end,
        "tolerance": tolerance,
        "as_of": as_of,
        "log_groups": log_groups,
        **evidence,
    }
    return Asked(tasks, every, common)


def _warn_of_unknown_coverage(tasks: pd.DataFrame) -> None:
    """Warn of tasks without a log group or window, and mark the result as incomplete."""
    window = tasks[["from_time", "to_time"]].notna().all(axis="columns")
    unknown = tasks["log_group_name"].isna() | ((tasks["status_code"] == "COMPLETED") & ~window)
    if count := int(unknown.sum()):
        say(
            f"{count:,} of {len(tasks):,} tasks have no log group or no window; "
            "they may cover some of the gaps"
        )
        mark_partial()


def load_both(
    origin: Origin,
    check: Callable[[pd.DataFrame], object],
    *questions: Callable[[Any], Any],
    can_spare: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Load the tasks, and the log groups if `--log-groups` is given.

    `check` is called with the tasks before AWS is asked for log groups. `questions` are as for
    `Origin.tasks`. With `can_spare`, a failure
    to fetch log groups is a warning and not an error.
    """
    found = origin.read_log_groups()
    tasks = origin.tasks(*questions)
    check(tasks)
    try:
        found += origin.fetch_log_groups()
    except LoadError as error:
        if not can_spare:
            raise
        say(f"log groups were not fetched, so expiry is unknown: {error}")
        mark_partial()
    if is_partial():
        say("some tasks or log groups are missing or unreadable; some gaps may be covered")
    if not found:
        return tasks, None
    log_groups = xs.concat(found, of="log_groups")
    return fill_places(tasks, log_groups), fill_places(log_groups, tasks)


def kept(
    wanted: Wanted, tasks: pd.DataFrame, log_groups: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the selected tasks and log groups.

    Raises
    ------
    ArgumentError
        If nothing is selected: the absence of gaps and findings would mean nothing.
    """
    tables = [tasks] if log_groups is None else [tasks, log_groups]
    chosen = [wanted.of_log_groups(table) for table in tables]
    if any(map(len, tables)) and not any(map(len, chosen)):
        raise ArgumentError(wanted.nothing_of(len(tasks), *tables))
    wanted.say_unknown(*tables)
    return chosen[0], None if log_groups is None else chosen[1]


def _range_of(
    tasks: pd.DataFrame, since: dt.datetime | None, until: dt.datetime | None
) -> tuple[dt.datetime, dt.datetime, dt.datetime | None]:
    """Return the range, and when the tasks were observed."""
    observed = tasks["observed_at"].dropna()
    as_of = observed.max() if len(observed) else None
    end = until
    if end is None:
        if as_of is None:
            raise ArgumentError("no task has a time of observation; give --since and --until")
        end = last_due(as_of)
    start = since or end - dt.timedelta(days=_DAYS)
    refuse_reversed(start, end)
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC), as_of


def last_due(as_of: dt.datetime) -> dt.datetime:
    """Return the last midnight that is at least a day before an instant, in UTC."""
    day = (as_of - dt.timedelta(days=1)).astimezone(dt.UTC)
    return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=dt.UTC)
