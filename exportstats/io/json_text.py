"""Read and write JSON, in every shape that AWS's tools produce.

A text is a sequence of values: rows, pages of the service, or lists of either. JSON Lines and large
pages are read in blocks, other texts as a whole. Arrow reads rows that are exactly as the service
or `to_json` writes them, without a Python object per row. Other rows are decoded by Python and read
key by key (`json_values`). Both ways return the same rows.

Writing adds keys to AWS's own, so that a file reads back as the same table: `accountId`, `region`,
`observedAt`, and `own` for the user's own columns.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from exportstats.core import coerce
from exportstats.core.conversion import own_columns
from exportstats.core.schema import API_CALLS, TASKS, Table
from exportstats.errors import FileFormatError
from exportstats.io.json_values import OWN, decode_each, read_values, unpack
from exportstats.io.rows import POOL, Rows, fitted
from exportstats.io.source import count_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from exportstats.io.source import Source

PAGES_AT_ONCE = 100  # about 2 MiB; more are faster to read, but every target keeps this many


class Page(NamedTuple):
    """One answer of the service: its body or decoded list, and its time."""

    body: bytes | Sequence[Any]
    observed_at: int  # milliseconds since 1970


def read_json(
    source: Source, kind: Table, how: coerce.TimesIn, pool: Executor, *, has_lines: bool
) -> Iterator[Rows]:
    """Read JSON; `has_lines` says that the file is named as JSON Lines."""
    if not _has_lines(source.head, named=has_lines):
        if kind is API_CALLS:
            from exportstats.io.trail import read_trail  # noqa: PLC0415 - only needed for API calls

            if (calls := read_trail(source)) is not None:
                yield replace(calls, what=f"{source.name}, {kind.row}")
                return
        parts: list[Rows] = []
        for block in _blocks(source, kind):
            if (part := _read_exact(block, kind, how)) is None:
                rows, pages = unpack(_decode(source.read_whole(), source.name), kind)
                parts = [read_values(rows, kind, how).with_pages(pages)]
                break
            parts.append(part)
        first = 1
        for part in parts:
            pages = part.pages
            if part is not parts[-1]:  # its last page continues in the next block
                pages = (*pages[:-1], (pages[-1][0], True))
            yield replace(part, what=f"{source.name}, {kind.row}", first=first, pages=pages)
            first += len(part)
        return
    parse = partial(_read_lines, kind=kind, how=how)
    blocks = (pool.submit(parse, block) for block in source.blocks())
    line, waiting = 1, deque(islice(blocks, 2))
    while waiting:
        parsed, lines = waiting.popleft().result()
        waiting += islice(blocks, 1)  # parsed meanwhile; more blocks are not faster
        yield replace(parsed, what=f"{source.name}, line", first=line)
        line += lines


def read_pages(pages: Sequence[Page], first: int, kind: Table) -> list[Rows]:
    """Read answers of the service in order; `first` is the number of their first row.

    A body must be a JSON object whose list is an array, null or missing.
    """
    bodies = [page.body for page in pages if isinstance(page.body, bytes)]
    rows = _read_exact(b"\n".join(bodies), kind, is_page=True)
    if rows is not None and len(rows.pages) == len(pages):
        observed = np.repeat([page.observed_at for page in pages], [size for size, _ in rows.pages])
        return [replace(rows, what=kind.row, first=first, pages=()).filled(observed_at=observed)]
    values: list[Any] = []
    times: list[int] = []
    for page in pages:
        body = page.body
        lists = decode_each(body.decode()) if isinstance(body, bytes) else [{kind.member: body}]
        values += unpack(lists, kind)[0]
        times += [page.observed_at] * (len(values) - len(times))
    rows = read_values(values, kind)
    # the service may add keys at any time, so they are not worth a warning
    rows = replace(rows, what=kind.row, first=first, unused=Counter())
    return [rows.filled(observed_at=np.array(times, dtype="int64")[rows.numbers])]


def _blocks(source: Source, kind: Table) -> Iterator[bytes]:
    """Split a large page between rows, to use less memory; yield other texts whole.

    Arrow refuses the parts if a text within a row looked like the end of the row.
    """
    key = b'"%s"' % kind.member.encode()
    opening = re.match(rb"\s*\{\s*%s\s*:\s*\[(\s*)\{" % key, source.head)
    if not (opening and source.rewinds):
        yield source.read_whole()
        return
    before, seam = b"", b"},%s{" % opening[1]
    parts: list[bytes | memoryview] = []
    for block in source.blocks():
        if (end := block.rfind(seam)) < 0:
            parts.append(block)
            continue
        yield b"".join([before, *parts, memoryview(block)[: end + 1], b"]}"])
        before, parts = b"{%s:[" % key, [memoryview(block)[end + 2 :]]
    yield b"".join([before, *parts])


def _read_lines(block: bytes, kind: Table, how: coerce.TimesIn) -> tuple[Rows, int]:
    """Read one value per line, and count the lines. A broken line does not affect the others."""
    found = _read_exact(block, kind, how)
    lines = count_lines(block) + (not block.endswith(b"\n"))
    if found is not None and len(found.pages or found.table) == lines:
        sizes = [size for size, _ in found.pages]
        numbers = np.repeat(np.arange(lines), sizes) if sizes else None
        return replace(found, numbers=numbers), lines
    values: list[Any] = []
    numbers_of: list[int] = []
    broken: list[tuple[int, str]] = []
    pages: tuple[tuple[int, bool], ...] = ()
    for number, line in enumerate(block.split(b"\n")):
        try:
            rows, more = unpack(list(decode_each(line.decode())), kind)
        except UnicodeDecodeError as fault:
            broken.append((number, f"not UTF-8 at byte {fault.start + 1} of the line"))
        except json.JSONDecodeError as fault:
            broken.append((number, f"not JSON: {fault.msg} at column {fault.colno}"))
        except (ValueError, RecursionError) as fault:
            broken.append((number, f"not JSON that can be read: {fault}"))
        else:
            values += rows
            numbers_of += [number] * len(rows)
            pages += more
    found = read_values(values, kind, how).with_pages(pages)
    return found.renumbered(np.array(numbers_of, int), broken), lines


def _has_lines(head: bytes, *, named: bool) -> bool:
    """Return whether a text has one value per line, that is, half of its lines look like objects.

    If the suffix is that of JSON Lines, there must only be more of these than of lines that end
    within a value.
    """
    if not named and b"\n" not in head.rstrip():
        return False
    lines = [line.strip() for line in head.splitlines() if line.strip()]
    whole = sum(line.startswith(b"{") and line.endswith(b"}") for line in lines)
    if named:
        return whole >= sum(line.endswith((b",", b"[", b"{")) for line in lines)
    return len(lines) > 1 and 2 * whole >= len(lines)


def _decode(text: bytes, name: str) -> list[Any]:
    """Decode all values of a text; an error names the place that is not JSON."""
    what, at = "not JSON that can be read", 0
    try:
        return list(decode_each(text.decode()))
    except UnicodeDecodeError as fault:
        what, at = "not UTF-8", fault.start
    except json.JSONDecodeError as fault:
        rest = fault.doc[fault.pos :]
        what, at = f"not JSON: {fault.msg}", len(fault.doc[: fault.pos].encode())
        if not rest.strip() or fault.msg.startswith("Unterminated"):
            what += "; the file ends within a value, so fetch or copy it again"
        elif rest[0] == "'":
            what += "; it looks like Python's repr, so write it with json.dump"
    except (ValueError, RecursionError) as fault:
        what += f": {fault}"
    above, _, ahead = (b"\n" + text[:at]).rpartition(b"\n")
    line, column = above.count(b"\n") + 1, len(ahead.decode("utf-8", "replace")) + 1
    raise FileFormatError(f"{name}, line {line}, column {column}: {what}")


def _read_exact(
    text: bytes, kind: Table, how: coerce.TimesIn = coerce.MILLIS, *, is_page: bool = False
) -> Rows | None:
    """Read rows exactly as the service or `to_json` writes them; return None for others."""
    start = text[:64].lstrip()
    if is_list := start[:1] == b"[":
        text, is_page = b'{"%s":%s}' % (kind.member.encode(), text), True
    # Arrow's reader crashes on a leading null, and does not check that text is UTF-8
    if how != coerce.MILLIS or start[:1] not in (b"{", b"[") or not _is_utf8(text):
        return None
    is_page = is_page or re.match(rb'\{\s*"%s"' % kind.member.encode(), start) is not None
    # Looking for our own keys takes a tenth of the time, so they are only expected in a second
    # attempt. The first one ends early if there are any.
    for ours in (False, True):
        with suppress(pa.ArrowException, OverflowError):  # OverflowError: more than 2 GiB
            table = pj.read_json(
                pa.BufferReader(text),
                memory_pool=POOL,
                read_options=pj.ReadOptions(block_size=len(text), use_threads=False),
                parse_options=pj.ParseOptions(
                    explicit_schema=_expected(kind, is_page=is_page, ours=ours),
                    newlines_in_values=True,
                    unexpected_field_behavior="error",
                ),
            )
            break
    else:
        return None
    pages: tuple[tuple[int, bool], ...] = ()
    if is_page:
        lists = table[kind.member].combine_chunks()
        if not is_list:
            sizes = pc.fill_null(pc.list_value_length(lists), 0).to_pylist()
            pages = tuple(zip(sizes, map(bool, table["nextToken"].to_pylist()), strict=True))
        table = pa.Table.from_struct_array(lists.flatten())
    flat = table.flatten()
    have = dict(zip(flat.column_names, flat.columns, strict=True))
    arrays = {column.name: have.get(column.json) for column in kind.base}
    for column in kind.base:
        if column.scale > 1 and (days := arrays[column.name]) is not None:
            arrays[column.name] = pc.multiply(days, column.scale)
    made = fitted(arrays, len(flat), kind)
    return None if made is None else Rows(made).with_pages(pages)


def _is_utf8(text: bytes) -> bool:
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


@cache
def _expected(kind: Table, *, is_page: bool, ours: bool) -> pa.Schema:
    """Return the schema of a row or of a page, with or without our own keys."""
    fields: dict[str, Any] = {}
    for column in kind.base:
        if not (column.aws or ours):
            continue
        *outer, last = column.json.split(".")
        place = fields
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = _PLAIN.get(column.kind, pa.string())
    row = _nested(fields)
    if is_page:
        return pa.schema([(kind.member, pa.list_(row)), ("nextToken", pa.string())])
    return pa.schema(list(row))


_PLAIN = {
    "text": pa.large_string(),
    **dict.fromkeys(("time", "length", "count"), pa.int64()),
    "rate": pa.float64(),
}


def _nested(fields: dict[str, Any]) -> pa.StructType:
    return pa.struct(
        [(key, _nested(of) if isinstance(of, dict) else of) for key, of in fields.items()]
    )


def to_json(rows: pd.DataFrame, kind: Table = TASKS) -> Iterator[dict[str, Any]]:
    """Yield each row in AWS's shape with our own keys, without missing values."""
    paths = {column.name: column.json.split(".") for column in kind.base}
    paths |= {name: [OWN[:-1], name] for name in own_columns(map(str, rows.columns), kind)}
    scales = {column.name: column.scale for column in kind.base}
    columns = [_to_list(rows[name], scales.get(name)) for name in paths]
    for values in zip(*columns, strict=True):
        row: dict[str, Any] = {}
        for (*outer, last), value in zip(paths.values(), values, strict=True):
            if value is None:
                continue
            place = row
            for key in outer:
                place = place.setdefault(key, {})
            place[last] = value
        yield row


def _to_list(values: pd.Series, scale: int | None) -> list[Any]:
    """Return values for JSON: the table's times in milliseconds, missing values as None."""
    plain = values
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        plain = pd.Series(coerce.millis(values), values.index) if scale else coerce.iso_text(values)
    elif scale and values.dtype.kind == "m":
        plain = pd.Series(values.to_numpy("m8[ms]").view("i8") // scale, index=values.index)
    return plain.astype(object).where(values.notna(), None).tolist()
