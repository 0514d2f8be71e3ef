"""From decoded pages to a typed frame.

The baseline is what a user of pandas writes: json_normalize over the pages, then to_datetime. A
second one flattens the pages by hand first, which json_normalize likes better.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks import made_up
from exportstats.core.schema import TASKS
from exportstats.io.json_text import Page, read_pages
from exportstats.io.rows import to_table

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1_000_000
BASELINE = "json_normalize"

_TIMES = ("from", "to", "executionInfo.creationTime", "executionInfo.completionTime")


@contextlib.contextmanager
def prepare(size: int) -> Iterator[list[dict[str, Any]]]:
    """Make the pages."""
    yield made_up.pages(size)


def with_json_normalize(pages: list[dict[str, Any]]) -> pd.DataFrame:
    """Do as the documentation of pandas says."""
    frame = pd.json_normalize(pages, record_path="exportTasks")
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def flattened_first(pages: list[dict[str, Any]]) -> pd.DataFrame:
    """Do so after making one list of tasks."""
    frame = pd.json_normalize([task for page in pages for task in page["exportTasks"]])
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def with_exportstats(pages: list[dict[str, Any]]) -> pd.DataFrame:
    """Make a table of tasks."""
    observed = 1_800_000_000_000
    read = read_pages([Page(page["exportTasks"], observed) for page in pages], 1, TASKS)
    return to_table(read, TASKS)


def check(frame: pd.DataFrame, size: int) -> None:
    """See that all is there."""
    assert len(frame) == size


CONTESTANTS = {
    "json_normalize": with_json_normalize,
    "flattened first": flattened_first,
    "exportstats": with_exportstats,
}
