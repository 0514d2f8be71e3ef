"""API calls joined with tasks, against plain Python, whatever the order of the rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import SchemaError

Call = dict[str, Any]
START = 1_795_413_600  # seconds: 2026-11-23T06:00Z
CREATE, CANCEL = schema.CALLS


def table_of(calls: list[Call]) -> pd.DataFrame:
    """Return a table of API calls."""
    columns = [column.name for column in schema.API_CALLS.base]
    rows = pd.DataFrame(
        [{"event_id": f"e{n}", "event_name": CREATE} | call for n, call in enumerate(calls)],
        columns=columns,
        dtype=object,
    )
    return xs.conform(rows, of="api_calls") if calls else frames.empty(schema.API_CALLS)


def tasks_of(keys: list[tuple[str | None, str]]) -> pd.DataFrame:
    """Return tasks with these accounts and task IDs."""
    if not keys:
        return frames.empty()
    rows = [{"account_id": account, "region": "r", "task_id": name} for account, name in keys]
    return xs.conform(pd.DataFrame(rows))


def plain(table: pd.DataFrame) -> list[Call]:
    """Return rows as Python values, times in seconds."""
    return [
        {
            name: int(value.timestamp()) if isinstance(value, pd.Timestamp) else value
            for name, value in row.items()
        }
        for row in table.astype(object).where(table.notna(), None).to_dict("records")
    ]


accounts = st.sampled_from(["111122223333", "444455556666"])
call = st.fixed_dictionaries(
    {
        "account_id": accounts,
        "region": st.just("r"),
        "event_name": st.sampled_from([CREATE, CREATE, CREATE, CANCEL]),
        "event_time": st.none() | st.integers(0, 6).map(lambda n: (START + n) * 1000),
        "log_group_name": st.sampled_from(["/a", "/b", None]),
        "from_time": st.just(0),
        "to_time": st.sampled_from([99, 999]),
        "log_stream_name_prefix": st.sampled_from([None, None, "i"]),
        "error_code": st.sampled_from([None, "LimitExceededException", "AccessDenied"]),
        "task_id": st.none() | st.sampled_from("abc"),
        "principal": st.sampled_from(["ann", "exporter", None]),
    }
)
calls_lists = st.lists(call, max_size=12)


def moment_of(one: Call) -> int:
    """Return when a call was, for sorting; a call without a time comes first."""
    return -1 if one["event_time"] is None else one["event_time"] // 1000


def refusals_of(calls: list[Call]) -> list[Call]:
    """Return what `refused_calls` should, by walking through the calls."""
    in_order = sorted(
        ({**one, "event_id": f"e{n}"} for n, one in enumerate(calls)),
        key=lambda one: (moment_of(one), one["error_code"] is None, one["event_id"]),
    )
    open_rows: dict[Any, Call] = {}
    rows: list[Call] = []
    for one in in_order:
        if one["event_name"] != CREATE:
            continue
        asked = tuple(
            one[name]
            for name in (
                *("account_id", "log_group_name", "from_time", "to_time"),
                "log_stream_name_prefix",
            )
        )
        is_known = one["log_group_name"] is not None
        if one["error_code"] is not None:
            key = asked if is_known else (asked, one["principal"], one["error_code"])
            row = open_rows.get(key)
            if row is None:
                row = open_rows[key] = {"first": one, "tries": 0, "made": None}
                rows.append(row)
            row["last"] = one
            row["tries"] += 1
        elif one["task_id"] is not None and is_known and asked in open_rows:
            row = open_rows.pop(asked)
            row["made"] = one
            row["tries"] += 1
    found = []
    for row in rows:
        first, last, made = row["first"], row["last"], row["made"]
        times = [None if one is None else one["event_time"] for one in (first, last, made)]
        first_time, last_time, created = (None if time is None else time // 1000 for time in times)
        known = first_time is not None and created is not None
        found.append(
            {
                **{
                    name: last[name]
                    for name in (
                        *("account_id", "region", "log_group_name", "log_stream_name_prefix"),
                        *("error_code", "principal"),
                    )
                },
                "to_time": last["to_time"] // 1000,
                "first_time": first_time,
                "last_time": last_time,
                "task_id": made and made["task_id"],
                "creation_time": created,
                "waited": pd.Timedelta(seconds=created - first_time) if known else None,
                "tries": row["tries"],
            }
        )
    return found


def as_set(rows: list[Call]) -> list[str]:
    """Return rows as sorted text."""
    return sorted(str(sorted(row.items(), key=str)) for row in rows)


@given(calls_lists)
def test_refusals_are_those_of_a_walk_through_the_calls(calls: list[Call]) -> None:
    """What was refused, by whom, how often, and what came of it, as plain Python finds it."""
    expected = refusals_of(calls)
    found = xs.refused_calls(table_of(calls))
    names = [*expected[0]] if expected else ["tries"]
    assert as_set(plain(found[names])) == as_set(expected)
    assert found["first_time"].dropna().is_monotonic_increasing
    assert int(found["tries"].sum() - found["task_id"].notna().sum()) == sum(
        one["event_name"] == CREATE and one["error_code"] is not None for one in calls
    )


keys = st.lists(
    st.tuples(accounts | st.none(), st.sampled_from("abcd")),
    max_size=5,
    unique_by=lambda key: key[1],
)


def call_of(calls: list[Call], account: str | None, task_id: str, name: str) -> Call | None:
    """Return the first call about a task that was not refused."""
    about = [one for one in calls if one["task_id"] == task_id]
    if account is None:  # of the only account with a task of this ID
        of = {one["account_id"] for one in about}
        account = of.pop() if len(of) == 1 else None
    fitting = [
        (one["event_time"] is None, one["event_time"] or 0, f"e{calls.index(one)}", one)
        for one in about
        if one["event_name"] == name and one["error_code"] is None and one["account_id"] == account
    ]
    return min(fitting, key=lambda row: row[:3])[3] if fitting else None


@given(st.lists(call, max_size=9, unique_by=str), keys)
def test_tasks_are_annotated_by_their_first_calls(
    calls: list[Call], slots: list[tuple[str | None, str]]
) -> None:
    """Each task has the principals and the prefix of its own calls, and keeps all else."""
    tasks = tasks_of(slots).assign(team="web")
    found = xs.annotate_tasks(tasks, table_of(calls))
    added = ["created_by", "log_stream_name_prefix", "cancelled_by"]
    assert_frame_equal(found.drop(columns=added), tasks)
    expected = []
    for task in plain(tasks):
        account, task_id = task["account_id"], task["task_id"]
        made = call_of(calls, account, task_id, CREATE)
        ended = call_of(calls, account, task_id, CANCEL)
        prefix = made and (made["log_stream_name_prefix"] or "")
        expected.append([made and made["principal"], prefix, ended and ended["principal"]])
    assert [[*row.values()] for row in plain(found[added])] == expected


@given(st.lists(call, max_size=9, unique_by=str), keys)
def test_unlisted_tasks_are_those_of_no_list(
    calls: list[Call], slots: list[tuple[str | None, str]]
) -> None:
    """Each task that a call created is in one of the two tables, and only once in the second."""
    tasks, table = tasks_of(slots), table_of(calls)
    found = xs.unlisted_tasks(tasks, table)
    frames.check(found)
    created = {
        (one["account_id"], one["task_id"])
        for one in calls
        if one["event_name"] == CREATE and one["error_code"] is None and one["task_id"]
    }
    listed = set(slots)
    for account, task_id in slots:
        of = {one["account_id"] for one in calls if one["task_id"] == task_id}
        if account is None and len(of) == 1:
            listed.add((of.pop(), task_id))
    expected = created - listed
    assert sorted(zip(found["account_id"], found["task_id"], strict=True)) == sorted(expected)
    for row in plain(found):
        made = call_of(calls, row["account_id"], row["task_id"], CREATE)
        assert made is not None
        assert row["created_by"] == made["principal"]
        assert row["creation_time"] == (made["event_time"] and made["event_time"] // 1000)
        assert row["status_code"] is None
    assert not len(xs.unlisted_tasks(xs.concat([tasks, found]), table))


@given(calls_lists, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(calls: list[Call], random: Any) -> None:  # noqa: ANN401
    """Shuffled calls, with any index, give the same answers."""
    table = table_of(calls)
    order = list(range(len(table)))
    random.shuffle(order)
    mixed = table.iloc[order].set_axis([7] * len(table))
    tasks = tasks_of([("111122223333", "a"), (None, "b")])
    assert_frame_equal(xs.refused_calls(mixed), xs.refused_calls(table))
    assert_frame_equal(xs.annotate_tasks(tasks, mixed), xs.annotate_tasks(tasks, table))
    assert_frame_equal(xs.unlisted_tasks(tasks, mixed), xs.unlisted_tasks(tasks, table))


def test_annotated_tasks_can_be_grouped() -> None:
    """`by=` takes the added columns, also when there are no calls; they can be added again."""
    tasks = tasks_of([("111122223333", "a"), ("111122223333", "b")])
    made = {"account_id": "111122223333", "region": "r", "task_id": "a", "principal": "ann"}
    found = xs.annotate_tasks(tasks, table_of([made]))
    counts = xs.status_breakdown(xs.conform(found), by="created_by")["tasks"]
    assert counts.groupby("created_by", dropna=False).sum().to_list() == [1, 1]
    nothing = xs.annotate_tasks(found, table_of([]))
    assert nothing[["created_by", "cancelled_by"]].isna().all(axis=None)
    assert len(xs.status_breakdown(nothing, by="log_stream_name_prefix"))


def test_other_tables_are_refused() -> None:
    """Tables in the wrong place are an error that names the function that makes one."""
    tasks = tasks_of([("111122223333", "a")])
    for wrong in (lambda: xs.refused_calls(tasks), lambda: xs.annotate_tasks(tasks, tasks)):
        with pytest.raises(SchemaError, match=r"a table of API calls needs .* xs.fetch_api_calls"):
            wrong()
    with pytest.raises(SchemaError, match="a table of tasks"):
        xs.unlisted_tasks(table_of([]), table_of([]))
