"""How good the forecasts are: a backtest on the synthetic sample.

`python -m benchmarks.forecasts [TASKS]` takes COMPLETED tasks of the last eight months at random,
each at a random instant of its life, forgets all that came later, and compares what
`estimate_completion` says with what came: how often the middle 80 % hold it, and the median error,
beside that of a plain average of all earlier durations of the log group.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

import exportstats as xs

SIZE = 400

_SEED = 20261124
_SINCE = pd.Timestamp("2026-03-23", tz="UTC")  # a third of the sample is history before it


def backtest(size: int) -> pd.DataFrame:
    """Give a row a task: what was estimated, what an average says, and what came."""
    tasks = xs.sample_tasks()
    random = np.random.default_rng(_SEED)
    done = tasks[(tasks["status_code"] == "COMPLETED") & (tasks["creation_time"] >= _SINCE)]
    rows = []
    for task in done.sample(size, random_state=_SEED).itertuples():
        as_of = (task.creation_time + random.random() * task.duration).floor("ms")
        told = xs.estimate_completion(tasks, as_of=as_of)
        told = told[told["task_id"] == task.task_id].iloc[0]
        before = tasks[
            (tasks["log_group_name"] == task.log_group_name)
            & (tasks["region"] == task.region)
            & (tasks["status_code"] == "COMPLETED")
            & (tasks["completion_time"] <= as_of)
        ]
        rest = task.completion_time - as_of
        average = max(before["duration"].mean() - told["elapsed"], pd.Timedelta(0))
        rows.append(
            (told["remaining_low"], told["remaining"], told["remaining_high"], average, rest)
        )
    return pd.DataFrame(rows, columns=["low", "middle", "high", "average", "rest"])


if __name__ == "__main__":
    found = backtest(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
    within = (found["rest"] >= found["low"]) & (found["rest"] <= found["high"])
    error, plain = ((found["rest"] - found[name]).abs() for name in ("middle", "average"))
    print(f"{len(found):,} tasks of the synthetic sample")
    print(f"the middle 80 % hold {within.mean():.1%}")
    below, above = found["rest"] < found["low"], found["rest"] > found["high"]
    print(f"below {below.mean():.1%}, above {above.mean():.1%}")
    print(f"median error {error.median().total_seconds():.0f} s")
    print(f"median error of a plain average {plain.median().total_seconds():.0f} s")
    print(f"ratio {error.median() / plain.median():.2f}")
