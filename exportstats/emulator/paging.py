"""A list of an account and region, returned page by page."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from exportstats.emulator import wire

if TYPE_CHECKING:
    from exportstats.emulator.listings import Listing

_PAGE_SIZE = 50
# The only fields in the answer to a search by logGroupNamePattern.
_PATTERN_FIELDS = ("arn", "creationTime", "logGroupName")


class Entry(NamedTuple):
    """An item as it is sent, and what it is found by."""

    order: Any
    name: str | None
    values: tuple[Any, ...]  # one for each filter
    body: bytes  # serialised once; pages only join them

    @classmethod
    def of(cls, listing: Listing, item: Mapping[str, Any]) -> Entry:
        """Check an item against botocore's model, and return its entry."""
        plain = _without_none(item)
        wire.check_item(listing, plain)
        values = tuple(get(plain) for get, _ in listing.filters.values())
        return cls(listing.order(plain), plain.get(listing.name), values, _write(plain))


class _Place(NamedTuple):
    query: tuple[Any, ...]
    start: int
    expires: float


class PagedList:
    """A list of tasks, log groups or events. The caller holds the lock."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._entries: list[Entry] = []  # last first: a new task goes to the end
        self._sorted = True
        self._views: dict[str, list[Entry]] = {}
        self._tokens: dict[str, _Place] = {}
        self.changes = 0

    def bodies(self) -> Iterator[tuple[str | None, bytes]]:
        """Yield the name and the body of each item."""
        for entry in self._entries:
            yield entry.name, entry.body

    def add(self, item: Mapping[str, Any]) -> None:
        """Add an item to the list."""
        self._entries.append(Entry.of(self._listing, item))
        self._changed()

    def update(self, name: str, changes: Mapping[str, Any]) -> bool:
        """Change the items with a name; return False if there is none."""
        found = [i for i, entry in enumerate(self._entries) if entry.name == name]
        for i in found:
            item = _merged(json.loads(self._entries[i].body), changes)
            self._entries[i] = Entry.of(self._listing, item)
        self._changed()
        return bool(found)

    def _changed(self) -> None:
        self._sorted = False
        self._views.clear()
        self.changes += 1

    def page(
        self, params: Mapping[str, Any], kind: str | None, *, now: float, lifetime: float
    ) -> bytes:
        """Answer one request, with a fault of kind `kind` if it concerns the list.

        Raises
        ------
        ServiceError
            The token is not for this list and these filters, or has expired.
        """
        if kind == "shift":
            first = self._matching({})[-1:]
            self.add(self._listing.create(first[0].order if first else None))
        query = self._query(params)
        sent = params.get(self._listing.token)
        start = 0 if sent is None else self._start(sent, query, now)
        limit = 0 if kind == "empty_page" else params.get(self._listing.limit, _PAGE_SIZE)
        entries = self._matching(params)
        # Counted from the first item, so that a new one before it shifts the pages by one.
        stop = len(entries) - start
        end = max(stop - limit, 0)
        bodies = [entry.body for entry in reversed(entries[end : max(stop, 0)])]
        token = None
        if kind == "repeated_token":
            token = sent
        elif end > 0 or kind == "empty_page":
            token = secrets.token_urlsafe(64)
            self._tokens[token] = _Place(query, start + limit, now + lifetime)
        return wire.page(self._listing, bodies, token)

    def _start(self, token: str, query: tuple[Any, ...], now: float) -> int:
        place = self._tokens.get(token)
        if place is None or place.query != query:
            raise wire.ServiceError(self._listing.bad_token, "The specified nextToken is invalid.")
        if now >= place.expires:
            raise wire.ServiceError(self._listing.bad_token, "The specified nextToken is expired.")
        return place.start

    def _matching(self, params: Mapping[str, Any]) -> list[Entry]:
        if not self._sorted:
            self._entries.sort(key=lambda entry: entry.order, reverse=self._listing.ascending)
            self._sorted = True
        query = self._query(params)
        if not any(wanted is not None for wanted in query):
            return self._entries
        if (key := repr(query)) not in self._views:
            tests = [test for _, test in self._listing.filters.values()]
            found = [
                entry
                for entry in self._entries
                if all(
                    wanted is None or fits(has, wanted)
                    for fits, has, wanted in zip(tests, entry.values, query, strict=True)
                )
            ]
            if "logGroupNamePattern" in params:
                found = [entry._replace(body=_of_pattern(entry.body)) for entry in found]
            self._views[key] = found
        return self._views[key]

    def _query(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(params.get(name) for name in self._listing.filters)


def _of_pattern(body: bytes) -> bytes:
    item = json.loads(body)
    return _write({key: item[key] for key in _PATTERN_FIELDS if key in item})


def _write(item: Mapping[str, Any]) -> bytes:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(item) if isinstance(item, Mapping) else item
        for key, item in value.items()
        if item is not None
    }


def _merged(item: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return item | {
        key: {**item.get(key, {}), **change} if isinstance(change, Mapping) else change
        for key, change in changes.items()
    }
