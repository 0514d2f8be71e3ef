"""From when on something is worth a line in the weekly report: the only place that says so."""

from __future__ import annotations

from datetime import timedelta

# --- What a week answers for ---------------------------------------------------------------------

# A day's events are due in S3 so long after the day: log data can take 12 h to become exportable,
# exporters wait for that, tasks queue for their slot, a failed night is run again the day after.
DUE_AFTER = timedelta(days=2)
# Its predecessors that a week is compared with, beside the last one.
WEEKS_BEFORE = 4

# --- Which log groups are meant to be in S3 as a whole -------------------------------------------

# A log group is exported regularly if of its weeks, at most the eight up to the report's and at
# least two, more than half were covered to this share. Gaps of all others (exported by hand, or
# never) are somebody's intention.
REGULAR_WEEKS = 8
REGULAR_LEAST = 2
REGULAR_SHARE = 0.9

# --- Gaps ----------------------------------------------------------------------------------------

# Shorter ones, as an exporter leaves that ends its days at 23:59:00, are one line for all.
SHORT_GAP = timedelta(minutes=1)
# Events that expire within this are listed as soon as that long before.
EXPIRES_SOON = timedelta(days=35)
# A week to the next report, and three days to act on it.
EXPIRES_NOW = timedelta(days=10)

# --- Tasks ---------------------------------------------------------------------------------------

# From so many failed tasks that nobody ran again, it is an outage and no accident.
MANY_FAILURES = 10
# A slowdown is news for so long after it began.
SLOWDOWN_IS_NEWS = timedelta(days=35)
# The service ends a task after 24 h.
TIME_OUT = timedelta(hours=24)
LONG_ACTIVE = timedelta(hours=12)
TOO_LONG_ACTIVE = timedelta(hours=20)
LIKELY_TIME_OUT = 0.1
# Busier than this, a slot has no room for a night that has to be run again.
BUSY_SLOT = 0.8
