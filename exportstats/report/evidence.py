"""The tables beside the tasks of a report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from exportstats.core import frames, schema
from exportstats.stats.api_calls import Calls
from exportstats.stats.incoming import Incoming

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd


class Evidence(NamedTuple):
    """The tables that coverage functions take beside the tasks, or None.

    API calls and incoming data are sorted and grouped once for all questions of a report.
    """

    log_groups: pd.DataFrame | None = None
    deliveries: pd.DataFrame | None = None
    api_calls: Calls | None = None
    incoming: Incoming | None = None

    @classmethod
    def checked(cls, **tables: pd.DataFrame | None) -> Evidence:
        """Return the tables after checking and preparing them.

        Raises
        ------
        SchemaError
            If a table does not match its schema.
        """
        prepare: dict[str, Callable[[pd.DataFrame], Any]] = {
            "log_groups": partial(frames.check, table=schema.LOG_GROUPS),
            "deliveries": partial(frames.check, table=schema.DELIVERIES),
            "api_calls": Calls.of,
            "incoming": Incoming.of,
        }
        known = {name: table for name, table in tables.items() if table is not None}
        return cls(**{name: prepare[name](table) for name, table in known.items()})

    @property
    def options(self) -> dict[str, Any]:
        """Return the tables as arguments of a coverage function."""
        return self._asdict()

    @property
    def tells_what_was_exported(self) -> bool:
        """Return whether the API calls and the deliveries of tasks are known."""
        return self.api_calls is not None and self.deliveries is not None
