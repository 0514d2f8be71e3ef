"""What the sentences of a report have in common: names, places, sums and times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exportstats.core.schema import LOG_GROUP
from exportstats.text import counted, plain, shorten, write_duration

if TYPE_CHECKING:
    import pandas as pd

    from exportstats.report.material import Material

BACKFILL = "exportstats backfill prints the commands that export them"


def name(value: object, width: int = 60) -> str:
    """Write a name from AWS for a sentence: in one line, nothing in it is obeyed."""
    return shorten(plain(str(value)), width)


def place(rows: pd.DataFrame) -> str:
    """Name the log group of the first row, and say how many more there are."""
    first = name(rows["log_group_name"].iloc[0])
    more = len(rows[list(LOG_GROUP)].drop_duplicates()) - 1
    region = rows["region"].iloc[0]
    where = f" in {name(region)}" if region == region else ""  # noqa: PLR0124 - a missing one
    return f"{first}{where}" + (f" and {counted(more, 'more log group')}" if more else "")


def total(lengths: pd.Series) -> str:
    """Write the sum of some lengths."""
    return write_duration(lengths.dt.total_seconds().sum())


def groups_of(rows: pd.DataFrame) -> str:
    """Count the log groups of some rows."""
    return counted(len(rows[list(LOG_GROUP)].drop_duplicates()), "log group")


def on(time: pd.Timestamp, material: Material) -> str:
    """Write a time in the report's time zone, midnight as a date."""
    local = time.tz_convert(material.span.start.tz)
    return f"{local:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
