"""Plans agree with windows cut by hand and with queues simulated in plain NumPy."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import defaultdict
from functools import partial
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from support import (
    DAY,
    FIRST,
    HOUR,
    LAST,
    START as MORNING,
    Shards,
    cut,
    plain,
    shuffled,
    some,
    table,
)

import exportstats as xs
from exportstats.coverage.commands import render_commands
from exportstats.errors import ArgumentError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60_000
MIDNIGHT = MORNING // DAY * DAY  # the day's first instant
START = MIDNIGHT + 18 * HOUR  # when all events of the day before are in
plan_backfill = partial(xs.plan_backfill, never_exported=True, tolerance="0ms")
SLOT = {"account_id": "111122223333", "region": "eu-west-1"}
NOW = pd.Timestamp(START, unit="ms", tz="UTC")
GROUP = {**SLOT, "log_group_name": "acme"}
TIMES = ("expected_start", "expected_end", "end_low", "end_high")
Row = dict[str, Any]


def gaps_of(*rows: Row) -> pd.DataFrame:
    """Return a table of gaps as `find_gaps` returns it, times in milliseconds."""
    usual = {**GROUP, "start": MIDNIGHT - DAY, "end": MIDNIGHT, "reason": "failed"}
    names = ["account_id", "region", "log_group_name"]
    columns = [*names, "start", "end", "length", "reason", "last_task_id", "expires_at"]
    frame = pd.DataFrame([usual | row for row in rows], columns=columns, dtype=object)
    frame = frame.astype(dict.fromkeys([*names, "last_task_id"], "str"))
    for name in ("start", "end", "expires_at"):
        millis = pd.array(frame[name].array, dtype="Int64").to_numpy("int64", na_value=-(2**63))
        frame[name] = pd.Series(millis.view("datetime64[ms]")).dt.tz_localize("UTC")
    reasons = ["lost", "never_tried", "empty", "failed", "cancelled", "active"]
    return frame.assign(
        length=frame["end"] - frame["start"],
        reason=pd.Categorical(frame["reason"], categories=reasons, ordered=True),
        **{name: frame[name].astype("category") for name in names},
    )


def done(number: int, duration: int, **fields: Any) -> Row:  # noqa: ANN401 - any field
    """Return a COMPLETED task with a window of one day, `number` days ago."""
    created = MIDNIGHT - number * DAY
    row = {
        "task_id": f"{fields.get('region')}-{fields.get('log_group_name', 'acme')}-{number:04}",
        "status_code": "COMPLETED",
        "from_time": created - 2 * DAY,
        "to_time": created - DAY - 1,
        "creation_time": created,
        "completion_time": created + duration,
        "destination": "acme-logs",
        "observed_at": START,
    }
    return {**GROUP, **row, **fields}


def running(elapsed: int, **fields: Any) -> Row:  # noqa: ANN401 - any field
    """Return a RUNNING task that was created `elapsed` ms ago, with a window long ago."""
    row = {
        "task_id": "running",
        "status_code": "RUNNING",
        "from_time": MIDNIGHT - 900 * DAY,
        "to_time": MIDNIGHT - 899 * DAY - 1,
        "creation_time": START - elapsed,
        "observed_at": START,
    }
    return {**GROUP, **row, **fields}


def history(*durations: int, **fields: Any) -> list[Row]:  # noqa: ANN401 - any field
    """Return COMPLETED tasks with these durations, one a day."""
    return [done(number, duration, **fields) for number, duration in enumerate(durations, 3)]


def windows(plan: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the windows as half-open intervals since the last midnight."""
    pairs = zip(plain(plan["from_time"]), plain(plan["to_time"]), strict=True)
    return [(first - MIDNIGHT, last + 1 - MIDNIGHT) for first, last in pairs]


def cut_by_walking(start: int, end: int, step: int) -> list[tuple[int, int]]:
    """Cut at midnights, and within a day every `step`, or after whole days."""
    pieces, at = [], start
    while at < end:
        midnight = at // DAY * DAY
        if step < DAY:
            edge = min(midnight + DAY, midnight + ((at - midnight) // step + 1) * step)
        else:
            edge = midnight + step // DAY * DAY
        pieces.append((at, min(edge, end)))
        at = edge
    return pieces


STEPS = ["1ms", "5h", "7h30min", "23:59:59.999", "1D", "36h", "3D", "9D"]
EDGES = [(-DAY, 0), (5 * HOUR, 6 * HOUR), (-1, 1), (7 * HOUR - 4 * DAY, 1), (3, 4)]


@pytest.mark.sampled
@pytest.mark.parametrize(("step", "edges"), some(product(STEPS, EDGES), 3))
def test_pieces_are_cut_at_midnights(step: str, edges: tuple[int, int]):
    """Pieces end at midnights and at steps from them, and agree with a walk along the gap."""
    start, end = edges
    length = pd.Timedelta(step) // pd.Timedelta("1ms")
    if length == 1:
        end = min(end, start + 50)
    gaps = gaps_of({"start": MIDNIGHT + start, "end": MIDNIGHT + end})
    plan = plan_backfill(gaps, table(*history(MINUTE)), max_window=step)
    assert windows(plan) == cut_by_walking(start, end, length)
    assert all(last - first <= length for first, last in windows(plan))


def test_windows_are_inclusive():
    """A day is exported from its first to its last millisecond, as in AWS."""
    plan = plan_backfill(gaps_of({}), table(*history(MINUTE)))
    assert plan["from_time"].item() == pd.Timestamp(MIDNIGHT - DAY, unit="ms", tz="UTC")
    assert plan["to_time"].item() == pd.Timestamp(MIDNIGHT - 1, unit="ms", tz="UTC")


def test_active_windows_are_left_out():
    """What an active task of the log group exports is not planned again."""
    window = {"from_time": MIDNIGHT + 2 * HOUR, "to_time": MIDNIGHT + 3 * HOUR - 1}
    gaps = gaps_of({"start": MIDNIGHT, "end": MIDNIGHT + 5 * HOUR})
    for state in ("RUNNING", "PENDING", "PENDING_CANCEL"):
        tasks = table(*history(MINUTE), running(0, status_code=state, **window))
        found = windows(plan_backfill(gaps, tasks))
        assert found == [(0, 2 * HOUR), (3 * HOUR, 5 * HOUR)]
    states = [{"status_code": state} for state in ("FAILED", "PAUSED", None)]
    for fields in ({"log_group_name": "other"}, {"region": None}, *states):
        tasks = table(*history(MINUTE), running(0, **window | fields))
        assert windows(plan_backfill(gaps, tasks)) == [(0, 5 * HOUR)]
    reversed_ = {"from_time": MIDNIGHT + 3 * HOUR, "to_time": MIDNIGHT + 2 * HOUR}
    for odd in (reversed_, {"from_time": None}, {"to_time": None}):
        tasks = table(*history(MINUTE), running(0, **window | odd))
        assert windows(plan_backfill(gaps, tasks)) == [(0, 5 * HOUR)]
    assert not len(plan_backfill(gaps, table(running(0, from_time=FIRST, to_time=LAST))))


def test_gaps_that_touch_are_one():
    """Gaps that touch or overlap are exported once; lost ones are left out."""
    gaps = gaps_of(
        {"start": MIDNIGHT, "end": MIDNIGHT + HOUR, "reason": "lost"},
        {"start": MIDNIGHT + HOUR, "end": MIDNIGHT + 2 * HOUR},
        {"start": MIDNIGHT + 2 * HOUR, "end": MIDNIGHT + 4 * HOUR, "reason": "cancelled"},
        {"start": MIDNIGHT + 3 * HOUR, "end": MIDNIGHT + 5 * HOUR},
    )
    plan = plan_backfill(gaps, table(*history(MINUTE)))
    assert windows(plan) == [(HOUR, 5 * HOUR)]


def test_order_and_deadlines():
    """Each piece has its own deadline; a slot is sorted by deadline, start and name."""
    start = MIDNIGHT - 2 * DAY
    kept = {"start": start, "end": MIDNIGHT}
    gaps = gaps_of(
        {**kept, "log_group_name": "for ever"},
        {**kept, "log_group_name": "b", "expires_at": start + 30 * DAY},
        {**kept, "log_group_name": "a", "expires_at": start + 30 * DAY},
        {**kept, "log_group_name": "soon", "start": start + HOUR, "expires_at": start + 9 * DAY},
        {**kept, "region": "eu-central-1", "log_group_name": "z"},
        {**kept, "region": None, "log_group_name": "a"},
    )
    plan = plan_backfill(gaps, table(*history(MINUTE)), destination="acme-logs")
    names = list(zip(plan["region"], plan["log_group_name"], windows(plan), strict=True))
    first, second = (-2 * DAY, -DAY), (-DAY, 0)
    here = "eu-west-1"
    assert names[:2] == [("eu-central-1", "z", first), ("eu-central-1", "z", second)]
    assert names[2:10] == [
        (here, "soon", (first[0] + HOUR, first[1])),
        (here, "soon", second),
        (here, "a", first),
        (here, "b", first),
        (here, "a", second),
        (here, "b", second),
        (here, "for ever", first),
        (here, "for ever", second),
    ]
    assert plan["region"].iloc[10:].isna().all()
    soon = plain(plan["deadline"])[2:4]
    assert soon == [start + 9 * DAY, start + DAY + 9 * DAY - HOUR]
    assert plan["deadline"].isna().sum() == 6
    assert plan["deadline_risk"].isna().tolist() == plan["deadline"].isna().tolist()


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


def test_nothing_premature_is_planned():
    """A plan ends where late events may still arrive, and before the future."""
    gaps = gaps_of({"start": MIDNIGHT - DAY, "end": MIDNIGHT + 5 * DAY})
    tasks = table(*history(MINUTE))
    plan = plan_backfill(gaps, tasks)
    assert windows(plan) == [(-DAY, 0), (0, START - 12 * HOUR - MIDNIGHT)]
    assert windows(plan_backfill(gaps, tasks, margin="1D")) == [(-DAY, START - DAY - MIDNIGHT)]
    late = gaps_of({"start": START - 11 * HOUR, "end": START})
    assert not len(plan_backfill(late, tasks))
    for odd in ("-1h", "soon", None):
        with pytest.raises(ArgumentError, match="margin="):
            plan_backfill(gaps, tasks, margin=odd)


def test_gaps_of_a_minute_and_what_nobody_exports_must_be_asked_for():
    """Short gaps and never exported log groups are planned only on request."""
    tasks = table(*history(MINUTE), done(4, MINUTE, status_code="FAILED", log_group_name="failed"))
    gaps = gaps_of(
        {"end": MIDNIGHT - DAY + MINUTE},
        {"start": MIDNIGHT - 3 * DAY, "end": MIDNIGHT - 3 * DAY + MINUTE + 1},
        {"log_group_name": "never"},
        {"log_group_name": "failed"},
    )

    def planned(**options: Any) -> list[str]:  # noqa: ANN401 - of the plan
        return xs.plan_backfill(gaps, tasks, **options)["log_group_name"].to_list()

    assert planned() == ["acme", "failed"]
    assert planned(tolerance="0ms") == ["acme", "acme", "failed"]
    assert planned(never_exported=True) == ["acme", "failed", "never"]


@pytest.mark.parametrize("seed", range(12))
def test_all_of_the_gaps_is_planned_or_left_out(seed: int):
    """Each hour of random gaps is either planned or left out."""
    random = Random(seed)  # noqa: S311 - made-up gaps
    names = [f"g{number}" for number in range(6)]
    tried = [name for name in names if random.random() < 0.7]
    rows = [done(30 + number, MINUTE, log_group_name=name) for number, name in enumerate(tried)]
    gaps, active = [], []
    hours: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for name in names:
        first = START - 12 * HOUR - 30 * HOUR
        edges = sorted(random.sample(range(40), 8))
        busy = range(0)
        if name in tried and random.random() < 0.6:
            busy = range(low := random.randrange(30), low + random.randrange(1, 9))
            edge = {"from_time": first + busy[0] * HOUR, "to_time": first + busy.stop * HOUR - 1}
            active.append(running(HOUR, task_id=name, log_group_name=name, **edge))
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            gap = {"log_group_name": name, "start": first + low * HOUR, "end": first + high * HOUR}
            lost = random.random() < 0.2
            gaps.append(gap | {"reason": "lost" if lost else "failed"})
            for hour in range(low, high):
                reasons = {
                    "lost": lost,
                    "never_exported": name not in tried,
                    "too_recent": hour >= 30,
                    "active": hour in busy,
                    "rest": True,
                }
                why = next(why for why, is_so in reasons.items() if is_so)
                hours[why].add((name, hour))
    short = {
        at for at in hours["rest"] if not {(at[0], at[1] + d) for d in (-1, 1)} & hours["rest"]
    }
    hours["short"] = short
    plan = xs.plan_backfill(gaps_of(*gaps), table(*rows, *active), tolerance="1h")
    left_out = plan.attrs["left_out"]
    for why, left in left_out.items():
        assert left["length"] == pd.Timedelta(hours=len(hours[why])), why
        assert left["log_groups"] == len({name for name, _ in hours[why]})
        assert bool(left["gaps"]) == bool(hours[why])
    assert left_out["short"]["gaps"] == len(short)
    planned = sum(end - start for start, end in windows(plan))
    assert planned == HOUR * len(hours["rest"] - short)
    assert len(pd.concat([plan, plan])) == 2 * len(plan)  # what attrs are compared for


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
    """The slot is free when the last active task ends, including tasks without a log group."""
    tasks = table(
        *history(*[HOUR] * 30),
        *history(*[4 * HOUR] * 30, log_group_name="slow"),
        running(10 * MINUTE),
        running(HOUR, task_id="slow", log_group_name="slow", status_code="PENDING"),
        running(5 * HOUR, task_id="elsewhere", region="us-east-1"),
    )
    plan = plan_backfill(gaps_of({}), tasks)
    assert plain(plan["expected_start"]) == [START + 3 * HOUR]
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


def test_destination_and_prefix():
    """The destination is that of the log group's latest COMPLETED task, else the slot's."""
    same = {"destination_prefix": "old"}
    tasks = table(
        done(2, MINUTE, destination="newest", destination_prefix="p"),
        done(5, MINUTE, destination="older", **same),
        done(1, MINUTE, destination="failed", status_code="FAILED", **same),
        done(1, MINUTE, destination="slot's", log_group_name="other"),
        done(1, MINUTE, destination="elsewhere", region="us-east-1", **same),
    )
    gaps = gaps_of({}, {"log_group_name": "new"})

    def where(**given: str) -> list[list[Any]]:
        plan = plan_backfill(gaps, tasks, **given)
        return [plain(plan[name]) for name in ("destination", "destination_prefix")]

    assert where() == [["newest", "slot's"], ["p", None]]
    assert where(destination="mine") == [["mine", "mine"], ["p", None]]
    assert where(prefix="q") == [["newest", "slot's"], ["q", "q"]]
    assert where(prefix="") == [["newest", "slot's"], [None, None]]


def test_the_latest_task_is_told_by_its_identifier():
    """Of tasks created at the same instant, the one with the greater ID is the latest."""
    rows = [done(2, MINUTE, task_id=name, destination=f"of-{name}") for name in "acb"]
    plan = plan_backfill(gaps_of({}), table(*rows))
    assert plan["destination"].to_list() == ["of-c"]


def test_no_destination_is_known():
    """Without any destination the error names the log group and the remedy."""
    tasks = table(*history(MINUTE, region="us-east-1"))
    with pytest.raises(ArgumentError, match=r"of acme .*eu-west-1.*destination="):
        plan_backfill(gaps_of({}), tasks)
    assert len(plan_backfill(gaps_of({}), tasks, destination="acme-logs")) == 1


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


def test_the_parts_are_small_and_travel():
    """Parts can be pickled, and contain only the latest tasks."""
    tasks = table(*history(*[MINUTE] * 900), *history(*[HOUR] * 900, log_group_name="b"))
    seen: list[int] = []

    class Sent(Shards):
        def map(self, part: Callable[[pd.DataFrame], pd.DataFrame]) -> Any:  # noqa: ANN401
            part = pickle.loads(pickle.dumps(part))  # noqa: S301 - our own
            for result in super().map(part):
                seen.append(len(result))
                yield pickle.loads(pickle.dumps(result))  # noqa: S301 - our own

    plan = plan_backfill(gaps_of({}), Sent([tasks]))
    assert plan["n"].to_list() == [100]
    assert max(seen) <= 310


_ELSEWHERE = """
import sys, pickle
import exportstats as xs
gaps, tasks = pickle.load(sys.stdin.buffer)
print(xs.plan_backfill(gaps, tasks).to_csv())
"""


def test_the_same_in_another_process():
    """Another process with another hash seed gives the same result."""
    tasks = table(*history(*range(MINUTE, 30 * MINUTE, MINUTE)), running(HOUR))
    gaps = gaps_of({"start": MIDNIGHT - 20 * DAY})
    other = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE],
        input=pickle.dumps((gaps, tasks)),
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "4"},
        check=True,
    )
    assert other.stdout.decode().strip() == xs.plan_backfill(gaps, tasks).to_csv().strip()


def test_task_names():
    """A name has the log group and the day, or the instant, and only characters valid in AWS."""
    gaps = gaps_of(
        {"log_group_name": "/aws/vpc-flow_log.#1"},
        {"log_group_name": "we ird\n'$(x)\N{FIRE}", "start": MIDNIGHT - 2 * HOUR},
        {"log_group_name": "x" * 512},
    )
    plan = plan_backfill(gaps, table(*history(MINUTE)))
    names = dict(zip(plan["log_group_name"], plan["task_name"], strict=True))
    assert names["/aws/vpc-flow_log.#1"] == "backfill /aws/vpc-flow_log.#1 2026-11-22"
    assert names["we ird\n'$(x)\N{FIRE}"] == "backfill we_ird____x__ 2026-11-22T22:00:00.000Z"
    assert names["x" * 512].endswith("x 2026-11-22")
    assert plan["task_name"].str.len().between(1, 512).all()


def test_a_name_does_not_depend_on_other_rows():
    """A name is cut only if its own length requires it."""
    long = {"log_group_name": "x" * 512}
    tasks = table(*history(MINUTE))
    whole = plan_backfill(gaps_of(long), tasks)["task_name"].item()
    both = plan_backfill(gaps_of(long, {"start": MIDNIGHT - 1}), tasks)["task_name"]
    assert whole in both.to_list()
    assert len(whole) == 512


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


def test_too_many_tasks():
    """Millions of pieces are refused with their number."""
    for start, step in ((MIDNIGHT - DAY, "1ms"), (FIRST, "10min")):
        with pytest.raises(ArgumentError, match=r"into [0-9,]+ tasks.*longer max_window"):
            plan_backfill(gaps_of({"start": start}), table(*history(MINUTE)), max_window=step)


def test_absurd_durations():
    """Tasks with a duration of a thousand years are expected to end after 24 hours."""
    tasks = table(done(3, 0, creation_time=FIRST, completion_time=LAST))
    plan = plan_backfill(gaps_of({"start": MIDNIGHT - 3 * DAY}), tasks)
    assert plain(plan["expected_end"]) == pytest.approx(
        [START + DAY * number for number in (1, 2, 3)], abs=MINUTE
    )


def test_an_empty_plan():
    """Without gaps the plan has the same columns and dtypes, whatever the tasks."""
    plan = plan_backfill(gaps_of({}), table(*history(MINUTE)))
    for gaps in (gaps_of(), gaps_of({"reason": "lost"})):
        for tasks in (table(), table(*history(MINUTE)), Shards([])):
            none = plan_backfill(gaps, tasks)
            assert len(none) == 0
            assert list(none.columns) == list(plan.columns)
            assert none.dtypes.astype(str).to_list() == plan.dtypes.astype(str).to_list()
    assert render_commands(none) == ""


def test_columns_and_dtypes():
    """The plan has the documented columns and dtypes."""
    plan = plan_backfill(gaps_of({}), table(*history(MINUTE)))
    time = "datetime64[ms, UTC]"
    assert plan.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(["account_id", "region", "log_group_name"], "category"),
        "task_name": "str",
        **dict.fromkeys(["from_time", "to_time"], time),
        "destination": "category",
        "destination_prefix": "str",
        **dict.fromkeys(["deadline", *TIMES], time),
        "deadline_risk": "float64",
        "late": "bool",
        "n": "int64",
        "basis": "category",
        "enough_history": "bool",
    }
    assert list(plan["basis"].cat.categories) == ["log_group", "slot", "all", "none"]
    assert isinstance(plan.index, pd.RangeIndex)


@pytest.mark.parametrize("step", ["0ms", "-1D", "1us", "a day", None, pd.NaT, "5"])
def test_max_window_is_a_length(step: Any):  # noqa: ANN401 - whatever somebody gives
    """A max_window below a millisecond, or that is not a length, is refused."""
    with pytest.raises(ArgumentError, match="max_window="):
        plan_backfill(gaps_of({}), table(*history(MINUTE)), max_window=step)


def test_other_arguments():
    """An empty bucket name, an instant without a time zone and invalid tables are refused."""
    tasks = table(*history(MINUTE))
    with pytest.raises(ArgumentError, match="destination=''"):
        plan_backfill(gaps_of({}), tasks, destination="")
    with pytest.raises(ArgumentError, match="as_of="):
        plan_backfill(gaps_of({}), tasks, as_of="2026-11-23T06:00")
    with pytest.raises(SchemaError, match="table of tasks"):
        plan_backfill(gaps_of({}), [])  # type: ignore[arg-type]


def test_invalid_tables_of_gaps():
    """A frame of another shape, or a row that is not a gap, is a SchemaError with its place."""
    gaps, tasks = gaps_of({}), table(*history(MINUTE))
    with pytest.raises(SchemaError, match="DataFrame, not NoneType"):
        plan_backfill(None, tasks)  # type: ignore[arg-type]
    for name in ("account_id", "region", "log_group_name", "start", "end", "reason", "expires_at"):
        with pytest.raises(SchemaError, match=f"one column {name}"):
            plan_backfill(gaps.drop(columns=name), tasks)
        with pytest.raises(SchemaError, match=f"column {name} of the table of gaps is int64"):
            plan_backfill(gaps.assign(**{name: 0}), tasks)
    with pytest.raises(SchemaError, match="one column start"):
        plan_backfill(pd.concat([gaps, gaps[["start"]]], axis=1), tasks)
    for odd in ({"end": MIDNIGHT - DAY}, {"start": None}, {"log_group_name": None}):
        with pytest.raises(SchemaError, match="row 1 is not a gap"):
            plan_backfill(gaps_of({}, odd), tasks)


def test_callers_frames_stay():
    """The caller's gaps and tasks are not modified, and any index works."""
    gaps, tasks = gaps_of({}, {"reason": "lost"}, {"start": 0, "end": 1}), table(*history(MINUTE))
    gaps.index = pd.Index([4, 4, 4])
    before = gaps.copy(), tasks.copy()
    plan_backfill(gaps, tasks)
    pd.testing.assert_frame_equal(gaps, before[0])
    pd.testing.assert_frame_equal(tasks, before[1])


def test_thousands_of_log_groups_in_one_slot():
    """A queue that is longer than one chunk continues where the chunk ended."""
    many = 1_500
    rows = [{"log_group_name": f"group-{number:04}"} for number in range(many)]
    plan = plan_backfill(gaps_of(*rows), table(*history(*[MINUTE] * 30)))
    ends = np.array(plain(plan["expected_end"]))
    assert (np.diff(ends) > MINUTE / 10).all()
    assert ends[-1] - START > many * MINUTE / 2
