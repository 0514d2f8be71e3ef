"""The words and dates of the notebooks, and what they name.

The facts of each notebook are functions that return the pieces of text with figures, by cell;
statements without figures are asserted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from exportstats.text import write_duration

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
PLANTED = SAMPLE / "planted.json"
LOG_GROUP = ["account_id", "region", "log_group_name"]
BY_HAND = {"acme/fraud/scoring", "acme/ml/features"}
PAYMENTS = "acme/payments/api"
DAY, MINUTE = pd.Timedelta("1D"), pd.Timedelta("1min")
Facts: TypeAlias = dict[str, list[str]]
Row: TypeAlias = dict[str, Any]


def words(length: pd.Timedelta) -> str:
    """Write a duration as in the text."""
    return write_duration(length.total_seconds())


def percent(share: float) -> str:
    """Write a share as in the text."""
    return f"{100 * share:.1f} %"


def date(time: pd.Timestamp) -> str:
    """Write a day as in the text, without the year."""
    return f"{time.day} {time:%B}"


def week_of(times: pd.Series) -> pd.Series:
    """Return the Monday of the week of each time; the epoch was a Thursday."""
    return (times - pd.Timedelta("4D")).dt.floor("7D") + pd.Timedelta("4D")


def done_rows(rows: list[Row]) -> list[Row]:
    """Return the COMPLETED tasks."""
    return [row for row in rows if row["status_code"] == "COMPLETED"]
