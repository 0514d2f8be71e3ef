"""Measure what `incoming=` adds to the forecasts, where durations follow bytes and where not.

`python -m benchmarks.volume [worlds|sample|plans] [REPEATS]` compares forecasts with and without
the bytes that came in.

- `worlds`: log groups with a nightly task each, the next of which has just begun. A night has a
  volume, relative to the usual one. Durations are a power 0.9 of it, or have another cause. They
  vary by chance (lognormal, 0.3), as in the synthetic sample.
- `sample`: tasks of the last weeks of the synthetic sample, each halfway. Its durations follow the
  length of the window, and not the bytes. In the `varied` sample, each day of a log group has a
  volume of its own, a third at weekends, and the durations follow it with a power of 0.9.
- `plans`: the end of a plan of five nights in each of many slots, with 60 earlier nights.

Errors are medians of the absolute error. "held" is how often the 80 % interval holds the end.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable

    Random = np.random.Generator
    World = Callable[[Random, int], tuple[np.ndarray, np.ndarray]]

REPEATS = 400
_SEED = 20261127
_SIZES = (30, 100)
_NIGHTS = 5
_NOW = 1_795_478_400_000  # 2026-11-24
_DAY = 86_400_000
_TYPICAL = 600_000.0  # ten minutes
_BYTES = 1e9
_POWER = 0.9


def _chance(random: Random, n: int, spread: float = 0.3) -> np.ndarray:
    return random.lognormal(0, spread, n)


def _weekends(random: Random, n: int) -> np.ndarray:
    """Return volumes that are a third at weekends, and vary a little."""
    return np.where((np.arange(n) + random.integers(7)) % 7 > 4, 1 / 3, 1) * _chance(random, n, 0.1)


def _bursts(random: Random, n: int) -> np.ndarray:
    return _chance(random, n, 0.7)


def _doubled(random: Random, n: int) -> np.ndarray:
    """Return volumes that have doubled in one of the last 20 nights."""
    since = n - random.integers(1, 20)
    return np.where(np.arange(n) < since, 0.5, 1) * _chance(random, n, 0.1)


def _growing(random: Random, n: int) -> np.ndarray:
    return np.exp(0.01 * np.arange(n)) * _chance(random, n, 0.1)


def _waves(random: Random, n: int) -> np.ndarray:
    """Return numbers of which each resembles the one before it."""
    logs = random.normal(0, 0.5, n)
    for at in range(1, n):
        logs[at] = 0.8 * logs[at - 1] + 0.6 * logs[at]
    return np.exp(logs)


def _follow(volumes: Callable[[Random, int], np.ndarray]) -> World:
    def world(random: Random, n: int) -> tuple[np.ndarray, np.ndarray]:
        came = volumes(random, n)
        return came, came**_POWER * _chance(random, n)

    return world


def _with_start(random: Random, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Let a task take a minute, and nine more for the usual volume."""
    came = _weekends(random, n)
    return came, (0.1 + 0.9 * came) * _chance(random, n)


def _apart(
    volumes: Callable[[Random, int], np.ndarray], times: Callable[[Random, int], np.ndarray]
) -> World:
    return lambda random, n: (volumes(random, n), times(random, n) * _chance(random, n))


_ONES = lambda _, n: np.ones(n)  # noqa: E731 - a constant
WORLDS: dict[str, World] = {
    "weekends a third": _follow(_weekends),
    "weekends a third, and a minute to start": _with_start,
    "bursts (0.7)": _follow(_bursts),
    "doubled lately": _follow(_doubled),
    "growing by 1 % a night": _follow(_growing),
    "not: weekends a third": _apart(_weekends, _ONES),
    "not: bursts": _apart(_bursts, _ONES),
    "not: doubled lately": _apart(_doubled, _ONES),
    "not: both grow": _apart(_growing, lambda _, n: np.exp(0.01 * np.arange(n))),
    "not: both in waves": _apart(_waves, _waves),
    "not: slower lately": _apart(_weekends, lambda _, n: np.where(np.arange(n) < n - 10, 1, 2.5)),
}

# In the others, the planned nights are later than the change.
PLANNED = [
    *("weekends a third", "weekends a third, and a minute to start", "bursts (0.7)"),
    *("not: weekends a third", "not: bursts", "not: both in waves"),
]


def log_groups(
    world: World, n: int, repeats: int, more: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Return n ended tasks of each log group and what came in; and the durations of the next ones.

    There are `more` next nights. The first of their tasks is active if it is the only one.
    """
    random = np.random.default_rng(_SEED)
    frames, came, nexts = [], [], []
    for number in range(repeats):
        volumes, times = world(random, n + more)
        took = (_TYPICAL * times).astype("int64")
        nexts.append(took[n:])
        start = _NOW - _DAY * np.arange(n + more + 1, 1, -1)
        ended = np.arange(n + more) < n
        name = {"log_group_name": f"/{number:04}", "account_id": f"{number:012}"}
        created = np.where(ended, start + 3 * _DAY // 2, _NOW)
        frame = pd.DataFrame({"from_time": start, "creation_time": created}).assign(
            completion_time=pd.Series(created + took, dtype="Int64").where(ended),
            status_code=np.where(ended, "COMPLETED", "RUNNING"),
            **name,
        )
        frames.append(frame if more == 1 else frame[ended])
        size = (_BYTES * volumes).astype("int64")
        came.append(pd.DataFrame({"start": start, "incoming_bytes": size}).assign(**name))
    made = pd.concat(frames, ignore_index=True)
    made["task_id"] = [f"{number:08}" for number in made.index]
    made["to_time"] = made["from_time"] + _DAY - 1
    same = {"region": "eu-west-1"}
    tasks = xs.conform(made.assign(observed_at=_NOW, destination="acme-logs", **same))
    rows = pd.concat(came, ignore_index=True).assign(
        periodInSeconds=86_400, incoming_events=1, **same
    )
    return tasks, xs.conform(rows, of="incoming"), np.array(nexts)


def _score(forecasts: pd.DataFrame, rests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the absolute errors, and which ends the intervals hold."""
    low, middle, high = (
        forecasts[f"remaining{name}"].to_numpy().view("int64") for name in ("_low", "", "_high")
    )
    return np.abs(middle - rests), (rests >= low - 1) & (rests <= high + 1)


def _print_row(name: str, before: list[np.ndarray], now: list[np.ndarray], used: float) -> None:
    """Print the errors and intervals without and with bytes; each is errors and what is held."""
    without, with_ = np.median(before[0]), np.median(now[0])
    print(
        f"| {name} | {without / 1000:.0f} | {with_ / 1000:.0f} | {with_ / without:.2f} | "
        f"{before[1].mean():.0%} | {now[1].mean():.0%} | {used:.0%} |",
        flush=True,
    )


def _print_head(what: str, used: str = "scaled by bytes") -> None:
    print(f"| {what} | error without, s | with, s | ratio | held without | with | {used} |")
    print("|---" + "|--:" * 6 + "|")


def print_worlds(repeats: int) -> None:
    """Print how good forecasts of tasks that have just begun are."""
    _print_head("world")
    for n in _SIZES:
        for name, world in WORLDS.items():
            tasks, incoming, nexts = log_groups(world, n, repeats)
            before = xs.estimate_completion(tasks)
            now = xs.estimate_completion(tasks, incoming=incoming)
            order = now["log_group_name"].astype("str").str.slice(1).astype(int)
            rests = nexts[order, 0]
            used = (now["scaled_by"] == "bytes").mean()
            _print_row(f"{name}, n = {n}", _score(before, rests), _score(now, rests), used)


def varied(tasks: pd.DataFrame, incoming: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the sample with a volume for each day of a log group, which its durations follow."""
    random = np.random.default_rng(_SEED)
    key = ["account_id", "region", "log_group_name"]
    day = incoming["start"].dt.floor("D")
    days = incoming[key].assign(day=day).drop_duplicates(ignore_index=True)
    factor = np.where(days["day"].dt.day_of_week > 4, 1 / 3, 1) * _chance(random, len(days), 0.3)
    each = incoming.assign(day=day).merge(days.assign(factor=factor), on=[*key, "day"])
    sizes = (each["incoming_bytes"] * each["factor"]).round().astype("Int64")
    other = each.assign(incoming_bytes=sizes).drop(columns=["day", "factor"])
    known = (tasks["from_time"] >= day.min()) & (tasks["to_time"] <= incoming["start"].max())
    durations = tasks["duration"].dt.total_seconds().to_numpy(copy=True) * 1000
    spans = dict([*each.assign(sizes=sizes).groupby(key, observed=True)])
    for at in np.flatnonzero(known & tasks["duration"].notna()):
        task = tasks.iloc[at]
        mine = spans.get(tuple(task[key]))
        if mine is None:
            continue
        inside = (mine["start"] >= task["from_time"]) & (mine["start"] <= task["to_time"])
        before, now = (float(mine.loc[inside, name].sum()) for name in ("incoming_bytes", "sizes"))
        if before:
            durations[at] *= (now / before) ** _POWER
    took = pd.to_timedelta(pd.Series(durations).round(), unit="ms").dt.as_unit("ms")
    times = tasks["completion_time"].where(took.isna(), tasks["creation_time"] + took)
    return xs.conform(tasks.assign(completion_time=times)), other


def print_sample(repeats: int) -> None:
    """Print how good forecasts of tasks of the sample are, each halfway."""
    _print_head("tasks")
    tasks, incoming = xs.sample_tasks(), xs.sample_incoming()
    for name, (some, came) in {
        "sample": (tasks, incoming),
        "varied sample": varied(tasks, incoming),
    }.items():
        # half of the weeks with incoming data are history
        since = pd.Timestamp("2026-10-12", tz="UTC")
        done = some[(some["status_code"] == "COMPLETED") & (some["creation_time"] >= since)]
        chosen = done.sample(min(repeats, len(done)), random_state=_SEED)
        for moment, share in (("just begun", 0.0), ("halfway", 0.5)):
            scores, used = [], []
            for task in chosen.itertuples():
                as_of = (task.creation_time + task.duration * share).floor("ms")
                rest = np.array([(task.completion_time - as_of) // pd.Timedelta("1ms")])
                for bytes_ in (None, came):
                    found = xs.estimate_completion(some, as_of=as_of, incoming=bytes_)
                    found = found[(found["task_id"] == task.task_id).to_numpy()]
                    scores.append(_score(found, rest))
                used.append(found["scaled_by"].iloc[0] == "bytes")
            before, now = (
                [np.concatenate(one) for one in zip(*which, strict=True)]
                for which in (scores[::2], scores[1::2])
            )
            _print_row(f"{name}, {moment}", before, now, float(np.mean(used)))


def print_plans(repeats: int) -> None:
    """Print how good forecasts of the end of a plan are."""
    _print_head("plan of five nights", "tasks scaled by bytes")
    end = pd.Timestamp(_NOW - _DAY, unit="ms", tz="UTC")
    for name in PLANNED:
        tasks, incoming, nexts = log_groups(WORLDS[name], 60, repeats, _NIGHTS)
        gaps = xs.find_gaps(tasks, start=end - pd.Timedelta(days=_NIGHTS), end=end)
        scores = []
        for bytes_ in (None, incoming):
            plan = xs.plan_backfill(gaps, tasks, incoming=bytes_)
            last = plan.groupby("account_id", observed=True).tail(1)
            low, middle, high = (
                last[f"{name}"].astype("int64").to_numpy() - _NOW
                for name in ("end_low", "expected_end", "end_high")
            )
            total = nexts.sum(axis=1)[last["account_id"].astype("str").astype(int)]
            scores.append([np.abs(middle - total), (total >= low) & (total <= high)])
        _print_row(name, *scores, (plan["scaled_by"] == "bytes").mean())


if __name__ == "__main__":
    parts = {"worlds": print_worlds, "sample": print_sample, "plans": print_plans}
    words = sys.argv[1:]
    chosen = [words.pop(0)] if words and words[0] in parts else list(parts)
    for part in chosen:
        parts[part](int(words[0]) if words else REPEATS)
        print()
