"""Tasks in one frame or in many shards give the same answer, for every statistic."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import support
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import ALL, CALLS, Shards, cut, rows, shuffled, some, tables

import exportstats as xs
from exportstats.core import conversion, frames, schema, shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[[object], pd.DataFrame]

every = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
calls = st.sampled_from(list(CALLS.values()))
seeds = st.integers(0, 2**32).map(Random)


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    """Read the sample once."""
    return xs.sample_tasks()


class Pooled(shards.Shards):
    """Shards whose parts run in other processes, everything pickled on the way."""

    def __init__(self, frames: list[pd.DataFrame], pool: ProcessPoolExecutor) -> None:
        self.frames = frames
        self.pool = pool

    def map(self, part: Callable[[pd.DataFrame], pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Run a part over each."""
        return self.pool.map(part, self.frames)


@given(calls, tables(), seeds, st.booleans())
def test_any_split_gives_the_same_table(
    call: Call,
    tasks: pd.DataFrame,
    random: Random,
    anew: bool,  # noqa: FBT001
):
    """However slots are split into shards, the table is that of one frame, to the dtype."""
    assert_frame_equal(call(cut(tasks, random, anew=anew)), call(tasks))


@given(calls, tables(), seeds)
def test_order_of_rows_does_not_matter(call: Call, tasks: pd.DataFrame, random: Random):
    """The order of the tasks does not change the table."""
    assert_frame_equal(call(shuffled(tasks, random)), call(tasks))


@given(calls, st.lists(rows(), max_size=8), seeds)
def test_contradicting_tasks_in_any_order(call: Call, made: list[support.Row], random: Random):
    """Different tasks with one ID are counted in the same way in any order."""
    frame = support.frame([{"task_id": "same", **row} for row in made])
    typed, _ = conversion.coerce_rows(frame)
    tasks, _ = frames.settle(typed)
    assert_frame_equal(call(shuffled(tasks, random)), call(tasks))


@every
def test_callers_frame_is_never_changed(call: Call, sample: pd.DataFrame):
    """No statistic changes the given frame, its index or its attrs."""
    tasks = sample.iloc[::7].set_index(pd.Index(range(5, 5 + len(sample.iloc[::7]))))
    tasks.attrs["mine"] = 1
    before = tasks.copy(deep=True)
    call(tasks)
    assert_frame_equal(tasks, before)
    assert tasks.attrs == {"mine": 1}


@every
def test_row_labels_do_not_matter(call: Call, sample: pd.DataFrame):
    """A filtered frame with any labels counts like one with new labels."""
    some = sample[sample["region"] == "eu-west-1"]
    expected = call(some.reset_index(drop=True))
    assert_frame_equal(call(some), expected)
    assert_frame_equal(call(some.set_index(pd.Index([0] * len(some)))), expected)


@every
def test_nothing_at_all(call: Call):
    """No shards, an empty shard and an empty table give the same table."""
    nothing = call(frames.empty())
    assert_frame_equal(call(Shards([])), nothing)
    assert_frame_equal(call(Shards([frames.empty(), frames.empty()])), nothing)
    assert nothing.get("tasks", pd.Series(dtype="int64")).to_numpy().sum() == 0


@pytest.fixture(scope="module")
def whole(sample: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the answer of each call to the sample."""
    return {name: call(sample) for name, call in ALL.items()}


@pytest.mark.sampled
@pytest.mark.parametrize("seed", some(range(50), 26))
def test_sample_in_any_split(sample: pd.DataFrame, whole: dict[str, pd.DataFrame], seed: int):
    """Random shards of the sample, in any order, give the table of the whole to the last digit."""
    random = Random(seed)  # noqa: S311 - nothing secret
    parts = cut(shuffled(sample, random), random, anew=bool(seed % 3))
    for name, call in ALL.items():
        assert_frame_equal(call(parts), whole[name], check_exact=True, obj=name)


def test_every_function_that_takes_tasks_is_called():
    """`support.ALL` has each public function with tasks, but for those that need one table."""
    takes = {
        name
        for name in xs.__all__
        if inspect.isfunction(function := getattr(xs, name))
        and {"tasks", "observations"} & {*inspect.signature(function).parameters}
    }
    named = {
        name
        for call in ALL.values()
        for name in (
            getattr(call, "func", call).__name__,
            *getattr(call, "__code__", _NONE).co_names,
        )
    }
    missing = takes - named - {*OF_A_TABLE, "build_weekly_report"}  # the report has its own tests
    assert not missing, "add a call to CALLS of tests/support.py"


_NONE = (lambda: None).__code__
# They return or ask about each task, and no answer adds up: the rows must be in memory anyway.
OF_A_TABLE: dict[str, Callable[[Any], object]] = {
    "annotate_tasks": lambda tasks: xs.annotate_tasks(tasks, xs.sample_api_calls()),
    "unlisted_tasks": lambda tasks: xs.unlisted_tasks(tasks, xs.sample_api_calls()),
    "fetch_deliveries": xs.fetch_deliveries,
    "write_tasks": lambda tasks: xs.write_tasks(tasks, os.devnull),
}
CHARTS = {name: getattr(xs, name) for name in xs.__all__ if name.startswith("plot_")}


@pytest.mark.parametrize("name", OF_A_TABLE | CHARTS)
def test_what_needs_one_table_says_so(name: str, sample: pd.DataFrame):
    """A chart, or a function that returns tasks, refuses shards and says how to get a table."""
    remedy = "this chart draws " if name in CHARTS else r"of an archive, archive\.tasks\(\)"
    with pytest.raises(xs.SchemaError, match=rf"is a DataFrame, not (support )?Shards; .*{remedy}"):
        (OF_A_TABLE | CHARTS)[name](Shards([sample]))


def test_parts_travel_to_other_processes(sample: pd.DataFrame):
    """Every part can be pickled and returns the same in another process."""
    frames = [tasks for _, tasks in sample.groupby(["account_id", "region"], observed=True)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for call in ALL.values():
            assert_frame_equal(call(Pooled(frames, pool)), call(sample))


def test_machines_time_zone_does_not_matter(sample: pd.DataFrame):
    """Under TZ=Pacific/Auckland each number is the same."""
    code = "import support, exportstats as xs; print(support.answers(xs.sample_tasks()))"
    folders = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "TZ": "Pacific/Auckland", "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == support.answers(sample) + "\n"


@every
@pytest.mark.parametrize(
    "given_",
    [None, 5, "tasks.json", [], {}, pd.Series([1]), ThreadPoolExecutor(1), xs.Archive],
)
def test_what_is_no_table_is_refused(call: Call, given_: object):
    """What is not a table is refused with its type and the remedy; also if it has a `map`."""
    with pytest.raises(
        xs.SchemaError, match=r"is not a table of tasks; pass the result of xs\.fetch_tasks"
    ):
        call(given_)


@every
def test_a_raw_frame_is_refused(call: Call):
    """A frame that did not go through `conform` is refused."""
    says = r"needs the column \w+; .*xs\.conform makes one"
    with pytest.raises(xs.SchemaError, match=says):
        call(pd.DataFrame({"task_id": ["a"]}))


def test_collect_stacks_what_the_part_gives():
    """The part gets each shard, and the results are concatenated; else the empty table."""
    seen = []

    def part(tasks: pd.DataFrame) -> pd.DataFrame:
        seen.append(len(tasks))
        return tasks[["task_id"]]

    two = support.table({"task_id": "a"}, {"task_id": "b"})
    one = support.table({"task_id": "c"})
    stacked = shards.collect(Shards([two, one]), part)
    assert seen == [2, 1]
    assert stacked["task_id"].to_list() == ["a", "b", "c"]
    assert shards.collect(two, part)["task_id"].to_list() == ["a", "b"]
    assert len(shards.collect(Shards([]), part)) == 0
    assert seen == [2, 1, 2, 0]


def test_questions_asked_together_read_each_shard_once(sample: pd.DataFrame):
    """They have the answers of each alone, with one call of `map`; a table needs none."""
    tasks = cut(sample, Random(5), anew=True)  # noqa: S311 - an order, no secret
    found = shards.together(tasks, *CALLS.values())
    assert tasks.passes == 1
    for table, of_table, call in zip(
        found, shards.together(sample, *CALLS.values()), CALLS.values(), strict=True
    ):
        assert_frame_equal(table, call(sample))
        assert_frame_equal(table, of_table)
    with pytest.raises(xs.SchemaError, match="a list is not a table of tasks"):
        shards.together([], xs.slot_usage)


def test_questions_asked_together_read_the_columns_of_all(sample: pd.DataFrame):
    """A shard is read with the columns of all questions, or with all if one needs all."""
    seen = []

    class Narrow(Shards):
        def map(self, part: shards.Part) -> Iterator[pd.DataFrame]:
            seen.append(part.columns)
            return super().map(part)

    by_region = partial(xs.status_breakdown, by="region")
    shards.together(Narrow([sample]), xs.completion_times, by_region)
    shards.together(Narrow([sample]), xs.completion_times, xs.find_anomalies)
    some, every = seen
    assert {"completion_time", "region", "status_code"} <= some
    assert "task_id" not in some
    assert every is None


def test_stack_keeps_categories():
    """A category in each frame stays one: states in order, others alphabetically."""
    first = support.table({"region": "us-east-1", "status_code": "PAUSED"})
    second = support.table({"region": "eu-west-1", "status_code": "ARCHIVED"})
    stacked = frames.stack([first, second])
    assert list(stacked["region"].cat.categories) == ["eu-west-1", "us-east-1"]
    states = [*schema.STATES, "ARCHIVED", "PAUSED"]
    assert list(stacked["status_code"].cat.categories) == states
    assert stacked["region"].to_list() == ["us-east-1", "eu-west-1"]
    assert list(frames.stack([second, first])["status_code"].cat.categories) == states
    of_retries = [
        tasks.rename(columns={"status_code": "retry_status_code"}) for tasks in (first, second)
    ]
    assert list(frames.stack(of_retries)["retry_status_code"].cat.categories) == states


def test_a_selection_is_tasks_again(sample: pd.DataFrame):
    """Selected tasks, of a table or of shards, count as if there were no others."""
    ended = sample[sample["status_code"] == "COMPLETED"]
    expected = xs.status_breakdown(ended)
    slots = [rows for _, rows in sample.groupby(list(schema.SLOT), observed=True)]
    for tasks in (sample, Shards(slots)):
        assert_frame_equal(xs.status_breakdown(shards.select(tasks, _completed)), expected)
    with pytest.raises(xs.SchemaError, match="a list is not a table of tasks"):
        shards.select([sample], _completed)


def _completed(tasks: pd.DataFrame) -> pd.DataFrame:
    return tasks[tasks["status_code"] == "COMPLETED"]
