"""The reading of tables."""

import pandas as pd

from exportstats.charts import tables


def test_groups_are_numbered_by_appearance():
    """Rows of one group share a number, a missing name is a group, and the order is the table's."""
    index = pd.MultiIndex.from_arrays(
        [["b", None, "b", "a", None], ["x", "x", "x", "y", "x"], [1, 1, 2, 1, 2]],
        names=["region", "destination", "reason"],
    )
    numbers, groups = tables.group_rows(pd.DataFrame(index=index), ("reason",))
    assert numbers.tolist() == [0, 1, 0, 2, 1]
    assert tables.name_groups(groups, 40) == ["b · x", "unknown · x", "a · y"]


def test_categorical_groups_are_numbered_alike():
    """Unused categories are no groups, and a missing one is."""
    index = pd.CategoricalIndex(["b", None, "b"], categories=["a", "b"], name="region")
    numbers, groups = tables.group_rows(pd.DataFrame(index=index))
    assert numbers.tolist() == [0, 1, 0]
    assert tables.name_groups(groups, 40) == ["b", "unknown"]


def test_a_short_level_leaves_its_room_to_a_long_one():
    """An account and a region are shown in full beside a long name."""
    groups = pd.DataFrame([["123456789012", "eu-west-1", "/aws/lambda/" + "x" * 90]])
    name = tables.name_groups(groups, 44)[0]
    assert name.startswith("123456789012 · eu-west-1 · /aws/lamb")
    assert 44 <= len(name) <= 52
