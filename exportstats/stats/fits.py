"""Distributions fitted to durations, for what lies beyond all that was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

TIME_OUT = 86_400_000  # milliseconds; the service ends a task after a day
_FEWEST = 5  # durations that a distribution of two parameters can be fitted to


@dataclass(frozen=True)
class _Family:
    """Distributions of which the logarithm has a place and a spread: its standard form."""

    name: str
    logpdf: Callable[[np.ndarray], np.ndarray]
    logsf: Callable[[np.ndarray], np.ndarray]
    isf: Callable[[float], float]


class Fit(NamedTuple):
    """A distribution of durations, in milliseconds.

    Attributes
    ----------
    family
        Lognormal or Weibull.
    location, scale
        Of the logarithm, which is normal or of a smallest extreme value. Lognormal: its mean and
        standard deviation. Weibull: the logarithm of the scale, and one over the shape.
    aic
        Akaike's information criterion; the smaller the better.
    """

    family: _Family
    location: float
    scale: float
    aic: float

    @property
    def name(self) -> str:
        """Give "lognormal" or "weibull"."""
        return self.family.name

    def survival(self, time: float) -> float:
        """Give the probability of lasting longer than a time above 0."""
        z = (np.log(time) - self.location) / self.scale
        with np.errstate(over="ignore"):  # then it is 0
            return float(np.exp(self.family.logsf(z)))

    def quantile(self, share: float) -> float:
        """Give the time that this share lasts longer than; infinity for none."""
        with np.errstate(divide="ignore", over="ignore"):
            return float(np.exp(self.location + self.scale * self.family.isf(share)))


def fit_best(durations: np.ndarray, censored: np.ndarray | float) -> Fit | None:
    """Fit a lognormal and a Weibull distribution by maximum likelihood; give the better one.

    Parameters
    ----------
    durations
        How long those took that ended, in milliseconds.
    censored
        How long others have lasted so far: at least.

    Returns
    -------
    Fit or None
        None where there are fewer than 5 durations above 0, or all are equal.
    """
    found = durations[durations > 0]
    if len(found) < _FEWEST or np.ptp(found) == 0:
        return None
    right = np.atleast_1d(np.asarray(censored, dtype="float64"))
    return min(fit_all(found, right[right > 0]), key=lambda fit: fit.aic)


def fit_all(durations: np.ndarray, censored: np.ndarray) -> list[Fit]:
    """Fit each of the two, with the right-censored durations counted in.

    The logarithms are of a family of location and scale (Lawless, Statistical Models and Methods
    for Lifetime Data, 2003, chapter 5), whose likelihood is searched by Nelder and Mead's simplex.
    """
    from scipy import optimize  # noqa: PLC0415 - slow to import

    ended, lasting = np.log(durations), np.log(censored)
    everything = np.concatenate([ended, lasting])

    def loss(parameters: np.ndarray, family: _Family) -> float:
        location, spread = parameters
        scale = np.exp(spread)
        found = family.logpdf((ended - location) / scale).sum() - len(ended) * spread
        return float(-found - family.logsf((lasting - location) / scale).sum())

    fits = []
    for family in _families():
        with np.errstate(all="ignore"):  # the search tries what cannot be
            found = optimize.minimize(
                loss,
                [everything.mean(), np.log(everything.std())],
                args=(family,),
                method="Nelder-Mead",
                options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000, "maxfev": 8000},
            )
        location, spread = map(float, found.x)
        aic = 4 + 2 * (float(found.fun) + float(ended.sum()))
        fits.append(Fit(family, location, float(np.exp(spread)), aic))
    return fits


def _families() -> tuple[_Family, _Family]:
    from scipy import special  # noqa: PLC0415 - slow to import

    return (
        _Family(
            "lognormal",
            logpdf=lambda z: -(z**2 + np.log(2 * np.pi)) / 2,
            logsf=lambda z: special.log_ndtr(-z),
            isf=lambda share: float(-special.ndtri(share)),
        ),
        _Family(
            "weibull",
            logpdf=lambda z: z - np.exp(z),
            logsf=lambda z: -np.exp(z),
            isf=lambda share: float(np.log(-np.log(share))),
        ),
    )
