"""The log streams that are missing in a delivery: moto's S3, and the emulator's log streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from test_deliveries import fill, make_tasks

import exportstats as xs
from exportstats.aws.streams import Streams, find_missing, in_key
from exportstats.core import frames, schema
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT, OTHER, REGION = "111122223333", "444455556666", "us-east-1"
WINDOW = (1000, 1999)
COUNTS = ["missing_streams", "possibly_missing_streams"]
NAMES = ["missing_stream_names", "possibly_missing_stream_names"]


def stream(name: str, first: int | None, last: int | None, **more: object) -> dict[str, Any]:
    """Return a log stream of /app with the times of its first and last event."""
    times = {"firstEventTimestamp": first, "lastEventTimestamp": last}
    place = {"accountId": ACCOUNT, "region": REGION, "logGroupName": "/app"}
    return {**place, "logStreamName": name, **times, **more}


def task(**more: object) -> dict[str, Any]:
    """Return a task that exported the window of /app."""
    window = {"from_time": WINDOW[0], "to_time": WINDOW[1]}
    return {"account_id": ACCOUNT, "log_group_name": "/app", **window, **more}


def keys(task_id: str, *streams: str) -> dict[str, int]:
    """Return the objects of a task, as the service names them."""
    return {f"exportedlogs/{task_id}/{in_key(name)}/000000.gz": 9 for name in streams}


@pytest.fixture
def look(moto: str) -> Callable[..., pd.DataFrame]:
    """Return a function that checks deliveries, with the streams of an emulator."""

    def check(tasks: pd.DataFrame, emulator: Emulator, **more: Any) -> pd.DataFrame:  # noqa: ANN401
        session = boto3.Session(ACCOUNT, "made-up", region_name=REGION)
        places = {"endpoint_url": moto, "logs_endpoint_url": emulator.url}
        found = xs.fetch_deliveries(tasks, streams=True, session=session, **places, **more)
        frames.check(found, schema.DELIVERIES)
        return found.set_index("task_id")

    return check


STREAMS = [
    stream("before", 0, 999),
    stream("first/inside", 1999, 5000),
    stream("last-inside", 0, 1000),
    stream("around", 999, 2000),
    stream("after", 2000, 3000),
    stream("never", None, None),
    stream("2026/10/01/[$LATEST]0a", 1200, 1300),
]


def test_streams_that_are_missing_are_named(look: Callable[..., pd.DataFrame], moto: str):
    """A stream with an event in the window for certain makes a delivery partial."""
    every = ("first/inside", "last-inside", "around", "2026/10/01/[$LATEST]0a")
    objects = keys("whole", *every) | keys("two", "last-inside", "around")
    objects |= keys("certain", *(name for name in every if name != "around"))
    fill(moto, "bucket", objects | {"exportedlogs/aws-logs-write-test": 27})
    tasks = make_tasks(whole=task(), two=task(), certain=task(), empty=task())
    with Emulator(log_streams=STREAMS) as emulator:
        found = look(tasks, emulator)
    assert found["delivered"].to_dict() == {
        "whole": "yes", "two": "partial", "certain": "yes", "empty": "empty",
    }  # fmt: skip
    assert found["streams"].to_list() == [4, 2, 3, 0]
    assert found[COUNTS].to_numpy().tolist() == [[0, 0], [2, 0], [0, 1], [3, 1]]
    names = found[NAMES].astype(object).where(found[NAMES].notna(), None).to_numpy().tolist()
    assert names[:3] == [
        [None, None], ["2026/10/01/[$LATEST]0a:first/inside", None], [None, "around"]
    ]  # fmt: skip
    assert found["reason"].isna().all()


def test_a_log_group_is_asked_once(look: Callable[..., pd.DataFrame], moto: str):
    """120 streams are three pages, however many tasks of the log group there are."""
    streams = [stream(f"{number:03}", 1000, 1000) for number in range(120)]
    tasks = make_tasks(**{f"t{n}": task(from_time=n, to_time=n + 1000) for n in range(5)})
    fill(moto, "bucket", keys("t1", "000", "001"))
    with Emulator(log_streams=streams) as emulator:
        found = look(tasks, emulator)
        asked = [one for one in emulator.requests if one.operation == "DescribeLogStreams"]
    assert len(asked) == 3
    assert found["missing_streams"].to_list() == [120, 118, 120, 120, 120]
    assert found.loc["t1", "missing_stream_names"].split(":") == [
        f"{n:03}" for n in range(2, 22)
    ], "only the first twenty are named"


def test_what_cannot_be_looked_at_only_weakens_the_answer(
    look: Callable[..., pd.DataFrame], moto: str
):
    """A deleted or denied log group, another account, or a task without a window has a reason."""
    tasks = make_tasks(
        a=task(),
        b=task(log_group_name="/deleted"),
        c=task(account_id=OTHER),
        d=task(to_time=None),
        e=task(log_group_name=None),
        f=task(region="eu-west-1"),
    )
    fill(moto, "bucket", {key: 1 for name in "abcde" for key in keys(name, "s")})
    faults = [Fault("deny", operation="DescribeLogStreams", region="eu-west-1")]
    everywhere = [stream("s", 1500, 1500), stream("s", 1500, 1500, region="eu-west-1")]
    with Emulator(log_streams=everywhere, faults=faults) as emulator:
        found = look(tasks, emulator)
    assert found["delivered"].to_list() == [*["yes"] * 5, "gone"]
    assert found["missing_streams"].notna().to_list() == [True, *[False] * 5]
    for name, reason in {
        "b": "ResourceNotFoundException: The specified log group does not exist",
        "c": f"the credentials are for the account {ACCOUNT}, not {OTHER}",
        "d": "the task has no window",
        "e": "the task has no log group",
        "f": "AccessDeniedException: ",
    }.items():
        assert found.loc[name, "reason"].startswith(f"streams were not looked at: {reason}")


def test_targets_say_whose_log_groups_to_ask_for(look: Callable[..., pd.DataFrame], moto: str):
    """Without a target of the account nothing is asked, and two for one log group are ambiguous."""
    fill(moto, "bucket", keys("a", "s"))
    with Emulator(log_streams=[stream("s", 1500, 1500)]) as emulator:
        found = look(make_tasks(a=task()), emulator, targets=[xs.Target(region="eu-west-1")])
        assert "no target is for its account and region" in found.loc["a", "reason"]
        targets = [xs.Target(region=REGION), xs.Target(region="eu-west-1")]
        unplaced = make_tasks(a=task(account_id=None))
        assert look(unplaced, emulator, targets=targets).loc["a", "missing_streams"] == 0
        unplaced = unplaced.assign(region=pd.Categorical([None]))
        reason = look(unplaced, emulator, targets=targets).loc["a", "reason"]
    assert "several targets may be for its log group" in reason


def test_without_streams_nothing_is_asked(moto: str):
    """The counts are missing, and the streams with objects are counted."""
    fill(moto, "bucket", keys("a", "x", "y"))
    session = boto3.Session(ACCOUNT, "made-up", region_name=REGION)
    [row] = xs.fetch_deliveries(
        make_tasks(a=task()), session=session, endpoint_url=moto
    ).itertuples()
    assert (row.delivered, row.streams) == ("yes", 2)
    assert pd.isna(row.missing_streams)
    assert pd.isna(row.reason)


def test_keys_that_several_streams_may_have_written():
    """`a/b` and `a-b` have the same key; an unknown character is not said to be missing."""
    both = Streams.of([("a/b", 1500, 1500), ("a-b", 1500, 1500), ("ü", 1500, 1500)])
    assert find_missing({"a-b"}, both, WINDOW) == ((0, None), (3, "a-b:a/b:ü"))
    assert find_missing({"ü"}, both, WINDOW) == ((2, "a-b:a/b"), (0, None))


CHARACTERS = st.text("ab/-ü", min_size=1, max_size=3)


@given(
    st.dictionaries(CHARACTERS, st.lists(st.integers(0, 9), min_size=1, max_size=3), max_size=6),
    st.sets(CHARACTERS),
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted),
)
def test_what_is_certain_and_what_is_possible(
    events: dict[str, list[int]], lost: set[str], window: list[int]
):
    """A missing stream had an event and has no objects; none that lacks events is unnoticed."""
    first, last = window
    inside = {name for name, times in events.items() if any(first <= t <= last for t in times)}
    written = inside - lost
    streams = Streams.of((name, min(times), max(times)) for name, times in events.items())
    missing = find_missing({in_key(name) for name in written}, streams, (first, last))
    certain, possible = (set((names or "").split(":")) - {""} for _, names in missing)
    assert [many for many, _ in missing] == [len(certain), len(possible)]
    assert certain <= inside - written
    assert inside - written <= certain | possible
    assert not certain & possible
    if not possible - inside and not any("ü" in name or "/" in name for name in events):
        assert certain | possible == inside - written


def test_no_stream_is_in_no_window():
    """A log group without streams has nothing to deliver."""
    nothing = Streams.of([])
    assert nothing.first.dtype == np.int64
    assert find_missing(set(), nothing, WINDOW) == ((0, None), (0, None))
