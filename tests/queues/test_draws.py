"""Draws of durations, against plain Python."""

from __future__ import annotations

from bisect import bisect_right
from math import exp
from statistics import pstdev

import numpy as np
import pytest

from exportstats.queues.draws import _interpolate
from exportstats.stats.predictive import Prediction


@pytest.mark.parametrize("runs", [1, 2, 1000, 1024, 5000])
def test_quantiles_of_random_shares(runs: int) -> None:
    """Each task has the quantiles of its own history, each run that of its own share."""
    rng = np.random.default_rng(runs)
    bodies = [Prediction(*np.sort(rng.random((2, 30)), axis=1)) for _ in range(3)]
    bits = rng.integers(0, 1 << 63, (3, runs)).astype("uint64") * np.uint64(2)
    shares = (bits / 2**64).tolist()
    found = _interpolate(bits, bodies)
    for row, body in enumerate(bodies):
        logs, edges = (values.tolist() for values in body)
        for run, share in enumerate(shares[row]):
            above = min(max(bisect_right(edges, share), 1), len(edges) - 1)
            low, high = edges[above - 1], edges[above]
            part = min(max((share - low) / (high - low), 0), 1)
            expected = logs[above - 1] + part * (logs[above] - logs[above - 1])
            assert found[row, run] == pytest.approx(expected, abs=1e-9)


def test_spread_of_cube_roots() -> None:
    """It is that of the quantiles at many equally spaced shares, without the ends of the tails."""
    rng = np.random.default_rng(0)
    logs = np.sort(rng.normal(12, 1, (3, 40)), axis=1)
    shares = np.sort(rng.random((3, 40)), axis=1)
    shares[:, [0, -1]] = 1e-9, 1 - 1e-9
    found = Prediction(logs, shares).spread
    levels = ((np.arange(100_000) + 0.5) / 100_000).tolist()
    levels = [level for level in levels if 0.00025 < level < 1 - 0.00025]
    for row in range(3):
        roots = [exp(log / 3) for log in np.interp(levels, shares[row], logs[row]).tolist()]
        assert found[row] == pytest.approx(pstdev(roots), rel=1e-3)
