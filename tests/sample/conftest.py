"""Read the sample once."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from recorded import SAMPLE, Key, key_of, read_lines

if TYPE_CHECKING:
    from support import Row


@pytest.fixture(scope="session")
def tasks() -> list[Row]:
    """Read all tasks of the sample."""
    return read_lines("tasks.jsonl.gz")


@pytest.fixture(scope="session")
def planted() -> Row:
    """Read the planted problems."""
    return dict(json.loads((SAMPLE / "planted.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def log_groups() -> dict[Key, Row]:
    """Return the log groups by key."""
    rows = json.loads((SAMPLE / "log_groups.json").read_text(encoding="utf-8"))
    return {key_of(row): row for row in rows}


@pytest.fixture(scope="session")
def by_group(tasks: list[Row]) -> dict[Key, list[Row]]:
    """Group the tasks by log group."""
    groups = defaultdict(list)
    for task in tasks:
        groups[key_of(task)].append(task)
    return dict(groups)


@pytest.fixture(scope="session")
def by_slot(tasks: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group the tasks by slot, in the order of the file."""
    slots = defaultdict(list)
    for task in tasks:
        slots[task["accountId"], task["region"]].append(task)
    return dict(slots)
