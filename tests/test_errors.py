"""Errors can be pickled, because an executor returns them from another process."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

import exportstats as xs
from exportstats.core import frames

ROWS = pd.DataFrame({"place": ["line 7"], "reason": ["no task_id"]})
FAILURES = pd.DataFrame({"region": ["eu-west-1"], "reason": ["AccessDenied"]})


@pytest.mark.parametrize(
    "error",
    [
        xs.LoadError("cut", tasks=frames.empty(), next_token="t", failures=FAILURES),
        xs.LoadInterrupted("stopped", tasks=frames.empty()),
        xs.BadRowsError(ROWS, "no row could be read"),
        xs.BadRowsWarning(ROWS, "the others were kept", partial=True),
        xs.UnusedWarning("times look like seconds", partial=True),
        xs.PartialListWarning("the list goes on"),
        xs.MissingFileError("there is no file"),
        xs.LoadWarning("cut", FAILURES),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_from_a_pickle_with_all_they_carry(error: BaseException):
    """A pickled error has the same text and the same tables."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - it is ours
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__.keys() == error.__dict__.keys()
    for name, value in error.__dict__.items():
        carried = getattr(again, name)
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(carried, value)
        else:
            assert carried == value


def test_errors_are_what_python_has_for_them_too():
    """A missing file is a FileNotFoundError; bad arguments, tables and files are a ValueError."""
    assert issubclass(xs.MissingFileError, FileNotFoundError)
    wrong = (xs.ArgumentError, xs.SchemaError, xs.FileFormatError, xs.BadRowsError)
    for kind in (*wrong, xs.MissingFileError):
        assert issubclass(kind, xs.ExportStatsError)
        assert issubclass(kind, ValueError)
