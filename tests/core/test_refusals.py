"""What cannot be a table or a task is refused, with the reason."""

from __future__ import annotations

import re

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import support
from hypothesis import given
from pandas.testing import assert_frame_equal
from support import START, conform_quietly, plain, table, tables

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import BadRowsError, BadRowsWarning, SchemaError

TASK = {"task_id": "a", "from_time": 1, "to_time": 2, "creation_time": START}
NO_TIME = "is not a time (an aware timestamp, milliseconds since 1970, or ISO 8601 with an offset)"


def test_no_identifiers():
    """A frame without `task_id` is refused; the message lists its columns."""
    with pytest.raises(SchemaError, match="needs the column task_id; this frame has: task, 5"):
        xs.conform(pd.DataFrame({"task": ["a"], 5: [1]}))
    with pytest.raises(SchemaError, match="this frame has: none"):
        xs.conform(pd.DataFrame())
    with pytest.raises(SchemaError, match="of log groups needs the column log_group_name"):
        xs.conform(pd.DataFrame({"task_id": ["a"]}), of="log_groups")
    with pytest.raises(SchemaError, match="of='gaps'; give one of tasks, log_groups, deliveries"):
        xs.conform(pd.DataFrame({"task_id": ["a"]}), of="gaps")  # type: ignore[arg-type]


@pytest.mark.parametrize("given_", [None, "tasks.json", [{"task_id": "a"}], {"task_id": ["a"]}])
def test_no_frame(given_: object):
    """An object without an Arrow stream is refused with its type and the remedy."""
    kind = type(given_).__name__
    with pytest.raises(SchemaError, match=rf"a {kind} is not a table.*xs\.read_tasks"):
        xs.conform(given_)


def test_two_columns_of_one_name():
    """Two columns of one name are refused, ours or the user's."""
    frame = pd.DataFrame([["a", "b", 1, 2]], columns=["task_id", "task_id", "x", "x"])
    with pytest.raises(SchemaError, match="two columns named task_id; rename or drop one"):
        xs.conform(frame)
    twice = pd.concat([table({}), table({})[["region"]]], axis="columns")
    with pytest.raises(SchemaError, match="two columns named region"):
        frames.check(twice)
    with pytest.raises(SchemaError, match="two columns named x; rename or drop one"):
        xs.conform(frame.iloc[:, 1:])


def test_naive_times():
    """Naive times are refused, from pandas, Polars and DuckDB."""
    naive = pd.DataFrame({"task_id": ["a"], "to_time": pd.to_datetime(["2026-11-23"])})
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT 'a' AS task_id, TIMESTAMP '2026-11-23' AS to_time")
        for frame in (naive, pl.from_pandas(naive), relation):
            with pytest.raises(SchemaError, match=r"to_time have no time zone.*tz_localize"):
                xs.conform(frame)


@pytest.mark.parametrize("column", ["account_id", "region", "task_id", "status_code"])
def test_numbers_for_text(column: str):
    """A numeric account ID is refused, not converted to text without its zeros."""
    frame = pd.DataFrame({"task_id": ["a"]}).assign(**{column: [12345678901]})
    with pytest.raises(SchemaError, match=f"the column {column} is int64, not text; read it as"):
        xs.conform(frame)
    with pytest.raises(SchemaError, match=f"the column {column} "):
        xs.conform(pl.from_pandas(frame))
    with pytest.raises(SchemaError, match=f"the column {column} has categories|{column} is int64"):
        xs.conform(frame.astype({column: "category"}))


def test_an_account_that_lost_its_zero():
    """An account ID of 11 digits is reported with the remedy."""
    accounts = ["12345678901", "012345678901", None]
    frame = pd.DataFrame({"task_id": ["a", "b", "c"], "account_id": accounts})
    with pytest.warns(BadRowsWarning, match=r"lost a leading zero, so read it as text \(row 0\)"):
        assert plain(xs.conform(frame)["account_id"]) == accounts


def test_booleans_are_no_times():
    """True is not one millisecond after 1970."""
    with pytest.raises(SchemaError, match="the column from_time is bool, not times"):
        xs.conform(pd.DataFrame({"task_id": ["a"], "from_time": [True]}))


@pytest.mark.parametrize("column", schema.TASKS.columns, ids=lambda column: column.name)
def test_check_names_the_column(column: schema.Column):
    """The first column that is missing or has another dtype is named, with the remedy."""
    tasks = table({})
    assert frames.check(tasks) is tasks
    assert frames.check(own := tasks.assign(more=1)) is own
    with pytest.raises(SchemaError) as caught:
        frames.check(tasks.drop(columns=column.name))
    named = rf"a table of tasks needs the column {column.name}; .*xs\.conform "
    assert re.match(named, str(caught.value))
    with pytest.raises(SchemaError) as caught:
        frames.check(tasks.assign(**{column.name: True}))
    named = rf"the column {column.name} of the tasks is bool, not {re.escape(column.dtype)}; .*"
    assert re.match(named + r"xs\.conform ", str(caught.value))


@pytest.mark.parametrize("nothing", [pd.NaT, None, float("nan"), np.datetime64("NaT")])
def test_a_column_of_nothing(nothing: object):
    """A column of missing values can have any dtype, such as that of `pd.NaT`."""
    tasks = xs.conform(support.frame([TASK, {**TASK, "task_id": "other"}]))
    for name in (column.name for column in schema.TASKS.base if column.nullable):
        emptied = tasks.assign(**{name: nothing})
        expected = xs.conform(tasks.drop(columns=name))
        for made in (xs.conform(emptied), frames.check(emptied)):
            assert_frame_equal(made[[name]], expected[[name]])


@pytest.mark.parametrize("names", [["task_id"], ["account_id", "region"], ["creation_time"]])
def test_an_index_of_columns(names: list[str]):
    """An index with the name of a column changes no result, nor the caller's frame."""
    tasks = xs.sample_tasks().head(50)
    indexed = tasks.set_index(names, drop=False)
    expected = xs.find_slow_tasks(tasks)
    assert_frame_equal(xs.find_slow_tasks(indexed), expected)
    assert_frame_equal(xs.estimate_completion(indexed), xs.estimate_completion(tasks))
    assert list(indexed.index.names) == names


def test_what_our_own_tables_print():
    """Lengths as `tasks --format csv` writes them are not own columns; they are recomputed."""
    tasks = xs.conform(support.frame([TASK]))
    printed = tasks.assign(duration_seconds=5.0, window_seconds=6.0, team="web")
    assert_frame_equal(xs.conform(printed), tasks.assign(team="web"))


def test_check_wants_a_frame():
    """Anything but a DataFrame is refused with its type."""
    with pytest.raises(SchemaError, match="is a DataFrame, not dict"):
        frames.check({})


@given(tables(far=False, max_size=4))
def test_what_means_the_same_is_the_same(tasks: pd.DataFrame):
    """Text for a category, times in another unit or zone, and objects are accepted."""
    other = {
        name: "str" if dtype == "category" else "datetime64[ns, Europe/Berlin]"
        for name, dtype in tasks.dtypes.items()
        if dtype == "category" or isinstance(dtype, pd.DatetimeTZDtype)
    }
    other |= {"duration": "timedelta64[ns]", "task_id": "category"}
    changed = tasks.astype(other)
    before = changed.copy(deep=True)
    assert_frame_equal(frames.check(changed), tasks)
    assert_frame_equal(changed, before)
    objects = tasks.astype(dict.fromkeys(tasks.columns[:10], "object"))
    assert_frame_equal(frames.check(objects), tasks)
    states = pd.CategoricalDtype(["PAUSED", *schema.STATES[::-1]], ordered=True)
    assert_frame_equal(frames.check(tasks.astype({"status_code": states})), tasks)


def test_a_log_group_that_is_there_twice():
    """A repeated log group or delivery is named in an error."""
    groups = xs.sample_log_groups()
    frames.check(groups, schema.LOG_GROUPS)
    with pytest.raises(
        SchemaError, match=f"{groups['log_group_name'].iloc[3]} is in the table more than once"
    ):
        frames.check(pd.concat([groups, groups.iloc[3:5]]), schema.LOG_GROUPS)


# Rows that cannot be tasks.


def odd_frame() -> pd.DataFrame:
    """Return a frame of which rows 1 to 5 cannot be tasks."""
    return pd.DataFrame(
        {
            "task_id": pd.Series(["a", None, "", 5, "e", "f", "g"], dtype=object),
            "region": pd.Series(["x", "x", "x", "x", 7, "x", None], dtype=object),
            "to_time": pd.Series([1, 2, 3, 4, "soon", 1.5, None], dtype=object),
        }
    ).set_index(pd.Index(list("tuvwxyz")))


ODD = [
    ("row 1", "no task_id"),
    ("row 2", "no task_id"),
    ("row 3", "task_id is not text"),
    ("row 4", "region is not text"),
    ("row 5", f"to_time {NO_TIME}"),
]


def test_odd_rows_are_reported_and_the_others_kept():
    """Each invalid row is reported with its place and its first fault."""
    tasks, reported = conform_quietly(odd_frame())
    assert plain(tasks["task_id"]) == ["a", "g"]
    assert reported == ODD


def test_odd_rows_are_counted_by_reason():
    """The warning counts each reason, with its first places."""
    with pytest.warns(BadRowsWarning) as caught:
        xs.conform(odd_frame())
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.startswith("2 x no task_id (row 1, row 2); 1 x task_id is not text (row 3); ")
    assert text.endswith("; the others were kept")
    assert caught[0].filename == __file__


def test_many_odd_rows_are_not_all_listed():
    """Of many rows with one fault the first three are listed and the rest counted."""
    frame = pd.DataFrame({"task_id": [None] * 7 + ["a"]})
    with pytest.warns(BadRowsWarning, match=r"^7 x no task_id \(row 0, row 1, row 2 and 4 more\)"):
        xs.conform(frame)
    with pytest.warns(BadRowsWarning, match=r"; 4 x 4 other reasons; the others were kept$"):
        xs.conform(support.frame([*({name: [5]} for name in schema.NAMES[:14]), {}]))


def test_no_row_that_can_be_read_is_an_error():
    """If all given rows are invalid, that is an error, not an empty table."""
    says = r"^2 x no task_id \(row 0, row 1\); no row could be read"
    with pytest.raises(BadRowsError, match=says):
        xs.conform(pd.DataFrame({"task_id": [None, ""]}))
    assert len(xs.conform(pd.DataFrame({"task_id": []}, dtype="str"))) == 0


def test_strict_refuses_all():
    """With `strict`, one invalid row is an error that has its place and reason."""
    with pytest.raises(BadRowsError, match="nothing was kept, because strict=True") as caught:
        xs.conform(odd_frame(), strict=True)
    assert list(caught.value.rows.itertuples(index=False, name=None)) == ODD
    assert len(xs.conform(odd_frame().iloc[[0, 6]], strict=True)) == 2
