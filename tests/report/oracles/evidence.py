"""Rules that need evidence find nothing in histories, which have none; see test_evidence.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracles.facts import Facts


def refused(_: Facts) -> None:
    """Find nothing without API calls."""


def partial(_: Facts) -> None:
    """Find nothing without API calls."""


def silent(_: Facts) -> None:
    """Find nothing without incoming data."""


RULES = (refused, partial, silent)
