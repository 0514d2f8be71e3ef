"""Write a file completely or not at all, and only one process at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import tempfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from exportstats.errors import ArgumentError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEFT_OVER = re.compile(r"\.exportstats-[0-9a-f]{8}-[a-z0-9_]+\.part")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` when all of it is written.

    A link stays a link: its target is replaced. An existing file keeps its mode and, if permitted,
    its owner. Temporary files that a killed process left behind are removed.
    """
    target, before = _resolved(path)
    if not target.parent.is_dir():
        raise ArgumentError(f"there is no folder {target.parent}; make it, or name another place")
    _remove_left_over(target)
    handle, name = _make_part(target)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            _give_mode(name, before)
            os.fsync(handle)
            name.replace(target)
    except BaseException:
        name.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock on a file, so that no other process changes it meanwhile.

    The lock is on a file beside it, and ends with the process in any case.
    """
    target, _ = _resolved(path)
    name = target.with_name(f"{_hidden(target)}lock")
    while True:
        handle = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, wait=True)
            # the last holder may have removed the file that was opened here
            if _is_at(handle, name):
                try:
                    yield
                finally:
                    name.unlink()
                return
        finally:
            os.close(handle)


def _resolved(path: Path) -> tuple[Path, os.stat_result | None]:
    """Follow links, and return the path with the status of the file, None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path)), None
    except ValueError as error:
        raise ArgumentError(f"{str(path)!r} is not a valid path: {error}") from error
    target = Path(os.path.realpath(path))
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise ArgumentError(f"{str(path)!r} is not a regular file; name another place")
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return target, found


def _hidden(target: Path) -> str:
    """Return the prefix of temporary names beside a file; it is short even if the name is long."""
    return f".exportstats-{zlib.crc32(os.fsencode(target.name)):08x}-"


def _make_part(target: Path) -> tuple[int, Path]:
    """Create a temporary file beside `target`, locked so that no other process removes it."""
    while True:
        try:
            handle, text = tempfile.mkstemp(".part", _hidden(target), target.parent)
        except OSError as error:
            raise ArgumentError(
                f"the folder {target.parent} cannot be written to: {error.strerror}; name another"
            ) from error
        _lock(handle, wait=True)
        if _is_at(handle, name := Path(text)):
            return handle, name
        os.close(handle)


def _remove_left_over(target: Path) -> None:
    """Remove temporary files that killed processes left behind."""
    for path in target.parent.glob(f"{_hidden(target)}*.part"):
        if _LEFT_OVER.fullmatch(path.name) and not path.is_symlink():
            with contextlib.suppress(OSError), path.open("rb") as file:
                if _lock(file.fileno(), wait=False):  # otherwise it is still being written
                    path.unlink()


def _give_mode(path: Path, before: os.stat_result | None) -> None:
    """Set the mode and owner of the previous file, or the mode of a new file."""
    if before is None:
        mask = os.umask(0)
        os.umask(mask)
        path.chmod(0o666 & ~mask)
        return
    if hasattr(os, "chown"):
        with contextlib.suppress(PermissionError):
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed; return False if that is not possible."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
