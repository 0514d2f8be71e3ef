"""Bytes of windows agree with single milliseconds, and forecasts follow them where they matter."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from inflow import KEYS, incoming_of, periods
from oracle import KEY, stamp
from scipy import stats
from support import DAY, START, Row, cut, plain, shuffled, table

import exportstats as xs
from exportstats.core import coerce, frames
from exportstats.errors import AccountUnknownWarning, SchemaError
from exportstats.stats.incoming import Incoming
from exportstats.stats.scaling import scale

GROUP = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}
NIGHTS = 60
NOW = START // DAY * DAY + 12 * 3_600_000
FIRST = NOW // DAY * DAY - NIGHTS * DAY  # the first night's events
WINDOWS = st.lists(
    st.tuples(KEYS, st.integers(-12, 60), st.integers(0, 20)), min_size=1, max_size=8
)


def bytes_in(rows: list[Row], windows: list[tuple[Any, int, int]]) -> np.ndarray:
    """Return what came in during windows, given by key, start (from START) and length."""
    keys = pd.DataFrame([key for key, *_ in windows], columns=KEY).astype("category")
    start, length = (np.array([window[at] for window in windows]) for at in (1, 2))
    incoming = Incoming.of(incoming_of(rows))
    return incoming.bytes_in(keys, START + start, START + start + length)


def millisecond(rows: list[Row], key: tuple[Any, ...], time: int) -> Fraction | None:
    """Return the bytes of a millisecond, counted plainly; None if they are not known."""
    for row in rows:
        is_known = None not in (row["incoming_bytes"], row["incoming_events"])
        is_inside = row["start"] <= time < row["start"] + 4
        if tuple(row[name] for name in KEY) == key and is_known and is_inside:
            return Fraction(row["incoming_bytes"], 4)
    return None


@given(periods(), WINDOWS)
def test_bytes_of_a_window_are_those_of_its_milliseconds(
    rows: list[Row], windows: list[tuple[Any, int, int]]
):
    """A period that is cut counts in proportion; unless all is known, nothing is, nor is it 0."""
    for (key, start, length), found in zip(windows, bytes_in(rows, windows), strict=True):
        each = [millisecond(rows, key, START + start + at) for at in range(length)]
        if not each or None in each:
            assert math.isnan(found)
        else:
            assert found == pytest.approx(float(sum(each, Fraction())))


@given(periods(), WINDOWS, st.randoms(use_true_random=False))
def test_neither_order_nor_cuts_change_bytes(
    rows: list[Row], windows: list[tuple[Any, int, int]], random: Random
):
    """The order of the periods does not matter, and the parts of a window add up to it."""
    whole = bytes_in(rows, windows)
    np.testing.assert_array_equal(bytes_in(random.sample(rows, len(rows)), windows), whole)
    places = [random.randint(0, length) for *_, length in windows]
    both = zip(windows, places, strict=True)
    parts = [((key, start, at), (key, start + at, n - at)) for (key, start, n), at in both]
    left, right = (bytes_in(rows, [part[side] for part in parts]) for side in (0, 1))
    known = ~np.isnan(whole)
    # an empty part has no bytes to know
    assert np.nansum([left, right], axis=0)[known] == pytest.approx(whole[known])


def night(number: int, **fields: Any) -> Row:  # noqa: ANN401 - a task's
    """Return a task with the window of a night, created the morning after."""
    start = FIRST + number * DAY
    return {
        **GROUP,
        "task_id": f"{number:04}",
        "from_time": start,
        "to_time": start + DAY - 1,
        "creation_time": start + DAY + DAY // 2,
        "observed_at": NOW,
        **fields,
    }


def world(volumes: list[float], durations: list[float], **last: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Return the tasks of nights, of which the last one is active, and what came in in each."""
    done = [
        night(number, status_code="COMPLETED", completion_time=FIRST + number * DAY + 3 * DAY // 2)
        for number in range(len(durations))
    ]
    for row, took in zip(done, durations, strict=True):
        row["completion_time"] = row["creation_time"] + int(took)
    active = night(len(durations), task_id="active", status_code="RUNNING", creation_time=NOW)
    periods = [
        GROUP
        | {"start": FIRST + number * DAY, "period": DAY}
        | {"incoming_bytes": int(volume), "incoming_events": 1}
        for number, volume in enumerate(volumes)
    ]
    return table(*done, active | last), incoming_of(periods)


def weekly(random: Random, n: int = NIGHTS) -> list[float]:
    """Return a gigabyte a night, three times as much at weekends, and a little chance."""
    return [1e9 * (3 if at % 7 > 4 else 1) * random.uniform(0.9, 1.1) for at in range(n)]


def only(tasks: pd.DataFrame, **arguments: Any) -> Any:  # noqa: ANN401 - a row
    """Return the only row of an estimate."""
    (row,) = xs.estimate_completion(tasks, **arguments).itertuples()
    return row


def following(power: float, seed: int = 5) -> tuple[list[float], list[float]]:
    """Return the volumes of nights, and durations that follow a power of them."""
    random = Random(seed)  # noqa: S311 - a test's
    volumes = weekly(random)
    took = [600_000 * (one / 1e9) ** power * random.uniform(0.9, 1.1) for one in volumes]
    return volumes, took[:-1]


@pytest.mark.parametrize("drift", [0.0, 0.02])
def test_the_power_is_the_slope_of_a_regression(drift: float):
    """It is that on the bytes alone, or on bytes and the number of the task if there is a trend."""
    volumes, took = following(0.9)
    volumes = volumes[:-1]
    took = [one * math.exp(drift * at) for at, one in enumerate(took)]
    values = np.array([took, [float(DAY)] * len(took), volumes])[:, np.newaxis]
    found = scale(
        *values, np.array([float(DAY)]), trending=np.array([True]), common=(np.zeros(1),) * 2
    )
    x, y, at = np.log(volumes), np.log(took), np.arange(len(took))
    slope = stats.linregress(x, y).slope
    if drift:
        slope = np.linalg.lstsq(np.array([x, at, np.ones(len(x))]).T, y, rcond=None)[0][0]
    assert found.volume.power == pytest.approx(slope)
    assert found.volume.typical == pytest.approx(stats.gmean(volumes))
    assert found.volume.least == min(volumes)
    assert found.trend.slope == pytest.approx(drift, abs=0.002)


@pytest.mark.parametrize("power", [0.5, 0.9])
def test_a_forecast_follows_the_bytes_of_its_window(power: float):
    """A night of twenty times as many bytes takes as long as its bytes say."""
    volumes, took = following(power)
    volumes[-1] = 20e9
    tasks, incoming = world(volumes, took)
    row, plain = only(tasks, incoming=incoming), only(tasks)
    assert (row.scaled_by, row.n) == ("bytes", NIGHTS - 1)
    assert row.remaining / pd.Timedelta("10min") == pytest.approx(20**power, rel=0.15)
    slope = stats.linregress(np.log(volumes[:-1]), np.log(took)).slope
    typical = np.exp(np.mean(np.log(volumes[:-1])))
    rest = [one / (size / typical) ** slope for one, size in zip(took, volumes, strict=False)]
    middle = np.median(rest) * (20e9 / typical) ** slope
    assert row.remaining / pd.Timedelta("1ms") == pytest.approx(middle, rel=0.03)
    assert plain.scaled_by == "none"
    # nothing came in: not below the smallest night
    nothing = world([*volumes[:-1], 0], took)[1]
    assert only(tasks, incoming=nothing).remaining / pd.Timedelta("10min") == pytest.approx(
        (min(volumes) / 1e9) ** power, rel=0.1
    )


def test_without_known_bytes_the_forecast_is_as_before():
    """That of the window alone: no table, an empty one, its night or all earlier ones unknown."""
    volumes, took = following(0.9)
    tasks, incoming = world(volumes, took)
    plain = xs.estimate_completion(tasks)
    unknown = incoming.assign(incoming_bytes=pd.array([pd.NA] * len(incoming), "Int64"))
    far = incoming.assign(log_group_name=pd.Categorical(["acme/web"] * len(incoming)))
    for other in (incoming[:0], incoming[:-1], incoming[-19:], unknown, far):
        pd.testing.assert_frame_equal(xs.estimate_completion(tasks, incoming=other), plain)
    assert only(tasks, incoming=incoming[-25:]).n == 24  # those with unknown bytes are left out


def test_bytes_that_do_not_matter_are_not_used():
    """Durations by chance, or that grow as the volume does for another reason, stay as they are."""
    random = Random(1)  # noqa: S311 - a test's
    worlds = []
    for number in range(100):
        growth = [math.exp(0.01 * at) for at in range(NIGHTS)]
        took = [600_000 * by * random.lognormvariate(0, 0.3) for by in growth[:-1]]
        volumes = [1e9 * by * random.lognormvariate(0, 0.3) for by in growth]
        name = {"log_group_name": f"{number:03}"}
        worlds.append(
            [
                one.assign(**name).astype(dict.fromkeys(name, "category"))
                for one in world(volumes, took)
            ]
        )
    tasks, incoming = map(frames.stack, zip(*worlds, strict=True))
    tasks["task_id"] += tasks["log_group_name"].astype("str")
    found = xs.estimate_completion(tasks, incoming=incoming)
    assert (found["scaled_by"] == "bytes").sum() <= 1
    assert len(found) == len(worlds)


def test_a_window_that_explains_more_is_used():
    """If the volume varies by chance and durations follow the length of the window, that counts."""
    random = Random(3)  # noqa: S311 - a test's
    rows, periods = [], []
    for number in range(NIGHTS):
        hours = 1 + number % 12
        took = int(60_000 * hours * random.uniform(0.95, 1.05))
        row = night(number, status_code="COMPLETED")
        row |= {"to_time": row["from_time"] + hours * DAY // 24 - 1}
        rows.append(row | {"completion_time": row["creation_time"] + took})
        size = {"incoming_bytes": int(1e9 * random.uniform(0.5, 2)), "incoming_events": 1}
        periods.append(GROUP | {"start": row["from_time"], "period": DAY} | size)
    rows[-1] |= {"status_code": "RUNNING", "completion_time": None, "creation_time": NOW}
    row = only(table(*rows), incoming=incoming_of(periods))
    assert row.scaled_by == "window"
    assert row.remaining / pd.Timedelta("12min") == pytest.approx(1, abs=0.1)


def test_neither_shards_nor_the_order_of_rows_change_the_estimates():
    """Also with incoming data, whose rows may be in any order."""
    volumes, took = following(0.9)
    tasks, incoming = world(volumes, took)
    other = tasks.assign(region=pd.Categorical(["us-east-1"] * len(tasks)))
    tasks = xs.concat([tasks, other])
    random = Random(2)  # noqa: S311 - a test's
    whole = xs.estimate_completion(tasks, incoming=incoming)
    assert whole["scaled_by"].to_list() == ["bytes", "none"]
    shards, rows = cut(shuffled(tasks, random), random), shuffled(incoming, random)
    pd.testing.assert_frame_equal(xs.estimate_completion(shards, incoming=rows), whole)


def test_tables_that_are_not_incoming_data():
    """They are refused; log groups without account are kept apart, with a warning."""
    tasks, incoming = world(*following(0.9))
    with pytest.raises(SchemaError, match="incoming"):
        xs.estimate_completion(tasks, incoming=tasks)
    half = incoming.assign(start=incoming["start"] + pd.Timedelta("12h"))
    with pytest.raises(SchemaError, match="periods of acme/api overlap"):
        xs.estimate_completion(tasks, incoming=pd.concat([incoming, half]))
    nowhere = incoming.assign(account_id=pd.Categorical([None] * len(incoming)))
    with pytest.warns(AccountUnknownWarning, match="incoming of acme/api have no account_id"):
        xs.estimate_completion(tasks, incoming=nowhere)


def test_a_task_without_a_window():
    """Its bytes are not known."""
    tasks, incoming = world(*following(0.9), from_time=None, to_time=None)
    assert only(tasks, incoming=incoming).scaled_by == "none"
    assert (coerce.millis(tasks["from_time"])[-1], len(tasks)) == (coerce.NAT, NIGHTS)


def test_a_plan_scales_by_bytes_and_ranks_them():
    """What expires first comes first; else the most bytes, then unknown ones, the oldest first."""
    volumes, took = following(0.9)
    tasks, incoming = world(volumes, took)
    tasks = tasks[tasks["status_code"] == "COMPLETED"].assign(destination="acme-logs")
    tasks["destination"] = tasks["destination"].astype("category")
    sizes = [2e9, 8e9, None, 4e9, 4e9]
    nights = [
        GROUP
        | {"start": FIRST - (9 - at) * DAY, "period": DAY, "incoming_events": 1}
        | {"incoming_bytes": None if size is None else int(size)}
        for at, size in enumerate(sizes)
    ]
    incoming = pd.concat([incoming, incoming_of(nights)], ignore_index=True)
    gaps = xs.find_gaps(tasks, start=stamp(FIRST - 9 * DAY), end=stamp(FIRST - 4 * DAY))
    plan = xs.plan_backfill(gaps, tasks, incoming=incoming)
    starts = [FIRST - days * DAY for days in (8, 6, 5, 9, 7)]
    assert [start // DAY for start in plain(plan["from_time"])] == [one // DAY for one in starts]
    assert plan["incoming_bytes"].to_list() == [8e9, 4e9, 4e9, 2e9, pd.NA]
    assert plan["scaled_by"].to_list() == ["bytes"] * 4 + ["none"]
    assert plan["enough_history"].all()
    lasts = np.diff([NOW, *plain(plan["expected_end"])])
    wanted = [600_000 * (size / 1e9) ** 0.9 for size in (8e9, 4e9, 4e9, 2e9)]
    assert lasts[:4] == pytest.approx(wanted, rel=0.1)
    # without incoming data the order is that of time
    before = xs.plan_backfill(gaps, tasks)
    assert before["from_time"].is_monotonic_increasing
    assert before["incoming_bytes"].isna().all()
    # deadlines stay first
    gaps = gaps.assign(expires_at=gaps["start"] + pd.Timedelta("90D").as_unit("ms"))
    soon = xs.plan_backfill(gaps, tasks, incoming=incoming)
    assert soon["from_time"].is_monotonic_increasing


def test_a_single_export_is_forecast_as_an_active_task():
    """A plan of one task ends when `estimate_completion` says of a task with its window."""
    volumes, took = following(0.9)
    volumes[-1] = 10e9
    tasks, incoming = world(volumes, took)
    now = only(tasks, incoming=incoming)
    done = tasks[tasks["status_code"] == "COMPLETED"].reset_index(drop=True)
    start = FIRST + (NIGHTS - 1) * DAY
    gaps = xs.find_gaps(done, start=stamp(start), end=stamp(start + DAY))
    plan = xs.plan_backfill(gaps, done, incoming=incoming, destination="acme-logs", margin="0h")
    (lasts,) = plan["expected_end"] - stamp(NOW)
    assert lasts / now.remaining == pytest.approx(1, abs=0.03)
    (low,), (high,) = (plan[name] - stamp(NOW) for name in ("end_low", "end_high"))
    assert low / now.remaining_low == pytest.approx(1, abs=0.05)
    assert high / now.remaining_high == pytest.approx(1, abs=0.05)


def test_an_active_task_of_a_slot_is_scaled_too():
    """What is planned after it starts later, the more bytes it exports."""
    volumes, took = following(0.9)
    ends = []
    for size in (1e9, 30e9):
        tasks, incoming = world([*volumes[:-1], size], took)
        gaps = xs.find_gaps(tasks, start=stamp(FIRST - DAY), end=stamp(FIRST))
        plan = xs.plan_backfill(gaps, tasks, incoming=incoming, destination="acme-logs")
        ends += plain(plan["expected_start"])
    assert (ends[1] - NOW) / (ends[0] - NOW) == pytest.approx(30**0.9, rel=0.1)
