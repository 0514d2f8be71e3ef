"""One account and region: its tasks, its tokens, its quota."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from bisect import insort
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from exportstats.emulator import wire
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exportstats.emulator.faults import Fault

DEFAULT_REGION = "us-east-1"
_MOST_TASKS = 50  # of a page


class _Entry(NamedTuple):
    created: int
    task_id: str | None
    state: str | None
    body: bytes  # written once; a page only joins

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> _Entry:
        plain = _without_none(task)
        wire.check_task(plain)
        return cls(
            plain.get("executionInfo", {}).get("creationTime", 0),
            plain.get("taskId"),
            plain.get("status", {}).get("code"),
            json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(),
        )


class _Place(NamedTuple):
    query: tuple[str | None, str | None]
    start: int
    expires: float


class Slot:
    """What the service knows of one account and region. Whoever calls holds the lock."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._entries: list[_Entry] = []  # oldest first: what is new goes to the end
        self._views: dict[tuple[str | None, str | None], list[_Entry]] = {}
        self._tokens: dict[str, _Place] = {}
        self._bucket: tuple[float, float] | None = None

    def add(self, task: Mapping[str, Any]) -> None:
        """List a task."""
        insort(self._entries, _Entry.of(task), key=lambda entry: entry.created)
        self._views.clear()

    def update(self, task_id: str, changes: Mapping[str, Any]) -> bool:
        """Change the tasks of that id; False if there is none."""
        found = [i for i, entry in enumerate(self._entries) if entry.task_id == task_id]
        for i in found:
            self._entries[i] = _Entry.of(_merged(json.loads(self._entries[i].body), changes))
        if found:
            self._entries.sort(key=lambda entry: entry.created)
            self._views.clear()
        return bool(found)

    def shift(self) -> None:
        """Create a task, newer than all, that is done already: a slot runs one at a time."""
        newest = self._entries[-1].created if self._entries else int(time.time() * 1000)
        created = newest + 120_000
        self.add(
            {
                "taskId": str(uuid.uuid4()),
                "taskName": "created-while-paging",
                "logGroupName": "/emulated/shift",
                "from": max(newest - 3_600_000, 0),
                "to": newest,
                "destination": "emulated",
                "destinationPrefix": "exportedlogs",
                "status": {"code": "COMPLETED", "message": "Completed successfully"},
                "executionInfo": {"creationTime": created, "completionTime": created + 60_000},
            }
        )

    def next_fault(self, request: wire.Request, faults: Iterable[Fault]) -> Fault | None:
        """Count a request, and find the first fault that happens to it."""
        self._asked[request.operation] += 1
        number = self._asked[request.operation]
        return next((fault for fault in faults if fault.hits(request, number)), None)

    def admits(self, now: float, requests_per_second: float | None) -> bool:
        """Take a request from the quota, if there is one; False when it is used up."""
        if requests_per_second is None:
            return True
        capacity = max(requests_per_second, 1.0)
        level, then = self._bucket or (capacity, now)
        level = min(capacity, level + (now - then) * requests_per_second)
        self._bucket = (level - 1, now) if level >= 1 else (level, now)
        return level >= 1

    def page(
        self, params: Mapping[str, Any], kind: str | None, *, now: float, lifetime: float
    ) -> bytes:
        """Answer one question, with the fault that is the list's own, if it is one.

        Raises
        ------
        ServiceError
            The token is not one of this slot and these filters, or is too old.
        """
        if kind == "shift":
            self.shift()
        query = (params.get("statusCode"), params.get("taskId"))
        sent = params.get("nextToken")
        start = 0 if sent is None else self._start(sent, query, now)
        limit = 0 if kind == "empty_page" else params.get("limit", _MOST_TASKS)
        entries = self._matching(*query)
        # Counted from the newest: a task that is created meanwhile shifts what follows by one.
        stop = len(entries) - start
        first = max(stop - limit, 0)
        bodies = [entry.body for entry in reversed(entries[first : max(stop, 0)])]
        token = None
        if kind == "repeated_token":
            token = sent
        elif first > 0 or kind == "empty_page":
            token = secrets.token_urlsafe(64)
            self._tokens[token] = _Place(query, start + limit, now + lifetime)
        return wire.page(bodies, token)

    def _start(self, token: str, query: tuple[str | None, str | None], now: float) -> int:
        place = self._tokens.get(token)
        if place is None or place.query != query:
            raise wire.ServiceError(
                "InvalidParameterException", "The specified nextToken is invalid."
            )
        if now >= place.expires:
            raise wire.ServiceError(*wire.REFUSALS["expired_token"])
        return place.start

    def _matching(self, state: str | None, task_id: str | None) -> list[_Entry]:
        if state is None and task_id is None:
            return self._entries
        key = (state, task_id)
        if key not in self._views:
            self._views[key] = [
                entry
                for entry in self._entries
                if state in (None, entry.state) and task_id in (None, entry.task_id)
            ]
        return self._views[key]


def slot_of(task: Mapping[str, Any]) -> tuple[tuple[str, str], dict[str, Any]]:
    """Part a task from the account and region that it belongs to, which are never sent.

    Raises
    ------
    ArgumentError
        The account is not twelve digits as text, so that nobody could ask for it.
    """
    rest = dict(task)
    rest.pop("observedAt", None)
    account = rest.pop("accountId", None) or wire.DEFAULT_ACCOUNT
    region = rest.pop("region", None) or DEFAULT_REGION
    if not isinstance(account, str) or not wire.is_account(account):
        raise ArgumentError(
            f"the task {task.get('taskId')!r} has the accountId {account!r}; "
            "give twelve digits, as text"
        )
    return (account, region), rest


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(item) if isinstance(item, Mapping) else item
        for key, item in value.items()
        if item is not None
    }


def _merged(task: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return task | {
        key: {**task.get(key, {}), **change} if isinstance(change, Mapping) else change
        for key, change in changes.items()
    }
