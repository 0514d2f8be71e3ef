"""What the notebook on tonight's queue says, and the same from a simpler simulation."""

from __future__ import annotations

import random
from statistics import median, median_high
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd
from facts import BY_HAND, DAY, MINUTE, Facts, percent, words

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterable

START, DEADLINE = pd.Timestamp("2026-11-17T00:00Z"), pd.Timestamp("2026-11-17T18:00Z")
SLOT = {"account_id": "111122223333", "region": "eu-west-1"}
MORE, LENGTH = 30, 5 * MINUTE
Export: TypeAlias = tuple[pd.Timedelta, list[pd.Timedelta]]  # when, and how long it may take


def tonight(tasks: pd.DataFrame) -> Facts:
    """Return the figures of the notebook on tonight, from the forecasts run by run."""
    rows = tasks[(tasks[list(SLOT)] == list(SLOT.values())).all(axis=1)].to_dict("records")
    exports = xs.expected_exports(tasks, start=START, end=START + DAY)
    exports = exports[(exports[list(SLOT)] == list(SLOT.values())).all(axis=1)]
    assert len(exports) == 7
    is_by_hand = exports["log_group_name"].isin(BY_HAND)
    nightly = exports[~is_by_hand]
    assert len(nightly) == 3
    assert nightly["jitter"].max() < MINUTE
    assert nightly["probability"].min() > 0.9
    tables = {
        "expected": exports,
        "nightly": nightly,
        "14": pd.concat([exports, _more(pd.Timedelta("14h"))]),
        "12": pd.concat([exports, _more(pd.Timedelta("12h"))]),
    }
    due = {name: table.assign(deadline=DEADLINE) for name, table in tables.items()}
    forecasts = {name: xs.simulate_queue(tasks, due[name], start=START) for name in due}
    done = {name: sorted(one.finish.iloc[:, 0]) for name, one in forecasts.items()}
    simple = {
        "expected": _simulate(rows),
        "nightly": _simulate(rows, without=BY_HAND),
        "14": _simulate(rows, pd.Timedelta("14h")),
        "12": _simulate(rows, pd.Timedelta("12h")),
    }
    for name, times in simple.items():
        assert abs(median_high(times) - median_high(done[name])) < 10 * MINUTE
        assert abs(_after(DEADLINE, times) - _after(DEADLINE, done[name])) < 0.1
    late = {name: percent(_after(DEADLINE, times)) for name, times in done.items()}
    later = {
        name: median(
            one - other
            for one, other in zip(
                forecasts[name].finish.iloc[:, 0], forecasts["expected"].finish.iloc[:, 0],
                strict=True,
            )
        )
        for name in done
    }  # fmt: skip
    waits = forecasts["expected"].exports.set_index("log_group_name")["refusal_probability"]
    came = [row for row in rows if START <= row["creation_time"] < START + DAY]
    hand = [row for row in came if row["log_group_name"] in BY_HAND]
    assert len(hand) == 2
    last = max(row["completion_time"] for row in came if row not in hand)
    assert last < max(row["creation_time"] for row in hand) < last + MINUTE
    middle, most = (done["expected"][int(share * 999)] for share in (0.5, 0.9))
    noon = DEADLINE - pd.Timedelta("2h")
    return {
        "expected-said": [percent(exports.loc[is_by_hand, "probability"].min())],
        "simulate-said": [
            f"by {middle:%H:%M} in half of the runs, and by {most:%H:%M} in nine of ten",
            f"at {DEADLINE:%H:%M} is missed in {late['expected']}",
        ],
        "queue-plot-said": [f"in {100 * waits['/aws/vpc/flow-logs']:.0f} % of the runs"],
        "finish-plot-said": [
            f"by {noon:%H:%M}, all is done with {percent(1 - _after(noon, done['expected']))}"
        ],
        "scenarios-said": [
            f"With {MORE} more exports",
            f"at 14:00, all is done {words(later['14'])} later",
            f"missed in {late['14']} of the runs",
            f"the slot is idle: {words(later['12'])} later, and missed in {late['12']}",
            "at 12:00",
            "12 hours",
            f"missed in {late['nightly']}",
        ],
        "came-said": [f"done at {max(row['completion_time'] for row in came):%H:%M}"],
    }


def _more(at: pd.Timedelta) -> pd.DataFrame:
    """Return the exports that the notebook adds."""
    named = pd.DataFrame([SLOT] * MORE)
    return named.assign(
        log_group_name=[f"acme/new/{number}" for number in range(MORE)],
        create_at=START + at,
        duration=LENGTH,
    )


def _simulate(
    rows: list[dict[str, Any]], added: pd.Timedelta | None = None, without: Iterable[str] = ()
) -> list[pd.Timestamp]:
    """Return when the slot is done if a random one of the last 28 days comes again.

    Each export takes as long as one of the last 50 of its log group.
    """
    draw = random.Random(3)  # noqa: S311 - not a secret
    days: dict[int, list[Export]] = {day: [] for day in range(1, 29)}
    lengths: dict[str, list[pd.Timedelta]] = {}
    for row in sorted(rows, key=lambda row: row["creation_time"]):
        age = (START - row["creation_time"].floor("D")).days
        if age <= 0 or row["status_code"] != "COMPLETED":
            continue
        of = lengths.setdefault(row["log_group_name"], [])
        of.append(row["duration"])
        if age in days and row["log_group_name"] not in without:
            days[age].append((row["creation_time"] - row["creation_time"].floor("D"), of))
    runs = []
    for _ in range(1000):
        free = pd.Timedelta(0)
        again = [(at, draw.choice(of[-50:])) for at, of in draw.choice([*days.values()])]
        again += [(added, LENGTH)] * (MORE if added is not None else 0)
        for at, length in sorted(again, key=lambda one: one[0]):
            free = max(free, at) + length
        runs.append(START + free)
    return runs


def _after(time: pd.Timestamp, done: list[pd.Timestamp]) -> float:
    """Return the share of the runs that are done after a time."""
    return sum(one > time for one in done) / len(done)
