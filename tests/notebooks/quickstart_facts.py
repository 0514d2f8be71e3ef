"""What the quickstart and the recipes say about the sample, computed in plain pandas."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd
from facts import (
    BY_HAND,
    DAY,
    LOG_GROUP,
    PLANTED,
    Facts,
    Row,
    date,
    done_rows,
    percent,
    week_of,
    words,
)


def quickstart(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the quickstart."""
    completed = tasks[tasks["status_code"] == "COMPLETED"]
    assert tasks["status_code"].iloc[0] == "PENDING_CANCEL"
    median = completed.groupby("log_group_name")["duration"].median()
    assert median.idxmax() == "/aws/vpc/flow-logs"
    assert median.idxmin() == "acme/ml/features"
    return {
        "table-said": [f"{len(tasks):,} tasks"],
        **_states(tasks),
        **_failures(tasks),
        "durations-groups": [
            f"Half of the {len(completed):,} COMPLETED tasks",
            f"less than {words(completed['duration'].median())}",
            f"the slowest {words(completed['duration'].max())}",
        ],
        "durations-said": [
            f"longer than {words(median.max())}",
            f"less than {words(median.min())}",
        ],
        **_hours(completed),
    }


def _states(tasks: pd.DataFrame) -> Facts:
    state = tasks["status_code"].astype(str)
    number = state.value_counts()
    completed = percent(number["COMPLETED"] / len(tasks))
    is_bad = state.isin(["FAILED", "CANCELLED"])
    regions = is_bad.groupby(tasks["region"]).agg(["sum", "size", "mean"])
    assert regions["sum"].idxmax() == regions["mean"].idxmax() == "us-east-1"
    east, south = (
        f"{row['sum']:.0f} of {row['size']:,.0f} ({percent(row['mean'])})"
        for row in (regions.loc["us-east-1"], regions.loc["ap-southeast-2"])
    )
    week = week_of(tasks["creation_time"])
    sizes = week.value_counts().sort_index()
    failed = week[state == "FAILED"].value_counts()
    begun = tasks["observed_at"].max() - sizes.index[-1]
    return {
        "states-said": [
            f"{number['COMPLETED']:,} of {len(tasks):,} tasks ({completed}) are COMPLETED",
            f"{number['FAILED']} FAILED and {number['CANCELLED']} were CANCELLED",
            "Three are still active, each in a state of its own",
        ],
        "states-by-region-said": [east, south],
        "states-by-week-said": [
            f"from {sizes[:-1].min()} to {sizes[:-1].max()} tasks",
            f"at most {failed.iloc[1]} FAILED",
            f"the week of {date(failed.index[0])} {failed.index[0].year}, with {failed.iloc[0]}",
            f"that week was {begun // pd.Timedelta('1h')} hours old",
        ],
    }


def _failures(tasks: pd.DataFrame) -> Facts:
    failed = tasks[tasks["status_code"] == "FAILED"]
    kind = failed["status_message"].astype(str).str.extract(r"^Synthetic: (\w+ \w+)")[0]
    kinds = kind.value_counts()
    assert kinds.index[0] == "access denied"
    assert kinds.index[4] == "timed out"
    assert kinds.to_list()[4:] == [1]
    week = week_of(failed["creation_time"])
    monday = week.mode()[0]
    worst = failed[week == monday]
    denied = worst[kind[worst.index] == "access denied"]
    assert set(denied["region"]) == {"us-east-1"}
    first, last = denied["completion_time"].min(), denied["completion_time"].max()
    return {
        "reasons-said": [
            f"{kinds.iloc[0]} of the {kinds.sum()} ({percent(kinds.iloc[0] / kinds.sum())})",
            "four reasons make all of them but one",
            f"the week of {date(monday)} {monday.year}",
        ],
        "worst-week-said": [
            f"{len(denied)} of the {len(worst)} were denied access",
            f"from {first.day} to {date(last)}",
        ],
    }


def _hours(completed: pd.DataFrame) -> Facts:
    hour = completed["completion_time"].dt.hour
    is_weekend = completed["completion_time"].dt.day_of_week >= 5
    hours = hour.value_counts()
    assert set(hours.index[:3]) == {13, 14, 15}
    assert hours.index[3] == 3
    is_peak = hour.between(13, 15)
    assert (
        is_peak.groupby(completed["completion_time"].dt.day_of_week).mean().between(0.5, 0.8).all()
    )
    morning = hour.between(8, 12)
    assert completed["log_group_name"].isin(BY_HAND)[morning].mean() > 0.5
    assert (morning & is_weekend).sum() / 2 < (morning & ~is_weekend).sum() / 5 / 3
    return {
        "completion-said": [
            f"from 13:00 to 16:00 ({percent(is_peak.mean())} of all)",
            "fewer at 03:00",
            "from 08:00 to 13:00",
        ]
    }


def recipes(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook of recipes, from the tasks one by one."""
    rows = tasks.to_dict("records")
    failed = [row for row in rows if row["status_code"] == "FAILED"]
    waits = [_until_done_again(row, rows) for row in failed]
    known = [wait for wait in waits if wait is not None]
    quarter = [pd.Timestamp(day, tz="UTC") for day in ("2026-07-01", "2026-10-01")]
    long = [
        row
        for row in rows
        if row["duration"] > pd.Timedelta("2h") and quarter[0] <= row["creation_time"] < quarter[1]
    ]
    by_name = Counter(row["log_group_name"] for row in long)
    top = Counter(row["log_group_name"] for row in failed).most_common(3)
    assert top[0][0] == "acme/fraud/scoring"
    _assert_of_recipes(rows)
    return {
        "retries-said": [
            f"Of the {len(failed)} tasks that FAILED, {len(known)} were done again",
            f"{sum(wait <= DAY for wait in known)} of them within a day",
        ],
        "long-said": [
            f"Of the {len(long)} tasks, {by_name['/aws/vpc/flow-logs']} are of",
            f"after {words(max(row['duration'] for row in long))}",
        ],
        "top-said": [f"most of them, {top[0][1]}", f"log groups {top[1][1]} and {top[2][1]}"],
        "premature-said": _premature_of_a_team(rows),
    }


def _until_done_again(failed: Row, rows: list[Row]) -> pd.Timedelta | None:
    """Return the time from a failure to the next task with the same window."""
    later = [
        row["creation_time"]
        for row in rows
        if all(row[name] == failed[name] for name in LOG_GROUP)
        and row["creation_time"] > failed["creation_time"]
        and row["from_time"] <= failed["from_time"]
        and row["to_time"] >= failed["to_time"]
    ]
    return min(later) - failed["completion_time"] if later else None


def _premature_of_a_team(rows: list[Row]) -> list[str]:
    """Return the share of premature tasks that were not corrected, by team."""
    names = sorted({row["log_group_name"] for row in rows})
    mended = json.loads(PLANTED.read_text(encoding="utf-8"))["premature"]["tasks"]
    early = Counter(
        names.index(one["log_group_name"]) % 3 for one in mended if not one["covered_again"]
    )
    ((team, number),) = early.items()
    exported = [row for row in done_rows(rows) if names.index(row["log_group_name"]) % 3 == team]
    return [f"All {number} premature exports", percent(number / len(exported))]


def _assert_of_recipes(rows: list[Row]) -> None:
    """Check the statements without figures: regions, weekdays, tasks made by hand."""
    of: dict[tuple[str, int], list[pd.Timedelta]] = {}
    local: dict[int, list[Row]] = {}
    for row in done_rows(rows):
        created = row["creation_time"]
        of.setdefault((row["region"], 12 * created.year + created.month), []).append(
            row["duration"]
        )
        local.setdefault(created.tz_convert("Europe/Berlin").weekday(), []).append(row)
    for (region, month), lengths in of.items():
        if region == "us-east-1":
            here, there = pd.Series(lengths), pd.Series(of["eu-west-1", month])
            assert here.median() < there.median()
            assert here.quantile(0.9) < there.quantile(0.9)
    medians = [pd.Series([row["duration"] for row in local[day]]).median() for day in range(7)]
    assert min(medians[5:]) > max(medians[:5])
    hands = [sum(row["log_group_name"] in BY_HAND for row in local[day]) for day in range(7)]
    assert max(hands[5:]) < min(hands[:5]) / 2
