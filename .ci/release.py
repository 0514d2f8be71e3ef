"""Build wheel and sdist into dist/, check them, and say what is in an installation.

Builds twice and compares the bytes. Installs the wheel and nothing else into empty environments,
with the newest versions of what it needs, and with the first of the Pythons also with the lowest
that pyproject.toml names, and runs the demo there. Writes the bill of materials and the licences.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAME = f"{PROJECT['name']}-{PROJECT['version']}"
LOWEST = [requirement.replace(">=", "==") for requirement in PROJECT["dependencies"]]


def run(*words: object, folder: Path = ROOT) -> str:
    """Run a command without the user's AWS configuration, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if "AWS_" not in name}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "MPLBACKEND": "Agg"}
    environment.pop("PYTHONPATH", None)
    command = [str(word) for word in words]
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> dict[str, bytes]:
    """Build an sdist, and a wheel from it, and return their bytes by name."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def install(python: str, folder: Path, *requirements: str) -> Path:
    """Return the Python of a new environment with the wheel, which has no pip."""
    run(python, "-m", "venv", "--without-pip", folder)
    installed = folder / "bin" / "python"
    wheel = DIST / f"{NAME}-py3-none-any.whl"
    pip = [sys.executable, "-m", "pip", "--python", installed, "install", "--only-binary=:all:"]
    run(*pip, wheel, *requirements)
    return installed


def try_out(python: Path) -> None:
    """Run the installed command: its version, and the demo in an empty folder."""
    with TemporaryDirectory() as folder:
        command = python.with_name("exportstats")
        version = run(command, "--version", folder=Path(folder)).strip()
        if version != f"exportstats {PROJECT['version']}":
            sys.exit(f"exportstats --version printed {version!r}")
        run(command, "demo", folder=Path(folder))
        if not list(Path(folder).rglob("*.html")):
            sys.exit("the demo wrote no report")


def describe(python: Path) -> None:
    """Write the bill of materials and the licences of an environment."""
    about = ["--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible"]
    materials = DIST / f"{NAME}.cdx.json"
    run(sys.executable, "-m", "cyclonedx_py", "environment", *about, "-o", materials, python)
    licences = ["--format=markdown", "--with-urls", f"--output-file={DIST / 'licences.md'}"]
    run(sys.executable, "-m", "piplicenses", f"--python={python}", *licences)


def main(pythons: list[str]) -> None:
    """Make a release, with those of the Pythons that are there."""
    present = [python for python in pythons if works(python)]
    if not present:
        sys.exit(f"none of {', '.join(pythons)} is there")
    shutil.rmtree(DIST, ignore_errors=True)
    with TemporaryDirectory() as again:
        if build(DIST) != build(Path(again)):
            sys.exit("two builds differ")
    print(run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir()), end="")
    for number, python in enumerate(present):
        for kind, versions in (("newest", []), *([("lowest", LOWEST)] if number == 0 else [])):
            with TemporaryDirectory() as folder:
                installed = install(python, Path(folder), *versions)
                try_out(installed)
                print(f"the demo runs with {python} and the {kind} versions")
                if number == 0 and not versions:
                    describe(installed)
    absent = [python for python in pythons if python not in present]
    print("not tried, because they are not there:", ", ".join(absent) or "none")
    print("in dist/:", *sorted(path.name for path in DIST.iterdir()))


def works(python: str) -> bool:
    """Return whether there is such a Python with venv."""
    found = shutil.which(python)
    return found is not None and not subprocess.call(
        [found, "-c", "import venv"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


if __name__ == "__main__":
    main(sys.argv[1:])
