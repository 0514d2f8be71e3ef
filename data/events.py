"""Make a small world in which every log event is known: four log groups and one week.

Its tasks, API calls, incoming data, log streams and S3 objects follow from the events and from what
went wrong, so what reached S3 is known to the event. It is seeded, and moved to any week, because
CloudTrail answers for the last 90 days only. It needs only the standard library.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import evidence
from planted import ACME_EU, DAY, HOUR, MINUTE, SECOND, iso

Row = dict[str, Any]

DAYS = 7  # of the range in which all is known; the eighth day is not exported yet
SEED = 20261127
STREAMS = ("blue-1", "blue-2", "green-1")
LATEST = 40 * MINUTE  # by which an event comes in after its time
TAKES = 5 * MINUTE  # the duration of each task
COMPRESSION = 12
API, WEB, BATCH, JOBS = GROUPS = ("acme/api", "acme/web", "acme/batch", "acme/jobs")
EXPORTER = evidence.role(ACME_EU, "acme-log-exporter", "nightly"), "Boto3/1.42.10"
AUDITOR = evidence.role(ACME_EU, "acme-auditors", "eve"), "aws-cli/2.31.0"


class Event(NamedTuple):
    """A log event: its time, when it came in, its stream and its size in bytes."""

    time: int
    came: int
    stream: str
    size: int


class Export(NamedTuple):
    """An export that was asked for, and its outcome; times in hours after the start."""

    group: str
    first: float
    last: float  # half-open
    created: float
    state: str = "COMPLETED"  # "REFUSED" is no task
    prefix: str | None = None
    is_lost: bool = False


def exports() -> list[Export]:
    """List the exports: every night, and what went wrong.

    A refused half of a day, a night that failed and was run again, a task that is COMPLETED and
    left nothing, a silent evening without a task, an evening of which only some streams were
    exported, and one that was exported too early.
    """
    planned = []
    for number, group in enumerate(GROUPS):
        for day in range(DAYS):
            start, created = 24 * day, 24 * day + 37 + number / 2
            halves = {
                (API, 3): [(0, 12, {}), (12, 24, {"state": "REFUSED"})],
                (API, 5): [(0, 16, {}), (16, 24, {"prefix": "blue-"})],
                (WEB, 4): [(0, 12, {}), (12, 24, {"is_lost": True})],
                (BATCH, 1): [(0, 16, {})],
                (JOBS, 4): [(0, 18, {}), (18, 24, {"created": start + 24 + 1 / 12})],
            }.get((group, day), [(0, 24, {})])
            for part, (first, last, more) in enumerate(halves):
                when = {"created": created + part / 4} | more
                planned.append(Export(group, start + first, start + last, **when))
    failed = next(one for one in planned if one[:2] == (WEB, 48))
    planned[planned.index(failed)] = failed._replace(state="FAILED")
    planned.append(failed._replace(created=failed.created + 20))
    refused = next(one for one in planned if one.state == "REFUSED")
    # while the task before it was active
    again = [refused._replace(created=refused.created - 0.25 + 1 / 60 * n) for n in (1, 2, 3)]
    planned[planned.index(refused)] = again[0]
    return sorted([*planned, *again[1:]], key=lambda one: one.created)


@dataclass
class World:
    """The events and what follows from them; the rows are as the emulator takes them."""

    start: int
    events: dict[str, list[Event]]
    in_s3: dict[str, set[Event]]
    windows: dict[str, list[tuple[int, int]]]  # of tasks whose events are in S3
    tasks: list[Row] = field(default_factory=list)
    log_groups: list[Row] = field(default_factory=list)
    log_streams: list[Row] = field(default_factory=list)
    api_calls: list[Row] = field(default_factory=list)
    incoming: list[Row] = field(default_factory=list)
    objects: list[Row] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Return the end of the range in which all is known."""
        return self.start + DAYS * DAY

    def covered(self, group: str) -> set[int]:
        """Return the minutes of the range that were exported with all of their events."""
        minutes = {
            minute for first, last in self.windows[group] for minute in range(first, last, MINUTE)
        }
        return minutes - {one.time - one.time % MINUTE for one in self.missing(group)}

    def missing(self, group: str) -> set[Event]:
        """Return the events of the range that are not in S3."""
        inside = {one for one in self.events[group] if self.start <= one.time < self.end}
        return inside - self.in_s3[group]


def make_world(today: int) -> World:
    """Make the world whose last day is the one before `today`, a midnight in milliseconds."""
    rng = Random(SEED)
    start = today - (DAYS + 1) * DAY
    events = {group: [*make_events(rng, group, start, today)] for group in GROUPS}
    world = World(start, events, {group: set() for group in GROUPS}, {one: [] for one in GROUPS})
    for export in exports():
        run(rng, world, export)
    describe(world, today)
    return world


def make_events(rng: Random, group: str, start: int, today: int) -> list[Event]:
    """Make an event a minute, each in some stream and some time late."""
    made = []
    for minute in range(start - HOUR, today, MINUTE):
        if group == BATCH and start + 39 * HOUR <= minute < start + 49 * HOUR:
            continue  # so that nothing comes in from hour 40 to 49
        time = minute + rng.randrange(MINUTE)
        late = rng.randrange(rng.choice((SECOND, SECOND, SECOND, LATEST)))
        made.append(Event(time, time + late, rng.choice(STREAMS), rng.randint(100, 1900)))
    return made


def run(rng: Random, world: World, export: Export) -> None:
    """Record an export: its API call, and, unless it was refused, its task and its objects."""
    first, last, created = (
        world.start + round(hours * HOUR) for hours in (export.first, export.last, export.created)
    )
    asked: Row = {
        "taskName": f"nightly-{export.group}-{iso(first)[:10]}",
        "logGroupName": export.group,
        "from": first,
        "to": last - 1,
        "destination": ACME_EU.bucket,
        "destinationPrefix": "exportedlogs",
    }
    called = asked | ({"logStreamNamePrefix": export.prefix} if export.prefix else {})
    if export.state == "REFUSED":
        refusal = {"errorCode": "LimitExceededException", "errorMessage": evidence.BUSY}
        world.api_calls.append(
            evidence.record(rng, ACME_EU, created, EXPORTER, requestParameters=called,
                            responseElements=None, **refusal)
        )  # fmt: skip
        return
    task_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    world.api_calls.append(
        evidence.record(rng, ACME_EU, created, EXPORTER, requestParameters=called,
                        responseElements={"taskId": task_id})
    )  # fmt: skip
    world.tasks.append(
        {
            "taskId": task_id,
            **asked,
            "status": {"code": export.state},
            "executionInfo": {"creationTime": created, "completionTime": created + TAKES},
            "accountId": ACME_EU.account_id,
            "region": ACME_EU.region,
        }
    )
    if export.state != "COMPLETED" or export.is_lost:
        return
    taken = [
        event
        for event in world.events[export.group]
        if first <= event.time < last
        and event.came <= created
        and event.stream.startswith(export.prefix or "")
    ]
    world.in_s3[export.group].update(taken)
    world.windows[export.group].append((first, last))
    for stream in dict.fromkeys(event.stream for event in taken):
        size = sum(event.size for event in taken if event.stream == stream)
        key = f"exportedlogs/{task_id}/{stream}/000000.gz"
        world.objects.append({"Bucket": ACME_EU.bucket, "Key": key, "Size": size // COMPRESSION})


def describe(world: World, today: int) -> None:
    """Add the log groups, their streams, and what they took in, as AWS describes them."""
    rng = Random(SEED + 1)
    key = "exportedlogs/aws-logs-write-test"
    world.objects.append({"Bucket": ACME_EU.bucket, "Key": key, "Size": 27})
    world.api_calls += [evidence.denied(rng, ACME_EU, world.start + days * DAY) for days in (2, 4)]
    place = {"accountId": ACME_EU.account_id, "region": ACME_EU.region}
    for group, events in world.events.items():
        name = {"logGroupName": group, **place}
        world.log_groups.append(
            name
            | {
                "creationTime": world.start - DAY,
                "retentionInDays": 30,
                "storedBytes": sum(event.size for event in events),
                "logGroupClass": "STANDARD",
            }
        )
        for stream in STREAMS:
            times = [event.time for event in events if event.stream == stream]
            seen = {"firstEventTimestamp": min(times), "lastEventTimestamp": max(times)}
            made = {"logStreamName": stream, "creationTime": min(times), **seen}
            world.log_streams.append(name | made)
        hours: dict[int, list[int]] = {}
        for event in events:
            hours.setdefault(event.came - event.came % HOUR, []).append(event.size)
        world.incoming += [
            name
            | {
                "start": hour,
                "periodInSeconds": 3600,
                "incomingBytes": sum(sizes),
                "incomingEvents": len(sizes),
            }
            for hour, sizes in sorted(hours.items())
            if hour < today
        ]
