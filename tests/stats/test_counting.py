"""The counts of shards are the same when they are compressed and read a few groups at a time."""

from __future__ import annotations

import pickle
import tracemalloc
from collections import Counter
from itertools import chain
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import ALL, LAST, Shards, cut, shuffled

import exportstats as xs
from exportstats.stats import counting, grouping
from exportstats.stats.counting import Counted, Counts

_USERS = ("summary", "trend", "comparison", "curve")
_STATES = ["COMPLETED", "FAILED"]
# log group, state and duration of a task; -1 is unknown
_tasks = st.tuples(
    st.sampled_from("abcd"),
    st.sampled_from(_STATES),
    st.one_of(st.integers(-1, 5), st.integers(0, LAST)),
)
_shards = st.lists(st.lists(_tasks, max_size=12), min_size=1, max_size=4)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read and compress a few counts at a time."""
    monkeypatch.setattr(counting, "_MOST", 3)
    monkeypatch.setattr(counting, "_BLOCK", 2)


def counts_of(tasks: list[tuple[str, str, int]]) -> Counts:
    """Count the tasks of a shard in plain Python."""
    counted = sorted(Counter(tasks).items())
    keys = sorted({pair[:2] for pair, _ in counted})
    return Counts(
        pd.DataFrame(keys, columns=["log_group_name", "status_code"], dtype="str"),
        np.array([sum(pair[:2] == key for pair, _ in counted) for key in keys], dtype="int64"),
        np.array([millis for (_, _, millis), _ in counted], dtype="int64"),
        np.array([n for _, n in counted], dtype="int64"),
    )


def counted_of(found: list[Counts]) -> Counted:
    """Compress and send the counts of shards, as an executor does."""
    sent = [pickle.loads(pickle.dumps(one.pack())) for one in found]  # noqa: S301 - our own
    keys = pd.concat([one.keys for one in sent], ignore_index=True)
    return Counted(grouping.group(keys, [*keys.columns]), sent)


def list_counts(counts: pd.DataFrame, groups: grouping.Groups) -> pd.DataFrame:
    """Return the counts of each group as text."""
    millis = counts["duration"].to_numpy().view("int64").tolist()
    rows: list[list[object]] = [[] for _ in range(len(groups.keys))]
    for code, *row in zip(groups.codes, counts["status_code"], millis, counts["n"], strict=True):
        rows[code].append(tuple(row))
    return pd.DataFrame({"counts": [repr(found) for found in rows]})


@pytest.mark.usefixtures("small")
@given(_shards)
def test_counts_of_shards_add_up(made: list[list[tuple[str, str, int]]]):
    """Each group has the sums of its counts in all shards, sorted by state and duration."""
    counted = counted_of([counts_of(some) for some in made])
    groups = grouping.grid(counted.cells.keys, ["log_group_name"])
    expected: dict[str, list[object]] = {}
    for (name, state, millis), n in sorted(Counter(chain(*made)).items()):
        known = millis if millis >= 0 else np.iinfo("int64").min
        expected.setdefault(name, []).append((state, int(known), n))
    answer = counted.answer(groups, list_counts)["counts"]
    assert answer.to_dict() == {name: repr(found) for name, found in expected.items()}
    assert list_counts(*counted.read(groups))["counts"].to_list() == answer.to_list()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", [name for name in ALL if name.split()[0] in _USERS])
def test_a_few_groups_at_a_time(name: str):
    """Statistics do not depend on how many groups are read at once, to the last digit."""
    tasks, random = xs.sample_tasks().iloc[::40], Random(7)  # noqa: S311 - nothing secret
    expected = ALL[name](tasks)
    assert_frame_equal(ALL[name](cut(shuffled(tasks, random), random)), expected)


@pytest.mark.usefixtures("small")
def test_categories_in_another_order_in_each_shard():
    """Groups of own categories may have another order in each shard."""
    tasks = xs.sample_tasks().iloc[::20]
    level = tasks["region"].cat.codes.map({0: "low", 1: "middle"}).fillna("high")
    tasks = tasks.assign(level=level.astype("category"))
    halves = [tasks[tasks["region"] == region] for region in tasks["region"].cat.categories]
    orders = (["low", "high", "middle"], ["middle", "low", "high"])
    for some in (halves, halves[::-1]):
        parts = [
            half.assign(level=half["level"].cat.set_categories(orders[number % 2]))
            for number, half in enumerate(some)
        ]
        found = xs.duration_summary(Shards(parts), by=["level", "log_group_name"])
        assert_frame_equal(found, xs.duration_summary(tasks, by=["level", "log_group_name"]))


def test_groups_between_the_wanted_ones_are_left_out():
    """If a shard has its groups in another order, the counts of others are not read with them."""
    one, order = counts_of([(name, "COMPLETED", ord(name)) for name in "abc"]), [0, 2, 1]
    counted = counted_of([one._replace(keys=one.keys.take(order), millis=one.millis[order])])
    groups = grouping.grid(counted.cells.keys, ["log_group_name"])
    counts, some = counted.read(groups, 0, 2)
    assert some.codes.tolist() == [0, 1]
    assert counts["duration"].to_numpy().view("int64").tolist() == [ord("a"), ord("b")]


def lognormal(size: int, groups: int) -> Counts:
    """Make counts of durations of minutes, most of which differ."""
    random = np.random.default_rng(size)
    millis = random.lognormal(np.log(300_000), 0.5, (groups, size // groups)).astype("int64")
    millis.sort(axis=1)
    keys = pd.DataFrame({"log_group_name": np.char.mod("/acme/%05d", np.arange(groups))})
    sizes = np.full(groups, size // groups)
    ones = np.ones(millis.size, dtype="int64")
    return Counts(keys.assign(status_code="COMPLETED"), sizes, millis.ravel(), ones)


def test_a_count_is_compressed_to_less_than_two_bytes():
    """A duration and its number of tasks need less than two bytes, of sixteen."""
    counts = lognormal(300_000, 100)
    assert len(counts.pack().data) < 2 * len(counts.millis)


def test_memory_does_not_grow_with_the_number_of_counts():
    """The memory to summarise many groups depends on how many counts are decoded at once."""

    def peak(size: int) -> float:
        counted = counted_of([lognormal(size, size // 1000)] * 2)
        groups = grouping.grid(counted.cells.keys, ["log_group_name"])
        tracemalloc.start()
        counted.answer(groups, list_sums)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(2_000_000) <= 1.2 * peak(500_000)


def list_sums(counts: pd.DataFrame, groups: grouping.Groups) -> pd.DataFrame:
    """Return the number of tasks of each group."""
    n = np.bincount(groups.codes, weights=counts["n"], minlength=len(groups.keys))
    return pd.DataFrame({"tasks": n})
