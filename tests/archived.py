"""Helpers of the tests of the archive: compare tables in any order, count files and bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pandas.testing import assert_frame_equal

from exportstats.core import schema

if TYPE_CHECKING:
    import pandas as pd

    import exportstats as xs


def assert_same(one: pd.DataFrame, other: pd.DataFrame, *, seen: bool = True) -> None:
    """Compare tables of tasks in any order of rows; without `seen` not when they were observed."""
    left, right = (
        table.sort_values(list(schema.KEY), ignore_index=True).drop(
            columns=[] if seen else "observed_at"
        )
        for table in (one, other)
    )
    assert_frame_equal(left, right)


def files(archive: xs.Archive) -> list[Path]:
    """Return the files of an archive in a folder."""
    return sorted(path for path in Path(archive.uri).rglob("*") if path.is_file())


def data_files(archive: xs.Archive, of: str = "tasks") -> list[Path]:
    """Return the data files of one of its tables."""
    return sorted(Path(archive.uri, of).rglob("*.parquet"))
