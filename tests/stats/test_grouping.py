"""Rows in groups: as a dict would group them, what is missing last, every period there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from support import DAY, MOST, START, by_group, periods, plain, quick, rows_of, table, tables

from exportstats.core import schema
from exportstats.errors import ArgumentError
from exportstats.stats import grouping

if TYPE_CHECKING:
    import pandas as pd

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
    """Sort keys: states as they follow each other, text by letters, missing last."""

    def rank(name: str, value: str | None) -> tuple[bool, int, str]:
        known = name == "status_code" and value in schema.STATES
        place = schema.STATES.index(value) if known else len(schema.STATES)
        return value is None, place, value or ""

    return sorted(keys, key=lambda key: [rank(*item) for item in zip(names, key, strict=True)])


@quick
@given(tables(), some_names)
def test_groups_are_those_of_a_dict(tasks: pd.DataFrame, names: list[str]):
    """Each row is in the group of its values, and the groups stand in order, missing last."""
    groups = grouping.group(tasks, names)
    keys = list(zip(*(plain(groups.keys[name]) for name in names), strict=True))
    rows = [tuple(row[name] for name in names) for row in rows_of(tasks)]
    assert [keys[code] for code in groups.codes] == rows
    assert keys == in_order(set(rows), names)
    assert list(groups.keys.columns) == names


def test_no_columns_are_one_group():
    """Without a column all rows are one group, be there any or none."""
    for tasks in (table({}, {}), schema.empty()):
        groups = grouping.group(tasks, [])
        assert groups.codes.tolist() == [0] * len(tasks)
        assert groups.keys.shape == (1, 0)
        assert grouping.index_of(groups.keys).to_list() == ["all"]


@quick
@given(tables(), some_names, st.sampled_from(["D", "W", "MS", "YS"]))
def test_grid_has_every_period(tasks: pd.DataFrame, names: list[str], freq: str):
    """Each group has each period from the first to the last of all, what has none at the end."""
    rows = rows_of(tasks)
    names = [name for name in names if name != "status_code"]
    counted = grouping.group_by_state(tasks, names, freq)
    cells = grouping.grid(counted.keys, names, freq)
    found = list(zip(*(plain(cells.keys[name]) for name in [*names, "period"]), strict=True))
    groups = in_order({tuple(row[name] for name in names) for row in rows}, names)
    expected = [
        (*group, max(time, -MOST) if time is not None else None)
        for group in groups or ([()] if not names else [])
        for time in periods(rows, freq)
    ]
    assert found == expected
    keys = list(zip(*(plain(counted.keys[name]) for name in [*names, "period"]), strict=True))
    assert [found[code] for code in cells.codes] == keys


def test_too_many_periods_are_not_filled_in():
    """Up to 10,000 periods are filled in; beyond that there are only those with a task in them."""
    for days, many in ((9_999, 10_000), (10_000, 2)):
        tasks = table({"creation_time": START}, {"creation_time": START + days * DAY})
        cells = grouping.grid(grouping.group_by_state(tasks, [], "D").keys, [], "D")
        assert len(cells.keys) == many
    ends = table({"creation_time": MOST}, {"creation_time": -MOST})
    for freq in ("ms", "s", "h", "D", "W", "MS", "QS", "YS", "1000YS"):
        cells = grouping.grid(grouping.group_by_state(ends, [], freq).keys, [], freq)
        assert len(cells.keys) == 2 or freq == "1000YS"


def test_index_of_one_and_several_keys():
    """One key is an index of its name, several are levels; missing values stay in it."""
    tasks = table({"region": "x"}, {"region": None, "destination": "d"})
    one = grouping.index_of(grouping.group(tasks, ["region"]).keys)
    assert one.name == "region"
    assert plain(one) == ["x", None]
    two = grouping.index_of(grouping.group(tasks, ["region", "destination"]).keys)
    assert two.names == ["region", "destination"]
    assert [plain(two.get_level_values(n)) for n in (0, 1)] == [["x", None], [None, "d"]]


def test_names_of():
    """One column, several, or none; each that groups are made of is allowed."""
    assert grouping.names_of(None) == []
    assert grouping.names_of("region") == ["region"]
    assert grouping.names_of(("region", "account_id")) == ["region", "account_id"]
    assert grouping.names_of(GROUPABLE) == GROUPABLE


@pytest.mark.parametrize(
    "by",
    [
        "task_id",
        "status_code",
        "creation_time",
        "duration",
        "colour",
        "",
        ["region", "colour"],
        [None],
        [5],
    ],
)
def test_columns_that_make_no_groups(by: str | list[str]):
    """Identifiers, times and unknown columns make no groups; the message lists those that do."""
    with pytest.raises(ArgumentError) as caught:
        grouping.names_of(by)
    wrong = by if isinstance(by, str) else by[-1]
    assert str(caught.value) == f"by={wrong!r}; give one or several of {', '.join(GROUPABLE)}"


def test_a_column_twice():
    """A column named twice is refused."""
    with pytest.raises(ArgumentError, match="names a column twice"):
        grouping.names_of(["region", "region"])


@pytest.mark.parametrize("many", [3, 3000])
def test_many_columns_of_many_values(many: int):
    """Groups by every column at once are found, however many their combinations might be."""
    names = GROUPABLE
    made = [{name: f"{name} {row % many}" for name in names} for row in range(2 * many)]
    groups = grouping.group(table(*made), names)
    expected = by_group([{name: row[name] for name in names} for row in made], names)
    assert len(groups.keys) == len(expected) == many
    assert sorted(zip(*(plain(groups.keys[name]) for name in names), strict=True)) == sorted(
        expected
    )
