"""Wait for one task to end, because boto3 has no waiter for export tasks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

import pandas as pd
from tqdm.auto import tqdm

from exportstats.aws.targets import Target
from exportstats.aws.tasks import fetch_tasks
from exportstats.core import frames, schema
from exportstats.errors import ArgumentError, LoadError
from exportstats.progress import is_shown
from exportstats.stats.as_of import to_length
from exportstats.stats.forecasts import estimate_completion
from exportstats.text import plain, write_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

# Most tasks take at least a minute, and all share the quota of 5 requests per second.
_SOONEST_SECONDS, _LATEST_SECONDS = 5.0, 60.0
_TICK_SECONDS = 0.5  # how often the bar moves and Ctrl-C is noticed
_SHARE = 0.1  # of the remaining time, to wait before the next request


def wait_for_task(  # noqa: PLR0913 - most are those of fetch_tasks
    task_id: str,
    *,
    history: pd.DataFrame | None = None,
    session: boto3.Session | None = None,
    profile: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    timeout: str | pd.Timedelta | None = None,
    each: Callable[[pd.DataFrame], object] | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Wait until a task is COMPLETED, FAILED or CANCELLED.

    The interval between requests is a tenth of the estimated remaining time, but at least 5 seconds
    and at most a minute.

    Parameters
    ----------
    task_id
        The task's identifier.
    history
        A table of tasks for the forecast (see `estimate_completion`).
    session, profile, region, endpoint_url
        As for `fetch_tasks`.
    timeout
        The longest time to wait, such as "2h"; by default there is no limit.
    each
        Called with the table of the task each time that it was seen. `each=archive.add` keeps what
        `phase_durations` needs.
    progress
        Whether to show a progress bar; by default only in a terminal or a notebook.

    Returns
    -------
    DataFrame
        A table of tasks with one row, the task in its latest state. After a timeout, `status_code`
        is still an active state. A task in a missing or unknown state is returned at once.

    Raises
    ------
    ArgumentError
        An argument is not valid.
    LoadError
        There is no such task in this account and region, or a request failed.

    Examples
    --------
    >>> import boto3
    >>> import exportstats as xs
    >>> from exportstats.emulator import Emulator
    >>> session = boto3.Session("123456789012", "made-up", region_name="eu-west-1")
    >>> task = {"taskId": "a", "region": "eu-west-1", "status": {"code": "COMPLETED"}}
    >>> with Emulator([task]) as emulator:
    ...     task = xs.wait_for_task("a", session=session, endpoint_url=emulator.url)
    >>> task["status_code"].iloc[0]
    'COMPLETED'

    After creating a task with boto3::

        task = xs.wait_for_task(answer["taskId"], history=tasks)
        task["status_code"].iloc[0] == "COMPLETED"
    """
    left = _seconds(timeout)
    started = time.monotonic()
    where = Target(region=region)
    if history is not None:
        history = history[(history["task_id"] != task_id).to_numpy()]
    with _Bar(shown=is_shown(asked=progress)) as bar:
        while True:
            task = fetch_tasks(
                [where],
                task_id=task_id,
                session=session,
                profile=profile,
                endpoint_url=endpoint_url,
                progress=False,
            )
            if not len(task):
                raise LoadError(
                    f"there is no task {task_id!r} in this account and region; check all three",
                    tasks=task,
                )
            if each is not None:
                each(task)
            account = task["account_id"].iloc[0]
            if isinstance(account, str):  # so that STS is asked only once
                where = Target(account, region).verified()
            forecast = _forecast(task, history)
            bar.show(task, forecast)
            if not _is_active(task):
                return task
            up = started + left
            if not _sleep(_interval(forecast), up, bar):
                return task


def _is_active(task: pd.DataFrame) -> bool:
    return task["status_code"].iloc[0] in schema.ACTIVE_STATES


def _seconds(timeout: object) -> float:
    if timeout is None:
        return float("inf")
    length = to_length(timeout)
    if length is None or not length > pd.Timedelta(0):
        raise ArgumentError(f'timeout={timeout!r}; give a duration, such as "2h"')
    return length.total_seconds()


def _forecast(task: pd.DataFrame, history: pd.DataFrame | None) -> pd.DataFrame | None:
    """Estimate the remaining time from other tasks; return None if that is not possible."""
    if history is None or not _is_active(task):
        return None
    forecasts = estimate_completion(frames.concat([history, task]))
    is_this = forecasts["task_id"] == task["task_id"].iloc[0]
    mine = forecasts[is_this & forecasts["remaining"].notna()]
    return mine if len(mine) else None


def _interval(forecast: pd.DataFrame | None) -> float:
    """Return how long to wait before the next request."""
    if forecast is None:
        return _SOONEST_SECONDS
    rest: float = forecast["remaining"].iloc[0].total_seconds()
    return min(max(_SHARE * rest, _SOONEST_SECONDS), _LATEST_SECONDS)


def _sleep(seconds: float, up: float, bar: _Bar) -> bool:
    """Sleep while the bar moves, and return whether there is time left."""
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < min(until, up):
        time.sleep(min(_TICK_SECONDS, until - now, up - now))
        bar.tick()
    return time.monotonic() < up


class _Bar:
    """A progress bar with the state of a task and, if it can be estimated, its progress."""

    def __init__(self, *, shown: bool) -> None:
        self._bar = tqdm(
            desc="waiting",
            total=1,
            disable=not shown,
            bar_format="{desc} |{bar}|{postfix}",
        )
        self._elapsed = 0.0
        self._rest: float | None = None
        self._seen = time.monotonic()

    def __enter__(self) -> Self:
        """Show the bar."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def show(self, task: pd.DataFrame, forecast: pd.DataFrame | None) -> None:
        """Show the latest state of a task."""
        row = task.iloc[0]
        self._seen = time.monotonic()
        elapsed = (row["observed_at"] - row["creation_time"]).total_seconds()
        self._elapsed = max(elapsed, 0.0) if elapsed == elapsed else 0.0  # noqa: PLR0124 - a NaN
        self._bar.set_description_str(plain(str(row["status_code"])), refresh=False)
        if not _is_active(task):
            self._rest = 0.0
            self._bar.set_postfix_str(write_duration(row["duration"].total_seconds()))
        elif forecast is None:
            self._rest = None
            self._bar.set_postfix_str("no history to estimate its duration")
        else:
            low, rest, high = (
                forecast[f"remaining{end}"].iloc[0].total_seconds() for end in ("_low", "", "_high")
            )
            self._rest = rest
            self._bar.set_postfix_str(
                f"about {write_duration(rest)} left ({write_duration(low)} to "
                f"{write_duration(high)}, from {forecast['n'].iloc[0]:,} tasks)"
            )
        self.tick()

    def tick(self) -> None:
        """Move on by the time that has passed."""
        passed = self._elapsed + time.monotonic() - self._seen
        if self._rest is not None:
            whole = self._elapsed + self._rest
            done = 1.0 if whole <= 0 or self._rest == 0 else min(passed / whole, 0.99)
            self._bar.n = done
        self._bar.refresh()
