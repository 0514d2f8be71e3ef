"""The options that select tasks, and the selection."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, NamedTuple

import click

from exportstats.cli.failing import say
from exportstats.core.schema import STATES
from exportstats.errors import ArgumentError
from exportstats.text import counted, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FIRST, _LAST = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (1970, 3000))


def moment(ctx: click.Context, param: click.Parameter, text: str | None) -> dt.datetime | None:
    """Parse a date or a time, in UTC by default, or an age such as 7d."""
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
        f"{text!r} is not a time; use a form such as 2026-11-01, 2026-11-01T06:00Z or 7d",
        ctx,
        param,
    )


def _account(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """Refuse text that is not an account ID."""
    if text is not None and not re.fullmatch("[0-9]{12}", text):
        raise click.BadParameter(f"{text!r} is not an account ID; give twelve digits", ctx, param)
    return text


FILTERS = {
    "log_group": click.option(
        "--log-group",
        multiple=True,
        metavar="NAME",
        help="Only this log group; * matches any text. Repeat it for several.",
    ),
    "account": click.option(
        "--account",
        callback=_account,
        metavar="ID",
        help="Only this account. It is also the account of files without one.",
    ),
    "status": click.option(
        "--status",
        type=click.Choice(STATES, case_sensitive=False),
        metavar="STATE",
        help=f"Only tasks in this state: {', '.join(STATES)}.",
    ),
    "task_id": click.option("--task-id", metavar="ID", help="Only this task."),
    "since": click.option(
        "--since",
        callback=moment,
        metavar="TIME",
        help="Only tasks created at or after this time (UTC by default), such as 2026-11-01 or "
        "2026-11-01T06:00Z, or an age: 90m, 24h, 7d or 4w.",
    ),
    "until": click.option(
        "--until", callback=moment, metavar="TIME", help="Only tasks created before this time."
    ),
}
PLACE = ("log_group", "account")  # filters that apply to log groups too


class Wanted(NamedTuple):
    """A selection of tasks; a field that is None or empty selects all."""

    log_group: tuple[str, ...] = ()
    account: str | None = None
    region: str | None = None
    status: str | None = None
    task_id: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def of(self, table: pd.DataFrame, known: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the selected rows of a table with one row per task, with a message if none match.

        `known` has all tasks, if `table` has only some of them, such as the active ones.
        """
        known = table if known is None else known
        of_any_time = self._replace(since=None, until=None).rows(table)
        undated = of_any_time["creation_time"].isna().sum() if self.since or self.until else 0
        if undated:
            say(f"{undated:,} tasks without a creation time are left out by --since and --until")
        if len(known) and not len(self.rows(known)):
            say(self.nothing_of(len(known), known))
        else:
            self.say_unknown(known)
        return self.rows(table).reset_index(drop=True)

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the selected rows of a table with one row per task."""
        kept = self.of_log_groups(table)
        for name, wanted in (("status_code", self.status), ("task_id", self.task_id)):
            kept = kept if wanted is None else kept[kept[name] == wanted]
        for time, keep in ((self.since, "ge"), (self.until, "lt")):
            if time is not None:
                kept = kept[getattr(kept["creation_time"], keep)(time)]
        return kept

    def of_log_groups(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the selected log groups, account and region."""
        for name, wanted in (("account_id", self.account), ("region", self.region)):
            table = table if wanted is None else table[table[name] == wanted]
        if not self.log_group:
            return table
        names = table["log_group_name"]
        fits = re.compile("|".join(map(_as_pattern, self.log_group)), re.DOTALL).fullmatch
        return table[names.isin([name for name in names.dropna().unique() if fits(name)])]

    def nothing_of(self, count: int, *tables: pd.DataFrame, what: str = "task") -> str:
        """Return the message that no task matches, with similar log groups as suggestions."""
        given = [
            f"--{dashed(name)} {f'{one:%Y-%m-%dT%H:%MZ}' if isinstance(one, dt.datetime) else one}"
            for name, value in self._asdict().items()
            for one in (value if isinstance(value, tuple) else (value,))
            if one is not None
        ]
        near = "".join(near for _, near in self._unknown(tables))
        return f"none of {counted(count, what)} matches {' '.join(given)}{near}"

    def say_unknown(self, *tables: pd.DataFrame, where: str = "") -> None:
        """Print which selected log groups are in none of the tables."""
        if any(map(len, tables)):
            for name, near in self._unknown(tables):
                say(f"no log group{where} matches --log-group {name}{near}")

    def _unknown(self, tables: Iterable[pd.DataFrame]) -> Iterator[tuple[str, str]]:
        """Yield the selected log groups that are in no table, each with a suggestion."""
        if not self.log_group:
            return
        names = sorted(
            {name for table in tables for name in table["log_group_name"].dropna().unique()}
        )
        for wanted in self.log_group:
            fits = re.compile(_as_pattern(wanted), re.DOTALL).fullmatch
            if not any(map(fits, names)):
                yield wanted, did_you_mean(wanted.strip("*"), names)


def refuse_reversed(since: dt.datetime | None, until: dt.datetime | None) -> None:
    """Refuse a range that ends before it begins."""
    if since and until and since >= until:
        raise ArgumentError(f"--since {since} is not before --until {until}; swap or change them")


def dashed(name: str) -> str:
    """Return the name of an option on the command line."""
    return name.replace("_", "-")


def _as_pattern(text: str) -> str:
    """Return the regular expression for a name in which * matches any text."""
    return ".*".join(map(re.escape, text.split("*")))
