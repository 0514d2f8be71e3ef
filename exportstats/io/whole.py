"""Write a file completely or not at all, by one process at a time."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from exportstats.errors import ArgumentError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` after it was written completely.

    A link stays a link, and its target is replaced. An existing file keeps its mode and, if
    permitted, its owner. The next process overwrites what a killed process left behind.
    """
    target, before = _resolved(path)
    with _locked(target, "part") as (file, part):
        file.truncate()
        if before:
            with contextlib.suppress(PermissionError, AttributeError):  # Windows has no owners
                os.chown(part, before.st_uid, before.st_gid)
            part.chmod(stat.S_IMODE(before.st_mode))
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:  # writing to an open file does not name it
            error.filename = error.filename or str(path)
            raise
        part.replace(target)


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock for a file, which excludes other processes that use this function."""
    target, _ = _resolved(path)
    with _locked(target, "lock"):
        yield


def _resolved(path: Path) -> tuple[Path, os.stat_result | None]:
    """Follow links; return the path, and the status of the file or None if it does not exist."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path)), None
    except ValueError as error:
        raise ArgumentError(f"{str(path)!r} is not a valid path: {error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise ArgumentError(f"{str(path)!r} is not a regular file; choose another path")
    if not os.access(path, os.W_OK):
        raise ArgumentError(f"{str(path)!r} is write-protected; choose another path")
    return Path(os.path.realpath(path)), found


@contextlib.contextmanager
def _locked(target: Path, ending: str) -> Iterator[tuple[IO[bytes], Path]]:
    """Create a file next to `target`, hold its lock, and remove it at the end."""
    # a short name, even if the name of the target is long
    name = target.with_name(f".exportstats-{zlib.crc32(os.fsencode(target.name)):08x}.{ending}")
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        try:
            handle = os.open(name, flags, 0o666)
        except OSError as error:
            folder = target.parent
            if not folder.is_dir():
                raise ArgumentError(
                    f"there is no folder {folder}; create it, or choose another path"
                ) from None
            raise ArgumentError(
                f"the folder {folder} is not writable: {error.strerror}; choose another path"
            ) from error
        with os.fdopen(handle, "wb") as file:
            if sys.platform != "win32":
                with contextlib.suppress(OSError):  # some file systems have no locks
                    fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, name):  # otherwise the process that held the lock has replaced it
                try:
                    yield file, name
                finally:
                    if _is_at(file, name):
                        name.unlink()
                return


def _is_at(file: IO[bytes], name: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), name.stat())
    except FileNotFoundError:
        return False
