"""Emulators as AWS for the recipes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from recipes import ACCOUNT, RECIPES, REGION, sample_of_slot
from support import forget_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Remove this machine's environment; return a function that uses emulators as AWS."""
    forget_environment(monkeypatch, "REPORT_", "MAIL_")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", os.environ.get("MPLCONFIGDIR", str(tmp_path)))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    commands = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")

    def point(url: str, service: str = "") -> None:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL{service}", url)

    return point


@pytest.fixture
def slot() -> pd.DataFrame:
    """Return the sample's tasks of one account and region, created before the end of June."""
    return sample_of_slot().query("creation_time < '2026-07-01T00:00Z'")


@pytest.fixture
def workflow() -> dict[str, Any]:
    """Read the workflow."""
    read = yaml.safe_load((RECIPES / "github-actions.yml").read_text(encoding="utf-8"))
    read["on"] = read.pop(True)  # YAML 1.1 reads `on` as true
    return read
