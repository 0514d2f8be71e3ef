"""Make worlds of exporters of which all is known, for the backtest of `benchmarks.nights`."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
import pandas as pd

import exportstats as xs
from exportstats.core.schema import LOG_GROUP

WORLDS = ("steady", "growing", "stuck", "race", "refuse")
DAYS = 120
DAY, HOUR, MINUTE, SECOND = 86_400_000, 3_600_000, 60_000, 1000
BEGIN = 1_780_272_000_000  # 2026-06-01, a Monday

_SEED = 20261127
_SLOTS = 4
_SPREAD = 0.4  # of the logarithms of durations
_MISSING, _STUCK, _NEW_AFTER = 0.03, 0.01, 20

Random = np.random.Generator


class Exporter(NamedTuple):
    """An exporter: when it begins, what it exports, and what it does when the slot is busy."""

    at: int
    jitter: int
    groups: tuple[str, ...]
    how: str  # "polls", "retries", "batch" or "refuse"
    pause: int = 30 * SECOND
    weekdays_only: bool = False


def _exporters(world: str, slot: int) -> list[Exporter]:
    if world == "refuse":
        # they come the closer, the later
        ats = [HOUR + n * 14 * MINUTE - n * n * MINUTE // 4 for n in range(12)]
        return [Exporter(at, 4 * MINUTE, (f"/fixed/{n}",), "refuse") for n, at in enumerate(ats)]
    chain = tuple(f"/chain/{n}" for n in range(6))
    fixed = (75, 130, 190, 205)
    return [
        Exporter(HOUR, 3 * MINUTE, chain, "polls" if slot % 2 else "retries"),
        *(
            Exporter(at * MINUTE, 5 * MINUTE, (f"/fixed/{n}",), "retries", MINUTE, n == 1)
            for n, at in enumerate(fixed)
        ),
        Exporter(4 * HOUR, MINUTE, tuple(f"/batch/{n}" for n in range(4)), "batch"),
        Exporter(5 * HOUR, MINUTE, ("/weekdays",), "retries", weekdays_only=True),
    ]


class _Call(NamedTuple):
    """A call of an exporter to create a task, the first one or a later try."""

    at: int
    asked: int
    number: int
    group: str
    of: Exporter
    rest: tuple[str, ...]
    day: int


def make_world(world: str, *, days: int = DAYS, slots: int = _SLOTS) -> pd.DataFrame:
    """Make a world: its tasks, with when each was `asked` for and whether the slot was `busy`.

    A refused export has no task: its `task_id` is missing.
    """
    rows = []
    for slot in range(slots):
        random = np.random.default_rng([_SEED, slot])
        where = {"account_id": "111122223333", "region": f"eu-west-{slot + 1}"}
        rows += [{**row, **where} for row in _slot(world, slot, days, random)]
    made = pd.DataFrame(rows)
    made["task_id"] = [f"{n:08}" for n in range(len(made))]
    return made


def _slot(world: str, slot: int, days: int, random: Random) -> list[dict[str, object]]:
    """Run the calls to a slot in their order; a task that is PENDING refuses them, too."""
    calls = _first_calls(world, slot, days, random)
    heapq.heapify(calls)
    typical: dict[str, float] = {}
    busy_at_first: dict[int, bool] = {}
    rows, free, many = [], 0, len(calls)
    while calls:
        call = heapq.heappop(calls)
        of, busy = call.of, call.at < free
        first = busy_at_first.setdefault(call.number, busy)
        row = {
            "log_group_name": call.group,
            "asked": call.asked,
            "busy": first,
            "how": of.how,
            "day": call.day,
        }
        if busy and of.how == "refuse":
            rows.append(row)
            continue
        pause = int(random.uniform(0, of.pause)) if first and of.how != "batch" else 0
        if busy and of.how != "batch":
            heapq.heappush(calls, call._replace(at=free + (pause if world == "race" else 0)))
            continue
        created = call.at + (0 if world == "race" else pause)
        median = typical.setdefault(call.group, random.uniform(2, 12) * MINUTE)
        took = median * random.lognormal(0, _SPREAD)
        took *= 1.01**call.day if world == "growing" else 1
        took = DAY if world == "stuck" and random.random() < _STUCK else took
        free = max(created, free) + min(int(took), DAY)
        state = "COMPLETED" if took < DAY else "FAILED"
        rows.append(
            {
                **row,
                "creation_time": created,
                "begin": free - min(int(took), DAY),
                "completion_time": free,
                "status_code": state,
            }
        )
        if call.rest:
            polls = free + int(random.uniform(0, of.pause))
            at = polls if of.how == "polls" else created + SECOND
            many += 1
            heapq.heappush(calls, _Call(at, at, many, call.rest[0], of, call.rest[1:], call.day))
    return rows


def _first_calls(world: str, slot: int, days: int, random: Random) -> list[_Call]:
    """Return what exporters ask for first on each day."""
    calls: list[_Call] = []
    for day in range(days):
        exporters = _exporters(world, slot)
        if world == "growing" and day >= _NEW_AFTER:
            new = tuple(f"/new/{n}" for n in range(day // _NEW_AFTER))
            exporters.append(Exporter(3 * HOUR, 3 * MINUTE, new, "retries"))
        for one in exporters:
            groups = tuple(name for name in one.groups if random.random() > _MISSING)
            if not groups or (one.weekdays_only and day % 7 > 4):
                continue
            at = BEGIN + day * DAY + one.at + int(random.normal(0, one.jitter / 1.28))
            batch = one.how == "batch"
            for number, name in enumerate(groups if batch else groups[:1]):
                then, rest = at + number * SECOND, () if batch else groups[1:]
                calls.append(_Call(then, then, len(calls), name, one, rest, day))
    return calls


def tasks_of(made: pd.DataFrame) -> pd.DataFrame:
    """Return the table of the tasks of a world, each observed after its end."""
    done = made[made["creation_time"].notna()]
    start = BEGIN + (done["day"] - 1) * DAY
    frame = done[["task_id", *LOG_GROUP, "status_code"]].assign(
        **{name: done[name].astype("int64") for name in ("creation_time", "completion_time")},
        from_time=start,
        to_time=start + DAY - 1,
        observed_at=BEGIN + (DAYS + 9) * DAY,
        destination="acme-logs",
    )
    return xs.conform(frame.reset_index(drop=True))
