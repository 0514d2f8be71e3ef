"""The log streams of log groups, and the answers of DescribeLogStreams with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exportstats.emulator import wire
from exportstats.emulator.listings import STREAMS
from exportstats.emulator.paging import Entry, PagedList
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exportstats.emulator.listings import Listing

_BY_TIME = [*STREAMS.filters].index("orderBy")


class LogStreams(PagedList):
    """The streams of all log groups of an account and region. A request names one log group."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(listing)
        self._of: dict[str, _Streams] = {}

    def add(self, item: Mapping[str, Any]) -> None:
        """Add a log stream, which names its log group.

        Raises
        ------
        ArgumentError
            It does not, or it does not match the model.
        """
        rest = dict(item)
        name = rest.pop("logGroupName", None)
        if not isinstance(name, str) or "logStreamName" not in rest:
            raise ArgumentError(
                f"the log stream {dict(item)!r} needs a logGroupName and a logStreamName"
            )
        self._of.setdefault(name, _Streams(self._listing)).add(rest)

    def page(
        self, params: Mapping[str, Any], kind: str | None, *, now: float, lifetime: float
    ) -> bytes:
        """Answer one request, as `PagedList` does."""
        if params["logGroupName"] not in self._of:
            raise wire.ServiceError(
                "ResourceNotFoundException", "The specified log group does not exist."
            )
        return self._of[params["logGroupName"]].page(params, kind, now=now, lifetime=lifetime)


class _Streams(PagedList):
    """The streams of one log group."""

    def _matching(self, params: Mapping[str, Any]) -> list[Entry]:
        entries = super()._matching(params)
        if params.get("orderBy") == "LastEventTime":
            entries = sorted(entries, key=lambda entry: entry.values[_BY_TIME], reverse=True)
        return entries[::-1] if params.get("descending") else entries
