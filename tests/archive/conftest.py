"""Fixtures and helpers of the tests of the archive."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import exportstats as xs

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


@pytest.fixture(autouse=True)
def no_own_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the AWS configuration, credentials and proxies of this machine from every test."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def sample() -> pd.DataFrame:
    """Read the sample once."""
    return xs.sample_tasks()


@pytest.fixture
def archive(tmp_path: Path) -> xs.Archive:
    """Return an archive in a new folder."""
    return xs.Archive(tmp_path / "history")


@pytest.fixture(scope="session")
def kept(sample: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> xs.Archive:
    """Return an archive of the sample, which tests only read."""
    archive = xs.Archive(tmp_path_factory.mktemp("kept"))
    archive.add(sample)
    archive.add(xs.sample_log_groups(), of="log_groups")
    return archive
