"""From decoded pages to a typed DataFrame.

The baseline is what a pandas user writes: json_normalize of the pages, then to_datetime. A second
one flattens the pages first, which makes json_normalize faster.
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


@contextlib.contextmanager
def prepare(size: int) -> Iterator[list[dict[str, Any]]]:
    """Make the pages."""
    yield made_up.pages(size)


def with_json_normalize(pages: list[dict[str, Any]]) -> pd.DataFrame:
    """Use json_normalize as in the documentation of pandas."""
    frame = pd.json_normalize(pages, record_path="exportTasks")
    return made_up.with_times(frame)


def flattened_first(pages: list[dict[str, Any]]) -> pd.DataFrame:
    """Use json_normalize on one list of tasks."""
    frame = pd.json_normalize([task for page in pages for task in page["exportTasks"]])
    return made_up.with_times(frame)


def with_exportstats(pages: list[dict[str, Any]]) -> pd.DataFrame:
    """Make a table of tasks."""
    observed = 1_800_000_000_000
    read = read_pages([Page(page["exportTasks"], observed) for page in pages], 1, TASKS)
    return to_table(read, TASKS)


CONTESTANTS = {
    "json_normalize": with_json_normalize,
    "flattened first": flattened_first,
    "exportstats": with_exportstats,
}
