"""Draws of durations, against plain Python."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import pytest

from exportstats.queues.draws import _interpolate
from exportstats.stats.predictive import Prediction


@pytest.mark.parametrize("runs", [1, 2, 1000, 1024, 5000])
def test_quantiles_of_random_shares(runs: int) -> None:
    """Each task has the quantiles of its own history, each run that of its own share."""
    rng = np.random.default_rng(runs)
    bodies = [Prediction(*np.sort(rng.random((2, 30)), axis=1)) for _ in range(2)]
    of = np.array([1, 0, 1])
    bits = rng.integers(0, 1 << 63, (3, runs)).astype("uint64") * np.uint64(2)
    shares = (bits / 2**64).tolist()
    found = _interpolate(bits, bodies, of)
    for row, body in enumerate(of):
        logs, edges = (values.tolist() for values in bodies[body])
        for run, share in enumerate(shares[row]):
            above = min(max(bisect_right(edges, share), 1), len(edges) - 1)
            low, high = edges[above - 1], edges[above]
            part = min(max((share - low) / (high - low), 0), 1)
            expected = logs[above - 1] + part * (logs[above] - logs[above - 1])
            assert found[row, run] == pytest.approx(expected, abs=1e-9)
