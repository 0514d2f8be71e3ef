"""Combine group and value in one int64. It sorts several times as fast as two keys."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_MOST = 1 << 63  # combined numbers stay below this


class Packing(NamedTuple):
    """How group and value are combined in one number, in the order of both.

    Attributes
    ----------
    low, span
        The smallest value, and how many numbers each group has.
    """

    low: int
    span: int

    @classmethod
    def of(cls, groups: int, *values: np.ndarray) -> Packing | None:
        """Return how to combine the numbers of the groups with these values; None if too many."""
        some = [array for array in values if array.size]
        low = min((int(array.min()) for array in some), default=0)
        span = max((int(array.max()) for array in some), default=0) - low + 1
        return cls(low, span) if groups * span < _MOST else None

    def pack(self, group: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Combine groups and values, which must be in the range."""
        packed: np.ndarray = value - self.low
        packed += group * self.span
        return packed

    def unpack(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return groups and values."""
        group = packed // self.span  # np.divmod is several times as slow
        value: np.ndarray = packed - group * self.span
        value += self.low
        return group, value


def order_of(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the stable order by group and value; groups are numbered from 0."""
    packing = Packing.of(int(group.max(initial=-1)) + 1, value)
    if packing is None:
        return np.lexsort((value, group))
    return np.argsort(packing.pack(group, value), kind="stable")
