"""What the notebook on durations says about the sample, computed in plain pandas."""

from __future__ import annotations

import json

import pandas as pd
from facts import BY_HAND, LOG_GROUP, PAYMENTS, PLANTED, Facts, date, week_of, words


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
