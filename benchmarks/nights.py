"""Measure how good the forecasts of whole nights are: `expected_exports` and `simulate_queue`.

`python -m benchmarks.nights [sample|steady|growing|stuck|race|refuse ...]` forecasts each night of
the sample and of made-up worlds from what was known at its start, midnight in UTC, and compares it
with what followed. The 80 % intervals should hold 80 % of the ends, and a refusal with a
probability of 30 % should happen in 30 of 100 cases.

The made-up worlds have four slots. Each has an exporter that exports six log groups one after
another; in every other slot it waits for its own task first, and otherwise it asks until the slot
is free. Four exporters have fixed times, and a batch of four is created at once and is PENDING. Two
log groups are not exported at the weekend, and three of 100 exports are not asked for.

- `steady`: nothing changes.
- `growing`: durations grow by 1 % a day, and each slot gets a new log group every twenty days.
- `stuck`: one task in 100 runs into the time-out.
- `race`: as `steady`, but who asks first after the end of a task gets the slot; in the other worlds
  it is who has waited for the longest time.
- `refuse`: exporters with fixed times only, which do not try again if the slot is busy.

`plain` is the sum of medians: each log group's median duration, one after another from its usual
time, for what was exported on half of the last 28 days. In the last table, a cell has the mean
probability of a refusal, how often the slot was busy at the first call, and the number of
exports. Exporters that wait for their own tasks are left out there: they never call a busy slot.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

import exportstats as xs
from benchmarks.worlds import BEGIN, DAY, DAYS, MINUTE, WORLDS, make_world, tasks_of
from exportstats.core import coerce
from exportstats.core.schema import LOG_GROUP, SLOT
from exportstats.queues.expected import expected_exports
from exportstats.queues.simulation import simulate_queue
from exportstats.stats.as_of import known_at

if TYPE_CHECKING:
    from collections.abc import Iterable

_HISTORY = 28
_KEY, _SLOT = list(LOG_GROUP), list(SLOT)


class Backtest(NamedTuple):
    """The forecasts of all nights beside what happened.

    Attributes
    ----------
    exports
        One row per export that was expected and ran; `actual` is its end.
    nights
        One row per slot and night; `actual` is the end of its last task, and `plain` that of the
        sum of medians.
    refusals
        One row per export that was expected and asked for: the `chance`, and whether it was `busy`.
    tasks
        How many tasks there were, expected or not.
    """

    exports: pd.DataFrame
    nights: pd.DataFrame
    refusals: pd.DataFrame
    tasks: int


def backtest(
    tasks: pd.DataFrame, asked: pd.DataFrame, nights: Iterable[int], *, policy: str = "wait"
) -> Backtest:
    """Forecast each night and compare it with what happened.

    Parameters
    ----------
    tasks
        The tasks.
    asked
        What was asked for: the key, `day`, `asked`, `creation_time` and `completion_time` in
        milliseconds, and, if it is known, whether the slot was `busy`.
    nights
        The midnights at which they begin, in milliseconds.
    policy
        What exporters do if the slot is busy.
    """
    asked = _numbered(asked, asked["asked"])
    exports, ends, refusals, many = [], [], [], 0
    for start in nights:
        first, last = (pd.Timestamp(at, unit="ms", tz="UTC") for at in (start, start + DAY))
        seen = _seen(tasks, asked, first)
        expected = expected_exports(seen, start=first, end=last)
        forecast = simulate_queue(seen, expected, start=first, policy=policy)
        found = forecast.exports
        found = _matched(
            _numbered(found, coerce.millis(found["create_at"])),
            asked[(asked["asked"] < start + DAY) & ~(asked["creation_time"] < start)],
        )
        many += int(asked["creation_time"].between(start, start + DAY - 1).sum())
        exports.append(found[found["completion_time"].notna()].assign(night=start))
        refusals.append(found)
        until = asked[asked["asked"] < start + DAY].groupby(_SLOT)["completion_time"].max()
        slots = forecast.slots.astype(dict.fromkeys(_SLOT, "str")).set_index(_SLOT)
        slots = slots.assign(actual=until, plain=_plain(tasks, first), night=start)
        ends.append(slots[slots["actual"] >= start].reset_index())
    return Backtest(
        *(pd.concat(each, ignore_index=True) for each in (exports, ends, refusals)), many
    )


def _seen(tasks: pd.DataFrame, asked: pd.DataFrame, start: pd.Timestamp) -> pd.DataFrame:
    """Return the tasks as they were seen at the start, the PENDING ones included."""
    seen = known_at(tasks, start)
    if "begin" not in asked:  # nobody looked at the sample then
        return seen
    begin = seen["task_id"].map(asked.set_index("task_id")["begin"])
    pending = ((seen["status_code"] == "RUNNING") & (begin > start.timestamp() * 1000)).to_numpy()
    return seen.assign(status_code=seen["status_code"].mask(pending, "PENDING"))


def _numbered(rows: pd.DataFrame, at: Iterable[int]) -> pd.DataFrame:
    """Count the exports of each log group within each day."""
    rows = rows.astype(dict.fromkeys(_KEY, "str")).assign(at=np.asarray(at))
    rows["date"] = rows["at"] // DAY
    rows["number"] = rows.sort_values("at", kind="stable").groupby([*_KEY, "date"]).cumcount()
    return rows


def _matched(expected: pd.DataFrame, actual: pd.DataFrame) -> pd.DataFrame:
    """Join expected exports with those of the same log group and day that are closest in time."""
    pairs = expected.assign(row=np.arange(len(expected))).merge(
        actual.assign(task=np.arange(len(actual))), "inner", [*_KEY, "date"], suffixes=("", "_true")
    )
    distance = (pairs["at"] - pairs["at_true"]).abs()
    pairs = pairs.iloc[np.argsort(distance, kind="stable")]
    kept: dict[int, int] = {}
    for row, task in zip(pairs["row"], pairs["task"], strict=True):
        if row not in kept and task not in kept.values():
            kept[row] = task
    chosen = [kept.get(row) == task for row, task in zip(pairs["row"], pairs["task"], strict=True)]
    return pairs[chosen].drop(columns=["row", "task"])


def _plain(tasks: pd.DataFrame, start: pd.Timestamp) -> pd.Series:
    """Return the end of each slot's night by the sum of medians, in milliseconds."""
    past = tasks[tasks["completion_time"].between(start - pd.Timedelta(days=_HISTORY), start)]
    created = coerce.millis(past["creation_time"])
    past = _numbered(past, created).assign(
        time=created % DAY, took=coerce.float_millis(past["duration"])
    )
    took = past[past["status_code"] == "COMPLETED"].groupby(_KEY)["took"].median().rename("median")
    usual = past.groupby([*_KEY, "number"])["time"].agg(["median", "size"])
    usual = usual[usual["size"] >= _HISTORY / 2]["median"].rename("time").reset_index()
    usual = usual.join(took, on=_KEY).sort_values("time")
    ends: dict[tuple[str, ...], float] = {}
    for slot, time, each in zip(
        usual[_SLOT].itertuples(index=False, name=None), usual["time"], usual["median"], strict=True
    ):
        ends[slot] = max(ends.get(slot, 0), time) + each
    index = pd.MultiIndex.from_tuples(list(ends), names=_SLOT)
    return pd.Series(list(ends.values()), index) + start.timestamp() * 1000


def of_sample() -> Backtest:
    """Forecast the nights of the sample; when its exports were first asked for is not known."""
    tasks = xs.sample_tasks()
    tasks = tasks[tasks["creation_time"].notna()].reset_index(drop=True)
    asked = tasks[_KEY].assign(
        creation_time=_offsets(tasks["creation_time"]),
        completion_time=_offsets(tasks["completion_time"]),
        asked=coerce.millis(tasks["creation_time"]),
    )
    first, last = (
        int(asked["asked"].min()) // DAY + _HISTORY + 2,
        int(asked["asked"].max()) // DAY,
    )
    return backtest(tasks, asked, range(first * DAY, last * DAY, DAY))


def _offsets(times: pd.Series) -> np.ndarray:
    """Return times as milliseconds, NaN where they are missing."""
    millis = coerce.millis(times)
    return np.where(millis == coerce.NAT, np.nan, millis)


def of_world(world: str) -> Backtest:
    """Forecast the nights of a made-up world, after the days of its first history."""
    made = make_world(world)
    nights = range(BEGIN + (_HISTORY + 1) * DAY, BEGIN + DAYS * DAY, DAY)
    return backtest(tasks_of(made), made, nights, policy="refuse" if world == "refuse" else "wait")


def _share(rows: pd.DataFrame, low: str, high: str, actual: str) -> list[str]:
    """Return how often the middle 80 % hold, and the shares before and after them, to the ms."""
    before = rows[actual] < _offsets(rows[low]) - 1
    after = rows[actual] > _offsets(rows[high]) + 1
    return [f"{share.mean():.1%}" for share in (~before & ~after, before, after)]


def _print_head(*names: str) -> None:
    print("\n| " + " | ".join(names) + " |")
    print("|---" + "|--:" * (len(names) - 1) + "|")


def _print_row(*values: object) -> None:
    print("| " + " | ".join(map(str, values)) + " |", flush=True)


def main(worlds: list[str]) -> None:
    """Print the tables."""
    found = {name: of_sample() if name == "sample" else of_world(name) for name in worlds}
    _print_head("world", "of", "n", "held", "earlier", "later")
    for name, one in found.items():
        _print_row(
            name,
            "ends",
            f"{len(one.exports):,}",
            *_share(one.exports, "end_low", "end_high", "completion_time"),
        )
        _print_row(
            "",
            "finish",
            f"{len(one.nights):,}",
            *_share(one.nights, "done_low", "done_high", "actual"),
        )
    _print_head("world", "median error", "plain", "mean error", "plain", "tasks", "expected")
    for name, one in found.items():
        nights = one.nights
        errors = [
            (nights["actual"] - forecast).abs() / MINUTE
            for forecast in (_offsets(nights["expected_done"]), nights["plain"])
        ]
        figures = [f"{getattr(each, how)():.1f}" for how in ("median", "mean") for each in errors]
        _print_row(name, *figures, f"{one.tasks:,}", f"{nights['exports'].sum():,.0f}")
    bins = [f"{low / 5:.0%} to {(low + 1) / 5:.0%}" for low in range(5)]
    _print_head("world", *bins)
    for name, one in found.items():
        rows = one.refusals
        if "how" not in rows:
            continue
        rows = rows[rows["how"] != "polls"]
        which = np.minimum(rows["refusal_probability"] * 5, 4).astype(int)
        cells = []
        for number in range(5):
            of = rows[which == number]
            said, was = of["refusal_probability"].mean(), of["busy"].mean()
            cells.append(f"{said:.0%}, {was:.0%} ({len(of):,})" if len(of) else "-")
        _print_row(name, *cells)


if __name__ == "__main__":
    main(sys.argv[1:] or ["sample", *WORLDS])
