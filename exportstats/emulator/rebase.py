"""Move recorded tasks, log groups and evidence to another time."""

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
    """Return recorded tasks and log groups as of `now`; weekdays and hours do not change.

    All times are moved by whole weeks, so that the recording ends at `now` or less than a week
    later. Tasks created after `now` are left out, and tasks that end after `now` are RUNNING. A
    slot without such a task keeps the active task that it had at the end of the recording. That
    task is as old as it was then, or younger if the slot was busy until later, and its window is
    moved by whole days. Dates in task names move with the windows.

    Parameters
    ----------
    tasks, log_groups
        As `Emulator` takes them. The recording ends at the last `observedAt` of a task, or, if
        there is none, at the last creation or completion.
    now
        An aware time.
    """
    tasks, at = list(tasks), int(now.timestamp() * 1000)
    age = at - _end(tasks, at)
    by = _whole_weeks(age)
    free: dict[tuple[str, str], int] = {}  # since when a slot is, or will be
    for task in tasks:
        life = [time + by for time in _life(task)]
        if not _is_active(task) and life and life[0] <= at:
            slot = slot_of(TASKS, task)[0]
            free[slot] = max(free.get(slot, 0), *life)
    moved = []
    for task in tasks:
        created, *ended = _life(task) or [at - by]
        if not _is_active(task):
            if created + by <= at:
                new = _move(task, by, window=by)
                moved.append(_running(new) if ended and ended[0] + by > at else new)
        elif (since := free.get(slot_of(TASKS, task)[0], 0)) <= at:
            since = max(created + age, since)
            window = round(age / _DAY) * _DAY
            if task.get("to", 0) + window >= since:  # a window ends before its task is created
                window -= _DAY
            moved.append(_move(task, since - created, window=window))
    groups = [_shift(group, by, "creationTime") for group in log_groups]
    return moved, [group for group in groups if group.get("creationTime", 0) <= at]


def rebase_evidence(
    tasks: Iterable[Mapping[str, Any]],
    api_calls: Iterable[Mapping[str, Any]] = (),
    incoming: Iterable[Mapping[str, Any]] = (),
    *,
    now: dt.datetime,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return recorded API calls and incoming data as of `now`, moved as `rebase` moves the tasks.

    Later ones are left out, and also the calls for active tasks, whose age does not change.

    Parameters
    ----------
    tasks
        The recorded tasks, as `rebase` takes them.
    api_calls, incoming
        As `Emulator` takes them.
    now
        An aware time.
    """
    tasks, at = list(tasks), int(now.timestamp() * 1000)
    by = _whole_weeks(at - _end(tasks, at))
    active = {task.get("taskId") for task in tasks if _is_active(task)}
    calls = []
    for call in api_calls:
        asked, made = (call.get(name) or {} for name in ("requestParameters", "responseElements"))
        time = dt.datetime.fromisoformat(call["eventTime"]) + dt.timedelta(milliseconds=by)
        if time <= now and not {asked.get("taskId"), made.get("taskId")} & active:
            moved = {**call, "eventTime": f"{time:%Y-%m-%dT%H:%M:%SZ}"}
            if asked:
                moved["requestParameters"] = _move(asked, by, window=by)
            calls.append(moved)
    hours = [_shift(hour, by, "start") for hour in incoming]
    return calls, [hour for hour in hours if hour["start"] <= at]


def _end(tasks: Iterable[Mapping[str, Any]], at: int) -> int:
    """Return when a recording ends."""
    observed = [task["observedAt"] for task in tasks if task.get("observedAt")]
    end: int = max(observed or [time for task in tasks for time in _life(task)] or [at])
    return end


def _whole_weeks(age: int) -> int:
    return -(-age // _WEEK) * _WEEK


def _is_active(task: Mapping[str, Any]) -> bool:
    return (task.get("status") or {}).get("code") in _ACTIVE


def _life(task: Mapping[str, Any]) -> list[int]:
    info = task.get("executionInfo") or {}
    return [info[name] for name in _LIFE if info.get(name) is not None]


def _running(task: dict[str, Any]) -> dict[str, Any]:
    created = {"creationTime": task["executionInfo"]["creationTime"]}
    status = {"code": "RUNNING", "message": "Started Successfully"}
    return {**task, "status": status, "executionInfo": created}


def _move(task: Mapping[str, Any], by: int, *, window: int) -> dict[str, Any]:
    moved = _shift(task, window, "from", "to")
    if "executionInfo" in task:
        moved["executionInfo"] = _shift(task["executionInfo"] or {}, by, *_LIFE)
    if task.get("taskName"):
        moved["taskName"] = _DATE.sub(lambda date: _redated(date[0], window), task["taskName"])
    return moved


def _shift(item: Mapping[str, Any], by: int, *names: str) -> dict[str, Any]:
    # 0 means "from the beginning"
    return {
        key: max(value + by, 0) if key in names and value else value for key, value in item.items()
    }


def _redated(text: str, by: int) -> str:
    try:
        return f"{dt.date.fromisoformat(text) + dt.timedelta(milliseconds=by)}"
    except (ValueError, OverflowError):
        return text
