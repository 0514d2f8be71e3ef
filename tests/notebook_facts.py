"""What the notebooks say about the sample, computed in plain pandas.

Each function returns the pieces of text with figures; statements without figures are asserted.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from exportstats.text import write_duration

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
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


def durations(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook on durations."""
    completed = tasks[tasks["status_code"] == "COMPLETED"]
    return {
        **_all(tasks, completed),
        **_windows(completed),
        **_tail(tasks, completed),
        **_trend(completed),
        **_slowdown(tasks),
        **_clock(completed),
        **_stuck(tasks),
    }


def _all(tasks: pd.DataFrame, completed: pd.DataFrame) -> Facts:
    active = tasks["status_code"].isin(["PENDING", "RUNNING", "PENDING_CANCEL"])
    duration = completed["duration"]
    assert duration.mean() > 3 * duration.median()
    return {
        "all-said": [
            f"{len(completed):,} COMPLETED tasks half took less than {words(duration.median())}",
            f"one in ten more than {words(duration.quantile(0.9))}",
            f"the slowest {words(duration.max())}",
            f"the {active.sum()} that are still active",
        ],
        "spread-said": [
            f"From {words(duration.min())} to {words(duration.max())}",
            f"The mean, {words(duration.mean())}",
        ],
    }


def _windows(completed: pd.DataFrame) -> Facts:
    features = completed[completed["log_group_name"] == "acme/ml/features"]
    minutes = features.groupby("window")["duration"].median() / pd.Timedelta("1min")
    lengths = completed.groupby("log_group_name")["window"].nunique()
    assert set(lengths[lengths >= 3].index) == BY_HAND
    assert set(completed["log_group_name"].value_counts().index[:6]) >= BY_HAND

    groups = completed.groupby(LOG_GROUP)["duration"]
    median = groups.median()
    is_usual = groups.quantile(0.9) < 2 * median
    assert {key[-1] for key in median[~is_usual].index} == {*BY_HAND, PAYMENTS}
    assert (groups.max() >= 3 * median)[is_usual].all()
    return {
        "windows-said": [
            f"of 7 days takes {minutes[pd.Timedelta('7D')]:.1f} min",
            f"of an hour {minutes[pd.Timedelta('1h')]:.1f} min",
        ],
        "groups-said": [
            f"from {words(median.min())} to {words(median.max())}",
            f"In {is_usual.sum()} of the {len(is_usual)} log groups",
        ],
    }


def _tail(tasks: pd.DataFrame, completed: pd.DataFrame) -> Facts:
    slow = completed[completed["log_group_name"] == "/aws/vpc/flow-logs"]
    duration = slow["duration"]
    minutes = duration / pd.Timedelta("1min")
    months = minutes.groupby(slow["creation_time"].dt.strftime("%Y-%m"))
    whole = pd.DataFrame(
        {
            "n": months.size(),
            "median": months.median(),
            "p99": months.quantile(0.99),
            "max": months.max(),
        }
    ).iloc[1:-1]
    assert (whole["p99"] > 0.75 * whole["max"]).all()
    p99 = duration.quantile(0.99)
    assert (duration > p99).sum() == 4
    without = duration.drop(duration.idxmax()).quantile(0.99)
    since = tasks["creation_time"].max() - pd.Timedelta("30D")
    recent = completed[completed["creation_time"] >= since]
    assert recent["log_group_name"].value_counts().max() < 100
    return {
        "tail-how": [f"Of {len(slow)} tasks that is four"],
        "tail-said": [
            f"In the {len(whole)} whole months, of {whole['n'].min()} to {whole['n'].max()} tasks",
            f"between {whole['median'].min():.0f} and {whole['median'].max():.0f} minutes",
            f"between {whole['p99'].min():.0f} and {whole['p99'].max():.0f}",
            f"the year's, {words(p99)}, rests on the four tasks beyond it",
            f"without the slowest of all it would be {words(without)}",
            "the last 30 days",
        ],
        "tail-plot-said": ["the last 30 days", "no log group has 100 tasks"],
    }


def _trend(completed: pd.DataFrame) -> Facts:
    week = week_of(completed["creation_time"])
    overall = completed.groupby(week)["duration"].agg(["size", "median"])
    *_, begun = overall.index
    eighth = overall.index[-9]
    weekly = completed.groupby([*LOG_GROUP, week])["duration"].median()
    weeks = weekly.index.get_level_values(-1)
    lately = weekly[(weeks >= eighth) & (weeks < begun)].groupby(LOG_GROUP).median()
    times = (lately / weekly[weeks < eighth].groupby(LOG_GROUP).median()).sort_values()
    least, slowest = times.index[0], times.index[-1]
    assert (least[-1], slowest[-1]) == ("acme/ml/features", PAYMENTS)
    mates = times[[key for key in times.index[:-1] if key[:2] == slowest[:2]]]

    features = completed[completed["log_group_name"] == least[-1]]
    medians = features.groupby(["window", features["creation_time"] >= eighth])["duration"].median()
    change = medians.xs(True, level=1) / medians.xs(False, level=1)
    assert change.between(1, 1.12).all()
    middle = overall["median"][:-1]
    return {
        "trend-said": [
            f"stays between {words(middle.min())} and {words(middle.max())}",
            f"is of {overall['size'].iloc[-1]} tasks",
        ],
        "ratio-said": [
            f"takes {times.iloc[-1]:.2f} times as long as before",
            f"no other log group more than {times.iloc[-2]:.2f} times",
            f"those of its own slot from {mates.min():.2f} to {mates.max():.2f} times",
            f"to {times.iloc[0]:.2f} times",
        ],
    }


def _slowdown(tasks: pd.DataFrame) -> Facts:
    planted = json.loads(PLANTED.read_text(encoding="utf-8"))["slowdown"]
    since = pd.Timestamp(planted["since"])
    assert planted["log_group_name"] == PAYMENTS
    one = tasks[tasks["log_group_name"] == PAYMENTS]
    assert set(one["window"]) == {pd.Timedelta("1D")}
    done = one[one["status_code"] == "COMPLETED"].sort_values("creation_time")
    old, new = (done[done["creation_time"] < since], done[done["creation_time"] >= since])
    before, after = old["duration"].median(), new["duration"].median()
    assert new["duration"].min() > before

    weeks = done.groupby(week_of(done["creation_time"]))["duration"].agg(["size", "median"])
    usual = weeks["median"].iloc[: len(weeks) // 2].median()
    assert weeks[weeks["median"] > 1.5 * usual].index.equals(weeks[since:].index)
    assert weeks["median"][weeks.index < since].between("10min", "22min").all()

    instants = [since + pd.Timedelta(days=days, hours=13, minutes=45) for days in (2, 7, 28)]
    ended = [(new["completion_time"] <= instant).sum() for instant in instants]
    created = [(new["creation_time"] <= instant).sum() for instant in instants]
    assert created[0] - ended[0] == 1
    return {
        "one-said": [
            f"a week has but {weeks['size'].min()} to {weeks['size'].max()} tasks",
            "more than 1.5 times",
        ],
        "since-said": [
            f"before the week of {date(since)} {since.year}",
            f"every one, {len(weeks[since:])} of them",
        ],
        "before-after-said": [
            f"From a median of {words(before)} ({len(old)} tasks)",
            f"to one of {words(after)} ({len(new)} tasks): {after / before:.2f} times as long",
        ],
        "points-said": [f"FAILED ({(one['status_code'] == 'FAILED').sum()})"],
        "as-of-how": ["2, 7 and 28 days after the step, at 13:45"],
        "as-of-said": [
            f"On {date(instants[0])} {ended[0]} tasks were COMPLETED and one was running",
            f"is {created[0] - ended[0]}: it is in no quantile yet",
            f"the shortest of {ended[1]} had taken longer than the median before",
        ],
    }


def _clock(completed: pd.DataFrame) -> Facts:
    time = completed["completion_time"]
    time = time[time.dt.hour == 13]
    local = time.dt.tz_convert("Europe/Berlin").dt.hour
    assert set(local[time.dt.month.isin([12, 1, 2])]) == {14}
    assert set(local[time.dt.month.isin([6, 7, 8])]) == {15}

    nightly = completed[completed["window"].between("23:59:00", "24:00:00")]
    usual = nightly.groupby(LOG_GROUP)["duration"].transform("median")
    weekday = nightly["creation_time"].dt.tz_convert("Europe/Berlin").dt.day_name()
    ratio = (nightly["duration"] / usual).groupby(weekday).median()
    return {
        "clock-said": ["from 13:00 UTC", "from 14:00 in winter", "from 15:00 in summer"],
        "weekdays-said": [
            f"{ratio.max():.2f} times as long as usual on a {ratio.idxmax()}",
            f"{ratio.min():.2f} times on a {ratio.idxmin()}",
        ],
    }


def _stuck(tasks: pd.DataFrame) -> Facts:
    stuck = tasks.loc[tasks["duration"].idxmax()]
    assert (stuck["log_group_name"], stuck["status_code"]) == ("acme/ml/features", "FAILED")
    start, end = stuck["creation_time"], stuck["completion_time"]
    frontend = tasks[tasks["log_group_name"] == "acme/web/frontend"].sort_values("creation_time")
    assert frontend["creation_time"].dt.hour.mode().to_list() == [15]
    assert not frontend["creation_time"].between(start, end).any()
    late = frontend[frontend["creation_time"] > end].iloc[0]
    usual = start.normalize() + pd.Timedelta("15h")
    delay = (late["creation_time"] - usual) // pd.Timedelta("1h")
    assert abs(late["duration"] / frontend["duration"].median() - 1) < 0.1
    return {
        "stuck-said": [
            f"from {date(start)}, {start:%H:%M}, until",
            f"after {(end - start) / pd.Timedelta('1h'):.0f} h",
            f"else created at {usual:%H:%M}",
            f"created at {late['creation_time']:%H:%M} the next day, more than {delay} h late",
            f"as always, {words(late['duration'])}",
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
