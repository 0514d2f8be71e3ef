"""Tables of incoming data for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from oracle import KEY, side_table
from support import START, Row

from exportstats.core import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

KEYS = st.tuples(
    st.sampled_from(["111122223333", None]),
    st.sampled_from(["eu-west-1", None]),
    st.sampled_from(["acme/api", "/aws/vpc"]),
)
COUNT = st.one_of(st.just(0), st.just(0), st.integers(0, 9), st.none())


def incoming_of(rows: list[Row]) -> pd.DataFrame:
    """Return a table of incoming data."""
    return side_table(rows, schema.INCOMING.columns)


@st.composite
def periods(draw: Callable[..., Any]) -> list[Row]:
    """Draw periods of 4 ms of some log groups, some of them unknown."""
    starts = st.lists(st.integers(-2, 13), unique=True, max_size=16)
    return [
        {
            **dict(zip(KEY, key, strict=True)),
            "start": START + 4 * start,
            "period": 4,
            "incoming_bytes": draw(COUNT),
            "incoming_events": draw(COUNT),
        }
        for key in draw(st.lists(KEYS, unique=True, max_size=2))
        for start in draw(starts)
    ]
