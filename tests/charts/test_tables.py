"""Groups of tables: their numbers and their names."""

import pandas as pd
import pytest

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
    """Unused categories are not groups, but a missing value is."""
    index = pd.CategoricalIndex(["b", None, "b"], categories=["a", "b"], name="region")
    numbers, groups = tables.group_rows(pd.DataFrame(index=index))
    assert numbers.tolist() == [0, 1, 0]
    assert tables.name_groups(groups, 40) == ["b", "unknown"]


def test_accounts_and_regions_are_shortened_first():
    """Beside a long name, accounts become their last digits and regions their codes."""
    groups = pd.DataFrame([["123456789012", "eu-west-1", "/aws/lambda/" + "x" * 90]])
    name = tables.name_groups(groups, 44)[0]
    assert name.startswith("…9012 · euw1 · /aws/lamb")
    assert 44 <= len(name) <= 52
    assert tables.name_groups(groups.assign(**{"2": "/app"}).drop(columns=2), 44) == [
        "123456789012 · eu-west-1 · /app"
    ]


def test_accounts_that_end_alike_stay_apart():
    """Accounts with the same last digits are not shortened to them."""
    groups = pd.DataFrame([["111111111234", "x" * 60], ["222222221234", "x" * 60]])
    names = tables.name_groups(groups, 44)
    assert len(set(names)) == 2


def test_with_next_to_no_room_the_log_group_stays():
    """With little room, account and region are left out if names stay different."""
    groups = pd.DataFrame(
        [["123456789012", "eu-west-1", "/app/a"], ["123456789012", "eu-west-1", "/b"]]
    )
    assert tables.name_groups(groups, 14) == ["/app/a", "/b"]


@pytest.mark.parametrize(
    ("region", "code"),
    [("eu-west-1", "euw1"), ("ap-southeast-2", "apse2"), ("us-gov-east-1", "usge1")],
)
def test_regions_have_the_codes_of_aws(region: str, code: str):
    """The short code of a region is the one in AWS's zone IDs."""
    groups = pd.DataFrame([[region, "x" * 60]])
    assert tables.name_groups(groups, 30)[0].startswith(f"{code} · ")
