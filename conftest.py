"""What all tests and the examples in docstrings share: none leaves anything to another."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_finish() -> None:
    """Spare what was imported: it stays, and each full collection of garbage would look at it."""
    gc.freeze()


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Close what was drawn: pyplot keeps every figure, and warns of many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True, scope="module")
def forget_aws() -> None:
    """Begin without what another file left: boto3's own session, and moto's made-up AWS."""
    if "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None
    if "moto.server" in sys.modules:
        from moto.moto_api._internal import moto_api_backend  # noqa: PLC0415 - slow to import

        moto_api_backend.reset()
