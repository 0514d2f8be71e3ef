"""What several tests of the report read."""

from __future__ import annotations

import pytest
from redacted import WEEK
from reported import sample

import exportstats as xs
from exportstats.report.redaction import redact


@pytest.fixture(scope="session")
def hidden() -> xs.WeeklyReport:
    """Return the redacted report of the sample's worst week."""
    tasks, log_groups, *_ = redact(*sample())
    return xs.build_weekly_report(tasks, week=WEEK, log_groups=log_groups)
