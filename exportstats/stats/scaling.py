"""Scale the durations of earlier tasks to a task now: to what came in, its window and the trend."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exportstats.stats.predictive import recency

ENOUGH = 20  # tasks in a sufficient history
SCALES = ("bytes", "window", "none")
# The tasks that a slope needs, and how many standard errors it must differ from 0: by the size of
# the window, and from one task to the next. A drift in a short history may be chance.
_OF_SIZES, _OF_TASKS = (ENOUGH, 3.0), (50, 2.0)
_STEEPEST = 1.5
_ALIKE = 1e-3  # the variance of logarithms below which sizes are about equal


class Trend(NamedTuple):
    """How tasks become slower or faster, in logarithms; 0 unless significant.

    Attributes
    ----------
    slope, error
        Change from one task to the next, and its standard error.
    age
        Mean age of the history, in tasks.
    """

    slope: float = 0.0
    error: float = 0.0
    age: float = 0.0


class Volume(NamedTuple):
    """How durations depend on the bytes that came in during a window; arrays for several tasks.

    Attributes
    ----------
    power
        Durations are proportional to this power of the bytes; 0 if they do not depend on them.
    typical, least
        The typical bytes of the earlier windows, and the smallest ones above 0.
    """

    power: float | np.ndarray = 0.0
    typical: float | np.ndarray = 1.0
    least: float | np.ndarray = 1.0

    def factor(self, bytes_: float | np.ndarray) -> np.ndarray:
        """Return how many times as long windows with so many bytes take as a typical one.

        Bytes below those of all earlier windows count as the smallest of these. NaN, which is not
        known, counts as typical.
        """
        sizes = np.where(np.isnan(bytes_), self.typical, np.maximum(bytes_, self.least))
        factor: np.ndarray = (sizes / self.typical) ** self.power
        return factor


class Scaled(NamedTuple):
    """Earlier durations, scaled to a task now.

    Attributes
    ----------
    durations
        How long the earlier tasks would take now; if scaled by bytes, for typical ones.
    by
        What they are scaled by, one of `SCALES`.
    enough
        Whether there are enough for such a window.
    trend
        The trend, which is already applied up to the next task.
    volume
        How they depend on bytes.
    """

    durations: np.ndarray
    by: str
    enough: bool
    trend: Trend
    volume: Volume

    def of(self, bytes_: float) -> np.ndarray:
        """Return the durations for a window with so many bytes, NaN if unknown."""
        durations: np.ndarray = self.durations * self.volume.factor(bytes_)
        return durations


def scale(
    durations: np.ndarray,
    windows: np.ndarray,
    bytes_: np.ndarray | None,
    window: float,
    *,
    trending: bool,
) -> Scaled:
    """Scale durations to a window of a length, and to the next task.

    Parameters
    ----------
    durations, windows, bytes_
        How long earlier tasks lasted, in order of creation, infinity for those that timed out; the
        length of their windows and the bytes that came in during these, NaN where unknown. Without
        bytes, those of the task's own window are not known.
    window
        The length of the task's window, NaN if unknown.
    trending
        Whether to follow a trend.
    """
    with np.errstate(invalid="ignore"):
        alike = (windows >= window / 2) & (windows <= window * 2)
    enough = int(alike.sum()) >= ENOUGH
    if not enough:
        alike = np.ones(len(windows), dtype=bool)
    durations, windows = durations[alike], windows[alike]
    power, volume = _power_of_windows(windows, durations) if window > 0 else 0.0, Volume()
    if bytes_ is not None:
        bytes_ = bytes_[alike]
        volume = _volume_of(bytes_, windows, durations, power)
    by = "none"
    if volume != Volume() and bytes_ is not None:
        kept = bytes_ > 0
        durations, by = durations[kept] / volume.factor(bytes_[kept]), "bytes"
    elif power > 0:
        known = windows > 0
        factors = np.where(known, (window / np.where(known, windows, 1)) ** power, 1.0)
        durations, by = durations * factors, "window"
    trend = Trend()
    if trending:
        ages = np.arange(len(durations), 0, -1.0)
        known = _ended(durations)
        slope, error = _slope(-ages[known], np.log(durations[known]), *_OF_TASKS)
        if slope:
            age = float(np.average(ages, weights=recency(len(ages))))
            trend, durations = Trend(slope, error, age), durations * np.exp(slope * ages)
    return Scaled(durations, by, enough or by != "none", trend, volume)


def _power_of_windows(windows: np.ndarray, durations: np.ndarray) -> float:
    """Return the power of the windows' length that durations follow, 0 if they do not."""
    known = (windows > 0) & _ended(durations)
    power, _ = _slope(np.log(windows[known]), np.log(durations[known]), *_OF_SIZES)
    return min(max(power, 0.0), _STEEPEST)


def _volume_of(
    bytes_: np.ndarray, windows: np.ndarray, durations: np.ndarray, power: float
) -> Volume:
    """Return how durations depend on bytes, if these explain more than a power of the windows.

    Both may grow without one being the cause of the other. So the regression has a linear trend,
    from task to task, beside the bytes. If there is no significant one, it is left out, to be more
    exact.
    """
    known = (bytes_ > 0) & _ended(durations)
    x, w, y = (np.log(values[known]) for values in (bytes_, windows, durations))
    if len(x) < ENOUGH or np.var(x) < _ALIKE:
        return Volume()
    order = np.arange(len(x))
    (slope, trend), (error, error_of_trend), left = _regression(y, x, order)
    _, _, left_by_windows = _regression(y - power * w, order)
    if slope < max(_OF_SIZES[1] * error, 1e-9) or left >= left_by_windows:
        return Volume()
    if abs(trend) < _OF_TASKS[1] * error_of_trend:
        (slope,), *_ = _regression(y, x)
    return Volume(min(slope, _STEEPEST), float(np.exp(x.mean())), float(bytes_[known].min()))


def _ended(durations: np.ndarray) -> np.ndarray:
    """Return which durations have a logarithm: of tasks that took some time and ended."""
    ended: np.ndarray = (durations > 0) & np.isfinite(durations)
    return ended


def _slope(x: np.ndarray, y: np.ndarray, fewest: int, errors: float) -> tuple[float, float]:
    """Return the slope of a regression and its standard error; both 0 unless significant."""
    if len(x) < fewest or np.var(x) < _ALIKE:
        return 0.0, 0.0
    (slope,), (error,), _ = _regression(y, x)
    return (slope, error) if abs(slope) >= max(errors * error, 1e-9) else (0.0, 0.0)


def _regression(y: np.ndarray, *xs: np.ndarray) -> tuple[list[float], list[float], float]:
    """Return the slopes of a regression, their standard errors, and the sum of squares left."""
    spreads = np.stack([x - x.mean() for x in xs])
    y = y - y.mean()
    inverse = np.linalg.pinv(spreads @ spreads.T)
    slopes = inverse @ (spreads @ y)
    rest = y - slopes @ spreads
    left = float(rest @ rest)
    errors = np.sqrt(np.diag(inverse) * left / (len(y) - len(xs) - 1))
    return slopes.tolist(), errors.tolist(), left
