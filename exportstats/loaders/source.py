"""The text of a file or of standard input, a stretch at a time, that knows where it is."""

from __future__ import annotations

import contextlib
import gzip
import sys
import zlib
from typing import IO, TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa

from exportstats.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"
BLOCK = 2**20  # what is parsed at once: larger blocks fall out of the processor's cache
BATCH = 8 * BLOCK  # what is cut into blocks at once, to be parsed by several threads

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Source:
    """Bytes that are taken from the front, and the line and column that one is at.

    Attributes
    ----------
    name
        What to call it in messages.
    data, at
        What has been read, and how much of that has been taken.
    taken
        How many bytes have been taken since the beginning.
    ended
        Whether `data` goes to the end of the text.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self.name = name
        self.data = b""
        self.at = 0
        self.taken = 0
        self.ended = False
        self._stream = stream
        self._line = 1
        self._column = 1
        self.fill(BLOCK)
        if self.data.startswith(_UTF16_MARKS) or b"\0" in self.data[:4]:
            raise self.fault("this is UTF-16, as PowerShell's > writes it; save it as UTF-8")
        self.at = len(_UTF8_MARK) if self.data.startswith(_UTF8_MARK) else 0

    def fill(self, size: int) -> int:
        """Have `size` bytes at hand unless the text ends before; give how many there are."""
        parts = [self.data[self.at :]]
        have = len(parts[0])
        if have >= size or self.ended:
            return have
        # a batch more than is asked for, so that what is left over is seldom copied
        while have < size + BATCH and not self.ended:
            part = self._read(size + BATCH - have)
            parts.append(part)
            have += len(part)
            self.ended = not part
        self.data = b"".join(parts)
        self.at = 0
        return have

    def take(self, size: int) -> None:
        """Go on by so many bytes, all of which are at hand."""
        piece = self.data[self.at : self.at + size]
        lines = int(np.count_nonzero(np.frombuffer(piece, np.uint8) == ord("\n")))
        self._column = _length(piece[piece.rfind(b"\n") + 1 :]) + (1 if lines else self._column)
        self._line += lines
        self.at += size
        self.taken += size

    def place(self, ahead: int = 0) -> str:
        """Say where one is, or will be after so many bytes more: the file, line and column."""
        before = self.data[self.at : self.at + ahead]
        lines = before.count(b"\n")
        column = _length(before[before.rfind(b"\n") + 1 :]) + (1 if lines else self._column)
        return f"{self.name}, line {self._line + lines}, column {column}"

    def fault(self, what: str, ahead: int = 0) -> FileFormatError:
        """Make the error that says what is wrong, and where."""
        return FileFormatError(f"{self.place(ahead)}: {what}")

    @property
    def line(self) -> int:
        """The line one is at, counted from 1."""
        return self._line

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (EOFError, zlib.error, OSError, pa.ArrowException) as error:
            raise FileFormatError(f"{self.name}: cannot be read to its end: {error}") from error


@contextlib.contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file, or standard input for "-", and unpack what gzip or zstd packed.

    Raises
    ------
    FileFormatError
        It cannot be opened, or what is packed in it is broken or cut off.
    """
    name = "standard input" if path == STDIN else path
    with contextlib.ExitStack() as stack:
        try:
            raw = sys.stdin.buffer if path == STDIN else stack.enter_context(open(path, "rb"))  # noqa: PTH123
            # standard input may be a bare stream
            start = cast("io.BufferedReader", raw).peek(4)
        except OSError as error:
            raise FileFormatError(f"{name}: cannot be opened: {error.strerror}") from error
        yield Source(_unpacked(raw, start), name)


def _unpacked(raw: IO[bytes], start: bytes) -> IO[bytes]:
    """Unpack by what the bytes say, for a suffix may lie."""
    if start.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
    if start.startswith(_ZSTD):
        return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"))
    return raw


def _length(text: bytes) -> int:
    """Count the characters of what may not be UTF-8."""
    return len(text) if text.isascii() else len(text.decode("utf-8", "replace"))
