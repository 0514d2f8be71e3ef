"""Measure how good the forecasts are, on made-up histories and on the synthetic sample.

`python -m benchmarks.forecasts [intervals|plans|sample] [REPEATS [SHAPE ...]]` makes histories of n
tasks of several shapes, requests the forecast of the next task, or a plan, and compares it with the
true end. An 80 % interval should hold 80 % of the ends, and a risk of 30 % should come true in 30
of 100 cases. The forecasts come from `estimate_completion` and `plan_backfill`.

- `next`: a task that has just begun, in each of 400 log groups, which share information.
- `seen`: a task that is looked at while it is active, at a random instant of all active time.
- `ideal`: the same as `seen`, for a forecast that knows the distribution.
- `plan`: the end of 24 tasks with windows of an hour, in one slot or in each of five; and how often
  a task ends after its deadline, compared with the mean of `deadline_risk`. The slots are alike, or
  `unlike`: some take twice as long as others.
- `sample`: tasks of the last eight months of the sample, each halfway, and a plain average.
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

REPEATS = 400

_SEED = 20261124
_SIZES = (1, 2, 3, 5, 10, 20, 100)
_NOW = 1_795_478_400_000  # 2026-11-24
_HOUR, _DAY = 3_600_000, 86_400_000
_TIME_OUT = _DAY
_TYPICAL = 600_000.0  # ten minutes
_PIECES = 24
_BESIDE = 400
_IDEAL = 100_000
_SLOT = {"account_id": "111122223333", "region": "eu-west-1"}


def _lognormal(random: Random, n: int) -> np.ndarray:
    return _TYPICAL * random.lognormal(0, 0.5, n)


def _wide(random: Random, n: int) -> np.ndarray:
    return _TYPICAL * random.lognormal(0, 1, n)


def _gamma(random: Random, n: int) -> np.ndarray:
    return _TYPICAL * random.gamma(2, 0.5, n)


def _mixture(random: Random, n: int) -> np.ndarray:
    """Let one task in four take five times as long."""
    return _TYPICAL * random.lognormal(0, 0.3, n) * np.where(random.random(n) < 0.25, 5, 1)


def _drift(random: Random, n: int) -> np.ndarray:
    """Let each task take 0.7 % longer than the one before."""
    return _lognormal(random, n) * np.exp(0.007 * np.arange(n))


def _stuck(random: Random, n: int) -> np.ndarray:
    """Let one task in a hundred run into the time-out."""
    return np.where(random.random(n) < 0.01, _TIME_OUT, _lognormal(random, n))


def _weibull(random: Random, n: int) -> np.ndarray:
    return _TYPICAL * random.weibull(0.8, n)


def _student(random: Random, n: int) -> np.ndarray:
    """Let a few tasks take far less or far more time than the others."""
    return _TYPICAL * np.exp(0.3 * random.standard_t(4, n))


def _uniform(random: Random, n: int) -> np.ndarray:
    return _TYPICAL * random.uniform(0.5, 1.5, n)


def _waves(random: Random, n: int) -> np.ndarray:
    """Correlate each task with the one before it."""
    logs = random.normal(0, 0.5, n)
    for at in range(1, n):
        logs[at] = 0.5 * logs[at - 1] + 0.75**0.5 * logs[at]
    return _TYPICAL * np.exp(logs)


SHAPES: dict[str, Callable[[Random, int], np.ndarray]] = {
    "lognormal, 0.5": _lognormal,
    "lognormal, 1": _wide,
    "gamma, 2": _gamma,
    "mixture": _mixture,
    "drift": _drift,
    "1 % stuck": _stuck,
    # not used to develop the method
    "Weibull, 0.8": _weibull,
    "Student, 4": _student,
    "uniform": _uniform,
    "waves": _waves,
}
# each task depends on the ones before it
_DEPENDENT = ("drift", "waves")


def tasks_of(histories: list[tuple[np.ndarray, float | None]], *, slots: int = 1) -> pd.DataFrame:
    """Make a table of histories with one task per day, and of the active tasks that some have."""
    columns = []
    for number, (durations, elapsed) in enumerate(histories):
        took = np.minimum(durations, _TIME_OUT).astype("int64")
        created = _NOW - _DAY * np.arange(len(took) + 2, 2, -1)
        lasting = [] if elapsed is None else [_NOW - int(elapsed)]
        states = np.where(took < _TIME_OUT, "COMPLETED", "FAILED").tolist()
        one = pd.DataFrame(
            {
                "creation_time": [*created, *lasting],
                "completion_time": pd.array([*(created + took), *[None] * len(lasting)], "Int64"),
                "status_code": states + ["RUNNING"] * len(lasting),
            }
        )
        group = {"log_group_name": f"/{number:04}", "region": f"eu-west-{1 + number % slots}"}
        columns.append(one.assign(**group))
    frame = pd.concat(columns, ignore_index=True).assign(
        account_id=_SLOT["account_id"], from_time=0, to_time=_HOUR - 1, observed_at=_NOW
    )
    frame["task_id"] = [f"{number:08}" for number in range(len(frame))]
    return xs.conform(frame.assign(destination="acme-logs"))


def _held(forecasts: pd.DataFrame, rests: np.ndarray) -> np.ndarray:
    """Return which ends lie in the middle 80 %; a timed-out task ends at 24 hours."""
    low, high = (
        forecasts[name].to_numpy().view("int64") for name in ("remaining_low", "remaining_high")
    )
    # to the millisecond
    held: np.ndarray = (rests >= low - 1) & (rests <= high + 1)
    return held


def held(shape: str, n: int, repeats: int, *, seen: bool) -> float:
    """Return how often the intervals hold the ends of the next tasks of many log groups.

    With `seen`, the tasks are active when the forecast is made; otherwise they have just begun.
    """
    random = np.random.default_rng(_SEED)
    found = []
    for _ in range(max(repeats // _BESIDE, 1)):
        histories, ends = [], []
        for _ in range(_BESIDE):
            drawn = SHAPES[shape](random, n + 1)
            took, elapsed = min(drawn[n], _TIME_OUT), 0.0
            if seen:  # long tasks are seen more often, because they are active for longer
                others = np.array([SHAPES[shape](random, n + 1)[n] for _ in range(50)])
                others = np.minimum(others, _TIME_OUT)
                took = random.choice(others, p=others / others.sum())
                elapsed = random.random() * took
            histories.append((drawn[:n], elapsed))
            ends.append(took - int(elapsed))
        forecasts = xs.estimate_completion(tasks_of(histories))
        order = forecasts["log_group_name"].astype("str").str.slice(1).astype(int)
        found.append(_held(forecasts, np.array(ends)[order]))
    return float(np.mean(found))


def ideal(shape: str, repeats: int) -> float:
    """Return how often the intervals would hold the ends of active tasks with a known distribution.

    This is more than 80 % where many tasks end at the same instant, the time-out.
    """
    random = np.random.default_rng(_SEED)
    every = np.sort(np.minimum(SHAPES[shape](random, 100_000), _TIME_OUT))
    took = random.choice(every, repeats, p=every / every.sum())
    longer = np.searchsorted(every, took * random.random(repeats), side="right")
    low, high = (every[(longer + q * (len(every) - longer)).astype(int)] for q in (0.1, 0.9))
    return float(np.mean((took >= low) & (took <= high)))


def plans(shape: str, n: int, repeats: int, *, slots: int, spread: float = 0) -> pd.DataFrame:
    """Return one row per plan: whether the middle 80 % hold the end, the risk, and the late share.

    The slots differ by `spread`, the standard deviation of logarithms.
    """
    random = np.random.default_rng(_SEED)
    rows = []
    for _ in range(repeats):
        times = random.lognormal(0, spread, slots)
        drawn = [each * SHAPES[shape](random, n + _PIECES) for each in times]
        tasks = tasks_of([(one[:n], None) for one in drawn], slots=slots)
        gap = {
            "start": _NOW - 3 * _DAY,
            "end": _NOW - 2 * _DAY,
            "reason": "failed",
            # deadlines are an hour apart; a task takes about ten minutes
            "expires_at": _NOW + int(_TYPICAL * _PIECES * random.uniform(0, 2)) - 18 * _HOUR,
        }
        groups = tasks.drop_duplicates("log_group_name")[
            ["account_id", "region", "log_group_name"]
        ].reset_index(drop=True)
        gaps = groups.assign(**gap).astype({"reason": "category"})
        for name in ("start", "end", "expires_at"):
            gaps[name] = pd.to_datetime(gaps[name], unit="ms", utc=True).astype(
                "datetime64[ms, UTC]"
            )
        plan = xs.plan_backfill(gaps, tasks, max_window="1h")
        ends = np.array([np.minimum(one[n:], _TIME_OUT).cumsum() for one in drawn]).ravel() + _NOW
        last = pd.Timestamp(int(ends.max()), unit="ms", tz="UTC")
        late = ends > plan["deadline"].astype("int64").to_numpy()
        said = plan.attrs
        rows.append(
            (
                said["end_low"] <= last <= said["end_high"],
                plan["deadline_risk"].mean(),
                late.mean(),
            )
        )
    return pd.DataFrame(rows, columns=["held", "risk", "late"])


def backtest(repeats: int) -> pd.DataFrame:
    """Return one row per task of the sample: the estimate, a plain average, and the true rest."""
    tasks = xs.sample_tasks()
    since = pd.Timestamp("2026-03-23", tz="UTC")  # a third of the sample is history before it
    done = tasks[(tasks["status_code"] == "COMPLETED") & (tasks["creation_time"] >= since)]
    rows = []
    for task in done.sample(repeats, random_state=_SEED).itertuples():
        as_of = (task.creation_time + task.duration / 2).floor("ms")
        estimate = xs.estimate_completion(tasks, as_of=as_of)
        estimate = estimate[estimate["task_id"] == task.task_id].iloc[0]
        before = tasks[
            (tasks["log_group_name"] == task.log_group_name)
            & (tasks["region"] == task.region)
            & (tasks["status_code"] == "COMPLETED")
            & (tasks["completion_time"] <= as_of)
        ]
        rest = task.completion_time - as_of
        average = max(before["duration"].mean() - estimate["elapsed"], pd.Timedelta(0))
        rows.append(
            (
                estimate["remaining_low"],
                estimate["remaining"],
                estimate["remaining_high"],
                average,
                rest,
            )
        )
    return pd.DataFrame(rows, columns=["low", "middle", "high", "average", "rest"])


def _print_row(name: str, values: list[float]) -> None:
    print(f"| {name} | " + " | ".join(f"{value:.0%}" for value in values) + " |", flush=True)


def _print_head(*names: object) -> None:
    print("| " + " | ".join(map(str, names)) + " |")
    print("|---" + "|--:" * (len(names) - 1) + "|")


def _print_intervals(repeats: int, shapes: list[str]) -> None:
    _print_head("held by the 80 %", *(f"n = {n}" for n in _SIZES))
    for shape in shapes:
        for name in ("next", "seen"):
            found = [held(shape, n, repeats, seen=name == "seen") for n in _SIZES]
            _print_row(f"{shape}: {name}", found)
        if shape not in _DEPENDENT:
            _print_row(f"{shape}: seen, ideal", [ideal(shape, _IDEAL)] * len(_SIZES))


def _print_plans(repeats: int, shapes: list[str]) -> None:
    sizes = (5, 20, 100)
    _print_head("plan", *(f"{what}, n = {n}" for n in sizes for what in ("held", "risk", "late")))
    for shape in shapes:
        for name, slots, spread in (("1 slot", 1, 0), ("5 slots", 5, 0), ("5, unlike", 5, 0.5)):
            row = [plans(shape, n, repeats // 4, slots=slots, spread=spread).mean() for n in sizes]
            _print_row(f"{shape}: {name}", [value for one in row for value in one])


def _print_sample(repeats: int, _: list[str]) -> None:
    found = backtest(repeats)
    within = (found["rest"] >= found["low"]) & (found["rest"] <= found["high"])
    error, plain = ((found["rest"] - found[name]).abs() for name in ("middle", "average"))
    print(f"{len(found):,} tasks of the synthetic sample, each halfway")
    print(f"the middle 80 % hold {within.mean():.1%}")
    print(f"median error {error.median().total_seconds():.0f} s")
    print(f"median error of a plain average {plain.median().total_seconds():.0f} s")


if __name__ == "__main__":
    parts = {"intervals": _print_intervals, "plans": _print_plans, "sample": _print_sample}
    words = sys.argv[1:]
    chosen = [words.pop(0)] if words and words[0] in parts else list(parts)
    repeats = int(words[0]) if words else REPEATS
    for part in chosen:
        parts[part](repeats, words[1:] or list(SHAPES))
        print()
