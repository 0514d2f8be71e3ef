"""Complete the rows of a backfill plan: where to export to, the names of tasks, and the columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exportstats.core import coerce, schema
from exportstats.errors import ArgumentError

_KEY = list(schema.LOG_GROUP)
_LONGEST_NAME = 512
_TIMES = ("deadline", "expected_start", "expected_end", "end_low", "end_high")
_COLUMNS = [
    *_KEY,
    "task_name",
    "from_time",
    "to_time",
    "destination",
    "destination_prefix",
    "incoming_bytes",
    *_TIMES,
    "deadline_risk",
    "late",
    "n",
    "basis",
    "scaled_by",
    "enough_history",
]


def latest_destinations(known: pd.DataFrame) -> pd.DataFrame:
    """Return each log group's latest COMPLETED task with a known destination."""
    done = known[((known["status_code"] == "COMPLETED") & known["destination"].notna()).to_numpy()]
    newest = done.groupby(_KEY, observed=True, dropna=False)["creation_time"].transform("max")
    # sorting text is slow, so only ties are sorted
    done = done[(done["creation_time"] == newest) | newest.isna()]
    order = ["creation_time", "task_id", "destination", "destination_prefix"]
    done = done.assign(destination=done["destination"].astype("str"))[[*_KEY, *order]]
    return done.sort_values(order, na_position="first").drop_duplicates(_KEY, keep="last")


def add_destinations(
    plan: pd.DataFrame, latest: pd.DataFrame, destination: str | None, prefix: str | None
) -> pd.DataFrame:
    """Add the destination of each task.

    Raises
    ------
    ArgumentError
        If no destination is known.
    """
    order = ["creation_time", "task_id", "group"]
    latest = latest.sort_values(order, na_position="first", ignore_index=True)
    row = {name: pd.Series(latest.index, latest[name]) for name in ("group", "slot")}
    of_slot = plan["slot"].map(row["slot"].groupby(level=0).last())
    found = latest.reindex(plan["group"].map(row["group"]).fillna(of_slot)).reset_index(drop=True)
    bucket = found["destination"] if destination is None else destination
    ahead = found["destination_prefix"] if prefix is None else prefix
    plan = plan.assign(destination=bucket, destination_prefix=ahead)
    unknown = plan["destination"].isna().to_numpy()
    if unknown.any():
        first = plan.iloc[int(unknown.argmax())]
        raise ArgumentError(
            f"no COMPLETED task of {first['log_group_name']} or its slot ({first['account_id']}, "
            f'{first["region"]}) has a destination; give one, such as destination="my-bucket"'
        )
    return plan


def as_table(plan: pd.DataFrame) -> pd.DataFrame:
    """Return a plan with the columns of `plan_backfill`."""
    texts = plan[[*_KEY, "destination", "destination_prefix"]].astype("str")
    times = {
        "from_time": plan["start"],
        "to_time": plan["end"] - 1,
        **{name: plan[name] for name in _TIMES},
    }
    columns = {
        **{name: texts[name].astype("category") for name in [*_KEY, "destination"]},
        "task_name": _names(texts["log_group_name"], plan["start"]),
        **{name: coerce.times(millis.to_numpy()) for name, millis in times.items()},
        "destination_prefix": texts["destination_prefix"].where(texts["destination_prefix"] != ""),
        "incoming_bytes": pd.array(np.rint(plan["bytes"].to_numpy()), dtype="Int64"),
    }
    return pd.DataFrame({**plan, **columns})[_COLUMNS]


def _names(log_groups: pd.Series, starts: pd.Series) -> pd.Series:
    """Name each task after its log group and the day, or the instant, at which it begins."""
    when = coerce.iso_text(pd.Series(coerce.times(starts.to_numpy()))).astype("str")
    when = when.str.replace("T00:00:00.000Z", "")
    safe = log_groups.str.replace(r"[^A-Za-z0-9._/#-]", "_", regex=True)
    room = _LONGEST_NAME - len("backfill  ")
    names = [
        f"backfill {group[: room - len(day)]} {day}" for group, day in zip(safe, when, strict=True)
    ]
    return pd.Series(names, index=starts.index, dtype="str")
