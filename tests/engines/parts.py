"""What workers import: parts that they cannot apply, and one that takes long."""

from __future__ import annotations

import os
import pickle
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    import pandas as pd

ACCOUNTS = [f"{number:012}" for number in range(1, 21)]
SECRET = "madeupsecret/K7MDENG"
ODD = "111122223333"  # the part of its shard does what the others do not


class Noting(ThreadPoolExecutor):
    """An executor that notes what a process would be sent, and runs it as it arrives."""

    def __init__(self) -> None:
        super().__init__(2)
        self.sent: list[bytes] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        """Run a call in a thread."""
        self.sent.append(pickle.dumps((fn, args, kwargs)))
        fn, args, kwargs = pickle.loads(self.sent[-1])  # noqa: S301 - our own
        return super().submit(fn, *args, **kwargs)


@dataclass(frozen=True)
class Part:
    """Return the keys of the tasks; in one shard something happens before."""

    columns: frozenset[str] | None = None

    def __call__(self, tasks: pd.DataFrame) -> pd.DataFrame:
        """Apply it to a shard."""
        if (tasks["account_id"] == ODD).any():
            self.happen()
        return tasks[["account_id", "region", "task_id"]]

    def happen(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Kill(Part):
    """End the worker as the kernel does when there is no memory: once, or each time."""

    marker: Path | None = None

    def happen(self) -> None:
        """Kill the own process."""
        if self.marker is not None:
            try:
                self.marker.touch(exist_ok=False)
            except FileExistsError:
                return
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Linger(Part):
    """Take much longer than the other shards."""

    def happen(self) -> None:
        """Wait."""
        time.sleep(2)


@dataclass(frozen=True)
class Refuse(Part):
    """Raise an error of this package."""

    def happen(self) -> None:
        """Raise it."""
        raise xs.ArgumentError("by='team' is not a column; give another")


class OddError(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


@dataclass(frozen=True)
class Fail(Part):
    """Raise any other error."""

    error: type[Exception] = ZeroDivisionError

    def happen(self) -> None:
        """Raise it."""
        raise OddError(1, 2) if self.error is OddError else self.error("of the part")
