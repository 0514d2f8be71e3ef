"""What is proven is in S3, and what is in S3 is not said to be missing: worlds of single events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from oracle import deliveries_of, log_groups_of, side_table, stamp
from support import START, Row, plain, table

import exportstats as xs
from exportstats.aws.streams import Streams, find_missing, in_key
from exportstats.core import schema
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}
LENGTH = 40  # ms of the range
PERIOD = 4
STREAMS = ("app/1", "app-1", "web/1")  # two of them have the same key in S3
SOURCES = ("api_calls", "deliveries", "incoming", "streams")
_OF_CALL = ("from_time", "to_time", "task_id", "error_code")
RANGE = {"start": stamp(START), "end": stamp(START + LENGTH)}


class Event(NamedTuple):
    """A log event: its time, when it came in, and its stream."""

    time: int
    came: int
    stream: str


@dataclass
class World:
    """Events, tasks, what reached S3, and which of it is known."""

    events: list[Event]
    tasks: list[Row]
    late: int
    refused: list[Row] = field(default_factory=list)
    known: frozenset[str] = frozenset(SOURCES)
    no_call: frozenset[str] = frozenset()
    no_delivery: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()  # streams

    def exported(self, task: Row) -> list[Event]:
        """Return the events that a task wrote to S3."""
        if task["status_code"] != "COMPLETED" or task["lost"]:
            return []
        return [
            event
            for event in self.events
            if task["from_time"] <= event.time <= task["to_time"]
            and event.came <= task["creation_time"]
            and event.stream.startswith(task["prefix"] or "")
            # it cannot be known what was lost of a stream that was deleted
            and event.stream not in task.get("lost_streams", frozenset()) - self.deleted
        ]

    @property
    def in_s3(self) -> set[Event]:
        """Return the events in S3."""
        return {event for task in self.tasks for event in self.exported(task)}

    def delivery(self, task: Row) -> Row:
        """Return what is known of the delivery of a task, as `fetch_deliveries` finds it."""
        exported = self.exported(task)
        delivered = "gone" if task["lost"] else "yes" if exported else "empty"
        if "streams" not in self.known:
            return {"delivered": delivered}
        times: dict[str, list[int]] = {}
        for event in self.events:
            if event.stream not in self.deleted:
                times.setdefault(event.stream, []).append(event.time)
        certain, possible = find_missing(
            {in_key(event.stream) for event in exported},
            Streams.of((name, min(of), max(of)) for name, of in times.items()),
            (task["from_time"], task["to_time"]),
        )
        if certain[0] and delivered == "yes":
            delivered = "partial"
        counts = {"missing_streams": certain[0], "possibly_missing_streams": possible[0]}
        return {"delivered": delivered} | counts

    def arguments(self) -> dict[str, Any]:
        """Return the evidence that is known, and how late events may be."""
        calls = [
            GROUP
            | {
                "event_name": "CreateExportTask",
                "event_id": f"call of {one['task_id']}",
                "event_time": one["creation_time"],
                "log_stream_name_prefix": one["prefix"],
                "principal": f"caller of {one['task_id']}",
                **{
                    name: one.get(name)
                    for name in ("from_time", "to_time", "task_id", "error_code")
                },
            }
            for one in [*self.tasks, *self.refused]
            if one["task_id"] not in self.no_call
        ]
        deliveries = [
            GROUP | {"task_id": task["task_id"]} | self.delivery(task)
            for task in self.tasks
            if task["status_code"] == "COMPLETED" and task["task_id"] not in self.no_delivery
        ]
        starts = range(START - 5 * PERIOD, START + LENGTH + 20 * PERIOD, PERIOD)
        counts = {
            start: sum(start <= event.came < start + PERIOD for event in self.events)
            for start in starts
        }
        incoming = [
            GROUP
            | {"start": start, "period": PERIOD}
            | {"incoming_events": count, "incoming_bytes": 10 * count}
            for start, count in counts.items()
        ]
        made = {
            "api_calls": side_table(calls, schema.API_CALLS.columns),
            "deliveries": deliveries_of(deliveries),
            "incoming": side_table(incoming, schema.INCOMING.columns),
        }
        lengths = {"margin": f"{self.late}ms", "lateness": f"{self.late}ms"}
        return {name: rows for name, rows in made.items() if name in self.known} | lengths

    def table(self) -> pd.DataFrame:
        """Return the table of tasks."""
        hidden = ("prefix", "lost", "lost_streams")
        rows = [{k: v for k, v in task.items() if k not in hidden} for task in self.tasks]
        return table(*(GROUP | row for row in rows))

    def timeline(self) -> pd.DataFrame:
        """Return the timeline."""
        return xs.coverage_timeline(self.table(), **RANGE, **self.arguments())


@st.composite
def worlds(draw: Callable[..., Any]) -> World:
    """Draw a world in which no event is later than is assumed."""
    late = draw(st.integers(0, 6))
    times = st.integers(START - 3, START + LENGTH + 3)
    events = [
        Event(time, time + draw(st.integers(0, max(late - 1, 0))), draw(st.sampled_from(STREAMS)))
        for time in draw(st.lists(times, max_size=12))
    ]
    tasks = []
    for number in range(draw(st.integers(0, 5))):
        first = draw(times)
        last = first + draw(st.integers(0, 20))
        tasks.append(
            {
                "task_id": f"task {number}",
                "from_time": first,
                "to_time": last,
                "creation_time": last + 1 + draw(st.integers(-5, 20)),
                "status_code": draw(st.sampled_from(["COMPLETED"] * 4 + ["FAILED", "RUNNING"])),
                "prefix": draw(st.sampled_from([None, None, None, "app/", "web/1"])),
                "lost": draw(st.sampled_from([False, False, False, True])),
                "lost_streams": draw(st.frozensets(st.sampled_from(STREAMS), max_size=2)),
            }
        )
    ids = [task["task_id"] for task in tasks]
    some = st.frozensets(st.sampled_from(ids)) if ids else st.just(frozenset())
    return World(
        events,
        tasks,
        late,
        known=frozenset(SOURCES) - draw(st.frozensets(st.sampled_from(SOURCES), max_size=2)),
        no_call=draw(some),
        no_delivery=draw(some),
        deleted=draw(st.sampled_from([frozenset(), frozenset(), *map(frozenset, zip(STREAMS))])),
    )


def evidence_at(timeline: pd.DataFrame) -> dict[int, str]:
    """Return the evidence of each millisecond."""
    rows = zip(*(plain(timeline[name]) for name in ("start", "end", "evidence")), strict=True)
    return {time: evidence for start, end, evidence in rows for time in range(start, end)}


@given(worlds())
def test_the_truth_lies_between_the_bounds(world: World):
    """An event at a proven time is in S3, one in S3 is at a covered time, and silence has none."""
    found = evidence_at(world.timeline())
    if not world.tasks:
        return
    assert sorted(found) == [*range(START, START + LENGTH)]
    in_s3 = world.in_s3
    for event in world.events:
        evidence = found.get(event.time)
        if evidence == "proven":
            assert event in in_s3
        if event in in_s3:
            assert evidence in (None, "proven", "claimed", "partial")
        assert evidence != "silent"


@given(worlds(), st.sampled_from(SOURCES))
def test_bounds_with_less_evidence_are_wider(world: World, source: str):
    """Without one source, less is proven and no less is covered at most."""
    less = World(**{**vars(world), "known": world.known - {source}})
    if not world.tasks:
        return
    [more_], [less_] = (
        xs.coverage_summary(one.table(), **RANGE, **one.arguments()).to_dict("records")
        for one in (world, less)
    )
    assert less_["covered_at_least"] <= more_["covered_at_least"]
    assert less_["covered_at_most"] >= more_["covered_at_most"]
    assert more_["covered_at_least"] <= more_["covered_at_most"]


@given(worlds())
def test_the_summary_adds_up_the_timeline(world: World):
    """At least, at most, silent and missing are the sums of the timeline, in total and by day."""
    if not world.tasks:
        return
    at = [*evidence_at(world.timeline()).values()]
    table_, arguments = world.table(), world.arguments()
    [row] = xs.coverage_summary(table_, **RANGE, **arguments).to_dict("records")
    covered = sum(at.count(one) for one in ("proven", "claimed", "partial"))
    assert row["covered_at_least"] == at.count("proven") / LENGTH
    assert row["covered_at_most"] == pytest.approx(covered / LENGTH)
    assert row["partial_fraction"] == at.count("partial") / LENGTH
    assert row["silent_fraction"] == at.count("silent") / LENGTH
    assert row["missing"] == pd.Timedelta(at.count("missing"), "ms")
    by_day = xs.coverage_by_day(table_, **RANGE, **arguments, bound="at_least", tolerance="9ms")
    assert by_day.iloc[0, 0] == pytest.approx(row["covered_at_least"])


@given(worlds())
def test_who_tried_last_is_who_called_for_the_last_task(world: World):
    """If that call is not known, nobody is named."""
    arguments = {name: value for name, value in world.arguments().items() if name != "margin"}
    gaps = xs.find_gaps(world.table(), **RANGE, **arguments)
    is_known = "api_calls" in world.known
    for task_id, tried_by in zip(
        *(plain(gaps[n]) for n in ("last_task_id", "tried_by")), strict=True
    ):
        named = is_known and task_id is not None and task_id not in world.no_call
        assert tried_by == (f"caller of {task_id}" if named else None)


def test_with_all_evidence_the_bounds_meet():
    """Nothing is only claimed if each task has its call, delivery and streams, not premature."""
    events = [Event(time, time, "app/1") for time in range(START, START + LENGTH)]
    whole = {"status_code": "COMPLETED", "prefix": None, "lost": False, "creation_time": START + 99}
    tasks = [
        whole | {"task_id": "a", "from_time": START, "to_time": START + 19},
        whole | {"task_id": "b", "from_time": START + 20, "to_time": START + 29, "lost": True},
        whole | {"task_id": "c", "from_time": START + 30, "to_time": START + 34, "prefix": "app/"},
    ]
    world = World(events, tasks, 0)
    timeline = world.timeline()
    assert plain(timeline["evidence"]) == ["proven", "missing", "partial", "missing"]
    assert plain(timeline["reason"]) == [None, "empty", None, "never_tried"]
    [row] = xs.coverage_summary(world.table(), **RANGE, **world.arguments()).to_dict("records")
    assert (row["covered_at_least"], row["covered_at_most"]) == (0.5, 0.625)


@pytest.mark.parametrize(
    ("times", "lost", "evidence"),
    [
        ({"app/1": [2], "web/1": [3, 30]}, (), "proven"),
        ({"app/1": [2], "web/1": [3, 30]}, ("web/1",), "partial"),
        ({"app/1": [2], "web/1": [-1, 9, 30]}, ("web/1",), "claimed"),
        ({"app/1": [2], "web/1": [-1, 30]}, (), "claimed"),
        ({"app/1": [2], "web/1": [-2, -1]}, (), "proven"),
        ({"app/1": [2], "app-1": [3]}, (), "claimed"),
    ],
)
def test_what_the_streams_say(times: dict[str, list[int]], lost: tuple[str, ...], evidence: str):
    """A missing stream makes a window partial; one that may be missing leaves it claimed."""
    events = [Event(START + t, START + t, name) for name, of in times.items() for t in of]
    task = {"task_id": "a", "from_time": START, "to_time": START + 19, "creation_time": START + 99}
    task |= {"status_code": "COMPLETED", "prefix": None, "lost": False}
    world = World(events, [task | {"lost_streams": frozenset(lost)}], 0)
    found = evidence_at(world.timeline())
    assert {found[START + t] for t in range(20)} == {evidence}


def test_prefixes_that_together_name_all_streams_prove_nothing():
    """A stream that was deleted since may begin with none of them, and its events are not in S3."""
    events = [
        Event(START + at, START + at, name) for at, name in enumerate(("app/1", "web/1", "x"))
    ]
    task = {"from_time": START, "to_time": START + 19, "creation_time": START + 99}
    task |= {"status_code": "COMPLETED", "lost": False}
    tasks = [task | {"task_id": name, "prefix": name} for name in ("app/", "web/")]
    world = World(events, tasks, 0, deleted=frozenset({"x"}))
    assert [world.delivery(one)["missing_streams"] for one in tasks] == [1, 1]
    assert len(world.in_s3) == 2
    assert evidence_at(world.timeline())[START + 2] == "partial"


def test_a_window_in_which_nothing_came_in_is_no_proof():
    """With its delivery, which is empty, the task covers nothing, so less must not prove more."""
    task = {"task_id": "a", "from_time": START, "to_time": START + 3, "creation_time": START + 99}
    task |= {"status_code": "COMPLETED", "prefix": None, "lost": False}
    world = World([Event(START + 10, START + 10, "app/1")], [task], 0)
    assert evidence_at(world.timeline())[START] == "missing"
    world.known = frozenset(SOURCES) - {"deliveries"}
    assert evidence_at(world.timeline())[START] == "claimed"


def refused_world(**fields: object) -> World:
    """Return a world with a task, and a refused call for the time after it."""
    task = {"task_id": "a", "from_time": START, "to_time": START + 19, "creation_time": START + 99}
    task |= {"status_code": "COMPLETED", "prefix": None, "lost": False}
    refused = task | {"task_id": None, "from_time": START + 20, "to_time": START + 29}
    refused |= {"error_code": "LimitExceededException", **fields}
    return World([Event(START, START, "app/1")], [task], 0, [refused], frozenset({"api_calls"}))


def test_a_refused_call_is_the_reason_of_a_gap():
    """It is better than no call, and worse than a task; the gap has its error code."""
    world = refused_world()
    arguments = world.arguments()
    options = RANGE | {name: arguments[name] for name in ("api_calls", "lateness")}
    [gap] = xs.find_gaps(world.table(), **options).to_dict("records")
    assert (gap["reason"], gap["error_code"]) == ("refused", "LimitExceededException")
    assert pd.isna(gap["last_task_id"])
    assert gap["tried_by"] == "caller of None"
    world.tasks.append(
        world.tasks[0]
        | {"task_id": "f", "from_time": START + 25, "to_time": START + 26, "status_code": "FAILED"}
    )
    [gap] = xs.find_gaps(world.table(), **options).to_dict("records")
    assert (gap["reason"], gap["last_task_id"]) == ("failed", "f")
    assert pd.isna(gap["tried_by"]), "its call is not among them"
    assert pd.isna(gap["error_code"])


def test_a_refused_call_of_later_is_not_known_yet():
    """At an earlier instant, the export was never tried."""
    world = refused_world(creation_time=START + 200)
    arguments = world.arguments()
    options = RANGE | {"api_calls": arguments["api_calls"]}
    for as_of, reason in ((199, "never_tried"), (200, "refused")):
        gaps = xs.find_gaps(world.table(), **options, as_of=stamp(START + as_of))
        assert plain(gaps["reason"]) == [reason]


def test_a_refused_call_does_not_add_a_log_group():
    """Its name may be misspelt; listed log groups have gaps anyway."""
    world = refused_world()
    calls = world.arguments()["api_calls"]
    web = calls[calls["error_code"].notna()].assign(log_group_name="acme/web")
    gaps = xs.find_gaps(world.table(), **RANGE, api_calls=web)
    assert gaps["log_group_name"].astype("str").to_list() == ["acme/api"]
    listed = log_groups_of([GROUP | {"log_group_name": "acme/web"}])
    gaps = xs.find_gaps(world.table(), **RANGE, api_calls=web, log_groups=listed)
    assert plain(gaps["reason"]) == ["never_tried", "refused"]


def test_a_bound_that_is_not_valid():
    """The message names the value."""
    with pytest.raises(ArgumentError, match="bound='least'"):
        xs.coverage_by_day(table(GROUP), **RANGE, bound="least")
