"""Student's distribution of the cube roots of durations, for many histories at once."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

_SPREAD_TASKS = 4  # the weight of the prior spread, in tasks
_FEW = 5  # with fewer tasks, their own spread is too uncertain
_LEAST_SPREAD = 0.007  # relative to the cube root: durations are never quite equal
_WIDE = 0.4  # the spread, relative to the cube root, if nothing is known of it


class Student(NamedTuple):
    """Student's distribution of cube roots, with 1, 2 or 4 degrees of freedom, or the normal one.

    These have closed forms: Shaw, Sampling Student's T distribution, Journal of Computational
    Finance 9 (2006), section 2. There is one distribution per history.
    """

    location: np.ndarray
    scale: np.ndarray
    degrees: np.ndarray

    @classmethod
    def fit(cls, logs: np.ndarray, weights: np.ndarray, spread: float | np.ndarray) -> Student:
        """Fit the distribution of the next value, given a prior spread (NaN if unknown)."""
        n, total, roots = (weights > 0).sum(axis=1), weights.sum(axis=1), np.exp(logs / 3)
        location = (weights * roots).sum(axis=1) / total
        effective = total**2 / (weights**2).sum(axis=1)
        variance = (weights * (roots - column(location)) ** 2).sum(axis=1) / total
        known = ~np.isnan(spread)
        prior = np.where(known, _SPREAD_TASKS, n < _FEW)
        squares = effective * variance + prior * (location * np.where(known, spread, _WIDE)) ** 2
        variance = squares / (effective - 1 + prior)
        scale = np.maximum(np.sqrt(variance * (1 + 1 / effective)), _LEAST_SPREAD * location)
        freedom = np.where(known, n - 1 + _SPREAD_TASKS, np.maximum(n - 1, 2))
        degrees = np.array([*_TAILS])
        return cls(location, scale, degrees[np.searchsorted(degrees, freedom, "right") - 1])

    def above(self, logs: np.ndarray) -> np.ndarray:
        """Return the probability above a logarithm of a duration of each history."""
        return self._survival((np.exp(logs / 3) - self.location) / self.scale)

    def below(self, logs: np.ndarray) -> np.ndarray:
        """Return the probability below a logarithm of a duration of each history."""
        return self._survival((self.location - np.exp(logs / 3)) / self.scale)

    def quantile_above(self, shares: np.ndarray) -> np.ndarray:
        """Return the logarithms that have these probabilities above them, in rows."""
        return to_logs(column(self.location) + column(self.scale) * self._inverse(shares))

    def quantile_below(self, shares: np.ndarray) -> np.ndarray:
        """Return the logarithms that have these probabilities below them, in rows."""
        return to_logs(column(self.location) - column(self.scale) * self._inverse(shares))

    def _survival(self, z: np.ndarray) -> np.ndarray:
        return self._by_degrees(0, z)

    def _inverse(self, shares: np.ndarray) -> np.ndarray:
        return self._by_degrees(1, shares)

    def _by_degrees(self, which: int, values: np.ndarray) -> np.ndarray:
        found = np.empty_like(values)
        for degrees, functions in _TAILS.items():
            some = self.degrees == degrees
            found[some] = functions[which](values[some])
        return found


def _above_1(z: np.ndarray) -> np.ndarray:
    above: np.ndarray = np.arctan2(1, z) / np.pi
    return above


def _above_2(z: np.ndarray) -> np.ndarray:
    root = np.sqrt(2 + z * z)
    tail = 1 / (root * (root + np.abs(z)))
    above: np.ndarray = np.where(z < 0, 1 - tail, tail)
    return above


def _above_4(z: np.ndarray) -> np.ndarray:
    root = np.sqrt(4 + z * z)
    rest = 4 / (root * (root + np.abs(z)))
    tail = rest * rest * (3 - rest) / 4
    above: np.ndarray = np.where(z < 0, 1 - tail, tail)
    return above


def _above_normal(z: np.ndarray) -> np.ndarray:
    most = np.minimum(z / math.sqrt(2), 26)  # avoids an underflow
    return np.array([math.erfc(each) / 2 for each in most.tolist()])


def _inverse_1(shares: np.ndarray) -> np.ndarray:
    z: np.ndarray = 1 / np.tan(np.pi * shares)
    return z


def _inverse_2(shares: np.ndarray) -> np.ndarray:
    z: np.ndarray = (1 - 2 * shares) / np.sqrt(2 * shares * (1 - shares))
    return z


def _inverse_4(shares: np.ndarray) -> np.ndarray:
    root = np.sqrt(4 * shares * (1 - shares))
    inside = np.maximum(np.cos(np.arccos(np.minimum(root, 1)) / 3) / root - 1, 0)
    z: np.ndarray = np.sign(0.5 - shares) * 2 * np.sqrt(inside)
    return z


def _inverse_normal(shares: np.ndarray) -> np.ndarray:
    z, logs = _normal()
    tail = np.log(np.minimum(shares, 1 - shares))
    inverse: np.ndarray = np.sign(0.5 - shares) * np.interp(-tail, -logs, z)
    return inverse


@cache
def _normal() -> tuple[np.ndarray, np.ndarray]:
    """Return numbers so close that the normal tail between them is exact to a millionth.

    Computing the inverse for each share would take longer than everything else, and so would the
    import of SciPy.
    """
    z = np.arange(0, 37, 0.002)
    return z, np.log(_above_normal(z))


_TAILS = {
    1: (_above_1, _inverse_1),
    2: (_above_2, _inverse_2),
    4: (_above_4, _inverse_4),
    8: (_above_normal, _inverse_normal),
}


def to_logs(roots: np.ndarray) -> np.ndarray:
    """Return the logarithms of the cubes; a duration is at least a millisecond."""
    logs: np.ndarray = 3 * np.log(np.maximum(roots, 1))
    return logs


def column(values: np.ndarray) -> np.ndarray:
    """Return values as a column."""
    return np.reshape(values, (-1, 1))
