"""Distributions fitted to durations, for what lies beyond all that was seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

TIME_OUT = 86_400_000  # milliseconds; the service ends a task after a day
_FEWEST = 5  # durations that a distribution of two parameters can be fitted to


class Fit(NamedTuple):
    """A distribution of durations, in milliseconds.

    Attributes
    ----------
    name
        "lognormal" or "weibull".
    parameters
        Lognormal: the mean and the standard deviation of the logarithm. Weibull: scale and shape.
    aic
        Akaike's information criterion; the smaller the better.
    made
        The distribution as SciPy has it.
    """

    name: str
    parameters: tuple[float, float]
    aic: float
    made: Any

    def survival(self, time: float) -> float:
        """Give the probability of lasting longer."""
        return float(self.made.sf(time))

    def quantile(self, share: float) -> float:
        """Give the time that this share lasts longer than."""
        return float(self.made.isf(share))


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
    """Fit each of the two, with the right-censored durations counted in."""
    from scipy import optimize, stats  # noqa: PLC0415 - slow to import

    unit = float(np.exp(np.log(durations).mean()))  # so that the search is about numbers near 1
    data = stats.CensoredData(uncensored=durations / unit, right=censored / unit)

    def search(loss: Any, start: Any, args: Any = (), disp: int = 0) -> Any:  # noqa: ANN401 - scipy's
        del disp
        return optimize.fmin(
            loss, start, args=args, xtol=1e-10, ftol=1e-12, maxiter=4000, maxfun=8000, disp=0
        )

    fits = []
    for name, family in (("lognormal", stats.lognorm), ("weibull", stats.weibull_min)):
        with np.errstate(all="ignore"):  # the search tries what cannot be
            shape, _, scale = family.fit(data, floc=0, optimizer=search)
            made = family(shape, scale=scale * unit)
            likelihood = made.logpdf(durations).sum() + made.logsf(censored).sum()
        parameters = (
            (float(np.log(scale * unit)), float(shape))
            if name == "lognormal"
            else (float(scale * unit), float(shape))
        )
        fits.append(Fit(name, parameters, float(4 - 2 * likelihood), made))
    return fits
