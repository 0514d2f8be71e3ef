"""Text cut into blocks, which several threads parse."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from exportstats.io.source import BLOCK

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from exportstats.io.records import Rows
    from exportstats.io.source import Source

_Made = TypeVar("_Made")

_NEAR = 2**13  # how far from the end of a block a place to cut it is nearly always found


def parse_blocks(
    source: Source,
    pool: Executor,
    read: Callable[[bytes, Callable[[int], str]], _Made],
    between: re.Pattern[bytes],
    *,
    stop: int | None,
    longer: bool = False,
    wrapping: tuple[bytes, bytes] = (b"", b""),
) -> list[tuple[Future[_Made], int]]:
    """Cut what is at hand and parse it; give what `read` will make of each block, and its length.

    Parameters
    ----------
    source
        It has at hand what is to be cut, and nothing is taken from it.
    pool
        Where `read` is called. Arrow's parsers let go of the interpreter, so threads help.
    read
        It is given a block, and what to name rows by.
    between
        What parts two blocks; its group is in neither of them.
    stop
        Where in `source.data` the last block ends; None leaves what is not a whole block.
    longer
        Whether the last block may be longer than others, if there is no place to cut it.
    wrapping
        What to put before and behind each block, done here because a copy more would cost a
        tenth of the time.
    """
    places = list(_cut(source.data, source.at, between, stop, longer=longer))
    before, behind = wrapping
    with memoryview(source.data) as data:
        blocks = [b"".join((before, data[start:end], behind)) for start, end, _ in places]
    return [
        (pool.submit(read, block, str), after - start)
        for block, (start, _, after) in zip(blocks, places, strict=True)
    ]


def number(rows: Rows, what: str, first: int) -> Rows:
    """Name rows by numbers that go on from block to block."""
    return replace(rows, name=lambda row: f"{what} {first + row}")


def _cut(
    data: bytearray, at: int, between: re.Pattern[bytes], stop: int | None, *, longer: bool
) -> Iterator[tuple[int, int, int]]:
    """Give where blocks begin, where they end, and where the next ones begin."""
    end = len(data) if stop is None else stop
    while end - at > BLOCK and (found := _last(between, data, at, at + BLOCK)):
        yield at, found.start(1), found.end(1)
        at = found.end(1)
    if stop is not None and at < stop and (longer or stop - at <= BLOCK):
        yield at, stop, stop


def _last(
    pattern: re.Pattern[bytes], data: bytearray, start: int, stop: int
) -> re.Match[bytes] | None:
    """Find the last place where a pattern matches."""
    found = None
    for begin in (max(start, stop - _NEAR), start):
        for found in pattern.finditer(data, begin, stop):  # noqa: B007 - the last is wanted
            pass
        if found:
            break
    return found
