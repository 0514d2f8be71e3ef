"""The notebooks work in JupyterLab, in a browser."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from executed import PATHS, QUICKSTART, WEEKLY, check_pictures, messages, read
from support import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of Jupyter's own code are not tested here
]
OPTIONS = [
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port_retries=0",
    # nothing is asked of the network
    "--LabApp.extension_manager=readonly",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]
NO_NEWS = '{"fetchNews": "false", "checkForUpdates": false}'
SECOND = 1000
# All prompts have a number, or one cell shows an error.
DONE = r"""
[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].every(e => /\d/.test(e.textContent))
|| document.querySelector('.jp-Notebook [data-mime-type="application/vnd.jupyter.error"]')
"""
# Outputs of which a part is hidden at the right.
CUT = """
[...document.querySelectorAll('.jp-OutputArea-output')]
    .filter(e => e.scrollWidth > e.clientWidth)
    .map(e => e.innerText.slice(0, 40))
"""


@pytest.fixture(scope="module")
def lab(jupyter: Path) -> Iterator[str]:
    """Serve copies of the notebooks with JupyterLab, and return the address with its token."""
    folder = jupyter / "notebooks"
    folder.mkdir()
    for path in PATHS:
        shutil.copy(path, folder)
    settings = jupyter / "settings"
    news = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(NO_NEWS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    words = [
        *(sys.executable, "-m", "jupyterlab", *OPTIONS),
        f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={token}",
        f"--LabApp.user_settings_dir={settings}",
        f"--LabApp.workspaces_dir={jupyter / 'workspaces'}",
    ]
    environment = {**os.environ, "HOME": str(jupyter), "JUPYTER_DATA_DIR": str(jupyter / "data")}
    with (jupyter / "log").open("w") as log:
        server = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    try:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?reset&token={token}"
    finally:
        server.terminate()
        server.wait(30)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server listens on a port."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"JupyterLab ended with {server.poll()}, or does not listen")


def run_all(page: Page, address: str) -> None:
    """Open a notebook, choose Run All Cells in the menu, wait until it is done, and save it."""
    page.goto(address)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60 * SECOND)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(DONE, timeout=120 * SECOND)
    with page.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
        page.keyboard.press("Control+s")


@pytest.mark.sampled
@pytest.mark.parametrize(
    "path", PATHS if WHOLE else [QUICKSTART, WEEKLY], ids=lambda path: path.stem
)
def test_run_all_cells_works(path: Path, lab: str, jupyter: Path, browser: Browser):
    """All cells run without errors, draw their charts and show their tables in full width.

    No dialog opens, also when the window is closed, and nothing is asked of another server.
    """
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    said, asked = [], []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.accept()))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    run_all(page, lab.format(path.name))
    assert page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts() == []
    page.add_style_tag(content=".jp-Cell { content-visibility: visible !important }")
    assert page.evaluate(CUT) == []
    page.close(run_before_unload=True)
    assert said == []
    server = lab.partition("/lab/")[0]
    assert {url for url in asked if not url.startswith((server, "data:", "blob:"))} == set()
    notebook = read(jupyter / "notebooks" / path.name)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert messages(notebook) == []
    check_pictures(path, notebook)
