"""Write the requirements of a folder of wheels, each with its version and its hash.

    python -m pip wheel --wheel-dir wheels --constraint constraints.txt '.[archive]'
    python docs/recipes/lock.py wheels > requirements.txt
    python -m pip install --no-index --find-links wheels --require-hashes -r requirements.txt

Run the first line in a clone, at the tag that you have checked, with the Python and on the kind of
machine that will run it. pip then installs these very files and nothing else, whatever an index has
under the same names.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path


def lock(folder: Path) -> list[str]:
    """Return the requirements of the wheels of a folder."""
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise SystemExit(f"{folder} has no wheels; `pip wheel --wheel-dir {folder}` writes some")
    lines = []
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} --hash=sha256:{digest}")
    return lines


if __name__ == "__main__":
    print("\n".join(lock(Path(sys.argv[1]))))
