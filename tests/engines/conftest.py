"""Engines of processes on this machine, each started once, and an archive of the sample."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest
from parts import ACCOUNTS, SECRET
from support import forget_environment

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    import pandas as pd
    from distributed import Client
    from pyspark.sql import DataFrame, SparkSession

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "America/New_York",  # no answer may depend on it
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@pytest.fixture(scope="session", autouse=True)
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the AWS configuration of this process and the workers: a profile for each account.

    The access key of a profile is its account, as the emulator has it. There is no default profile.
    """
    config = tmp_path_factory.mktemp("aws") / "config"
    config.write_text(
        "".join(
            f"[profile {account}]\naws_access_key_id = {account}\n"
            f"aws_secret_access_key = {SECRET}\n"
            for account in ACCOUNTS
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.setenv("AWS_CONFIG_FILE", str(config))
        yield config


@pytest.fixture(scope="session")
def sample() -> pd.DataFrame:
    """Read the sample once."""
    return xs.sample_tasks()


@pytest.fixture(scope="session")
def kept(sample: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> xs.Archive:
    """Return an archive of the sample, which tests only read."""
    archive = xs.Archive(tmp_path_factory.mktemp("kept"))
    archive.add(sample)
    return archive


@pytest.fixture(scope="session")
def processes() -> Iterator[Executor]:
    """Yield a pool of two processes."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """Yield the client of a Dask cluster of two processes, which are started again if they die."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def dask(client: Client) -> Executor:
    """Return the executor of the Dask cluster."""
    return client.get_executor()


@pytest.fixture(scope="session")
def ray() -> Iterator[Executor]:
    """Yield an executor on a Ray of two processes."""
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings():
        # of accelerators that this machine does not have
        warnings.filterwarnings("ignore", "Tip: In future versions of Ray", FutureWarning)
        ray.init(
            address="local",  # never the Ray of another run
            num_cpus=2,
            include_dashboard=False,
            logging_level="error",
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}},
        )
    yield xs.RayExecutor()
    with warnings.catch_warnings():
        # Ray does not wait for the processes that it ends
        warnings.filterwarnings("ignore", r"subprocess \d+ is still running", ResourceWarning)
        ray.shutdown()
        gc.collect()


@pytest.fixture(scope="session")
def jobs(spark: SparkSession) -> Iterator[Executor]:
    """Yield an executor on Spark."""
    with xs.SparkExecutor(spark) as executor:
        yield executor


@pytest.fixture(params=["processes", "dask", "ray", "jobs"])
def executor(request: pytest.FixtureRequest) -> Executor:
    """Return an executor of each kind."""
    found: Executor = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Start Spark on this machine, in another time zone, with one retry of what fails."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - slow to import

    if shutil.which("java") is None:
        pytest.skip("Spark needs a Java runtime")
    builder = SparkSession.builder.master("local[2, 2]")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    builder = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Pacific/Auckland")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")  # the tests look at errors
    yield session
    session.stop()


@pytest.fixture(scope="session")
def df(
    spark: SparkSession, sample: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> DataFrame:
    """Read the sample with Spark."""
    path = tmp_path_factory.mktemp("spark") / "tasks.parquet"
    xs.write_tasks(sample, path)
    return spark.read.parquet(str(path))
