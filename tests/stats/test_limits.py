"""The limits of quantiles and censored medians are those of binomial sums and scipy."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from support import ACTIVE, LAST, START, cells, plain, table, tables

import exportstats as xs
from exportstats.stats.durations import _binomial_quantiles

if TYPE_CHECKING:
    import pandas as pd

NAMES = ["region", "log_group_name", "status_message"]
CENSORED = ["censored_p50", "censored_p50_low", "censored_p50_high"]
some_names = st.lists(st.sampled_from(NAMES), unique=True, max_size=2)


@given(st.lists(st.integers(0, 50), max_size=40), st.sampled_from([0, 0.1, 0.5, 0.9, 0.99, 1]))
def test_limits_are_those_of_binomial_sums(lengths: list[int], q: float):
    """At most 2.5 % lie beyond each limit, as close as possible."""

    def fewer(rank: int) -> float:
        """Return how likely fewer than `rank` of the tasks lie below the quantile."""
        each = (math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(rank))
        return math.fsum(each)

    made = [{"creation_time": 0, "completion_time": length} for length in lengths]
    table_ = xs.duration_summary(table(*made, status_code="COMPLETED"), quantiles=[q])
    n, ordered = len(lengths), sorted(lengths)
    low = [rank for rank in range(1, n + 1) if fewer(rank) <= 0.025]
    high = [rank for rank in range(1, n + 1) if fewer(rank) >= 0.975]
    expected = (ordered[low[-1] - 1] if low else None, ordered[high[0] - 1] if high else None)
    assert cells(table_, *table_.columns[-5:-3]) == {"all": expected}


@pytest.mark.parametrize("p", [0, 1e-5, 0.01, 0.5, 0.9, 0.999, 1])
def test_quantiles_of_the_binomial_distribution_are_those_of_scipy(p: float):
    """Binomial quantiles agree with SciPy for every size."""
    shares = (0.025, 0.975)
    for n in (*range(200), 4_999, 123_456, 30_000_000):
        assert list(_binomial_quantiles(n, p, shares)) == list(stats.binom.ppf(shares, n, p))


def test_limits_need_enough_tasks():
    """Six tasks give limits of the median, five do not; the 29th gives the lower limit of p90."""
    for n, known in ((5, (False, False)), (6, (True, True))):
        made = [{"creation_time": 0, "completion_time": k} for k in range(n)]
        table_ = xs.duration_summary(table(*made, status_code="COMPLETED"))
        assert tuple(table_.iloc[0][["p50_low", "p50_high"]].notna()) == known
        assert table_["p99_high"].isna().all()


@given(tables(), some_names)
def test_censored_median_is_the_median_if_nothing_is_active(tasks: pd.DataFrame, names: list[str]):
    """Failed and cancelled tasks do not change the censored median."""
    ended = tasks[~tasks["status_code"].isin(ACTIVE)]
    table_ = xs.duration_summary(ended, by=names)
    for found, plain_median in zip(
        plain(table_["censored_p50"]), plain(table_["p50"]), strict=True
    ):
        assert found == (plain_median and pytest.approx(plain_median, rel=1e-12, abs=1))


def test_limits_of_the_censored_median_are_those_of_scipy():
    """The limits are where SciPy's log-log band of the Kaplan-Meier curve crosses one half."""
    random = np.random.default_rng(4)
    for n, look in ((12, 9), (40, 9), (200, 5), (40, 2)):
        took = np.ceil(random.lognormal(2, 0.7, n))
        seen = random.uniform(0, 2 * look, n).round(3)  # how long before the look it was created
        done = took <= seen
        lasted = np.where(done, took, seen)
        rows = [
            {
                "creation_time": START - int(1000 * before),
                "completion_time": START - int(1000 * (before - after)) if ended else None,
                "status_code": "COMPLETED" if ended else "RUNNING",
                "observed_at": START,
            }
            for before, after, ended in zip(seen, took, done, strict=True)
        ]
        curve = stats.ecdf(stats.CensoredData.right_censored(lasted, ~done)).sf
        with warnings.catch_warnings():  # of what is undefined where the curve is 0
            warnings.simplefilter("ignore", RuntimeWarning)
            band = curve.confidence_interval(0.95, method="log-log")
        times = band.low.quantiles
        limits = [times[edge.probabilities <= 0.5] for edge in (band.low, band.high)]
        expected = [1000 * found[0] if len(found) else None for found in limits]
        table_ = xs.duration_summary(table(*rows))
        for name, value in zip(CENSORED[1:], expected, strict=True):
            assert plain(table_[name])[0] == (value and pytest.approx(value, abs=1))


def test_limits_hold_where_many_tasks_are_active():
    """If a third is active, the censored limits contain the median; the plain ones do not."""
    random = np.random.default_rng(11)
    made = []
    for number in range(200):
        took = random.lognormal(np.log(600_000), 0.6, 60).astype("int64")
        created = START - random.integers(0, 2_000_000, 60)
        made += [
            {
                "log_group_name": f"acme/{number}",
                "creation_time": begin,
                "completion_time": begin + length if begin + length <= START else None,
                "status_code": "COMPLETED" if begin + length <= START else "RUNNING",
                "observed_at": START,
            }
            for begin, length in zip(created.tolist(), took.tolist(), strict=True)
        ]
    table_ = xs.duration_summary(table(*made), by="log_group_name", quantiles=[0.5])
    hits = {}
    for name in ("p50", "censored_p50"):
        low, high = (plain(table_[f"{name}_{side}"]) for side in ("low", "high"))
        pairs = zip(low, high, strict=True)
        hits[name] = sum(low <= 600_000 <= (high or LAST) for low, high in pairs)
    assert len(table_) == 200
    assert hits["censored_p50"] >= 0.9 * 200
    assert hits["p50"] < 0.8 * 200


def test_active_tasks_move_the_median():
    """Long-running active tasks increase the censored median."""
    done = [{"creation_time": 0, "completion_time": k * 1000} for k in (1, 2, 3, 4)]
    done = [{**row, "status_code": "COMPLETED"} for row in done]
    runs = {"creation_time": 0, "observed_at": 3500, "status_code": "RUNNING"}
    found = [
        plain(xs.duration_summary(table(*done, *[runs] * more))["censored_p50"])[0]
        for more in (0, 1, 2, 3)
    ]
    # of 5, the third is the median; of 6, the curve is flat at 1/2 from the third to the fourth;
    # of 7, the curve reaches 1/2 when the last completed task completes
    assert found == [2500, 3000, 3500, 4000]
    assert xs.duration_summary(table(*[runs] * 2))["censored_p50"].isna().all()
