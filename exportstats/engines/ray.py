"""Run calls on Ray, which has no executor of its own."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

from exportstats.errors import missing_library


class RayExecutor(Executor):
    """Run calls as Ray tasks: a `concurrent.futures.Executor` for `Archive.on` and `fetch_tasks`.

    Parameters
    ----------
    **options
        Those of a Ray task, such as `num_cpus`, `memory` or `max_retries`.

    Raises
    ------
    ExportStatsError
        Ray is not installed.

    Examples
    --------
    On the cluster of `ray.init`, or on this machine without it::

        xs.duration_summary(archive.on(xs.RayExecutor()), by="log_group_name")
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Ray's
        try:
            import ray  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise missing_library("RayExecutor", "Ray") from error
        self._cancel = ray.cancel
        self._task = ray.remote(_call).options(**options)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as the standard library has it
        """Run a call in a Ray task."""
        task = self._task.remote(fn, args, kwargs)
        future: Future[Any] = Future()

        def end(ended: Future[Any]) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if error := ended.exception():  # what the call raised, without Ray's traceback
                future.set_exception(getattr(error, "cause", None) or error)
            else:
                future.set_result(ended.result())

        future.add_done_callback(lambda _: future.cancelled() and self._cancel(task))
        task.future().add_done_callback(end)
        return future


def _call(fn: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - any call
    return fn(*args, **kwargs)
