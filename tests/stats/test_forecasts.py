"""Forecasts agree with plain Python, and hold over the sample and with little history."""

from __future__ import annotations

import math
import tracemalloc
from itertools import pairwise
from random import Random
from statistics import linear_regression, mean, median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from support import FEW, cut, plain, shuffled, table, tables

import exportstats as xs
from exportstats.core import frames
from exportstats.stats import histories
from exportstats.stats.predictive import TIME_OUT, Model, Prior, recency
from exportstats.stats.scaling import scale
from exportstats.stats.student import Student

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP = {"account_id": "111122223333", "region": "eu-west-1", "log_group_name": "acme/api"}
HOUR, DAY = 3_600_000, 86_400_000
NOW = 20_000 * DAY


def history(durations: Sequence[int], **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a task's
    """Return COMPLETED tasks, one a day, with day-long windows, the last one yesterday."""
    first = NOW - (len(durations) + 1) * DAY
    return [
        {
            **GROUP,
            "task_id": f"{fields.get('log_group_name', '')}{number:05}",
            "status_code": "COMPLETED",
            "from_time": 0,
            "to_time": DAY - 1,
            "creation_time": first + number * DAY,
            "completion_time": first + number * DAY + duration,
            **fields,
        }
        for number, duration in enumerate(durations)
    ]


def active(elapsed: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - a task's
    """Return a task that has been active for `elapsed` milliseconds."""
    return {
        **GROUP,
        "task_id": "active",
        "status_code": "RUNNING",
        "from_time": 0,
        "to_time": DAY - 1,
        "creation_time": NOW - elapsed,
        "completion_time": None,
        "observed_at": NOW,
        **fields,
    }


def only(tasks: pd.DataFrame, **arguments: Any) -> Any:  # noqa: ANN401 - a row
    """Return the only row of an estimate."""
    (row,) = xs.estimate_completion(tasks, **arguments).itertuples()
    return row


def hill(durations: Sequence[int], elapsed: int, share: float) -> float:
    """Return a quantile of the longer durations: each interval has half the weight of its two ends.

    A task has half the weight of one 20 tasks later; the weights add up to their number.
    """
    n = len(durations)
    counts = [2 ** ((number - n + 1) / 20) for number in range(n)]
    scale = n / sum(counts)
    ends = sorted((took, scale * count) for took, count in zip(durations, counts, strict=True))
    ends = [(elapsed, 1.0), *(end for end in ends if end[0] > elapsed), (math.inf, 1.0)]
    total = sum(count for _, count in ends) - 1
    through = 0.0
    for (low, left), (high, right) in pairwise(ends):
        mass = (left + right) / 2 / total
        if through + mass >= share:
            return low * (high / low) ** ((share - through) / mass)
        through += mass
    raise AssertionError


@pytest.mark.parametrize("elapsed", [10_000, 50_000, 250_000])
def test_the_rest_is_that_of_those_that_took_longer(elapsed: int):
    """The quantiles are those of the durations above the elapsed time, counted plainly."""
    durations = [60_000 + 7_000 * (number * 37 % 61) for number in range(61)]
    row = only(table(*history(durations), active(elapsed)))
    wanted = [hill(durations, elapsed, share) - elapsed for share in (0.1, 0.5, 0.9)]
    found = [row.remaining_low, row.remaining, row.remaining_high]
    # the difference is due to the few stuck tasks
    assert [length / pd.Timedelta("1ms") for length in found] == pytest.approx(wanted, rel=0.01)
    assert (row.basis, row.n, row.scaled_by) == ("log_group", 61, "none")
    assert row.ends == pd.Timestamp(NOW, unit="ms", tz="UTC") + row.remaining
    assert 0 < row.timeout_probability < 0.001


def test_only_the_latest_hundred_count():
    """A log group that became slower is forecast from its latest tasks."""
    row = only(table(*history([60_000] * 300 + [600_000] * 100), active(0)))
    assert row.n == 100
    assert row.remaining == pd.Timedelta("10min")


def test_the_basis_widens_without_history():
    """The basis is the log group's own history, however short; else the slot's; else all."""
    slot = history([120_000] * 20, log_group_name="other")
    far = history([180_000] * 30, region="us-east-1", log_group_name="far")
    row = only(table(*history([60_000] * 3), *slot, *far, active(0)))
    assert (row.basis, row.n, row.remaining) == ("log_group", 3, pd.Timedelta("1min"))
    assert only(table(*slot, *far, active(0))).basis == "slot"
    row = only(table(*far, active(0)))
    assert (row.basis, row.n, row.remaining) == ("all", 30, pd.Timedelta("3min"))


def test_a_window_of_twice_the_length_takes_twice_as_long():
    """If durations depend on the windows, they are scaled; otherwise they are not."""
    random = Random(7)  # noqa: S311 - a test's
    rows = []
    for number, row in enumerate(history([0] * 60)):
        hours = 1 + number % 6
        took = int(hours * 60_000 * random.uniform(0.95, 1.05))
        window = {"to_time": hours * HOUR - 1}
        rows.append({**row, **window, "completion_time": row["creation_time"] + took})
    row = only(table(*rows, active(0, to_time=12 * HOUR - 1)))
    assert row.scaled_by == "window"
    assert row.remaining / pd.Timedelta("12min") == pytest.approx(1, abs=0.05)
    even = only(table(*history([60_000 + n for n in range(60)]), active(0, to_time=12 * HOUR - 1)))
    assert even.scaled_by == "none"


def test_one_earlier_task_says_little():
    """One earlier task gives a wide range, a narrower one if other log groups hardly vary."""
    row = only(table(*history([600_000]), active(0)))
    low, high = row.remaining_low / row.remaining, row.remaining_high / row.remaining
    assert low < 0.25
    assert high > 4
    others = [
        task
        for group in "abcde"
        for task in history([500_000, 520_000, 490_000], log_group_name=group)
    ]
    sure = only(table(*history([600_000]), *others, active(0)))
    assert low < 0.9 < sure.remaining_low / sure.remaining
    assert sure.remaining_high / sure.remaining < 1.2 < high


def test_what_never_took_so_long_may_be_stuck():
    """A task that lasts hours instead of minutes may last hours more, and likely times out."""
    row = only(table(*history([600_000] * 100), active(8 * HOUR)))
    assert pd.Timedelta("1h") < row.remaining_low < row.remaining == pd.Timedelta("16h")
    assert 0.5 < row.timeout_probability < 0.95


def test_a_history_without_stuck_tasks_leaves_them_possible():
    """Without a stuck task, each is expected to be one as if 0.005 of 50 more tasks had been."""
    row = only(table(*history([600_000] * 100), active(0)))
    # half of them end before the time-out
    assert row.timeout_probability == pytest.approx(0.005 / 150 / 2, rel=0.02)


def test_stuck_tasks_are_learned_across_slots():
    """If one in a hundred times out elsewhere, a task that lasts too long most likely will."""
    random = np.random.default_rng(7)
    mine = [int(took) for took in random.lognormal(13, 0.3, 100)]
    rows = history([int(took) for took in random.lognormal(13, 0.3, 1000)], region="us-east-1")
    lasts = active(3 * HOUR)
    without = only(table(*history(mine), *rows, lasts))
    for row in rows[::100]:
        row |= {"status_code": "FAILED", "completion_time": row["creation_time"] + TIME_OUT}
    learned = only(table(*history(mine), *rows, lasts))
    assert learned.timeout_probability > 0.95
    assert without.timeout_probability < 0.9
    fresh = only(table(*history(mine), *rows, active(0)))
    assert fresh.timeout_probability == pytest.approx(0.01, abs=0.003)


def test_the_time_out_bounds_the_forecast():
    """No end lies beyond 24 hours, whatever the elapsed time."""
    random = np.random.default_rng(5)
    durations = [int(value) for value in random.lognormal(12, 0.5, 60)]
    late = only(table(*history(durations), active(TIME_OUT - 60_000)))
    assert late.remaining_high <= pd.Timedelta("1min")
    assert 0 <= late.timeout_probability <= 1
    over = only(table(*history(durations), active(TIME_OUT + 5)))
    assert over.remaining == pd.Timedelta(0)
    assert over.timeout_probability == 1


def test_tasks_that_timed_out_count():
    """A failure after 24 hours counts as at least that long; other failures do not count."""
    rows = history([60_000, 60_000, 60_000, TIME_OUT] * 5)
    for row in rows[3::4]:
        row["status_code"] = "FAILED"
    failed = history([1_000] * 30, status_code="FAILED", log_group_name="acme/api")
    row = only(
        table(*rows, *[{**one, "task_id": f"f{one['task_id']}"} for one in failed], active(0))
    )
    assert row.n == 20
    assert row.timeout_probability == pytest.approx(0.25, abs=0.03)
    assert row.remaining == pd.Timedelta("1min")
    for one in rows:
        one |= {"status_code": "FAILED", "completion_time": one["creation_time"] + TIME_OUT}
    assert only(table(*rows, active(0))).timeout_probability > 0.9


def test_a_slowdown_is_followed():
    """After 20 of 100 tasks that take three times as long, half of the ends are expected there."""
    random = np.random.default_rng(3)
    before, after = (random.lognormal(mean, 0.2, n) for mean, n in ((13, 80), (14.1, 20)))
    row = only(table(*history([int(took) for took in [*before, *after]]), active(0)))
    assert row.remaining_high > pd.Timedelta(np.quantile(after, 0.6), unit="ms")
    assert row.remaining > pd.Timedelta(np.quantile(before, 0.9), unit="ms")


def test_a_trend_is_followed():
    """If each task takes 2 % longer than the one before, the forecast continues the trend."""
    random = np.random.default_rng(3)
    took = 60_000 * np.exp(0.02 * np.arange(100)) * random.lognormal(0, 0.2, 100)
    row = only(table(*history([int(one) for one in took]), active(0)))
    assert row.remaining / pd.Timedelta(60_000 * np.exp(2), unit="ms") == pytest.approx(1, abs=0.1)


def test_a_change_of_level_is_not_a_trend():
    """After 60 of 100 tasks that take 2.5 times as long, the next one takes as long as these."""
    random = np.random.default_rng(3)
    before, after = (random.lognormal(mean, 0.35, n) for mean, n in ((13, 40), (13.9, 60)))
    row = only(table(*history([int(took) for took in [*before, *after]]), active(0)))
    assert row.remaining.total_seconds() * 1000 == pytest.approx(np.median(after), rel=0.1)


def left_of(values: Sequence[float], expected: Sequence[float]) -> float:
    """Return the sum of squared differences."""
    return sum((one - other) ** 2 for one, other in zip(values, expected, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_a_trend_is_followed_unless_a_change_of_level_is_more_likely(seed: int):
    """Both are fitted in plain Python; the place of a change costs one more parameter."""
    random = np.random.default_rng(seed)
    n, shift, slope = random.integers(50, 101), random.uniform(0, 1), random.uniform(0, 0.015)
    logs = 13 + slope * np.arange(n) + random.normal(0, 0.35, n)
    logs[random.integers(5, n - 5) :] += shift
    took = np.exp(logs).astype(int).tolist()
    every = histories.Histories(histories.part(table(*history(took))))
    unknown = np.full(1, np.nan)
    found = every.take(np.arange(1)).scaled_to(unknown, unknown).trend.slope[0]
    values = [math.log(one) for one in took]
    line = linear_regression(range(n), values)
    left = left_of(values, [line.intercept + line.slope * at for at in range(n)])
    error = math.sqrt(left / (n - 2) / left_of(range(n), [(n - 1) / 2] * n))
    levels = []
    for at in range(5, n - 4):
        before, after = mean(values[:at]), mean(values[at:])
        levels.append(left_of(values, [before] * at + [after] * (n - at)))
    is_trend = abs(line.slope) >= 2 * error and n * math.log(left / min(levels)) <= math.log(n)
    assert found == pytest.approx(line.slope if is_trend else 0, abs=1e-6)


def drifting(many: int, drift: float, n: int) -> list[dict[str, Any]]:
    """Return the tasks of log groups that all become slower by `drift` from task to task."""
    random = np.random.default_rng(20261127)
    rows = []
    for number in range(many):
        logs = 13 + number / 10 + drift * np.arange(n) + random.normal(0, 0.4, n)
        took = np.exp(logs).astype(int).tolist()
        rows += history(took, log_group_name=f"acme/{number:02}")
    return rows


def test_log_groups_tell_each_other_of_a_common_trend():
    """It is the slope with an intercept for each log group, with an error robust to differences."""
    many, n = 12, 20
    rows = drifting(many, 0.02, n)
    every = histories.Histories(histories.part(table(*rows)))
    prior = every.take(np.arange(many)).prior
    logs = [
        [
            math.log(row["completion_time"] - row["creation_time"])
            for row in sorted(rows, key=lambda row: row["creation_time"])
            if row["log_group_name"] == name
        ]
        for name in sorted({row["log_group_name"] for row in rows})
    ]
    x = [at - (n - 1) / 2 for at in range(n)]
    squares = sum(each * each for each in x)
    products = [sum(a * b for a, b in zip(x, one, strict=True)) for one in logs]
    slope = sum(products) / squares / many
    left = [each - slope * squares for each in products]
    error = math.sqrt(sum(each**2 for each in left) * many / (many - 1)) / squares / many
    assert prior.slope == pytest.approx([slope] * many, rel=1e-4)
    assert prior.error == pytest.approx([error] * many, rel=1e-3)


@pytest.mark.parametrize(("many", "drift", "followed"), [(12, 0.02, True), (9, 0.02, False)])
def test_a_common_trend_is_followed_after_a_few_tasks(many: int, drift: float, followed: bool):  # noqa: FBT001
    """Twenty tasks of a log group do not tell a trend from chance, those of a dozen together do."""
    every = histories.Histories(histories.part(table(*drifting(many, drift, 20))))
    unknown = np.full(many, np.nan)
    trend = every.take(np.arange(many)).scaled_to(unknown, unknown).trend
    assert (trend.slope > 0.01).tolist() == [followed] * many


def test_a_log_group_that_differs_from_the_others_keeps_its_own_trend():
    """A common trend is not added to one whose durations do not change."""
    rows = drifting(12, 0.02, 60) + history([900_000 + 9 * n for n in range(60)])
    every = histories.Histories(histories.part(table(*rows)))
    groups = np.flatnonzero(every.basis == 0)
    unknown = np.full(len(groups), np.nan)
    slopes = every.take(groups).scaled_to(unknown, unknown).trend.slope
    for number, slope in zip(groups, slopes, strict=True):
        assert (slope > 0.015) == (every.keys[number][2] != GROUP["log_group_name"])


def test_what_cannot_be_known_is_missing():
    """Without a history or an `observed_at`, the estimate is missing."""
    alone = only(table(active(5)))
    assert (alone.basis, alone.n) == ("none", 0)
    assert alone.remaining is pd.NaT
    assert alone.elapsed == pd.Timedelta("5ms")
    unseen = only(table(*history([60_000] * 30), active(5, observed_at=None)))
    assert unseen.elapsed is pd.NaT
    assert unseen.ends is pd.NaT


@given(
    st.lists(st.integers(0, 40 * HOUR), min_size=1, max_size=30),
    st.integers(0, 25 * HOUR),
    st.integers(0, 9),
)
def test_laws_of_any_history(durations: list[int], elapsed: int, stuck: int):
    """The quantiles are in order, not before now, and within the time-out."""
    rows = history(durations)
    for row in rows[:stuck]:
        row |= {"status_code": "FAILED", "completion_time": row["creation_time"] + TIME_OUT}
    row = only(table(*rows, active(elapsed)))
    ends = [row.elapsed + rest for rest in (row.remaining_low, row.remaining, row.remaining_high)]
    assert row.elapsed <= ends[0] <= ends[1] <= ends[2]
    assert ends[2] <= max(row.elapsed, pd.Timedelta("24h") + pd.Timedelta("1ms"))
    assert 0 <= row.timeout_probability <= 1


@pytest.mark.parametrize(("n", "most"), [(1, 1.0), (2, 1.0), (3, 1.0), (5, 0.87), (20, 0.86)])
@pytest.mark.parametrize("shape", ["lognormal", "gamma"])
def test_four_of_five_ends_lie_in_the_range(n: int, most: float, shape: str):
    """The 80 % range holds 75 % or more of 500 simulated ends; benchmarks/forecasts has more."""
    random = np.random.default_rng(20)
    held = []
    for _ in range(500):
        lognormal = shape == "lognormal"
        drawn = 1e5 * (random.lognormal(0, 0.5, n + 1) if lognormal else random.gamma(2, 1, n + 1))
        weights = recency(np.ones((1, n), dtype=bool))
        (told,) = Model.fit(drawn[np.newaxis, :n], weights, Prior()).predict(np.zeros(1))
        low, high = told.quantile(np.array([0.1, 0.9]))
        held.append(low <= drawn[n] <= high)
    assert 0.75 <= np.mean(held) <= most


def test_histories_that_are_fitted_together_do_not_change_each_other():
    """Each of many histories has the same scale, model and forecast as alone."""
    random = np.random.default_rng(21)
    lengths = (1, 2, 3, 5, 20, 60)
    durations, windows, bytes_ = np.full((3, len(lengths), max(lengths)), np.nan)
    for row, n in enumerate(lengths):
        windows[row, -n:] = HOUR * random.lognormal(0, 1, n)
        bytes_[row, -n:] = windows[row, -n:] * random.lognormal(0, 1, n)
        durations[row, -n:] = bytes_[row, -n:] * random.lognormal(0, 0.1, n) / 10
    durations[:, -1] = np.inf  # timed out
    shares = np.linspace(0.001, 0.999, 50)

    def told(durations: np.ndarray, windows: np.ndarray, bytes_: np.ndarray) -> list[np.ndarray]:
        rows = len(durations)
        now, zero = np.full(rows, float(HOUR)), np.zeros(rows)
        scaled = scale(
            durations, windows, bytes_, now, trending=np.ones(rows, dtype=bool), common=(zero, zero)
        )
        model = Model.fit(scaled.durations, recency(~np.isnan(scaled.durations)), Prior())
        return [one.quantile(shares) for one in model.predict(np.full(rows, 60_000.0))]

    every = told(durations, windows, bytes_)
    for row, n in enumerate(lengths):
        own = (values[[row], -n:] for values in (durations, windows, bytes_))
        assert every[row] == pytest.approx(told(*own)[0], rel=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 4, 8])
def test_tails_are_those_of_scipy(degrees: int):
    """The tails of cube roots are those of SciPy's t distribution, or of the normal one."""
    other = stats.norm() if degrees == 8 else stats.t(degrees)
    ours = Student(*map(np.atleast_1d, (80.0, 10.0, degrees)))
    for z in (-7.0, -2.0, -0.1, 0.0, 0.5, 3.0, 20.0):
        log = 3 * np.log(np.array([80 + 10 * z]))
        assert ours.above(log) == pytest.approx(other.sf(z), rel=1e-9)
        assert ours.below(log) == pytest.approx(other.cdf(z), rel=1e-9)
    shares = np.array([[1e-9, 0.01, 0.3, 0.5, 0.9]])
    for found, z in (
        (ours.quantile_above(shares), other.isf(shares)),
        (ours.quantile_below(shares), other.ppf(shares)),
    ):
        # a duration is at least a millisecond
        assert found == pytest.approx(3 * np.log(np.maximum(80 + 10 * z, 1)), rel=1e-6)


def test_no_active_task_is_an_empty_table():
    """Without active tasks the table is empty, with all dtypes."""
    some, none = (
        xs.estimate_completion(tasks)
        for tasks in (table(*history([60_000] * 30), active(5)), frames.empty())
    )
    assert len(none) == 0
    assert none.dtypes.astype("str").to_dict() == some.dtypes.astype("str").to_dict()


@FEW
@given(tasks=tables(max_size=30), seed=st.integers(0, 99), as_of=st.booleans())
def test_shards_and_order_make_no_difference(tasks: pd.DataFrame, seed: int, as_of: bool):  # noqa: FBT001
    """Neither shards nor the order of the rows change the estimates."""
    random = Random(seed)  # noqa: S311 - a test's
    arguments = {"as_of": "2026-11-03T00:00Z"} if as_of else {}
    whole = xs.estimate_completion(tasks, **arguments)
    shards = cut(shuffled(tasks, random), random, anew=bool(seed % 2))
    pd.testing.assert_frame_equal(
        xs.estimate_completion(shards, **arguments), whole, check_categorical=False
    )


@pytest.mark.slow
def test_the_sample_is_forecast_better_than_by_an_average():
    """Over 60 tasks of the sample at half time, the range holds and beats the average."""
    tasks = xs.sample_tasks()
    done = tasks[(tasks["status_code"] == "COMPLETED") & (tasks["creation_time"] >= "2026-06-01")]
    held, errors, plainly = [], [], []
    for task in done.sample(60, random_state=3).itertuples():
        as_of = (task.creation_time + task.duration / 2).floor("ms")
        told = xs.estimate_completion(tasks, as_of=as_of)
        (row,) = told[told["task_id"] == task.task_id].itertuples()
        rest = task.completion_time - as_of
        before = tasks[
            (tasks["log_group_name"] == task.log_group_name)
            & (tasks["account_id"] == task.account_id)
            & (tasks["region"] == task.region)
            & (tasks["completion_time"] <= as_of)
            & (tasks["status_code"] == "COMPLETED")
        ]
        average = sum(plain(before["duration"])) / len(before) - plain(told["elapsed"])[0]
        held.append(row.remaining_low <= rest <= row.remaining_high)
        errors.append(abs((rest - row.remaining).total_seconds()))
        plainly.append(abs(rest.total_seconds() - max(average / 1000, 0)))
    assert 0.65 < sum(held) / len(held) < 0.95
    assert median(errors) < 0.7 * median(plainly)


def test_many_log_groups_take_memory_in_proportion():
    """A thousand histories of five tasks are a few MB, and not a copy of all for each."""
    rows = [
        {
            "task_id": f"{number}-{night}",
            "log_group_name": f"/app/{number}",
            "status_code": "COMPLETED",
        }
        | {"creation_time": night * DAY, "completion_time": night * DAY + 60_000}
        for number in range(1000)
        for night in range(5)
    ]
    found = histories.part(table(*rows))
    tracemalloc.start()
    every = histories.Histories(found)
    assert every.take(every.find([("", "", "/app/7")])).durations.shape == (1, 5)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
