"""What was added to an archive is read back, as of any time, by all functions and by others."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from archived import assert_same, data_files, files
from oracle import side_table
from pandas.testing import assert_frame_equal
from support import ALL, CALLS, DAY, START, plain, table

import exportstats as xs
from exportstats.archive import kinds
from exportstats.archive.views import incoming_of
from exportstats.core import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Row

SLOT = {"account_id": "111122223333", "region": "eu-west-1"}
HOUR = 3_600_000


def seen(at: int, *rows: Row) -> pd.DataFrame:
    """Make tasks of one slot that were observed at an hour."""
    return table(*rows, **SLOT, observed_at=at * HOUR)


def test_what_was_added_is_read_back(kept: xs.Archive, sample: pd.DataFrame):
    """Tasks and log groups are read back to the dtype."""
    assert_same(kept.tasks(), sample)
    groups = xs.sample_log_groups()
    assert_frame_equal(
        kept.log_groups().sort_values([*groups.columns[:3]], ignore_index=True),
        groups.sort_values([*groups.columns[:3]], ignore_index=True),
    )
    assert kept.table("deliveries").empty


def test_known_tasks_are_not_added_again(archive: xs.Archive, sample: pd.DataFrame):
    """Adding what is known writes nothing, and reading it later writes only active tasks."""
    archive.add(sample)
    before = files(archive)
    archive.add(sample)
    assert files(archive) == before
    later = sample.assign(observed_at=sample["observed_at"] + pd.Timedelta("1h"))
    archive.add(later)
    tasks = archive.tasks()
    is_later = tasks["observed_at"] > sample["observed_at"].max()
    assert set(tasks["status_code"][is_later]) == {"PENDING", "RUNNING", "PENDING_CANCEL"}
    assert_same(tasks, sample, seen=False)


def test_repeated_tasks_answer_in_their_latest_state(archive: xs.Archive, sample: pd.DataFrame):
    """Each function takes the end state of tasks seen twice, whatever columns it reads."""
    tasks = xs.conform(sample.head(2000))
    early = tasks.iloc[::3].assign(
        status_code="RUNNING",
        completion_time=pd.NaT,
        observed_at=tasks["observed_at"].min() - pd.Timedelta("400D"),
    )
    archive.add(xs.conform(early))
    archive.add(tasks)
    for name, call in CALLS.items():
        if name != "phases":  # it takes every observation
            assert_frame_equal(call(archive), call(tasks))


def test_what_came_in_is_read_of_some_log_groups_and_times(archive: xs.Archive):
    """All periods that are partly in the range are read, of any length, and hardly any others."""
    random = Random(3)  # noqa: S311 - nothing secret
    hours, first = [0.25, 1, 24, 24, 200], START // HOUR
    rows = [
        {**SLOT, "account_id": account, "log_group_name": name, "observed_at": START}
        | {"start": start * HOUR, "period": int(random.choice(hours) * HOUR)}
        | {"incoming_bytes": 1, "incoming_events": 1}
        for account in (SLOT["account_id"], "444455556666")
        for name in "abc"
        for start in range(first, first + 600, 7)
    ]
    archive.add(side_table(rows, schema.INCOMING.columns), of="incoming")
    since, until = (first + 310) * HOUR, (first + 350) * HOUR
    edges = [pd.Timestamp(edge, unit="ms", tz="UTC") for edge in (since, until)]
    asked = pd.DataFrame([{**SLOT, "log_group_name": name} for name in "ab"])
    found = incoming_of(archive, asked, *edges)
    wanted = [
        row
        for row in rows
        if (row["account_id"], row["log_group_name"]) in [(SLOT["account_id"], one) for one in "ab"]
        and row["start"] < until
    ]
    inside = [row for row in wanted if row["start"] + row["period"] > since]
    near = [row for row in wanted if row["start"] >= since - DAY or row["period"] > DAY]
    assert all(row in near for row in inside)
    names = ("log_group_name", "start")
    read = {*zip(*(plain(found[name]) for name in names), strict=True)}
    assert read == {tuple(row[name] for name in names) for row in near}
    nowhere = asked.assign(account_id=None)
    assert found["account_id"].unique().tolist() == [SLOT["account_id"]]
    assert incoming_of(archive, nowhere, *edges)["account_id"].nunique() == 2


def test_a_part_reads_only_its_columns(kept: xs.Archive):
    """A shard has the columns that the part reads, and what identifies the tasks."""

    class Part:
        columns = frozenset({"duration", "status_code"})

        def __call__(self, tasks: pd.DataFrame) -> pd.DataFrame:
            return tasks.head(0)

    expected = {*Part.columns, "account_id", "region", "task_id"}
    for made in kept.map(Part()):
        assert expected <= {*made} <= expected | {"creation_time", "completion_time"}


def test_the_state_at_an_instant_is_what_had_been_observed_by_then(archive: xs.Archive):
    """A task that had completed, but was last seen running, is running at `as_of`."""
    run = {"task_id": "a", "creation_time": HOUR}
    archive.add(seen(1, run | {"status_code": "PENDING"}))
    archive.add(seen(2, run | {"status_code": "RUNNING"}))
    archive.add(seen(9, run | {"status_code": "COMPLETED", "completion_time": 3 * HOUR}))
    hours = [pd.Timestamp(hour * HOUR, unit="ms", tz="UTC") for hour in (0, 1, 2, 8, 9)]
    states = [archive.tasks(as_of=hour)["status_code"].to_list() for hour in hours]
    assert states == [[], ["PENDING"], ["RUNNING"], ["RUNNING"], ["COMPLETED"]]
    history = archive.history("a")
    assert history["status_code"].to_list() == ["PENDING", "RUNNING", "COMPLETED"]
    assert history["duration"].iloc[-1] == pd.Timedelta("2h")
    assert archive.history("b").empty


def test_a_selection(kept: xs.Archive, sample: pd.DataFrame):
    """Times of creation, accounts, regions and columns select as a filter of the table does."""
    first, last = pd.Timestamp("2026-11-01", tz="UTC"), pd.Timestamp("2026-11-15", tz="UTC")
    created = sample["creation_time"]
    assert_same(
        kept.tasks(since="2026-11-01", until="2026-11-15"),
        xs.conform(sample[(created >= first) & (created < last)]),
    )
    account, region = SLOT.values()
    of_account = sample["account_id"] == account
    assert_same(kept.tasks(accounts=[account]), xs.conform(sample[of_account]))
    of_slot = of_account & (sample["region"] == region)
    assert_same(kept.tasks(accounts=[account], regions=[region]), xs.conform(sample[of_slot]))
    assert_same(kept.tasks(regions=[region]), xs.conform(sample[sample["region"] == region]))
    assert [*kept.tasks(columns=["duration", "task_id"])] == ["duration", "task_id"]
    assert kept.tasks(accounts=["999999999999"]).empty
    assert kept.log_groups(regions=["nowhere"]).empty


def test_archive_in_place_of_a_table(kept: xs.Archive, sample: pd.DataFrame):
    """Each statistic, coverage and the weekly report of an archive are those of its table."""
    for name, call in ALL.items():
        assert_frame_equal(call(kept), call(sample), check_exact=True, obj=name)
    groups = xs.sample_log_groups()
    of_archive, of_table = (
        xs.build_weekly_report(tasks, week="2026-W45", log_groups=groups).to_json()
        for tasks in (kept, sample)
    )
    assert of_archive == of_table


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_parts_run_on_any_executor(kept: xs.Archive, sample: pd.DataFrame, kind: str):
    """Shards are read where the parts run: in threads or in other processes."""
    makers = {
        "threads": lambda: ThreadPoolExecutor(2),
        "processes": lambda: ProcessPoolExecutor(
            2, mp_context=multiprocessing.get_context("spawn")
        ),
    }
    with makers[kind]() as pool:
        found = xs.duration_summary(kept.on(pool), by="log_group_name")
    assert_frame_equal(found, xs.duration_summary(sample, by="log_group_name"))
    assert pickle.loads(pickle.dumps(kept)).uri == kept.uri  # noqa: S301 - our own


def test_nothing_is_not_an_empty_archive(archive: xs.Archive):
    """Reading where no archive is names the address and the command that makes one."""
    for ask in (archive.tasks, archive.log_groups, lambda: xs.status_breakdown(archive)):
        with pytest.raises(xs.MissingFileError, match=r"no archive at .*history; `exportstats"):
            ask()
    assert not Path(archive.uri).exists()
    archive.add(table())
    assert archive.tasks().empty
    assert archive.log_groups().empty
    assert archive.history("a").empty
    assert xs.status_breakdown(archive).equals(xs.status_breakdown(table()))


@pytest.mark.parametrize("lacking", ["account_id", "region", "observed_at"])
def test_what_cannot_be_kept_is_refused(archive: xs.Archive, lacking: str):
    """A row without account, region or time of observation is refused, and nothing is written."""
    row = {**SLOT, "observed_at": HOUR, lacking: None}
    with pytest.raises(xs.ArgumentError, match=f"1 of 2 tasks have no {lacking}; give {lacking}="):
        archive.add(table(row, row | SLOT | {"observed_at": HOUR}))
    assert not Path(archive.uri).exists()


def test_a_time_of_observation_for_rows_without_one(archive: xs.Archive):
    """`observed_at` is that of rows that do not say so, and changes no other."""
    rows = table({"task_id": "a"}, {"task_id": "b", "observed_at": HOUR}, **SLOT)
    archive.add(rows, observed_at="1970-01-02T00:00Z")
    tasks = archive.tasks().set_index("task_id")["observed_at"]
    assert tasks.dt.strftime("%d %H").to_dict() == {"a": "02 00", "b": "01 01"}


def test_two_tasks_with_one_id_are_both_kept(archive: xs.Archive):
    """Different tasks under one ID are kept and reported, as in a table."""
    with pytest.warns(xs.BadRowsWarning):
        two = seen(1, {"task_id": "a", "task_name": "one"}, {"task_id": "a", "task_name": "two"})
    archive.add(two)
    before = files(archive)
    archive.add(two)
    assert files(archive) == before
    with pytest.warns(xs.BadRowsWarning, match="another task has the same task_id"):
        assert sorted(archive.tasks()["task_name"]) == ["one", "two"]


def bytes_read() -> int:
    """Return how much this process has read."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts them")
def test_a_question_about_one_account_reads_its_data_only(archive: xs.Archive):
    """Of 20 accounts of equal size in compacted files, a fifth of the bytes is read for one."""
    accounts = [f"{number:012d}" for number in range(20)]
    random = Random(0)  # noqa: S311 - nothing secret
    rows = {
        "account_id": [account for account in accounts for _ in range(20_000)],
        "task_id": [random.randbytes(16).hex() for _ in range(400_000)],
        "region": "eu-west-1",
        "observed_at": HOUR,
    }
    tasks = xs.conform(pd.DataFrame(rows))
    for piece in range(2):
        archive.add(tasks[piece::2].reset_index(drop=True))
    archive.compact()
    archive.vacuum("0h")
    size = sum(path.stat().st_size for path in data_files(archive))
    before = bytes_read()
    assert len(archive.tasks(accounts=accounts[3:4])) == 20_000
    assert bytes_read() - before < 0.2 * size


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts them")
def test_phases_read_their_columns_only(archive: xs.Archive):
    """Messages, which are most of this archive, are not read."""
    random = Random(0)  # noqa: S311 - nothing secret
    rows = {
        "account_id": "111122223333",
        "region": "eu-west-1",
        "task_id": [f"task-{number}" for number in range(2000)],
        "status_code": "FAILED",
        "status_message": [random.randbytes(2000).hex() for _ in range(2000)],
        "observed_at": HOUR,
    }
    archive.add(xs.conform(pd.DataFrame(rows)))
    size = sum(path.stat().st_size for path in data_files(archive))
    before = bytes_read()
    assert len(xs.phase_durations(archive)) == 2000
    assert bytes_read() - before < 0.2 * size


@pytest.mark.parametrize("address", ["", "gs://bucket/a", "s3://", "s3://b/a?b=c", 5, "50%41"])
def test_addresses_that_are_not_valid(address: object):
    """Other addresses are refused with the value."""
    with pytest.raises(xs.ArgumentError, match="; give a folder"):
        xs.Archive(address)  # type: ignore[arg-type]


def test_without_the_extra(archive: xs.Archive, monkeypatch: pytest.MonkeyPatch):
    """Without deltalake, the error names the command that installs it."""
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(xs.ExportStatsError, match=r"needs deltalake; run: pip install deltalake"):
        archive.tasks()


def test_arguments_that_are_not_valid(kept: xs.Archive):
    """A text in place of a list, an unknown column or kind are refused with the value."""
    with pytest.raises(xs.ArgumentError, match="accounts='111122223333'; give a list"):
        kept.tasks(accounts="111122223333")
    with pytest.raises(xs.SchemaError, match=r"columns=.'no'.: there is no column 'no'"):
        kept.tasks(columns=["no"])
    with pytest.raises(xs.SchemaError, match="of='looks'; give one of tasks"):
        kept.table("looks")
    with pytest.raises(xs.ArgumentError, match="as_of='yesterday'"):
        kept.tasks(as_of="yesterday")


def test_the_shard_of_a_slot_never_changes():
    """The hash of an account and region is the same in every release and process."""
    assert kinds.shard_of("111122223333", "eu-west-1") == 11
    assert kinds.shard_of("012345678901", "us-east-1") == 14
    assert kinds.SHARDS == 16


@pytest.mark.parametrize("use", [lambda kept: kept.head(), lambda kept: kept["task_id"]])
def test_an_archive_is_no_dataframe(kept: xs.Archive, use: Callable[[xs.Archive], object]):
    """What a DataFrame has and an archive has not names the function that returns one."""
    with pytest.raises((AttributeError, TypeError), match=r"archive\.tasks\(\) returns a Data"):
        use(kept)
    assert not hasattr(kept, "columns")


def test_add_counts_rows(archive: xs.Archive, sample: pd.DataFrame):
    """The result says how many rows were new, changed and unchanged, as that of `sync`."""
    assert archive.add(sample.head(100)).to_dict() == {"new": 100, "changed": 0, "unchanged": 0}
    later = sample.head(110)["observed_at"] + pd.Timedelta("1h")
    messages = [*["other"] * 5, *sample["status_message"][5:110]]
    changed = sample.head(110).assign(observed_at=later, status_message=messages)
    found = archive.add(xs.conform(changed))
    assert found.to_dict() == {"new": 10, "changed": 5, "unchanged": 95}
