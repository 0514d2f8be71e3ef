"""Scenarios side by side, what else fits, and orders that keep deadlines."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from nights import GROUP, MINUTE, NOW, after, exports_of, table, tasks_of
from support import HOUR, START

from exportstats.core import frames
from exportstats.errors import ArgumentError
from exportstats.queues.comparison import compare_queues
from exportstats.queues.scheduling import schedule_exports
from exportstats.queues.simulation import simulate_queue
from exportstats.queues.spare import spare_exports

PAST = table(*tasks_of(*[(10 + 7 * day % 11) * MINUTE for day in range(40)]))
NIGHT = exports_of({**GROUP, "at": 60}, {**GROUP, "at": 60}, {**GROUP, "at": 90})


def minutes(length: pd.Timedelta) -> float:
    """Return a length of time in minutes."""
    return length.total_seconds() / 60


def test_scenarios_run_by_run() -> None:
    """`later` is the median of the differences run by run, which is not that of the medians."""
    more = pd.concat([NIGHT, exports_of({**GROUP, "log_group_name": "new", "lasts": 5, "at": 90})])
    early = NIGHT.assign(create_at=NOW)
    scenarios = {
        name: simulate_queue(PAST, exports, start=NOW, runs=200)
        for name, exports in {"today": NIGHT, "+1": more, "now": early}.items()
    }
    found = compare_queues(scenarios)
    assert found.index.get_level_values("scenario").to_list() == ["today", "+1", "now"]
    first = scenarios["today"].finish.iloc[:, 0]
    for name, forecast in scenarios.items():
        later = (forecast.finish.iloc[:, 0] - first).median()
        assert found.loc[name, "later"].item() == pytest.approx(later, abs=pd.Timedelta("1ms"))
        instants = zip(forecast.finish.iloc[:, 0].to_list(), first.to_list(), strict=True)
        same = sum(one == other for one, other in instants) / 200
        assert found.loc[name, "same_probability"].item() == same
    assert minutes(found.loc["+1", "later"].item()) == pytest.approx(5)
    assert found["exports"].to_list() == [3, 4, 3]


def test_scenarios_with_other_slots() -> None:
    """A slot that the first scenario does not have is later than nothing."""
    one, two = (
        simulate_queue(frames.empty(), exports_of({"region": region, "lasts": 5}), start=NOW)
        for region in ("eu-west-1", "us-east-1")
    )
    found = compare_queues({"one": one, "two": two})
    assert found["later"].isna().to_list() == [False, True]
    assert found["same_probability"].isna().to_list() == [False, True]


def test_a_scenario_without_exports() -> None:
    """A scenario from which all exports are dropped has as many runs, and no slot."""
    one = simulate_queue(frames.empty(), exports_of({"lasts": 5}), start=NOW)
    none = simulate_queue(frames.empty(), exports_of({"lasts": 5}).head(0), start=NOW)
    assert none.finish.shape == (1000, 0)
    found = compare_queues({"today": one, "none": none})
    assert found.index.get_level_values("scenario").to_list() == ["today"]
    other = compare_queues({"none": none, "today": one})
    assert other["later"].isna().all()


def test_scenarios_that_cannot_be_compared() -> None:
    """What is not a result, or has other runs, is refused by name."""
    one = simulate_queue(frames.empty(), exports_of({"lasts": 5}), start=NOW)
    few = simulate_queue(frames.empty(), exports_of({"lasts": 5}), start=NOW, runs=10)
    for scenarios, message in (
        ({}, "scenarios is empty; give the results"),
        (pd.Series({"a": one}), "scenarios is a Series; give the results"),
        ([one], "scenarios is a list; give the results"),
        ({"a": one, "b": one.slots}, "'b' is DataFrame"),
        ({"a": one, "b": few}, "'b' has 10 runs, and the first one 1,000"),
    ):
        with pytest.raises(ArgumentError, match=message):
            compare_queues(scenarios)  # type: ignore[arg-type]


def test_how_many_more() -> None:
    """Exports of a given length fit as often as the time allows; others as their history says."""
    exports = exports_of({**GROUP, "lasts": 30})
    options: dict[str, Any] = {"deadline": NOW + pd.Timedelta("2h"), "start": NOW, "runs": 200}
    found = spare_exports(PAST, exports, "7min", **options)
    assert found[["fit_low", "fit", "fit_high"]].to_numpy().tolist() == [[90 // 7] * 3]
    assert found["done_probability"].to_list() == [1]
    kind = exports.iloc[0].drop("duration")
    own = spare_exports(PAST, exports, kind, **options)
    # the durations are 10 to 20 minutes
    assert 90 // 20 <= own["fit_low"].item() <= own["fit"].item() <= 90 // 10
    many = pd.concat([exports, *[exports.drop(columns="duration")] * own["fit_low"].item()])
    done = simulate_queue(PAST, many, start=NOW, runs=2000).finish.iloc[:, 0] <= options["deadline"]
    assert done.mean() >= 0.85
    none = spare_exports(
        PAST, exports, "7min", **options | {"deadline": NOW + pd.Timedelta("20min")}
    )
    assert none[["fit", "done_probability"]].to_numpy().tolist() == [[0, 0]]


def test_how_many_more_beside_active_tasks() -> None:
    """A slot with active tasks alone has room for more after these."""
    past = tasks_of(*[HOUR] * 30)
    running = {**past[0], "task_id": "r", "status_code": "RUNNING", "completion_time": None}
    running |= {"creation_time": START - 20 * MINUTE, "region": "us-east-1"}
    tasks = table(*past, running)
    options: dict[str, Any] = {"deadline": NOW + pd.Timedelta("2h"), "start": NOW, "runs": 50}
    found = spare_exports(tasks, exports_of({**GROUP, "lasts": 30}), "7min", **options)
    assert found["region"].to_list() == ["eu-west-1", "us-east-1"]
    assert found["fit"].to_list() == [90 // 7, 80 // 7]


def test_how_many_more_in_an_idle_slot() -> None:
    """A slot without any export has all of the time, if the kind names it."""
    options: dict[str, Any] = {"deadline": NOW + pd.Timedelta("2h"), "start": NOW, "runs": 50}
    kind = GROUP | {"region": "us-east-1", "duration": "5min"}
    found = spare_exports(PAST, exports_of({**GROUP, "lasts": 30}), kind, **options)
    assert found["region"].to_list() == ["us-east-1"]
    assert found[["fit_low", "done_probability"]].to_numpy().tolist() == [[24, 1]]
    assert spare_exports(PAST, exports_of(GROUP).head(0), kind, **options)["fit"].item() == 24


def test_how_many_more_is_not_known() -> None:
    """Without any history it is missing, not 0; a kind or a time that cannot be is refused."""
    options: dict[str, Any] = {"deadline": NOW + pd.Timedelta("2h"), "start": NOW}
    found = spare_exports(frames.empty(), exports_of(GROUP), GROUP, **options)
    assert found[["fit", "done_probability"]].isna().all(axis=None)
    for kind, more in (("soon", {}), ("-5min", {}), (5, {}), ("5min", {"deadline": NOW})):
        with pytest.raises(ArgumentError):
            spare_exports(PAST, exports_of(GROUP), kind, **options | more)


JOBS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 20), st.integers(5, 90)), min_size=1, max_size=6
)


def lateness(jobs: list[tuple[int, int, int]]) -> int:
    """Return by how many minutes the worst deadline is missed if the jobs run in this order."""
    free, worst = 0, -(10**9)
    for at, lasts, due in jobs:
        free = max(free, at) + lasts
        worst = max(worst, free - due)
    return worst


def scheduled(jobs: list[tuple[int, int, int]], **options: Any) -> pd.DataFrame:  # noqa: ANN401 - any option
    """Return the proposed order of jobs with given durations."""
    rows = [
        {"at": at, "lasts": lasts, "deadline": NOW + pd.Timedelta(minutes=due), "job": number}
        for number, (at, lasts, due) in enumerate(jobs)
    ]
    return schedule_exports(frames.empty(), exports_of(*rows), start=NOW, runs=1, **options)


@given(JOBS)
def test_best_order(jobs: list[tuple[int, int, int]]) -> None:
    """The best of all permutations lies between the bound and the proposed order."""
    found = scheduled(jobs)
    best = min(map(lateness, permutations(jobs)))
    late, least = (minutes(found.attrs[name]) for name in ("late_by", "late_by_at_least"))
    assert least <= best <= late
    assert lateness([jobs[job] for job in found["job"]]) == late
    assert minutes(found["slack"].min()) == -late
    ends = simulate_queue(frames.empty(), found, start=NOW, runs=1).exports
    assert (ends["expected_end"] - ends["deadline"]).max() == found.attrs["late_by"]


@given(JOBS)
def test_best_order_if_all_may_begin(jobs: list[tuple[int, int, int]]) -> None:
    """If all may begin at once, the order is the best one, and the bound says so."""
    jobs = [(0, lasts, due) for _, lasts, due in jobs]
    found = scheduled(jobs)
    best = min(map(lateness, permutations(jobs)))
    assert minutes(found.attrs["late_by"]) == minutes(found.attrs["late_by_at_least"]) == best


def test_one_that_delays_a_more_urgent_one() -> None:
    """A long export waits for a more urgent one that may begin only later."""
    jobs = [(0, 60, 200), (10, 5, 20)]
    found = scheduled(jobs)
    assert found["job"].to_list() == [1, 0]
    assert minutes(found.attrs["late_by"]) == -5


def test_earliest_start() -> None:
    """An export may begin when late events have arrived, or when it usually does."""
    day = NOW.floor("D")
    window = {"from_time": day - pd.Timedelta("1D"), "to_time": day - pd.Timedelta("1ms")}
    exports = exports_of(
        {**GROUP, **window, "lasts": 5, "at": 600}, {**GROUP, "lasts": 5, "at": 90}
    )
    found = schedule_exports(PAST, exports, start=NOW)  # at 06:00; late events until 12:00
    assert found.index.to_list() == [1, 0]
    assert after(found["create_at"]) == [90, 360]
    assert found["slack"].isna().all()
    assert found.attrs["late_by"] is pd.NaT
    soon = schedule_exports(PAST, exports, start=NOW, margin="1h")
    assert after(soon["create_at"]) == [0, 90]


def test_times_that_are_seldom_refused() -> None:
    """With the policy "refuse", each is asked for when the one before has ended with confidence."""
    exports = pd.concat([NIGHT] * 3).assign(create_at=NOW, deadline=NOW + pd.Timedelta("4h"))
    found = schedule_exports(PAST, exports, start=NOW, policy="refuse", confidence=0.95)
    assert found["create_at"].is_monotonic_increasing
    refused = simulate_queue(PAST, found, start=NOW, policy="refuse").exports
    assert refused["refusal_probability"].max() <= 0.06
    waits = simulate_queue(PAST, exports, start=NOW, policy="refuse").exports
    assert waits["refusal_probability"].max() == 1


def test_slots_are_scheduled_apart() -> None:
    """Each slot has its own order; without any history nothing is claimed."""
    rows = [
        {"region": region, "lasts": lasts, "deadline": NOW + pd.Timedelta("1h")}
        for region, lasts in (("us-east-1", 50), ("eu-west-1", 20), ("us-east-1", 30))
    ]
    found = schedule_exports(frames.empty(), exports_of(*rows), start=NOW)
    assert found["region"].to_list() == ["eu-west-1", "us-east-1", "us-east-1"]
    assert minutes(found.attrs["late_by"]) == 20
    deadline = {"deadline": NOW + pd.Timedelta("1h")}
    unknown = schedule_exports(frames.empty(), exports_of(GROUP | deadline), start=NOW)
    assert unknown.attrs["late_by"] is pd.NaT
    for options in ({"policy": "retry"}, {"confidence": 1}, {"margin": "soon"}):
        with pytest.raises(ArgumentError):
            schedule_exports(frames.empty(), exports_of(*rows), start=NOW, **options)
    assert schedule_exports(frames.empty(), exports_of(*rows).head(0), start=NOW).empty


def test_a_slot_with_active_tasks_alone() -> None:
    """A slot that has no exports, but a RUNNING task, has no order and no deadline."""
    past = tasks_of(*[HOUR] * 10)
    running = past[0] | {"task_id": "r", "status_code": "RUNNING", "completion_time": None}
    running |= {"region": "us-east-1", "creation_time": START - MINUTE}
    row = {**GROUP, "deadline": NOW + pd.Timedelta("2h")}
    found = schedule_exports(table(*past, running), exports_of(row), start=NOW)
    assert found["region"].to_list() == ["eu-west-1"]
    assert minutes(found.attrs["late_by"]) == -60


def test_thousands_of_exports() -> None:
    """A slot with thousands of exports is scheduled in a moment."""
    jobs = [(number % 600, 1, 300 + number * 7 % 5000) for number in range(3000)]
    found = scheduled(jobs)
    late, least = (minutes(found.attrs[name]) for name in ("late_by", "late_by_at_least"))
    assert lateness([jobs[job] for job in found["job"]]) == late
    assert least <= late < least + 5
