"""What the sentences of a report have in common: names, places, sums and times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exportstats.core.schema import LOG_GROUP
from exportstats.text import counted, plain, shorten, write_minute

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.report.material import Material

LOST = "Nothing brings back what retention has taken; a longer one gives more time to export."


def name(value: object, width: int = 60) -> str:
    """Write a name from AWS for a sentence: in one line, nothing in it is obeyed."""
    return shorten(plain(str(value)), width)


def place(rows: pd.DataFrame) -> str:
    """Name the log group of the first row and its slot, and say how many more there are."""
    region, account = (rows[column].iloc[0] for column in ("region", "account_id"))
    where = f" in {name(region)}" if isinstance(region, str) else ""
    where += f" ({name(account)})" if isinstance(account, str) else ""
    more = len(rows[list(LOG_GROUP)].drop_duplicates()) - 1
    others = f" and {counted(more, 'more log group')}" if more else ""
    first = rows["log_group_name"].iloc[0]
    return f"{name(first) if isinstance(first, str) else 'an unnamed log group'}{where}{others}"


def slot(row: pd.Series) -> str:
    """Name the account and the region of a row, as far as they are known."""
    known = [row[column] for column in ("account_id", "region") if isinstance(row[column], str)]
    return " ".join(map(name, known))


def groups_of(rows: pd.DataFrame) -> str:
    """Count the log groups of some rows, and their accounts and regions if there are several."""
    return counted(len(rows[list(LOG_GROUP)].drop_duplicates()), "log group") + slots_of(rows)


def slots_of(rows: pd.DataFrame, after: str = "") -> str:
    """Count the accounts and the regions of some rows, if there are several."""
    accounts, regions = rows["account_id"].nunique(), rows["region"].nunique()
    where = f" of {accounts:,} accounts" if accounts > 1 else ""
    where += f" in {regions:,} regions" if regions > 1 else ""
    return where and where + after


def on(time: pd.Timestamp, material: Material) -> str:
    """Write a time in the report's time zone, midnight as a date."""
    return write_minute(time.tz_convert(material.span.start.tz))
