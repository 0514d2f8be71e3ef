"""What the notebook on coverage says, computed from plain rows."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import pandas as pd
from facts import (
    BY_HAND,
    DAY,
    LOG_GROUP,
    MINUTE,
    SAMPLE,
    Facts,
    Row,
    date,
    done_rows,
    week_of,
    words,
)

START, END = pd.Timestamp("2026-09-01T00:00Z"), pd.Timestamp("2026-11-22T00:00Z")
MS = pd.Timedelta("1ms")
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
Key: TypeAlias = tuple[str, ...]


class Gap(NamedTuple):
    """An interval from `start` to before `end` that no COMPLETED task covers."""

    key: Key
    start: pd.Timestamp
    end: pd.Timestamp
    reason: str
    expires: pd.Timestamp | None = None

    @property
    def name(self) -> str:
        """The log group's name."""
        return self.key[-1]

    @property
    def length(self) -> pd.Timedelta:
        """The length of the gap."""
        return self.end - self.start


def coverage(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook on coverage, from the tasks one by one."""
    of: dict[Key, list[Row]] = {}
    for row in tasks.assign(end=tasks["to_time"] + MS).to_dict("records"):
        of.setdefault(tuple(row[name] for name in LOG_GROUP), []).append(row)
    log_groups = {
        (row["accountId"], row["region"], row["logGroupName"]): row
        for row in json.loads((SAMPLE / "log_groups.json").read_text(encoding="utf-8"))
    }
    assert all(_time(row["creationTime"]) < START for row in log_groups.values())
    gaps = [gap for key in of for gap in _gaps(key, of[key])]
    never = [key for key in log_groups if key not in of]
    long = [gap for gap in gaps if gap.length > MINUTE]
    long += [Gap(key, START, END, "never_tried") for key in never]
    known = [part for gap in long for part in _expire(gap, log_groups[gap.key])]
    observed = _time(log_groups[never[0]]["observedAt"])
    return {
        **_covered(of, gaps),
        **_known(known, never, observed),
        **_overlaps(of),
        **_premature(of),
        "days-said": [
            f"{len(log_groups) - len({gap.key for gap in known})} of {len(log_groups)} log groups"
        ],
        **_plan(of, known, never, observed),
    }


def _time(millis: int) -> pd.Timestamp:
    return pd.Timestamp(millis, unit="ms", tz="UTC")


def _gaps(key: Key, rows: list[Row]) -> list[Gap]:
    """Find the gaps of a log group in the range, with their reasons."""
    found, until = [], START
    windows = [(row["from_time"], row["end"]) for row in done_rows(rows)]
    for start, end in sorted([*windows, (END, END)]):
        if until < min(start, END):
            end_of_gap = min(start, END)
            over = [row for row in rows if row["from_time"] < end_of_gap and row["end"] > until]
            states = [row["status_code"] for row in over]
            tried = [state.lower() for state in ("CANCELLED", "FAILED") if state in states]
            active = ["active"] if set(states) - ENDED else []
            found.append(Gap(key, until, end_of_gap, [*active, *tried, "never_tried"][0]))
        until = max(until, end)
    return found


def _expire(gap: Gap, log_group: Row) -> list[Gap]:
    """Split a gap into what has expired and what will."""
    if "retentionInDays" not in log_group:
        return [gap]
    kept = log_group["retentionInDays"] * DAY
    gone = min(max(_time(log_group["observedAt"]) - kept, gap.start), gap.end)
    parts = [
        gap._replace(end=gone, reason="lost", expires=gap.start + kept),
        gap._replace(start=gone, expires=gone + kept),
    ]
    return [part for part in parts if part.start < part.end]


def _covered(of: dict[Key, list[Row]], gaps: list[Gap]) -> Facts:
    missing: dict[str, pd.Timedelta] = {}
    for gap in gaps:
        missing[gap.name] = missing.get(gap.name, pd.Timedelta(0)) + gap.length
    number = Counter(gap.name for gap in gaps)
    assert len(missing) == len({gap.key for gap in gaps})  # no two log groups of one name have gaps
    web = missing["acme/web/frontend"]
    assert number["acme/web/frontend"] == 1
    assert sorted(missing, key=missing.__getitem__)[-3:] == [
        "acme/fraud/scoring",
        "acme/web/frontend",
        "acme/ml/features",
    ]

    minutes = [gap for gap in gaps if gap.length <= MINUTE]
    assert {gap.name for gap in minutes} == {"acme/batch/reports"}
    assert number["acme/batch/reports"] == len(minutes)
    (length,) = {gap.length for gap in minutes}
    (end,) = {f"{gap.start - MS:%H:%M:%S}" for gap in minutes}
    long = [gap for gap in gaps if gap.length > MINUTE]
    assert {gap.reason for gap in long} == {"never_tried", "failed", "cancelled", "active"}
    nightly = [gap for gap in long if gap.name not in BY_HAND]
    *days, last = sorted(nightly, key=lambda gap: gap.key)
    assert last.name == "acme/web/frontend"
    assert {gap.length for gap in days} == {DAY}
    assert last.end == END
    assert last.reason == "never_tried"
    assert [gap.reason for gap in days].count("active") == 1
    return {
        "covered-said": [
            f"{len(of)} log groups, of which {len(of) - len(missing)} are covered whole",
            f"has {len(minutes)} and misses {words(missing['acme/batch/reports'])}",
            f"has one and misses {web // DAY} days",
        ],
        "gaps-said": [
            f"{len(minutes)} of the {len(gaps)} gaps",
            f"are {length.total_seconds():g} s long",
            f"ends each day at {end}.000",
        ],
        "bridged-said": [f"{len(long)} gaps remain"],
        "nightly-said": [
            f"{len(nightly)} gaps, all but the last of one day",
            f"from {date(last.start)} on",
        ],
    }


def _known(known: list[Gap], never: list[Key], observed: pd.Timestamp) -> Facts:
    whole = [gap for gap in known if gap.key in never]
    assert len(never) == len(whole) == 2
    (length,) = {gap.length for gap in whole}
    lost = [gap for gap in known if gap.reason == "lost"]
    assert len({gap.key for gap in lost}) == 3
    (kept,) = {gap.expires - gap.start for gap in lost}
    first = min(
        (gap for gap in known if gap.reason != "lost" and gap.expires is not None),
        key=lambda gap: gap.expires,
    )
    assert first.name == "/aws/containerinsights/acme-prod/application"
    assert first.length == DAY
    hours = (first.expires - observed) / pd.Timedelta("1h")
    return {
        "never-said": [f"a gap of {length // DAY} days each"],
        "lost-said": [
            f"{len(lost)} gaps of three log groups",
            f"keep events for {kept // DAY} days",
        ],
        "expiring-said": [
            f"The day of {date(first.start)}",
            f"begins to expire on {date(first.expires)}, {hours:g} h after",
        ],
    }


def _overlaps(of: dict[Key, list[Row]]) -> Facts:
    """Cut the range of each log group wherever a window starts or ends."""
    deep = []
    for key, rows in of.items():
        done = [row for row in done_rows(rows) if row["from_time"] < END and row["end"] > START]
        edges = {time for row in done for time in (row["from_time"], row["end"])} | {START, END}
        for start, end in pairwise(sorted(time for time in edges if START <= time <= END)):
            depth = sum(row["from_time"] <= start and row["end"] >= end for row in done)
            deep += [(key[-1], end - start, depth)] if depth > 1 else []
    by_hand = [depth for name, _, depth in deep if name in BY_HAND]
    others = [(name, length, depth) for name, length, depth in deep if name not in BY_HAND]
    assert len({name for name, _, _ in others}) == len(others) == 2
    assert {(length, depth) for _, length, depth in others} == {(DAY, 2)}
    return {
        "overlaps-said": [
            f"{len(by_hand)} of the {len(deep)} intervals",
            f"up to {max(by_hand)} tasks deep",
        ]
    }


def _premature(of: dict[Key, list[Row]]) -> Facts:
    margin = pd.Timedelta("12h")
    early, again, names = [], [], set()
    for key, rows in of.items():
        done = done_rows(rows)
        late = [row for row in done if row["creation_time"] - row["end"] >= margin]
        for row in done:
            if row["creation_time"] - row["end"] < margin:
                over = [
                    other
                    for other in late
                    if other["from_time"] < row["end"] and other["end"] > row["from_time"]
                ]
                (again if over else early).append(row)
                names.add(key[-1])
    assert names == {"acme/support/chat"}
    assert all(row["end"] < START for row in early)
    leads = [(row["creation_time"] - row["end"]) / MINUTE for row in early]
    assert 30 <= min(leads) <= max(leads) < 32
    weeks = [{str(week) for week in week_of(_starts(rows))} for rows in (early, again)]
    assert weeks == [{str(_monday(2)), str(_monday(16))}, {str(_monday(9))}]
    return {
        "premature-how": [f"up to {margin // pd.Timedelta('1h')} hours"],
        "premature-said": [f"{len(early)} tasks of one log group"],
    }


def _starts(rows: list[Row]) -> pd.Series:
    return pd.Series([row["from_time"] for row in rows])


def _monday(day: int) -> pd.Timestamp:
    return pd.Timestamp(year=2026, month=3, day=day, tz="UTC")


def _plan(
    of: dict[Key, list[Row]], known: list[Gap], never: list[Key], observed: pd.Timestamp
) -> Facts:
    """Cut the gaps to export at midnight, and check that they are done in time."""
    pieces = [
        piece
        for gap in known
        if gap.reason != "lost"
        for part in _without_active(gap, of.get(gap.key, []))
        for piece in _days(part)
    ]
    guesses = [piece for piece in pieces if piece.key in never]
    total: dict[Key, pd.Timedelta] = {}
    for slot in {piece.key[:2] for piece in pieces}:
        of_slot = [row for key in of if key[:2] == slot for row in done_rows(of[key])]
        # the worst case is an active task that lasts until the time-out
        passed = pd.Timedelta("24h")
        queue = [piece for piece in pieces if piece.key[:2] == slot]
        for piece in sorted(
            queue, key=lambda piece: (piece.expires or pd.Timestamp.max).timestamp()
        ):
            rows = done_rows(of.get(piece.key, [])) or of_slot
            passed += pd.Series([row["duration"] for row in rows]).median()
            assert piece.expires is None or observed + passed < piece.expires
        total[slot] = passed
    last = sorted(total, key=total.__getitem__)[-2:]
    assert set(last) == {key[:2] for key in never}
    return {
        "plan-said": [f"{len(pieces)} tasks, of which {len(guesses)} are of the two"],
        "plan-exported-plot-said": [f"{len(pieces) - len(guesses)} tasks"],
    }


def _without_active(gap: Gap, rows: list[Row]) -> list[Gap]:
    """Remove from a gap what active tasks export."""
    parts = [gap]
    for row in rows:
        if row["status_code"] not in ENDED:
            halves = [
                half
                for part in parts
                for half in (
                    part._replace(end=min(part.end, row["from_time"])),
                    part._replace(start=max(part.start, row["end"])),
                )
            ]
            parts = [half for half in halves if half.start < half.end]
    return parts


def _days(gap: Gap) -> list[Gap]:
    """Cut a gap at midnight; each piece expires with its first event."""
    pieces, start = [], gap.start
    while start < gap.end:
        end = min(start.floor("D") + DAY, gap.end)
        expires = None if gap.expires is None else gap.expires + (start - gap.start)
        pieces.append(gap._replace(start=start, end=end, expires=expires))
        start = end
    return pieces
