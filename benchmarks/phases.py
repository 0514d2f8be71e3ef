"""Measure what `phases=` adds to the forecasts of tasks that are seen RUNNING.

`python -m benchmarks.phases [REPEATS]` makes log groups with 50 earlier tasks, which wait for some
time and then run for about ten minutes (lognormal, 0.3), and one that is running now. A look comes
at every so many seconds, so each start is known to lie between two looks. "Never before" is a log
group of which only the active task was looked at.

A cell has the share of the ends that the 80 % interval holds, and the mean interval score in
minutes (Gneiting and Raftery, Strictly proper scoring rules, JASA 102, 2007): the width, and ten
times the distance of each end outside. Less is better.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

import exportstats as xs

_SEED = 20261127
_N = 50
_NOW = 1_795_478_400_000  # 2026-11-24
_MINUTE, _DAY = 60_000, 86_400_000
_TYPICAL = 10.0 * _MINUTE
_LOOKS = {"5 s": 5_000, "1 min": 60_000, "10 min": 600_000, "1 h": 3_600_000, "never before": 1_000}
_WAITS = {
    "half a minute": lambda random, n: _TYPICAL / 20 * random.lognormal(0, 1, n),
    "ten minutes": lambda random, n: _TYPICAL * random.lognormal(0, 1, n),
    "one in five twenty minutes": lambda random, n: np.where(
        random.random(n) < 0.2, 2 * _TYPICAL * random.lognormal(0, 0.5, n), 2_000.0
    ),
}


def log_groups(waits: str, looks: str, repeats: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table of tasks, and how long each waited, with the true rests of active ones."""
    random, every = np.random.default_rng(_SEED), _LOOKS[looks]
    frames = []
    for number in range(repeats):
        wait = _WAITS[waits](random, _N + 1)
        run = _TYPICAL * random.lognormal(0, 0.3, _N + 1)
        # a task is seen the more often, the longer it runs
        others = _TYPICAL * random.lognormal(0, 0.3, 200)
        run[-1] = random.choice(others, p=others / others.sum())
        took = wait + run
        rest = (1 - random.random()) * run[-1]
        took[-1] -= rest
        seen = wait + random.random(_N + 1) * every
        low, high = np.maximum(seen - every, 0), np.minimum(seen, took)
        if looks == "never before":
            low[:-1], high[:-1] = 0, took[:-1]
        created = _NOW - np.append(_DAY * np.arange(_N + 1, 1, -1), took[-1]).astype("int64")
        rests = np.append(np.full(_N, np.nan), rest)
        columns = {"creation_time": created, "took": took, "low": low, "high": high, "rest": rests}
        frames.append(pd.DataFrame(columns).assign(log_group_name=f"/{number:04}"))
    made = pd.concat(frames, ignore_index=True)
    active = made["rest"].notna()
    tasks = xs.conform(
        made[["creation_time", "log_group_name"]].assign(
            task_id=[f"{number:08}" for number in made.index],
            account_id="111122223333",
            region="eu-west-1",
            status_code=np.where(active, "RUNNING", "COMPLETED"),
            completion_time=(made["creation_time"] + made["took"].astype("int64"))
            .astype("Int64")
            .mask(active),
            observed_at=_NOW,
        )
    )
    lengths = {
        f"waiting_{end}": pd.to_timedelta(made[end], unit="ms").dt.as_unit("ms")
        for end in ("low", "high")
    }
    key = tasks[["account_id", "region", "task_id", "creation_time"]]
    return tasks, key.assign(**lengths, rest=made["rest"])


def score(forecasts: pd.DataFrame, known: pd.DataFrame) -> tuple[float, float]:
    """Return how often the intervals hold the ends, and the mean interval score in minutes."""
    rest = known.set_index("task_id")["rest"][forecasts["task_id"]].to_numpy()
    low, high = (
        forecasts[f"remaining_{end}"].to_numpy().view("int64").astype("float64")
        for end in ("low", "high")
    )
    outside = np.maximum(low - rest, 0) + np.maximum(rest - high, 0)
    return float((outside <= 1).mean()), float((high - low + 10 * outside).mean() / _MINUTE)


def _print_table(repeats: int) -> None:
    print(f"| wait | {' | '.join(_LOOKS)} | without phases |")
    print("|---" + "|--:" * (len(_LOOKS) + 1) + "|")
    for waits in _WAITS:
        cells = []
        for looks in _LOOKS:
            tasks, known = log_groups(waits, looks, repeats)
            cells.append(score(xs.estimate_completion(tasks, phases=known), known))
        cells.append(score(xs.estimate_completion(tasks), known))
        print(
            f"| {waits} | " + " | ".join(f"{held:.0%}, {mean:.1f}" for held, mean in cells) + " |"
        )


if __name__ == "__main__":
    _print_table(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
