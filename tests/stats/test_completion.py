"""The completion curve agrees with SciPy, lifelines' numbers, and a plain count."""

from __future__ import annotations

import math
import warnings
from random import Random
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from scipy import stats
from support import (
    ACTIVE,
    ENDED,
    Row,
    by_group,
    cells,
    cut,
    plain,
    rows_of,
    shuffled,
    table,
    tables,
)

from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.stats.completion import completion_curve

COUNTS = ("at_risk", "completed", "competing", "censored")
some_names = st.lists(st.sampled_from(["region", "task_name"]), unique=True, max_size=2)
lengths = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("CFA")), max_size=25)


def made(ends: list[tuple[int, str]]) -> pd.DataFrame:
    """Return tasks with these durations: completed, failed or still active."""
    states = {"C": "COMPLETED", "F": "FAILED", "A": "RUNNING"}
    return table(
        *({"status_code": states[how], "observed_at": at, "completion_time": at}
          | ({"completion_time": None} if how == "A" else {}) for at, how in ends),
        creation_time=0,
    )  # fmt: skip


def length_of(row: Row, as_of: int | None) -> int | None:
    """Return how long a task took, or has taken so far."""
    ended = row["status_code"] in ENDED
    until = row["completion_time"] if ended else as_of if as_of is not None else row["observed_at"]
    if row["creation_time"] is None or until is None or row["status_code"] not in ENDED + ACTIVE:
        return None
    length = until - row["creation_time"]
    return length if length >= 0 else None


def follow(rows: list[Row], as_of: int | None = None) -> dict[int, tuple[Any, ...]]:
    """Return the counts and the probability at each time, in plain Python."""
    ends = [(length_of(row, as_of), row["status_code"]) for row in rows]
    ends = [(length, state) for length, state in ends if length is not None]
    left, survive, done, found = len(ends), 1.0, 0.0, {}
    for time in sorted({0, *(length for length, _ in ends)}):
        here = [state for length, state in ends if length == time]
        completed = here.count("COMPLETED")
        active = sum(state in ACTIVE for state in here)
        if left:
            done += survive * completed / left
            survive *= 1 - (len(here) - active) / left
        probability = pytest.approx(done, abs=1e-9) if ends else None
        found[time] = (left, completed, len(here) - completed - active, active, probability)
        left -= len(here)
    return found


def compare(found: pd.DataFrame, groups: dict[Any, list[Row]], as_of: int | None = None) -> None:
    """Compare a table with the plain count."""
    expected = {
        (*(key if isinstance(key, tuple) else (key,)), time): row
        for key, rows in groups.items()
        for time, row in follow(rows, as_of).items()
    }
    shown = cells(found, *COUNTS, "probability")
    assert {
        key if isinstance(key, tuple) else (key,): row for key, row in shown.items()
    } == expected


@given(tables(), some_names)
def test_curve_is_that_of_one_by_one(tasks: pd.DataFrame, names: list[str]):
    """Counts and the Aalen-Johansen estimate of each group are those of a plain loop."""
    rows = rows_of(tasks)
    compare(completion_curve(tasks, by=names), by_group(rows, names) if names else {(): rows})


@given(tables(far=False))
def test_as_of_is_a_table_filtered_by_hand(tasks: pd.DataFrame):
    """With `as_of`, the curve is that of the tasks at that time, without later ends."""
    as_of = 1_794_000_000_000
    known = []
    for row in rows_of(tasks):
        if row["creation_time"] is not None and row["creation_time"] > as_of:
            continue
        if row["completion_time"] is not None and row["completion_time"] > as_of:
            row |= {"status_code": "RUNNING"}
        known.append(row)
    stamp = pd.Timestamp(as_of, unit="ms", tz="Asia/Kathmandu")
    compare(completion_curve(tasks, as_of=stamp), {(): known}, as_of)


@given(tables(), some_names, st.integers(0, 2**32).map(Random))
def test_any_split_and_order(tasks: pd.DataFrame, names: list[str], random: Random):
    """Neither shards nor the order of the rows change the table."""
    whole = completion_curve(tasks, by=names)
    assert_frame_equal(completion_curve(cut(tasks, random, anew=True), by=names), whole)
    assert_frame_equal(completion_curve(shuffled(tasks, random), by=names), whole)


@given(lengths, st.sampled_from([0.8, 0.95, 0.999]))
def test_without_competing_ends_it_is_kaplan_meier(ends: list[tuple[int, str]], level: float):
    """Without competing ends, curve and band are 1 - SciPy's survival function and its interval."""
    ends = [(at, how) for at, how in ends if how != "F"]
    if not any(how == "C" for _, how in ends):
        return
    found = completion_curve(made(ends), confidence=level)
    sample = stats.CensoredData(
        uncensored=[at for at, how in ends if how == "C"],
        right=[at for at, how in ends if how == "A"],
    )
    survival = stats.ecdf(sample).sf
    with warnings.catch_warnings(action="ignore"):  # it says where the band is undefined
        band = survival.confidence_interval(level, method="log-log")
    times = plain(found.index)
    at = [times.index(int(time)) for time in survival.quantiles]
    for name, theirs in (("probability", survival), ("low", band.high), ("high", band.low)):
        np.testing.assert_allclose(found[name].iloc[at], 1 - theirs.probabilities, atol=1e-9)


# AalenJohansenFitter(calculate_variance=True) of lifelines 0.30.3, event 1 of the tasks below:
# time, cumulative_density_, variance_. (Of the last, when all that is left ends, it gives none.)
LIFELINES = (
    (1, 0.0833333333, 0.0063657407),
    (2, 0.0833333333, 0.0063657407),
    (3, 0.0833333333, 0.0063657407),
    (4, 0.1750000000, 0.0127187500),
    (5, 0.2666666667, 0.0175185185),
    (6, 0.2666666667, 0.0175185185),
    (7, 0.2666666667, 0.0175185185),
    (8, 0.3766666667, 0.0228412963),
    (9, 0.3766666667, 0.0228412963),
    (10, 0.4866666667, 0.0251207407),
    (11, 0.4866666667, 0.0251207407),
)
LIFELINES_ENDS = list(zip(range(1, 13), "CAFCCFACFCAC", strict=True))


def test_curve_and_band_are_those_of_lifelines():
    """Estimate and variance agree with lifelines; the band is symmetric in log(-log(1 - F))."""
    found = cells(completion_curve(made(LIFELINES_ENDS)), "probability", "low", "high")
    assert found[0] == (0, None, None)
    z = NormalDist().inv_cdf(0.975)
    for time, share, variance in LIFELINES:
        log = math.log(1 - share)
        error = math.sqrt(variance) / ((1 - share) * -log)
        low, high = (1 - math.exp(log * math.exp(side * z * error)) for side in (-1, 1))
        assert found[time] == pytest.approx((share, low, high), abs=1e-8)


def test_the_table_says_what_was_estimated():
    """The event and the confidence of the band are in `attrs`, for the chart."""
    found = completion_curve(made([(1, "C")]), event="ended", confidence=0.9)
    assert found.attrs == {"event": "ended", "confidence": 0.9}


def test_by_hand():
    """Of 5: one completes, one fails, one runs, one completes, one fails: 1/5, then + 3/5 / 2."""
    found = completion_curve(made([(1, "C"), (2, "F"), (3, "A"), (4, "C"), (5, "F")]))
    assert cells(found, *COUNTS)[2] == (4, 0, 1, 0)
    assert plain(found["probability"]) == pytest.approx([0, 0.2, 0.2, 0.2, 0.5, 0.5])


def test_without_censoring_the_error_is_that_of_a_share():
    """If all have ended, F is a share of n tasks, with the band of F (1 - F) / n."""
    found = completion_curve(made([(k, "CF"[k % 3 == 0]) for k in range(1, 21)]))
    share = found["probability"].iloc[-1]
    log = math.log(1 - share)
    error = math.sqrt(share * (1 - share) / 20) / ((1 - share) * -log)
    assert found["high"].iloc[-1] == pytest.approx(
        1 - math.exp(log * math.exp(NormalDist().inv_cdf(0.975) * error))
    )


@pytest.mark.parametrize("many", range(1, 30))
def test_when_all_have_completed_the_probability_is_one(many: int):
    """If every task has completed, the last probability is 1 without a rounding error."""
    assert completion_curve(made([(at, "C") for at in range(many)]))["probability"].iloc[-1] == 1


@given(lengths)
def test_ended_counts_every_end(ends: list[tuple[int, str]]):
    """With event="ended", failed tasks count like completed ones, and nothing competes."""
    as_if = [(at, "C" if how == "F" else how) for at, how in ends]
    found = completion_curve(made(ends), event="ended")
    assert_frame_equal(found, completion_curve(made(as_if)))
    assert not found["competing"].any()


@pytest.mark.parametrize("ends", ["", "C", "F", "A", "CC", "AA", "FF", "CF", "CA", "FA"])
def test_few_tasks(ends: str):
    """No, one or two tasks, even at one time, have a valid curve without a warning."""
    found = completion_curve(made([(5, how) for how in ends]))
    last = found.iloc[-1]
    assert found["at_risk"].iloc[0] == len(ends)
    if not ends:
        assert found.loc[:, "probability":].isna().all(axis=None)
    else:
        assert last["probability"] == ends.count("C") / len(ends)
        assert pd.isna(last["low"]) == (last["probability"] in (0, 1))


def test_what_cannot_be_placed_is_left_out():
    """A group without known times has only its row at 0; unknown states do not end a task."""
    tasks = table(
        {"region": "a", "status_code": "RUNNING", "creation_time": 0},
        {"region": "b", "status_code": "PAUSED", "creation_time": 0, "completion_time": 5},
        {"region": "c", "status_code": "COMPLETED", "creation_time": 0, "completion_time": 0},
    )
    found = cells(completion_curve(tasks, by="region"), *COUNTS, "probability")
    assert found == {
        ("a", 0): (0, 0, 0, 0, None),
        ("b", 0): (0, 0, 0, 0, None),
        ("c", 0): (1, 1, 0, 0, 1),
    }


def test_no_task():
    """Without tasks there is a row at 0, with `by` no row, and the dtypes are the same."""
    full = completion_curve(made([(1, "C")]))
    found = completion_curve(frames.empty())
    assert cells(found, *COUNTS) == {0: (0, 0, 0, 0)}
    assert found.dtypes.equals(full.dtypes)
    assert found.index.dtype == full.index.dtype == "timedelta64[ms]"
    by = completion_curve(frames.empty(), by="region")
    assert len(by) == 0
    assert by.index.names == ["region", "duration"]


@pytest.mark.parametrize(
    "wrong",
    [{"event": "failed"}, {"confidence": 1}, {"confidence": 95}, {"confidence": "0.9"},
     {"as_of": "2026-11-23T06:00"}, {"by": "status_code"}],
)  # fmt: skip
def test_arguments_are_checked(wrong: dict[str, Any]):
    """An invalid event, confidence, instant or column is refused."""
    ((name, value),) = wrong.items()
    with pytest.raises(ArgumentError, match=f"{name}={value!r}"):
        completion_curve(frames.empty(), **wrong)
