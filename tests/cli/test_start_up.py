"""A command imports only what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Runs commands, and prints as the last line what has been imported by then.
_RUN = (
    "import json, sys\n"
    "from exportstats.cli import main\n"
    "for words in json.loads(sys.argv[1]):\n"
    "    main(words, standalone_mode=False)\n"
    "print(json.dumps(list(sys.modules)))\n"
)


def _imported(*commands: tuple[object, ...]) -> set[str]:
    """Return the modules that a process has imported at the end of some commands."""
    command = [sys.executable, "-c", _RUN, json.dumps([[*map(str, one)] for one in commands])]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_command_that_draws_nothing_loads_no_matplotlib(sample_file: Path):
    """Without a chart or live AWS, matplotlib, scipy and boto3 are not imported."""
    commands = ("status", "durations", "failures", "gaps", "eta", "tasks")
    imported = _imported(*((command, sample_file) for command in commands))
    assert {"pandas", "pyarrow", "rich"} <= imported
    assert imported.isdisjoint({"matplotlib", "scipy", "boto3", "botocore", "jinja2", "tqdm"})


def test_a_command_that_draws_loads_matplotlib(sample_file: Path, tmp_path: Path):
    """A chart imports matplotlib, so the other tests would notice it."""
    assert "matplotlib" in _imported(("status", sample_file, "--plot", tmp_path / "status.png"))
