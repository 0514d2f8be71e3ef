"""Run calls in the Python processes of Spark, which has no executor of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from exportstats.engines.spark import check_running, require_pyspark, why_spark_failed
from exportstats.errors import ArgumentError
from exportstats.text import name_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from pyspark import SparkContext
    from pyspark.sql import SparkSession


class SparkExecutor(ThreadPoolExecutor):
    """Run calls as Spark jobs: a `concurrent.futures.Executor` for `Archive.on` and `fetch_tasks`.

    The workers of Spark then read the shards of an archive themselves, without a shuffle. For tasks
    that Spark has in tables of its own, use `from_spark`.

    Parameters
    ----------
    session
        A Spark session. As many calls run at once as Spark has cores when the executor is made.

    Raises
    ------
    ArgumentError
        It is not a Spark session, or is one of Spark Connect, which has no such jobs.
    ExportStatsError
        PySpark is not installed.

    Examples
    --------
    ::

        with xs.SparkExecutor(spark) as executor:
            xs.duration_summary(archive.on(executor), by="log_group_name")
    """

    def __init__(self, session: SparkSession) -> None:
        pyspark = require_pyspark("SparkExecutor")
        if type(session) is not pyspark.sql.SparkSession:
            raise ArgumentError(
                f"session is a {name_type(session)}; give a SparkSession that is not of Spark "
                "Connect"
            )
        check_running(session)
        self._session = session
        super().__init__(max_workers=session.sparkContext.defaultParallelism)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as the standard library has it
        """Run a call in a Spark job."""
        check_running(self._session)
        return super().submit(_run, self._session.sparkContext, partial(fn, *args, **kwargs))


def _run(context: SparkContext, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - any call
    try:
        [(result, error)] = context.parallelize([None], 1).map(partial(_outcome, call)).collect()
    except Exception as error:  # noqa: BLE001 - PySpark's and py4j's
        raise RuntimeError(why_spark_failed(error)) from None
    if error is not None:
        raise error
    return result


def _outcome(call: Callable[[], Any], _: None) -> tuple[Any, Exception | None]:
    """Return what a call returns, or its error: Spark would send its text only."""
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001 - raised where the call was submitted
        return None, error
