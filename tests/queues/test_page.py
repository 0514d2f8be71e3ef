"""The page on queues: its code runs, and says what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

PAGE = (Path(__file__).parents[2] / "docs" / "queues.md").read_text(encoding="utf-8")


def test_code_runs() -> None:
    """The Python blocks run one after another, and the scenarios differ as they should."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "queues.md", "exec"), names)  # noqa: S102 - it is ours
    found = names["xs"].compare_queues(names["scenarios"])
    later = found.loc["+30", "later"]
    assert later.max() > pd.Timedelta("1h")
    assert (found.loc["from 22:00", "later"] > pd.Timedelta("6h")).all()
