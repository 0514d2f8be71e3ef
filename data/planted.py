"""The synthetic world of the sample: who exports what, and the planted problems.

This module has only tables. A night is the day whose events are exported, given as its date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1000  # every time is an integer of milliseconds, as AWS has them
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY


def at(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 instant in UTC."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(milliseconds=1)


def iso(time: int) -> str:
    """Return the ISO 8601 text, with milliseconds and a Z, of milliseconds since 1970."""
    moment = EPOCH + timedelta(milliseconds=time)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def week_of(time: int) -> int:
    """Return the Monday midnight before an instant."""
    return time - (time - HISTORY_START) % WEEK


SEED = 20261123
HISTORY_START = at("2025-11-24")  # both are Mondays: the history is 52 whole ISO weeks
OBSERVED_AT = at("2026-11-23T06:00")
FIRST_NIGHT = "2025-11-24"
LAST_NIGHT = "2026-11-21"
LATEST_EVENTS = 12 * HOUR  # how long AWS says events may take to become exportable
LONGEST_TASK = DAY  # AWS ends a task that takes longer


@dataclass(frozen=True)
class Slot:
    """An account and region, which runs one task at a time, and the bucket that it exports to."""

    account_id: str
    region: str
    bucket: str


ACME_EU = Slot("111122223333", "eu-west-1", "acme-logs-archive-eu")
ACME_US = Slot("111122223333", "us-east-1", "acme-logs-archive-us")
ACME_AP = Slot("111122223333", "ap-southeast-2", "acme-logs-archive-ap")
DATA_EU = Slot("444455556666", "eu-west-1", "acme-data-exports-eu")
DATA_US = Slot("444455556666", "us-east-1", "acme-data-exports-us")
SLOTS = (ACME_EU, ACME_US, ACME_AP, DATA_EU, DATA_US)
OTHER_REGION_BUCKET = "acme-logs-dr"


@dataclass(frozen=True)
class LogGroup:
    """A log group and how it is exported."""

    label: str  # what these tables and the task names call it
    slot: Slot
    name: str
    day_takes: float = 0  # typical duration of one day's export; 0: never exported
    runs_after: float | None = None  # how long after the night's end; None: only on request
    prefix: str = "exportedlogs"
    first_night: str = FIRST_NIGHT
    last_night: str = LAST_NIGHT
    night_lasts: int = DAY
    created: str = "2024-02-06T10:21:07"
    retention_days: int | None = None
    stored_bytes: int = 0
    log_class: str = "STANDARD"

    @property
    def key(self) -> dict[str, str]:
        """The three fields that identify a log group in `planted.json`."""
        return {
            "account_id": self.slot.account_id,
            "region": self.slot.region,
            "log_group_name": self.name,
        }

    @property
    def nights(self) -> range:
        """The midnights at which its exported nights start."""
        return range(at(self.first_night), at(self.last_night) + DAY, DAY)


LOG_GROUPS = (
    LogGroup(
        "checkout", ACME_EU, "/aws/lambda/acme-checkout", 45 * SECOND, 13.2 * HOUR,
        prefix="nightly/checkout", retention_days=90, stored_bytes=48_318_382_080,
    ),
    LogGroup(
        "payments", ACME_EU, "acme/payments/api", 15 * MINUTE, 13.4 * HOUR,
        prefix="nightly/payments", retention_days=365, stored_bytes=1_902_238_110_421,
    ),
    LogGroup(
        "flow", ACME_EU, "/aws/vpc/flow-logs", HOUR, 14.5 * HOUR,
        retention_days=30, stored_bytes=3_518_437_208_883,
    ),
    LogGroup(
        "fraud", ACME_EU, "acme/fraud/scoring", 8 * MINUTE,
        retention_days=731, stored_bytes=906_238_099_113,
    ),
    LogGroup(
        "legacy", ACME_EU, "/aws/lambda/acme-legacy-import",
        created="2021-08-30T07:02:55", stored_bytes=214_748_365,
    ),
    LogGroup(
        "search", ACME_US, "/aws/lambda/acme-search", 2 * MINUTE, 13 * HOUR,
        prefix="nightly/search", retention_days=60, stored_bytes=96_636_764_160,
    ),
    LogGroup(
        "catalog", ACME_US, "acme/catalog/api", 6 * MINUTE, 13.25 * HOUR,
        retention_days=90, stored_bytes=322_122_547_200,
    ),
    LogGroup(
        "orders", ACME_US, "/aws/rds/instance/acme-orders/postgresql", 12 * MINUTE, 14 * HOUR,
        retention_days=180, stored_bytes=687_194_767_360,
    ),
    LogGroup(
        "edge", ACME_US, "/aws/apigateway/acme-edge", 20 * MINUTE, 14.25 * HOUR,
        retention_days=14, stored_bytes=137_438_953_472,
    ),
    # The same name in another slot is another log group.
    LogGroup(
        "checkout-ap", ACME_AP, "/aws/lambda/acme-checkout", 20 * SECOND, 13.1 * HOUR,
        prefix="nightly/checkout", retention_days=30, stored_bytes=5_368_709_120,
    ),
    # It ends each day at 23:59:00.000, so a minute is missing every night.
    LogGroup(
        "batch", DATA_EU, "acme/batch/reports", 90 * SECOND, 27 * HOUR,
        prefix="nightly/batch", stored_bytes=77_309_411_328, night_lasts=DAY - MINUTE + 1,
    ),
    LogGroup(
        "containers", DATA_EU, "/aws/containerinsights/acme-prod/application", 30 * MINUTE,
        27.5 * HOUR, retention_days=30, stored_bytes=1_236_950_581_248,
    ),
    LogGroup(
        "cluster", DATA_EU, "/aws/eks/acme-prod/cluster", 55 * MINUTE, 29 * HOUR,
        prefix="nightly/eks", retention_days=90, stored_bytes=2_473_901_162_496,
        last_night="2026-11-20",  # the next one is still running
    ),
    LogGroup(
        "audit", DATA_EU, "acme/internal/audit", created="2026-08-03T14:40:00",
        retention_days=365, stored_bytes=1_073_741_824, log_class="INFREQUENT_ACCESS",
    ),
    # Its exporter was switched off unnoticed.
    LogGroup(
        "web", DATA_US, "acme/web/frontend", 4 * MINUTE, 15 * HOUR,
        prefix="nightly/web", retention_days=400, stored_bytes=210_453_397_504,
        last_night="2026-11-01",
    ),
    LogGroup(
        "notify", DATA_US, "/aws/lambda/acme-notify", 25 * SECOND, 15.2 * HOUR,
        retention_days=30, stored_bytes=8_589_934_592,
        created="2026-05-18T09:12:44", first_night="2026-05-19",
    ),
    LogGroup(
        "chat", DATA_US, "acme/support/chat", 5 * MINUTE, 15.3 * HOUR,
        prefix="nightly/chat", stored_bytes=64_424_509_440,
    ),
    LogGroup(
        "features", DATA_US, "acme/ml/features", 3 * MINUTE,
        retention_days=30, stored_bytes=429_496_729_600,
    ),
)  # fmt: skip
Night = tuple[LogGroup, int]
BY_LABEL = {group.label: group for group in LOG_GROUPS}
NIGHTLY = tuple(group for group in LOG_GROUPS if group.runs_after is not None)
ON_REQUEST = tuple(group for group in LOG_GROUPS if group.day_takes and group.runs_after is None)

# --- What is planted -----------------------------------------------------------------------------

SLOW_LABEL, SLOW_SINCE, SLOW_FACTOR = "payments", at("2026-09-14"), 2.5
SLOW_TOLERANCE = 0.05  # within which the medians show the factor

# Nights without any task; two of them in the last week.
MISSED = {
    "checkout": ["2026-01-11"],
    "flow": ["2026-03-28", "2026-03-29", "2026-11-17"],
    "search": ["2025-12-24", "2025-12-25"],
    "catalog": ["2026-04-05"],
    "containers": ["2026-10-26", "2026-11-19"],
    "cluster": ["2026-08-01"],
    "notify": ["2026-09-09"],
    "chat": ["2026-07-14"],
}
# Nights whose task failed or was cancelled, and was never run again.
FAILED_FOR_GOOD = {
    "checkout": ["2026-05-05"],
    "flow": ["2026-09-29"],
    "catalog": ["2026-04-06"],
    "orders": ["2026-06-10", "2026-06-11", "2026-06-12"],
    "edge": ["2026-06-11"],
    "checkout-ap": ["2026-10-28"],
    "web": ["2026-08-19"],
}
CANCELLED_FOR_GOOD = {
    "search": ["2026-11-10"],
    "orders": ["2026-03-12", "2026-03-13"],
    "cluster": ["2026-01-30"],
    "chat": ["2026-10-12"],
}

# Five nights on which one slot could not write: all but the named ones failed.
OUTAGE_SLOT = ACME_US
OUTAGE_NIGHTS = ["2026-06-08", "2026-06-09", "2026-06-10", "2026-06-11", "2026-06-12"]
OUTAGE_SURVIVORS = {"edge": ["2026-06-08"], "search": ["2026-06-12"]}
OUTAGE_RERUNS_AT = at("2026-06-15T09:00")

# Three weeks in which one exporter ran at half past midnight, before the late events were in.
EARLY_LABEL, EARLY_FROM, EARLY_UNTIL = "chat", at("2026-03-02"), at("2026-03-23")
EARLY_RUNS_AFTER = HOUR / 2

# Further completed tasks over windows that the nightly ones cover as well: [start, end).
EXTRA_RUNS = (
    ("flow", "2026-02-03T09:00", "2026-02-03T10:00"),
    ("orders", "2026-02-16", "2026-02-23"),
    ("chat", "2026-03-09", "2026-03-16"),  # exports the second of the premature weeks again
    ("checkout", "2026-04-21T21:00", "2026-04-22T03:00"),
    ("catalog", "2026-07-07", "2026-07-08"),
    ("catalog", "2026-07-07T12:00", "2026-07-07T18:00"),
    ("notify", "2026-08-11", "2026-08-12"),
    ("search", "2026-09-22", "2026-09-23"),  # failed, then run again twice
    ("cluster", "2026-10-06", "2026-10-07"),
)
FAILED_BEFORE_EXTRA = {"search": ["2026-09-22"]}

QUIET_WEEK = at("2026-05-11")  # the only week in which nothing goes wrong

# One task that AWS ends after 24 hours; the night's exports of its slot wait for it.
TIMED_OUT = ("features", "2026-07-13", "2026-07-20", "2026-07-22T10:00")

# The active tasks at the end: window, creation, state.
ACTIVE = (
    ("cluster", "2026-11-21", "2026-11-22", "2026-11-23T05:00:37", "RUNNING"),
    ("fraud", "2026-11-14", "2026-11-21", "2026-11-23T05:12:09", "PENDING_CANCEL"),
    ("features", "2026-11-21", "2026-11-22", "2026-11-23T05:59:41", "PENDING"),
)

# --- Evidence beside the tasks -------------------------------------------------------------------

EVIDENCE_FROM = at("2026-08-31")  # twelve weeks; LookupEvents reaches 90 days back

# Exports that were refused, because another task held the slot, and never became a task. Of the
# log groups that are exported by hand, this many gaps that can still be closed.
REFUSED = {"flow": ["2026-11-17"], "containers": ["2026-10-26", "2026-11-19"]}
REFUSED_BY_HAND = {"fraud": 4, "features": 3}
# Gaps in which, and in the hour after which, nothing came in; and as many of those by hand.
SILENT = {"checkout-ap": ["2026-10-28"], "chat": ["2026-10-12"]}
SILENT_BY_HAND = {"fraud": 3, "features": 5}
# Ten nights whose tasks exported only the streams of one of two deployments.
PREFIXED_LABEL, STREAM_PREFIX = "catalog", "blue/"
STREAMS = ("blue/1", "blue/2", "green/1", "green/2")  # of every log group
PREFIXED_NIGHTS = range(at("2026-10-05"), at("2026-10-15"), DAY)
# COMPLETED tasks without objects in S3: nothing at all, or only the service's write test.
LOST = {("search", "2026-10-20"): "gone", ("orders", "2026-11-05"): "empty"}
# The volume of the log group with the slowdown doubles when it begins.
DOUBLED_LABEL, DOUBLED_SINCE, VOLUME_FACTOR = SLOW_LABEL, SLOW_SINCE, 2


def listed(table: dict[str, list[str]]) -> Iterator[Night]:
    """Yield the nights of a table, as pairs of log group and midnight."""
    for label, nights in table.items():
        for night in nights:
            yield BY_LABEL[label], at(night)
