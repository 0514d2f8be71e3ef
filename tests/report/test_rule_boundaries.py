"""Rules at the boundaries of their thresholds and of the week."""

from __future__ import annotations

import pandas as pd
import pytest
from reported import (
    MINUTE,
    MONDAY,
    WEEK,
    log_groups_of,
    look,
    night,
    nights,
    rows_of_rule,
)
from support import DAY, HOUR, Row

from exportstats.report.rules import durations, exporters, retention


@pytest.mark.parametrize(("created", "listed"), [(MONDAY - 1, True), (MONDAY, False)])
def test_a_log_group_with_a_task_at_the_start_of_the_week_has_not_stopped(
    created: int,
    listed: bool,  # noqa: FBT001
):
    """A log group has stopped if its last task was created before the week, by a millisecond."""
    rows = [row for row in nights("acme/api") if row["creation_time"] < MONDAY - HOUR]
    last = rows.pop()
    rows.append(last | {"creation_time": created, "completion_time": created + 5 * MINUTE})
    found = rows_of_rule(exporters.stopped, *rows)
    assert [row["last_created"] for row in found] == [created] * listed


def busy(first: int, last: int) -> list[Row]:
    """Return tasks that keep a slot busy between two times, each a day long at most."""
    starts = range(first, last, DAY)
    return [
        night("acme/api", 0, task_id=f"{start}", observed_at=last)
        | {"creation_time": start, "completion_time": min(start + DAY, last)}
        for start in starts
    ]


def test_a_slot_is_busy_for_the_days_that_have_begun():
    """Before the week has ended, the share is that of the days so far, the current one included."""
    noon = MONDAY + 2 * DAY + 12 * HOUR
    [row] = rows_of_rule(durations.busy_slots, *busy(MONDAY, noon))
    assert row["busy_share"] == pytest.approx(2.5 / 3)
    assert row["tasks"] == 3
    assert not rows_of_rule(durations.busy_slots, *busy(MONDAY + 3 * HOUR, noon))


def always(rows: list[Row]) -> list[Row]:
    """Return the slots that are nearly always busy."""
    return [row for row in rows if row["busy_share"] >= 0.8]


@pytest.mark.parametrize("weeks", range(5))
def test_since_when_a_slot_is_near_its_limit(weeks: int):
    """It is so since the first of the last weeks in which most days were half busy or more."""
    rows = []
    for day in range(-28, 0):
        took = 12 * HOUR if day >= -7 * weeks else 6 * HOUR
        took = {-3: DAY, -5: HOUR, -6: HOUR}.get(day, took)  # a stuck task, and two short nights
        created = MONDAY + WEEK + day * DAY
        row = night("acme/api", 0, task_id=f"{day}", observed_at=MONDAY + WEEK)
        rows.append(row | {"creation_time": created, "completion_time": created + took})
    found = rows_of_rule(durations.busy_slots, *rows)
    assert len(found) == (weeks > 0)
    for row in found:
        assert row["near_since"] == MONDAY + WEEK - weeks * WEEK
        assert row["typical_share"] == 0.5
        assert row["share_before"] == pytest.approx(0.25 if weeks < 4 else None)


@pytest.mark.parametrize(("off", "inside"), [(-WEEK, 0), (WEEK - HOUR, HOUR)])
def test_a_slot_is_busy_in_the_week_only(off: int, inside: int):
    """What a slot did in the days before and after the week does not count."""
    rows = [*busy(MONDAY, MONDAY + 5 * DAY), *busy(MONDAY + off, MONDAY + off + WEEK)]
    later = pd.Timestamp(MONDAY + 2 * WEEK, unit="ms", tz="UTC")
    assert not always(rows_of_rule(durations.busy_slots, *rows, as_of=later))
    rows += busy(MONDAY + 5 * DAY, MONDAY + 6 * DAY)
    [row] = rows_of_rule(durations.busy_slots, *rows, as_of=later)
    assert row["busy_share"] == pytest.approx((6 * DAY + inside) / WEEK)


@pytest.mark.parametrize(("short", "listed"), [(MINUTE, False), (MINUTE + 1, True)])
def test_short_gaps_are_neither_lost_nor_expiring(short: int, listed: bool):  # noqa: FBT001
    """Up to a minute between two exports is not reported as lost, nor as expiring."""
    rows = [row | {"to_time": row["to_time"] - short} for row in nights("acme/api")]
    log_groups = log_groups_of({"log_group_name": "acme/api", "retention": 10 * DAY})
    for rule in (retention.lost, retention.expiring):
        assert (look(rule, *rows, log_groups=log_groups) is not None) == listed
