"""Expected exports: what a slot's history leads one to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from support import DAY, FEW, HOUR, START

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.queues.expected import expected_exports

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE = 60_000
MIDNIGHT = START - 6 * HOUR  # a Monday
TODAY, TOMORROW = (pd.Timestamp(MIDNIGHT + n * DAY, unit="ms", tz="UTC") for n in (0, 1))
GROUP = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme"}


def night(days_ago: int, at: int = HOUR, lasts: int = 10 * MINUTE, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Return a COMPLETED task that exported the day before, created `at` ms after midnight."""
    midnight = MIDNIGHT - days_ago * DAY
    row = {
        "task_id": f"{fields.get('log_group_name', 'acme')}-{midnight + at}",
        "status_code": "COMPLETED",
        "creation_time": midnight + at,
        "completion_time": midnight + at + lasts,
        "from_time": midnight - DAY,
        "to_time": midnight - 1,
        "observed_at": MIDNIGHT,
    }
    return {**GROUP, **row, **fields}


def expect(rows: Iterable[dict[str, Any]], **options: Any) -> pd.DataFrame:  # noqa: ANN401 - any option
    """Return the exports that are expected today."""
    options = {"start": TODAY, "end": TOMORROW} | options
    return expected_exports(xs.conform(pd.DataFrame([*rows])), **options)


def minutes(times: pd.Series) -> list[float]:
    """Return times in minutes after midnight, or lengths in minutes."""
    since = times - TODAY if isinstance(times.dtype, pd.DatetimeTZDtype) else times
    return since.dt.total_seconds().div(60).to_list()


def chance(seen: int, days: int) -> float:
    """Return the probability of an export that is the only one of its slot."""
    return (seen - 1 + (seen - 0.5) / days) / days


def test_every_night() -> None:
    """A log group that is exported each night is expected tonight, with the window before it."""
    found = expect(night(day) for day in range(1, 21))
    assert minutes(found["create_at"]) == [60]
    assert minutes(found["from_time"]) == [-24 * 60]
    assert found["to_time"].item() == TODAY - pd.Timedelta("1ms")
    assert found["probability"].to_list() == [chance(20, 20)]
    assert found["n"].to_list() == [20]
    assert minutes(found["jitter"]) == [0]
    assert found[["duration", "deadline"]].isna().all(axis=None)
    three = expect((night(day) for day in range(1, 21)), end=TODAY + pd.Timedelta("3D"))
    assert minutes(three["create_at"]) == [60, 60 + 24 * 60, 60 + 48 * 60]


@pytest.mark.parametrize("every", [15 * MINUTE, HOUR, 6 * HOUR])
def test_several_times_a_day(every: int) -> None:
    """Each export of a day is one of its own, with its own window."""
    rows = [
        night(day, at, MINUTE, from_time=created - every, to_time=created - 1)
        for day in range(1, 9)
        for at in range(5 * MINUTE, DAY, every)
        for created in [MIDNIGHT - day * DAY + at]
    ]
    found = expect(rows)
    assert len(found) == DAY // every
    assert found["create_at"].diff().dropna().eq(pd.Timedelta(every, "ms")).all()
    assert (found["create_at"] - found["from_time"]).eq(pd.Timedelta(every, "ms")).all()
    assert found["probability"].between(0.99, 1).all()


def test_weekdays() -> None:
    """Weekdays have their own probability if they differ; Monday's window is that of Mondays."""
    workdays = [day for day in range(1, 29) if day % 7 not in (1, 2)]  # no Sunday, no Saturday
    rows = [night(day) for day in workdays]
    for row, day in zip(rows, workdays, strict=True):
        if day % 7 == 0:  # a Monday, for three days
            row["from_time"] -= 2 * DAY
    found = expect(rows, end=TODAY + pd.Timedelta("7D"))
    assert found["create_at"].dt.day_of_week.to_list() == [0, 1, 2, 3, 4]
    assert found["n"].to_list() == [4] * 5
    assert found["probability"].to_list() == pytest.approx([(4 + 19.5 / 20) / 5] * 5)
    lengths = (found["to_time"] - found["from_time"]).dt.round("1h")
    assert lengths.dt.days.to_list() == [3, 1, 1, 1, 1]


def test_nights_that_were_missed() -> None:
    """An export that is missing now and then has a lower probability."""
    found = expect(night(day) for day in range(1, 29) if day not in (5, 11, 19))
    assert found["probability"].to_list() == pytest.approx([chance(25, 28)])


def test_the_expected_number_is_right() -> None:
    """Where three of 100 exports are missing, as many are expected as are asked for."""
    random = np.random.default_rng(1)
    asked = random.random((29, 40)) < 0.97
    rows = [
        night(day, HOUR + number * 9 * MINUTE, MINUTE, log_group_name=f"acme/{number}")
        for day, of_day in enumerate(asked[1:], 1)
        for number, is_asked in enumerate(of_day)
        if is_asked
    ]
    assert expect(rows)["probability"].sum() == pytest.approx(asked[1:].mean() * 40, abs=0.2)


def test_a_batch_keeps_its_order() -> None:
    """Exports that are always asked for at once share their jitter, whatever others do between."""
    random = np.random.default_rng(1)
    rows = []
    for day in range(1, 29):
        at = 2 * HOUR + int(random.normal(0, 4 * MINUTE))
        names = [name for name in "dacb" if random.random() < 0.9]
        rows += [
            night(day, at + n * 1000, MINUTE, log_group_name=one) for n, one in enumerate(names)
        ]
        later = 2 * HOUR + int(random.normal(0, 4 * MINUTE))
        rows.append(night(day, later, MINUTE, log_group_name="other"))
    found = expect(rows).set_index("log_group_name")
    batch = found.loc[list("dacb")]
    assert batch["create_at"].is_monotonic_increasing
    assert batch["create_at"].iloc[-1] - batch["create_at"].iloc[0] <= pd.Timedelta("3s")
    assert batch["jitter"].eq(batch["jitter"].iloc[0]).all()
    assert found.loc["other", "jitter"] != batch["jitter"].iloc[0]


def test_stopped_and_seen_once() -> None:
    """What has stopped, or was seen once, is not expected; what began lately is."""
    assert expect(night(day) for day in range(4, 29)).empty
    assert expect([night(3)]).empty
    found = expect(night(day) for day in range(1, 4))
    assert found["probability"].to_list() == [chance(3, 3)]
    none = expected_exports(frames.empty(), start=TODAY, end=TOMORROW)
    pd.testing.assert_frame_equal(none, expect([night(3)]), check_categorical=False)


def test_only_what_was_known() -> None:
    """Tasks created at or after the start change nothing, nor nights at which nobody looked."""
    rows = [night(day) for day in range(1, 15)]
    later = [night(-1, 5 * HOUR), night(-2, 7 * HOUR)]
    pd.testing.assert_frame_equal(expect(rows), expect([*rows, *later]))
    # looked at four days ago, so that nothing is known since
    old = [night(day, observed_at=MIDNIGHT - 4 * DAY) for day in range(5, 20)]
    assert len(expect(old)) == 1


def test_exports_in_a_row() -> None:
    """Tasks that are created when the one before has ended are asked for with the first one."""
    rows = []
    for day in range(1, 15):
        at = 60 * MINUTE + (day * 37) % 50 * 1000
        for name in ("one", "two", "three"):
            lasts = (10 + (day * 7 + len(name) * 5) % 11) * MINUTE
            rows.append(night(day, at, lasts, log_group_name=name))
            at += lasts + 20_000 + day % 3 * 1000
    found = expect(rows)
    assert found["log_group_name"].to_list() == ["one", "two", "three"]
    assert len(found[["create_at", "jitter"]].drop_duplicates()) == 1
    assert found["pause"].dt.total_seconds().to_list() == [21, 21, 21]


def test_after_a_task_that_was_pending() -> None:
    """A task that was created while the slot was busy does not show that it was idle then."""
    rows = []
    for day in range(1, 15):
        ends = (90 + day * 7 % 11, 110 + day * 5 % 9, 120)
        created = (60 * MINUTE, 70 * MINUTE, ends[1] * MINUTE + 20_000)
        for name, at, end in zip(("first", "pending", "last"), created, ends, strict=True):
            rows.append(night(day, at, end * MINUTE - at, log_group_name=name))
    assert minutes(expect(rows)["create_at"]) == [60, 60, 70]
    assert expect(rows)["log_group_name"].to_list() == ["first", "last", "pending"]


def test_at_fixed_times_one_after_another() -> None:
    """Exports at fixed times do not wait, even if one begins just after another one has ended."""
    rows = [
        night(day, at * MINUTE, (12 + day % 3) * MINUTE, log_group_name=f"at-{at}")
        for day in range(1, 15)
        for at in (60, 75, 90)
    ]
    assert minutes(expect(rows)["create_at"]) == [60, 75, 90]


def test_around_midnight() -> None:
    """An exporter that runs now before, now after midnight is one export each night."""
    rows = [night(day, (-1) ** day * (day % 5) * 2 * MINUTE) for day in range(1, 22)]
    found = expect(rows, start=TODAY + pd.Timedelta("12h"), end=TODAY + pd.Timedelta("60h"))
    assert len(found) == 2
    assert found["create_at"].diff().iloc[1] == pd.Timedelta("1D")


def test_overdue() -> None:
    """What is late is expected while its slot has an active task; what is done is not."""
    rows = [night(day, 2 * HOUR) for day in range(1, 15)]
    rows += [night(day, HOUR, log_group_name="first") for day in range(1, 15)]
    now = TODAY + pd.Timedelta("3h")
    active = night(0, HOUR, log_group_name="first", status_code="RUNNING", completion_time=None)
    seen = [row | {"observed_at": MIDNIGHT + 3 * HOUR} for row in [*rows, active]]
    late = expect(seen, start=now)
    assert late["log_group_name"].to_list() == ["acme"]
    assert minutes(late["create_at"]) == [120]
    idle = [row | {"observed_at": MIDNIGHT + 3 * HOUR} for row in rows]
    assert expect(idle, start=now).empty
    early = [*seen, night(0, 2 * HOUR + 50 * MINUTE, 5 * MINUTE)]
    assert expect(early, start=now).empty


def test_overdue_for_more_than_a_day() -> None:
    """What should have been asked for before that is expected a day before, so it is simulated."""
    rows = [night(day, 23 * HOUR) for day in range(3, 20)]
    busy = {"log_group_name": "busy", "status_code": "RUNNING", "completion_time": None}
    rows += [night(2, 22 * HOUR + 30 * MINUTE, **busy)]
    found = expect(rows)
    assert minutes(found["create_at"]) == [-24 * 60, -60, 23 * 60]
    simulated = xs.simulate_queue(xs.conform(pd.DataFrame(rows)), found, start=TODAY, runs=3)
    assert (simulated.exports["expected_start"] >= TODAY).all()


def test_windows_that_vary() -> None:
    """If the length of the window is not usually the same, the window is unknown."""
    rows = [
        night(day, from_time=MIDNIGHT - day * DAY - day % 5 * DAY - HOUR) for day in range(1, 22)
    ]
    assert expect(rows)[["from_time", "to_time"]].isna().all(axis=None)


@FEW
@given(st.permutations(range(40)))
def test_order_of_rows(order: list[int]) -> None:
    """The order of the tasks does not matter."""
    rows = [night(day, (1 + day % 2) * HOUR, log_group_name=f"g{day % 3}") for day in range(1, 41)]
    pd.testing.assert_frame_equal(expect(rows), expect([rows[at] for at in order]))


def test_bad_ranges() -> None:
    """A range must be in order, not too long, and have time zones."""
    for options in (
        {"end": TODAY},
        {"end": TODAY + pd.Timedelta("400D")},
        {"start": "2026-11-23T06:00"},
    ):
        with pytest.raises(ArgumentError):
            expect([night(1)], **options)


@pytest.mark.parametrize("at", [1, 9, 14, 17, 23])
@pytest.mark.parametrize("state", ["COMPLETED", "RUNNING"])
def test_one_more_by_hand(at: int, state: str) -> None:
    """An export by hand at another time of day changes nothing about those of each night."""
    rows = [night(day, 4 * HOUR) for day in range(1, 29)]
    now = TODAY - pd.Timedelta("15min")
    more = night(1, at * HOUR, status_code=state)
    if state == "RUNNING":
        more["completion_time"] = None
    found = expect([*rows, more], start=now, end=now + pd.Timedelta("1D"))
    assert minutes(found["create_at"]) == [240]
    assert found["probability"].item() > 0.95
