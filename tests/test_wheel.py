"""The wheel has everything that a user needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Run outside of the checkout, in a folder of its own, with the wheel first on the path.
SCRIPT = """
import sys
import exportstats as xs
assert xs.__file__.startswith(sys.argv[1]), xs.__file__
for name in xs.__all__:
    getattr(xs, name)
tasks = xs.sample_tasks()
assert len(tasks) > 5000
print(xs.status_breakdown(tasks)["tasks"].sum(), len(tasks))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_has_code_types_and_sample_and_nothing_else(wheel: Path):
    """The wheel has the package with its type marker and the sample, but no tests and docs."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "exportstats/py.typed" in names
    assert "exportstats/__init__.pyi" in names
    assert "exportstats/sample_data/tasks.jsonl.gz" in names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"exportstats"}


@pytest.mark.slow
def test_the_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path):
    """Installed elsewhere, every public name, the sample and the command work."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(site), str(wheel)], check=True, capture_output=True)
    environment = {"PYTHONPATH": str(site), "MPLBACKEND": "Agg", "HOME": str(tmp_path)}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(site)], **run)
    assert done.returncode == 0, done.stderr
    counted, rows = done.stdout.split()
    assert counted == rows
    done = subprocess.run([sys.executable, "-m", "exportstats", "--version"], **run)
    assert done.stdout.startswith("exportstats 0")
