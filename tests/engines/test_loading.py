"""Targets on an executor: each worker loads many at once, with credentials of its own."""

from __future__ import annotations

from _thread import interrupt_main
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from threading import Timer
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from archived import assert_same
from pandas.testing import assert_frame_equal
from parts import ACCOUNTS, SECRET, Noting

import exportstats as xs
from exportstats.archive.adding import append
from exportstats.archive.kinds import LOOKS
from exportstats.core import conversion
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

REGIONS = ["eu-west-1", "us-east-1", "us-west-2", "ap-south-1"]
EPOCH = 1_795_413_600_000
# 80 targets, in calls of 64 and of 16
TARGETS = [xs.Target(account, region, account) for account in ACCOUNTS for region in REGIONS]
FAULTS = [
    Fault("deny", account=ACCOUNTS[3], region="eu-west-1"),
    Fault("deny", account=ACCOUNTS[18], region="us-east-1"),
]


def tasks_of(targets: list[xs.Target], count: int = 3) -> list[dict[str, Any]]:
    """Make the same number of tasks in each target."""
    return [
        {
            "accountId": target.account_id,
            "region": target.region,
            "taskId": f"{target.account_id}-{target.region}-{number}",
            "logGroupName": "/app",
            "status": {"code": "COMPLETED"},
            "executionInfo": {"creationTime": EPOCH + number, "completionTime": EPOCH + number + 9},
        }
        for target in targets
        for number in range(count)
    ]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Serve three tasks in each target, of which two are denied."""
    with Emulator(tasks_of(TARGETS), faults=FAULTS) as emulator:
        yield emulator


def fetch(emulator: Emulator, targets: list[xs.Target], **how: Any) -> xs.LoadError:  # noqa: ANN401
    """Fetch from targets of which some fail, and return the error, which has the others."""
    with pytest.raises(xs.LoadError) as caught:
        xs.fetch_tasks(targets, endpoint_url=emulator.url, progress=False, **how)
    return caught.value


def test_an_executor_gives_the_same(executor: Executor, emulator: Emulator):
    """The table, the message and the failures are those of threads, target by target."""
    ours, theirs = fetch(emulator, TARGETS), fetch(emulator, TARGETS, executor=executor)
    assert str(theirs) == str(ours)
    assert len(theirs.tasks) == 78 * 3
    assert_frame_equal(
        theirs.tasks.drop(columns="observed_at"), ours.tasks.drop(columns="observed_at")
    )
    assert_frame_equal(theirs.failures, ours.failures)


def test_no_credentials_are_sent(emulator: Emulator):
    """A worker gets names of profiles; `max_workers` targets are in each call."""
    with Noting() as executor:
        fetch(emulator, TARGETS, executor=executor)
        assert max(map(len, executor.sent)) < 12_000
        assert len(executor.sent) == 2
        assert not any(SECRET.encode() in sent for sent in executor.sent)
        executor.sent.clear()
        fetch(emulator, TARGETS, executor=executor, max_workers=10)
        assert len(executor.sent) == 8


class First(ThreadPoolExecutor):
    """An executor that runs its first call only; the futures of the others are given."""

    def __init__(self, others: Callable[[], Future[Any]]) -> None:
        super().__init__(1)
        self.others = others
        self.calls = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        """Run the first call to its end."""
        self.calls += 1
        if self.calls > 1:
            return self.others()
        future = super().submit(fn, *args, **kwargs)
        future.result()
        return future


def cancelled() -> Future[Any]:
    """Return a future as an executor leaves it that was shut down."""
    future: Future[Any] = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    return future


def test_what_an_executor_cancels_has_failed(emulator: Emulator):
    """Targets of a call that was cancelled have a failure each, and are not taken for empty."""
    with First(cancelled) as executor:
        error = fetch(emulator, TARGETS[:4], executor=executor, max_workers=1)
    assert len(error.tasks) == 3
    assert [*error.failures["region"]] == REGIONS[1:]
    assert error.failures["reason"].str.startswith("CancelledError").all()


def test_an_executor_that_was_shut_down(emulator: Emulator):
    """It is refused; if it breaks after its first call, the other targets have failures."""
    with ThreadPoolExecutor(1) as executor:
        pass
    says = "^the ThreadPoolExecutor takes no calls: RuntimeError: .*shutdown; .*make a new one"
    with pytest.raises(xs.ArgumentError, match=says):
        xs.fetch_tasks(TARGETS[:2], endpoint_url=emulator.url, executor=executor, progress=False)
    with Breaking(1) as executor:
        error = fetch(emulator, TARGETS[:3], executor=executor, max_workers=1)
    assert len(error.tasks) == 3
    assert [*error.failures["region"]] == REGIONS[1:3]
    assert error.failures["reason"].str.endswith("cannot schedule new futures after shutdown").all()


class Breaking(ThreadPoolExecutor):
    """An executor that takes one call."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - any call
        """Run the call, and take no more."""
        future = super().submit(*args, **kwargs)
        self.shutdown(wait=False)
        return future


def test_ctrl_c_keeps_the_calls_that_have_ended(emulator: Emulator):
    """Targets whose call had not ended are failures, and their calls are cancelled."""
    waiting: list[Future[Any]] = []

    def wait() -> Future[Any]:
        waiting.append(Future())
        if len(waiting) == 3:
            Timer(0.5, interrupt_main).start()
        return waiting[-1]

    with First(wait) as executor, pytest.raises(xs.LoadInterrupted) as caught:
        xs.fetch_tasks(
            TARGETS[:4],
            endpoint_url=emulator.url,
            executor=executor,
            max_workers=1,
            progress=False,
        )
    assert len(caught.value.tasks) == 3
    assert [*caught.value.failures["region"]] == REGIONS[1:]
    assert set(caught.value.failures["reason"]) == {"stopped by the user"}
    assert all(future.cancelled() for future in waiting)


def test_a_worker_gets_what_is_known_of_its_targets(tmp_path: Path):
    """Of an archive of 30,000 slots, a worker gets the instants of its own accounts."""
    archive = xs.Archive(tmp_path)
    slots = pd.MultiIndex.from_product(
        [[f"{n:012}" for n in range(1, 1001)], [*REGIONS, *(f"eu-test-{n}" for n in range(26))]],
        names=["account_id", "region"],
    ).to_frame(index=False)
    until = pd.Timestamp(EPOCH + 3_600_000, unit="ms", tz="UTC")
    now = pd.Timestamp.now("UTC")
    made_up = {"task_id": "t", "log_group_name": "/a", "status_code": "COMPLETED", "to_time": until}
    times = dict.fromkeys(("from_time", "creation_time", "completion_time", "observed_at"), until)
    archive.add(xs.conform(slots.assign(**made_up, **times)))
    looks = slots.assign(settled_until=until, looked_at=now, observed_at=until)
    names = [column.name for column in LOOKS.base]
    append(
        archive._storage,
        LOOKS,
        conversion.coerce_rows(looks.reindex(columns=names).astype(object), LOOKS)[0],
    )
    with Emulator(tasks_of(TARGETS)) as emulator, Noting() as executor:
        found = archive.sync(TARGETS, executor=executor, endpoint_url=emulator.url, progress=False)
    assert found["new"].sum() == len(archive.tasks()) - len(slots) == 240
    assert max(map(len, executor.sent)) < 40_000


def test_a_sync_on_dask(dask: Executor, emulator: Emulator, tmp_path: Path):
    """A sync keeps what the workers read, and reports each target as a sync in threads does."""
    archives = xs.Archive(tmp_path / "threads"), xs.Archive(tmp_path / "dask")
    reports = []
    for archive, executor in zip(archives, (None, dask), strict=True):
        with pytest.warns(xs.LoadWarning, match="2 of 80 targets failed"):
            reports.append(
                archive.sync(
                    TARGETS,
                    executor=executor,
                    endpoint_url=emulator.url,
                    errors="warn",
                    progress=False,
                )
            )
    assert_frame_equal(reports[1], reports[0])
    assert_same(archives[1].tasks(), archives[0].tasks(), seen=False)
    assert len(archives[1].tasks()) == 78 * 3


@pytest.fixture
def deadly(profiles: Path, tmp_path: Path) -> Iterator[dict[str, xs.Target]]:
    """Yield targets whose credentials kill the worker that asks for them: once, or each time."""
    script = tmp_path / "login.sh"
    made_up = '{"Version": 1, "AccessKeyId": "222222222222", "SecretAccessKey": "x"}'
    script.write_text(
        f'if [ -z "$1" ] || [ ! -e "$1" ]; then touch "$1"; kill -9 $PPID; fi\necho \'{made_up}\'\n'
    )
    before = profiles.read_text()
    profiles.write_text(
        f"{before}[profile once]\ncredential_process = sh {script} {tmp_path / 'killed'}\n"
        f"[profile always]\ncredential_process = sh {script}\n"
    )
    yield {name: xs.Target("222222222222", "eu-west-1", name) for name in ("once", "always")}
    profiles.write_text(before)


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_killed_worker_is_replaced(
    engine: str, deadly: dict[str, xs.Target], request: pytest.FixtureRequest
):
    """Dask and Ray load the targets of a killed worker again."""
    targets = [*TARGETS[:4], deadly["once"]]
    with Emulator(tasks_of(targets)) as emulator:
        tasks = xs.fetch_tasks(
            targets,
            executor=request.getfixturevalue(engine),
            max_workers=1,
            endpoint_url=emulator.url,
            progress=False,
        )
    assert sorted(tasks["task_id"]) == sorted(one["taskId"] for one in tasks_of(targets))


def test_a_target_that_kills_each_worker_has_a_failure(
    dask: Executor, deadly: dict[str, xs.Target]
):
    """The others arrive, and the failure says what happened to the worker."""
    targets = [*TARGETS[:4], deadly["always"]]
    with Emulator(tasks_of(targets)) as emulator:
        error = fetch(emulator, targets, executor=dask, max_workers=1)
    (failure,) = error.failures.itertuples()
    assert (failure.account_id, failure.profile) == ("222222222222", "always")
    assert failure.reason.startswith("KilledWorker: ")
    assert failure.remedy == "check the output of the executor's workers"
    assert len(error.tasks) == 12


def test_a_killed_process_fails_its_targets(deadly: dict[str, xs.Target]):
    """A pool of processes fails as a whole: what had not arrived has a failure, and no row."""
    targets = [*TARGETS[:4], deadly["always"]]
    with (
        Emulator(tasks_of(targets)) as emulator,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        error = fetch(emulator, targets, executor=pool, max_workers=2)
    assert len(error.tasks) == 12
    assert [*error.failures["account_id"]] == ["222222222222"]
    assert error.failures["reason"].str.startswith("BrokenProcessPool: A process").all()
