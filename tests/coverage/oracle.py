"""An oracle of coverage that counts single milliseconds, and cases for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
from hypothesis import strategies as st
from support import ACTIVE, FIRST, LAST, START, Row, rows_of, table

from exportstats.core import coerce, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Key = tuple[str | None, ...]
Interval = tuple[int, int]

KEY = ("account_id", "region", "log_group_name")
SAMPLE = Path(__file__).parents[2] / "data" / "sample"
HOPE = ("never_tried", "empty", "failed", "cancelled", "unknown", "active")


def stamp(millis: int) -> pd.Timestamp:
    """Return an aware instant."""
    return pd.Timestamp(millis, unit="ms", tz="UTC")


def side_table(rows: Iterable[Row], columns: Iterable[schema.Column]) -> pd.DataFrame:
    """Return a side table with some fields per row, times and durations in milliseconds."""
    rows, made = list(rows), {}
    for column in columns:
        values = [row.get(column.name) for row in rows]
        whole = pd.array([coerce.NAT if value is None else value for value in values], "object")
        if column.kind == "time":
            made[column.name] = pd.Series(coerce.times(whole.astype("int64")))
        elif column.kind == "length":
            made[column.name] = pd.Series(whole.astype("int64").view("timedelta64[ms]"))
        else:
            text = column.kind == "category"
            made[column.name] = pd.Series(values, dtype="str" if text else column.dtype)
            made[column.name] = made[column.name].astype(column.dtype)
    return pd.DataFrame(made)


def log_groups_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Return a table of log groups."""
    return side_table(rows, schema.LOG_GROUPS.columns)


def deliveries_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Return a table of deliveries."""
    return side_table(rows, schema.DELIVERIES.columns)


def runs(millis: Iterable[int]) -> list[Interval]:
    """Join consecutive milliseconds."""
    found = []
    for _, run in groupby(enumerate(sorted(millis)), lambda pair: pair[1] - pair[0]):
        times = [time for _, time in run]
        found.append((times[0], times[-1] + 1))
    return found


def missing_last(key: Iterable[Any]) -> list[tuple[bool, Any]]:
    """Return a sort key with missing values last."""
    return [(part is None, part) for part in key]


def missing_first(key: Iterable[Any]) -> list[tuple[bool, Any]]:
    """Return a sort key with missing values first."""
    return [(part is not None, part) for part in key]


@dataclass
class Case:
    """Tasks and the arguments of a question, in milliseconds."""

    tasks: pd.DataFrame
    start: int = START
    end: int = START + 40
    tolerance: int = 0
    margin: int = 5
    as_of: int | None = None
    log_groups: list[Row] | None = None
    deliveries: list[Row] | None = None
    known: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        """Reconstruct what was known at `as_of`."""
        as_of = LAST if self.as_of is None else self.as_of
        self.known = []
        for row in rows_of(self.tasks):
            if row["creation_time"] is not None and row["creation_time"] > as_of:
                continue
            if row["completion_time"] is not None and row["completion_time"] > as_of:
                row["status_code"] = "RUNNING"
            self.known.append(row)

    def arguments(self, *names: str) -> dict[str, Any]:
        """Return the arguments of a call, with these additional ones."""
        lengths = {name: f"{getattr(self, name)}ms" for name in ("tolerance", "margin")}
        given = {
            "start": stamp(self.start),
            "end": stamp(self.end),
            "as_of": None if self.as_of is None else stamp(self.as_of),
            "log_groups": None if self.log_groups is None else log_groups_of(self.log_groups),
            "deliveries": None if self.deliveries is None else deliveries_of(self.deliveries),
            **lengths,
        }
        return {name: given[name] for name in ("start", "end", "as_of", "deliveries", *names)}

    def log_group_keys(self) -> list[Key]:
        """Return the keys of the log groups in the range, sorted."""
        keys = {tuple(row[name] for name in KEY) for row in self.known}
        keys |= {tuple(row.get(name) for name in KEY) for row in self.log_groups or ()}
        inside = (key for key in keys if key[2] is not None and self.low(key) < self.end)
        return sorted(inside, key=missing_last)

    def log_group(self, key: Key) -> Row:
        """Return the row of a log group, if it is listed."""
        for row in self.log_groups or ():
            if tuple(row.get(name) for name in KEY) == key:
                return row
        return {}

    def low(self, key: Key) -> int:
        """Return where the range of a log group begins."""
        created = self.log_group(key).get("creation_time")
        return self.start if created is None else max(self.start, created)

    def reason(self, row: Row) -> str | None:
        """Return the reason for a gap that a task gives; None if it covers its window."""
        if row["status_code"] == "COMPLETED":
            key = [row[name] for name in schema.KEY]
            empty = [
                [given.get(name) for name in schema.KEY]
                for given in self.deliveries or ()
                if given["delivered"] in ("empty", "gone")
            ]
            return "empty" if key in empty else None
        meanings = {"FAILED": "failed", "CANCELLED": "cancelled", **dict.fromkeys(ACTIVE, "active")}
        return meanings.get(row["status_code"], "unknown")

    def of(self, key: Key, *, covering: bool) -> list[Row]:
        """Return the tasks of a log group that cover their window, or those that do not."""
        return [
            row
            for row in self.known
            if tuple(row[name] for name in KEY) == key
            and (self.reason(row) is None) == covering
            and self.window(row, self.start)
        ]

    def window(self, row: Row, low: int) -> range:
        """Return the milliseconds of a task's window from `low` to the end."""
        if row["from_time"] is None or row["to_time"] is None:
            return range(0)
        return range(max(row["from_time"], low), min(row["to_time"] + 1, self.end))

    def is_premature(self, row: Row) -> bool:
        """Return whether a task was created too soon after its window."""
        created = row["creation_time"]
        return created is not None and created - (row["to_time"] + 1) < self.margin

    def covering(self, key: Key) -> Iterator[tuple[int, list[Row]]]:
        """Yield each millisecond of a log group's range with the tasks that cover it."""
        tasks = self.of(key, covering=True)
        for time in range(self.low(key), self.end):
            yield time, [row for row in tasks if time in self.window(row, self.start)]

    def gaps(self, key: Key) -> list[Interval]:
        """Return the gaps of a log group that exceed the tolerance."""
        gaps = runs(time for time, over in self.covering(key) if not over)
        return [(start, end) for start, end in gaps if end - start > self.tolerance]

    def explain(self, key: Key, gap: Interval) -> tuple[str, str | None]:
        """Return the reason of a gap and the latest task with it."""
        tried = [
            (HOPE.index(self.reason(row) or ""), [row["creation_time"], row["task_id"]])
            for row in self.of(key, covering=False)
            if set(self.window(row, self.start)) & set(range(*gap))
        ]
        if not tried:
            return "never_tried", None
        hope, (_, task_id) = max(tried, key=lambda one: (one[0], missing_first(one[1])))
        return HOPE[hope], task_id

    def gap_rows(self) -> list[tuple[Any, ...]]:
        """Return the rows of `find_gaps`, without the length."""
        found = []
        for key in self.log_group_keys():
            kept = self.log_group(key).get("retention")
            now = self.log_group(key).get("observed_at") if self.as_of is None else self.as_of
            for start, end in self.gaps(key):
                reason, task_id = self.explain(key, (start, end))
                gone = None if kept is None or now is None else now - kept
                for left, right, lost in (
                    [(start, end, False)]
                    if gone is None
                    else [(start, min(end, gone), True), (max(start, gone), end, False)]
                ):
                    if left < right:
                        expires = None if kept is None else left + kept
                        why = "lost" if lost else reason
                        found.append((*key, left, right, why, task_id, expires))
        return found


_NEAR = st.integers(START - 5, START + 45)
_FAR = st.sampled_from([FIRST, FIRST + 1, LAST - 1, LAST])
_STATES = st.sampled_from(["COMPLETED"] * 6 + [*schema.STATES, "PAUSED", None])


@st.composite
def windows(draw: Callable[..., Any]) -> dict[str, int | None]:
    """Draw a window: of any length, missing, reversed, or far out."""
    first = draw(st.one_of(_NEAR, _NEAR, _NEAR, _FAR, st.none()))
    last = draw(st.one_of(_NEAR, _FAR, st.none()))
    if first is not None and draw(st.booleans()):
        last = max(FIRST, min(LAST, first + draw(st.integers(-2, 12))))
    return {"from_time": first, "to_time": last}


@st.composite
def rows(draw: Callable[..., Any]) -> Row:
    """Draw the fields of a task that matter for coverage."""
    created = draw(st.one_of(st.none(), _NEAR, _NEAR, _FAR))
    return {
        "account_id": draw(st.sampled_from(["111122223333", "444455556666", None])),
        "region": draw(st.sampled_from(["eu-west-1", "eu-west-1", None])),
        "log_group_name": draw(st.sampled_from(["acme/api", "acme/api", "/aws/vpc", None])),
        "status_code": draw(_STATES),
        "creation_time": created,
        "completion_time": draw(st.one_of(st.none(), _NEAR)),
        **draw(windows()),
    }


def tables(max_size: int = 9) -> st.SearchStrategy[pd.DataFrame]:
    """Return a strategy for tables of tasks around a range of 40 ms."""
    return st.lists(rows(), max_size=max_size).map(lambda made: table(*made))


@st.composite
def _log_groups(draw: Callable[..., Any]) -> list[Row]:
    keys = st.tuples(
        st.sampled_from(["111122223333", "999900001111", None]),
        st.sampled_from(["eu-west-1", None]),
        st.sampled_from(["acme/api", "/aws/vpc", "acme/never"]),
    )
    return [
        {
            **dict(zip(KEY, key, strict=True)),
            "creation_time": draw(st.one_of(st.none(), _NEAR)),
            "retention": draw(st.one_of(st.none(), st.integers(0, 30))),
            "observed_at": draw(st.one_of(st.none(), _NEAR)),
        }
        for key in draw(st.lists(keys, unique=True, max_size=4))
    ]


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    """Draw tasks and a question with any arguments."""
    tasks = draw(tables())
    delivered = st.sampled_from(("yes", "empty", "gone", "unknown"))
    deliveries = [
        {**{name: row[name] for name in schema.KEY}, "delivered": draw(delivered)}
        for row in rows_of(tasks)
        if draw(st.booleans())
    ]
    start = START + draw(st.integers(-3, 3))
    return Case(
        tasks,
        start=start,
        end=start + draw(st.integers(1, 40)),
        tolerance=draw(st.sampled_from([0, 0, 1, 3])),
        margin=draw(st.sampled_from([0, 5, 20])),
        as_of=draw(st.one_of(st.none(), st.none(), _NEAR)),
        log_groups=draw(st.one_of(st.none(), _log_groups())),
        deliveries=draw(st.sampled_from([None, deliveries])),
    )


def sampled() -> dict[str, Any]:
    """Return what was generated into the sample."""
    return dict(json.loads((SAMPLE / "planted.json").read_text(encoding="utf-8")))


def windows_around(start: int, many: int) -> pd.DataFrame:
    """Return COMPLETED tasks of two log groups with windows scattered over 600 ms."""
    random = Random(many)  # noqa: S311 - nothing secret
    made = []
    for _ in range(many):
        first = start + random.randrange(600)
        name = random.choice(["acme/api", "/aws/vpc"])
        last = first + random.randrange(3)
        made.append({"log_group_name": name, "from_time": first, "to_time": last})
    return table(*made, status_code="COMPLETED")
