"""The synthetic sample: a year of export tasks and the log groups of two made-up accounts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from exportstats.core.schema import LOG_GROUPS, TASKS
from exportstats.io.files import read_files

if TYPE_CHECKING:
    import pandas as pd

_PACKAGE = Path(__file__).parents[1]


def sample_tasks() -> pd.DataFrame:
    """Return the synthetic sample: about 6,000 made-up tasks in all states, with planted problems.

    The tasks are from two accounts in three regions. They were created from 2025-11-24 on and
    observed at 2026-11-23T06:00Z. `data/README.md` describes the planted problems.

    Returns
    -------
    DataFrame
        A table of tasks.

    Examples
    --------
    >>> tasks = sample_tasks()
    >>> tasks["account_id"].nunique(), tasks["status_code"].nunique()
    (2, 6)
    """
    return read_files(TASKS, [folder() / "tasks.jsonl.gz"])


def sample_log_groups() -> pd.DataFrame:
    """Return the log groups of the synthetic sample, including those that were never exported.

    Returns
    -------
    DataFrame
        A table of log groups.

    Examples
    --------
    >>> sample_log_groups()["retention"].max()
    Timedelta('731 days 00:00:00')
    """
    return read_files(LOG_GROUPS, [folder() / "log_groups.json"])


def folder() -> Path:
    """Return the folder of the sample: in the installed package, or in the repository."""
    inside = _PACKAGE / "sample_data"
    return inside if inside.is_dir() else _PACKAGE.parent / "data" / "sample"
