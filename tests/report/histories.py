"""Generate random histories of exports with many faults, for the oracles of the report's rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from support import DAY, HOUR, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = 60_000
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
# Failure messages and their reasons. Messages with the same reason differ in details of the task.
MESSAGES = {
    "Access denied writing s3://acme-logs/{n} (request 7F3A9C{n})": (
        "Access denied writing <s3 address> (request <id>)"
    ),
    "No answer after {n} s": "No answer after <number> s",
    "Internal failure, reference 0b11d2e4{n}": "Internal failure, reference <id>",
    "The key's policy denies it": "The key's policy denies it",
    None: "(no message)",
}
STYLES = (
    *("daily", "daily", "daily", "daily", "six-hourly", "weekly", "irregular"),
    *("weekdays", "weekdays", "monday", "fewer"),
)
WEEKS = 13


@dataclass(frozen=True)
class History:
    """A history of exports, and the arguments of a report on it.

    Attributes
    ----------
    week, start, end
        The week of the report, and its start and end (milliseconds).
    as_of
        The `as_of` of the report, or None.
    """

    tz: str
    week: str
    start: int
    end: int
    as_of: int | None
    tasks: list[Row]
    log_groups: list[Row] | None
    deliveries: list[Row] | None
    waivers: list[Row]


def make(seed: int) -> History:
    """Return the history of a seed. It depends on the seed alone."""
    return _World(Random(seed), seed).history()  # noqa: S311 - made up, and the same every time


def millis(day: date, zone: ZoneInfo) -> int:
    """Return the start of a day in a time zone."""
    begin = datetime(day.year, day.month, day.day, tzinfo=zone)
    return int(begin.timestamp()) * 1000


@dataclass
class _World:
    random: Random
    seed: int
    tasks: list[Row] = field(default_factory=list)

    def history(self) -> History:
        random, tz = self.random, ZONES[self.seed // 3 % 3]
        # every fourth is near the end of daylight saving time in New York
        number = random.choice([10, 11, 44, 45]) if self.seed % 4 == 0 else random.randint(14, 50)
        monday = date.fromisocalendar(2026, number, 1)
        zone = ZoneInfo(tz)
        start, end = (millis(monday + timedelta(days=n), zone) for n in (0, 7))
        self.end = end
        self.zero = millis(monday, ZoneInfo("UTC"))  # the Monday on which weekly windows begin
        observed = random.choice(
            [
                *(end + days * DAY for days in (0, 0, 1, 3, 20)),
                random.randrange(start + HOUR, end),
            ]
        )
        self.last = max(observed, end) + DAY
        slots = self.slots()
        self.outage = {slot: self.days_off() for slot in slots if random.random() < 0.25}
        self.busy = random.choice(slots) if random.random() < 0.25 else None
        groups = []
        for slot in slots:
            one = slot == self.busy
            for letter in "abcd"[: 1 if one else random.randint(1, 4)]:
                name = f"acme/{letter}{len(groups)}"
                key = {**slot_of(slot), "log_group_name": name}
                groups.append(key)
                self.group(slot, key, "daily" if one else random.choice(STYLES))
        rows = [seen(row, observed) for row in self.tasks]
        rows = [row for row in rows if (row["creation_time"] or 0) <= observed]
        rows = [self.damaged(row) for row in rows]
        random.shuffle(rows)
        rows = [row | {"task_id": f"t-{n:04}"} for n, row in enumerate(rows)]
        as_of = random.randrange(start + HOUR, end + 10 * DAY) if random.random() < 0.2 else None
        year, week, _ = monday.isocalendar()
        return History(
            tz=tz,
            week=f"{year}-W{week:02}",
            start=start,
            end=end,
            as_of=as_of,
            tasks=rows,
            log_groups=self.log_groups(groups) if random.random() < 0.85 else None,
            deliveries=self.deliveries(rows) if random.random() < 0.3 else None,
            waivers=self.waivers(groups, monday) if random.random() < 0.4 else [],
        )

    def slots(self) -> list[tuple[str | None, str | None]]:
        """Return some slots, or one without account and region, as in the output of the AWS CLI."""
        if self.random.random() < 0.08:
            return [(None, None)]
        accounts = self.random.sample(["111122223333", "222233334444", "999900001111"], 2)
        every = [(one, region) for one in accounts for region in ("eu-west-1", "us-east-1")]
        return self.random.sample(every, self.random.randint(1, 3))

    def days_off(self) -> range:
        """Return the days of an outage, counted from the Monday of the week."""
        first = self.random.randint(-6, 5)
        return range(first, first + self.random.randint(1, 4))

    def group(self, slot: tuple, key: Row, style: str) -> None:
        """Add the tasks of a log group."""
        random = self.random
        weeks = WEEKS if random.random() < 0.85 else random.randint(1, 5)
        self.late = random.choice([13 * HOUR, 14 * HOUR, 14 * HOUR, 20 * HOUR, 50 * HOUR])
        if random.random() < 0.15:
            self.late = random.choice([HOUR, 11 * HOUR])  # always too soon
        # where each window ends too early: not at all, by seconds, by a minute, or by a bit more
        self.short = random.choice([0, 0, 0, 59_999, MINUTE, MINUTE + 1])
        self.took = random.choice([5, 12, 40]) * MINUTE
        self.trouble = random.choice([0.03, 0.1, 0.3])
        self.slow = range(0)
        self.denied = random.random() < 0.04  # never exported
        if slot == self.busy:
            self.took, self.trouble = 22 * HOUR, 0.03
        elif random.random() < 0.25:
            first = random.randint(-33, -2)
            self.slow = range(first, random.choice([60, 60, first + 12, first + 18]))
        stops = random.choice([-9, -3, 0]) if random.random() < 0.12 else 1000
        for number, begin, end in self.windows(style, weeks):
            if number < stops:
                self.window(slot, key, number, begin, end)

    def windows(self, style: str, weeks: int) -> Iterator[tuple[int, int, int]]:
        """Yield the day number and the edges of each window."""
        step = {"six-hourly": DAY // 4, "weekly": 7 * DAY}.get(style, DAY)
        at = self.zero - 7 * weeks * DAY + self.random.choice([0, 0, 5, 18]) * HOUR
        less = self.random.randint(-50, -7)  # the day from which there are fewer exports
        while at < self.last:
            number, begin = (at - self.zero) // DAY, at
            at += step
            if style == "irregular" and self.random.random() > 0.3:
                continue
            off = style == "weekdays" or (style == "fewer" and number > less)
            # seldom, a weekend is exported by hand
            if off and number % 7 > 4 and self.random.random() > 0.01:
                continue
            if style == "monday":
                # the weekend is part of a window of three days
                if number % 7 in (4, 5):
                    continue
                begin -= 2 * DAY if number % 7 == 6 else 0
            yield number, begin, at

    def window(self, slot: tuple, key: Row, number: int, begin: int, end: int) -> None:
        """Export a window, possibly with a fault."""
        random = self.random
        created = end + self.late + random.randint(0, 30) * MINUTE
        task = {**key, "from_time": begin, "to_time": end - 1 - self.short}
        if self.denied:
            self.failed(task, created)
            return
        if number in self.outage.get(slot, ()):
            self.failed(task, created, next(iter(MESSAGES)))
            if random.random() < 0.5:
                self.done(task, created + random.randint(1, 6) * DAY)
            return
        # faults are more frequent near the week of the report
        if random.random() > (self.trouble if number > -12 else self.trouble / 4):
            self.done(task, created, number)
            return
        what = random.choices([self.fails, self.is_late, self.lasts, self.is_early], [5, 3, 3, 1])
        what[0](task, created, created + random.randint(1, 9) * DAY // 2)

    def fails(self, task: Row, created: int, again: int) -> None:
        """Add a failed task for a window, and maybe export it again as a whole or in part."""
        what = self.random.choice(["once", "thrice", "again", "in part", "now"])
        for number in range(3 if what == "thrice" else 1):
            self.failed(task, created + number * HOUR)
        if what == "in part":
            long = task["to_time"] - task["from_time"]
            self.done({**task, "to_time": task["from_time"] + long * 3 // 4}, again)
        elif what == "now":
            # the window is being exported at the time of the report
            self.put(task, max(self.end, created + HOUR) - HOUR, "COMPLETED", self.end + HOUR)
        elif what != "once":
            self.done(task, again)

    def is_late(self, task: Row, created: int, again: int) -> None:
        """Export a window later or never, maybe after a cancelled task."""
        what = self.random.choice(["never", "late", "cancelled", "cancelled and late"])
        if "cancelled" in what:
            self.put(task, created, "CANCELLED", created + MINUTE)
        if "late" in what:
            self.done(task, again)

    def is_early(self, task: Row, *_: int) -> None:
        """Sometimes export a window before all of its events can be exported."""
        for _ in range(self.random.randint(1, 3)):
            self.done(task, task["to_time"] + self.random.randint(0, 12) * HOUR)

    def lasts(self, task: Row, created: int, _: int) -> None:
        """Add a task that takes long, maybe up to the time-out of the service."""
        what, message = self.random.choice(["long", "time-out", "now"]), "Timed out after 24 hours"
        if what == "long":
            stuck = self.random.choice([6, 11, 13, 19, 21, 30]) * HOUR
            self.put(task, created, "COMPLETED", created + stuck)
            return
        if what == "now":
            created = max(self.end, created + HOUR) - self.random.randint(1, 23) * HOUR
        self.put(task, created, "FAILED", created + DAY + 2 * MINUTE, message)

    def done(self, task: Row, created: int, number: int | None = None) -> None:
        took = self.took * self.random.uniform(0.8, 1.25)
        if number is not None and number in self.slow:
            took *= 4
        self.put(task, created, "COMPLETED", created + int(took))

    def failed(self, task: Row, created: int, message: str | None = "") -> None:
        if message == "":
            old = list(MESSAGES)[: 5 if created > self.zero - 2 * DAY else 2]
            message = self.random.choice(old)
        text = message and message.format(n=self.random.randint(10, 99))
        self.put(task, created, "FAILED", created + self.random.randint(1, 20) * MINUTE, text)

    def put(
        self, task: Row, created: int, state: str, ended: int, message: str | None = None
    ) -> None:
        times = {"creation_time": created, "completion_time": ended}
        self.tasks.append({**task, **times, "status_code": state, "status_message": message})

    def damaged(self, row: Row) -> Row:
        """Remove values from a few tasks, or make them impossible."""
        if self.random.random() > 0.004:
            return row
        changes: list[Row] = [
            {"completion_time": row["creation_time"] - HOUR},
            {"creation_time": None},
            {"log_group_name": None},
            {"from_time": row["to_time"], "to_time": row["from_time"]},
            {"to_time": None},
            {"status_code": "PAUSED"},
            {"status_code": None},
        ]
        return row | self.random.choice(changes)

    def log_groups(self, groups: list[Row]) -> list[Row]:
        """Return the log groups, some without retention and some never exported."""
        random, rows = self.random, []
        keeps = [1, 3, 5, 7, 14, 14, 30, 90, None]
        for key in groups:
            if random.random() < 0.9:
                kept = random.choice(keeps)
                born = self.zero - random.choice([400, 400, 400, 60, 9]) * DAY
                rows.append({**key, "retention": kept and kept * DAY, "creation_time": born})
        for number in range(random.randint(0, 2)):
            born = random.choice([self.zero - 90 * DAY, self.end + DAY, None])
            more = {"log_group_name": f"acme/never{number}", "creation_time": born}
            rows.append({**groups[0], "retention": 14 * DAY, **more})
        return rows

    def deliveries(self, rows: list[Row]) -> list[Row]:
        """Return the deliveries. A few tasks left nothing in S3."""
        found = []
        for row in rows:
            if row["status_code"] == "COMPLETED":
                says = self.random.choices(["yes", "empty", "gone", "unknown"], [95, 3, 2, 1])[0]
                key = {name: row[name] for name in ("account_id", "region", "task_id")}
                found.append({**key, "destination": "acme", "prefix": "x", "delivered": says})
        return found

    def waivers(self, groups: list[Row], monday: date) -> list[Row]:
        """Return some waivers."""
        random, found = self.random, []
        for number in range(random.randint(1, 2)):
            name = random.choice([random.choice(groups)["log_group_name"], "acme/a*", "acme/*"])
            row: Row = {"log_group": name, "reason": f"waiver {number}"}
            if name == "acme/*" or random.random() < 0.5:
                row["weekdays"] = random.choice([["Saturday", "Sunday"], ["Wednesday"]])
            if random.random() < 0.4:
                row["from"] = monday + timedelta(days=random.randint(-9, 5))
                row["to"] = row["from"] + timedelta(days=random.randint(1, 9))
            if random.random() < 0.4:
                row["until"] = monday + timedelta(days=random.choice([-8, 6, 7, 30]))
            found.append(row)
        return found


def slot_of(slot: tuple[str | None, str | None]) -> Row:
    """Return the account and region of a slot."""
    return {"account_id": slot[0], "region": slot[1]}


def seen(row: Row, when: int) -> Row:
    """Return a task as observed at an instant."""
    if row["completion_time"] <= when:
        return row | {"observed_at": when}
    going = {"status_code": "RUNNING", "completion_time": None, "status_message": None}
    return row | going | {"observed_at": when}


def toml_of(waivers: list[Row]) -> str:
    """Return waivers as TOML."""
    lines = []
    for row in waivers:
        lines.append("[[waiver]]")
        for name, value in row.items():
            lines.append(f"{name} = {value if isinstance(value, date) else repr_of(value)}")
    return "\n".join(lines)


def repr_of(value: object) -> str:
    """Return text or a list of text as TOML."""
    if isinstance(value, list):
        return "[" + ", ".join(map(repr_of, value)) + "]"
    return f'"{value}"'


def utc(time: int) -> datetime:
    """Return an aware time."""
    return datetime.fromtimestamp(time / 1000, UTC)
