"""The columns of a table of tasks are those of the design and of AWS's model."""

from __future__ import annotations

from typing import Any

import botocore.session
import pandas as pd
import pytest
import support
from hypothesis import given, strategies as st
from support import plain, rows, rows_of, table, tables

from exportstats.core import frames, schema

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
