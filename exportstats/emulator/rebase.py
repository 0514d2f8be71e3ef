"""Recorded tasks and log groups, as they would be at another time."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from exportstats.emulator.listings import TASKS
from exportstats.emulator.slot import slot_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DAY = 86_400_000
_WEEK = 7 * _DAY
_ACTIVE = {"PENDING", "PENDING_CANCEL", "RUNNING"}
_LIFE = ("creationTime", "completionTime")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def rebase(
    tasks: Iterable[Mapping[str, Any]],
    log_groups: Iterable[Mapping[str, Any]] = (),
    *,
    now: dt.datetime,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return recorded tasks and log groups as of `now`, with their weekdays and hours.

    All times are moved by whole weeks, so that the end of the recording is at `now` or less than a
    week later; what had not ended by `now` is left out. So the last night is like every night.
    Active tasks are as old at `now` as they were at the end of the recording, their windows moved
    by whole days, and finished tasks of their slot that would overlap with them are left out.
    Dates in task names move with the windows.

    Parameters
    ----------
    tasks, log_groups
        As `Emulator` takes them. The recording ends at the last `observedAt` of a task, or, if
        there is none, at the last creation or completion.
    now
        An aware time.
    """
    tasks, at = list(tasks), int(now.timestamp() * 1000)
    times = [time for task in tasks for time in _life(task)]
    end = max([task["observedAt"] for task in tasks if task.get("observedAt")] or times or [at])
    age = at - end
    by = -(-age // _WEEK) * _WEEK
    limits: dict[tuple[str, str], int] = {}
    for task in tasks:
        if _is_active(task):
            slot, created = slot_of(TASKS, task)[0], max(_life(task), default=end)
            limits[slot] = max(limits.get(slot, 0), created + age)
    moved = []
    for task in tasks:
        if _is_active(task):
            moved.append(_move(task, age, window=age // _DAY * _DAY))
        elif max(_life(task), default=0) + by <= limits.get(slot_of(TASKS, task)[0], at):
            moved.append(_move(task, by, window=by))
    groups = [_shift(group, by, "creationTime") for group in log_groups]
    return moved, [group for group in groups if group.get("creationTime", 0) <= at]


def _is_active(task: Mapping[str, Any]) -> bool:
    return (task.get("status") or {}).get("code") in _ACTIVE


def _life(task: Mapping[str, Any]) -> list[int]:
    info = task.get("executionInfo") or {}
    return [info[name] for name in _LIFE if info.get(name) is not None]


def _move(task: Mapping[str, Any], by: int, *, window: int) -> dict[str, Any]:
    moved = _shift(task, window, "from", "to")
    if "executionInfo" in task:
        moved["executionInfo"] = _shift(task["executionInfo"] or {}, by, *_LIFE)
    if task.get("taskName"):
        moved["taskName"] = _DATE.sub(lambda date: _redated(date[0], window), task["taskName"])
    return moved


def _shift(item: Mapping[str, Any], by: int, *names: str) -> dict[str, Any]:
    # 0 stands for "ever since"
    return {
        key: max(value + by, 0) if key in names and value else value for key, value in item.items()
    }


def _redated(text: str, by: int) -> str:
    try:
        return f"{dt.date.fromisoformat(text) + dt.timedelta(milliseconds=by)}"
    except (ValueError, OverflowError):
        return text
