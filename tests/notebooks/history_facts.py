"""What the notebook on the archive says about the sample, computed in plain pandas.

`history` returns the pieces of text with figures, as in `facts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from facts import DAY, PAYMENTS, date, words

if TYPE_CHECKING:
    from facts import Facts

MINUTE = pd.Timedelta("1min")


def history(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook on the archive, from the tasks of its only account."""
    one = tasks[tasks["account_id"] == "111122223333"]
    created, completed = one["creation_time"], one["completion_time"]
    times = ("2026-11-08T14:45Z", "2026-11-15T14:45Z", "2026-11-22T12:00Z")
    first, second, third = map(pd.Timestamp, times)
    memory = 60 * DAY
    kept = created >= first - memory
    assert ((created <= first) & (completed > first)).sum() == 1
    running = one[(created <= second) & (completed > second)]
    assert running["log_group_name"].to_list() == ["/aws/vpc/flow-logs"]
    return {
        "service-how": ["the last 60 days"],
        "syncs-said": [
            f"all that is listed, {(kept & (created <= first)).sum()} tasks",
            f"{created.between(first, second).sum()} tasks are new",
        ],
        **_forgotten(one[kept], third - memory, third),
        "then-how": [f"on {date(second)}"],
        "then-said": [
            f"One of {(kept & (created <= second)).sum()} tasks was active",
            f"COMPLETED, after {words(running['duration'].iloc[0])}",
        ],
        "looks-how": [f"On {date(third)}", "every 30 seconds"],
        "phases-said": _phases(one),
        "report-said": ["the week of 9 November 2026"],
    }


def _forgotten(kept: pd.DataFrame, since: pd.Timestamp, now: pd.Timestamp) -> Facts:
    gone = kept["creation_time"] < since
    age = now - kept["creation_time"][kept["creation_time"] <= now]
    bounds = pd.DataFrame(
        {
            "least": age[~gone].groupby(kept["region"]).max(),
            "most": age[gone].groupby(kept["region"]).min(),
        }
    )
    closest = bounds.loc[(bounds["most"] - bounds["least"]).idxmin()]
    return {
        "info-said": [
            f"{gone.sum()} tasks are no longer listed",
            f"at least {words(closest['least'])}, at most {words(closest['most'])}",
        ]
    }


def _phases(one: pd.DataFrame) -> list[str]:
    """Find the looks before and after the made-up start of each task of the afternoon."""
    looks = pd.date_range("2026-11-22T13:00Z", "2026-11-22T15:35Z", freq="5min")
    rows = one.assign(start=one["duration"] * [(n % 4 + 1) / 10 for n in range(len(one))])
    rows = rows[rows["creation_time"].between(looks[0], looks[-1])]
    seen = [
        [time for time in looks if row.creation_time <= time < row.completion_time]
        for row in rows.itertuples()
    ]
    payments = rows["log_group_name"].to_list().index(PAYMENTS)
    created, start = rows[["creation_time", "start"]].iloc[payments]
    before = max(time for time in looks if time < created + start)
    after = min(time for time in looks if time >= created + start)
    # a look takes some seconds, so the text has only minutes
    least, most = (before - created) // MINUTE, -((created - after) // MINUTE)
    starts = rows["creation_time"] + rows["start"]
    assert ((starts - starts.dt.floor("5min")) > pd.Timedelta("15s")).all()
    return [
        f"Of the {len(rows)} tasks of this afternoon, {sum(map(bool, seen))} were seen",
        f"waited between {least} and {most} minutes",
    ]
