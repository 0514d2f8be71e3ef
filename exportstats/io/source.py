"""The text of a file or of standard input: decompressed, in UTF-8, a block at a time."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import os
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from exportstats.errors import FileFormatError

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

STDIN = "-"
BLOCK = 2**22  # what is parsed at once: of 1 MiB it takes a tenth more, of more than this no less

_PIECE = 2**16  # small enough for the system not to give new memory for each, which takes longer
_NEAR = 2**13  # how far from the end of a block a place to cut it is nearly always found
_LINE_END = ord("\n")
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, OSError, UnicodeError, pa.ArrowException)


class Source:
    """A text that is read from the front.

    Attributes
    ----------
    name
        What to call it in messages.
    stream
        Its bytes, decompressed and in UTF-8.
    head
        What it begins with, not taken yet.
    path
        Where its bytes lie as they are, if they do.
    """

    def __init__(self, stream: io.BufferedReader, name: str, path: str | None) -> None:
        self.name = name
        self.path = path
        with self._reading():
            self.stream = _decoded(stream)
        self.head = self._read(2**20)

    def read_rest(self) -> bytes:
        """Take all that is left."""
        return b"".join(iter(lambda: self.take(BLOCK), b""))

    def take(self, size: int) -> bytes:
        """Take so many bytes, fewer only at the end."""
        taken, self.head = self.head[:size], self.head[size:]
        return taken if len(taken) == size else taken + self._read(size - len(taken))

    def blocks(self, seam: re.Pattern[bytes], size: int) -> Iterator[bytes]:
        """Take all of it in blocks, each of which but the last ends where a seam ends."""
        rest = b""
        while len(more := self.take(size)) == size:
            block = rest + more
            cut = _last(seam, block)
            if cut:
                yield block[:cut]
            rest = block[cut:]
        yield rest + more

    def _read(self, size: int) -> bytes:
        pieces = []
        with self._reading():
            while size > 0 and (piece := self.stream.read(size)):
                pieces.append(piece)
                size -= len(piece)
        return b"".join(pieces)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            raise FileFormatError(f"{self.name}: cannot be read to its end: {error}") from error


def count_lines(text: bytes) -> int:
    """Count line ends; five times as fast as bytes.count where lines are short."""
    if not text:  # which NumPy takes for a mistake
        return 0
    plain = np.frombuffer(text, np.uint8)
    pieces = (plain[at : at + _PIECE] for at in range(0, len(plain), _PIECE))
    return sum(int(np.count_nonzero(piece == _LINE_END)) for piece in pieces)


@contextlib.contextmanager
def open_source(path: Any) -> Iterator[Source]:  # noqa: ANN401 - a path or a file that is open
    """Open a file, or standard input for "-", and decompress and decode what is in it.

    Raises
    ------
    FileFormatError
        It cannot be opened, or what is compressed in it is broken or cut off.
    """
    name = "standard input" if path == STDIN else str(getattr(path, "name", path))
    with contextlib.ExitStack() as stack:
        try:
            if path == STDIN:
                if sys.stdin is None:
                    raise FileFormatError(
                        "standard input is closed; pipe something into it, or name a file"
                    )
                raw: Any = sys.stdin.buffer
            elif hasattr(path, "read"):
                raw = path.buffer if hasattr(path, "buffer") else path
                raw = io.BytesIO(raw.read().encode()) if isinstance(raw, io.TextIOBase) else raw
            else:
                raw = stack.enter_context(Path(path).open("rb"))
            # standard input may be a bare stream, which cannot be looked at beforehand
            plain = raw if hasattr(raw, "peek") else io.BufferedReader(raw)
            stream = _decompressed(plain, plain.peek(6))
        except OSError as error:
            raise FileFormatError(f"{name}: cannot be opened: {error.strerror}") from error
        is_file = isinstance(path, (str, os.PathLike)) and path != STDIN and stream is plain
        buffered = io.BufferedReader(stream, _PIECE)
        stack.callback(buffered.detach)  # or it would be closed, be it standard input
        yield Source(buffered, name, os.fspath(path) if is_file else None)


def _last(seam: re.Pattern[bytes], block: bytes) -> int:
    """Return where the last seam of a block ends, 0 if there is none."""
    for begin in (max(0, len(block) - _NEAR), 0):
        ends = [found.end() for found in seam.finditer(block, begin)]
        if ends:
            return ends[-1]
    return 0


def _decompressed(raw: Any, start: bytes) -> Any:  # noqa: ANN401 - streams of several libraries
    """Decompress by what the bytes say, for a suffix may be wrong."""
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(raw)
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    return raw


def _decoded(stream: io.BufferedReader) -> IO[bytes]:
    """Leave out a mark of UTF-8, and make UTF-8 of UTF-16, as PowerShell's > writes it."""
    head = stream.peek(4)[:4]
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return io.BytesIO(stream.read().decode("utf-16").encode())
    elif b"\0\0" in (head[::2], head[1::2]):
        little = head[1::2] == b"\0\0"
        return io.BytesIO(stream.read().decode("utf-16-le" if little else "utf-16-be").encode())
    return stream
