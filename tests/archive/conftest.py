"""Fixtures and helpers of the tests of the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import forget_environment

import exportstats as xs

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


@pytest.fixture(autouse=True)
def no_own_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the AWS configuration, credentials and proxies of this machine from every test."""
    forget_environment(monkeypatch)


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
