"""Which tasks a command is asked for: the options that say so, and keeping just these."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import TYPE_CHECKING, NamedTuple

import click

from exportstats.cli.failing import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

_STATES = ("PENDING", "RUNNING", "PENDING_CANCEL", "COMPLETED", "FAILED", "CANCELLED")
_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FIRST, _LAST = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (1970, 3000))
_NEAR = 3  # names that are suggested


def moment(ctx: click.Context, param: click.Parameter, text: str | None) -> dt.datetime | None:
    """Read a date or a time (UTC unless it says otherwise), or how long ago, as in 7d."""
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            time = dt.datetime.now(dt.UTC) - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            time = dt.datetime.fromisoformat(text)
        time = time.astimezone(dt.UTC) if time.tzinfo else time.replace(tzinfo=dt.UTC)
        if _FIRST <= time < _LAST:
            return time
    except (ValueError, OverflowError):
        pass
    raise click.BadParameter(
        f"{text!r} is no time; give 2026-11-01, 2026-11-01T06:00Z or 7d", ctx, param
    )


def _account(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """Refuse what is no account ID, of which no task could be."""
    if text is not None and not re.fullmatch("[0-9]{12}", text):
        raise click.BadParameter(f"{text!r} is no account ID; give its twelve digits", ctx, param)
    return text


FILTERS = {
    "log_group": click.option(
        "--log-group",
        multiple=True,
        metavar="NAME",
        help="Only this log group; * stands for any text; may be given again.",
    ),
    "account": click.option(
        "--account",
        callback=_account,
        metavar="ID",
        help="Only this account; files that name none are of this one.",
    ),
    "status": click.option(
        "--status",
        type=click.Choice(_STATES, case_sensitive=False),
        metavar="STATE",
        help=f"Only tasks in this state: {', '.join(_STATES)}.",
    ),
    "task_id": click.option("--task-id", metavar="ID", help="Only this task."),
    "since": click.option(
        "--since",
        callback=moment,
        metavar="TIME",
        help="Only tasks created then or later: 2026-11-01, 2026-11-01T06:00Z (UTC unless it says "
        "otherwise), or as long ago as 90m, 24h, 7d or 4w.",
    ),
    "until": click.option(
        "--until", callback=moment, metavar="TIME", help="Only tasks created before."
    ),
}
PLACE = ("log_group", "account")  # those that a log group has too


class Wanted(NamedTuple):
    """Which tasks a command is asked for; what is None or empty is no limit."""

    log_group: tuple[str, ...] = ()
    account: str | None = None
    region: str | None = None
    status: str | None = None
    task_id: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def of(self, table: pd.DataFrame, known: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the rows that are wanted of tasks, or of what tells of each task, and say if none.

        `known` has all the tasks where `table` tells of some, for what log groups there are.
        """
        kept = self.of_log_groups(table)
        for name, wanted in (("status_code", self.status), ("task_id", self.task_id)):
            kept = kept if wanted is None else kept[kept[name] == wanted]
        undated = kept["creation_time"].isna().sum() if self.since or self.until else 0
        if undated:
            say(f"--since and --until leave out {undated:,} tasks without a creation time")
        for time, keep in ((self.since, "ge"), (self.until, "lt")):
            if time is not None:
                kept = kept[getattr(kept["creation_time"], keep)(time)]
        known = table if known is None else known
        if len(table) and not len(kept):
            say(self.nothing_of(len(table), known))
        else:
            self.tell_unknown(known)
        return kept.reset_index(drop=True)

    def of_log_groups(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of any table that are of these log groups, this account and region."""
        for name, wanted in (("account_id", self.account), ("region", self.region)):
            table = table if wanted is None else table[table[name] == wanted]
        if not self.log_group:
            return table
        names = table["log_group_name"]
        fits = re.compile("|".join(map(_as_pattern, self.log_group)), re.DOTALL).fullmatch
        return table[names.isin([name for name in names.dropna().unique() if fits(name)])]

    def nothing_of(self, count: int, *tables: pd.DataFrame) -> str:
        """Say that none of so many tasks fits, and which log groups have nearly such a name."""
        given = [
            f"--{dashed(name)} {f'{one:%Y-%m-%dT%H:%MZ}' if isinstance(one, dt.datetime) else one}"
            for name, value in self._asdict().items()
            for one in (value if isinstance(value, tuple) else (value,))
            if one is not None
        ]
        near = "".join(near for _, near in self._unknown(tables))
        return f"none of {count:,} tasks fits {' '.join(given)}{near}"

    def tell_unknown(self, *tables: pd.DataFrame) -> None:
        """Say which log groups are in none of the tables, where there is anything in them."""
        if any(map(len, tables)):
            for name, near in self._unknown(tables):
                say(f"no log group fits --log-group {name}{near}")

    def _unknown(self, tables: Iterable[pd.DataFrame]) -> Iterator[tuple[str, str]]:
        """Return the log groups that are in no table, each with what may be meant instead."""
        if not self.log_group:
            return
        names = sorted(
            {name for table in tables for name in table["log_group_name"].dropna().unique()}
        )
        for wanted in self.log_group:
            fits = re.compile(_as_pattern(wanted), re.DOTALL).fullmatch
            if not any(map(fits, names)):
                part = wanted.strip("*")
                near = difflib.get_close_matches(part, names, _NEAR)
                near = near or [name for name in names if part.lower() in name.lower()][:_NEAR]
                yield wanted, f"; did you mean {', '.join(near)}?" if near else ""


def dashed(name: str) -> str:
    """Return the name of an option as one types it."""
    return name.replace("_", "-")


def _as_pattern(text: str) -> str:
    """Return the regular expression of a name in which * stands for any text."""
    return ".*".join(map(re.escape, text.split("*")))
