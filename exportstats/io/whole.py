"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from exportstats.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write that takes its place when all of it is written.

    Raises
    ------
    ArgumentError
        The folder does not exist.
    """
    if not path.parent.is_dir():
        raise ArgumentError(f"there is no folder {path.parent}; make it, or name another place")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        _give_usual_mode(name)
        os.replace(name, path)  # noqa: PTH105 - a text and a path are the same to it
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _give_usual_mode(name: str) -> None:
    """Give a temporary file, which is its maker's alone, the mode of any new file."""
    mask = os.umask(0)
    os.umask(mask)
    Path(name).chmod(0o666 & ~mask)
