"""Fetch what log groups took in from CloudWatch's metrics with GetMetricData."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from exportstats.aws.client import Operation
from exportstats.aws.faults import Fault
from exportstats.aws.fleet import load_targets
from exportstats.aws.load import Question
from exportstats.aws.outcome import check_errors, raise_or_warn
from exportstats.aws.targets import Target, check_targets
from exportstats.core import coerce, frames, schema
from exportstats.core.schema import DAY, LOG_GROUP, SLOT
from exportstats.errors import ArgumentError, LoadWarning, warn
from exportstats.stats.as_of import instant, to_millis

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Executor
    from datetime import date

    import boto3

    from exportstats.aws.load import Load
    from exportstats.io.json_text import Page

# How long CloudWatch keeps data of a period, in milliseconds.
_KEPT = {"1min": 15 * DAY, "5min": 63 * DAY, "1h": 455 * DAY}
_MOSTNAMES, _MOST_POINTS = 500, 100_800  # in one request
NAMES = ("IncomingBytes", "IncomingLogEvents")  # of the metrics


class _Result(msgspec.Struct):
    Id: str
    Label: str
    Timestamps: list[float] = []
    Values: list[float] = []
    StatusCode: str = "Complete"


class _Answer(msgspec.Struct):
    MetricDataResults: list[_Result] = []


class _Part(NamedTuple):
    """The results of an answer."""

    observed_at: int
    results: Sequence[_Result]


def _read(pages: Sequence[Page], _: int) -> list[_Part]:
    return [
        _Part(page.observed_at, msgspec.json.decode(page.body, type=_Answer).MetricDataResults)
        for page in pages
        if isinstance(page.body, bytes)
    ]


METRICS = Operation(
    "GetMetricData",
    "get_metric_data",
    "MetricDataResults",
    "metrics",
    _read,
    service="cloudwatch",
    token="NextToken",  # noqa: S106 - the name of one
)


class _Grid(NamedTuple):
    """The range and the periods, in milliseconds since 1970, and the log groups."""

    start: int
    end: int
    period: int
    names: Sequence[tuple[str | None, ...]]

    def requests(self, slot: tuple[str | None, str | None]) -> list[dict[str, Any]]:
        """Return what asks for an account and region, as few as the service's limits allow."""
        most = min(_MOSTNAMES, _MOST_POINTS * self.period // (self.end - self.start))
        queries = [
            {
                "Id": f"{metric[8].lower()}{number}",
                "Label": name,
                "MetricStat": metric_of(name, metric, self.period // 1000),
            }
            for number, name in enumerate(self.of(slot))
            for metric in NAMES
        ]
        return [
            {"MetricDataQueries": queries[at : at + most]} for at in range(0, len(queries), most)
        ]

    def of(self, slot: tuple[str | None, str | None]) -> list[str]:
        """Return the log groups of an account and region."""
        return [str(key[-1]) for key in self.names if is_in(key, slot)]


def metric_of(log_group: str, name: str, seconds: int) -> dict[str, Any]:
    """Return what asks for the sums of a metric of a log group."""
    dimensions = [{"Name": "LogGroupName", "Value": log_group}]
    metric = {"Namespace": "AWS/Logs", "MetricName": name, "Dimensions": dimensions}
    return {"Metric": metric, "Period": seconds, "Stat": "Sum"}


def is_in(key: tuple[str | None, ...], slot: tuple[str | None, str | None]) -> bool:
    """Return whether a log group can be in an account and region, as far as it names them."""
    return all(wanted in (None, is_) for wanted, is_ in zip(key[:-1], slot, strict=True))


def fetch_incoming(  # noqa: PLR0913 - as fetch_tasks has them
    log_groups: pd.DataFrame,
    *,
    targets: Iterable[Target] | None = None,
    start: str | date | pd.Period | None,
    end: str | date | pd.Period | None,
    period: Literal["1min", "5min", "1h"] = "1h",
    session: boto3.Session | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    requests_per_second: float | Literal["quota"] | None = "quota",
    max_workers: int | None = None,
    executor: Executor | None = None,
    errors: Literal["raise", "warn"] = "raise",
    progress: bool | None = None,
) -> pd.DataFrame:
    """Fetch how many bytes and events log groups took in, by period.

    Needs the permission `cloudwatch:GetMetricData`. The metrics are `IncomingBytes` and
    `IncomingLogEvents` of `AWS/Logs`. They count events when they come in, not by the time of the
    event. A request asks for as many log groups as the service allows.

    Parameters
    ----------
    log_groups
        A table of log groups.
    targets
        The accounts and regions of the log groups, as for `fetch_tasks`. By default those of the
        table, with the credentials of the session.
    start, end
        The range; it is widened to whole periods.
    period
        "1h", "5min" or "1min". CloudWatch keeps hours for 455 days, five minutes for 63 days and
        minutes for 15 days.
    session, profile, endpoint_url, requests_per_second, max_workers, executor, errors, progress
        As for `fetch_tasks`.

    Returns
    -------
    DataFrame
        A table of incoming data: one row per log group and period, with `start` (UTC), `period`,
        `incoming_bytes` (uncompressed), `incoming_events` and `observed_at`. CloudWatch has no data
        for a period in which nothing came in; such a row has zeros. That is inferred from its
        documentation. A log group without any data in the whole range is not in the table: it may
        not exist, or be in another account. Nor are log groups that could not be read, and periods
        that CloudWatch no longer keeps or that had not ended.

    Raises
    ------
    ArgumentError
        An argument is not valid; nothing was requested.
    LoadError
        A target could not be read to its end. `.arrived` has all that arrived, and `.failures` one
        row per failed target.
    LoadInterrupted
        Ctrl-C was pressed; it has the same attributes.

    Warns
    -----
    LoadWarning
        There is no target for some log groups; or a target failed, and `errors` is "warn".

    Examples
    --------
    >>> import boto3
    >>> import exportstats as xs
    >>> from exportstats.emulator import Emulator
    >>> session = boto3.Session("111122223333", "made-up", region_name="eu-west-1")
    >>> log_groups = xs.sample_log_groups().head(1)
    >>> [name] = log_groups["log_group_name"]
    >>> hour = {"accountId": "111122223333", "region": "eu-west-1", "logGroupName": name,
    ...         "start": 1795150800000, "periodInSeconds": 3600, "incomingBytes": 2000}
    >>> with Emulator(incoming=[hour]) as emulator:
    ...     incoming = xs.fetch_incoming(log_groups, start="2026-11-20", end="2026-11-21",
    ...                                  session=session, endpoint_url=emulator.url)
    >>> int(incoming["incoming_bytes"].sum())
    2000

    For the gaps of a month, with an hour more, in which late events come in::

        log_groups = xs.fetch_log_groups(targets)
        incoming = xs.fetch_incoming(log_groups, targets=targets, start="2026-10-01",
                                     end="2026-11-01T01:00Z")
        gaps = xs.find_gaps(tasks, start="2026-10-01", end="2026-11-01", incoming=incoming)
    """
    check_errors(errors)
    grid = _grid(log_groups, start, end, period)
    if targets is None:
        slots = dict.fromkeys(place[:2] for place in grid.names) or {(None, None): None}
        targets = [Target(account_id, region) for account_id, region in slots]
    question = Question(
        METRICS,
        {
            "StartTime": dt.datetime.fromtimestamp(grid.start / 1000, dt.UTC),
            "EndTime": dt.datetime.fromtimestamp(grid.end / 1000, dt.UTC),
            "ScanBy": "TimestampAscending",
        },
        endpoint_url,
        requests_per_second,
        each=grid.requests,
    )
    loads = load_targets(
        check_targets(targets),
        question,
        session=session,
        profile=profile,
        max_workers=max_workers,
        executor=executor,
        progress=progress,
    )
    found = [_table_of(load, grid, _KEPT[period]) for load in loads]
    _warn_of_unasked(grid, loads)
    arrived = frames.concat(found, of="incoming")
    groups = len(arrived[list(LOG_GROUP)].drop_duplicates())
    return raise_or_warn(loads, arrived, errors, f"({groups:,} of {len(grid.names):,} arrived)")


def _grid(
    log_groups: pd.DataFrame,
    start: str | date | pd.Period | None,
    end: str | date | pd.Period | None,
    period: str,
) -> _Grid:
    """Check the arguments.

    Raises
    ------
    ArgumentError
        The range is not valid, or the period is not one that CloudWatch keeps.
    """
    if period not in _KEPT:
        raise ArgumentError(f"period={period!r}; give one of {', '.join(_KEPT)}")
    step = pd.Timedelta(period) // pd.Timedelta("1ms")
    first, last = to_millis(instant(start, "start")), to_millis(instant(end, "end"))
    if first >= last:
        raise ArgumentError(
            f"end={end!r} is not after start={start!r}; give a range from start to before end"
        )
    first, last = first // step * step, -(-last // step) * step
    if (last - first) // step > _MOST_POINTS:
        raise ArgumentError(
            f"{(last - first) // step:,} periods of {period} are more than {_MOST_POINTS:,}; "
            "give a shorter range"
        )
    groups = frames.check(log_groups, schema.LOG_GROUPS, LOG_GROUP)[list(LOG_GROUP)]
    plain = groups.astype(object).where(groups.notna(), None)
    return _Grid(first, last, step, [*dict.fromkeys(plain.itertuples(index=False, name=None))])


def _table_of(load: Load, grid: _Grid, kept: int) -> pd.DataFrame:
    """Return what arrived from a target, with zeros for periods without data."""
    values: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    status: dict[tuple[str, str], str] = {}
    observed_at = 0
    for part in load.arrived.parts:
        observed_at = part.observed_at
        for result in part.results:
            key = result.Label, result.Id[:1]
            times, counts = values.setdefault(key, ([], []))
            times += result.Timestamps
            counts += result.Values
            status[key] = result.StatusCode
    names = [
        name
        for name in grid.of((load.account_id, load.region))
        if status.get((name, "b")) == status.get((name, "l")) == "Complete"
        and any(any(values[name, metric][0]) for metric in "bl")
    ]
    _note_incomplete(load, status)
    starts = np.arange(grid.start, grid.end, grid.period)
    whole = (starts >= observed_at - kept) & (starts + grid.period <= observed_at)

    def counts_of(metric: str) -> np.ndarray:
        counts = np.zeros((len(names), len(starts)))
        for row, name in enumerate(names):
            times, found = values[name, metric]
            at = (np.array(times) * 1000 - grid.start) // grid.period
            np.add.at(counts[row], at.astype("int64"), found)
        return counts[:, whole].ravel().astype("int64")

    many = int(whole.sum())
    slot = dict(zip(SLOT, (load.account_id, load.region), strict=True))
    return frames.conform(
        pd.DataFrame(
            {
                "log_group_name": pd.Categorical.from_codes(
                    np.repeat(np.arange(len(names)), many), pd.Index(names, dtype="str")
                ),
                "start": coerce.times(np.tile(starts[whole], len(names))),
                "period": pd.Timedelta(grid.period, "ms"),
                "incoming_bytes": counts_of("b"),
                "incoming_events": counts_of("l"),
                "observed_at": coerce.times(np.full(many * len(names), observed_at)),
            }
        ).assign(**slot),
        of="incoming",
    )


def _note_incomplete(load: Load, status: dict[tuple[str, str], str]) -> None:
    """Make a fault of metrics that CloudWatch could not read."""
    bad = {name: why for (name, _), why in status.items() if why != "Complete"}
    if bad and load.fault is None:
        name, why = next(iter(bad.items()))
        load.fault = Fault(
            f"CloudWatch returned {why} for {len(bad):,} log groups, such as {name}", "try again"
        )


def _warn_of_unasked(grid: _Grid, loads: Sequence[Load]) -> None:
    """Warn of log groups that no target is for."""
    slots = {(load.account_id, load.region) for load in loads}
    rest = [key for key in grid.names if not any(is_in(key, slot) for slot in slots)]
    if rest and not any(load.fault for load in loads):
        account_id, region, name = rest[0]
        message = (
            f"no target is for {len(rest):,} of the log groups, such as {name} of {account_id} in "
            f"{region}; add one"
        )
        warn(LoadWarning(message, pd.DataFrame()))
