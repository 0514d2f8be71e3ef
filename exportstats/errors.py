"""The errors and warnings of this package.

Every error is an `ExportStatsError`. Its text says what was wrong, the value and the remedy.
"""

from __future__ import annotations

import contextlib
import copyreg
import inspect
import os
import warnings
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

_PACKAGE = f"{Path(__file__).parent}{os.sep}"
_collected: ContextVar[list[Warning] | None] = ContextVar("collected", default=None)


class _Picklable(BaseException):
    """An exception with attributes, which an executor can return from another process."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class ExportStatsError(Exception):
    """Anything this package refuses or cannot do."""


def missing_library(what: str, library: str) -> ExportStatsError:
    """Return the error of `what`, which needs a library that is not installed."""
    return ExportStatsError(f"{what} needs {library}; run: pip install {library.lower()}")


class ArgumentError(ExportStatsError, ValueError):
    """An argument is not valid."""


class MissingFileError(FileNotFoundError, ArgumentError):  # in this order, Dask can unpickle it
    """A path does not exist."""


class SchemaError(ExportStatsError, ValueError):
    """A DataFrame is not the table it should be: a column is missing or has another type."""


class FileFormatError(ExportStatsError, ValueError):
    """A file cannot be read. The text names the file, the line and the column."""


class ArchiveError(ExportStatsError):
    """An archive cannot be read or written."""


class BadRowsError(_Picklable, ExportStatsError, ValueError):
    """No row can be read; or, with `strict`, one row cannot be read.

    Attributes
    ----------
    rows
        A DataFrame with the columns `place` and `reason`, one row for each refused row.
    """

    def __init__(self, rows: pd.DataFrame, outcome: str) -> None:
        super().__init__(f"{_counted(rows)}; {outcome}")
        self.rows = rows


class BadRowsWarning(_Picklable, UserWarning):
    """Rows that cannot be read were left out, or doubtful rows were kept.

    Attributes
    ----------
    rows
        A DataFrame with the columns `place` and `reason`, one row for each reported row.
    partial
        Whether the rows were left out.
    """

    def __init__(self, rows: pd.DataFrame, outcome: str, *, partial: bool) -> None:
        super().__init__(f"{_counted(rows)}; {outcome}")
        self.rows = rows
        self.partial = partial


class UnusedWarning(UserWarning):
    """Keys, columns or the unit of times are not understood.

    Attributes
    ----------
    partial
        Whether answers from the table are wrong or incomplete because of it.
    dropped
        Whether values were left out because the table has no column for them.
    """

    def __init__(self, message: str, *, partial: bool = False, dropped: bool = False) -> None:
        super().__init__(message)
        self.partial = partial
        self.dropped = dropped


class PartialListWarning(UserWarning):
    """A list is incomplete: the service has more entries than were read."""

    partial = True


class DamagedFileWarning(_Picklable, UserWarning):
    """Files of an archive are damaged or missing, and a result lacks their rows.

    Attributes
    ----------
    files
        A DataFrame with `file`, `rows`, `shard` and `reason`, one row for each file.
    """

    partial = True

    def __init__(self, message: str, files: pd.DataFrame) -> None:
        super().__init__(message)
        self.files = files


class AccountUnknownWarning(UserWarning):
    """The account ID or the region is missing, and a result may depend on it."""


class _Partial(_Picklable):
    """The data that arrived before loading ended early."""

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


class LoadError(_Partial, ExportStatsError):
    """Loading ended before the end of the list. The error carries what arrived.

    Attributes
    ----------
    tasks
        The table of tasks that arrived; empty if none did.
    arrived
        The same if tasks were loaded, otherwise the rows of the other table that arrived.
    next_token
        The token to continue from, or None to start again. With several targets, the tokens are
        in `failures`.
    failures
        A DataFrame with one row for each failed target: `account_id`, `region`, `profile`,
        `role_arn`, `reason`, `remedy`, `arrived` (number of rows) and `next_token`. None if
        loading failed before any target was asked.
    """


class LoadInterrupted(_Partial, KeyboardInterrupt):
    """Loading was stopped by Ctrl-C. The exception carries what arrived, as `LoadError` does.

    It is a `KeyboardInterrupt`, so `except Exception` does not catch it.
    """


class LoadWarning(_Picklable, UserWarning):
    """Some targets failed; the tasks of the others were returned.

    Attributes
    ----------
    failures
        As in `LoadError`.
    """

    def __init__(self, message: str, failures: pd.DataFrame) -> None:
        super().__init__(message)
        self.failures = failures


@contextlib.contextmanager
def collect_warnings() -> Iterator[list[Warning]]:
    """Collect the warnings of this thread, so that a worker can return them."""
    collected: list[Warning] = []
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)


def warn(warning: Warning) -> None:
    """Issue a warning that points to the line outside of this package."""
    collected = _collected.get()
    if collected is not None:
        collected.append(warning)
        return
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(warning, stacklevel=level)


def report_rows(
    left_out: pd.DataFrame,
    changed: pd.DataFrame,
    doubtful: pd.DataFrame,
    *,
    of: int,
    strict: bool = False,
) -> None:
    """Report the bad rows of a table.

    Parameters
    ----------
    left_out, changed, doubtful
        Frames with `place` and `reason`: refused rows, rows with a changed value, and rows that
        contradict another row.
    of
        The number of all rows.
    strict
        Whether one refused row is an error.

    Raises
    ------
    BadRowsError
        All rows were refused; or, with `strict`, one row was refused.
    """
    if len(left_out) and len(left_out) >= of:
        raise BadRowsError(left_out, "no row could be read")
    if len(left_out) and strict:
        raise BadRowsError(left_out, "nothing was kept, because strict=True")
    if len(left_out):
        warn(BadRowsWarning(left_out, "the others were kept", partial=True))
    for rows in (changed, doubtful):
        if len(rows):
            warn(BadRowsWarning(rows, "all of them were kept", partial=False))


def _counted(rows: pd.DataFrame, examples: int = 3, most: int = 10) -> str:
    """Count rows by reason, the most frequent first, with the first places of each."""
    counts = rows["reason"].value_counts(sort=False).sort_values(ascending=False, kind="stable")
    parts = []
    for reason in counts.index[:most]:
        places = rows.loc[rows["reason"] == reason, "place"]
        shown = ", ".join(str(place) for place in places.iloc[:examples])
        more = f" and {len(places) - examples} more" if len(places) > examples else ""
        parts.append(f"{len(places)} x {_shortened(reason)} ({shown}{more})")
    if rest := counts.iloc[most:].sum():
        parts.append(f"{rest} x {len(counts) - most} other reasons")
    return "; ".join(parts)


def _shortened(text: str, longest: int = 200) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."
