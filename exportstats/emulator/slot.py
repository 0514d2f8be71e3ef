"""An account and region: its lists and its quota."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from exportstats.emulator import wire
from exportstats.emulator.events import call_of, event_of
from exportstats.emulator.listings import EVENTS, LISTINGS, METRICS, STREAMS, TASKS
from exportstats.emulator.metrics import MetricData
from exportstats.emulator.paging import PagedList
from exportstats.emulator.streams import LogStreams
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exportstats.emulator.faults import Fault
    from exportstats.emulator.listings import Listing

DEFAULT_REGION = "us-east-1"


class Slot:
    """The lists and the quota of one account and region. The caller holds the lock."""

    def __init__(self) -> None:
        self.lists = {name: PagedList(listing) for name, listing in LISTINGS.items()}
        self.lists[METRICS.operation] = MetricData(METRICS)
        self.lists[STREAMS.operation] = LogStreams(STREAMS)
        self._recorded: set[str | None] = set()  # the tasks whose API calls are known
        self._seen = 0
        self._asked: Counter[str] = Counter()
        self._buckets: dict[str, tuple[float, float]] = {}

    def add(self, listing: Listing, item: Mapping[str, Any]) -> None:
        """Add an item to a list."""
        self.lists[listing.operation].add(item)
        if listing is EVENTS:
            record = json.loads(item["CloudTrailEvent"])
            self._recorded.add((record.get("responseElements") or {}).get("taskId"))

    def asked(self, request: wire.Request) -> PagedList:
        """Return the list that a request asks for."""
        tasks = self.lists[TASKS.operation]
        if request.operation == EVENTS.operation and self._seen != tasks.changes:
            self._seen = tasks.changes
            for name, body in [*tasks.bodies()]:
                if name not in self._recorded:
                    record = call_of(json.loads(body), request.account, request.region)
                    self.add(EVENTS, event_of(record))
        return self.lists[request.operation]

    def next_fault(self, request: wire.Request, faults: Iterable[Fault]) -> Fault | None:
        """Count a request, and return the first fault that affects it."""
        self._asked[request.operation] += 1
        number = self._asked[request.operation]
        return next((fault for fault in faults if fault.hits(request, number)), None)

    def admits(self, operation: str, now: float, requests_per_second: float | None) -> bool:
        """Take a request from the operation's quota; return False if the quota is used up."""
        if requests_per_second is None:
            return True
        requests_per_second *= LISTINGS[operation].share
        capacity = max(requests_per_second, 1.0)
        level, then = self._buckets.get(operation, (capacity, now))
        level = min(capacity, level + (now - then) * requests_per_second)
        self._buckets[operation] = (level - 1 if level >= 1 else level, now)
        return level >= 1


def slot_of(listing: Listing, item: Mapping[str, Any]) -> tuple[tuple[str, str], dict[str, Any]]:
    """Return the account and region of an item, and the item without them.

    Raises
    ------
    ArgumentError
        The account ID is not text of twelve digits.
    """
    rest = dict(item)
    rest.pop("observedAt", None)
    # arn:aws:logs:region:account:log-group:name; a task has none
    region, account = [*str(rest.get("arn")).split(":")[3:5], None, None][:2]
    account = rest.pop("accountId", None) or account or wire.DEFAULT_ACCOUNT
    region = rest.pop("region", None) or region or DEFAULT_REGION
    if not isinstance(account, str) or not wire.is_account(account):
        raise ArgumentError(
            f"the {listing.noun} {item.get(listing.name)!r} has the accountId {account!r}; "
            "give twelve digits, as text"
        )
    return (account, region), rest
