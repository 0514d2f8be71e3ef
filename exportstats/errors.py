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


class MissingFileError(ArgumentError, FileNotFoundError):
    """A path at which there is nothing."""


class SchemaError(ExportStatsError, ValueError):
    """A frame that is not a table of tasks: a column is missing or of another kind."""


class FileFormatError(ExportStatsError, ValueError):
    """A file that cannot be read as tasks; the text names file, line and column."""


class BadRowsError(ExportStatsError, ValueError):
    """Rows that cannot be read, where every row had to be read, or one at least.

    Attributes
    ----------
    rows
        A frame with the columns `place` and `reason`, one row a refused row.
    """

    def __init__(self, rows: pd.DataFrame, outcome: str) -> None:
        super().__init__(f"{_counted(rows)}; {outcome}")
        self.rows = rows
        self._outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled: an executor sends it home from another process."""
        return type(self), (self.rows, self._outcome)


class BadRowsWarning(UserWarning):
    """Rows that cannot be read were left out, or doubtful ones were kept.

    Attributes
    ----------
    rows
        A frame with the columns `place` and `reason`, one row a reported row.
    partial
        Whether they were left out.
    """

    def __init__(self, rows: pd.DataFrame, outcome: str, *, partial: bool) -> None:
        super().__init__(f"{_counted(rows)}; {outcome}")
        self.rows = rows
        self.partial = partial
        self._outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled."""
        return partial(type(self), partial=self.partial), (self.rows, self._outcome)


class UnusedWarning(UserWarning):
    """Something that was given is not understood: keys, columns, or the unit of times.

    Attributes
    ----------
    partial
        Whether answers from the table are wrong or incomplete for it.
    dropped
        Whether values were left out that the table has no column for.
    """

    def __init__(self, message: str, *, partial: bool = False, dropped: bool = False) -> None:
        super().__init__(message)
        self.partial = partial
        self.dropped = dropped

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled."""
        make = partial(type(self), partial=self.partial, dropped=self.dropped)
        return make, (str(self),)


class PartialListWarning(UserWarning):
    """A list was cut short: the service has more of it than what was read."""

    partial = True


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


def report_rows(
    left_out: pd.DataFrame,
    changed: pd.DataFrame,
    doubtful: pd.DataFrame,
    *,
    of: int,
    strict: bool = False,
) -> None:
    """Say once what is wrong with some rows.

    Parameters
    ----------
    left_out, changed, doubtful
        Frames with `place` and `reason`: rows that were refused, rows of which a value was changed,
        and rows that contradict another row.
    of
        How many rows there were.
    strict
        Whether a refused row refuses them all.

    Raises
    ------
    BadRowsError
        Every row was refused, or `strict` and one was.
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
    """Count rows by reason, each with its first few places; the most frequent reasons."""
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
