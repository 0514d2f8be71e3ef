"""`concat`: each task once in its latest state, with the user's own columns."""

from __future__ import annotations

import warnings
from itertools import permutations
from random import Random
from typing import Any

import pandas as pd
import pytest
import support
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import START, plain, table, tables

import exportstats as xs
from exportstats.core import frames, identity, schema

# Observations of some tasks; later ones have later states.
LOOKS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 5)).map(
        lambda at: {
            "task_id": at[0],
            "status_code": ["PENDING", "RUNNING", "RUNNING", "COMPLETED"][min(at[1], 3)],
            "completion_time": START + 9 if at[1] > 2 else None,
            "creation_time": START,
            "observed_at": START + at[1],
        }
    ),
    max_size=8,
)


def sorted_rows(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in a canonical order."""
    return tasks.sort_values("task_id", ignore_index=True)


@given(st.lists(LOOKS, max_size=4), st.integers(0, 2**32).map(Random))
def test_each_task_once_in_its_latest_state(looks: list[list[support.Row]], random: Random):
    """However observations are split into tables, each task is there once, in its latest state."""
    latest: dict[str, support.Row] = {}
    for look in sorted((one for part in looks for one in part), key=lambda one: one["observed_at"]):
        latest[look["task_id"]] = look
    several = [table(*look) for look in looks]
    random.shuffle(several)
    both = xs.concat(several)
    frames.check(both)
    expected = table(*(latest[name] for name in sorted(latest)))
    assert_frame_equal(sorted_rows(both), expected)
    # in one call, in several calls, and with pandas only
    one_by_one = frames.empty()
    for part in several:
        one_by_one = xs.concat([one_by_one, part])
    assert_frame_equal(sorted_rows(one_by_one), expected)
    if several:
        assert_frame_equal(sorted_rows(xs.conform(pd.concat(several))), expected)
        assert_frame_equal(sorted_rows(xs.concat([both, *several])), expected)


@given(st.lists(tables(far=False, max_size=4), max_size=3))
def test_order_of_tables_does_not_matter(several: list[pd.DataFrame]):
    """The order of the tables does not matter, even with contradicting rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xs.BadRowsWarning)
        found = [xs.concat(order) for order in permutations(several)]
    names = [column.name for column in schema.TASKS.columns]
    first, *others = (
        tasks.astype(dict.fromkeys(tasks.columns, "str")).sort_values(names, ignore_index=True)
        for tasks in found
    )
    for other in others:
        assert_frame_equal(other, first)


def test_contradictions_are_reported():
    """Two different tasks with one ID are both kept and reported."""
    first, second = (table({"task_id": "a", "task_name": name}) for name in "xy")
    with pytest.warns(xs.BadRowsWarning, match="2 x another task has the same task_id") as caught:
        both = xs.concat([first, second])
    assert len(both) == 2
    assert not caught[0].message.partial


RUNNING = {"task_id": "a", "status_code": "RUNNING", "observed_at": START}
DONE = {"task_id": "a", "status_code": "COMPLETED", "observed_at": START + 1}


@pytest.mark.parametrize("late_first", [False, True])
@pytest.mark.parametrize(
    ("early", "late", "kept"),
    [
        ({"team": "web"}, {}, "web"),
        ({}, {"team": "web"}, "web"),
        ({"team": "web"}, {"team": None}, "web"),
        ({"team": "web"}, {"team": "data"}, "data"),
        ({"team": None}, {"team": None}, None),
    ],
)
def test_own_columns_are_kept(
    early: dict[str, Any],
    late: dict[str, Any],
    kept: str | None,
    late_first: bool,  # noqa: FBT001
):
    """A later state inherits own values of an earlier one, unless it has its own."""
    parts = [table(RUNNING).assign(**early), table(DONE).assign(**late)]
    both = xs.concat(parts[::-1] if late_first else parts)
    assert plain(both["status_code"]) == ["COMPLETED"]
    assert plain(both["team"]) == [kept]
    assert list(both.columns) == [*schema.NAMES, "team"]


def test_own_columns_of_some_tables():
    """A column that only some tables have is missing in the other rows."""
    first = table({"task_id": "a"}).assign(team="web", cost=1.5)
    second = table({"task_id": "b"}).assign(owner=pd.Categorical(["x"]))
    both = xs.concat([first, second])
    assert plain(both["team"]) == ["web", None]
    assert plain(both["cost"]) == [1.5, None]
    assert plain(both["owner"]) == [None, "x"]


def test_tables_that_may_be_from_several_regions():
    """A warning says if tables without regions share log groups and times."""
    first = table({"task_id": "a", "log_group_name": "x", "creation_time": START}, {})
    other = {"task_id": "b", "log_group_name": "x", "creation_time": START}
    with pytest.warns(xs.AccountUnknownWarning, match=r"tasks\.assign\(region=\.\.\.\)"):
        assert len(xs.concat([first, table(other)])) == 3
    for fine in ({"region": "r"}, {"log_group_name": "y"}, {"creation_time": START + 1}):
        assert len(xs.concat([first, table(other | fine)])) == 3
    assert len(xs.concat([first, table(other, {"task_id": "a", "status_code": "FAILED"})])) == 3


def test_what_pandas_puts_together():
    """pd.concat, a merge and a filter return tables that every statistic accepts."""
    tasks = xs.sample_tasks()
    halves = [tasks.iloc[:3000], tasks.iloc[3000:]]
    expected = xs.status_breakdown(tasks)
    assert_frame_equal(xs.status_breakdown(pd.concat(halves)), expected)
    owners = pd.DataFrame({"log_group_name": tasks["log_group_name"].unique().astype(str)}).assign(
        team=lambda frame: frame["log_group_name"].str[:4]
    )
    merged = tasks.merge(owners, on="log_group_name", how="left")
    assert_frame_equal(xs.status_breakdown(merged), expected)
    assert_frame_equal(xs.conform(merged)[list(tasks.columns)], tasks)
    by_team = xs.status_breakdown(merged, by="team")
    assert by_team["tasks"].sum() == len(tasks)
    failed = merged[merged["status_code"] == "FAILED"]
    assert set(xs.failure_reasons(failed, by="team").index.get_level_values(0)) <= set(
        owners["team"]
    )


def test_concat_takes_tables_alone():
    """Anything that is not a table is named, and no tables are the empty table."""
    with pytest.raises(xs.SchemaError, match="a table of tasks is a DataFrame, not list"):
        xs.concat([[1]])  # type: ignore[list-item]
    with pytest.raises(xs.SchemaError, match="needs the column account_id"):
        xs.concat([pd.DataFrame({"task_id": ["a"]})])
    with pytest.raises(xs.SchemaError, match="of='gaps'; give one of tasks"):
        xs.concat([], of="gaps")
    assert_frame_equal(xs.concat([]), frames.empty())


def test_the_callers_tables_are_never_changed():
    """The result and the given tables share no data that is written to."""
    first, second = table(RUNNING).assign(team="web"), table(DONE)
    before = [first.copy(deep=True), second.copy(deep=True)]
    both = xs.concat([first, second])
    both.loc[0, "team"] = "other"
    assert_frame_equal(first, before[0])
    assert_frame_equal(second, before[1])


@pytest.mark.parametrize("of", ["log_groups", "deliveries"])
def test_other_tables(of: str):
    """Log groups and deliveries can be concatenated too, with the dtypes of the schema."""
    key = "log_group_name" if of == "log_groups" else "task_id"
    number = "stored_bytes" if of == "log_groups" else "bytes"
    made = [
        xs.conform(pd.DataFrame({key: ["a", "b"], number: [n, None], "observed_at": [n, n]}), of=of)
        for n in (1, 2)
    ]
    both = xs.concat(made[::-1], of=of)
    assert plain(both[key]) == ["a", "b"]
    assert plain(both[number]) == [2, None]
    assert frames.check(both, schema.TABLES[of]) is both
    dtypes = {column.name: column.dtype for column in schema.TABLES[of].columns}
    assert both.dtypes.map(str).to_dict() == dtypes


@given(st.lists(st.text("ab", min_size=8, max_size=9), max_size=6), st.integers(0, 6))
def test_repeated_identifiers_are_found_in_any_chunks(texts: list[str], cut: int) -> None:
    """The rows that share their key with another are found, whatever the length of the IDs."""
    parts = [pd.Series(some, dtype="str") for some in (texts[:cut], [], texts[cut:])]
    for ids in (pd.concat(parts, ignore_index=True), pd.Series([text[:8] for text in texts])):
        rows = pd.DataFrame({"account_id": "1", "region": "r", "task_id": ids.astype("str")})
        expected = [[*ids].count(text) > 1 for text in ids]
        assert identity.repeated(rows, schema.TASKS).tolist() == expected
