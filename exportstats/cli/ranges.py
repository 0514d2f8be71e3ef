"""What the commands on coverage have in common: a range of time, log groups, and their tasks."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import exportstats as xs
from exportstats.cli.failing import knows_a_part, mark_part, say
from exportstats.cli.wanted import moment, refuse_reversed
from exportstats.core import schema
from exportstats.errors import ArgumentError, LoadError
from exportstats.text import write_minute

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from exportstats.cli.source import Origin
    from exportstats.cli.wanted import Wanted

SHORT_GAP = dt.timedelta(minutes=1)  # a gap of a minute or less is seldom worth a task
# Said once wherever coverage is shown.
UPPER_BOUND = (
    "coverage is an upper bound: the service tells neither a task's prefix of stream names nor "
    "how much it wrote"
)
_DAYS = 30


class Asked(NamedTuple):
    """What a command on coverage is asked: tasks, a range, and what more is known.

    Attributes
    ----------
    tasks
        The selected tasks.
    every
        All tasks, those too that hold the slots of these.
    range
        The arguments that all functions on coverage share.
    """

    tasks: pd.DataFrame
    every: pd.DataFrame
    range: dict[str, Any]

    @property
    def days(self) -> str:
        """Say the range, dates where it begins and ends at midnight, and whether tasks lack."""
        days = " to ".join(write_minute(self.range[name]) for name in ("start", "end")) + " UTC"
        return f"{days} (partial)" if knows_a_part() else days

    @property
    def has_log_groups(self) -> bool:
        """Whether there is any log group to look at."""
        tables = [self.tasks, self.range["log_groups"]]
        return any(table["log_group_name"].notna().any() for table in tables if table is not None)


LOG_GROUPS = click.option(
    "--log-groups",
    "log_groups_from",
    multiple=True,
    metavar="FILE|aws",
    help="The log groups, to find those never exported and when events expire: the output of "
    "`aws logs describe-log-groups`, or `aws` to fetch them. Repeat it for several files.",
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
        help="Count gaps up to this length as covered, such as 1min.",
    ),
    LOG_GROUPS,
)


def ask(origin: Origin, *, since: Any, until: Any, tolerance: str) -> Asked:  # noqa: ANN401
    """Load what a command on coverage is asked of, and the range.

    Tasks are not selected by state or time: FAILED tasks tell why a range is not covered, and a
    task of any later time may cover it.
    """
    from exportstats.coverage.query import length

    length(tolerance, "tolerance")  # refused before AWS is asked
    every, log_groups = load_both(origin, lambda tasks: _range_of(tasks, since, until))
    _say_what_covers_unknown(every)  # before some are selected, by a log group that is unknown
    tasks, log_groups = kept(origin.wanted, every, log_groups)
    start, end, as_of = _range_of(tasks if len(tasks) else every, since, until)
    common = {
        "start": start,
        "end": end,
        "tolerance": tolerance,
        "as_of": as_of,
        "log_groups": log_groups,
    }
    return Asked(tasks, every, common)


def _say_what_covers_unknown(tasks: pd.DataFrame) -> None:
    """Say how many tasks may cover something, and nobody knows what: not all is known then."""
    window = tasks[["from_time", "to_time"]].notna().all(axis="columns")
    unknown = tasks["log_group_name"].isna() | ((tasks["status_code"] == "COMPLETED") & ~window)
    if count := int(unknown.sum()):
        say(
            f"what {count:,} of {len(tasks):,} tasks cover is unknown: no log group or no window; "
            "what looks like a gap may be covered by these"
        )
        mark_part()


def load_both(
    origin: Origin,
    check: Callable[[pd.DataFrame], object],
    *,
    can_spare: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Get the tasks and the log groups, if any are named.

    All tasks are checked before AWS is asked for log groups. Where they are not all, that is said.
    Who can spare the log groups that AWS does not tell has the tasks all the same.
    """
    found = origin.read_log_groups()
    tasks = origin.tasks()
    check(tasks)
    try:
        found += origin.fetch_log_groups()
    except LoadError as error:
        if not can_spare:
            raise
        say(f"not looked at, so nothing of AWS's is known of expiry: {error}")
        mark_part()
    if knows_a_part():
        say("not all of the list is known or understood: what looks like a gap may be covered")
    if not found:
        return tasks, None
    log_groups = xs.concat(found, of="log_groups")
    return _placed(tasks, log_groups), _placed(log_groups, tasks)


def kept(
    wanted: Wanted, tasks: pd.DataFrame, log_groups: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the tasks and log groups that are wanted.

    Raises
    ------
    ArgumentError
        Nothing is left, of which there would be neither gaps nor findings.
    """
    tables = [tasks] if log_groups is None else [tasks, log_groups]
    chosen = [wanted.of_log_groups(table) for table in tables]
    if any(map(len, tables)) and not any(map(len, chosen)):
        raise ArgumentError(wanted.nothing_of(len(tasks), *tables))
    wanted.tell_unknown(*tables)
    return chosen[0], None if log_groups is None else chosen[1]


def _placed(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Fill accounts and regions that a table does not name with the only one of another table.

    What the AWS CLI prints of tasks names neither, of log groups it has an ARN with both: without
    this, the tasks would be of other log groups than those listed.
    """
    for name in schema.SLOT:
        known = other[name].dropna().unique()
        # With more than one nobody can tell which, and it is warned of where that matters.
        if not table[name].isna().any() or len(known) != 1:
            continue
        say(f"what does not name its {name} is taken to be of {known[0]}")
        filled = table[name].astype("str").fillna(known[0]).astype("category")
        table = table.assign(**{name: filled})
    return table


def _range_of(
    tasks: pd.DataFrame, since: dt.datetime | None, until: dt.datetime | None
) -> tuple[dt.datetime, dt.datetime, dt.datetime | None]:
    """Return the range, and when the tasks were observed."""
    observed = tasks["observed_at"].dropna()
    as_of = observed.max() if len(observed) else None
    end = until
    if end is None:
        if as_of is None:
            raise ArgumentError("no task says when it was observed; give --since and --until")
        end = last_due(as_of)
    start = since or end - dt.timedelta(days=_DAYS)
    refuse_reversed(start, end)
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC), as_of


def last_due(as_of: dt.datetime) -> dt.datetime:
    """Return the last midnight that is at least a day before an instant, in UTC."""
    day = (as_of - dt.timedelta(days=1)).astimezone(dt.UTC)
    return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=dt.UTC)
