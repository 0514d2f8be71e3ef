"""The tables beside the tasks of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from exportstats.core import frames

if TYPE_CHECKING:
    import pandas as pd


class Evidence(NamedTuple):
    """The tables that coverage functions take beside the tasks, or None."""

    log_groups: pd.DataFrame | None = None
    deliveries: pd.DataFrame | None = None
    api_calls: pd.DataFrame | None = None
    incoming: pd.DataFrame | None = None

    @classmethod
    def checked(cls, **tables: pd.DataFrame | None) -> Evidence:
        """Return the tables after checking their columns.

        Raises
        ------
        SchemaError
            If a table does not match its schema.
        """
        known = {name: table for name, table in tables.items() if table is not None}
        return cls(
            **{name: frames.check(table, frames.table_of(name)) for name, table in known.items()}
        )

    @property
    def options(self) -> dict[str, Any]:
        """Return the tables as arguments of a coverage function."""
        return self._asdict()

    @property
    def tells_what_was_exported(self) -> bool:
        """Return whether the API calls and the deliveries of tasks are known."""
        return self.api_calls is not None and self.deliveries is not None
