"""The text of a file or of standard input, a stretch at a time, that knows where it is."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pyarrow as pa

from exportstats.errors import FileFormatError
from exportstats.records import count_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"
BLOCK = 2**20  # what is parsed at once: larger blocks fall out of the processor's cache
BATCH = 8 * BLOCK  # what is cut into blocks at once, to be parsed by several threads

_PIECE = 2**16  # small enough for the system not to give new memory for each, which takes longer
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Source:
    """Bytes that are taken from the front, and the line and column that one is at.

    Attributes
    ----------
    name, is_plain
        What to call it in messages, and whether its bytes are the file's own.
    data, at
        What has been read, and how much of that has been taken.
    taken
        How many bytes have been taken since the beginning.
    ended
        Whether `data` goes to the end of the text.
    """

    def __init__(self, stream: IO[bytes], name: str, *, is_plain: bool) -> None:
        self.name = name
        self.is_plain = is_plain
        self.data = bytearray()
        self.at = 0
        self.taken = 0
        self.ended = False
        self._stream = stream
        self._lines = 0  # line ends in all that was read
        self._ahead: tuple[int, int] | None = None  # a place in data, the line ends from there on
        self._column = 1  # of the first byte of data
        self.fill(len(_ZSTD))
        start = bytes(self.data[:4])
        if start.startswith(_UTF16_MARKS) or b"\0\0" in (start[::2], start[1::2]):
            raise self.fault("this is UTF-16, as PowerShell's > writes it; save it as UTF-8")
        if self.data.startswith(_UTF8_MARK):
            del self.data[: len(_UTF8_MARK)]

    def fill(self, size: int) -> int:
        """Have `size` bytes at hand unless the text ends before; give how many there are."""
        if len(self.data) - self.at < size and not self.ended:
            self._forget()
            # a batch more than is asked for, so that this is seldom done
            while len(self.data) < size + BATCH and not self.ended:
                more = self._read()
                self.data += more
                lines = count_lines(more)  # here, where it is in the processor's cache
                self._lines += lines
                if self._ahead:
                    self._ahead = (self._ahead[0], self._ahead[1] + lines)
                self.ended = not more
        return len(self.data) - self.at

    def take(self, size: int) -> None:
        """Go on by so many bytes, all of which are at hand."""
        self.at += size
        self.taken += size

    def place(self, ahead: int = 0) -> str:
        """Say where one is, or will be after so many bytes more: the file, line and column."""
        end = self.at + ahead
        return f"{self.name}, line {self._line_at(end)}, column {self._column_at(end)}"

    def fault(self, what: str, ahead: int = 0) -> FileFormatError:
        """Make the error that says what is wrong, and where."""
        return FileFormatError(f"{self.place(ahead)}: {what}")

    def _forget(self) -> None:
        """Drop what was taken."""
        self._column = self._column_at(self.at)
        if self._ahead:
            place, lines = self._ahead
            self._ahead = (place - self.at, lines) if place >= self.at else None
        del self.data[: self.at]
        self.at = 0

    def _line_at(self, end: int) -> int:
        """Give the line of a place in `data`; places that follow each other cost little."""
        if self._ahead is None or self._ahead[0] > end:
            lines = count_lines(self.data[end:])
        else:
            place, lines = self._ahead
            lines -= count_lines(self.data[place:end])
        self._ahead = (end, lines)
        return self._lines - lines + 1

    def _column_at(self, end: int) -> int:
        """Give the column of a place in `data`."""
        start = self.data.rfind(b"\n", 0, end) + 1
        last = self.data[start:end]
        # a fault may be that it is not UTF-8
        length = len(last) if last.isascii() else len(last.decode("utf-8", "replace"))
        return (1 if start else self._column) + length

    def _read(self) -> bytes:
        try:
            return self._stream.read(_PIECE)
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
    if path == STDIN and sys.stdin is None:
        raise FileFormatError("standard input is closed; pipe something into it, or name a file")
    with contextlib.ExitStack() as stack:
        try:
            raw: Any = (
                sys.stdin.buffer if path == STDIN else stack.enter_context(Path(path).open("rb"))
            )
            # standard input may be a bare stream, which cannot be looked at beforehand
            stream = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)
            start = stream.peek(len(_ZSTD))
        except OSError as error:
            raise FileFormatError(f"{name}: cannot be opened: {error.strerror}") from error
        unpacked = _unpack(stream, start)
        yield Source(unpacked, name, is_plain=unpacked is stream and path != STDIN)


def _unpack(raw: IO[bytes], start: bytes) -> IO[bytes]:
    """Unpack by what the bytes say, for a suffix may lie."""
    if start.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
    if start.startswith(_ZSTD):
        return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"))
    return raw
