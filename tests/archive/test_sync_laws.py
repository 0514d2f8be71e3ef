"""However a list grows, changes, forgets and fails, a sync that ends has seen all of it."""

from __future__ import annotations

import datetime as dt
import warnings
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from archived import MINUTE, Task, session, task
from hypothesis import given, strategies as st
from support import ACTIVE, ENDED, FEW

import exportstats as xs
from exportstats.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

START = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


@dataclass
class Step:
    """What happens before a sync, and how the sync goes.

    Attributes
    ----------
    created
        The states of new tasks, the oldest first.
    ended
        Which of the active tasks end, by their position modulo their number.
    forgotten
        How many of the oldest tasks the service forgets, if they have ended.
    denied
        The request that is denied.
    full
        Whether lists are read to their end.
    """

    created: list[str]
    ended: list[int]
    forgotten: int
    denied: int | None
    full: bool


STEPS = st.lists(
    st.builds(
        Step,
        created=st.lists(st.sampled_from([*ENDED, *ENDED, *ACTIVE]), max_size=12),
        ended=st.lists(st.integers(0, 20), max_size=3),
        forgotten=st.integers(0, 6),
        denied=st.one_of(st.none(), st.integers(1, 5)),
        full=st.booleans(),
    ),
    max_size=7,
)


@pytest.fixture(autouse=True, scope="module")
def small_pages() -> Iterator[None]:
    """Let a page have four tasks, and a task appear at most two minutes late."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exportstats.archive.sync.PAGE_SIZE", 4)
        patch.setattr("exportstats.aws.newest._LATEST_APPEARANCE", 2 * MINUTE)
        yield


def changed(tasks: list[Task], step: Step) -> list[Task]:
    """Return the list after a step."""
    tasks = [*tasks]
    first = 1 + max((int(one["taskId"].partition("-")[2]) for one in tasks), default=-1)
    tasks += [task(first + number, state) for number, state in enumerate(step.created)]
    for position in step.ended:
        if active := [at for at, one in enumerate(tasks) if one["status"]["code"] in ACTIVE]:
            at = active[position % len(active)]
            tasks[at] = tasks[at] | {"status": {"code": "FAILED"}}
    kept = [
        one
        for at, one in enumerate(tasks)
        if at >= step.forgotten or one["status"]["code"] in ACTIVE
    ]
    return kept or tasks[-1:]


def states(tasks: list[Task]) -> dict[str, str]:
    """Return the state of each task."""
    return {one["taskId"]: one["status"]["code"] for one in tasks}


def run(archive: xs.Archive, tasks: list[Task], step: Step, hour: int) -> bool:
    """Sync, and return whether it ended well."""
    faults = [] if step.denied is None else [Fault("deny", at=(step.denied,))]
    with Emulator(tasks, faults=faults, now=START + dt.timedelta(hours=hour)) as emulator:
        try:
            archive.sync(
                session=session(), endpoint_url=emulator.url, full=step.full, progress=False
            )
        except xs.LoadError:
            return False
    return True


def assert_kept(
    found: dict[Any, Any], before: dict[str, str], listed: dict[str, str], *, whole: bool
) -> None:
    """After a whole sync all states are those of the list; otherwise none is lost."""
    wanted = before | listed
    if whole:
        assert found == wanted
        return
    assert before.keys() <= found.keys() <= wanted.keys()
    assert all(state in (before.get(key), listed.get(key)) for key, state in found.items())


def has_hole(found: dict[Any, Any], listed: list[Task]) -> bool:
    """Return whether a listed task is missing that is older than one that is kept."""
    numbers = [int(one["taskId"].partition("-")[2]) for one in listed]
    newest = max((int(key.partition("-")[2]) for key in found), default=-1)
    return any(number < newest and f"task-{number}" not in found for number in numbers)


@pytest.mark.slow
@FEW
@given(STEPS)
def test_a_sync_that_ends_has_seen_everything(steps: list[Step]):
    """After each sync that ended well, the archive has the state of each listed task.

    Tasks that are not listed any more, and those of syncs that failed, are kept as they were. If a
    listed task is missing below one that is kept, reading says so; after a sync that ended, never.
    """
    with TemporaryDirectory() as folder:
        archive = xs.Archive(folder)
        archive.add(xs.conform(xs.sample_tasks().head(0)))

        def read() -> tuple[dict[Any, Any], bool]:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", xs.PartialListWarning)
                tasks = archive.tasks().set_index("task_id")["status_code"]
            return tasks.astype(str).to_dict(), bool(said)

        tasks: list[Task] = []
        for hour, step in enumerate(steps):
            tasks = changed(tasks, step)
            before, _ = read()
            whole = run(archive, tasks, step, hour)
            found, is_told = read()
            assert_kept(found, before, states(tasks), whole=whole)
            assert not (is_told and whole)
            assert is_told or not has_hole(found, tasks)
