"""When the tasks of a plan start and end agrees with queues simulated in plain NumPy."""

from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
import pytest
from planned import (
    MIDNIGHT,
    MINUTE,
    NOW,
    START,
    TIMES,
    Row,
    done,
    gaps_of,
    history,
    plan_backfill,
    running,
)
from support import (
    DAY,
    FIRST,
    HOUR,
    LAST,
    cut,
    plain,
    shuffled,
    table,
)

from exportstats.coverage.commands import render_commands
from exportstats.errors import ArgumentError


def test_constant_durations_give_exact_times():
    """With constant durations, each task starts when the previous one ends."""
    gaps = gaps_of(
        {"start": MIDNIGHT - 3 * DAY, "expires_at": START + 8 * MINUTE},
        {"region": "us-east-1"},
    )
    tasks = table(*history(*[7 * MINUTE] * 25), *history(*[HOUR] * 40, region="us-east-1"))
    plan = plan_backfill(gaps, tasks)
    starts = [START, START + 7 * MINUTE, START + 14 * MINUTE, START]
    ends = [START + 7 * MINUTE, START + 14 * MINUTE, START + 21 * MINUTE, START + HOUR]
    assert plain(plan["expected_start"]) == pytest.approx(starts, abs=MINUTE)
    for name in ("expected_end", "end_low", "end_high"):
        assert plain(plan[name]) == pytest.approx(ends, abs=MINUTE)
    assert plan["n"].to_list() == [25, 25, 25, 40]
    assert plan["basis"].to_list() == ["log_group"] * 4
    assert plan["enough_history"].all()


def test_late_and_risk():
    """`late` means that the expected end is after the deadline; a run in time is no risk."""
    tasks = table(*history(*[7 * MINUTE] * 100))
    for over, late in ((-MINUTE, False), (MINUTE, True)):
        gaps = gaps_of({"expires_at": START + 7 * MINUTE - over})
        plan = plan_backfill(gaps, tasks)
        assert plan["late"].item() == late
        assert plan["deadline_risk"].item() == pytest.approx(float(late), abs=0.03)


def test_times_are_those_of_sums_drawn_with_numpy():
    """Medians and risk agree with sums drawn by NumPy's generator."""
    random = np.random.default_rng(5)
    lengths = random.lognormal(13, 0.5, 100).astype("int64")
    days = 60
    gaps = gaps_of({"start": MIDNIGHT - days * DAY, "expires_at": START - (days - 2) * DAY})
    plan = plan_backfill(gaps, table(*history(*map(int, lengths))))
    # the first is the latest; a task 20 tasks earlier has half its weight
    counts = 0.5 ** (np.arange(100) / 20)
    drawn = [
        random.choice(random.choice(lengths, 59, p=counts / counts.sum()), days)
        for _ in range(4000)
    ]
    sums = np.cumsum(drawn, axis=1) + START
    spread = sums.std(axis=0)
    for name, q in (("expected_end", 0.5), ("end_low", 0.1), ("end_high", 0.9)):
        off = np.array(plain(plan[name])) - np.quantile(sums, q, axis=0)
        assert (np.abs(off) < 0.6 * spread).all()
        assert abs((off / spread).mean()) < 0.45
    risk = (sums > np.array(plain(plan["deadline"]))).mean(axis=0)
    assert np.abs(plan["deadline_risk"] - risk).max() < 0.12
    assert plain(plan["expected_start"]) == [START, *plain(plan["expected_end"])[:-1]]


def test_durations_follow_the_window():
    """A window of an hour takes as long as earlier ones; without them the history is not enough."""
    dice = Random(3)  # noqa: S311 - a test's
    rows = history(*[MINUTE] * 60)
    for number, row in enumerate(rows):
        hours = 1 + number % 24
        took = int(hours * MINUTE * dice.uniform(0.9, 1.1))
        row |= {"to_time": row["from_time"] + hours * HOUR - 1}
        row |= {"completion_time": row["creation_time"] + took}
    day = plan_backfill(gaps_of({}), table(*rows))
    hour = plan_backfill(gaps_of({"start": MIDNIGHT - HOUR}), table(*rows))
    assert plain(day["expected_end"])[0] - START == pytest.approx(24 * MINUTE, rel=0.1)
    assert plain(hour["expected_end"])[0] - START == pytest.approx(MINUTE, rel=0.1)
    assert [day["enough_history"].item(), hour["enough_history"].item()] == [True, True]
    days = table(*history(*[MINUTE] * 60))
    hour = plan_backfill(gaps_of({"start": MIDNIGHT - HOUR}), days)
    assert not hour["enough_history"].item()


def test_the_latest_tasks_count():
    """A log group that became slower is planned from its latest tasks."""
    tasks = table(*history(*[HOUR] * 100, *[MINUTE] * 400))
    plan = plan_backfill(gaps_of({}), tasks)
    assert plan["n"].item() == 100
    assert plain(plan["expected_end"]) == pytest.approx([START + HOUR], abs=MINUTE)


def test_all_is_done_when_the_last_slot_is():
    """The end of the plan is that of the latest slot in each run."""
    random = np.random.default_rng(8)
    regions = [f"eu-west-{number}" for number in range(1, 9)]
    rows = [
        row
        for region in regions
        for row in history(*map(int, random.lognormal(13, 0.5, 60)), region=region)
    ]
    gaps = gaps_of(*[{"region": region, "start": MIDNIGHT - 9 * DAY} for region in regions])
    plan = plan_backfill(gaps, table(*rows))
    assert plan.attrs["tasks"] == len(plan)
    assert plan.attrs["end_low"] > plan.groupby("region")["end_low"].max().max()
    assert plan.attrs["expected_end"] > plan["expected_end"].max()
    assert plan.attrs["end_high"] > plan["end_high"].max()
    one = plan_backfill(gaps_of({"start": MIDNIGHT - 9 * DAY}), table(*rows))
    assert one.attrs["end_high"] == one["end_high"].iloc[-1]


def test_a_running_task_is_waited_for():
    """The slot is free when its active task is expected to end, given its elapsed time."""
    tasks = table(*history(*[HOUR] * 30, *[3 * HOUR] * 10), running(90 * MINUTE))
    plan = plan_backfill(gaps_of({}), tasks)
    assert plain(plan["expected_start"]) == [START + 90 * MINUTE]
    assert plan["enough_history"].item()
    # without a creation time, it may have been created just now
    tasks = table(*history(*[HOUR] * 30), running(0, creation_time=None))
    assert plain(plan_backfill(gaps_of({}), tasks)["expected_start"]) == [START + HOUR]


def test_a_running_task_that_runs_longer_than_any():
    """Its end is not before now, and the whole slot lacks enough history."""
    tasks = table(*history(*[HOUR] * 30), running(HOUR))
    plan = plan_backfill(gaps_of({"start": MIDNIGHT - 2 * DAY}), tasks)
    first, second = plain(plan["expected_start"])
    assert first >= START
    assert second >= first + 0.9 * HOUR
    assert plan["enough_history"].to_list() == [False, False]
    assert plan["basis"].to_list() == ["log_group"] * 2


def test_several_active_tasks():
    """A PENDING task runs after the RUNNING one; tasks without a log group take the slot, too."""
    earlier = {"log_group_name": "slow", "status_code": "COMPLETED"}
    slow = [
        done(day, 0, **earlier, creation_time=at, completion_time=at + 4 * HOUR)
        for day in range(30)
        for at in [MIDNIGHT - day * DAY - 8 * HOUR]
    ]
    tasks = table(
        *history(*[HOUR] * 30),
        *slow,
        running(10 * MINUTE),
        running(HOUR, task_id="slow", log_group_name="slow", status_code="PENDING"),
        running(5 * HOUR, task_id="elsewhere", region="us-east-1"),
    )
    plan = plan_backfill(gaps_of({}), tasks)
    assert plain(plan["expected_start"]) == [START + 4 * HOUR + 50 * MINUTE]
    assert plan["enough_history"].item()
    nameless = table(*history(*[HOUR] * 30), running(0, log_group_name=None))
    assert plain(plan_backfill(gaps_of({}), nameless)["expected_start"]) == [START + HOUR]


def test_basis():
    """Durations are those of the log group, else the slot, else all, else none."""
    fallback = {"destination": "acme-logs"}
    own = history(MINUTE)
    slot = history(2 * MINUTE, 2 * MINUTE, log_group_name="other")
    rest = history(*[3 * MINUTE] * 3, region="us-east-1")
    failed = [done(9, HOUR, status_code="FAILED"), done(10, 0, completion_time=None)]
    cases = [
        ([*own, *slot, *rest], "log_group", 1, MINUTE),
        ([*slot, *rest], "slot", 2, 2 * MINUTE),
        (rest, "all", 3, 3 * MINUTE),
    ]
    for rows, basis, n, length in cases:
        plan = plan_backfill(gaps_of({}), table(*rows, *failed), **fallback)
        assert (plan["basis"].item(), plan["n"].item()) == (basis, n)
        assert plain(plan["expected_end"])[0] - START == pytest.approx(length, rel=0.3)
        assert not plan["enough_history"].item()


def test_slots_that_are_alike_do_not_look_slower_than_they_are():
    """The end and the risk of five equal slots with few tasks; benchmarks/forecasts has more."""
    random = np.random.default_rng(11)
    held, risk, late = [], [], []
    for _ in range(25):
        drawn = (10 * MINUTE * random.lognormal(0, 0.5, (5, 5 + 24))).astype(int).tolist()
        regions = [{"region": f"eu-west-{number}"} for number in range(5)]
        rows = [
            row for one, of in zip(drawn, regions, strict=True) for row in history(*one[:5], **of)
        ]
        deadline = START + int(random.uniform(0, 8 * HOUR))
        gaps = gaps_of(*[{**of, "expires_at": deadline} for of in regions])
        plan = plan_backfill(gaps, table(*rows), max_window="1h")
        ends = np.array([START + np.cumsum(one[5:]) for one in drawn]).ravel()
        last = pd.Timestamp(int(ends.max()), unit="ms", tz="UTC")
        held.append(plan.attrs["end_low"] <= last <= plan.attrs["end_high"])
        risk.append(plan["deadline_risk"].mean())
        late.append((ends > plan["deadline"].astype("int64").to_numpy()).mean())
    assert 0.6 <= np.mean(held) <= 0.96
    assert abs(np.mean(risk) - np.mean(late)) < 0.06


def test_no_history():
    """Without any duration no time is expected, and nothing is late."""
    gaps = gaps_of({"expires_at": START - 1})
    plan = plan_backfill(gaps, table(running(0)), destination="acme-logs")
    assert plan[list(TIMES)].isna().all(axis=None)
    assert np.isnan(plan["deadline_risk"].item())
    assert plan[["late", "n", "basis", "enough_history"]].iloc[0].to_list() == [
        False,
        0,
        "none",
        False,
    ]


@pytest.mark.parametrize(("few", "n", "length"), [(20, 20, MINUTE), (19, 39, HOUR)])
def test_windows_of_comparable_length(few: int, n: int, length: int):
    """Twenty windows from half to twice as long are used alone; otherwise all are."""
    end = MIDNIGHT - 40 * DAY
    half, twice = {"from_time": end - DAY // 2}, {"from_time": end - 2 * DAY}
    alike = [
        done(number, MINUTE, to_time=end - 1, **(half if number % 2 else twice))
        for number in range(few)
    ]
    off = [
        done(100 + number, HOUR, to_time=end - 1, from_time=from_)
        for number, from_ in enumerate([end - DAY // 2 + 1, end - 2 * DAY - 1] * 10)
    ]
    plan = plan_backfill(gaps_of({}), table(*alike, *off))
    assert plan["n"].item() == n
    assert plain(plan["end_high"]) == [START + length]


def test_as_of():
    """With `as_of`, the queue begins there, and only what was known then is used."""
    tasks = table(*history(*[HOUR] * 5), done(0, 9 * HOUR, destination="later"))
    as_of = pd.Timestamp(MIDNIGHT + HOUR, unit="ms", tz="Asia/Tokyo")
    plan = plan_backfill(gaps_of({}), tasks, as_of=as_of, margin="0h")
    assert plan["destination"].to_list() == ["acme-logs"]
    # by then the last task has run for an hour, as long as any other
    assert plain(plan["expected_start"])[0] >= MIDNIGHT + HOUR
    assert plain(plan["expected_end"])[0] >= MIDNIGHT + 1.8 * HOUR


def test_without_an_instant_to_begin_at():
    """Without `as_of` and `observed_at` the error asks for an instant."""
    tasks = table(done(3, MINUTE, observed_at=None))
    with pytest.raises(ArgumentError, match=r"as_of=None.*give an instant"):
        plan_backfill(gaps_of({}), tasks)
    assert len(plan_backfill(gaps_of({}), tasks, as_of="2026-11-23T18:00Z")) == 1


def test_slots_do_not_depend_on_each_other():
    """Neither order nor shards matter, and other slots hardly do."""
    random = np.random.default_rng(1)
    rows: list[Row] = []
    gaps: list[Row] = []
    for region in ("eu-west-1", "us-east-1", None):
        rows.append(running(HOUR, region=region, task_id=f"running-{region}"))
        for name in ("a", "b"):
            fields = {"region": region, "log_group_name": name}
            rows += history(*map(int, random.integers(MINUTE, 5 * HOUR, 30)), **fields)
            gaps.append({**fields, "start": MIDNIGHT - 9 * DAY, "expires_at": START + 4 * HOUR})
    tasks, missing = table(*rows), gaps_of(*gaps)
    plan = plan_backfill(missing, tasks)
    assert plan["deadline_risk"].between(0.001, 0.999).any()
    dice = Random(7)  # noqa: S311 - no secret
    for _ in range(3):
        for mixed in (cut(tasks, dice), cut(tasks, dice, anew=True), shuffled(tasks, dice)):
            again = plan_backfill(shuffled(missing, dice), mixed)
            pd.testing.assert_frame_equal(again, plan)
    alone = plan_backfill(
        missing[missing["region"] == "us-east-1"], tasks[tasks["region"] == "us-east-1"]
    )
    part = plan[plan["region"] == "us-east-1"].reset_index(drop=True)
    learned = [*TIMES, "deadline_risk", "late"]
    pd.testing.assert_frame_equal(
        alone.drop(columns=learned), part.drop(columns=learned), check_categorical=False
    )
    off = (alone["expected_end"] - part["expected_end"]).abs() / (part["expected_end"].max() - NOW)
    assert off.max() < 0.05


def test_far_away_windows():
    """Windows in 1970 and 2999 are planned like others."""
    gaps = gaps_of(
        {"start": 0, "end": HOUR, "expires_at": DAY},
        {"start": LAST - HOUR + 1, "end": LAST - 1000, "expires_at": LAST},
    )
    plan = plan_backfill(gaps, table(*history(MINUTE)), margin="0h", as_of="2999-12-31T23:59:59Z")
    assert plain(plan["from_time"]) == [0, LAST - HOUR + 1]
    assert plain(plan["to_time"]) == [HOUR - 1, LAST - 1001]
    assert f"--to={LAST - 1001} " in render_commands(plan)


def test_absurd_durations():
    """Tasks with a duration of a thousand years are expected to end after 24 hours."""
    tasks = table(done(3, 0, creation_time=FIRST, completion_time=LAST))
    plan = plan_backfill(gaps_of({"start": MIDNIGHT - 3 * DAY}), tasks)
    assert plain(plan["expected_end"]) == pytest.approx(
        [START + DAY * number for number in (1, 2, 3)], abs=MINUTE
    )
