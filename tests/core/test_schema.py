"""`conform` converts any frame to a table of tasks, or reports why it cannot."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from itertools import permutations
from random import Random
from typing import Any

import botocore.session
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import support
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import FIRST, LAST, MOST, START, ms, plain, rows, rows_of, table, tables

import exportstats as xs
from exportstats.core import frames, identity, schema
from exportstats.errors import BadRowsError, BadRowsWarning, SchemaError, UnusedWarning

NAMES = [
    "account_id",
    "region",
    "task_id",
    "task_name",
    "log_group_name",
    "from_time",
    "to_time",
    "destination",
    "destination_prefix",
    "status_code",
    "status_message",
    "creation_time",
    "completion_time",
    "observed_at",
    "duration",
    "window",
]
SEEN = ms("2026-11-23T06:00Z")
NO_TIME = "is not a time (an aware timestamp, milliseconds since 1970, or ISO 8601 with an offset)"


def conform_quietly(frame: Any) -> tuple[pd.DataFrame, list[tuple[str, str]]]:  # noqa: ANN401
    """Return the table, and the place and reason of each row that was reported."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        tasks = xs.conform(frame)
    reported = [
        (row.place, row.reason)
        for each in caught
        if isinstance(each.message, BadRowsWarning)
        for row in each.message.rows.itertuples()
    ]
    return tasks, reported


# The shape of a table of tasks.


def test_columns_are_those_of_the_design():
    """The columns are the base columns and then the two derived ones, in order."""
    assert list(schema.NAMES) == NAMES
    assert list(frames.empty().columns) == NAMES
    assert [column.name for column in schema.TASKS.derived] == ["duration", "window"]
    assert [column.name for column in schema.TASKS.columns if not column.nullable] == ["task_id"]


def test_aws_names_are_those_of_the_api():
    """Each field of the API has its column, and our own keys follow AWS's style."""
    assert {c.aws: c.name for c in schema.TASKS.columns if c.aws} == {
        "taskId": "task_id",
        "taskName": "task_name",
        "logGroupName": "log_group_name",
        "from": "from_time",
        "to": "to_time",
        "destination": "destination",
        "destinationPrefix": "destination_prefix",
        "status.code": "status_code",
        "status.message": "status_message",
        "executionInfo.creationTime": "creation_time",
        "executionInfo.completionTime": "completion_time",
    }
    assert [c.json for c in schema.TASKS.base if not c.aws] == [
        "accountId",
        "region",
        "observedAt",
    ]


@pytest.mark.parametrize(
    ("shape", "table"), [("ExportTask", schema.TASKS), ("LogGroup", schema.LOG_GROUPS)]
)
def test_every_member_of_the_services_model_is_known(shape: str, table: schema.Table):
    """Each member of botocore's model has a column or is listed as ignored."""
    model = botocore.session.get_session().get_service_model("logs")

    def paths(members: dict[str, Any], before: str = "") -> list[str]:
        found = []
        for name, member in members.items():
            inner = member.members if member.type_name == "structure" else {}
            found += paths(inner, f"{before}{name}.") if inner else [before + name]
        return found

    unknown = {
        path
        for path in paths(model.shape_for(shape).members)
        if schema.squeeze(path) not in table.meanings
    }
    assert not unknown
    columns = {column.aws for column in table.columns if column.aws}
    assert not columns & set(table.ignored)
    (answer,) = (
        model.shape_for(name)
        for name in model.shape_names
        if name.startswith("Describe")
        and name.endswith("Response")
        and table.member in model.shape_for(name).members
    )
    assert set(answer.members) == {table.member, "nextToken"}


def test_states_are_those_of_the_service():
    """There are six states, each either active or terminal."""
    assert set(schema.STATES) == {*support.ACTIVE, *support.ENDED}
    model = botocore.session.get_session().get_service_model("logs")
    assert set(schema.STATES) == set(model.shape_for("ExportTaskStatusCode").enum)
    assert schema.ACTIVE_STATES == support.ACTIVE
    assert set(schema.TERMINAL_STATES) == set(support.ENDED)


@given(tables())
def test_dtypes_are_as_the_schema_says(tasks: pd.DataFrame):
    """For any input, each column has its dtype; categories are text, in order, and used."""
    expected = {column.name: column.dtype for column in schema.TASKS.columns}
    assert {name: str(dtype) for name, dtype in tasks.dtypes.items()} == expected
    frames.check(tasks)
    for name in tasks.columns[tasks.dtypes == "category"]:
        categories = tasks[name].cat.categories
        used = {value for value in plain(tasks[name]) if value is not None}
        others = sorted(used - set(schema.STATES)) if name == "status_code" else sorted(used)
        known = list(schema.STATES) if name == "status_code" else []
        assert list(categories) == known + others
        assert categories.dtype == "str"
        assert not tasks[name].cat.ordered
    assert tasks.index.equals(pd.RangeIndex(len(tasks)))


@given(st.lists(rows(), max_size=20))
def test_every_field_arrives(made: list[support.Row]):
    """Each field of each task is in the table unchanged; COMPLETE is read as COMPLETED."""
    for row in made[::2]:
        row["status_code"] = "COMPLETE" if row["status_code"] == "COMPLETED" else row["status_code"]
    tasks = table(*made)
    for row in made:
        row["status_code"] = "COMPLETED" if row["status_code"] == "COMPLETE" else row["status_code"]
    expected = [{"task_id": f"task-{n}", **row} for n, row in enumerate(made)]
    assert rows_of(tasks) == expected


@given(tables(), st.integers(0, 2**32).map(Random))
def test_conform_of_a_table_is_the_table(tasks: pd.DataFrame, random: Random):
    """A table is returned unchanged, whatever the order of its columns."""
    before = tasks.copy(deep=True)
    assert_frame_equal(xs.conform(tasks), tasks)
    columns = random.sample(list(tasks.columns), len(tasks.columns))
    assert_frame_equal(xs.conform(tasks[columns]), tasks)
    assert_frame_equal(tasks, before)


def test_empty_is_a_table():
    """The empty table has every column with its dtype, and no rows."""
    frames.check(frames.empty())
    assert len(frames.empty()) == 0
    assert_frame_equal(xs.conform(frames.empty()), frames.empty())


# The input.


def test_missing_columns_are_filled_and_own_ones_stay():
    """A frame of identifiers is enough; own columns are kept at the end."""
    frame = pd.DataFrame({"colour": ["red"], "task_id": ["a"], "size": [5], ("a", 1): [None]})
    tasks = xs.conform(frame)
    assert list(tasks.columns) == [*NAMES, "colour", "size", ("a", 1)]
    assert tasks[NAMES].drop(columns="task_id").isna().all(axis=None)
    assert_frame_equal(tasks[["colour", "size", ("a", 1)]], frame[["colour", "size", ("a", 1)]])
    assert_frame_equal(xs.conform(tasks), tasks)


@pytest.mark.parametrize(
    "names",
    [
        ["taskId", "logGroupName", "from", "status.code", "executionInfo.creationTime"],
        ["TaskId", "LogGroupName", "From", "Status.Code", "ExecutionInfo.CreationTime"],
        ["TASK_ID", "LOG_GROUP_NAME", "FROM_TIME", "STATUS_CODE", "CREATION_TIME"],
        ["task-id", "log-group-name", "from-time", "status-code", "creation-time"],
        ["taskid", "loggroupname", "from", "status", "creationtime"],
        ["Task ID", "Log group name", "From", "Status", "Creation time"],
        ["taskId", "logGroupName", "from", "status_code", "executionInfo_creationTime"],
    ],
    ids=lambda names: names[0] + " " + names[-1],
)
def test_names_in_any_casing(names: list[str]):
    """Our names and AWS's are known in any casing, nested with a dot or an underscore."""
    frame = pd.DataFrame([["a", "/app", 1, "FAILED", 2]], columns=names)
    expected = table(
        {"task_id": "a", "log_group_name": "/app", "from_time": 1}
        | {"status_code": "FAILED", "creation_time": 2}
    )
    assert_frame_equal(xs.conform(frame), expected)


def test_two_names_of_one_column():
    """Two columns for one fill each other; rows in which they differ are refused."""
    made = {"taskId": ["a", "b", "c"], "task_id": ["a", None, "c"], "to": [5, 6, 7]}
    made |= {"status_code": ["COMPLETED", None, "FAILED"], "Status": ["complete", "x", "RUNNING"]}
    frame = pd.DataFrame(made | {"to_time": ["1970-01-01T00:00:00.005Z", None, None]})
    tasks, reported = conform_quietly(frame)
    assert plain(tasks["task_id"]) == ["a", "b"]
    assert plain(tasks["status_code"]) == ["COMPLETED", "x"]
    assert plain(tasks["to_time"]) == [5, 6]
    assert list(tasks.columns) == NAMES
    assert reported == [("row 2", "status_code and Status differ")]
    groups = pd.DataFrame({"log_group_name": ["a", "b"], "retention": [86_400_000, None]})
    groups = xs.conform(groups.assign(retentionInDays=[1, 2]), of="log_groups")
    assert plain(groups["retention"]) == [86_400_000, 2 * 86_400_000]


def test_derived_columns_are_never_trusted():
    """`duration` and `window` are computed, whatever the frame contains."""
    frame = pd.DataFrame(
        {
            "task_id": ["a"],
            "creation_time": [0],
            "completion_time": [5],
            "duration": [pd.Timedelta("9h")],
            "window": ["for ever"],
        }
    )
    tasks = xs.conform(frame)
    assert plain(tasks["duration"]) == [5]
    assert plain(tasks["window"]) == [None]


@given(tables())
def test_lengths_are_differences(tasks: pd.DataFrame):
    """Duration is completion - creation, window is to - from + 1 ms, else NaT."""
    for row, duration, window in zip(
        rows_of(tasks), plain(tasks["duration"]), plain(tasks["window"]), strict=True
    ):
        assert duration == support.duration_of(row)
        start, end = row["from_time"], row["to_time"]
        known = start is not None and end is not None and start <= end
        assert window == (end - start + 1 if known else None)


@pytest.mark.parametrize(
    ("start", "end", "duration", "window"),
    [
        (0, 0, 0, 1),
        (5, 4, None, None),
        (FIRST, LAST, LAST - FIRST, LAST - FIRST + 1),
        (LAST, LAST, 0, 1),
        (LAST, FIRST, None, None),
        (None, 5, None, None),
        (5, None, None, None),
    ],
)
def test_lengths_at_the_ends(
    start: int | None, end: int | None, duration: int | None, window: int | None
):
    """A length is exact over the whole range of times, and missing if negative."""
    task = {"creation_time": start, "completion_time": end, "from_time": start, "to_time": end}
    tasks = table(task, {})
    assert plain(tasks["duration"]) == [duration, None]
    assert plain(tasks["window"]) == [window, None]


@given(st.lists(st.one_of(st.none(), st.integers(-MOST, MOST), st.sampled_from([-1, LAST + 1]))))
def test_times_are_bounded_once(values: list[int | None]):
    """Outside of 1970 to 2999, window times are clipped and others missing; each is reported."""
    frame = support.frame([dict.fromkeys(support.TIMES, value) for value in values])
    tasks, reported = conform_quietly(frame)
    out = [row for row, value in enumerate(values) if value is not None]
    out = [row for row in out if not FIRST <= values[row] <= LAST]
    for name in support.TIMES:
        cut = name in ("from_time", "to_time")
        expected = [
            value
            if value is None or FIRST <= value <= LAST
            else (min(max(value, FIRST), LAST) if cut else None)
            for value in values
        ]
        assert plain(tasks[name]) == expected
    assert sorted({place for place, _ in reported}) == sorted(f"row {row}" for row in out)
    assert len(reported) == len(out) * len(support.TIMES)


def test_a_changed_time_is_a_warning():
    """A warning has the value, its place and the change; no row was left out."""
    with pytest.warns(BadRowsWarning) as caught:
        table({"to_time": LAST + 1, "creation_time": -1}, {})
    (warning,) = caught
    assert not warning.message.partial
    assert str(warning.message) == (
        "1 x to_time is after 2999: set to that bound (row 0); "
        "1 x creation_time is before 1970: set to missing (row 0); all of them were kept"
    )


def test_times_in_another_unit_are_noticed():
    """One warning says which times look like another unit, with the remedy."""
    made = {"task_id": ["a", "b"], "creation_time": [1715920300, 1437652800000]}
    frame = pd.DataFrame(made | {"completion_time": [1715920312, None]})
    says = r'look like seconds.*1 of creation_time, 1 of completion_time.*times_in="s"'
    with pytest.warns(UnusedWarning, match=says) as caught:
        xs.conform(frame)
    assert len(caught) == 1
    assert caught[0].message.partial
    assert plain(xs.conform(frame.iloc[:1], times_in="s")["duration"]) == [12_000]
    naive = pd.DataFrame({"task_id": ["a"], "creation_time": pd.to_datetime(["2026-11-23 07:00"])})
    assert plain(xs.conform(naive, times_in="Europe/Berlin")["creation_time"]) == [SEEN]
    early = pd.to_datetime([START // 1000], unit="ms", utc=True)
    aware = pd.DataFrame({"task_id": ["a"], "to_time": early})
    assert plain(xs.conform(aware)["to_time"]) == [START // 1000]  # aware times are not affected


def test_unknown_states_become_categories():
    """Known states are read in any casing; unknown ones are categories after the six."""
    tasks = table(
        {"status_code": "active"},
        {"status_code": "PAUSED"},
        {"status_code": "COMPLETE"},
        {},
        {"status_code": "Pending_Cancel"},
        {"status_code": "pendingCancel"},
        {"status_code": "failed"},
    )
    assert plain(tasks["status_code"]) == [
        *("active", "PAUSED", "COMPLETED", None, "PENDING_CANCEL", "PENDING_CANCEL", "FAILED")
    ]
    assert list(tasks["status_code"].cat.categories) == [*schema.STATES, "PAUSED", "active"]


def test_categories_that_are_ordered_or_unused():
    """An ordered categorical, or one with unused categories, is read like text."""
    states = pd.CategoricalDtype(["ODD", "COMPLETED", "COMPLETE", "unused"], ordered=True)
    regions = pd.CategoricalDtype(["us-east-1", "eu-west-1", "unused"], ordered=True)
    text = pd.DataFrame(
        {
            "task_id": list("abcd"),
            "region": ["eu-west-1", "us-east-1", None, "eu-west-1"],
            "status_code": ["COMPLETE", "ODD", None, "COMPLETED"],
        }
    )
    typed = text.astype({"region": regions, "status_code": states, "task_id": "category"})
    assert_frame_equal(xs.conform(typed), xs.conform(text))


def test_row_labels_mean_nothing():
    """Row labels of any kind are ignored and not kept."""
    frame = pd.DataFrame({"task_id": ["a", "b"], "creation_time": [1, 2]}, index=["x", "x"])
    assert_frame_equal(xs.conform(frame), xs.conform(frame.reset_index(drop=True)))


def test_the_two_frames_share_nothing():
    """Changes of the table do not affect the caller's frame, and vice versa."""
    frame = pd.DataFrame(
        {
            "task_id": pd.Series(["a", "b"], dtype="str"),
            "region": pd.Categorical(["x", "y"]),
            "creation_time": pd.to_datetime([1, 2], unit="ms", utc=True).as_unit("ms"),
        }
    )
    later = pd.Timestamp(9, unit="ms", tz="UTC")
    before = frame.copy(deep=True)
    tasks = xs.conform(frame)
    kept = tasks.copy(deep=True)
    tasks.loc[0, ["task_id", "region", "creation_time"]] = ["z", "y", later]
    assert_frame_equal(frame, before)
    tasks = xs.conform(frame)
    frame.loc[0, ["task_id", "region", "creation_time"]] = ["z", "y", later]
    assert_frame_equal(tasks, kept)


# Frames of other libraries.

LARGE = LAST - 1


def test_polars():
    """A Polars frame is read with its times, categories, and numbers with nulls."""
    frame = pl.DataFrame(
        {
            "task_id": ["a", "b"],
            "region": pl.Series(["eu-west-1", None], dtype=pl.Categorical),
            "account_id": pl.Series(
                ["012345678901", "012345678901"], dtype=pl.Enum(["012345678901"])
            ),
            "from_time": [LARGE, None],
            "to_time": pl.Series([LAST, None], dtype=pl.UInt64),
            "creation_time": pl.Series(
                [dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC), None],
                dtype=pl.Datetime("us", "Europe/Berlin"),
            ),
            "completion_time": ["2026-11-23T07:30+01:00", None],
            "observed_at": pl.Series([None, None], dtype=pl.Null),
        }
    )
    tasks = xs.conform(frame)
    assert plain(tasks["from_time"]) == [LARGE, None]
    assert plain(tasks["to_time"]) == [LAST, None]
    assert plain(tasks["region"]) == ["eu-west-1", None]
    assert plain(tasks["account_id"]) == ["012345678901"] * 2
    assert plain(tasks["creation_time"]) == [SEEN, None]
    assert plain(tasks["duration"]) == [1_800_000, None]
    frames.check(tasks)


def test_duckdb():
    """A DuckDB relation is read with its TIMESTAMPTZ and its BIGINT with nulls, exactly."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/St_Johns'")
        connection.execute(
            "CREATE TABLE t (task_id TEXT, from_time BIGINT, creation_time TIMESTAMPTZ)"
        )
        connection.execute(
            "INSERT INTO t VALUES ('a', ?, '2026-11-23 06:00:00.123456+00'), ('b', NULL, NULL)",
            [LARGE],
        )
        relation = connection.sql("SELECT *, creation_time::TEXT AS completion_time FROM t")
        tasks = xs.conform(relation)
    assert plain(tasks["from_time"]) == [LARGE, None]
    assert plain(tasks["creation_time"]) == [SEEN + 123, None]
    assert plain(tasks["completion_time"]) == [SEEN + 123, None]


@given(tables())
def test_there_and_back_through_other_libraries(tasks: pd.DataFrame):
    """A table that went through PyArrow or Polars is the same table."""
    arrow = pa.Table.from_pandas(tasks)
    assert_frame_equal(xs.conform(arrow), tasks)
    assert_frame_equal(xs.conform(pl.from_arrow(arrow)), tasks)


def test_arrow_backed_pandas():
    """Arrow-backed pandas columns (`dtype_backend="pyarrow"`) are read."""
    tasks = table(
        {"region": "eu-west-1", "from_time": LARGE, "creation_time": SEEN, "status_code": "FAILED"},
        {"account_id": "012345678901"},
    )
    backed = pa.Table.from_pandas(tasks).to_pandas(types_mapper=pd.ArrowDtype)
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in backed.dtypes)
    assert_frame_equal(xs.conform(backed), tasks)
    numbers = backed.astype({"from_time": pd.ArrowDtype(pa.int64())})
    assert_frame_equal(xs.conform(numbers.set_index(pd.Index([3, 3]))), tasks)
    with pytest.raises(SchemaError, match="region is Int64, not text"):
        xs.conform(backed.assign(region=pd.Series([1, 2], dtype=pd.ArrowDtype(pa.int64()))))
    with pytest.raises(SchemaError, match="have no time zone"):
        xs.conform(
            backed.astype({"creation_time": "datetime64[ms, UTC]"}).assign(
                creation_time=lambda frame: (
                    frame["creation_time"]
                    .dt.tz_localize(None)
                    .astype(pd.ArrowDtype(pa.timestamp("ms")))
                )
            )
        )


def test_pandas_index_in_arrow():
    """A PyArrow table made from a pandas frame with an index keeps its columns."""
    frame = pd.DataFrame({"task_id": ["a"], "from_time": [5]}).set_index("task_id")
    assert plain(xs.conform(pa.Table.from_pandas(frame))["task_id"]) == ["a"]


# Refused input.


def test_large_numbers_of_other_libraries():
    """Numbers beyond 2**53 with nulls are exact, in our columns and own ones."""
    frame = pl.DataFrame({"logGroupName": ["/a", "/b"], "storedBytes": [2**53 + 1, None]})
    frame = frame.with_columns(pl.col("storedBytes").alias("own"))
    groups = xs.conform(frame, of="log_groups")
    assert plain(groups["stored_bytes"]) == plain(groups["own"]) == [2**53 + 1, None]


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
        xs.conform(support.frame([*({name: [5]} for name in NAMES[:14]), {}]))


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


# A task that appears more than once.

TASK = {
    "account_id": "111122223333",
    "region": "eu-west-1",
    "task_id": "a",
    "log_group_name": "/aws/vpc",
    "from_time": 1,
    "to_time": 2,
    "creation_time": START,
}


def again(*answers: dict[str, Any]) -> list[pd.DataFrame]:
    """Return the tables of the same answers in every order."""
    made = [{**TASK, **answer} for answer in answers]
    return [xs.conform(support.frame(order)) for order in permutations(made)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param(
            {"status_code": "RUNNING", "observed_at": SEEN},
            {"status_code": "COMPLETED", "observed_at": SEEN - 5},
            id="ended beats active, whenever that was seen",
        ),
        pytest.param(
            {"status_code": "PAUSED", "observed_at": SEEN},
            {"status_code": "COMPLETE"},
            id="an alias of an ended state has ended",
        ),
        pytest.param(
            {"status_code": "CANCELLED", "observed_at": SEEN - 1},
            {"status_code": "COMPLETED", "observed_at": SEEN},
            id="of two ends the one seen later",
        ),
        pytest.param(
            {"status_code": "RUNNING", "observed_at": SEEN - 1},
            {"status_code": "PENDING", "observed_at": SEEN},
            id="of two active ones the one seen later",
        ),
        pytest.param(
            {"status_code": "RUNNING"},
            {"status_code": "PENDING", "observed_at": 0},
            id="seen at some time beats seen who knows when",
        ),
        pytest.param(
            {"status_code": "PENDING", "observed_at": SEEN},
            {"status_code": "RUNNING", "observed_at": SEEN},
            id="seen together, the one further on",
        ),
        pytest.param({"status_code": None}, {"status_code": "PENDING"}, id="any state beats none"),
        pytest.param(
            {"status_code": "COMPLETED"},
            {"status_code": "COMPLETED", "completion_time": START + 5},
            id="an end that is known beats one that is not",
        ),
        pytest.param(
            {"status_code": "COMPLETED", "completion_time": START + 4},
            {"status_code": "COMPLETED", "completion_time": START + 5},
            id="of two ends the later",
        ),
        pytest.param(
            {"status_code": "PENDING"},
            {"status_code": "PENDING", "task_name": "nightly"},
            id="else the one that says more",
        ),
        pytest.param(
            {"status_code": "FAILED", "status_message": "a"},
            {"status_code": "FAILED", "status_message": "b"},
            id="else by the message, that it does not hang on the order",
        ),
        pytest.param(
            {"status_code": "ODD"}, {"status_code": "PAUSED"}, id="else by an unknown state's name"
        ),
    ],
)
def test_latest_state_is_kept(earlier: dict[str, Any], later: dict[str, Any]):
    """Of two answers about one task the later one is kept, in any order."""
    whole = dict.fromkeys(NAMES[:-2]) | TASK | later
    if whole["status_code"] == "COMPLETE":
        whole["status_code"] = "COMPLETED"
    for tasks in [
        *again(earlier, later),
        xs.conform(support.frame([{**TASK, **each} for each in (earlier, later, earlier)])),
    ]:
        assert rows_of(tasks) == [whole]


def test_missing_field_is_no_contradiction():
    """A field that only one answer has does not make two tasks."""
    for tasks in again(
        {"task_name": None, "status_code": "PENDING"},
        {"task_name": "nightly", "creation_time": None, "status_code": "RUNNING"},
        {"task_name": "nightly", "status_code": "COMPLETED", "completion_time": START + 1},
    ):
        assert plain(tasks["status_code"]) == ["COMPLETED"]
        assert plain(tasks["duration"]) == [1]


@pytest.mark.parametrize(
    "other",
    [
        {"task_name": "other"},
        {"log_group_name": "other"},
        {"from_time": 0},
        {"to_time": 3},
        {"destination": "other"},
        {"destination_prefix": "other"},
        {"creation_time": START + 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_two_tasks_of_one_identifier(other: dict[str, Any]):
    """Tasks that differ in fixed fields are both kept and reported."""
    here = {**TASK, "task_name": "x", "destination": "x", "destination_prefix": "x"}
    frame = support.frame([{"task_id": "z"}, here, {**here, **other}, here])
    tasks, reported = conform_quietly(frame)
    assert len(tasks) == 3
    # of two equal rows, the later one is kept
    assert reported == [
        ("row 2", identity.CONTRADICTION_OF_TASKS),
        ("row 3", identity.CONTRADICTION_OF_TASKS),
    ]
    with pytest.warns(BadRowsWarning, match="all of them were kept"):
        assert len(xs.conform(frame, strict=True)) == 3


@pytest.mark.parametrize("column", ["account_id", "region", "task_id"])
def test_another_key_is_another_task(column: str):
    """One ID in two accounts or regions is two tasks; a missing value counts as one."""
    for value in ("other", None)[: 1 if column == "task_id" else 2]:
        tasks, reported = conform_quietly(support.frame([TASK, {**TASK, column: value}]))
        assert len(tasks) == 2
        assert reported == []
        assert len(xs.conform(support.frame([{**TASK, column: value}] * 3))) == 1


def test_rows_keep_their_order():
    """The kept rows stay in order."""
    made = [{"task_id": name, "observed_at": seen} for seen, name in enumerate("cabcba")]
    tasks = xs.conform(support.frame(made))
    assert plain(tasks["task_id"]) == ["c", "b", "a"]


def keep_latest(made: list[support.Row]) -> list[support.Row]:
    """Keep each task once by the documented rules, in plain Python."""
    kept = []
    for answers in support.by_group(made, schema.KEY).values():
        fixed = (*NAMES[3:5], *NAMES[5:9], "creation_time")
        torn = any(len({answer[name] for answer in answers} - {None}) > 1 for name in fixed)
        tasks = support.by_group(answers, fixed).values() if torn else [answers]
        kept += [max(task, key=lateness) for task in tasks]
    return kept


def lateness(row: support.Row) -> tuple[Any, ...]:
    """Return the sort key of an answer, the most important part first."""

    def known(name: str) -> tuple[bool, Any]:
        return (row[name] is not None, row[name] or 0 if name in support.TIMES else row[name] or "")

    state = "COMPLETED" if row["status_code"] == "COMPLETE" else row["status_code"]
    return (
        state in support.ENDED,
        known("observed_at"),
        schema.STATES.index(state) if state in schema.STATES else -1,
        known("completion_time"),
        (state is not None, state or ""),
        known("status_message"),
        *(known(name) for name in (*NAMES[3:9], "creation_time")),
    )


# Answers about a few tasks, most of them alike.
ANSWERS = st.fixed_dictionaries(
    {
        "task_id": st.sampled_from("ab"),
        "region": st.sampled_from(["x", None]),
        "task_name": st.sampled_from([None, "n", "n", "m"]),
        "creation_time": st.sampled_from([None, 5, 5, 6]),
        "status_code": st.sampled_from([*schema.STATES, "COMPLETE", "PAUSED", "ODD", None]),
        "status_message": st.sampled_from([None, "p", "q"]),
        "observed_at": st.sampled_from([None, 0, 1, 2]),
        "completion_time": st.sampled_from([None, 6, 7]),
    }
)


@given(st.lists(ANSWERS, max_size=8), st.integers(0, 2**32).map(Random))
def test_latest_state_by_the_rules(made: list[support.Row], random: Random):
    """Any answers in any order give the same tasks as the rules in plain Python."""
    expected = keep_latest([{**dict.fromkeys(NAMES[:-2]), **row} for row in made])
    for row in expected:
        row["status_code"] = "COMPLETED" if row["status_code"] == "COMPLETE" else row["status_code"]
    random.shuffle(made)
    tasks, reported = conform_quietly(support.frame(made))

    def in_order(found: list[support.Row]) -> list[str]:
        return sorted(map(repr, found))

    assert in_order(rows_of(tasks)) == in_order(
        [{name: row[name] for name in NAMES[:-2]} for row in expected]
    )
    shared = support.by_group(rows_of(tasks), schema.KEY)
    assert len(reported) == sum(len(tasks) for tasks in shared.values() if len(tasks) > 1)


def test_concat():
    """Concatenated tables have each task once; no tables are the empty table."""
    first = table({**TASK, "status_code": "RUNNING", "observed_at": 1}, {"task_id": "b"})
    second = table({**TASK, "status_code": "COMPLETED", "observed_at": 2}, {"task_id": "c"})
    both = frames.concat([first, second])
    assert plain(both["task_id"]) == ["b", "a", "c"]
    assert plain(both["status_code"]) == [None, "COMPLETED", None]
    frames.check(both)
    assert_frame_equal(frames.concat([]), frames.empty())
    assert_frame_equal(frames.concat([first]), first)
    assert_frame_equal(frames.concat([frames.empty(), first]), first)


@pytest.mark.filterwarnings("ignore::exportstats.errors.AccountUnknownWarning")
@given(st.lists(tables(max_size=6), max_size=3))
def test_concat_gives_a_table(several: list[pd.DataFrame]):
    """Any concatenated tables are the table of all their rows."""
    several = [tasks.assign(task_id=f"{n}-" + tasks["task_id"]) for n, tasks in enumerate(several)]
    both = frames.concat(several)
    frames.check(both)
    assert rows_of(both) == [row for tasks in several for row in rows_of(tasks)]
    assert_frame_equal(both, xs.conform(both))
    assert np.array_equal(both.index, range(len(both)))


def test_frames_of_the_services_answer():
    """A frame that pandas made from the service's list, with objects in columns, is read."""
    info = {"creationTime": START, "completionTime": START + 5}
    answer = [
        {"taskId": "a", "logGroupName": "/app", "from": 1},
        {"taskId": "b", "status": {"code": "COMPLETED", "message": "x"}, "executionInfo": info},
        {"taskId": "c", "status": "FAILED", "own": {"a": 1}},
    ]
    expected = table(
        {"task_id": "a", "log_group_name": "/app", "from_time": 1},
        {"task_id": "b", "status_code": "COMPLETED", "status_message": "x"}
        | {"creation_time": START, "completion_time": START + 5},
        {"task_id": "c", "status_code": "FAILED"},
    )
    frame = pd.DataFrame(answer)
    before = frame.copy(deep=True)
    tasks = xs.conform(frame)
    assert_frame_equal(tasks.drop(columns="own"), expected)
    assert plain(tasks["own"]) == [None, None, {"a": 1}]
    assert_frame_equal(frame, before)
    assert_frame_equal(
        xs.conform(pd.json_normalize(answer[:2])), expected.iloc[:2].pipe(xs.conform)
    )
    nested = pl.DataFrame(answer[1:2])
    assert_frame_equal(xs.conform(nested), expected.iloc[1:2].pipe(xs.conform))
    answer[1]["executionInfo"] = {"creationTime": START // 1000}
    with pytest.warns(UnusedWarning, match="1 of creation_time"):
        xs.conform(pd.DataFrame(answer))
