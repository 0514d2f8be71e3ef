"""A sync reads what is new, keeps all that arrives, and says what happened to each target."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from archived import (
    ACCOUNT,
    EPOCH,
    MINUTE,
    REGION,
    assert_same,
    everything,
    files,
    session,
    task,
)
from deltalake import DeltaTable
from pandas.testing import assert_frame_equal

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import Message


def read(archive: xs.Archive, emulator: Emulator, **more: Any) -> pd.Series:  # noqa: ANN401
    """Sync the only target, and return its row."""
    found = archive.sync(session=session(), endpoint_url=emulator.url, progress=False, **more)
    assert len(found) == 1
    return found.iloc[0]


def numbers(result: pd.Series) -> list[int]:
    """Return requests, new, changed and unchanged tasks."""
    return result[["requests", "new", "changed", "unchanged"]].to_list()


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Serve 1,000 ended tasks."""
    with Emulator(map(task, range(1000))) as running:
        yield running


def test_a_sync_reads_only_what_is_new(archive: xs.Archive, emulator: Emulator):
    """After the first one, 50 new tasks take two requests; none takes one and writes nothing."""
    assert numbers(read(archive, emulator)) == [20, 1000, 0, 0]
    assert_same(archive.tasks(), everything(emulator), seen=False)
    before = files(archive)
    assert numbers(read(archive, emulator)) == [1, 0, 0, 50]
    assert files(archive) == before
    for number in range(1000, 1050):
        emulator.add(task(number))
    assert numbers(read(archive, emulator)) == [2, 50, 0, 50]
    assert_same(archive.tasks(), everything(emulator), seen=False)
    assert numbers(read(archive, emulator, full=True)) == [21, 0, 0, 1050]


def test_an_active_task_further_down_is_read_until_it_ends(archive: xs.Archive, emulator: Emulator):
    """Paging goes on to a task that was active last time, however many are newer."""
    emulator.add(task(1000, "RUNNING"))
    read(archive, emulator)
    for number in range(1001, 1200):
        emulator.add(task(number))
    result = read(archive, emulator)
    assert numbers(result)[:3] == [5, 199, 0]
    emulator.update("task-1000", status={"code": "FAILED"})
    assert numbers(read(archive, emulator))[:3] == [5, 0, 1]
    assert numbers(read(archive, emulator))[:3] == [1, 0, 0]
    assert_same(archive.tasks(), everything(emulator), seen=False)
    assert archive.history("task-1000")["status_code"].iloc[-1] == "FAILED"


def test_a_sync_broken_off_leaves_no_hole(archive: xs.Archive, emulator: Emulator):
    """What arrived is kept, and the next sync goes on down to what was settled before."""
    read(archive, emulator)
    for number in range(1000, 1400):
        emulator.add(task(number))
    emulator._ahead_seconds += 60
    emulator._faults = (Fault("deny", at=(24,)),)
    with pytest.raises(xs.LoadError, match="150 new or changed tasks are kept") as caught:
        read(archive, emulator)
    assert caught.value.arrived["new"].to_list() == [150]
    assert caught.value.failures["remedy"].str.contains("DescribeExportTasks").all()
    with pytest.warns(xs.PartialListWarning, match="was read only in part"):
        assert len(archive.tasks()) == 1150
    emulator._faults = ()
    assert numbers(read(archive, emulator))[1:3] == [250, 0]
    assert_same(archive.tasks(), everything(emulator), seen=False)


@pytest.mark.parametrize("order", ["oldest first", "shuffled"])
def test_an_order_that_was_not_promised_is_read_to_the_end(archive: xs.Archive, order: str):
    """A list in another order is read whole at every sync, so that nothing new is missed."""
    with Emulator(map(task, range(120))) as emulator:
        read(archive, emulator)
        for number in range(120, 300):
            emulator.add(task(number))
            if number % 60:
                continue
            entries = emulator._slots[ACCOUNT, REGION].lists["DescribeExportTasks"]
            if order == "shuffled":
                Random(number).shuffle(entries._entries)  # noqa: S311 - nothing secret
            else:
                entries._entries.sort(key=lambda entry: entry.order, reverse=True)
            entries._sorted = True
            read(archive, emulator)
            assert_same(archive.tasks(), everything(emulator), seen=False)


def test_tasks_that_are_created_meanwhile(archive: xs.Archive, emulator: Emulator):
    """Tasks that come again because the list moved are no other order, and nothing is missed."""
    read(archive, emulator)
    for number in range(1000, 1200):
        emulator.add(task(number))
    answer, numbers_of = emulator.respond, iter(range(1200, 1300))

    def respond(headers: Message, body: bytes) -> tuple[bytes, bool]:
        answered = answer(headers, body)
        for _ in range(3 if b"limit" in body else 0):
            emulator.add(task(next(numbers_of)))
        return answered

    emulator.respond = respond  # type: ignore[method-assign]
    assert numbers(read(archive, emulator))[:2] == [5, 200]
    created = next(numbers_of)
    assert archive.info()["settled_until"].notna().all()
    emulator.respond = answer  # type: ignore[method-assign]
    assert numbers(read(archive, emulator))[:2] == [1, created - 1200]
    assert_same(archive.tasks(), everything(emulator), seen=False)


def test_forgotten_tasks_are_kept_and_counted(archive: xs.Archive):
    """A full sync says how many tasks the service no longer lists, and since when."""
    start = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    with Emulator(map(task, range(300)), now=start) as emulator:
        read(archive, emulator)
        info = archive.info().iloc[0]
        assert (info["tasks"], info["gone"]) == (300, 0)
    later = start + dt.timedelta(days=1)
    with Emulator(map(task, range(100, 320)), now=later) as emulator:
        read(archive, emulator)
        assert archive.info()["gone"].to_list() == [0]
        assert numbers(read(archive, emulator, full=True)) == [5, 0, 0, 220]
    info = archive.info().iloc[0]
    assert (info["tasks"], info["gone"]) == (320, 100)
    assert abs(info["gone_since"] - pd.Timestamp(later)) < pd.Timedelta("1min")
    created = pd.Timestamp(EPOCH + 100 * MINUTE, unit="ms", tz="UTC")
    assert info["oldest_listed"] == created
    assert info["remembered_at_least"] == pytest.approx(later - created, abs=pd.Timedelta("1min"))
    difference = info["remembered_at_most"] - info["remembered_at_least"]
    assert difference == pd.Timedelta("1min")
    with Emulator(map(task, range(320)), now=later + dt.timedelta(days=1)) as emulator:
        read(archive, emulator, full=True)
    assert archive.info()["gone"].to_list() == [0]


@pytest.mark.parametrize("operation", ["DescribeExportTasks", "DescribeLogGroups"])
@pytest.mark.parametrize("number", [1, 3])
def test_a_target_counts_once_with_both_of_its_lists(
    archive: xs.Archive, operation: str, number: int
):
    """A target whose tasks or log groups failed is one of as many targets as were asked."""
    targets = [xs.Target(ACCOUNT, f"region-{at}") for at in range(number)]
    tasks = [task(0, region=target.region) for target in targets]
    fault = Fault("deny", region="region-0", operation=operation)
    says = "^1 of 3 targets failed" if number > 1 else "^page 1 of "
    with Emulator(tasks, faults=[fault]) as emulator, pytest.warns(xs.LoadWarning, match=says):
        archive.sync(
            targets,
            log_groups=True,
            session=session(),
            endpoint_url=emulator.url,
            errors="warn",
        )


def test_many_targets_in_few_commits(archive: xs.Archive):
    """Each target has its numbers; what failed has the reason; all are kept in one commit."""
    regions = [f"region-{number}" for number in range(30)]
    tasks = [task(number, region=region) for region in regions for number in range(60)]
    targets = [xs.Target(ACCOUNT, region) for region in regions]
    with Emulator(tasks, faults=[Fault("deny", region="region-7")]) as emulator:
        with pytest.warns(xs.LoadWarning, match="1 of 30 targets failed"):
            found = archive.sync(
                targets, session=session(), endpoint_url=emulator.url, errors="warn"
            )
        assert (found["new"] == 60).sum() == 29
        failed = found[found["reason"].notna()]
        assert failed["region"].to_list() == ["region-7"]
        assert failed["remedy"].str.contains("logs:DescribeExportTasks").all()
        assert DeltaTable(f"{archive.uri}/tasks").version() == 1
        asked = len(emulator.requests)
        with pytest.warns(xs.LoadWarning):
            archive.sync(targets, session=session(), endpoint_url=emulator.url, errors="warn")
        assert len(emulator.requests) - asked < 1.1 * 30 + 2
    assert len(archive.tasks()) == 29 * 60
    assert len(archive.info()) == 29


def test_log_groups_are_observed_too(archive: xs.Archive, emulator: Emulator):
    """With `log_groups`, their retention is kept as it was at each sync."""
    group = {"arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app:*", "logGroupName": "/app"}
    times = [dt.datetime(2026, 12, day, tzinfo=dt.UTC) for day in (1, 2, 3)]
    for days, now in zip((30, 30, 7), times, strict=True):
        with Emulator([task(1)], log_groups=[group | {"retentionInDays": days}], now=now) as server:
            read(archive, server, log_groups=True)
    assert archive.log_groups()["retention"].dt.days.to_list() == [7]
    assert archive.log_groups(as_of="2026-12-02T12:00Z")["retention"].dt.days.to_list() == [30]
    assert len(DeltaTable(f"{archive.uri}/log_groups").to_pandas()) == 2


def test_an_unknown_account_fails(archive: xs.Archive, emulator: Emulator):
    """Without an account, nothing is kept, and the error says so."""
    emulator._faults = (Fault("deny_identity"),)
    with pytest.raises(xs.LoadError, match=r"name the account.*0 new or changed tasks are kept"):
        read(archive, emulator)
    found = archive.sync([xs.Target(ACCOUNT, REGION)], session=session(), endpoint_url=emulator.url)
    assert found["new"].to_list() == [1000]


def test_a_clock_that_goes_back(archive: xs.Archive):
    """If the service's clock goes back, each task is still in its latest state."""
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    states = ("PENDING", "RUNNING", "COMPLETED")
    for hours, state in zip((0, 5, -3), states, strict=True):
        with Emulator([task(1, state)], now=now + dt.timedelta(hours=hours)) as emulator:
            read(archive, emulator)
    assert archive.tasks()["status_code"].to_list() == ["COMPLETED"]
    assert len(archive.history("task-1")) == 3


def test_a_sync_that_finds_nothing_new_is_remembered(archive: xs.Archive):
    """After a quiet day the last observation is that of the sync, kept at most twice a day."""
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    tasks = [task(1), task(2)]
    for hours in (0, 24, 30):
        before = files(archive)
        with Emulator(tasks, now=now + dt.timedelta(hours=hours)) as emulator:
            read(archive, emulator)
        assert (files(archive) == before) is (hours == 30)
    assert_frame_equal(xs.read_tasks(archive.uri), archive.tasks())
    seen = archive.tasks().set_index("task_id")["observed_at"]
    assert seen["task-2"] - seen["task-1"] == pd.Timedelta("24h")
    assert len(set(archive.tasks(as_of="2026-12-01T12:00Z")["observed_at"])) == 1
    report = xs.build_weekly_report(archive, week="2026-W49")
    assert report.as_of == seen["task-2"]


def test_an_incomplete_list_is_reported(archive: xs.Archive, emulator: Emulator):
    """A first sync that is broken off leaves an archive that says that older tasks are missing."""
    emulator._faults = (Fault("deny", at=(4,)),)
    with pytest.raises(xs.LoadError):
        read(archive, emulator)
    says = f"{ACCOUNT}, {REGION} was never read to its end"
    for read_it in (
        xs.status_breakdown,
        lambda kept: xs.read_tasks(kept.uri),
        lambda kept: kept.tasks(until="2027"),
    ):
        with pytest.warns(xs.PartialListWarning, match=says):
            read_it(archive)
    emulator._faults = ()
    read(archive, emulator)
    assert len(archive.tasks()) == 1000


def test_an_older_list_is_reported(archive: xs.Archive):
    """Of two regions, the one that was not read lately is named."""
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    for day, region in enumerate(("eu-west-1", "us-east-1")):
        with Emulator([task(1)], now=now + dt.timedelta(days=3 * day)) as emulator:
            target = xs.Target(ACCOUNT, region)
            archive.sync([target], session=session(), endpoint_url=emulator.url, progress=False)
    says = "eu-west-1 was last read at 2026-12-01 00:00Z, so later tasks are missing"
    with pytest.warns(xs.PartialListWarning, match=says):
        archive.tasks()
    archive.tasks(regions=["us-east-1"])


def test_a_missing_table_is_read_again(archive: xs.Archive, emulator: Emulator):
    """Without the tasks, what is known of the lists does not shorten a sync."""
    read(archive, emulator)
    shutil.rmtree(Path(archive.uri, "tasks"))
    assert numbers(read(archive, emulator)) == [20, 1000, 0, 0]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_sync_on_an_executor(
    archive: xs.Archive, emulator: Emulator, kind: str, monkeypatch: pytest.MonkeyPatch
):
    """Lists are read in other threads or processes, and stop in the same place."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    makers: dict[str, Callable[[], Any]] = {
        "threads": lambda: ThreadPoolExecutor(2),
        "processes": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    }
    with makers[kind]() as pool:
        asked = []
        for _ in range(2):
            found = archive.sync(
                [xs.Target(ACCOUNT, REGION)], executor=pool, endpoint_url=emulator.url
            )
            asked.append(found["requests"].iloc[0])
    assert asked == [20, 1]
    assert len(archive.tasks()) == 1000


def test_arguments_are_refused_before_anything_is_asked(archive: xs.Archive, emulator: Emulator):
    """An argument that is not valid is refused; nothing is requested or written."""
    for wrong in ({"errors": "ignore"}, {"requests_per_second": 0}, {"max_workers": 0}):
        with pytest.raises(xs.ArgumentError, match=re.escape(next(iter(wrong)))):
            read(archive, emulator, **wrong)
    with pytest.raises(xs.ArgumentError, match="region="):
        archive.sync([xs.Target()], region=REGION)
    assert not emulator.requests
    assert not files(archive)
