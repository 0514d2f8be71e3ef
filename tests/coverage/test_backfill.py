"""What a plan holds: every gap is planned or left out, in the right order and pieces."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from random import Random
from typing import Any

import pandas as pd
import pytest
from inflow import incoming_of
from planned import (
    GROUP,
    MIDNIGHT,
    MINUTE,
    START,
    done,
    gaps_of,
    history,
    plan_backfill,
    running,
    windows,
)
from support import DAY, FIRST, HOUR, LAST, plain, some, table

import exportstats as xs
from exportstats.errors import ArgumentError


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


def test_short_gaps_and_log_groups_never_exported_are_options():
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
    came = {(name, hour): random.randrange(99) for name in names[:4] for hour in range(40)}
    incoming = [
        {**GROUP, "log_group_name": name, "start": START + (hour - 42) * HOUR, "period": HOUR}
        | {"incoming_bytes": size, "incoming_events": 1}
        for (name, hour), size in came.items()
    ]
    plan = xs.plan_backfill(
        gaps_of(*gaps),
        table(*rows, *active),
        tolerance="1h",
        incoming=incoming_of(incoming),
    )
    left_out = plan.attrs["left_out"]
    for why, left in left_out.items():
        assert left["length"] == pd.Timedelta(hours=len(hours[why])), why
        assert left["log_groups"] == len({name for name, _ in hours[why]})
        firsts = {at for at in hours[why] if (at[0], at[1] - 1) not in hours[why]}
        assert left["gaps"] == len(firsts)
        assert left["gaps_with_bytes"] == len(firsts & {*came})
        assert left["incoming_bytes"] == sum(came.get(at, 0) for at in hours[why])
    assert left_out["short"]["gaps"] == len(short)
    planned = sum(end - start for start, end in windows(plan))
    assert planned == HOUR * len(hours["rest"] - short)
    assert len(pd.concat([plan, plan])) == 2 * len(plan)  # what attrs are compared for


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


def test_the_latest_task_is_found_by_its_identifier():
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
