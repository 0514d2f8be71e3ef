"""Make the evidence beside the tasks of the sample: API calls, incoming data and deliveries.

It has its own seeded generator, so the tasks do not depend on it.
"""

from __future__ import annotations

import json
import uuid
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import planted as world
import truth
from planted import DAY, HOUR, SECOND, at, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from planted import LogGroup, Slot
    from truth import Row

BUSY = "Synthetic: another export task of this account is active"
NOT_ALLOWED = "Synthetic: not authorized to perform logs:CreateExportTask"
ASKED = ("taskName", "logGroupName", "from", "to", "destination", "destinationPrefix")
EVENT_BYTES = 800  # the size of an event
COMPRESSION = 12  # by which S3 has fewer bytes than came in
# The share of a day's bytes in each hour (UTC), in per cent.
HOURS = (2, 2, 2, 2, 2, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6, 6, 5, 5, 5, 4, 4, 3, 3, 2)
Span = tuple[int, int]


class Evidence(NamedTuple):
    """What beside the tasks is known of the last weeks."""

    api_calls: list[Row]
    incoming: list[Row]
    deliveries: list[Row]
    facts: dict[str, Any]


def make_evidence(by_slot: dict[Slot, list[Row]]) -> Evidence:
    """Make the evidence and describe what is planted in it."""
    rng = Random(world.SEED + 1)
    refused, silent = choose_gaps(rng, by_slot)
    incoming = make_incoming(rng, silent)
    calls, prefixed, waited = [], [], 0
    for slot, tasks in by_slot.items():
        for older, task in zip([*tasks[1:], None], tasks, strict=True):
            if truth.created(task) < world.EVIDENCE_FROM:
                break
            prefix = prefix_of(slot, task)
            if prefix and truth.state(task) == "COMPLETED":
                prefixed.append(task)
            calls += list(calls_of(rng, slot, task, prefix))
            if older and truth.created(task) - ended(older) <= 40 * SECOND:
                # it had to wait for the slot
                calls.append(refusal(rng, slot, task, middle(older), prefix))
                waited += 1
        calls += [
            refusal(rng, slot, intended(group, span), busy_after(tasks, group, span))
            for group, span in refused
            if group.slot == slot
        ]
    audit = world.BY_LABEL["audit"]
    calls += [denied(rng, audit.slot, world.OBSERVED_AT - days * DAY) for days in (20, 13, 6)]
    deliveries = [
        delivery(task, incoming, prefix_of(slot, task))
        for slot, tasks in by_slot.items()
        for task in tasks
        if truth.state(task) == "COMPLETED" and truth.created(task) >= world.EVIDENCE_FROM
    ]
    calls.sort(key=lambda call: (call["eventTime"], call["eventID"]))
    facts = {
        "start": iso(world.EVIDENCE_FROM),
        "end": iso(world.OBSERVED_AT),
        "api_calls": len(calls),
        "deliveries": len(deliveries),
        "refused": [span_row(group, span) for group, span in refused],
        "refused_then_created": waited,
        "denied": 3,
        "prefixed": [
            {**group_key(slot_of(by_slot, task), task), "task_id": task["taskId"],
             "start": iso(task["from"]), "end": iso(task["to"] + 1),
             "log_stream_name_prefix": world.STREAM_PREFIX}
            for task in prefixed
        ],
        "silent": [span_row(group, span) for group, span in silent],
        "lost": [
            {"task_id": row["taskId"], "delivered": row["delivered"]}
            for row in deliveries
            if row["delivered"] in world.LOST.values()
        ],
        "doubled": {
            **world.BY_LABEL[world.DOUBLED_LABEL].key,
            "since": iso(world.DOUBLED_SINCE),
            "factor": world.VOLUME_FACTOR,
        },
    }  # fmt: skip
    return Evidence(calls, [*incoming_rows(incoming)], deliveries, facts)


# --- Gaps ----------------------------------------------------------------------------------------


def untried(group: LogGroup, tasks: list[Row]) -> list[Span]:
    """Return the gaps of a log group in the last weeks over which there is no task at all."""
    mine = [task for task in tasks if task["logGroupName"] == group.name]
    last = at(world.LAST_NIGHT) + DAY
    pieces = truth.cut(mine, world.EVIDENCE_FROM + DAY, last)
    gaps = truth.merge(
        (left, right, None)
        for left, right, inside in pieces
        if not any(truth.state(task) == "COMPLETED" for task in inside)
    )
    return [
        (left, right)
        for left, right, _ in gaps
        if left > world.EVIDENCE_FROM + DAY
        and right < last
        and not any(task["from"] < right and left <= task["to"] for task in mine)
    ]


def choose_gaps(
    rng: Random, by_slot: dict[Slot, list[Row]]
) -> tuple[list[tuple[LogGroup, Span]], list[tuple[LogGroup, Span]]]:
    """Return the gaps whose export was refused, and those in which nothing came in."""
    refused = [(group, (night, night + DAY)) for group, night in world.listed(world.REFUSED)]
    silent = [(group, (night, night + DAY)) for group, night in world.listed(world.SILENT)]
    for label, many in world.REFUSED_BY_HAND.items():
        group = world.BY_LABEL[label]
        gaps = untried(group, by_slot[group.slot])
        kept_since = world.OBSERVED_AT - (group.retention_days or 0) * DAY
        chosen = rng.sample([gap for gap in gaps if gap[0] >= kept_since], many)
        refused += [(group, gap) for gap in sorted(chosen)]
        rest = [gap for gap in gaps if gap not in chosen and gap[1] - gap[0] >= 6 * HOUR]
        silent += [(group, gap) for gap in sorted(rng.sample(rest, world.SILENT_BY_HAND[label]))]
    return refused, silent


def span_row(group: LogGroup, span: Span) -> Row:
    """Return an interval of a log group as a row of `planted.json`."""
    return {**group.key, "start": iso(span[0]), "end": iso(span[1])}


# --- Incoming data -------------------------------------------------------------------------------

Hours = dict["LogGroup", dict[int, int]]


def coarse(number: float) -> int:
    """Round to two digits, so that the file stays small."""
    return max(int(float(f"{number:.1e}")), 1)


def make_incoming(rng: Random, silent: list[tuple[LogGroup, Span]]) -> Hours:
    """Return the bytes that each log group took in, by the start of the hour."""
    quiet = {
        (group, hour)
        for group, (start, end) in silent
        for hour in range(start - start % HOUR, end + HOUR, HOUR)
    }
    found: Hours = {}
    for group in world.LOG_GROUPS:
        of_day = group.stored_bytes / (group.retention_days or 365)
        bytes_ = found[group] = {}
        for day in range(world.EVIDENCE_FROM, world.OBSERVED_AT, DAY):
            level = of_day * rng.choice((0.9, 0.95, 1, 1, 1.05, 1.1))
            if group.label == world.DOUBLED_LABEL and day < world.DOUBLED_SINCE:
                level /= world.VOLUME_FACTOR
            for number, share in enumerate(HOURS):
                if (hour := day + number * HOUR) < world.OBSERVED_AT:
                    is_quiet = (group, hour) in quiet
                    bytes_[hour] = 0 if is_quiet else coarse(level * share / 100)
    return found


def incoming_rows(incoming: Hours) -> Iterator[Row]:
    """Yield the hours of each log group as rows of the table of incoming data."""
    for group, hours in incoming.items():
        for hour, bytes_ in hours.items():
            yield {
                **group.key,
                "start": iso(hour),
                "periodInSeconds": 3600,
                "incoming_bytes": bytes_,
                "incoming_events": bytes_ and coarse(bytes_ / EVENT_BYTES),
            }


# --- API calls -----------------------------------------------------------------------------------


def ended(task: Row) -> int:
    """Return when a task ended, or when it was observed."""
    time: int = task["executionInfo"].get("completionTime", world.OBSERVED_AT)
    return time


def middle(task: Row) -> int:
    """Return an instant at which a task was active."""
    return (truth.created(task) + ended(task)) // 2


def slot_of(by_slot: Iterable[Slot], task: Row) -> Slot:
    """Return the slot of a task."""
    where = task["accountId"], task["region"]
    return next(slot for slot in by_slot if (slot.account_id, slot.region) == where)


def group_key(slot: Slot, task: Row) -> Row:
    """Return the log group of a task, as `planted.json` has it."""
    return {
        "account_id": slot.account_id,
        "region": slot.region,
        "log_group_name": task["logGroupName"],
    }


def prefix_of(slot: Slot, task: Row) -> str | None:
    """Return the stream prefix of a task."""
    group = world.BY_LABEL[world.PREFIXED_LABEL]
    mine = (slot, task["logGroupName"]) == (group.slot, group.name)
    return world.STREAM_PREFIX if mine and task["from"] in world.PREFIXED_NIGHTS else None


def intended(group: LogGroup, span: Span) -> Row:
    """Return an export that never became a task, in the shape of one."""
    kind = "adhoc" if group.runs_after is None else "nightly"
    return {
        "taskName": f"{kind}-{group.label}-{iso(span[0])[:10]}",
        "logGroupName": group.name,
        "from": span[0],
        "to": span[1] - 1,
        "destination": group.slot.bucket,
        "destinationPrefix": group.prefix,
    }


def busy_after(tasks: list[Row], group: LogGroup, span: Span) -> int:
    """Return an instant after the due time of an export at which another task was active."""
    due = span[1] + int(group.runs_after or 13 * HOUR)
    later = [
        task
        for task in tasks
        if truth.created(task) >= due and ended(task) - truth.created(task) >= 30 * SECOND
    ]
    return middle(min(later, key=truth.created))


def caller(rng: Random, slot: Slot, task: Row) -> tuple[Row, str]:
    """Return the `userIdentity` and the `userAgent` of the call for an export."""
    name = str(task.get("taskName", "adhoc"))
    if name.startswith("nightly-"):
        return role(slot, "acme-log-exporter", "nightly"), "Boto3/1.42.10"
    if name.startswith(("rerun-", "again-")):
        return role(slot, "acme-operators", rng.choice(("ann", "ben"))), "aws-cli/2.31.0"
    if slot == world.ACME_EU:
        arn = f"arn:aws:iam::{slot.account_id}:user/fraud-analyst"
        user = {"type": "IAMUser", "arn": arn, "accountId": slot.account_id}
        return user | {"userName": "fraud-analyst"}, "aws-cli/2.31.0"
    return role(slot, "acme-ml", "notebook"), "Boto3/1.42.10"


def role(slot: Slot, name: str, session: str) -> Row:
    """Return the `userIdentity` of a session of a role."""
    account = slot.account_id
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{account}:role/{name}", "userName": name}
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        "accountId": account,
        "sessionContext": {"sessionIssuer": issuer},
    }


def record(rng: Random, slot: Slot, time: int, who: tuple[Row, str], **more: object) -> Row:
    """Return the record of a call as CloudTrail writes it."""
    return {
        "eventVersion": "1.11",
        "userIdentity": who[0],
        "eventTime": iso(time)[:-5] + "Z",
        "eventSource": "logs.amazonaws.com",
        "eventName": "CreateExportTask",
        "awsRegion": slot.region,
        "userAgent": who[1],
        "eventID": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "eventType": "AwsApiCall",
        "recipientAccountId": slot.account_id,
        **more,
    }


def parameters(task: Row, prefix: str | None) -> Row:
    """Return the `requestParameters` of the call for an export."""
    asked = {name: task[name] for name in ASKED if name in task}
    return asked | ({"logStreamNamePrefix": prefix} if prefix else {})


def calls_of(rng: Random, slot: Slot, task: Row, prefix: str | None) -> Iterator[Row]:
    """Yield the call that created a task, and the one that cancelled it."""
    task_id = {"taskId": task["taskId"]}
    asked, who = parameters(task, prefix), caller(rng, slot, task)
    created = truth.created(task)
    yield record(rng, slot, created, who, requestParameters=asked, responseElements=task_id)
    if truth.state(task) in {"CANCELLED", "PENDING_CANCEL"}:
        who = role(slot, "acme-operators", "ben"), "aws-cli/2.31.0"
        time = max(ended(task) - 5 * SECOND, created)
        yield record(
            rng, slot, time, who, eventName="CancelExportTask", requestParameters=task_id,
            responseElements=None,
        )  # fmt: skip


def refusal(rng: Random, slot: Slot, task: Row, time: int, prefix: str | None = None) -> Row:
    """Return the call for an export that was refused, because another task was active."""
    return record(
        rng, slot, time, caller(rng, slot, task), requestParameters=parameters(task, prefix),
        responseElements=None, errorCode="LimitExceededException", errorMessage=BUSY,
    )  # fmt: skip


def denied(rng: Random, slot: Slot, time: int) -> Row:
    """Return a call that was refused before its parameters were recorded."""
    who = role(slot, "acme-auditors", "eve"), "aws-cli/2.31.0"
    return record(
        rng, slot, time, who, requestParameters=None, responseElements=None,
        errorCode="AccessDenied", errorMessage=NOT_ALLOWED,
    )  # fmt: skip


# --- Deliveries ----------------------------------------------------------------------------------


def delivery(task: Row, incoming: Hours, prefix: str | None) -> Row:
    """Return what a COMPLETED task left in S3; each log stream had events in each window."""
    group = next(
        group
        for group in world.LOG_GROUPS
        if (group.slot.account_id, group.slot.region, group.name)
        == (task["accountId"], task["region"], task["logGroupName"])
    )
    night = group.label, iso(task["from"])[:10]
    delivered = world.LOST.get(night, "yes")
    hours = range(task["from"], task["to"] + 1, HOUR)
    came = sum(incoming[group].get(hour, 0) for hour in hours)
    bytes_ = coarse(came / COMPRESSION) if delivered == "yes" else 0
    there = [name for name in world.STREAMS if bytes_ and name.startswith(prefix or "")]
    missing = [name for name in world.STREAMS if name not in there]
    names = {"missingStreamNames": ":".join(missing)} if missing else {}
    return {
        "accountId": task["accountId"],
        "region": task["region"],
        "taskId": task["taskId"],
        "destination": task["destination"],
        "prefix": f"{task['destinationPrefix']}/{task['taskId']}/",
        "objects": bytes_ and coarse(1 + bytes_ / 1e8),
        "bytes": bytes_,
        "streams": len(there),
        "delivered": "partial" if there and missing else delivered,
        "missingStreams": len(missing),
        **names,
        "possiblyMissingStreams": 0,
        "observedAt": world.OBSERVED_AT,
    }


# --- What is written -----------------------------------------------------------------------------


def as_json_lines(rows: list[Row]) -> str:
    """Return rows as lines of JSON."""
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def as_csv(rows: list[Row]) -> str:
    """Return rows without commas in their values as CSV."""
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    return "\n".join(lines) + "\n"
