"""CloudWatch's metrics of log groups, and the answers of GetMetricData with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exportstats.emulator import wire
from exportstats.emulator.paging import Entry, PagedList
from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exportstats.emulator.listings import Listing

_COUNTS = {"IncomingBytes": "incomingBytes", "IncomingLogEvents": "incomingEvents"}
_MOST_QUERIES, _MOST_POINTS = 500, 100_800


class MetricData(PagedList):
    """The incoming bytes and events of log groups. An answer has one result for each query."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(listing)
        self._came: dict[str, dict[int, Mapping[str, Any]]] = {}

    def add(self, item: Mapping[str, Any]) -> None:
        """Add what came in during a period, given its start in milliseconds.

        Raises
        ------
        ArgumentError
            It has no name, or a number is not valid.
        """
        name, start = item.get("logGroupName"), item.get("start")
        if not isinstance(name, str) or not isinstance(start, int):
            raise ArgumentError(
                f"the period {dict(item)!r} needs a logGroupName, and a start in milliseconds"
            )
        self._came.setdefault(name, {})[start // 1000] = item

    def _query(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        asked = {name: value for name, value in params.items() if name != self._listing.token}
        return (json.dumps(asked, sort_keys=True),)

    def _matching(self, params: Mapping[str, Any]) -> list[Entry]:
        queries = params.get("MetricDataQueries", [])
        if not queries:
            return []
        first, end = params["StartTime"], params["EndTime"]
        points = sum((end - first) / query["MetricStat"]["Period"] for query in queries)
        if len(queries) > _MOST_QUERIES or points > _MOST_POINTS:
            raise wire.ServiceError(
                "ValidationError",
                f"{len(queries)} metrics and {points:.0f} data points are too many; the most are "
                f"{_MOST_QUERIES} and {_MOST_POINTS}",
            )
        results = (self._result(query, first, end) for query in reversed(queries))
        return [Entry.of(self._listing, result) for result in results]

    def _result(self, query: Mapping[str, Any], first: float, end: float) -> dict[str, Any]:
        """Return the sums of a metric by period, the latest first, without periods of no data."""
        asked = query["MetricStat"]
        [dimension] = asked["Metric"]["Dimensions"]
        name = _COUNTS[asked["Metric"]["MetricName"]]
        sums: dict[int, float] = {}
        for start, came in self._came.get(dimension["Value"], {}).items():
            if first <= start < end and came.get(name):
                at = start // asked["Period"] * asked["Period"]
                sums[at] = sums.get(at, 0.0) + came[name]
        times = sorted(sums, reverse=True)
        return {
            "Id": query["Id"],
            "Label": query.get("Label", ""),
            "Timestamps": times,
            "Values": [sums[time] for time in times],
            "StatusCode": "Complete",
        }
