"""Observations in any order are read back as plain Python keeps them, at any instant."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from support import ENDED, FEW, Row, rows_of, table

import exportstats as xs
from exportstats.core import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HOUR = 3_600_000
SLOTS = (("111122223333", "eu-west-1"), ("012345678901", "us-east-1"))
STATES = (*schema.STATES, "PAUSED", None)
Look = list[Row]


def task(number: int) -> Row:
    """Return what never changes of a task; some fields are missing in some tasks."""
    account_id, region = SLOTS[number % 2]
    return {
        "account_id": account_id,
        "region": region,
        "task_id": f"task-{number // 2}",
        "task_name": None if number % 3 else f"name {number}",
        "log_group_name": "/app",
        "creation_time": None if number == 5 else number * HOUR,
    }


@st.composite
def looks(draw: Callable[..., Any]) -> list[Look]:
    """Return looks in order of time; several may be of one instant."""
    found, at = [], 10
    for _ in range(draw(st.integers(0, 6))):
        at += draw(st.integers(0, 2))
        look = []
        for number in draw(st.lists(st.integers(0, 5), unique=True, max_size=4)):
            state = draw(st.sampled_from(STATES))
            ended = at * HOUR if state in ENDED and draw(st.booleans()) else None
            message = draw(st.sampled_from(["one", "two", None]))
            look.append(
                task(number)
                | {"status_code": state, "status_message": message, "completion_time": ended}
                | {"observed_at": at * HOUR}
            )
        found.append(look)
    return found


@st.composite
def lives(draw: Callable[..., Any]) -> list[Look]:
    """Return looks at tasks that go through their states once, in any order of looks."""
    starts = [draw(st.integers(0, 30)) for _ in range(6)]
    found = []
    for at in draw(st.lists(st.integers(10, 40), max_size=6)):
        look = []
        for number in draw(st.lists(st.integers(0, 5), unique=True, max_size=4)):
            step = min(max((at - starts[number]) // 4, 0), 2)
            state = ("PENDING", "RUNNING", ("COMPLETED", "FAILED")[number % 2])[step]
            ended = (starts[number] + 8) * HOUR if step == 2 else None
            look.append(
                task(number)
                | {"status_code": state, "completion_time": ended, "observed_at": at * HOUR}
            )
        found.append(look)
    return found


def known(looks: Iterable[Look], as_of: int) -> dict[Any, set[tuple[Any, ...]]]:
    """Return the possible latest states of each task: ended, else latest, else furthest.

    There are several if two differ at one instant in other ways.
    """
    best: dict[Any, tuple[Any, set[tuple[Any, ...]]]] = {}
    for row in (row for look in looks for row in look if row["observed_at"] <= as_of * HOUR):
        state, completed = row["status_code"], row["completion_time"]
        step = schema.STATES.index(state) if state in schema.STATES else -1
        rank = (state in ENDED, row["observed_at"], step, completed or -1)
        key = tuple(row[name] for name in schema.KEY)
        values = (state, row.get("status_message"), completed)
        if key not in best or rank > best[key][0]:
            best[key] = rank, {values}
        elif rank == best[key][0]:
            best[key][1].add(values)
    return {key: values for key, (_, values) in best.items()}


def assert_kept(archive: xs.Archive, looks: list[Look]) -> None:
    """Compare an archive at each instant with plain Python."""
    for as_of in (9, 10, 11, 13, 16, 24, 60):
        tasks = rows_of(archive.tasks(as_of=f"1970-01-0{1 + as_of // 24}T{as_of % 24:02}:00Z"))
        found = {
            tuple(row[name] for name in schema.KEY): tuple(
                row[name] for name in ("status_code", "status_message", "completion_time")
            )
            for row in tasks
        }
        wanted = known(looks, as_of)
        assert len(found) == len(tasks)
        assert found.keys() == wanted.keys()
        assert all(found[key] in wanted[key] for key in found)


def add(archive: xs.Archive, looks: Iterable[Look]) -> None:
    """Add looks, each by itself."""
    for look in looks:
        archive.add(table(*look))


@pytest.mark.slow
@FEW
@given(looks())
def test_any_sequence_of_looks_is_kept(made: list[Look]):
    """At each instant an archive has the states that plain Python keeps of all looks until then.

    Adding some of them again writes nothing.
    """
    with TemporaryDirectory() as folder:
        archive = xs.Archive(folder)
        archive.add(table())
        add(archive, made)
        assert_kept(archive, made)
        before = sum(map(len, map(archive.history, {f"task-{number}" for number in range(3)})))
        add(archive, made[::2])
        add(archive, made[::-1])
        assert_kept(archive, made)
        after = sum(map(len, map(archive.history, {f"task-{number}" for number in range(3)})))
        assert after == before


@pytest.mark.slow
@FEW
@given(lives())
def test_looks_that_arrive_in_any_order_are_kept(made: list[Look]):
    """Looks that are added later than newer ones are in the answers as of their time."""
    with TemporaryDirectory() as folder:
        archive = xs.Archive(folder)
        archive.add(table())
        add(archive, made)
        assert_kept(archive, made)
