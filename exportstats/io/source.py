"""Read a file or standard input block by block, decompressed and converted to UTF-8."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from exportstats.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STDIN = "-"
BLOCK = 2**22  # parsed at once; 1 MiB is a tenth slower, and more than 4 MiB is not faster

_HEAD = 2**20
_PART = 2**16  # larger ones take longer to allocate
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, OSError, UnicodeError, pa.ArrowException)
# By the first bytes, because a suffix may be wrong.
_DECOMPRESS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x28\xb5\x2f\xfd": lambda raw: pa.CompressedInputStream(pa.BufferReader(raw.read()), "zstd"),
}


class Source:
    """A text to read from start to end.

    Attributes
    ----------
    name
        Its name in messages.
    head
        Its first bytes, as UTF-8.
    path
        The path of the file, if it contains exactly these bytes; otherwise None.
    rewinds
        Whether it can be read more than once.
    """

    def __init__(self, stream: io.BufferedReader, name: str, path: str | None) -> None:
        self.name = name
        self.path = path
        with self._reading():
            self._stream = _decoded(stream)
            self.rewinds = self._stream.seekable()
            self._start = self._stream.tell() if self.rewinds else 0
            self.head = self._stream.read(_HEAD)

    def read_whole(self) -> bytes:
        """Read the whole text from its start; afterwards, the source can be read again."""
        if len(self.head) < _HEAD:
            return self.head
        with self._reading():
            if self.rewinds:
                self._stream.seek(self._start + len(self.head))
            parts = iter(partial(self._stream.read, _PART), b"")
            whole = b"".join([self.head, *parts])
            if not self.rewinds:
                self._stream, self._start, self.rewinds = io.BytesIO(whole), 0, True
        return whole

    def blocks(self) -> Iterator[bytes]:
        """Read the text in blocks of whole lines."""
        with self._reading():
            for part in (io.BytesIO(self.head), self._stream):
                while block := part.read(BLOCK):
                    block += part.readline()
                    yield block if block.endswith(b"\n") else block + self._stream.readline()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            raise FileFormatError(f"{self.name}: cannot be read to its end: {error}") from error


def count_lines(text: bytes) -> int:
    """Count line ends, faster than `bytes.count` if lines are short."""
    # NumPy refuses an empty buffer
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n"))) if text else 0


@contextlib.contextmanager
def open_source(path: Any) -> Iterator[Source]:  # noqa: ANN401 - a path or a file that is open
    """Open a file, or standard input for "-"."""
    name = "standard input" if path == STDIN else str(getattr(path, "name", path))
    if path == STDIN and sys.stdin is None:
        raise FileFormatError("standard input is closed; pipe something into it, or name a file")
    with contextlib.ExitStack() as stack:
        try:
            file = sys.stdin if path == STDIN else path
            if is_path := not hasattr(file, "read"):
                file = stack.enter_context(Path(path).open("rb"))
            raw: Any = getattr(file, "buffer", file)
            if isinstance(raw, io.TextIOBase):
                raw = io.BytesIO(raw.read().encode())
            plain = raw
            if not hasattr(raw, "peek"):
                plain = io.BufferedReader(raw)
                stack.callback(plain.detach)  # do not close the caller's file
            start = plain.peek(6)
        except OSError as error:
            raise FileFormatError(f"{name}: cannot be opened: {error.strerror}") from error
        opened = [open_(plain) for magic, open_ in _DECOMPRESS.items() if start.startswith(magic)]
        buffered = plain
        if opened:
            buffered = io.BufferedReader(opened[0])
            stack.callback(buffered.detach)
        yield Source(buffered, name, os.fspath(path) if is_path and not opened else None)


def _decoded(stream: io.BufferedReader) -> IO[bytes]:
    """Skip a UTF-8 byte order mark, and convert UTF-16, which PowerShell's > writes, to UTF-8."""
    encoding = json.detect_encoding(stream.peek(4)[:4])
    if encoding == "utf-8-sig":
        stream.read(3)
    elif encoding.startswith("utf-16"):
        return io.BytesIO(stream.read().decode(encoding).encode())
    return stream
