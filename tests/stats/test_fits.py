"""Distributions fitted to durations, against other software and a closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from support import quick

from exportstats.stats.fits import TIME_OUT, fit_all, fit_best

# Remission of leukaemia under 6-MP, in weeks (Freireich et al., Blood 21, 1963); the second row is
# right-censored. The parameters are those of lifelines 0.30.3: WeibullFitter and LogNormalFitter.
ENDED = np.array([6, 6, 6, 7, 10, 13, 16, 22, 23], dtype="float64")
CENSORED = np.array([6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], dtype="float64")
LIFELINES = {
    "lognormal": (3.203068273352897, 0.9787337900584868, 85.36031174143338),
    "weibull": (33.765194252651895, 1.3537315536096357, 87.31735695382719),
}


def test_fits_are_those_of_lifelines():
    """Parameters to five digits, Akaike's criterion to eight, with censored durations."""
    for fit in fit_all(ENDED, CENSORED):
        first, second, aic = LIFELINES[fit.name]
        weibull = (math.exp(fit.location), 1 / fit.scale)
        found = weibull if fit.name == "weibull" else (fit.location, fit.scale)
        assert found == pytest.approx((first, second), rel=1e-5)
        assert fit.aic == pytest.approx(aic, rel=1e-8)


def test_without_censoring_the_lognormal_is_the_mean_of_logarithms():
    """Maximum likelihood has a closed form there."""
    durations = np.exp(np.random.default_rng(1).normal(12, 0.7, 300))
    (fit,) = (fit for fit in fit_all(durations, np.zeros(0)) if fit.name == "lognormal")
    logs = np.log(durations)
    assert (fit.location, fit.scale) == pytest.approx((logs.mean(), logs.std()), rel=1e-7)


@pytest.mark.parametrize(("name", "seed"), [("lognormal", 2), ("weibull", 3)])
def test_the_better_one_is_chosen(name: str, seed: int):
    """Of a thousand durations of either kind the right kind is told."""
    random = np.random.default_rng(seed)
    drawn = {"lognormal": random.lognormal(11, 1, 1000), "weibull": 1e5 * random.weibull(0.8, 1000)}
    fit = fit_best(drawn[name], np.zeros(0))
    assert fit is not None
    assert fit.name == name
    middle = fit.quantile(0.5)
    assert fit.survival(middle) == pytest.approx(0.5)
    assert middle == pytest.approx(np.median(drawn[name]), rel=0.15)


lengths = st.integers(1, 10 * TIME_OUT).map(float)


@quick
@given(st.lists(lengths, min_size=5, max_size=30), st.lists(lengths, max_size=30))
def test_any_durations_give_a_distribution(durations: list[float], censored: list[float]):
    """Without a warning, and with quantiles in order whose survival is their share."""
    assume(len(set(durations)) > 1)
    for fit in fit_all(np.array(durations), np.array(censored)):
        shares = [0.9, 0.5, 0.1]
        times = [fit.quantile(share) for share in shares]
        assert times == sorted(times)
        assert [fit.survival(time) for time in times if time < np.inf] == pytest.approx(
            shares[: sum(time < np.inf for time in times)]
        )
        assert fit.quantile(0) == np.inf


@pytest.mark.parametrize("durations", [[], [5.0] * 9, [1.0, 2.0, 3.0, 4.0], [0.0] * 9])
def test_what_cannot_be_fitted_is_not(durations: list[float]):
    """Too few, all equal, or none above 0."""
    assert fit_best(np.array(durations), float(TIME_OUT)) is None
