"""Fixtures of all tests; they import helpers as in `import support`."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HERE = Path(__file__).parent
sys.path += map(str, (HERE, *filter(Path.is_dir, HERE.iterdir())))

# Chromium asks nothing of the network that the page does not.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# How many examples Hypothesis makes, always the same ones: a few, or many with
# `--hypothesis-profile=ci`.
settings.register_profile(
    "quick",
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
settings.register_profile("ci", settings.get_profile("quick"), max_examples=30, print_blob=True)
settings.load_profile("quick")


@pytest.fixture(scope="session", autouse=True)
def read_models_once() -> Iterator[None]:
    """Let all boto3 sessions share one loader of models, which takes most of their time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "botocore.session.create_loader", functools.cache(botocore.session.create_loader)
        )
        yield


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Serve moto, without the state of other test files, and yield its address."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow to import

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_server: str) -> str:
    """Reset moto, and return its address."""
    urlopen(Request(f"{moto_server}/moto-api/reset", method="POST")).close()  # noqa: S310 - ours
    return moto_server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return one Chromium for all tests of a file."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow to import

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        reason = "there is no chromium and no google-chrome on the PATH"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield started
        started.close()
