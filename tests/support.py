"""Helpers of the tests of tables: synthetic tasks, plain Python values, shards."""

from __future__ import annotations

import math
import os
import threading
import warnings
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
from hypothesis import settings, strategies as st

import exportstats as xs
from exportstats.core import frames, schema, shards
from exportstats.errors import BadRowsWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from random import Random

    import pytest

Row = dict[str, Any]

# A test marked `sampled` uses all cases or some.
WHOLE = settings.get_current_profile_name() == "ci"
# Fewer examples of what takes long: `@FEW` above `@given`.
FEW = settings(max_examples=30 if WHOLE else 4)
MOST = 2**63 - 1
SECOND = 1000
HOUR = 3_600_000
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = 1_795_413_600_000  # 2026-11-23T06:00Z, a Monday
FIRST, LAST = 0, 32_503_679_999_999  # the bounds of a time: 1970 to 2999-12-31T23:59:59.999Z
# The sample response of the API reference, with its odd spacing.
API_SAMPLE = b"""{
"exportTasks": [
{
"taskId": "exampleTaskId",
"taskName": "my-task-1",
"logGroupName": "my-log-group",
"from": 1437584472382,
"to": 1437584472833,
"destination": "my-destination",
"destinationPrefix": "my-prefix",
"status":
{
"code": "COMPLETE",
"message": "Example message"
},
"executionInfo":
{
"creationTime": 1437584472856,
"completionTime" : 1437584472986
}
},
{
"taskId": "exampleTaskId",
"taskName": "my-task-2",
"logGroupName": "my-log-group",
"from": 1437584472382,
"to": 1437584472833,
"destination": "my-destination",
"destinationPrefix": "my-prefix",
"status":
{
"code": "COMPLETE",
"message": "Example message"
},
"executionInfo":
{
"creationTime": 1437584472856,
"completionTime" : 1437584472986
}
}
]
}"""

ENDED = ("COMPLETED", "FAILED", "CANCELLED")
ACTIVE = ("PENDING", "RUNNING", "PENDING_CANCEL")
TIMES = tuple(column.name for column in schema.TASKS.base if column.kind == "time")


def some(cases: Iterable[Any], step: int) -> list[Any]:
    """Return every `step`-th case, or all of them if all is looked at."""
    return [*cases][:: 1 if WHOLE else step]


def ms(text: str) -> int:
    """Return an ISO 8601 text with an offset in milliseconds since 1970."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Make a frame of Python objects with all base columns; each task has an ID."""
    named = [{"task_id": f"task-{number}", **row} for number, row in enumerate(rows)]
    columns = {
        column.name: pd.Series([row.get(column.name) for row in named], dtype=object)
        for column in schema.TASKS.base
    }
    return pd.DataFrame(columns)


def table(*rows: Row, **same: object) -> pd.DataFrame:
    """Make a table of tasks from a few fields, with times in milliseconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xs.UnusedWarning)
        return frames.conform(frame([{**same, **row} for row in rows]))


def conform_quietly(frame: Any) -> tuple[pd.DataFrame, list[tuple[str, str]]]:  # noqa: ANN401
    """Return the table, and the place and reason of each row that was reported."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        tasks = xs.conform(frame)
    reported = [
        (row.place, row.reason)
        for each in caught
        if isinstance(each.message, BadRowsWarning)
        for row in each.message.rows.itertuples()
    ]
    return tasks, reported


def rows_of(tasks: pd.DataFrame) -> list[Row]:
    """Return each task as plain Python: texts, milliseconds, None for what is missing."""
    columns = {column.name: plain(tasks[column.name]) for column in schema.TASKS.base}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def plain(values: pd.Series | pd.Index) -> list[Any]:
    """Return values as plain Python: times and durations in milliseconds, missing ones as None."""
    kind = values.dtype.kind if hasattr(values.dtype, "kind") else "O"
    if kind in "mM":
        whole = values.to_numpy(dtype=f"{kind}8[ms]").astype("int64")
        return [None if value == -MOST - 1 else int(value) for value in whole]
    return [None if pd.isna(value) else value for value in values.astype(object)]


def cells(result: pd.DataFrame, *columns: str) -> dict[Any, Any]:
    """Return a table as a dict of its index and the given columns, in plain Python."""
    levels = [plain(result.index.get_level_values(n)) for n in range(result.index.nlevels)]
    keys = levels[0] if len(levels) == 1 else list(zip(*levels, strict=True))
    values = [plain(result[column]) for column in columns]
    found = values[0] if len(values) == 1 else list(zip(*values, strict=True))
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found, strict=True))


def duration_of(row: Row) -> int | None:
    """Return completion - creation, or None if it is missing or negative."""
    created, completed = row["creation_time"], row["completion_time"]
    if created is None or completed is None or not 0 <= completed - created <= MOST:
        return None
    return completed - created


def by_group(rows: Iterable[Row], names: Sequence[str]) -> dict[Any, list[Row]]:
    """Group rows; the key is one value, or a tuple of several."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in names)
        groups[key[0] if len(key) == 1 else key].append(row)
    return groups


def quantile(values: Sequence[int], q: float) -> float:
    """Return a quantile with linear interpolation."""
    ordered = sorted(values)
    at = (len(ordered) - 1) * q
    low = ordered[math.floor(at)]
    return low + (ordered[math.ceil(at)] - low) * (at - math.floor(at))


def year_and_month(time: int) -> tuple[int, int]:
    """Return the year and month of an instant in any year, by counting days."""
    days = time // DAY + 719_468  # since 0000-03-01
    era, day = divmod(days, 146_097)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    march_month = (5 * (day - (365 * year + year // 4 - year // 100)) + 2) // 153
    month = march_month + 3 if march_month < 10 else march_month - 9
    return year + era * 400 + (month <= 2), month


def first_of(year: int, month: int) -> int:
    """Return the first instant of a month in any year."""
    before_march = month <= 2
    year -= before_march
    era, of_era = divmod(year, 400)
    day_of_year = (153 * (month + (9 if before_march else -3)) + 2) // 5
    day = of_era * 365 + of_era // 4 - of_era // 100 + day_of_year
    return (era * 146_097 + day - 719_468) * DAY


def period_start(time: int | None, freq: str) -> int | None:
    """Return the first instant of the day, the week (from Monday), the month or the year."""
    if time is None:
        return None
    if freq == "D":
        return time // DAY * DAY
    if freq == "W":
        return (time // DAY - (time // DAY + 3) % 7) * DAY
    year, month = year_and_month(time)
    return first_of(year, month if freq == "MS" else 1)


# Tables of tasks with any valid content.

_USUAL = st.integers(START - 40 * DAY, START)
_FAR = st.sampled_from([FIRST, FIRST + 1, LAST - 1, LAST, ms("2999-01-01T00:00Z")])
_LENGTH = st.one_of(
    st.integers(0, 10), st.integers(0, 2 * DAY), st.sampled_from([0, SECOND, HOUR, -1, -HOUR])
)
_MESSAGES = (
    "Completed successfully",
    "Access denied to bucket acme-logs-eu (request 7F3A9C21)",
    "Access denied to bucket acme-logs-us (request 0B11D2E4)",
    "No answer after 30 s",
    "No answer after 7 s",
    "",
    "Zeitüberschreitung \N{COLLISION SYMBOL}",
)


@st.composite
def rows(draw: Callable[..., Any], *, far: bool = True) -> Row:
    """Return the fields of a task, some of them missing, odd or, with `far`, distant."""
    instant = st.one_of(st.none(), _USUAL, _FAR) if far else st.one_of(st.none(), _USUAL)
    row = {
        "account_id": draw(st.sampled_from(["111122223333", "012345678901", None])),
        "region": draw(st.sampled_from(["eu-west-1", "us-east-1", None])),
        "task_name": draw(st.sampled_from(["nightly", "ad hoc", "", None])),
        "log_group_name": draw(st.sampled_from(["/aws/vpc", "acme/api", None])),
        "destination": draw(st.sampled_from(["acme-logs-eu", "acme-logs-us", None])),
        "destination_prefix": draw(st.sampled_from(["exportedlogs", None])),
        "status_code": draw(st.sampled_from([*schema.STATES, "COMPLETED", "PAUSED", None])),
        "status_message": draw(st.sampled_from([*_MESSAGES, None])),
        "from_time": draw(instant),
        "to_time": draw(instant),
        "creation_time": draw(instant),
        "completion_time": draw(instant),
        "observed_at": draw(instant),
    }
    created = row["creation_time"]
    if created is not None and draw(st.booleans()):
        row["completion_time"] = max(FIRST, min(LAST, created + draw(_LENGTH)))
    return row


def tables(*, far: bool = True, max_size: int = 10) -> st.SearchStrategy[pd.DataFrame]:
    """Return tables of tasks, each task once."""
    return st.lists(rows(far=far), max_size=max_size).map(lambda made: table(*made))


def skip_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let botocore retry at once, and return the seconds that it would have waited.

    Those of threads that an earlier test left behind do not count.
    """
    waits: list[float] = []
    earlier = {*threading.enumerate()} - {threading.current_thread()}

    def sleep(seconds: float) -> None:
        if threading.current_thread() not in earlier:
            waits.append(seconds)

    # only botocore's name: a `sleep` of the whole process is also that of servers and other tests
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=sleep))
    return waits


def forget_environment(monkeypatch: pytest.MonkeyPatch, *prefixes: str) -> None:
    """Remove the AWS settings and proxies of this machine, and variables with other prefixes."""
    for name in os.environ:
        if name.startswith(("AWS_", *prefixes)) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Shards(shards.Shards):
    """Tables of tasks in a list; each part gets only the columns that it says to read."""

    def __init__(self, frames: Sequence[pd.DataFrame]) -> None:
        self.frames = frames
        self.passes = 0

    def map(self, part: Callable[[pd.DataFrame], Any]) -> Iterator[Any]:
        """Apply a part to each shard."""
        self.passes += 1
        columns = getattr(part, "columns", None)
        if columns is None or not all(columns <= {*some} for some in self.frames):
            return map(part, self.frames)
        return (part(some[[name for name in some if name in columns]]) for some in self.frames)


def cut(tasks: pd.DataFrame, random: Random, *, anew: bool = False) -> Shards:
    """Distribute slots to shards at random, in any order; some stay empty.

    With `anew` each shard has only the categories that it needs, as if read from a file.
    """
    parts: list[list[int]] = [[] for _ in range(random.randint(1, 4))]
    shard_of: dict[Any, list[int]] = {}
    slots = zip(plain(tasks["account_id"]), plain(tasks["region"]), strict=True)
    for row, slot in enumerate(slots):
        shard_of.setdefault(slot, random.choice(parts)).append(row)
    split = [tasks.iloc[taken] for taken in parts]
    return Shards([frames.conform(shard) for shard in split] if anew else split)


def shuffled(tasks: pd.DataFrame, random: Random) -> pd.DataFrame:
    """Shuffle the rows."""
    order = list(range(len(tasks)))
    random.shuffle(order)
    return tasks.iloc[order]


# A call of every function that takes tasks, for common properties.

_NAMES = ["account_id", "log_group_name", "status_message"]
_DAYS = {"start": "2026-11-01T00:00Z", "end": "2026-11-22T00:00Z"}
_NIGHT = {"start": "2026-11-04", "runs": 50}


def queue_ends(tasks: Any) -> pd.DataFrame:  # noqa: ANN401 - a table, or shards
    """Return the forecast of one export more in each slot, with the durations of its history."""
    slots = pd.DataFrame({"region": ["eu-west-1", "us-east-1"], "account_id": "111122223333"})
    exports = slots.assign(create_at=pd.Timestamp("2026-11-04T01:00Z"))
    return xs.simulate_queue(tasks, exports, **_NIGHT).exports


def orders(tasks: Any) -> pd.DataFrame:  # noqa: ANN401 - a table, or shards
    """Return the exports of a night in the order to create them in."""
    exports = xs.expected_exports(tasks, start="2026-11-04", end="2026-11-05")
    timed = exports.assign(deadline=pd.Timestamp("2026-11-05T06:00Z"))
    return xs.schedule_exports(tasks, timed, **_NIGHT)


def spares(tasks: Any) -> pd.DataFrame:  # noqa: ANN401 - a table, or shards
    """Return how many exports more are done in time."""
    exports = xs.expected_exports(tasks, start="2026-11-04", end="2026-11-05")
    return xs.spare_exports(tasks, exports, "5min", deadline="2026-11-05", **_NIGHT)


# Each reads the tasks once.
CALLS: dict[str, Callable[[Any], pd.DataFrame]] = {
    "status": xs.status_breakdown,
    "status by region and week": partial(xs.status_breakdown, by="region", freq="W"),
    "status by four": partial(
        xs.status_breakdown, by=["region", "account_id", "task_name", "destination"]
    ),
    "status by month": partial(xs.status_breakdown, freq="MS"),
    "summary": xs.duration_summary,
    "summary by three": partial(xs.duration_summary, by=_NAMES, quantiles=[0, 0.25, 1]),
    "summary as of": partial(xs.duration_summary, by="region", as_of="2026-11-03T00:00Z"),
    "trend": xs.duration_trend,
    "trend by slot": partial(xs.duration_trend, freq="D", by=["account_id", "region"]),
    "histogram": xs.duration_histogram,
    "histogram by": partial(xs.duration_histogram, by="log_group_name", bins=["1s", "1h"]),
    "reasons": xs.failure_reasons,
    "reasons by": partial(xs.failure_reasons, by=["region", "destination"]),
    "completion times": partial(xs.completion_times, tz="Asia/Kolkata"),
    "anomalies": xs.find_anomalies,
    "curve": xs.completion_curve,
    "curve by region as of": partial(
        xs.completion_curve, by="region", as_of="2026-11-03T00:00Z", event="ended"
    ),
    "comparison": partial(
        xs.compare_periods, current="2026-W45", previous="2026-W44", by="log_group_name"
    ),
    "slow": partial(xs.find_slow_tasks, at_least=2),
    "slowdowns": xs.find_slowdowns,
    "slots": xs.slot_usage,
    "slots by month": partial(xs.slot_usage, freq="MS"),
    "landing lag": partial(xs.landing_lag, by="region"),
    "expected exports": partial(xs.expected_exports, start="2026-11-04", end="2026-11-06"),
    "queues": queue_ends,
    "forecasts": xs.estimate_completion,
    "phases": xs.phase_durations,
    "gaps": partial(xs.find_gaps, **_DAYS),
    "overlaps": xs.find_overlaps,
    "premature": xs.find_premature,
    "retries": xs.find_retries,
    "coverage": partial(xs.coverage_summary, **_DAYS),
    "coverage by day": partial(xs.coverage_by_day, **_DAYS),
    "timeline": partial(xs.coverage_timeline, **_DAYS),
}
# Each reads the tasks several times.
PLANS: dict[str, Callable[[Any], pd.DataFrame]] = {
    "backfill": lambda tasks: xs.plan_backfill(
        xs.find_gaps(tasks, **_DAYS), tasks, as_of="2026-11-23T06:00Z"
    ),
    "orders": orders,
    "spares": spares,
}
ALL = CALLS | PLANS


def answers(tasks: pd.DataFrame) -> str:
    """Return all statistics of a table as text, to compare processes."""
    return "\n".join(f"{name}\n{call(tasks).to_csv()}" for name, call in CALLS.items())


def periods(rows: Sequence[Row], freq: str) -> list[int | None]:
    """Return each period from the first creation to the last, and None if a task has none.

    Only the periods in use, if there are more than 10,000 from the first to the last.
    """
    used = {period_start(row["creation_time"], freq) for row in rows}
    known = sorted(used - {None})
    filled = set(known)
    time = known[0] if known else None
    while time is not None and time <= known[-1] and len(filled) <= 10_000:
        filled.add(period_start(time, freq))
        time = next_period(time, freq)
    enough = len(filled) <= 10_000
    return [*sorted(filled if enough else known), *([None] if None in used else [])]


def next_period(time: int, freq: str) -> int:
    """Return the first instant of the next period."""
    if freq in ("D", "W"):
        return time + (DAY if freq == "D" else 7 * DAY)
    year, month = year_and_month(time)
    if freq == "YS":
        return first_of(year + 1, 1)
    return first_of(year + month // 12, month % 12 + 1)
