"""JSON of any size, cut into blocks that Arrow parses one by one.

A block is cut where two tasks meet, without parsing what is before. That is safe, because a wrong
cut shows: what stands on either side of it is no valid JSON. A block that Arrow or a cut fails on
is read value by value by Python, which knows exactly where a fault is, and goes back to blocks
behind it.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from exportstats import records
from exportstats.loaders.source import BATCH, BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Executor

    from exportstats.errors import FileFormatError
    from exportstats.loaders.source import Source
    from exportstats.records import Rows

    Read = Callable[[bytes, Callable[[int], str]], Rows | None]

# Outside of text these stand where two tasks of a list meet (inside a task a key must follow the
# comma), where two values meet that are in no list, and where a list ends.
_NEXT_TASK = re.compile(rb"\}(\s*,\s*)\{")
_NEXT_OBJECT = re.compile(rb"\}(\s*)\{")
_LIST_END = re.compile(rb"\}(\s*)\]")

_BLANKS = re.compile(rb"[ \t\n\r]*")
_PAGE = re.compile(rb'\s*\{\s*"exportTasks"')
_DECODER = json.JSONDecoder()
_WINDOW = 2**12  # a task or two
_LONGEST_TOKEN = 16  # of those that are no text; a number may be longer, but parses when cut off


def is_lines(head: bytes) -> bool:
    """Tell from its beginning whether a text has a task a line, even if the first is broken."""
    lines = (line for line in head.split(b"\n") if line.strip())
    first, second = next(lines, b""), next(lines, b"")
    if _PAGE.match(first) or first.lstrip()[:1] == b"[":
        return False
    try:
        value = json.loads(first)
    except (ValueError, RecursionError) as fault:
        if not second.lstrip().startswith(b"{"):
            return False
        # if the first line only goes on in the second one, the fault is further on
        return _fault_at(first + b"\n" + second) <= len(first) + 1 or not isinstance(
            fault, json.JSONDecodeError
        )
    return isinstance(value, dict) and "exportTasks" not in value and ("taskId" in value or bool(second))
