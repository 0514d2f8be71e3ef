"""Find tasks with impossible values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support import ACTIVE, DAY, ENDED, Row

from oracles.intervals import MINUTE
from oracles.words import Expected, many, order, place, slots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.facts import Facts


def bad_data(facts: Facts) -> Expected | None:
    """Return the tasks with impossible values, of the week or of an unknown time."""
    rows = [
        {name: row[name] for name in ("account_id", "region", "task_id", "log_group_name")}
        | {"reason": reason}
        for row in facts.tasks
        if row["creation_time"] is None or facts.start <= row["creation_time"] < facts.end
        for reason in _wrong(row)
    ]
    if not rows:
        return None
    rows.sort(key=lambda r: (order((r["account_id"], r["region"], r["task_id"])), r["reason"]))
    why = Counter(row["reason"] for row in rows)
    most = min(reason for reason in why if why[reason] == max(why.values()))
    tasks = many(len({row["task_id"] for row in rows}), "task")
    return Expected(
        "warning", [tasks, *slots(rows), *place(rows[:1]), f"({why[most]})", most], rows
    )


def _wrong(row: Row) -> Iterator[str]:  # noqa: C901 - one line for each reason
    created, ended, state = row["creation_time"], row["completion_time"], row["status_code"]
    first, last = row["from_time"], row["to_time"]
    if first is not None and last is not None and first > last:
        yield "from_time is after to_time"
    if created is None:
        yield "creation_time is missing"
    if created is not None and ended is not None:
        if ended < created:
            yield "completion_time is before creation_time"
        if ended - created > DAY + 5 * MINUTE:
            yield "it lasted longer than the 24-hour time-out"
    if state is None:
        yield "status_code is missing"
    elif state not in (*ACTIVE, *ENDED):
        yield "status_code is not a state of the API"
    if state in ACTIVE and ended is not None:
        yield "it is active, but has a completion_time"
    if state in ENDED and ended is None:
        yield "it has ended, but has no completion_time"
    if row["log_group_name"] is None:
        yield "log_group_name is missing"
