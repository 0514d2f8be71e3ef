"""Format the names, places, counts and times in the sentences of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core.schema import LOG_GROUP
from exportstats.text import counted, plain, shorten, write_bytes, write_minute

if TYPE_CHECKING:
    from exportstats.report.material import Material

LOST = "Expired events cannot be recovered. A longer retention leaves more time to export."


def name(value: object, width: int = 60) -> str:
    """Return a name from AWS as one line of plain text without control characters."""
    return shorten(plain(str(value)), width)


def place(rows: pd.DataFrame) -> str:
    """Return the log group and slot of the first row, and the number of other log groups."""
    region, account = (rows[column].iloc[0] for column in ("region", "account_id"))
    where = f" in {name(region)}" if isinstance(region, str) else ""
    where += f" ({name(account)})" if isinstance(account, str) else ""
    more = len(rows[list(LOG_GROUP)].drop_duplicates()) - 1
    others = f" and {counted(more, 'more log group')}" if more else ""
    first = rows["log_group_name"].iloc[0]
    return f"{name(first) if isinstance(first, str) else 'an unnamed log group'}{where}{others}"


def such_as(rows: pd.DataFrame) -> str:
    """Return the place of the first row as an example, with what came in if it is known."""
    size = rows["incoming_bytes"].iloc[0]
    return f"such as {'those' if pd.isna(size) else write_bytes(size)} of {place(rows.head(1))}"


def slot(row: pd.Series) -> str:
    """Return the account and region of a row, as far as they are known."""
    known = [row[column] for column in ("account_id", "region") if isinstance(row[column], str)]
    return " ".join(map(name, known))


def groups_of(rows: pd.DataFrame) -> str:
    """Return the number of log groups, and of accounts and regions if there are several."""
    return counted(len(rows[list(LOG_GROUP)].drop_duplicates()), "log group") + slots_of(rows)


def slots_of(rows: pd.DataFrame, after: str = "") -> str:
    """Return the number of accounts and regions if there are several."""
    numbers = {"accounts": rows["account_id"].nunique(), "regions": rows["region"].nunique()}
    some = " and ".join(f"{number:,} {noun}" for noun, number in numbers.items() if number > 1)
    return some and f" in {some}{after}"


def verb(number: int, one: str, many: str) -> str:
    """Return the form of a verb for a number of things."""
    return one if number == 1 else many


def on(time: pd.Timestamp, material: Material) -> str:
    """Return a time in the report's time zone as text, with midnight as a date."""
    return write_minute(time.tz_convert(material.span.start.tz))
