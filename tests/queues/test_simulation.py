"""The simulation of a queue, against plain Python, queueing theory and laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from nights import GROUP, MINUTE, NOW, after, exports_of, table, tasks_of
from support import DAY, FEW, HOUR, START

import exportstats as xs
from exportstats.core import frames
from exportstats.errors import ArgumentError, SchemaError
from exportstats.queues.runs import Asked, begin
from exportstats.queues.simulation import simulate_queue


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 15), st.integers(0, 3)),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["wait", "refuse"]),
)
def test_given_durations(jobs: list[tuple[int, int, int]], policy: Any) -> None:  # noqa: ANN401 - a literal
    """With given durations, it is what a plain loop does that creates one task after another.

    Tasks without a pause are PENDING from when they are asked for. The others are created when the
    slot is free, in the order of asking.
    """
    rows = [{"at": at, "lasts": lasts, "pause": f"{pause}min"} for at, lasts, pause in jobs]
    found = simulate_queue(frames.empty(), exports_of(*rows), start=NOW, policy=policy, runs=3)
    free, expected = 0.0, {}
    left = sorted(range(len(jobs)), key=lambda number: jobs[number][0])
    while left:
        next_of_kind = {policy == "wait" and jobs[number][2] > 0: number for number in left[::-1]}
        moments = {
            number: free + jobs[number][2] if tries and free > jobs[number][0] else jobs[number][0]
            for tries, number in next_of_kind.items()
        }
        # at the same instant, the one that was asked for first
        number = min(moments, key=lambda number: (moments[number], jobs[number][0], number))
        left.remove(number)
        at, lasts, pause = jobs[number]
        busy = free > at
        starts = free + pause if busy else at
        if busy and policy == "refuse":
            expected[number] = (None, None, 1.0)
            continue
        free = starts + lasts
        expected[number] = (starts, free, float(busy))
    columns = zip(
        after(found.exports["expected_start"]),
        after(found.exports["expected_end"]),
        found.exports["refusal_probability"],
        strict=True,
    )
    seen = [tuple(None if value != value else value for value in row) for row in columns]  # noqa: PLR0124 - NaN
    assert seen == [expected[number] for number in range(len(jobs))]
    assert after(found.slots["expected_done"]) == [free]


def test_theory() -> None:
    """Waiting times are those of queueing theory for Poisson arrivals (M/M/1 and M/D/1), to 2 %."""
    rng, many, runs, load = np.random.default_rng(3), 900, 2000, 0.5
    at = rng.exponential(1 / load, (many, runs)).cumsum(axis=0)
    one = np.ones((many, 1))
    asked = Asked(at, one.astype(bool), 0 * one, np.nan * one)
    for durations, theory in (
        (rng.exponential(1, (many, runs)), load / (1 - load)),
        (np.ones((many, runs)), load / (2 * (1 - load))),
    ):
        starts, busy, _ = begin(asked, durations, np.zeros(runs), refuse=False)
        settled = slice(100, None)
        assert (starts - at)[settled].mean() == pytest.approx(theory, rel=0.02)
        assert busy[settled].mean() == pytest.approx(load, rel=0.02)
        # with refusals: Erlang's loss formula for one server
        _, refused, _ = begin(asked, durations, np.zeros(runs), refuse=True)
        assert refused[settled].mean() == pytest.approx(load / (1 + load), rel=0.02)


@pytest.mark.parametrize("beside", [0, 9])
def test_one_export_alone(beside: int) -> None:
    """One export alone is forecast as `estimate_completion` forecasts a task created just now.

    Log groups that are unlike do not change that.
    """
    rng = np.random.default_rng(5)
    past = tasks_of(*(np.exp(rng.normal(0, 0.4, 20)) * 20 * MINUTE).astype(int).tolist())
    for number in range(beside):
        lasts = np.exp(rng.normal(number - beside, 0.4, 20)) * 20 * MINUTE
        past += tasks_of(
            *lasts.astype(int).tolist(),
            log_group_name=f"other/{number}",
            region=f"eu-west-{number + 2}",
        )
    fields = {"from_time": START - 2 * DAY, "to_time": START - DAY - 1}
    new = {**GROUP, **fields, "task_id": "new", "status_code": "RUNNING"}
    new |= {"creation_time": START, "observed_at": START}
    estimate = xs.estimate_completion(table(*past, new))
    export = exports_of(
        {**GROUP, **{name: pd.Timestamp(at, unit="ms", tz="UTC") for name, at in fields.items()}}
    )
    found = simulate_queue(table(*past), export, start=NOW, runs=20_001).exports
    for mine, other in (
        ("end_low", "ends_low"),
        ("expected_end", "ends"),
        ("end_high", "ends_high"),
    ):
        assert after(found[mine])[0] == pytest.approx(after(estimate[other])[0], rel=0.03)


def test_only_what_was_known_at_the_start() -> None:
    """Tasks created after `start` are left out, also if nobody says when they were observed."""
    past = tasks_of(*[5 * MINUTE] * 10)
    later = [row | {"task_id": f"later-{row['task_id']}"} for row in tasks_of(*[HOUR] * 10)]
    for row in later:
        row |= {name: row[name] + 30 * DAY for name in ("creation_time", "completion_time")}
    tasks = table(*past, *later)
    export = exports_of(GROUP)
    for seen in (tasks, tasks.assign(observed_at=pd.NaT)):
        found = simulate_queue(seen, export, start=NOW)
        expected = simulate_queue(table(*past), export, start=NOW)
        pd.testing.assert_frame_equal(found.exports, expected.exports)


def test_active_tasks_first() -> None:
    """The slot first ends its active tasks: the RUNNING one, then those that wait."""
    past = tasks_of(*[HOUR] * 30)
    running = {**past[0], "task_id": "r", "status_code": "RUNNING", "completion_time": None}
    running["creation_time"] = START - 20 * MINUTE
    waiting = running | {"task_id": "w", "status_code": "PENDING", "creation_time": START - MINUTE}
    found = simulate_queue(table(*past, running, waiting), exports_of({**GROUP, "lasts": 5}))
    assert after(found.exports["expected_start"])[0] == pytest.approx(100, abs=1)
    assert found.exports["refusal_probability"].to_list() == [1]
    later = simulate_queue(
        table(*past, running), exports_of({**GROUP, "lasts": 5}), start=NOW + pd.Timedelta("30min")
    )
    assert (later.exports["expected_start"].item() - NOW).total_seconds() / 60 == pytest.approx(
        40, abs=1
    )


GROUPS = ("a", "b", "c")
HISTORY = [
    row
    for number, name in enumerate(GROUPS)
    for row in tasks_of(
        *[(10 + (7 * day + 3 * number) % 11) * MINUTE for day in range(25)],
        log_group_name=name,
        gap=3 * HOUR + number * 600_000,
    )
]
JOBS = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from(GROUPS)),
    min_size=1,
    max_size=6,
)


def nights(jobs: list[tuple[int, str]]) -> pd.DataFrame:
    """Return exports of the history's log groups."""
    slot = {name: GROUP[name] for name in ("account_id", "region")}
    return exports_of(*({**slot, "log_group_name": name, "at": at} for at, name in jobs))


@FEW
@given(JOBS, st.integers(0, 90))
def test_more_work_never_ends_earlier(jobs: list[tuple[int, str]], at: int) -> None:
    """With one more export, no run ends earlier."""
    tasks, runs = table(*HISTORY), {"start": NOW, "runs": 50}
    less = simulate_queue(tasks, nights(jobs), **runs)
    more = simulate_queue(tasks, nights([*jobs, (at, "new")]), **runs)
    assert (more.finish.to_numpy() >= less.finish.to_numpy()).all()


@FEW
@given(JOBS.flatmap(lambda jobs: st.tuples(st.just(jobs), st.permutations(jobs))))
def test_order_does_not_change_the_work(both: tuple[list[Any], list[Any]]) -> None:
    """The order of the exports changes neither the total work nor, of rows, any answer."""
    tasks, runs = table(*HISTORY), {"start": NOW, "runs": 50}
    one, other = (
        simulate_queue(tasks, nights(jobs).assign(create_at=NOW), **runs) for jobs in both
    )
    assert one.slots["busy"].equals(other.slots["busy"])
    assert one.finish.equals(other.finish)


def test_same_seed_same_bytes() -> None:
    """A seed gives the same answer; another seed gives another one."""
    tasks, exports = table(*HISTORY), nights([(0, "a"), (5, "b")])
    exports = exports.assign(jitter="2min", probability=0.9)
    one, same, other = (simulate_queue(tasks, exports, start=NOW, seed=seed) for seed in (1, 1, 2))
    for mine, again in zip(one, same, strict=True):
        pd.testing.assert_frame_equal(mine, again)
    assert not one.finish.equals(other.finish)


def test_probability_and_deadline() -> None:
    """Chances are shares of runs; a deadline is missed by what is asked for and not done."""
    row = {**GROUP, "lasts": 10, "probability": 0.5, "deadline": NOW + pd.Timedelta("15min")}
    found = simulate_queue(frames.empty(), exports_of(row, row, row), start=NOW, runs=4000)
    # two or more of three: 1/2; of these, the second and the third are late
    late = found.exports["deadline_risk"]
    assert late.to_list() == pytest.approx([0, 0.25, 0.375], abs=0.03)
    assert found.slots["deadline_risk"].item() == pytest.approx(0.5, abs=0.03)
    assert found.slots["exports"].item() == pytest.approx(1.5, abs=0.05)


def test_tries() -> None:
    """An export that tries again begins at its first try after the slot is free."""
    rows = [{"lasts": 7, "retry": "5min"}, {"at": 1, "lasts": 3, "retry": "5min"}]
    found = simulate_queue(frames.empty(), exports_of(*rows), start=NOW)
    assert after(found.exports["expected_start"]) == [0, 11]
    assert after(found.slots["expected_done"]) == [14]


def test_pause_between_tries() -> None:
    """The recommended pause makes the night as much longer as it says: 2 % of the busy time."""
    exports = nights([(0, name) for name in GROUPS * 20])
    options = {"start": NOW, "runs": 400}
    best = simulate_queue(table(*HISTORY), exports, **options)
    pause = best.slots["retry_pause"].item()
    tried = simulate_queue(table(*HISTORY), exports.assign(retry=pause), **options)
    later = (tried.finish - best.finish).iloc[:, 0].mean() / best.slots["busy"].item()
    assert later == pytest.approx(0.02, abs=0.003)
    alone = simulate_queue(frames.empty(), exports_of({"lasts": 5}), start=NOW)
    assert alone.slots["retry_pause"].isna().all()


def test_jitter() -> None:
    """Four of five are asked for within the jitter; exports asked for together keep their order."""
    rows = [{**GROUP, "lasts": 0.01, "jitter": "10min", "at": 60}] * 2
    found = simulate_queue(frames.empty(), exports_of(*rows), start=NOW, runs=5000).exports
    low, high = after(found["start_low"])[0], after(found["start_high"])[0]
    assert (low, high) == pytest.approx((50, 70), abs=0.5)
    assert (found["expected_start"].diff().iloc[1]).total_seconds() > 0


@pytest.mark.parametrize("policy", ["wait", "refuse"])
@pytest.mark.parametrize(("at", "jitter"), [(-1, "0s"), (0, "10min")])
def test_an_idle_slot_refuses_nothing(at: int, jitter: str, policy: Any) -> None:  # noqa: ANN401 - a literal
    """What is due before the start begins at the start, unless the slot is busy then."""
    row = {**GROUP, "at": at, "lasts": 5, "jitter": jitter, "pause": "2min"}
    past = tasks_of(*[HOUR] * 10)
    found = simulate_queue(table(*past), exports_of(row), start=NOW, policy=policy)
    assert found.exports["refusal_probability"].to_list() == [0]
    assert after(found.exports["start_low"]) == [0]
    running = {**past[0], "task_id": "r", "status_code": "RUNNING", "completion_time": None}
    running["creation_time"] = START - 20 * MINUTE
    busy = simulate_queue(table(*past, running), exports_of(row), start=NOW, policy=policy)
    assert busy.exports["refusal_probability"].to_list() == [1]


def test_slots_do_not_wait_for_each_other() -> None:
    """Each slot has a queue of its own; the rows keep their order and their own columns."""
    rows = [
        {**GROUP, "region": region, "lasts": 30, "team": team}
        for region, team in (("us-east-1", "x"), ("eu-west-1", "y"), ("us-east-1", "z"))
    ]
    exports = exports_of(*rows).set_index(pd.Index([7, 5, 3]))
    found = simulate_queue(frames.empty(), exports, start=NOW)
    assert found.exports.index.to_list() == [7, 5, 3]
    assert found.exports["team"].to_list() == ["x", "y", "z"]
    assert after(found.exports["expected_end"]) == [30, 30, 60]
    assert after(found.slots["expected_done"]) == [30, 60]
    assert found.finish.columns.to_list() == [
        ("111122223333", "eu-west-1"),
        ("111122223333", "us-east-1"),
    ]


def test_missing_slot() -> None:
    """A row without a slot belongs to the only one; if there are several, it is refused."""
    past = tasks_of(*[HOUR] * 5)
    found = simulate_queue(table(*past), exports_of({"log_group_name": "acme"}))
    assert found.exports["basis"].to_list() == ["log_group"]
    assert found.slots["region"].to_list() == ["eu-west-1"]
    others = tasks_of(*[HOUR] * 5, region="us-east-1")
    with pytest.raises(SchemaError, match=r"row 0 .* no region.* several slots"):
        simulate_queue(table(*past, *others), exports_of({"account_id": "111122223333"}))


@pytest.mark.parametrize("probability", [1.0, 0.4])
def test_one_export_without_history(probability: float) -> None:
    """If a duration is not known, nothing of its slot is: runs without the export prove nothing."""
    exports = pd.DataFrame({"create_at": [NOW] * 3, "duration": ["5min", None, "5min"]})
    exports = exports.assign(probability=[1, probability, 1], deadline=NOW + pd.Timedelta("1h"))
    found = simulate_queue(frames.empty(), exports, start=NOW, runs=200)
    unknown = ["expected_end", "refusal_probability", "deadline_risk"]
    assert found.exports[unknown].isna().all(axis=None)
    assert found.slots[["expected_done", "busy", "deadline_risk"]].isna().all(axis=None)
    assert found.finish.isna().all(axis=None)


def test_slots_with_active_tasks_alone() -> None:
    """A slot without any export is done when its active tasks are."""
    past = tasks_of(*[HOUR] * 30)
    running = {**past[0], "task_id": "r", "status_code": "RUNNING", "completion_time": None}
    running["creation_time"] = START - 20 * MINUTE
    found = simulate_queue(table(*past, running), exports_of(GROUP).head(0))
    assert after(found.slots["expected_done"])[0] == pytest.approx(40, abs=1)
    assert found.slots[["exports", "refusals"]].to_numpy().tolist() == [[0, 0]]


def test_without_history() -> None:
    """Without any history and duration, nothing is known."""
    found = simulate_queue(frames.empty(), exports_of(GROUP), start=NOW)
    assert found.exports["expected_end"].isna().all()
    assert found.exports["basis"].to_list() == ["none"]
    assert found.slots["expected_done"].isna().all()
    none = simulate_queue(frames.empty(), exports_of(GROUP).iloc[:0], start=NOW)
    assert [len(none.exports), len(none.slots)] == [0, 0]


@pytest.mark.parametrize("many", [0, 1])
def test_active_tasks_without_history(many: int) -> None:
    """If nobody knows when the RUNNING task ends, nothing of its slot is known."""
    running = {**tasks_of(HOUR)[0], "task_id": "r", "status_code": "RUNNING"}
    running |= {"completion_time": None, "creation_time": START - MINUTE}
    export = exports_of({**GROUP, "lasts": 5, "deadline": NOW + pd.Timedelta("1h")})
    found = simulate_queue(table(running), export.head(many))
    assert found.exports[["expected_end", "refusal_probability"]].isna().all(axis=None)
    unknown = ["expected_done", "busy", "busy_share", "refusals"]
    assert found.slots[unknown].isna().all(axis=None)
    assert found.finish.isna().all(axis=None)
    assert xs.schedule_exports(table(running), export.head(many)).attrs["late_by"] is pd.NaT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"create_at": None}, "row 0 of the exports has create_at"),
        ({"duration": "soon"}, "duration='soon'; give a length of time"),
        ({"probability": 1.5}, r"probability=1.5; give a number from 0 to 1"),
        ({"deadline": "tomorrow"}, "deadline='tomorrow'; give an instant"),
        ({"duration": 5}, "duration=5; give a length of time with its unit"),
        ({"duration": "5"}, "duration='5'; give a length of time with its unit"),
        ({"create_at": 22}, "create_at=22; give an instant"),
        ({"retry": "0s"}, "retry='0s'; give a length"),
        ({"dead_line": NOW}, "the column dead_line is not used; rename it to deadline"),
        ({"durations": "5min"}, "the column durations is not used; rename it to duration"),
        (
            {"log_group": "b", "log_group_name": None},
            "the column log_group is not used; rename it to log_group_name",
        ),
        ({"deadline": pd.Series([NOW]).dt.tz_localize(None)}, "deadline has no time zone"),
        ({"create_at": NOW - pd.Timedelta("2D")}, "asked for more than a day before"),
    ],
)
def test_bad_exports(change: dict[str, Any], message: str) -> None:
    """A value that cannot be used is named, with its row and what to give."""
    exports = exports_of({**GROUP, "lasts": 5}).astype(object).assign(**change)
    with pytest.raises(SchemaError, match=message):
        simulate_queue(frames.empty(), exports, start=NOW)


def test_types_of_arrow() -> None:
    """A table in pandas' types of Arrow is the same one."""
    exports = exports_of({**GROUP, "lasts": 5, "deadline": NOW, "probability": 0.5}, GROUP)
    arrow = exports.convert_dtypes(dtype_backend="pyarrow")
    past = table(*tasks_of(*[HOUR] * 5))
    one, other = (simulate_queue(past, some, start=NOW) for some in (exports, arrow))
    pd.testing.assert_frame_equal(one.finish, other.finish)


def test_own_columns_beside() -> None:
    """A column with a part of a name is the user's own if the one of the table is filled, too."""
    exports = exports_of({**GROUP, "lasts": 5, "account": "payments"})
    found = simulate_queue(frames.empty(), exports, start=NOW)
    assert found.exports["account"].to_list() == ["payments"]


def test_names_in_the_index() -> None:
    """Columns that a pandas user has made an index are found there."""
    past = tasks_of(*[HOUR] * 5)
    exports = exports_of(GROUP).set_index(["log_group_name", "region"])
    found = simulate_queue(table(*past), exports)
    assert found.exports["basis"].to_list() == ["log_group"]
    assert found.exports.index.equals(exports.index)
    both = exports_of(GROUP).set_index("create_at", drop=False)
    with pytest.raises(SchemaError, match="create_at is a column and in the index"):
        simulate_queue(table(*past), both)


def test_whole_numbers_of_numpy() -> None:
    """A number of runs or a seed that pandas or NumPy counted is one."""
    exports = exports_of({**GROUP, "lasts": 5})
    options = {"start": NOW, "runs": np.int64(9), "seed": np.int64(1)}
    assert len(simulate_queue(frames.empty(), exports, **options).finish) == 9


def test_bad_arguments() -> None:
    """An argument that is not valid is named."""
    exports = exports_of({**GROUP, "lasts": 5})
    for options in ({"policy": "retry"}, {"runs": 0}, {"runs": True}, {"seed": -1}, {}):
        with pytest.raises(ArgumentError):
            simulate_queue(
                frames.empty(), exports, **({"start": NOW} if options else {}), **options
            )
    with pytest.raises(SchemaError, match="create_at is missing"):
        simulate_queue(frames.empty(), exports.drop(columns="create_at"), start=NOW)
