"""Scale the durations of earlier tasks to a task now: to what came in, its window and the trend."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exportstats.stats.predictive import ages, recency

ENOUGH = 20  # tasks in a sufficient history
SCALES = ("bytes", "window", "none")
# The tasks that a slope needs, and how many standard errors it must differ from 0: by the size of
# the window, and from one task to the next. A drift in a short history may be chance.
_OF_SIZES, _OF_TASKS = (ENOUGH, 3.0), (50, 2.0)
_FEWEST_OF_STEP = 5  # tasks before and after a change of level
_STEEPEST = 1.5
_ALIKE = 1e-3  # the variance of logarithms below which sizes are about equal
_LEAST = 1e-9  # the sum of squares of what rounding leaves


class Trend(NamedTuple):
    """How tasks become slower or faster, in logarithms; 0 unless significant. One per history.

    Attributes
    ----------
    slope, error
        Change from one task to the next, and its standard error.
    age
        Mean age of the history, in tasks.
    """

    slope: np.ndarray
    error: np.ndarray
    age: np.ndarray


class Volume(NamedTuple):
    """How durations depend on the bytes that came in during a window; columns of histories.

    Attributes
    ----------
    power
        Durations are proportional to this power of the bytes; 0 if they do not depend on them.
    typical, least
        The typical bytes of the earlier windows, and the smallest ones above 0.
    """

    power: np.ndarray
    typical: np.ndarray
    least: np.ndarray

    def factor(self, bytes_: np.ndarray) -> np.ndarray:
        """Return how many times as long windows with so many bytes take as a typical one.

        Bytes below those of all earlier windows count as the smallest of these. NaN, which is not
        known, counts as typical.
        """
        sizes = np.where(np.isnan(bytes_), self.typical, np.maximum(bytes_, self.least))
        factor: np.ndarray = (sizes / self.typical) ** self.power
        return factor


class Scaled(NamedTuple):
    """Earlier durations, scaled to tasks now; one row each.

    Attributes
    ----------
    durations
        How long the earlier tasks would take now; if scaled by bytes, for typical ones. NaN where
        there is no task, or one that is not used.
    by
        What they are scaled by, as positions in `SCALES`.
    enough
        Whether there are enough for such windows.
    trend
        The trend, which is already applied up to the next task.
    volume
        How they depend on bytes.
    """

    durations: np.ndarray
    by: np.ndarray
    enough: np.ndarray
    trend: Trend
    volume: Volume

    @property
    def n(self) -> np.ndarray:
        """The number of earlier tasks that are used."""
        n: np.ndarray = (~np.isnan(self.durations)).sum(axis=1)
        return n

    def of(self, bytes_: np.ndarray) -> np.ndarray:
        """Return the durations for windows with so many bytes, NaN if unknown."""
        durations: np.ndarray = self.durations * self.volume.factor(bytes_[:, np.newaxis])
        return durations


def scale(
    durations: np.ndarray,
    windows: np.ndarray,
    bytes_: np.ndarray,
    window: np.ndarray,
    *,
    trending: np.ndarray,
    common: tuple[float | np.ndarray, float | np.ndarray],
) -> Scaled:
    """Scale durations to windows of a length, and to the next task.

    Parameters
    ----------
    durations, windows, bytes_
        How long earlier tasks lasted, one row per history, in order of creation; infinity for those
        that timed out, NaN where there is no task. The length of their windows and the bytes that
        came in during these, NaN where unknown, or where those of the task's own window are.
    window
        The length of the window of each task, NaN if unknown.
    trending
        Whether to follow a trend.
    common
        The common trend of all log groups and its standard error; 0 if unknown.
    """
    lengths = window[:, np.newaxis]
    used = ~np.isnan(durations)
    alike = used & (windows >= lengths / 2) & (windows <= lengths * 2)
    enough = alike.sum(axis=1) >= ENOUGH
    used &= alike | ~enough[:, np.newaxis]
    power = _power_of_windows(windows, durations, used)
    power = np.where(window > 0, power, 0.0)[:, np.newaxis]
    volume = _volume_of(bytes_, windows, durations, used, power)
    by_bytes = volume.power > 0
    used &= (bytes_ > 0) | ~by_bytes
    factors = np.divide(
        lengths, windows, where=(windows > 0) & (power > 0), out=np.ones_like(windows)
    )
    durations = np.where(by_bytes, durations / volume.factor(bytes_), durations * factors**power)
    by = np.select([by_bytes[:, 0], power[:, 0] > 0], [0, 1], 2)
    alone = ~trending | (by < len(SCALES) - 1)  # the others' windows or bytes may have grown
    trend = _trend_of(durations, used, trending, *(np.where(alone, 0.0, each) for each in common))
    durations = durations * np.exp(trend.slope[:, np.newaxis] * ages(used))
    return Scaled(
        np.where(used, durations, np.nan), by, enough | (by < len(SCALES) - 1), trend, volume
    )


def _power_of_windows(windows: np.ndarray, durations: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return the power of the windows' length that durations follow, 0 if they do not."""
    known = used & (windows > 0) & _ended(durations)
    fewest, errors = _OF_SIZES
    x = _logs(windows, known)
    follows = _can_slope(known, x, fewest)
    if not follows.any():
        return np.zeros(len(x))
    power, error, _ = _regression(known, _logs(durations, known), x)
    follows &= _is_significant(power, error, errors)
    clipped: np.ndarray = np.clip(np.where(follows, power, 0.0), 0.0, _STEEPEST)
    return clipped


def _volume_of(
    bytes_: np.ndarray,
    windows: np.ndarray,
    durations: np.ndarray,
    used: np.ndarray,
    power: np.ndarray,
) -> Volume:
    """Return how durations depend on bytes, if these explain more than a power of the windows.

    Both may grow without one being the cause of the other. So the regression has a linear trend,
    from task to task, beside the bytes. If there is no significant one, it is left out, to be more
    exact.
    """
    known = used & (bytes_ > 0) & (windows > 0) & _ended(durations)
    if not known.any():
        return Volume(np.zeros_like(power), *(np.ones_like(power),) * 2)
    x, w, y = (_logs(values, known) for values in (bytes_, windows, durations))
    order = np.cumsum(known, axis=1)
    slope, error, left = _regression(known, y, x, order)
    *_, left_by_windows = _regression(known, y - power * w, order)
    explains = _can_slope(known, x, ENOUGH) & (left < left_by_windows)
    explains &= slope >= np.maximum(_OF_SIZES[1] * error, 1e-9)
    trend, error, _ = _regression(known, y, order, x)
    alone, *_ = _regression(known, y, x)
    slope = np.where(np.abs(trend) < _OF_TASKS[1] * error, alone, slope)
    power = np.where(explains, np.clip(slope, 0.0, _STEEPEST), 0.0)[:, np.newaxis]
    typical = np.exp(_mean(x, known))
    least = bytes_.min(axis=1, where=known, initial=np.inf)[:, np.newaxis]
    return Volume(power, *(np.where(power > 0, values, 1.0) for values in (typical, least)))


def _trend_of(
    durations: np.ndarray,
    used: np.ndarray,
    trending: np.ndarray,
    common: np.ndarray,
    common_error: np.ndarray,
) -> Trend:
    """Return how durations change from one task to the next, where that is asked for.

    It is the common trend, unless that of the log group itself differs. Durations that changed
    once, to another level, have no trend of their own.
    """
    known = used & _ended(durations) & trending[:, np.newaxis]
    x, y = -ages(used), _logs(durations, known)
    fewest, errors = _OF_TASKS
    slope, error = common, common_error
    own = _can_slope(known, x, fewest)
    if own.any():
        alone, error_alone, left = _regression(known, y, x)
        own &= _is_significant(alone - common, error_alone, errors) & ~_is_step(known, y, left)
        slope, error = np.where(own, alone, common), np.where(own, error_alone, common_error)
    significant = _is_significant(slope, error, errors)
    slope, error = np.where(significant, slope, 0.0), np.where(significant, error, 0.0)
    weights = recency(used)
    age = (ages(used) * weights).sum(axis=1) / weights.sum(axis=1)
    return Trend(slope, error, np.where(slope != 0, age, 0.0))


def _is_step(known: np.ndarray, y: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return whether one change of level explains the values better than a trend.

    `left` is the sum of squares that the trend leaves. The position of the change is one more
    parameter (Schwarz, Estimating the dimension of a model, Annals of Statistics 6, 1978).
    """
    rest = _without(known, y)
    n, before = known.sum(axis=1), np.cumsum(known, axis=1)
    product = before * (n[:, np.newaxis] - before)
    inside = (before >= _FEWEST_OF_STEP) & (n[:, np.newaxis] - before >= _FEWEST_OF_STEP)
    gain = np.cumsum(rest, axis=1) ** 2 / np.maximum(product, 1)
    best = gain.max(axis=1, where=inside, initial=0.0) * n
    left_of_step = np.maximum((rest**2).sum(axis=1) - best, _LEAST)
    fit = np.log(np.maximum(left, _LEAST) / left_of_step)
    is_step: np.ndarray = n * fit > np.log(np.maximum(n, 1))
    return is_step


def _ended(durations: np.ndarray) -> np.ndarray:
    """Return which durations have a logarithm: of tasks that took some time and ended."""
    ended: np.ndarray = (durations > 0) & np.isfinite(durations)
    return ended


def _logs(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the logarithms of known values, and 0 for the others."""
    logs: np.ndarray = np.log(values, where=known, out=np.zeros_like(values))
    return logs


def _mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean of the known values of each row, as a column."""
    n = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean: np.ndarray = values.sum(axis=1, where=known, keepdims=True) / n
    return mean


def _is_significant(slope: np.ndarray, error: np.ndarray, errors: float) -> np.ndarray:
    """Return which slopes are at least so many standard errors away from 0."""
    significant: np.ndarray = np.abs(slope) >= np.maximum(errors * error, 1e-9)
    return significant


def _can_slope(known: np.ndarray, x: np.ndarray, fewest: int) -> np.ndarray:
    """Return whether there are enough values, which are not all about equal."""
    n = known.sum(axis=1)
    squares = (_without(known, x) ** 2).sum(axis=1)
    enough: np.ndarray = (n >= fewest) & (squares >= n * _ALIKE)
    return enough


def _regression(
    known: np.ndarray, y: np.ndarray, x: np.ndarray, *others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the slope by x in a regression, its error, and the sum of squares left, in each row.

    It is the slope of what the others do not explain (Frisch and Waugh, Econometrica 1, 1933).
    """
    x, y = (_without(known, values, *others) for values in (x, y))
    squares = (x * x).sum(axis=1)
    squares = np.where(squares > _LEAST, squares, np.inf)
    slope = (x * y).sum(axis=1) / squares
    left = ((y - slope[:, np.newaxis] * x) ** 2).sum(axis=1)
    freedom = np.maximum(known.sum(axis=1) - 2 - len(others), 1)
    return slope, np.sqrt(left / freedom / squares), left


def _without(known: np.ndarray, values: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Return what differs from the mean of known values, and from a regression on others."""
    rest = np.where(known, values - _mean(values, known), 0.0)
    for x in (_without(known, other) for other in others):
        squares = np.maximum((x * x).sum(axis=1, keepdims=True), _LEAST)
        rest -= x * (x * rest).sum(axis=1, keepdims=True) / squares
    return rest
