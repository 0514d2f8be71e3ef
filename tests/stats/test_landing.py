"""Landing lags are computed again from sorted lists."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from support import (
    FIRST,
    HOUR,
    LAST,
    START,
    Row,
    by_group,
    cells,
    cut,
    plain,
    quantile,
    rows_of,
    shuffled,
    table,
    tables,
)

import exportstats as xs
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError
from exportstats.stats.landing import landing_lag

if TYPE_CHECKING:
    from random import Random

SHARES = [step / 200 for step in range(201)]
some_names = st.lists(st.sampled_from(["region", "log_group_name"]), unique=True, max_size=2)


def lags_of(rows: list[Row]) -> list[int]:
    """Return `completion_time - to_time` of the COMPLETED tasks."""
    done = [row for row in rows if row["status_code"] == "COMPLETED"]
    known = [(r["completion_time"], r["to_time"]) for r in done]
    return [end - to for end, to in known if end is not None and to is not None]


@given(tables(far=False), some_names)
def test_lags_are_those_of_sorted_lists(tasks: pd.DataFrame, names: list[str]):
    """Each `lag` is the linear quantile of the group's lags, and `tasks` is their number."""
    found = cells(landing_lag(tasks, by=names), "lag", "tasks")
    groups = by_group(rows_of(tasks), names) if names else {(): rows_of(tasks)}
    expected: dict[Any, tuple[float | None, int]] = {}
    for group, rows in groups.items():
        lags = lags_of(rows)
        key = group if isinstance(group, tuple) else (group,)
        for share in SHARES:
            lag = quantile(lags, share) if lags else None
            expected[(*key, share) if key else share] = (lag, len(lags))
    assert found.keys() == expected.keys()
    for key, (lag, n) in expected.items():
        assert found[key] == (lag if lag is None else pytest.approx(lag, abs=1), n)


@given(tables(), some_names, st.randoms(use_true_random=False))
def test_shards_and_order_do_not_matter(tasks: pd.DataFrame, names: list[str], random: Random):
    """Neither shards nor the order of the rows change the table; there is no warning."""
    with warnings.catch_warnings(action="error"):
        whole = landing_lag(tasks, by=names)
    for some in (shuffled(tasks, random), cut(tasks, random), cut(tasks, random, anew=True)):
        assert_frame_equal(landing_lag(some, by=names), whole, check_categorical=False)


def test_the_longest_lags_that_there_are():
    """The longest possible lags do not overflow."""
    tasks = table(
        {"to_time": FIRST, "completion_time": LAST},
        {"to_time": LAST, "completion_time": FIRST},
        status_code="COMPLETED",
    )
    found = landing_lag(tasks)
    assert found["tasks"].iloc[0] == 2
    assert plain(found["lag"])[-1] == LAST
    assert plain(found["lag"])[0] == -LAST
    assert found["lag"].is_monotonic_increasing


def test_a_window_that_ends_after_its_task_has_a_negative_lag():
    """The lag is negative if the window ends after the task."""
    tasks = table({"to_time": START + HOUR, "completion_time": START, "status_code": "COMPLETED"})
    assert set(plain(landing_lag(tasks)["lag"])) == {-HOUR}


@pytest.mark.parametrize("state", [*schema.STATES, "PAUSED", None])
def test_only_completed_tasks_land(state: str | None):
    """A task in another state has no lag, but its group is kept."""
    tasks = table({"to_time": 0, "completion_time": 5, "region": "eu-west-1"}, status_code=state)
    found = landing_lag(tasks, by="region")
    done = state == "COMPLETED"
    assert set(cells(found, "lag", "tasks").values()) == {(5 if done else None, int(done))}
    assert len(found) == 201


def test_as_of_does_not_know_later_completions():
    """Tasks that completed after `as_of` are left out."""
    row = {"creation_time": START, "to_time": START - HOUR, "completion_time": START + HOUR}
    tasks = table(row, status_code="COMPLETED")
    ns = [
        landing_lag(tasks, as_of=as_of)["tasks"].iloc[0]
        for as_of in ("2026-11-23T06:59:59.999Z", "2026-11-23T07:00Z")
    ]
    assert ns == [0, 1]


def test_no_task():
    """Without tasks there is one group with missing lags; with `by` there is none."""
    found = landing_lag(frames.empty())
    assert found["lag"].isna().all()
    assert found["tasks"].to_list() == [0] * 201
    assert list(found.index) == SHARES
    assert [str(dtype) for dtype in found.dtypes] == ["timedelta64[ms]", "int64"]
    by = landing_lag(frames.empty(), by="region")
    assert len(by) == 0
    assert by.index.names == ["region", "share"]


def test_sample_lands_after_the_late_events():
    """The median night of the sample lands 13 to 16 hours after its end, as generated."""
    lag = landing_lag(xs.sample_tasks())["lag"]
    assert pd.Timedelta("13h") < lag.loc[0.5] < pd.Timedelta("16h")


def test_arguments_are_checked():
    """An invalid column or instant is refused, even without tasks."""
    with pytest.raises(ArgumentError, match="by='status_code'"):
        landing_lag(frames.empty(), by="status_code")
    with pytest.raises(ArgumentError, match="as_of='2026-11-23T06:00'; give a date"):
        landing_lag(frames.empty(), as_of="2026-11-23T06:00")
