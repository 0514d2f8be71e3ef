"""The text of a file or of standard input, a stretch at a time, that knows where it is."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from exportstats.errors import FileFormatError
from exportstats.io.records import count_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"
BLOCK = 2**22  # what is parsed at once: of 1 MiB it takes a tenth more, of more than this no less
BATCH = 2 * BLOCK  # what is cut into blocks at once, to be parsed by several threads

_PIECE = 2**16  # what is read at first, for most files are small
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

    def __init__(self, stream: io.BufferedIOBase, name: str, *, is_plain: bool) -> None:
        self.name = name
        self.is_plain = is_plain
        self.data = bytearray()
        self.at = 0
        self.taken = 0
        self.ended = False
        self._stream = stream
        self._begin = 0  # where in the stream the text begins
        self._counted = (0, 0)  # a place since the beginning, and the line ends before it
        self._column = 1  # of the first byte of data
        self.fill(len(_ZSTD))
        start = bytes(self.data[:4])
        if start.startswith(_UTF16_MARKS) or b"\0\0" in (start[::2], start[1::2]):
            raise self.fault("this is UTF-16, as PowerShell's > writes it; save it as UTF-8")
        if self.data.startswith(_UTF8_MARK):
            self._begin = len(_UTF8_MARK)
            del self.data[: self._begin]

    def fill(self, size: int) -> int:
        """Have `size` bytes at hand unless the text ends before; give how many there are."""
        if len(self.data) - self.at < size and not self.ended:
            have = self._forget()
            wanted = max(size, 2 * BATCH)  # more than is asked for, so that this is seldom done
            while have < wanted and not self.ended:
                if have == len(self.data):
                    # Not doubled: glibc gives free memory back to the system from twice the largest
                    # stretch that it was given on, and all blocks of a batch shall be less, or each
                    # has to be new memory, a tenth of the time.
                    self.data += bytes(min(3 * have or _PIECE, wanted - have))
                more = self._read(have)
                have += more
                self.ended = not more
            del self.data[have:]
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

    def _forget(self) -> int:
        """Drop what was taken, and give how much is left; `data` itself stays as long as it is."""
        self._column = self._column_at(self.at)
        if not (self.is_plain and self._stream.seekable()):
            self._line_at(self.at)  # now, for it cannot be read again
        left = self.data[self.at :]
        self.data[: len(left)] = left
        self.at = 0
        return len(left)

    def _line_at(self, end: int) -> int:
        """Give the line of a place in `data`; places that follow each other cost little."""
        first = self.taken - self.at  # of data, since the beginning
        place, lines = self._counted
        if place < first:
            lines += self._count_again(place, first)
            place = first
        start, stop = sorted((place - first, end))
        between = count_lines(self.data[start:stop])
        lines += between if start < end else -between
        self._counted = (first + end, lines)
        return lines + 1

    def _count_again(self, start: int, stop: int) -> int:
        """Count the line ends of what was dropped: a fault is seldom, so they were not before."""
        lines = 0
        with self._reading():
            here = self._stream.tell()
            self._stream.seek(self._begin + start)
            while start < stop and (piece := self._stream.read(min(_PIECE, stop - start))):
                lines += count_lines(piece)
                start += len(piece)
            self._stream.seek(here)
        return lines

    def _column_at(self, end: int) -> int:
        """Give the column of a place in `data`."""
        start = self.data.rfind(b"\n", 0, end) + 1
        last = self.data[start:end]
        # a fault may be that it is not UTF-8
        length = len(last) if last.isascii() else len(last.decode("utf-8", "replace"))
        return (1 if start else self._column) + length

    def _read(self, at: int) -> int:
        """Read something into `data` from a place on; give how much."""
        with self._reading(), memoryview(self.data) as data:
            return self._stream.readinto(data[at : at + BLOCK])

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
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


def _unpack(raw: io.BufferedIOBase, start: bytes) -> io.BufferedIOBase:
    """Unpack by what the bytes say, for a suffix may lie."""
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=raw)
    if start.startswith(_ZSTD):
        return cast(
            "io.BufferedIOBase", pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
        )
    return raw
