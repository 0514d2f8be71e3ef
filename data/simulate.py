"""Turn the tables of `planted` into a year of tasks.

All random values come from one seeded generator.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import planted as world
import truth
from planted import DAY, HOUR, MINUTE, SECOND, WEEK, at, iso, listed, week_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from planted import LogGroup, Night, Slot
    from truth import Row

DENIED = "Synthetic: access denied writing s3://{bucket}/{prefix}/{task_id}/ (request {request})"
INTERNAL = "Synthetic: internal failure, reference {reference}"
NO_ANSWER = "Synthetic: no answer from {bucket} after {attempts} attempts in {seconds} s"
OTHER_REGION = "Synthetic: bucket {bucket} is in another region"
TIMEOUT = "Synthetic: timed out after 24 hours"
CAUSES = (DENIED, INTERNAL, NO_ANSWER, OTHER_REGION)
SCATTERED_STATES = ("FAILED",) * 4 + ("CANCELLED",)
MESSAGES = {
    "COMPLETED": "Completed successfully",
    "CANCELLED": "Cancelled by user",
    "RUNNING": "Started Successfully",
}

SPREAD = 0.3  # standard deviation of log durations
TAIL = 0.015  # the share of tasks that take several times as long
WEEKDAYS = (1.05, 1.03, 1.02, 1.01, 1.0, 0.95, 0.94)  # Monday first


@dataclass(frozen=True)
class Job:
    """An export that was intended, and its outcome."""

    group: LogGroup
    start: int
    end: int  # half-open
    due: int
    name: str | None
    state: str = "COMPLETED"
    cause: str = INTERNAL  # read if it failed

    @property
    def days(self) -> float:
        """The length of its window, in days."""
        return (self.end - self.start) / DAY


@dataclass(frozen=True)
class Fate:
    """The outcome of a night that does not simply complete."""

    state: str | None  # of its first task; None: there is none
    rerun_at: int | None = None  # None: never run again
    cause: str = INTERNAL


# --- Intended exports ----------------------------------------------------------------------------


def outage_nights() -> list[Night]:
    """List the nights that failed in the outage."""
    survivors = set(listed(world.OUTAGE_SURVIVORS))
    return [
        (group, at(night))
        for night in world.OUTAGE_NIGHTS
        for group in world.NIGHTLY
        if group.slot == world.OUTAGE_SLOT and (group, at(night)) not in survivors
    ]


def early_nights() -> list[Night]:
    """List the nights that are exported before late events have arrived."""
    nights = range(world.EARLY_FROM, world.EARLY_UNTIL, DAY)
    return [(world.BY_LABEL[world.EARLY_LABEL], night) for night in nights]


def due_time(group: LogGroup, night: int) -> int:
    """Return when the exporter of a log group starts on a night."""
    is_early = (group, night) in early_nights()
    after = world.EARLY_RUNS_AFTER if is_early else group.runs_after
    return night + DAY + int(after or 0)


def rerun_time(group: LogGroup, night: int) -> int:
    """Return when a failed night is run again: the next morning."""
    return due_time(group, night) + 20 * HOUR


def plant_fates(rng: Random) -> dict[Night, Fate]:
    """Return the outcomes of the nights in the tables."""
    fates = {night: Fate("FAILED", world.OUTAGE_RERUNS_AT, DENIED) for night in outage_nights()}
    for night in listed(world.FAILED_BEFORE_EXTRA):
        fates[night] = Fate("FAILED", rerun_time(*night))
    for night in listed(world.MISSED):
        fates[night] = Fate(None)
    for night in listed(world.CANCELLED_FOR_GOOD):
        fates[night] = Fate("CANCELLED")
    for night in listed(world.FAILED_FOR_GOOD):
        cause = fates[night].cause if night in fates else rng.choice(CAUSES)
        fates[night] = Fate("FAILED", None, cause)
    return fates


def scatter_fates(rng: Random, taken: set[Night]) -> dict[Night, Fate]:
    """Let a few more nights fail in every week except the quiet one, and run them again."""
    by_week: dict[int, list[Night]] = {}
    for group in world.NIGHTLY:
        for night in group.nights[:-3]:  # the last ones could not be run again in time
            if (group, night) not in taken:
                by_week.setdefault(week_of(due_time(group, night)), []).append((group, night))
    by_week.pop(world.QUIET_WEEK)
    return {
        night: Fate(rng.choice(SCATTERED_STATES), rerun_time(*night), rng.choice(CAUSES))
        for _, nights in sorted(by_week.items())
        for night in rng.sample(nights, rng.choice((1, 2, 2, 3, 3)))
    }


def plan_fates(rng: Random) -> dict[Night, Fate]:
    """Return the outcomes of nights that do not simply complete: planted ones and a few others."""
    fates = plant_fates(rng)
    taken = {*fates, *listed(world.OUTAGE_SURVIVORS), *early_nights()}
    return fates | scatter_fates(rng, taken)


def plan_nightly(rng: Random, fates: dict[Night, Fate]) -> Iterator[Job]:
    """Yield the exports of the nightly exporters, and those that are run again by hand."""
    for group in world.NIGHTLY:
        for night in group.nights:
            fate = fates.get((group, night), Fate("COMPLETED"))
            end = night + group.night_lasts
            name = f"{group.label}-{iso(night)[:10]}"
            if fate.state is not None:
                due = due_time(group, night) + rng.randrange(90 * SECOND)
                yield Job(group, night, end, due, f"nightly-{name}", fate.state, fate.cause)
            if fate.rerun_at is not None:
                due = fate.rerun_at + rng.randrange(30 * MINUTE)
                yield Job(group, night, end, due, f"rerun-{name}")


def plan_extra(rng: Random) -> Iterator[Job]:
    """Yield the additional tasks of the planted overlaps, and the task that times out."""
    for label, first, last in world.EXTRA_RUNS:
        due = at(last) + 34 * HOUR + rng.randrange(MINUTE)
        yield Job(world.BY_LABEL[label], at(first), at(last), due, f"again-{label}-{first[:10]}")
    label, first, last, due_text = world.TIMED_OUT
    name = f"adhoc-{label}-{first}"
    yield Job(world.BY_LABEL[label], at(first), at(last), at(due_text), name, "FAILED", TIMEOUT)


def plan_on_request(rng: Random) -> Iterator[Job]:
    """Yield the exports by hand in office hours."""
    for group in world.ON_REQUEST:
        for day in range(world.HISTORY_START + DAY, week_of(world.OBSERVED_AT), DAY):
            is_workday = day - week_of(day) < 5 * DAY
            for _ in range(rng.choice((1, 2, 2, 3) if is_workday else (0, 0, 0, 1))):
                due = day + int(rng.uniform(8, 18) * HOUR)
                length = rng.choices((HOUR, 6 * HOUR, DAY, WEEK), (55, 25, 10, 10))[0]
                end = due - 13 * HOUR - rng.randrange(72) * HOUR
                end -= end % min(length, DAY)
                name = rng.choice((f"adhoc-{group.label}-{iso(day)[:10]}", None))
                odds = (1, 0, 0) if week_of(day) == world.QUIET_WEEK else (95, 3, 2)
                state = rng.choices(("COMPLETED", "FAILED", "CANCELLED"), odds)[0]
                yield Job(group, end - length, end, due, name, state, rng.choice(CAUSES))


# --- Tasks of the service ------------------------------------------------------------------------


def draw_durations(rng: Random, jobs: list[Job]) -> dict[Job, int]:
    """Draw a duration for every job: lognormal with a tail, by log group, window and weekday.

    The normal scores are the quantiles of the distribution in random order, separately before and
    after the slowdown. The medians thus show the planted factor exactly.
    """
    batches: dict[tuple[str, bool], list[Job]] = {}
    for job in jobs:
        batches.setdefault((job.group.label, job.due >= world.SLOW_SINCE), []).append(job)
    durations = {}
    for (label, is_late), batch in batches.items():
        factor = world.SLOW_FACTOR if is_late and label == world.SLOW_LABEL else 1
        ranks = [(rank + 0.5) / len(batch) for rank in range(len(batch))]
        rng.shuffle(ranks)
        for job, rank in zip(batch, ranks, strict=True):
            duration = job.group.day_takes * job.days**0.9 * factor
            duration *= math.exp(SPREAD * NormalDist().inv_cdf(rank))
            duration *= WEEKDAYS[(job.due - week_of(job.due)) // DAY]
            duration *= rng.uniform(2.5, 6) if rng.random() < TAIL else 1
            if job.state in truth.ENDS_FOR_GOOD:
                duration *= rng.uniform(0.05, 0.8)
            durations[job] = world.LONGEST_TASK if job.cause == TIMEOUT else int(duration)
    return durations


def make_task(rng: Random, job: Job, creation: int, completion: int | None) -> Row:
    """Return a job as AWS lists its task, without the fields that AWS leaves out."""
    slot = job.group.slot
    task_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    has_other_bucket = job.state == "FAILED" and job.cause == OTHER_REGION
    bucket = world.OTHER_REGION_BUCKET if has_other_bucket else slot.bucket
    status = {"code": job.state}
    if job.state == "FAILED":
        status["message"] = job.cause.format(
            bucket=bucket,
            prefix=job.group.prefix,
            task_id=task_id,
            request=f"{rng.getrandbits(64):016X}",
            reference=uuid.UUID(int=rng.getrandbits(128), version=4),
            attempts=rng.randint(3, 9),
            seconds=rng.randint(20, 300),
        )
    elif job.state in MESSAGES:
        status["message"] = MESSAGES[job.state]
    is_named = job.name is not None and job.state != "PENDING"
    return {
        "taskId": task_id,
        **({"taskName": job.name} if is_named else {}),
        "logGroupName": job.group.name,
        "from": job.start,
        "to": job.end - 1,
        "destination": bucket,
        "destinationPrefix": job.group.prefix,
        "status": status,
        "executionInfo": {
            "creationTime": creation,
            **({"completionTime": completion} if completion is not None else {}),
        },
        "accountId": slot.account_id,
        "region": slot.region,
        "observedAt": world.OBSERVED_AT,
    }


def run_slot(rng: Random, jobs: Iterable[Job], durations: dict[Job, int]) -> list[Row]:
    """Run the jobs of one slot one after another, and list its tasks as AWS does, newest first.

    AWS refuses a second task while one is active, so a task is created when the slot is free.
    """
    tasks, free_at = [], 0
    for job in sorted(jobs, key=lambda job: job.due):
        creation = max(job.due, free_at + rng.randint(5 * SECOND, 40 * SECOND))
        completion = None if job not in durations else creation + durations[job]
        tasks.append(make_task(rng, job, creation, completion))
        free_at = world.OBSERVED_AT if completion is None else completion
    return tasks[::-1]


def make_tasks(rng: Random) -> dict[Slot, list[Row]]:
    """Make all tasks, slot after slot."""
    fates = plan_fates(rng)
    jobs = [*plan_nightly(rng, fates), *plan_extra(rng), *plan_on_request(rng)]
    durations = draw_durations(rng, jobs)
    for label, first, last, creation, state in world.ACTIVE:
        group = world.BY_LABEL[label]
        name = f"{'nightly' if group in world.NIGHTLY else 'adhoc'}-{label}-{first}"
        jobs.append(Job(group, at(first), at(last), at(creation), name, state))
    return {
        slot: run_slot(rng, (job for job in jobs if job.group.slot == slot), durations)
        for slot in world.SLOTS
    }
