"""What the notebooks say about the sample, computed in plain pandas.

Each function returns the pieces of text with figures; statements without figures are asserted.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from exportstats.text import write_duration

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
PLANTED = SAMPLE / "planted.json"
LOG_GROUP = ["account_id", "region", "log_group_name"]
BY_HAND = {"acme/fraud/scoring", "acme/ml/features"}
PAYMENTS = "acme/payments/api"
START, END = pd.Timestamp("2026-09-01T00:00Z"), pd.Timestamp("2026-11-22T00:00Z")
DAY, MINUTE, MS = pd.Timedelta("1D"), pd.Timedelta("1min"), pd.Timedelta("1ms")
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}

Facts: TypeAlias = dict[str, list[str]]
Key: TypeAlias = tuple[str, ...]
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


class Gap(NamedTuple):
    """An interval from `start` to before `end` that no COMPLETED task covers."""

    key: Key
    start: pd.Timestamp
    end: pd.Timestamp
    reason: str
    expires: pd.Timestamp | None = None

    @property
    def name(self) -> str:
        """The log group's name."""
        return self.key[-1]

    @property
    def length(self) -> pd.Timedelta:
        """The length of the gap."""
        return self.end - self.start


def coverage(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook on coverage, from the tasks one by one."""
    of: dict[Key, list[Row]] = {}
    for row in tasks.assign(end=tasks["to_time"] + MS).to_dict("records"):
        of.setdefault(tuple(row[name] for name in LOG_GROUP), []).append(row)
    log_groups = {
        (row["accountId"], row["region"], row["logGroupName"]): row
        for row in json.loads((SAMPLE / "log_groups.json").read_text(encoding="utf-8"))
    }
    assert all(_time(row["creationTime"]) < START for row in log_groups.values())
    gaps = [gap for key in of for gap in _gaps(key, of[key])]
    never = [key for key in log_groups if key not in of]
    long = [gap for gap in gaps if gap.length > MINUTE]
    long += [Gap(key, START, END, "never_tried") for key in never]
    known = [part for gap in long for part in _expire(gap, log_groups[gap.key])]
    observed = _time(log_groups[never[0]]["observedAt"])
    return {
        **_covered(of, gaps),
        **_known(known, never, observed),
        **_overlaps(of),
        **_premature(of),
        "days-said": [
            f"{len(log_groups) - len({gap.key for gap in known})} of {len(log_groups)} log groups"
        ],
        **_plan(of, known, never, observed),
    }


def _time(millis: int) -> pd.Timestamp:
    return pd.Timestamp(millis, unit="ms", tz="UTC")


def _completed(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["status_code"] == "COMPLETED"]


def _gaps(key: Key, rows: list[Row]) -> list[Gap]:
    """Find the gaps of a log group in the range, with their reasons."""
    found, until = [], START
    windows = [(row["from_time"], row["end"]) for row in _completed(rows)]
    for start, end in sorted([*windows, (END, END)]):
        if until < min(start, END):
            end_of_gap = min(start, END)
            over = [row for row in rows if row["from_time"] < end_of_gap and row["end"] > until]
            states = [row["status_code"] for row in over]
            tried = [state.lower() for state in ("CANCELLED", "FAILED") if state in states]
            active = ["active"] if set(states) - ENDED else []
            found.append(Gap(key, until, end_of_gap, [*active, *tried, "never_tried"][0]))
        until = max(until, end)
    return found


def _expire(gap: Gap, log_group: Row) -> list[Gap]:
    """Split a gap into what has expired and what will."""
    if "retentionInDays" not in log_group:
        return [gap]
    kept = log_group["retentionInDays"] * DAY
    gone = min(max(_time(log_group["observedAt"]) - kept, gap.start), gap.end)
    parts = [
        gap._replace(end=gone, reason="lost", expires=gap.start + kept),
        gap._replace(start=gone, expires=gone + kept),
    ]
    return [part for part in parts if part.start < part.end]


def _covered(of: dict[Key, list[Row]], gaps: list[Gap]) -> Facts:
    missing: dict[str, pd.Timedelta] = {}
    for gap in gaps:
        missing[gap.name] = missing.get(gap.name, pd.Timedelta(0)) + gap.length
    number = Counter(gap.name for gap in gaps)
    assert len(missing) == len({gap.key for gap in gaps})  # no two log groups of one name have gaps
    web = missing["acme/web/frontend"]
    assert number["acme/web/frontend"] == 1
    assert sorted(missing, key=missing.__getitem__)[-3:] == [
        "acme/fraud/scoring",
        "acme/web/frontend",
        "acme/ml/features",
    ]

    minutes = [gap for gap in gaps if gap.length <= MINUTE]
    assert {gap.name for gap in minutes} == {"acme/batch/reports"}
    assert number["acme/batch/reports"] == len(minutes)
    (length,) = {gap.length for gap in minutes}
    (end,) = {f"{gap.start - MS:%H:%M:%S}" for gap in minutes}
    long = [gap for gap in gaps if gap.length > MINUTE]
    assert {gap.reason for gap in long} == {"never_tried", "failed", "cancelled", "active"}
    nightly = [gap for gap in long if gap.name not in BY_HAND]
    *days, last = sorted(nightly, key=lambda gap: gap.key)
    assert last.name == "acme/web/frontend"
    assert {gap.length for gap in days} == {DAY}
    assert last.end == END
    assert last.reason == "never_tried"
    assert [gap.reason for gap in days].count("active") == 1
    return {
        "covered-said": [
            f"{len(of)} log groups, of which {len(of) - len(missing)} are covered whole",
            f"has {len(minutes)} and misses {words(missing['acme/batch/reports'])}",
            f"has one and misses {web // DAY} days",
        ],
        "gaps-said": [
            f"{len(minutes)} of the {len(gaps)} gaps",
            f"are {length.total_seconds():g} s long",
            f"ends each day at {end}.000",
        ],
        "bridged-said": [f"{len(long)} gaps remain"],
        "nightly-said": [
            f"{len(nightly)} gaps, all but the last of one day",
            f"from {date(last.start)} on",
        ],
    }


def _known(known: list[Gap], never: list[Key], observed: pd.Timestamp) -> Facts:
    whole = [gap for gap in known if gap.key in never]
    assert len(never) == len(whole) == 2
    (length,) = {gap.length for gap in whole}
    lost = [gap for gap in known if gap.reason == "lost"]
    assert len({gap.key for gap in lost}) == 3
    (kept,) = {gap.expires - gap.start for gap in lost}
    first = min(
        (gap for gap in known if gap.reason != "lost" and gap.expires is not None),
        key=lambda gap: gap.expires,
    )
    assert first.name == "/aws/containerinsights/acme-prod/application"
    assert first.length == DAY
    hours = (first.expires - observed) / pd.Timedelta("1h")
    return {
        "never-said": [f"a gap of {length // DAY} days each"],
        "lost-said": [
            f"{len(lost)} gaps of three log groups",
            f"keep events for {kept // DAY} days",
        ],
        "expiring-said": [
            f"The day of {date(first.start)}",
            f"begins to expire on {date(first.expires)}, {hours:g} h after",
        ],
    }


def _overlaps(of: dict[Key, list[Row]]) -> Facts:
    """Cut the range of each log group wherever a window starts or ends."""
    deep = []
    for key, rows in of.items():
        done = [row for row in _completed(rows) if row["from_time"] < END and row["end"] > START]
        edges = {time for row in done for time in (row["from_time"], row["end"])} | {START, END}
        for start, end in pairwise(sorted(time for time in edges if START <= time <= END)):
            depth = sum(row["from_time"] <= start and row["end"] >= end for row in done)
            deep += [(key[-1], end - start, depth)] if depth > 1 else []
    by_hand = [depth for name, _, depth in deep if name in BY_HAND]
    others = [(name, length, depth) for name, length, depth in deep if name not in BY_HAND]
    assert len({name for name, _, _ in others}) == len(others) == 2
    assert {(length, depth) for _, length, depth in others} == {(DAY, 2)}
    return {
        "overlaps-said": [
            f"{len(by_hand)} of the {len(deep)} intervals",
            f"up to {max(by_hand)} tasks deep",
        ]
    }


def _premature(of: dict[Key, list[Row]]) -> Facts:
    margin = pd.Timedelta("12h")
    early, again, names = [], [], set()
    for key, rows in of.items():
        done = _completed(rows)
        late = [row for row in done if row["creation_time"] - row["end"] >= margin]
        for row in done:
            if row["creation_time"] - row["end"] < margin:
                over = [
                    other
                    for other in late
                    if other["from_time"] < row["end"] and other["end"] > row["from_time"]
                ]
                (again if over else early).append(row)
                names.add(key[-1])
    assert names == {"acme/support/chat"}
    assert all(row["end"] < START for row in early)
    leads = [(row["creation_time"] - row["end"]) / MINUTE for row in early]
    assert 30 <= min(leads) <= max(leads) < 32
    weeks = [{str(week) for week in week_of(_starts(rows))} for rows in (early, again)]
    assert weeks == [{str(_monday(2)), str(_monday(16))}, {str(_monday(9))}]
    return {
        "premature-how": [f"up to {margin // pd.Timedelta('1h')} hours"],
        "premature-said": [f"{len(early)} tasks of one log group"],
    }


def _starts(rows: list[Row]) -> pd.Series:
    return pd.Series([row["from_time"] for row in rows])


def _monday(day: int) -> pd.Timestamp:
    return pd.Timestamp(year=2026, month=3, day=day, tz="UTC")


def _plan(
    of: dict[Key, list[Row]], known: list[Gap], never: list[Key], observed: pd.Timestamp
) -> Facts:
    """Cut the gaps to export at midnight, and check that they are done in time."""
    pieces = [
        piece
        for gap in known
        if gap.reason != "lost"
        for part in _without_active(gap, of.get(gap.key, []))
        for piece in _days(part)
    ]
    guesses = [piece for piece in pieces if piece.key in never]
    total: dict[Key, pd.Timedelta] = {}
    for slot in {piece.key[:2] for piece in pieces}:
        of_slot = [row for key in of if key[:2] == slot for row in _completed(of[key])]
        # the worst case is an active task that lasts until the time-out
        passed = pd.Timedelta("24h")
        queue = [piece for piece in pieces if piece.key[:2] == slot]
        for piece in sorted(
            queue, key=lambda piece: (piece.expires or pd.Timestamp.max).timestamp()
        ):
            rows = _completed(of.get(piece.key, [])) or of_slot
            passed += pd.Series([row["duration"] for row in rows]).median()
            assert piece.expires is None or observed + passed < piece.expires
        total[slot] = passed
    last = sorted(total, key=total.__getitem__)[-2:]
    assert set(last) == {key[:2] for key in never}
    return {
        "plan-said": [f"{len(pieces)} tasks, of which {len(guesses)} are of the two"],
        "plan-exported-plot-said": [f"{len(pieces) - len(guesses)} tasks"],
    }


def _without_active(gap: Gap, rows: list[Row]) -> list[Gap]:
    """Remove from a gap what active tasks export."""
    parts = [gap]
    for row in rows:
        if row["status_code"] not in ENDED:
            halves = [
                half
                for part in parts
                for half in (
                    part._replace(end=min(part.end, row["from_time"])),
                    part._replace(start=max(part.start, row["end"])),
                )
            ]
            parts = [half for half in halves if half.start < half.end]
    return parts


def _days(gap: Gap) -> list[Gap]:
    """Cut a gap at midnight; each piece expires with its first event."""
    pieces, start = [], gap.start
    while start < gap.end:
        end = min(start.floor("D") + DAY, gap.end)
        expires = None if gap.expires is None else gap.expires + (start - gap.start)
        pieces.append(gap._replace(start=start, end=end, expires=expires))
        start = end
    return pieces


def weekly_report(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook on the report, from the tasks one by one."""
    start, end = pd.Timestamp("2026-06-08T00:00Z"), pd.Timestamp("2026-06-15T00:00Z")
    due = (start - 2 * DAY, end - 2 * DAY)
    known = tasks[tasks["creation_time"] < end].assign(end=tasks["to_time"] + MS)
    of: dict[Key, list[Row]] = {}
    for row in known[known["completion_time"] <= end].to_dict("records"):
        of.setdefault(tuple(row[name] for name in LOG_GROUP), []).append(row)
    done = {key: _completed(rows) for key, rows in of.items()}
    failed = [
        (key, row)
        for key, rows in of.items()
        for row in rows
        if row["status_code"] == "FAILED" and row["creation_time"] >= start
    ]
    left = [(key, row) for key, row in failed if _holes(done[key], row["from_time"], row["end"])]
    holes = [
        (key, hole) for key in of if key[-1] not in BY_HAND for hole in _holes(done[key], *due)
    ]
    return {
        "report-said": [
            f"the week of {date(start)} {start.year}",
            _outage([row for rows in of.values() for row in rows if row["creation_time"] >= start]),
            f"{len(left)} of the {len(failed)} tasks that FAILED",
            *_first_to_expire(left, holes),
            f"{due[0].day} to {date(due[1] - DAY)}",
            "two days after the day",
        ],
        **_weekly_gaps(holes, left),
        "figures-said": [
            *_weekly_figures([row for rows in of.values() for row in rows], start),
            _weekly_covered(len([key for key in of if key[-1] not in BY_HAND]), holes),
        ],
    }


def _holes(
    rows: list[Row], start: pd.Timestamp, end: pd.Timestamp
) -> list[tuple[pd.Timestamp, pd.Timedelta]]:
    """Return the start and the length of each part of a range that no window covers."""
    found, until = [], start
    for first, last in sorted([*((row["from_time"], row["end"]) for row in rows), (end, end)]):
        if min(first, end) > until:
            found.append((until, min(first, end) - until))
        until = max(until, last)
    return found


def _outage(week: list[Row]) -> str:
    planted = json.loads(PLANTED.read_text(encoding="utf-8"))["outage"]
    first, last = (pd.Timestamp(planted[name], tz="UTC") for name in ("first_night", "last_night"))
    assert planted["region"] == "us-east-1"
    assert (last - first) // DAY + 1 == 5
    nights = [
        row
        for row in week
        if (row["account_id"], row["region"]) == (planted["account_id"], planted["region"])
        and first <= row["from_time"] <= last
    ]
    denied = [row for row in nights if "access denied" in str(row["status_message"])]
    assert 2 * len(denied) > len(nights)
    return "on five nights"


def _first_to_expire(left: list[tuple[Key, Row]], holes: list[tuple[Key, Any]]) -> list[str]:
    kept = {
        (row["accountId"], row["region"], row["logGroupName"]): row["retentionInDays"] * DAY
        for row in json.loads((SAMPLE / "log_groups.json").read_text(encoding="utf-8"))
        if "retentionInDays" in row
    }
    key, row = min(
        ((key, row) for key, row in left if key in kept),
        key=lambda one: one[1]["from_time"] + kept[one[0]],
    )
    assert key[-1] == "/aws/apigateway/acme-edge"
    (missing,) = (length for other, (_, length) in holes if other == key)
    return [f"{missing // DAY} days of", f"begin to expire on {date(row['from_time'] + kept[key])}"]


def _weekly_gaps(holes: list[tuple[Key, Any]], left: list[tuple[Key, Row]]) -> Facts:
    long = [(key, length) for key, (_, length) in holes if length > MINUTE]
    assert len({key for key, _ in long}) == len(long)
    assert {key[1] for key, _ in long} == {"us-east-1"}
    assert {key for key, _ in long} <= {key for key, _ in left}
    together = sum((length for _, length in long), pd.Timedelta(0))
    assert together % DAY == pd.Timedelta(0)
    return {"rows-said": [f"{len(long)} gaps, {together // DAY} days together"]}


def _weekly_figures(ended: list[Row], start: pd.Timestamp) -> list[str]:
    weeks = [
        [row for row in ended if begin <= row["creation_time"] < begin + 7 * DAY]
        for begin in (start, start - 7 * DAY)
    ]
    now, before = (
        sum(row["status_code"] == "FAILED" for row in week) / len(week) for week in weeks
    )
    medians = [pd.Series([row["duration"] for row in _completed(week)]).median() for week in weeks]
    assert medians[0] < medians[1]
    return [f"{percent(now)} of the tasks that ended", f"after {percent(before)}"]


def _weekly_covered(regular: int, holes: list[tuple[Key, Any]]) -> str:
    missing = sum((length for _, (_, length) in holes), pd.Timedelta(0))
    return f"{percent(1 - missing / (regular * 7 * DAY))} is covered"


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
    exported = [row for row in _completed(rows) if names.index(row["log_group_name"]) % 3 == team]
    return [f"All {number} premature exports", percent(number / len(exported))]


def _assert_of_recipes(rows: list[Row]) -> None:
    """Check the statements without figures: regions, weekdays, tasks made by hand."""
    of: dict[tuple[str, int], list[pd.Timedelta]] = {}
    local: dict[int, list[Row]] = {}
    for row in _completed(rows):
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
