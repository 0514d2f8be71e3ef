"""What can go wrong, said so that one knows what to do next.

Every error of this package is an `ExportStatsError`. Its text names what was wrong, the value and
the remedy; the command line prints that text as one line, everything else lets it rise.
"""

from __future__ import annotations

import inspect
import os
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_PACKAGE = f"{Path(__file__).parent}{os.sep}"


class ExportStatsError(Exception):
    """Anything this package refuses or cannot do."""


class ArgumentError(ExportStatsError, ValueError):
    """An argument that cannot be meant as it stands."""


class SchemaError(ExportStatsError):
    """A frame that is not a table of tasks: a column is missing or of another kind."""


class FileFormatError(ExportStatsError):
    """A file that cannot be read as tasks; the text names file, line and column."""


class BadRowsError(ExportStatsError):
    """Rows that cannot be tasks, where every row had to be one.

    Attributes
    ----------
    rows
        A frame with the columns `place` and `reason`, one row a refused row.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        super().__init__(f"{_counted(rows)}; nothing was kept, because strict=True")
        self.rows = rows

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled: an executor sends it home from another process."""
        return type(self), (self.rows,)


class BadRowsWarning(UserWarning):
    """Rows that cannot be tasks were left out, or rows that contradict each other were kept.

    Attributes
    ----------
    rows
        A frame with the columns `place` and `reason`, one row a reported row.
    """

    def __init__(self, rows: pd.DataFrame, outcome: str) -> None:
        super().__init__(f"{_counted(rows)}; {outcome}")
        self.rows = rows
        self._outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled."""
        return type(self), (self.rows, self._outcome)


class AccountUnknownWarning(UserWarning):
    """The account's number, or the region, is missing, and that makes a difference."""


class _Partial(BaseException):
    """What a load that did not reach its end carries.

    Attributes
    ----------
    tasks
        All that arrived, as a table of tasks; empty when nothing did.
    arrived
        The same where tasks were loaded, else all that arrived of log groups or deliveries.
    next_token
        The token to go on from, or None to begin again. Of several targets each has its own, in
        `failures`.
    failures
        A frame with a row a target that failed: `account_id`, `region`, `profile`, `role_arn`,
        `reason`, `remedy`, `arrived` (how many rows) and `next_token`. None where it was not even
        known whom to ask.
    """

    def __init__(
        self,
        message: str,
        *,
        tasks: pd.DataFrame,
        arrived: pd.DataFrame | None = None,
        next_token: str | None = None,
        failures: pd.DataFrame | None = None,
    ) -> None:
        super().__init__(message)
        self.tasks = tasks
        self.arrived = tasks if arrived is None else arrived
        self.next_token = next_token
        self.failures = failures

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled: an executor sends it home from another process."""
        make = partial(
            type(self),
            tasks=self.tasks,
            arrived=self.arrived,
            next_token=self.next_token,
            failures=self.failures,
        )
        return make, (str(self),)


class LoadError(_Partial, ExportStatsError):
    """Loading ended before the end of the list; it carries what arrived."""


class LoadInterrupted(_Partial, KeyboardInterrupt):
    """Loading was stopped by Ctrl-C; it carries what arrived, as a `LoadError` does.

    It is a `KeyboardInterrupt`, so that no `except Exception` swallows it.
    """


class LoadWarning(UserWarning):
    """Some targets failed; the tasks of the others were given.

    Attributes
    ----------
    failures
        As in `LoadError`.
    """

    def __init__(self, message: str, failures: pd.DataFrame) -> None:
        super().__init__(message)
        self.failures = failures

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled."""
        return type(self), (str(self), self.failures)


def warn(warning: Warning) -> None:
    """Warn of what the caller of the package did, at their line, however deep in it this is."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(warning, stacklevel=level)


def report_rows(left_out: pd.DataFrame, kept: pd.DataFrame, *, strict: bool) -> None:
    """Say once what is wrong with some rows.

    Parameters
    ----------
    left_out, kept
        Frames with `place` and `reason`: rows that were refused, and rows that were kept although
        they contradict another row.
    strict
        Whether a refused row refuses them all.

    Raises
    ------
    BadRowsError
        When `strict` and a row was left out.
    """
    if len(left_out) and strict:
        raise BadRowsError(left_out)
    if len(left_out):
        warn(BadRowsWarning(left_out, "the others were kept"))
    if len(kept):
        warn(BadRowsWarning(kept, "all of them were kept"))


def _counted(rows: pd.DataFrame, examples: int = 3) -> str:
    """Count rows by reason, each with its first few places."""
    parts = []
    for reason, places in rows.groupby("reason", sort=False)["place"]:
        shown = ", ".join(str(place) for place in places.iloc[:examples])
        more = f" and {len(places) - examples} more" if len(places) > examples else ""
        parts.append(f"{len(places)} x {reason} ({shown}{more})")
    return "; ".join(parts)
