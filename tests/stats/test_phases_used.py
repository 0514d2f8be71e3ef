"""What is known of waiting and running is used for the usage of slots and for forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import HOUR, SECOND, START, Row, cut, frame, plain, table, tables

import exportstats as xs
from exportstats.core import conversion, frames, schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

SLOT = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}
RUNNING = ["running_low", "running_high"]
REMAINING = ["remaining_low", "remaining", "remaining_high"]
DAY = 24 * HOUR
TICK = 10 * SECOND


def seen(lives: Sequence[tuple[int, int, int]], times: Sequence[int]) -> pd.DataFrame:
    """Return the looks at tasks with these creations, starts and ends."""
    rows: list[Row] = []
    for number, (created, start, end) in enumerate(lives):
        for time in times:
            if time < created:
                continue
            state = "COMPLETED" if time >= end else "RUNNING" if time >= start else "PENDING"
            rows.append(
                {
                    **SLOT,
                    "task_id": f"task-{number}",
                    "status_code": state,
                    "creation_time": START + created,
                    "completion_time": START + end if time >= end else None,
                    "observed_at": START + time // SECOND * SECOND,
                }
            )
    return frames.derive(conversion.coerce_rows(frame(rows), schema.TASKS)[0])


@st.composite
def slots_over_time(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Return creation, start and end of the tasks of a slot, one after another."""
    lengths = st.lists(st.integers(0, 20_000), min_size=3, max_size=3)
    lives, now = [], 0
    for idle, waiting, running in draw(st.lists(lengths, min_size=1, max_size=4)):
        lives.append((now + idle, now + idle + waiting, now + idle + waiting + running))
        now = lives[-1][2]
    return lives


@given(slots_over_time(), st.lists(st.integers(0, 200_000), max_size=8))
def test_a_slot_runs_as_long_as_it_really_did(lives: list[tuple[int, int, int]], times: list[int]):
    """The time in which a task was running is within the bounds, and these within busy time."""
    looks = seen(lives, [*times, 300_000])
    found = xs.slot_usage(
        xs.conform(looks), freq=f"{TICK}ms", phases=xs.phase_durations(looks)
    ).reset_index()
    for low, high, busy, period in zip(
        *(plain(found[name]) for name in [*RUNNING, "busy", "period"]), strict=True
    ):
        first = period - START
        truth = sum(max(min(end, first + TICK) - max(start, first), 0) for _, start, end in lives)
        assert 0 <= low <= truth <= high <= busy


@given(slots_over_time(), st.randoms(use_true_random=False))
def test_a_slot_that_is_always_watched_is_known(lives: list[tuple[int, int, int]], random: Random):
    """With a look in every second, the bounds of the whole time differ by two seconds a task."""
    looks = seen(lives, range(0, 300_000, SECOND))
    tasks, phases = xs.conform(looks), xs.phase_durations(looks)
    found = xs.slot_usage(tasks, freq="h", phases=phases)
    low, high = (sum(plain(found[name])) for name in RUNNING)
    assert high - low <= 2 * SECOND * len(lives)
    for some in (cut(tasks, random), cut(tasks, random, anew=True)):
        again = xs.slot_usage(some, freq="h", phases=phases)
        assert_frame_equal(again, found, check_categorical=False)


@given(tables(far=False))
def test_without_looks_a_slot_is_as_without_phases(tasks: pd.DataFrame):
    """If nothing is known, tasks ran from not at all to all of the busy time."""
    ended = tasks[~tasks["status_code"].isin(schema.ACTIVE_STATES)]
    found = xs.slot_usage(ended, freq="D", phases=xs.phase_durations(ended))
    assert_frame_equal(found, xs.slot_usage(ended, freq="D"))
    assert plain(found["running_low"]) == [0] * len(found)
    assert found["running_high"].equals(found["busy"])


@given(tables(max_size=30))
def test_a_list_read_once_is_forecast_as_without_phases(tasks: pd.DataFrame):
    """Phases from the tasks themselves, each seen once, change no forecast."""
    found = xs.estimate_completion(tasks, phases=xs.phase_durations(tasks))
    assert_frame_equal(found, xs.estimate_completion(tasks))


def tasks_of(
    spans: Sequence[tuple[int, int]], elapsed: int, waited: int, *, since_start: bool = False
) -> pd.DataFrame:
    """Return a task a day with these waiting and running times, and one that is RUNNING now.

    With `since_start`, each is created when it starts.
    """
    rows: list[Row] = [
        {
            **SLOT,
            "task_id": f"task-{number:03}",
            "status_code": "COMPLETED",
            "creation_time": START + number * DAY + since_start * waiting,
            "completion_time": START + number * DAY + waiting + running,
        }
        for number, (waiting, running) in enumerate(spans)
    ]
    now = START + len(spans) * DAY
    created = now - elapsed + since_start * waited
    rows.append({**SLOT, "task_id": "now", "status_code": "RUNNING", "creation_time": created})
    return table(*rows, observed_at=now)


def phases_of(tasks: pd.DataFrame, waits: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """Return phases in which each task waited from so long to so long."""
    low, high = zip(*waits, strict=True)
    return xs.phase_durations(tasks).assign(
        waiting_low=pd.to_timedelta(low, unit="ms").as_unit("ms"),
        waiting_high=pd.to_timedelta(high, unit="ms").as_unit("ms"),
    )


durations = st.tuples(st.integers(0, 3_600_000), st.integers(60_000, 600_000))


@given(st.lists(durations, min_size=1, max_size=40), st.integers(0, 10**6), st.floats(0, 1))
def test_known_starts_count_as_creations(spans: list[tuple[int, int]], elapsed: int, share: float):
    """If all starts are known, a forecast is that of tasks created when they started."""
    waited = int(share * elapsed)
    tasks = tasks_of(spans, elapsed, waited)
    waits = [waiting for waiting, _ in spans] + [waited]
    known = phases_of(tasks, [(wait, wait) for wait in waits])
    found = xs.estimate_completion(tasks, phases=known)
    expected = xs.estimate_completion(tasks_of(spans, elapsed, waited, since_start=True))
    for name in REMAINING:
        (one,), (other,) = plain(found[name]), plain(expected[name])
        # the share of stuck tasks is that of whole durations
        assert one == pytest.approx(other, rel=0.02, abs=2)
    assert plain(found["elapsed"]) == [elapsed]


def test_unknown_starts_are_taken_to_be_typical():
    """A task whose look says little waited as long as is typical, within its bounds."""
    spans = [(100_000, 300_000 + 1000 * (number % 7)) for number in range(30)]
    tasks = tasks_of(spans, 150_000, 100_000)
    waits = [(0, 400_000) if number % 3 else (99_000, 101_000) for number in range(30)]
    found = xs.estimate_completion(tasks, phases=phases_of(tasks, [*waits, (0, 150_000)]))
    known = xs.estimate_completion(
        tasks, phases=phases_of(tasks, [(99_000, 99_000)] * 30 + [(99_000, 99_000)])
    )
    assert_frame_equal(found, known)
    later = xs.estimate_completion(tasks, phases=phases_of(tasks, [*waits, (140_000, 150_000)]))
    # it started 41 s later; with its interval, 101 s are typical, so all others ran 2 s less
    assert (later["remaining"] - found["remaining"]).item() == pd.Timedelta("39s")


def test_a_pending_task_is_forecast_as_before():
    """Of a task that has not started, phases say nothing that improves a forecast."""
    tasks = tasks_of([(100_000, 300_000)] * 30, 150_000, 100_000)
    pending = tasks.assign(
        status_code=tasks["status_code"].where(tasks["task_id"] != "now", "PENDING")
    )
    known = phases_of(pending, [(100_000, 100_000)] * 30 + [(150_000, 150_000)])
    known.loc[known["task_id"] == "now", "waiting_high"] = pd.NaT
    assert_frame_equal(
        xs.estimate_completion(pending, phases=known), xs.estimate_completion(pending)
    )


def test_what_was_learned_later_is_not_used():
    """A start that was bounded only after `as_of` does not change the forecast of that time."""
    looks = seen([(0, 50_000, 400_000)], [10_000, 200_000, 500_000])
    history = tasks_of([(0, 300_000)] * 30, 0, 0)
    history = history[history["task_id"] != "now"].assign(
        creation_time=lambda one: one["creation_time"] - pd.Timedelta("60D"),
        completion_time=lambda one: one["completion_time"] - pd.Timedelta("60D"),
    )
    tasks = xs.conform(pd.concat([history, xs.conform(looks)]))
    as_of = pd.Timestamp(START + 100_000, unit="ms", tz="UTC")
    now = xs.estimate_completion(tasks, as_of=as_of)
    assert len(now) == 1
    later = xs.estimate_completion(tasks, as_of=as_of, phases=xs.phase_durations(looks))
    assert_frame_equal(later, now)


@pytest.mark.parametrize("function", [xs.slot_usage, xs.estimate_completion])
def test_a_table_of_phases_is_checked(function: object):
    """A table without bounds is refused, with the function that makes one."""
    with pytest.raises(xs.SchemaError, match=r"waiting_low is missing; xs\.phase_durations"):
        function(xs.sample_tasks(), phases=xs.sample_tasks())  # type: ignore[operator]
