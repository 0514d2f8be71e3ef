"""Make the synthetic sample: a year of export tasks.

The script needs only the standard library. It is seeded and reads no clock, so it always writes the
same bytes. `planted` has the exports and the planted problems; `simulate` turns them into tasks.
This module writes them, after checking that `truth` finds exactly the planted problems.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

import evidence
import planted as world
import simulate
import truth
from planted import DAY, HOUR, WEEK, at, iso, listed, week_of

if TYPE_CHECKING:
    from planted import LogGroup, Slot
    from truth import Interval, Row


def check(is_so: bool, claim: str) -> None:  # noqa: FBT001  # reads as an assertion
    """Stop if a claim about the sample does not hold."""
    if not is_so:
        raise RuntimeError(f"the sample is not as planted: {claim}")


# --- Checks --------------------------------------------------------------------------------------


def check_slot(tasks: list[Row]) -> None:
    """Check that a slot, listed newest first, ran one task at a time and none for too long."""
    next_creation = world.OBSERVED_AT
    for task in tasks:
        creation = truth.created(task)
        end = task["executionInfo"].get("completionTime", world.OBSERVED_AT)
        check(creation <= end <= next_creation, f"{task['taskId']} ends before the next begins")
        check(end - creation <= world.LONGEST_TASK, f"{task['taskId']} takes a day at most")
        next_creation = creation


def check_slowdown(tasks: list[Row]) -> None:
    """Check that the planted factor is in the medians of the completed tasks."""
    durations: dict[bool, list[int]] = {False: [], True: []}
    for task in tasks:
        if truth.state(task) == "COMPLETED":
            times = task["executionInfo"]
            is_late = times["creationTime"] >= world.SLOW_SINCE
            durations[is_late].append(times["completionTime"] - times["creationTime"])
    factor = median(durations[True]) / median(durations[False])
    check(abs(factor / world.SLOW_FACTOR - 1) < world.SLOW_TOLERANCE, f"slower by {factor}")


def planned_gaps(group: LogGroup) -> list[Interval]:
    """Return the planted gaps of a log group, without the nightly minute."""
    reasons = {
        "never_tried": world.MISSED,
        "failed": world.FAILED_FOR_GOOD,
        "cancelled": world.CANCELLED_FOR_GOOD,
    }
    return truth.merge(
        (night, night + DAY, reason)
        for reason, table in reasons.items()
        for of_group, night in listed(table)
        if of_group == group
    )


def planned_minutes(group: LogGroup) -> list[Interval]:
    """Return the gaps of an exporter that ends each day a minute early."""
    lasts = group.night_lasts
    nights = group.nights if lasts < DAY else ()
    return [(night + lasts, night + DAY, "never_tried") for night in nights]


def planned_overlaps(group: LogGroup) -> list[Interval]:
    """Return the planted overlaps of a log group: one more than the extra runs over each hour."""
    hours = Counter(
        hour
        for label, first, last in world.EXTRA_RUNS
        if label == group.label
        for hour in range(at(first), at(last), HOUR)
    )
    return truth.merge((hour, hour + HOUR, extra + 1) for hour, extra in hours.items())


def planned_premature(group: LogGroup) -> list[Interval]:
    """Return what only premature tasks cover: the premature weeks without those exported again."""
    if group.label != world.EARLY_LABEL:
        return []
    again = {hour for start, end, _ in planned_overlaps(group) for hour in range(start, end, HOUR)}
    hours = range(world.EARLY_FROM, world.EARLY_UNTIL, HOUR)
    return truth.merge((hour, hour + HOUR, "premature") for hour in hours if hour not in again)


def rows(group: LogGroup, intervals: list[Interval], value: str | None = None) -> list[Row]:
    """Return intervals as rows of `planted.json`."""
    return [
        {
            **group.key,
            "start": iso(start),
            "end": iso(end),
            **({value: what} if value is not None else {}),
        }
        for start, end, what in intervals
    ]


def premature_rows(group: LogGroup, tasks: list[Row], left: list[Interval]) -> list[Row]:
    """List the premature tasks of a log group, and whether their windows were exported again."""
    return [
        {
            **group.key,
            "task_id": task["taskId"],
            "start": iso(task["from"]),
            "end": iso(task["to"] + 1),
            "created": iso(truth.created(task)),
            "covered_again": not any(a <= task["from"] and task["to"] < b for a, b, _ in left),
        }
        for task in tasks
        if truth.state(task) == "COMPLETED" and truth.is_premature(task, world.LATEST_EVENTS)
    ]


def describe_weeks(tasks: list[Row], intervals: dict[str, list[Interval]]) -> dict[str, Any]:
    """Count what went wrong in each whole ISO week, and name the quietest and the worst."""
    counted = truth.count_troubles(tasks, intervals, DAY)
    kinds = ("failed", "cancelled", *intervals)
    table: list[Row] = []
    for monday in range(world.HISTORY_START, week_of(world.OBSERVED_AT), WEEK):
        counts = counted[truth.iso_week(monday)]
        troubles = {kind: counts[kind] for kind in kinds}
        table.append({
            "iso_week": truth.iso_week(monday), "start": iso(monday), "end": iso(monday + WEEK),
            "tasks": counts["tasks"], **troubles, "troubles": sum(troubles.values()),
        })  # fmt: skip
    ranked = sorted(table, key=lambda week: week["troubles"])
    quietest, second, *_, second_worst, worst = ranked
    check(quietest["troubles"] == 0 < second["troubles"], "one week is quiet, and only one")
    check(worst["troubles"] > second_worst["troubles"], "one week is the worst")
    check(quietest["start"] == iso(world.QUIET_WEEK), "the quiet week is the planted one")
    return {"quietest": quietest["iso_week"], "worst": worst["iso_week"], "all": table}


def describe_outage(tasks: list[Row]) -> dict[str, Any]:
    """Return the tasks that failed in the outage, and those whose windows completed later."""
    start, last = at(world.OUTAGE_NIGHTS[0]), at(world.OUTAGE_NIGHTS[-1])
    of_slot = [
        task
        for task in tasks
        if (task["accountId"], task["region"])
        == (world.OUTAGE_SLOT.account_id, world.OUTAGE_SLOT.region)
        and start <= task["from"] <= last
    ]
    failed = [task for task in of_slot if truth.state(task) == "FAILED"]
    done = {
        (task["logGroupName"], task["from"]) for task in of_slot if truth.state(task) == "COMPLETED"
    }
    rerun = [task for task in failed if (task["logGroupName"], task["from"]) in done]
    return {
        "account_id": world.OUTAGE_SLOT.account_id,
        "region": world.OUTAGE_SLOT.region,
        "log_group_names": sorted({task["logGroupName"] for task in failed}),
        "first_night": world.OUTAGE_NIGHTS[0],
        "last_night": world.OUTAGE_NIGHTS[-1],
        "message": simulate.DENIED,
        "failed_task_ids": [task["taskId"] for task in failed],
        "covered_again_task_ids": [task["taskId"] for task in rerun],
    }


def describe(by_slot: dict[Slot, list[Row]]) -> dict[str, Any]:
    """Return the planted problems, after checking that the tasks have exactly these."""
    tasks = [task for of_slot in by_slot.values() for task in of_slot]
    ranges, gaps, overlaps, premature, early_tasks = [], [], [], [], []
    intervals: dict[str, list[Interval]] = {
        "gap_days": [],
        "overlap_days": [],
        "premature_days": [],
    }
    for of_slot in by_slot.values():
        check_slot(of_slot)
    for group in world.NIGHTLY:
        mine = [task for task in by_slot[group.slot] if task["logGroupName"] == group.name]
        start, end = group.nights[0], group.nights[-1] + DAY
        found = truth.find_coverage(mine, start, end, world.LATEST_EVENTS)
        plan = planned_gaps(group), planned_overlaps(group), planned_premature(group)
        all_gaps = truth.merge([*plan[0], *planned_minutes(group)])
        check(found == (all_gaps, *plan[1:]), f"coverage of {group.label}: {found}")
        if group.label == world.SLOW_LABEL:
            check_slowdown(mine)
        ranges += rows(group, [(start, end, None)])
        gaps += rows(group, plan[0], "reason")
        overlaps += rows(group, plan[1], "depth")
        premature += rows(group, plan[2])
        early_tasks += premature_rows(group, mine, plan[2])
        for kind, of_kind in zip(intervals, plan, strict=True):
            intervals[kind] += of_kind
    minutes = [group for group in world.NIGHTLY if group.night_lasts < DAY]
    stopped = [
        group for group in world.NIGHTLY if at(group.last_night) < at(world.LAST_NIGHT) - DAY
    ]
    return {
        "about": "Synthetic. What is planted in tasks.jsonl.gz; data/README.md explains it.",
        "seed": world.SEED,
        "observed_at": iso(world.OBSERVED_AT),
        "counts": {
            "tasks": len(tasks),
            "by_state": dict(sorted(Counter(map(truth.state, tasks)).items())),
            "by_slot": [
                {"account_id": slot.account_id, "region": slot.region, "tasks": len(of_slot)}
                for slot, of_slot in by_slot.items()
            ],
        },
        "ranges": ranges,
        "slowdown": {
            **world.BY_LABEL[world.SLOW_LABEL].key,
            "since": iso(world.SLOW_SINCE),
            "factor": world.SLOW_FACTOR,
        },
        "outage": describe_outage(tasks),
        "gaps": gaps,
        "nightly_gaps": [
            {
                **group.key,
                "first_night": group.first_night,
                "last_night": group.last_night,
                "start_of_day": iso(group.night_lasts)[11:-1],
                "end_of_day": "24:00:00.000",
                "reason": "never_tried",
            }
            for group in minutes
        ],
        "overlaps": overlaps,
        "premature": {"tasks": early_tasks, "intervals": premature},
        "stopped": [{**group.key, "last_night": group.last_night} for group in stopped],
        "active": [
            {
                "account_id": task["accountId"],
                "region": task["region"],
                "log_group_name": task["logGroupName"],
                "task_id": task["taskId"],
                "state": truth.state(task),
                "created": iso(truth.created(task)),
            }
            for task in tasks
            if "completionTime" not in task["executionInfo"]
        ],
        "weeks": describe_weeks(tasks, intervals),
    }


# --- What is written -----------------------------------------------------------------------------


def log_groups() -> list[Row]:
    """List the log groups as AWS describes them, including those without an export."""
    return [
        {
            "accountId": group.slot.account_id,
            "region": group.slot.region,
            "logGroupName": group.name,
            "creationTime": at(group.created),
            **({"retentionInDays": group.retention_days} if group.retention_days else {}),
            "storedBytes": group.stored_bytes,
            "logGroupClass": group.log_class,
            "observedAt": world.OBSERVED_AT,
        }
        for group in world.LOG_GROUPS
    ]


def write_sample(out: Path) -> dict[str, Any]:
    """Make the sample, write its files, and return the content of `planted.json`."""
    by_slot = simulate.make_tasks(Random(world.SEED))
    beside = evidence.make_evidence(by_slot)
    facts = describe(by_slot) | {"evidence": beside.facts}
    out.mkdir(parents=True, exist_ok=True)
    tasks = [task for of_slot in by_slot.values() for task in of_slot]
    for name, text in (
        ("tasks.jsonl", evidence.as_json_lines(tasks)),
        ("api_calls.jsonl", evidence.as_json_lines(beside.api_calls)),
        ("incoming.csv", evidence.as_csv(beside.incoming)),
        ("deliveries.jsonl", evidence.as_json_lines(beside.deliveries)),
    ):
        # No file name and no time in the header: the same bytes every time.
        packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
        (out / f"{name}.gz").write_bytes(packed)
    for name, content in {"log_groups": log_groups(), "planted": facts}.items():
        text = json.dumps(content, indent=2) + "\n"
        (out / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")
    return facts


def main() -> None:
    """Write the sample and print a summary."""
    parser = argparse.ArgumentParser(description="Make the synthetic sample of export tasks.")
    default = Path(__file__).parent / "sample"
    parser.add_argument("--out", type=Path, default=default, help="the folder to write to")
    out = parser.parse_args().out
    facts = write_sample(out)
    counts = facts["counts"]
    print(f"Synthetic sample, written to {out}:")
    print(f"  {counts['tasks']} tasks of {len(log_groups())} log groups")
    print("  " + ", ".join(f"{number} {state}" for state, number in counts["by_state"].items()))
    print(
        f"  planted: {len(facts['gaps'])} gaps, {len(facts['overlaps'])} overlaps, "
        f"{len(facts['premature']['tasks'])} premature tasks; "
        f"quietest week {facts['weeks']['quietest']}, worst {facts['weeks']['worst']}"
    )


if __name__ == "__main__":
    main()
