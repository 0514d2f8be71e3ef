"""Files that are written whole or not at all, and by one at a time."""

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
    """Open a file to write that takes its place when all of it is written.

    A link stays a link: the file that it leads to is written. A file that is there keeps its mode
    and, where that is permitted, its owner. What a killed process left of the same file is removed.

    Raises
    ------
    ArgumentError
        The folder does not exist or may not be written to, or something else than a file is there.
    OSError
        The file cannot be written.
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
    """Wait until no other process is in here for the same file.

    A file beside it says so meanwhile; the lock on that ends with the process, however it ends.
    """
    target, _ = _resolved(path)
    name = target.with_name(f"{_hidden(target)}lock")
    while True:
        handle = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, wait=True)
            # whoever had it has removed it, and the next one makes another
            if _is_at(handle, name):
                try:
                    yield
                finally:
                    name.unlink()
                return
        finally:
            os.close(handle)


def _resolved(path: Path) -> tuple[Path, os.stat_result | None]:
    """Follow links, and look at the file that is there, if one is."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path)), None
    except ValueError as error:
        raise ArgumentError(f"{str(path)!r} is no path of a file: {error}") from error
    target = Path(os.path.realpath(path))
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise ArgumentError(f"{str(path)!r} is not a regular file; name another place")
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return target, found


def _hidden(target: Path) -> str:
    """Return how the names begin of what stands beside a file for a while, however long its own."""
    return f".exportstats-{zlib.crc32(os.fsencode(target.name)):08x}-"


def _make_part(target: Path) -> tuple[int, Path]:
    """Make a temporary file beside another one, locked so that it is not taken for left over."""
    while True:
        try:
            handle, text = tempfile.mkstemp(".part", _hidden(target), target.parent)
        except OSError as error:
            raise ArgumentError(
                f"nothing can be written into the folder {target.parent}: {error.strerror}; "
                "name another place"
            ) from error
        _lock(handle, wait=True)
        if _is_at(handle, name := Path(text)):
            return handle, name
        os.close(handle)


def _remove_left_over(target: Path) -> None:
    """Remove what processes that were killed left of a file."""
    for path in target.parent.glob(f"{_hidden(target)}*.part"):
        if _LEFT_OVER.fullmatch(path.name) and not path.is_symlink():
            with contextlib.suppress(OSError), path.open("rb") as file:
                if _lock(file.fileno(), wait=False):  # whoever writes it has the lock
                    path.unlink()


def _give_mode(path: Path, before: os.stat_result | None) -> None:
    """Set the mode and owner of the file that was there, or the mode of any new file."""
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
    """Lock an open file, until it is closed; False if that cannot be had."""
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
