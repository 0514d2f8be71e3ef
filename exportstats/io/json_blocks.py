"""JSON of any size, cut into blocks that Arrow parses.

A block ends where two tasks meet, and that place is found without parsing what is before it. That
is safe, because a wrong cut shows: neither side of it is valid JSON. A block that fails is read
value by value by Python, which knows exactly where a fault is; behind it, blocks are cut again.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from exportstats.errors import FileFormatError
from exportstats.io import records
from exportstats.io.blocks import number, parse_blocks
from exportstats.io.source import BATCH, BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Executor, Future

    from exportstats.io.records import Rows
    from exportstats.io.source import Source

# What parts two blocks (the group is in neither of them). Outside of text, each stands only where
# two tasks of a list meet, for inside a task a key must follow the comma; where two values meet
# that are in no list; and where two lines meet.
_NEXT_TASK = re.compile(rb"\}\s*(,)\s*(?=\{)")
_NEXT_OBJECT = re.compile(rb"\}\s*()(?=\{)")
_NEXT_LINE = re.compile(rb"\n()")
_LIST_END = re.compile(rb"\}\s*(?=\])")

_WINDOW = 2**12  # what Python looks at for a task, at first
_LONGEST_WORD = 16  # how near the end of a window a fault may only be that of a word cut in two
_MARK = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
_BLANKS = re.compile(rb"[ \t\n\r]*")
_PAGE = re.compile(r'\{\s*"exportTasks"')
_DECODER = json.JSONDecoder()


def is_lines(head: bytearray) -> bool:
    """Tell by its beginning whether a text has a task a line, even if its first line is broken."""
    lines = (line for line in head.decode("utf-8", "replace").split("\n") if line.strip())
    first, second = next(lines, "").lstrip(), next(lines, "").lstrip()
    more = second.startswith("{")
    if not first.startswith("{"):
        return more and not first.startswith("[")
    try:
        value, end = _DECODER.raw_decode(first)
    except (ValueError, RecursionError):
        return more and not _PAGE.match(first) and not _goes_on(first, second)
    if first[end:].lstrip().startswith("{"):
        return False
    return "exportTasks" not in value and ("taskId" in value or more)


def _goes_on(first: str, second: str) -> bool:
    """Tell whether what the first line begins is still in order where the second begins."""
    try:
        _DECODER.raw_decode(f"{first}\n{second}")
    except json.JSONDecodeError as fault:
        return fault.pos > len(first) + 1
    except (ValueError, RecursionError):
        return False
    return True


def read_lines(source: Source, pool: Executor) -> Iterator[Rows]:
    """Read JSON Lines, a task a line; a line that is broken costs nothing but itself."""
    what, line = f"{source.name}, line", 1
    for parsed in _line_blocks(source, pool):
        rows, lines = parsed.result()
        yield number(rows, what, line)
        line += lines


def _line_blocks(source: Source, pool: Executor) -> Iterator[Future[tuple[Rows, int]]]:
    """Give each block, as it will be parsed; while some are, the next ones are read already."""
    size = BATCH
    before: list[Future[tuple[Rows, int]]] = []
    while have := source.fill(size):
        stop = len(source.data) if source.ended else None
        blocks = parse_blocks(source, pool, _read_lines, _NEXT_LINE, stop=stop, longer=True)
        yield from before
        before = [parsed for parsed, _ in blocks]
        source.take(sum(length for _, length in blocks))
        size = BATCH if blocks else 2 * have  # a line may be longer than all of it
    yield from before


def _read_lines(block: bytes, name: Callable[[int], str]) -> tuple[Rows, int]:
    rows = records.read_lines(block, name)
    plain = rows.numbers is None and not rows.refused
    return rows, len(rows.table) if plain else records.count_lines(block)


def read_values(source: Source, pool: Executor) -> Iterator[Rows]:
    """Read pages, lists of tasks, or tasks, one after another.

    Raises
    ------
    FileFormatError
        It is no JSON, or JSON of something else.
    """
    return _Reader(source, pool).values()


class _Reader:
    """Reads the values of one text: block by block where it can, else value by value."""

    def __init__(self, source: Source, pool: Executor) -> None:
        self._source = source
        self._pool = pool
        self._count = 0
        self._trusting = True  # that what looks like the end of a list is not text in a task

    def values(self) -> Iterator[Rows]:
        source = self._source
        while mark := self._next():
            start, failed = source.taken, 0
            if mark == "{":
                stop = len(source.data) if source.ended else None
                failed = yield from self._blocks(records.read_objects, _NEXT_OBJECT, stop)
            if failed or source.taken == start:
                yield from self._value()
                while source.taken < failed and self._next():
                    yield from self._value()

    def _value(self) -> Iterator[Rows]:
        mark = self._next()
        if mark == "[":
            return self._list()
        if mark == "{":
            return self._object()
        raise self._source.fault("no task, page or list of tasks begins here")

    def _object(self) -> Iterator[Rows]:
        """Read a page or a task, its members one by one, for a page's tasks may be many."""
        start = self._source.place()
        members: dict[str, Any] = {}
        self._expect("{")
        while self._next() != "}":
            if members:
                self._expect(",")
            if self._next() != '"':
                raise self._source.fault("not JSON: a key in double quotes is expected")
            key = self._decode()
            self._expect(":")
            if key == "exportTasks" and self._next() == "[":
                yield from self._list()
                members[key] = []
            else:
                members[key] = self._decode()
        self._expect("}")
        if members.get("exportTasks") not in (None, []):
            raise FileFormatError(f"{start}: the exportTasks of this object is no list")
        if "exportTasks" not in members:
            if "taskId" not in members:
                raise FileFormatError(f"{start}: this object is neither a page of tasks nor a task")
            yield self._numbered(records.read_decoded([members], str))

    def _list(self) -> Iterator[Rows]:
        source = self._source
        self._expect("[")
        while self._next() != "]":
            start, stop = source.taken, None
            if self._trusting and b"]" in source.data:
                end = _LIST_END.search(source.data, source.at)
                stop = end.end() if end else None
            failed = yield from self._blocks(
                records.read_list, _NEXT_TASK, stop, wrapping=records.IN_LIST
            )
            if failed and not self._trusting:
                failed = source.taken + BATCH  # so that most of the time is not spent on failing
            if failed or source.taken == start:
                yield from self._one_by_one(failed)
            self._trusting = self._trusting and not failed
        self._expect("]")

    def _one_by_one(self, until: int) -> Iterator[Rows]:
        """Read at least one value of a list, and on to where it ends or so many bytes are taken."""
        more = True
        while more:
            values = self._decode_some() or [self._decode()]
            if self._next() == "]":
                more = False
            else:
                self._expect(",")
                if self._next() == "]":
                    raise self._source.fault("not JSON: a value is expected after the comma")
                more = self._source.taken < until
            yield self._numbered(records.read_decoded(records.unpack(values), str))

    def _blocks(
        self,
        read: Callable[[bytes, Callable[[int], str]], Rows | None],
        between: re.Pattern[bytes],
        stop: int | None,
        wrapping: tuple[bytes, bytes] = (b"", b""),
    ) -> Generator[Rows, None, int]:
        """Read blocks up to one that fails; give where that one ends, as `Source.taken`, or 0."""
        source = self._source
        for parsed, length in parse_blocks(
            source, self._pool, read, between, stop=stop, wrapping=wrapping
        ):
            if (rows := parsed.result()) is None:
                return source.taken + length
            source.take(length)
            yield self._numbered(rows)
        return 0

    def _numbered(self, rows: Rows) -> Rows:
        first = self._count + 1
        self._count += len(rows.table) + len(rows.refused)
        return number(rows, f"{self._source.name}, task", first)

    def _next(self) -> str:
        """Skip blanks; give the character that follows, or "" at the end."""
        source = self._source
        while source.fill(BATCH):
            blanks = _BLANKS.match(source.data, source.at)
            if blanks and blanks.end() > source.at:
                source.take(blanks.end() - source.at)
            if source.at < len(source.data):
                return chr(source.data[source.at])
        return ""

    def _expect(self, mark: str) -> None:
        if self._next() != mark:
            raise self._source.fault(f"not JSON: {mark!r} is expected")
        self._source.take(1)

    def _decode_some(self) -> list[Any]:
        """Take what values of a list a block has before one that is cut off or broken."""
        source = self._source
        values: list[Any] = []
        text, at, end = "", 0, 0
        with contextlib.suppress(ValueError, RecursionError):
            window = source.data[source.at : source.at + BLOCK]
            text, _ = codecs.utf_8_decode(window, "strict", False)
            while True:
                value, after = _DECODER.raw_decode(text, at)
                mark = _MARK.match(text, after)
                if mark is None:
                    break
                values.append(value)
                end = after
                if mark[1] == "]":
                    break
                at = mark.end()
        source.take(len(text[:end].encode()))
        return values

    def _decode(self) -> Any:  # noqa: ANN401 - what JSON can hold
        """Take one value, however long it is."""
        self._next()
        source, size = self._source, _WINDOW
        while True:
            have = source.fill(size)
            whole = source.ended and have <= size
            try:
                window = source.data[source.at : source.at + size]
                text, _ = codecs.utf_8_decode(window, "strict", whole)
                value, end = _DECODER.raw_decode(text)
            except UnicodeDecodeError as fault:
                raise source.fault("not UTF-8", fault.start) from fault
            except json.JSONDecodeError as fault:
                cut_in_two = fault.pos >= len(text) - _LONGEST_WORD or "Unterminated" in fault.msg
                if whole or not cut_in_two:
                    ahead = len(text[: fault.pos].encode())
                    raise source.fault(f"not JSON: {fault.msg}", ahead) from fault
            except (ValueError, RecursionError) as fault:
                raise source.fault(f"not JSON that can be read: {fault}") from fault
            else:
                if whole or end < len(text):  # a number may go on behind the window
                    source.take(len(text[:end].encode()))
                    return value
            size *= 4
