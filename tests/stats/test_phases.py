"""The phases of made-up tasks, seen now and then, contain how long they really waited and ran."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import SECOND, START, Row, cells, cut, frame, plain, quantile, shuffled

import exportstats as xs
from exportstats.core import conversion, frames, schema

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

BOUNDS = ["waiting_low", "waiting_high", "running_low", "running_high"]
STEP = 10  # milliseconds between the starts that are tried
SLOT = {"account_id": "111122223333", "region": "eu-west-1"}


class Life(NamedTuple):
    """What really happened to a task, in milliseconds since its creation."""

    start: int
    end: int
    state: str = "COMPLETED"
    reports_end: bool = True

    def at(self, time: int) -> Row:
        """Return the task as the service tells it; the clock shows whole seconds."""
        state = self.state if time >= self.end else "RUNNING" if time >= self.start else "PENDING"
        told = self.reports_end and time >= self.end
        return {
            "status_code": state,
            "creation_time": START,
            "completion_time": START + self.end if told else None,
            "observed_at": START + time // SECOND * SECOND,
        }

    def looks(self, times: list[int], **fields: object) -> list[Row]:
        """Return the task at several times."""
        return [{"task_id": "a", **SLOT, **fields, **self.at(time)} for time in times]


def history(rows: list[Row]) -> pd.DataFrame:
    """Make a table with a row for each look."""
    return frames.derive(conversion.coerce_rows(frame(rows), schema.TASKS)[0])


def bounds(rows: list[Row]) -> list[int | None]:
    """Return the four bounds of the only task, in milliseconds."""
    (found,) = xs.phase_durations(history(rows))[BOUNDS].itertuples(index=False)
    return plain(pd.Series(found, dtype="timedelta64[ms]"))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Return the life of a task of at most 30 seconds."""
    start, end = sorted(draw(st.lists(st.integers(0, 30_000), min_size=2, max_size=2)))
    return Life(start, end, draw(st.sampled_from(schema.TERMINAL_STATES)), draw(st.booleans()))


looks = st.lists(st.integers(0, 40_000), min_size=1, max_size=6)


def possible_starts(rows: list[Row], end: int) -> list[int]:
    """Return every start, in steps, with which a task could have looked like this."""
    found = []
    for start in range(0, end + 1, STEP):
        life = Life(start, end)
        if all(
            # the look was at any instant of its second
            any(
                life.at(row["observed_at"] - START + time)["status_code"] == row["status_code"]
                for time in range(0, SECOND, STEP)
            )
            for row in rows
        ):
            found.append(start)
    return found


@pytest.mark.parametrize("times", [[3000], [500], [1500], [500, 1500], [500, 900, 1990, 3000]])
@pytest.mark.parametrize(("start", "end"), [(0, 2100), (700, 2100), (1000, 1990), (2100, 2100)])
def test_the_bounds_are_those_of_all_possible_starts(start: int, end: int, times: list[int]):
    """No start beyond the bounds agrees with the looks, and those at the bounds do."""
    rows = Life(start, end).looks([*times, 3000])
    possible = possible_starts(rows, end)
    low, high, run_low, run_high = bounds(rows)
    assert None not in (low, high)
    # a look at an instant excludes a start at that instant
    assert low <= min(possible) <= low + STEP
    assert high - STEP <= max(possible) <= high
    assert (run_low, run_high) == (end - high, end - low)


@given(lives(), looks)
def test_what_really_happened_is_within_the_bounds(life: Life, times: list[int]):
    """The bounds are ordered, contain the truth, and each pair of them adds up to the duration."""
    rows = life.looks(times)
    low, high, run_low, run_high = bounds(rows)
    last = max(times)
    assert low is not None
    assert run_low is not None
    assert 0 <= low <= life.start or last < life.start
    assert low <= (life.start if high is None else high)
    if last >= life.end:
        assert low <= life.start <= high
        assert run_low <= life.end - life.start <= run_high
        if life.reports_end:
            assert low + run_high == high + run_low == life.end
    else:
        assert run_high is None
        assert run_low <= max(last - life.start, 0)
        assert (high is None) == (last < life.start)


@given(lives(), looks, st.integers(0, 40_000))
def test_another_look_never_widens(life: Life, times: list[int], more: int):
    """With one more look, each lower bound is as high or higher, and each upper one as low."""
    few, many = bounds(life.looks(times)), bounds(life.looks([*times, more]))
    infinite = 10**12
    for at in (0, 2):
        assert few[at] <= many[at]
        before, after = (infinite if one[at + 1] is None else one[at + 1] for one in (few, many))
        assert after <= before


@given(st.lists(st.tuples(lives(), looks), min_size=1, max_size=5), st.randoms())
def test_order_and_shards_do_not_matter(drawn: list[tuple[Life, list[int]]], random: Random):
    """Rows in any order, seen twice, and slots in any shards give the same table."""
    rows = [
        row
        for number, (life, times) in enumerate(drawn)
        for row in life.looks(times, task_id=f"task-{number}", region=f"eu-west-{number % 3}")
    ]
    seen = history(rows)
    found = xs.phase_durations(seen)
    assert len(found) == len(drawn)
    assert_frame_equal(xs.phase_durations(shuffled(pd.concat([seen, seen]), random)), found)
    assert_frame_equal(xs.phase_durations(cut(seen, random)), found, check_categorical=False)


@given(st.lists(st.tuples(lives(), looks), min_size=1, max_size=12), st.floats(0, 1))
def test_quantiles_contain_the_true_ones(drawn: list[tuple[Life, list[int]]], q: float):
    """Of COMPLETED tasks, the true quantile of each phase is within its bounds."""
    rows, waited, ran = [], [], []
    for number, (life, times) in enumerate(drawn):
        done = life._replace(state="COMPLETED", reports_end=True)
        rows += done.looks([*times, 40_000], task_id=f"task-{number}")
        waited.append(done.start)
        ran.append(done.end - done.start)
    phases = xs.phase_durations(history(rows))
    (summary,) = xs.phase_summary(phases, quantiles=q).to_dict("records")
    assert summary["completed"] == len(drawn)
    assert summary["seen"] == sum(min(times) < life.end for life, times in drawn)
    label = f"p{100 * q:.10g}"
    for phase, truth in (("waiting", waited), ("running", ran)):
        low, high = (
            summary[f"{phase}_{label}_{end}"] / pd.Timedelta("1ms") for end in ("low", "high")
        )
        assert low - 0.5 <= quantile(truth, q) <= high + 0.5  # rounded to milliseconds


def test_a_task_seen_once_is_known_by_its_state():
    """What has no bound yet is missing: the end of an active task, the start of a pending one."""
    life = Life(10_000, 30_000)
    assert bounds(life.looks([5000])) == [5000, None, 0, None]
    assert bounds(life.looks([20_000])) == [0, 21_000, 0, None]
    assert bounds(life.looks([20_000, 25_000])) == [0, 21_000, 4000, None]
    assert bounds(life.looks([40_000])) == [0, 30_000, 0, 30_000]
    assert bounds([{**row, "status_code": "PENDING_CANCEL"} for row in life.looks([5000])]) == [
        *(0, None, 0, None)
    ]


def test_an_unreported_end_is_bound_by_looks():
    """Without a completion time, the end is between the last active look and the first ended."""
    cancelled = Life(10_000, 20_000, "CANCELLED", reports_end=False)
    assert bounds(cancelled.looks([5000, 12_000, 18_000, 30_000, 50_000])) == [
        *(5000, 13_000, 5000, 26_000)
    ]


def test_contradictory_looks_are_not_used():
    """A clock that went back, or runs ahead, leaves what the times of the task say."""
    life = Life(10_000, 20_000)
    (pending,), (running,), (done,) = (life.looks([time]) for time in (5000, 15_000, 30_000))
    late = {**pending, "observed_at": START + 17_000}
    assert bounds([running, late, done]) == [0, 20_000, 0, 20_000]
    ahead = {**pending, "observed_at": START + 25_000}
    assert bounds([ahead, done]) == [0, 20_000, 0, 20_000]
    early = {**running, "observed_at": START - 5000}
    assert bounds([early, done]) == [0, 20_000, 0, 20_000]
    assert bounds([running, late]) == [0, None, 0, None]
    (over,) = life._replace(reports_end=False).looks([30_000])
    after = {**running, "observed_at": START + 60_000}
    assert bounds([running, over, after]) == [0, None, 0, None]
    assert xs.phase_durations(history([running, late, done]))["looks"].to_list() == [2]


def test_without_a_creation_nothing_is_bound():
    """A task without a creation, or that completed before it, has missing bounds."""
    rows = Life(10_000, 20_000).looks([5000, 15_000, 30_000])
    assert bounds([{**row, "creation_time": None} for row in rows]) == [None] * 4
    assert bounds([{**row, "creation_time": START + 30_000} for row in rows]) == [None] * 4


def test_the_table_has_the_task_and_own_columns():
    """It has one row per task in its latest state, and the user's own columns."""
    seen = history(Life(10_000, 20_000).looks([5000, 15_000, 30_000])).assign(team="web")
    found = xs.phase_durations(seen)
    assert [*found] == [
        *("account_id", "region", "task_id", "log_group_name", "status_code", "creation_time"),
        *("duration", *BOUNDS, "looks", "team"),
    ]
    assert found["status_code"].to_list() == ["COMPLETED"]
    assert found["looks"].to_list() == [2]
    assert {str(dtype) for dtype in found[BOUNDS].dtypes} == {"timedelta64[ms]"}
    by_team = xs.phase_summary(found, by="team", quantiles=0.5)
    assert cells(by_team, "completed", "seen", "censored") == {"web": (1, 1, 0)}


def test_a_summary_is_of_completed_tasks():
    """FAILED and CANCELLED tasks are in no quantile, and active ones are counted apart."""
    rows = [
        row
        for state in (*schema.TERMINAL_STATES, "RUNNING")
        for row in Life(100, 10**9 if state == "RUNNING" else 200, state).looks(
            [150, 5000], task_id=state
        )
    ]
    summary = xs.phase_summary(xs.phase_durations(history(rows)))
    assert cells(summary, "completed", "seen", "censored") == {"all": (1, 1, 1)}


def test_an_archive_has_every_look(tmp_path: Path):
    """Of an archive, all observations are used, on an executor too; its tables have the last."""
    archive = xs.Archive(tmp_path / "history")
    lives = {"a": Life(10_000, 20_000), "b": Life(5000, 60_000)}
    for time in (0, 7000, 12_000, 30_000):
        rows = [row for name, life in lives.items() for row in life.looks([time], task_id=name)]
        archive.add(history(rows))
    found = xs.phase_durations(archive).set_index("task_id")
    assert [plain(found[name]) for name in BOUNDS] == [
        *([7000, 0], [13_000, 8000], [7000, 22_000], [13_000, None])
    ]
    assert found["looks"].to_list() == [3, 4]
    assert bounds_of(xs.phase_durations(archive.history("a"))) == [7000, 13_000, 7000, 13_000]
    assert bounds_of(xs.phase_durations(archive.tasks())[:1]) == [0, 20_000, 0, 20_000]
    with ThreadPoolExecutor(2) as pool:
        again = xs.phase_durations(archive.on(pool))
    assert_frame_equal(again, xs.phase_durations(archive))
    then = xs.phase_durations(archive, as_of="2026-11-23T06:00:10Z").set_index("task_id")
    assert [plain(then[name]) for name in BOUNDS] == [
        *([7000, 0], [None, 8000], [0, 0], [None] * 2)
    ]
    with pytest.raises(xs.ArgumentError, match="as_of='soon'"):
        xs.phase_durations(archive, as_of="soon")


@given(st.lists(st.tuples(lives(), looks), min_size=1, max_size=5), st.integers(0, 45))
def test_as_of_an_instant_later_looks_are_not_known(
    drawn: list[tuple[Life, list[int]]], second: int
):
    """With `as_of`, the table is that of the observations until then."""
    rows = [
        row
        for number, (life, times) in enumerate(drawn)
        for row in life.looks(times, task_id=f"task-{number}")
    ]
    as_of = START + second * SECOND
    found = xs.phase_durations(history(rows), as_of=pd.Timestamp(as_of, unit="ms", tz="UTC"))
    until = [row for row in rows if row["observed_at"] <= as_of]
    assert_frame_equal(found, xs.phase_durations(history(until)), check_categorical=False)


def bounds_of(phases: pd.DataFrame) -> list[int | None]:
    """Return the four bounds of the only task of a table of phases."""
    (found,) = phases[BOUNDS].itertuples(index=False)
    return plain(pd.Series(found, dtype="timedelta64[ms]"))


def test_nothing_seen_is_an_empty_table():
    """Without tasks, the table of phases is empty and the summary counts none."""
    nothing = xs.phase_durations(frames.empty())
    assert len(nothing) == 0
    summary = xs.phase_summary(nothing)
    assert summary[["completed", "seen", "censored"]].to_numpy().tolist() == [[0, 0, 0]]
    assert np.isnat(summary["waiting_p50_low"].to_numpy()).all()
    with pytest.raises(xs.SchemaError, match=r"looks is missing; xs\.phase_durations"):
        xs.phase_summary(xs.sample_tasks())
