"""The tables of a plan: names, columns, arguments, other processes, thousands of log groups."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from planned import MIDNIGHT, MINUTE, START, TIMES, gaps_of, history, plan_backfill, running
from support import DAY, FIRST, HOUR, Shards, plain, table

import exportstats as xs
from exportstats.coverage.commands import render_commands
from exportstats.errors import ArgumentError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_too_many_tasks():
    """Millions of pieces are refused with their number."""
    for start, step in ((MIDNIGHT - DAY, "1ms"), (FIRST, "10min")):
        with pytest.raises(ArgumentError, match=r"into [0-9,]+ tasks.*longer max_window"):
            plan_backfill(gaps_of({"start": start}), table(*history(MINUTE)), max_window=step)


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
        "incoming_bytes": "Int64",
        **dict.fromkeys(["deadline", *TIMES], time),
        "deadline_risk": "float64",
        "late": "bool",
        "n": "int64",
        "basis": "category",
        "scaled_by": "category",
        "enough_history": "bool",
    }
    assert list(plan["basis"].cat.categories) == ["log_group", "slot", "all", "none"]
    assert isinstance(plan.index, pd.RangeIndex)


@pytest.mark.parametrize("step", ["0ms", "-1D", "1us", "a day", None, pd.NaT, "5"])
def test_max_window_is_a_length(step: Any):  # noqa: ANN401 - any value
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
        with pytest.raises(SchemaError, match=f"column {name} is missing"):
            plan_backfill(gaps.drop(columns=name), tasks)
        with pytest.raises(SchemaError, match=f"column {name} of the table of gaps is int64"):
            plan_backfill(gaps.assign(**{name: 0}), tasks)
    with pytest.raises(SchemaError, match="column start is there twice"):
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
