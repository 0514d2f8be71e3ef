"""Load many targets at once: in threads, or on the caller's executor."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Executor, Future, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from tqdm.auto import tqdm

from exportstats.aws.client import make_session
from exportstats.aws.faults import ASKING, cause_of, explain
from exportstats.aws.load import Load, Question
from exportstats.aws.targets import Sessions
from exportstats.core import frames
from exportstats.core.shards import check_executor, refused_by
from exportstats.errors import ArgumentError, LoadError
from exportstats.progress import is_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import boto3

    from exportstats.aws.targets import Target

    Look = Callable[[Sequence[Load]], object]

# At 5 requests per second and target, more threads would only wait for the CPU.
MOST_WORKERS = 64
_MOST_AT_ALL = 1024
_LOOK_SECONDS = 0.2  # how often progress is shown and Ctrl-C is noticed


class DaemonThreads(Executor):
    """An executor whose threads, unlike the standard library's, do not keep the program alive.

    A hanging request cannot be cancelled, but Ctrl-C must not wait for it.
    """

    def __init__(self, max_workers: int) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count = max_workers
        for _ in range(max_workers):
            threading.Thread(target=self._work, daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as the standard library has it
        """Run a call in one of the threads."""
        future: Future[Any] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - raised by future.result()
                    future.set_exception(error)

        self._jobs.put(job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as the standard library has it
        """Let every thread end after its last job, without waiting for it."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class Bar:
    """A progress bar for loads: the items, their rate, and the number of ended targets."""

    def __init__(self, what: str, *, shown: bool | None, targets: int) -> None:
        self._what = what
        self._targets = targets
        unit = f" {what.rpartition(' ')[2]}"
        self._bar = tqdm(desc=what, unit=unit, disable=not is_shown(asked=shown))

    def __enter__(self) -> Self:
        """Show the bar."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def look(self, loads: Sequence[Load]) -> None:
        """Show the progress of the loads."""
        if self._targets > 1:
            failed = sum(load.fault is not None for load in loads)
            ended = sum(load.ended for load in loads)
            self._bar.set_postfix_str(
                f"{ended} of {self._targets} targets, {failed} failed", refresh=False
            )
        else:
            where = loads[0].region or ""
            self._bar.set_description_str(f"{self._what} {where}".strip(), refresh=False)
        self._bar.update(sum(load.items for load in loads) - self._bar.n)
        self._bar.refresh()


def load_targets(
    targets: Sequence[Target],
    question: Question,
    *,
    session: boto3.Session | None,
    profile: str | None,
    max_workers: int | None,
    executor: Executor | None,
    progress: bool | None,
    each: Look | None = None,
) -> list[Load]:
    """Load targets, and show the progress.

    `each` is called with the loads several times a second, and its errors end loading.

    Raises
    ------
    ArgumentError
        An argument is not valid.
    LoadError
        There is no session, for example because the profile does not exist.
    """
    if max_workers is not None and max_workers not in range(1, _MOST_AT_ALL + 1):
        raise ArgumentError(
            f"max_workers={max_workers!r}; give a whole number from 1 to {_MOST_AT_ALL}"
        )
    if executor is not None:
        check_executor(executor)
        if session is not None:
            raise ArgumentError(
                "a session cannot be sent to the workers of an executor; use profile= or targets "
                "with profiles instead of session"
            )
    loads = [Load(target, question) for target in targets]
    with Bar(question.operation.what, shown=progress, targets=len(targets)) as bar:

        def look(so_far: Sequence[Load]) -> None:
            bar.look(so_far)
            if each is not None:
                each(so_far)

        if executor is not None:
            return _load_on(executor, loads, profile, max_workers=max_workers, look=look)
        try:
            sessions = Sessions(make_session(session, profile, None))
        except ASKING as error:
            raise LoadError(str(explain(error)), tasks=frames.empty()) from None
        return _load_all(loads, sessions, max_workers=max_workers, look=look)


def _load_all(
    loads: list[Load],
    sessions: Sessions,
    *,
    max_workers: int | None,
    look: Look,
) -> list[Load]:
    """Load targets in threads. Ctrl-C ends them at once and keeps what has arrived."""
    stop = threading.Event()
    threads = DaemonThreads(min(len(loads), max_workers or MOST_WORKERS))
    futures = [threads.submit(_run_one, load, sessions, stop) for load in loads]
    threads.shutdown()
    return _watch([[load] for load in loads], futures, look, stop)


def _load_on(
    executor: Executor,
    loads: list[Load],
    profile: str | None,
    *,
    max_workers: int | None,
    look: Look,
) -> list[Load]:
    """Load targets on an executor, many in each call. Ctrl-C keeps the calls that have ended.

    A worker that has one target at a time would wait for the rate limit most of its time.
    """
    size = max_workers or MOST_WORKERS
    batches = [loads[at : at + size] for at in range(0, len(loads), size)]
    futures: list[Future[list[Load]]] = []
    for batch in batches:
        try:
            futures.append(executor.submit(run_in_worker, _to_send(batch), profile))
        except Exception as error:
            if not futures:
                raise refused_by(executor, error) from error
            futures.append(Future())  # it broke meanwhile; the others arrive
            futures[-1].set_exception(error)
    return _watch(batches, futures, look, threading.Event())


def _to_send(batch: list[Load]) -> list[Load]:
    """Return loads with what is known of their own accounts only."""
    question = batch[0].question
    if question.settled is not None:
        accounts = {load.target.account_id for load in batch}
        question = replace(question, settled=question.settled.of(accounts))
    return [replace(load, question=question) for load in batch]


def _watch(
    batches: Sequence[list[Load]],
    futures: Sequence[Future[list[Load]]],
    look: Look,
    stop: threading.Event,
) -> list[Load]:
    """Wait for batches of loads, and show their progress."""
    try:
        waiting = set(futures)
        while waiting:
            _, waiting = wait(waiting, timeout=_LOOK_SECONDS)
            look(_so_far(batches, futures))
    except BaseException as error:
        stop.set()
        for future in futures:
            future.cancel()
        if not isinstance(error, KeyboardInterrupt):
            raise
        return [
            load if load.ended else load.interrupted_by(error)
            for batch, future in zip(batches, futures, strict=True)
            for load in (batch if future.cancelled() else _so_far([batch], [future]))
        ]
    return _so_far(batches, futures)


def _so_far(batches: Sequence[list[Load]], futures: Sequence[Future[list[Load]]]) -> list[Load]:
    """Return each load as its executor returned it, or as it is in this process."""
    return [
        load
        for batch, future in zip(batches, futures, strict=True)
        for load in (_result(batch, future) if future.done() else batch)
    ]


def _result(batch: list[Load], future: Future[list[Load]]) -> list[Load]:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - executors have errors of their own
        fault = explain(error)
        if cause_of(error) is not None:  # it is not an error of AWS or of the settings
            fault = fault._replace(remedy="check the output of the executor's workers")
        return [replace(load, fault=fault, ended=True) for load in batch]


def run_in_worker(loads: list[Load], profile: str | None) -> list[Load]:
    """Run loads in threads of a worker, which creates its own session."""
    sessions = Sessions(make_session(None, profile, None))
    return _load_all(loads, sessions, max_workers=None, look=lambda _: None)


def _run_one(load: Load, sessions: Sessions, stop: threading.Event) -> list[Load]:
    return [load.run(sessions, stop)]
