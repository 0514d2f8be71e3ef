"""Groups by any columns, and periods without a hole, are those of a dict."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from support import (
    DAY,
    FIRST,
    LAST,
    START,
    Shards,
    by_group,
    periods,
    plain,
    rows_of,
    table,
    tables,
)

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError
from exportstats.stats import grouping
from exportstats.stats.calendars import calendar_of
from exportstats.stats.status import status_breakdown

GROUPABLE = [
    "account_id",
    "region",
    "task_name",
    "log_group_name",
    "destination",
    "destination_prefix",
    "status_message",
]
some_names = st.lists(
    st.sampled_from([*GROUPABLE, "status_code"]), unique=True, min_size=1, max_size=3
)


def in_order(keys: set[tuple[str | None, ...]], names: list[str]) -> list[tuple[str | None, ...]]:
    """Sort keys: states in the order of a task's life, text alphabetically, missing last."""

    def rank(name: str, value: str | None) -> tuple[bool, int, str]:
        known = name == "status_code" and value in schema.STATES
        place = schema.STATES.index(value) if known else len(schema.STATES)
        return value is None, place, value or ""

    return sorted(keys, key=lambda key: [rank(*item) for item in zip(names, key, strict=True)])


@given(tables(), some_names)
def test_groups_are_those_of_a_dict(tasks: pd.DataFrame, names: list[str]):
    """Each row is in the group of its values; groups are sorted, missing last."""
    groups = grouping.group(tasks, names)
    keys = list(zip(*(plain(groups.keys[name]) for name in names), strict=True))
    rows = [tuple(row[name] for name in names) for row in rows_of(tasks)]
    assert [keys[code] for code in groups.codes] == rows
    assert keys == in_order(set(rows), names)
    assert list(groups.keys.columns) == names


def test_no_columns_are_one_group():
    """Without columns all rows are one group, even if there are none."""
    for tasks in (table({}, {}), frames.empty()):
        groups = grouping.group(tasks, [])
        assert groups.codes.tolist() == [0] * len(tasks)
        assert groups.keys.shape == (1, 0)
        assert grouping.index_of(groups.keys).to_list() == ["all"]


@given(tables(), some_names, st.sampled_from(["D", "W", "MS", "YS"]))
def test_grid_has_every_period(tasks: pd.DataFrame, names: list[str], freq: str):
    """Each group has each period from the first to the last; rows without a period come last."""
    rows = rows_of(tasks)
    names = [name for name in names if name != "status_code"]
    counted = grouping.group_by_state(tasks, names, freq)
    cells = grouping.grid(counted.keys, names, freq)
    found = list(zip(*(plain(cells.keys[name]) for name in [*names, "period"]), strict=True))
    groups = in_order({tuple(row[name] for name in names) for row in rows}, names)
    expected = [
        (*group, time)
        for group in groups or ([()] if not names else [])
        for time in periods(rows, freq)
    ]
    assert found == expected
    starts = pd.Series(calendar_of(freq).start(counted.keys["period"].to_numpy()))
    keys = list(zip(*(plain(counted.keys[name]) for name in names), plain(starts), strict=True))
    assert [found[code] for code in cells.codes] == keys


def test_too_many_periods_are_not_filled_in():
    """Up to 10,000 periods are filled in; beyond that only those with tasks are returned."""
    for days, many in ((9_999, 10_000), (10_000, 2)):
        tasks = table({"creation_time": START}, {"creation_time": START + days * DAY})
        cells = grouping.grid(grouping.group_by_state(tasks, [], "D").keys, [], "D")
        assert len(cells.keys) == many
    ends = table({"creation_time": LAST}, {"creation_time": FIRST})
    filled = {"QS": 1030 * 4, "YS": 1030, "1000YS": 2}
    for freq in ("ms", "s", "h", "D", "W", "MS", *filled):
        cells = grouping.grid(grouping.group_by_state(ends, [], freq).keys, [], freq)
        assert len(cells.keys) == filled.get(freq, 2)


def test_index_of_one_and_several_keys():
    """One key gives an index with its name, several give levels; missing values stay."""
    tasks = table({"region": "x"}, {"region": None, "destination": "d"})
    one = grouping.index_of(grouping.group(tasks, ["region"]).keys)
    assert one.name == "region"
    assert plain(one) == ["x", None]
    two = grouping.index_of(grouping.group(tasks, ["region", "destination"]).keys)
    assert two.names == ["region", "destination"]
    assert [plain(two.get_level_values(n)) for n in (0, 1)] == [["x", None], [None, "d"]]


def test_names_of():
    """One column, several or none; any column of the table is allowed, including own ones."""
    tasks = table({}).assign(team="web")
    assert grouping.names_of(None, tasks) == []
    assert grouping.names_of("region", tasks) == ["region"]
    assert grouping.names_of(("region", "team"), tasks) == ["region", "team"]
    for some in (tasks, Shards([tasks])):
        names = [name for name in tasks if name not in ("status_code", "duration")]
        assert grouping.names_of(names, some) == names


@pytest.mark.parametrize("by", ["colour", "", ["region", "colour"], [None], [5]])
def test_columns_that_are_not_there(by: str | list[str]):
    """An unknown column is refused with the available ones; in shards, when they are read."""
    tasks = table({}).assign(team="web")
    wrong = by if isinstance(by, str) else by[-1]
    there = ", ".join(name for name in tasks if name not in ("status_code", "duration"))
    for some in (tasks, tasks.iloc[:0], Shards([tasks])):
        with pytest.raises(ArgumentError) as caught:
            status_breakdown(some, by=by)
        says = str(caught.value).split("; did you mean")[0]
        assert says == f"by={wrong!r}; give one or several of {there}"


@pytest.mark.parametrize("name", ["status_code", "duration", "tasks", "n", "share"])
def test_columns_of_the_answer(name: str):
    """A column that the result has itself cannot be grouped by."""
    with pytest.raises(ArgumentError, match=f"by='{name}' is a column of the result itself; leave"):
        status_breakdown(table({}).assign(**{name: "x"}), by=name)


def test_values_that_cannot_be_grouped():
    """Lists are refused with the name of the column and the remedy."""
    tasks = table({}, {}).assign(tags=[["a"], ["b"]])
    with pytest.raises(ArgumentError, match=r"by='tags', but .*list.*; make its values text"):
        status_breakdown(tasks, by="tags")


OWN = {
    "text": pd.Series(["b", None, "a", "b"], dtype="str"),
    "objects": pd.Series(["b", None, float("nan"), "b"], dtype=object),
    "mixed": pd.Series(["b", 5, None, 2.5], dtype=object),
    "int": pd.Series([3, 1, 2, 3]),
    "whole": pd.Series([3, None, 1, 3], dtype="Int64"),
    "float": pd.Series([0.5, None, -1.5, 0.5]),
    "bool": pd.Series([True, False, True, True]),
    "flags": pd.Series([True, None, False, True], dtype=object),
    "boolean": pd.Series([True, None, False, True], dtype="boolean"),
    "category": pd.Series(["b", None, "a", "b"], dtype="category"),
    "numbered": pd.Series([7, None, 3, 7], dtype="category"),
    "ranked": pd.Series(
        pd.Categorical(["low", "high", None, "low"], ["low", "high"], ordered=True)
    ),
    "time": pd.Series(pd.to_datetime(["2026-11-23", None, "2026-11-22", "2026-11-23"])),
    "zoned": pd.Series(pd.to_datetime(["2026-11-23", None, "2026-11-22", "2026-11-23"], utc=True)),
    "length": pd.Series(pd.to_timedelta(["2h", None, "1h", "2h"])),
}


@pytest.mark.parametrize("name", OWN)
def test_groups_of_any_column(name: str):
    """Own columns of any kind form groups, sorted, missing last."""
    values = OWN[name]
    tasks = table(*[{}] * 4, status_code="COMPLETED").assign(**{name: values})
    halves = Shards([tasks.iloc[:2], tasks.iloc[2:], frames.empty()])
    expected = {key: len(some) for key, some in values.groupby(values, observed=True)}
    missing = values.isna().sum()
    for some in (tasks, halves):
        found = status_breakdown(some, by=name).xs("COMPLETED", level="status_code")["tasks"]
        known = found[found.index.notna()]
        assert dict(zip(known.index.tolist(), known, strict=True)) == expected
        assert found[found.index.isna()].tolist() == ([missing] if missing else [])
        assert found.index.notna().tolist() == sorted(found.index.notna(), reverse=True)
        if name not in ("mixed", "ranked"):
            assert known.index.tolist() == sorted(known.index.tolist())


def test_values_instead_of_a_name():
    """A Series of values is refused in one sentence that says what to write instead."""
    tasks = table({"log_group_name": "acme/api"}, {"log_group_name": "acme/web"})
    for values in (tasks["log_group_name"], pd.Index(["Monday", "Sunday"])):
        with pytest.raises(ArgumentError, match="of values; add them as a column") as caught:
            xs.duration_summary(tasks, by=values)
        assert "Monday" not in str(caught.value)


@pytest.mark.parametrize("by", [5, len])
def test_what_names_no_column(by: object):
    """A function or a number is refused in one sentence."""
    with pytest.raises(ArgumentError, match="give the name of a column, or a list of names"):
        xs.duration_summary(table({}), by=by)


def test_a_column_twice():
    """A column named twice is refused."""
    with pytest.raises(ArgumentError, match="names a column twice"):
        grouping.names_of(["region", "region"], table({}))


@pytest.mark.parametrize("many", [3, 3000])
def test_many_columns_of_many_values(many: int):
    """Grouping by every column at once works, however many combinations are possible."""
    names = GROUPABLE
    made = [{name: f"{name} {row % many}" for name in names} for row in range(2 * many)]
    groups = grouping.group(table(*made), names)
    expected = by_group([{name: row[name] for name in names} for row in made], names)
    assert len(groups.keys) == len(expected) == many
    assert sorted(zip(*(plain(groups.keys[name]) for name in names), strict=True)) == sorted(
        expected
    )


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("int8", [-128, 127, 0, -128]),
        ("uint8", [255, 0, 3, 255]),
        ("int64", [-(2**63), 2**63 - 1, 0, 0]),
        ("int64", [2**63 - 1, 2**63 - 1, 2**63 - 9, 2**63 - 2]),
        ("uint64", [2**64 - 1, 2**64 - 9, 2**64 - 1, 2**64 - 2]),
        ("int32", [2026, 2025, 12_026, 2026]),
    ],
)
def test_integers_of_any_type_and_range(dtype: str, values: list[int]):
    """Integers keep their dtype and are sorted, whether near each other or far apart."""
    for names in (["number"], ["region", "number"]):
        frame = pd.DataFrame({"number": pd.Series(values, dtype=dtype), "region": "r"})
        groups = grouping.group(frame, names)
        assert groups.keys["number"].dtype == dtype
        assert groups.keys["number"].to_list() == sorted(set(values))
        assert [groups.keys["number"][code] for code in groups.codes] == values
