"""Read and write JSON, in every shape that AWS's tools produce.

A text is a sequence of values: rows, pages of the service, or lists of either. It is cut into
blocks between two objects, and each block is put into the brackets that enclose the whole, so that
a block is JSON of the same shape. A wrong cut is noticed, because the block is not valid; it is
then read together with the next one.

Arrow reads what is exactly as the service writes it, without a Python object per row. What Arrow
refuses is decoded by Python and read key by key: in any casing, nested or flat. Rows that cannot
be read are reported. Both ways give the same table.

Writing adds keys to AWS's own, so that a file reads back as the same table: `accountId`, `region`,
`observedAt`, and `own` for the user's own columns.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from exportstats.core import coerce
from exportstats.core.frames import own_columns
from exportstats.core.schema import TASKS, Table, squeeze
from exportstats.errors import FileFormatError
from exportstats.io.json_values import OWN, decode_each, place_of, read_values, unpack
from exportstats.io.rows import POOL, Rows, dense, is_whole
from exportstats.io.source import BLOCK, count_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor, Future

    from exportstats.io.source import Source

PAGES_AT_ONCE = 100  # about 2 MiB: more would be faster to read, but every target holds so many

_NEXT_LINE = re.compile(rb"\n")
_NEXT_OBJECT = re.compile(rb"\}\s*(?=\{)")
_NEXT_IN_LIST = re.compile(rb"\}\s*,\s*(?=\{)")
_OPENING = re.compile(rb"\s*(?P<list>\[\s*)?(?P<page>\{\s*\"(\w+)\"\s*:\s*\[\s*)?(?=\{)")
_TAIL = 2**12  # no more blanks than this come after a comma, or Arrow does not read the block


class Page(NamedTuple):
    """One answer of the service: its body (or its decoded list), and its time."""

    body: bytes | Sequence[Any]
    observed_at: int  # milliseconds since 1970


def read_json(
    source: Source, kind: Table, how: coerce.TimesIn, pool: Executor, *, has_lines: bool
) -> Iterator[Rows]:
    """Read JSON block by block; `has_lines` says that the file is named as JSON Lines."""
    head = source.head
    if _has_lines(head, named=has_lines):
        yield from _read_lines(source, kind, how, pool)
        return
    opening = _OPENING.match(head)
    before, behind, seam = b"", b"", _NEXT_OBJECT
    member = kind.member.lower()
    if (
        opening
        and opening.group().strip()
        and (opening[3] is None or squeeze(opening[3].decode()) == member)
    ):
        before, seam = opening.group(), _NEXT_IN_LIST
        behind = (b"]}" if opening["page"] else b"") + (b"]" if opening["list"] else b"")
    parse = _Parser(kind, how)
    text, ahead, lines, number, tried, first = b"", b"", 0, 1, 0, True
    blocks = source.blocks(seam, BLOCK)
    for block, last, parsed in _ahead(blocks, pool, parse, before, behind):
        text += block
        if tried or (found := parsed.result()) is None:
            # a wrong cut: double the text each time, so that everything is read at most twice
            tried, found = tried or len(block), None
            if last or len(text) >= 2 * tried:
                tried = len(text)
                whole = _enclosed(text, before, behind, first=first, last=last)
                found = parse(whole, inside=not last and b"}" in behind)
            if found is None:
                if last:
                    raise _fault(source.name, text, b"" if first else before, ahead, lines)
                continue
        if before and parse.placed and not (first and last):
            raise FileFormatError(
                f"{source.name}: an account or a region comes after a list of {kind.name} that is "
                "too long to read at once; put it before the list"
            )
        if b"}" in behind and not last and found.pages:  # the page goes on in the next block
            found = replace(found, pages=(*found.pages[:-1], (found.pages[-1][0], True)))
        yield replace(found, what=f"{source.name}, {kind.row}", first=number)
        number += len(found)
        lines += count_lines(text)
        start = text.rfind(b"\n") + 1
        ahead = text[start:] if start else ahead + text
        text, tried, first = b"", 0, False


def read_pages(pages: Sequence[Page], first: int, kind: Table) -> list[Rows]:
    """Read answers of the service in order; `first` is the number of their first row.

    A body must be a JSON object in which the list is a list, null or missing.
    """
    bodies = [page.body for page in pages if isinstance(page.body, bytes)]
    if len(bodies) == len(pages):
        parsed = _arrow(b"\n".join(bodies), kind, is_page=True)
        if parsed is not None and parsed.num_rows == len(pages):
            column = parsed[kind.member].combine_chunks()
            counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
            table = _flat(pa.Table.from_struct_array(column.flatten()), kind)
            if is_whole(table, kind):
                observed = np.repeat([page.observed_at for page in pages], counts)
                rows = Rows(table, kind.row, first)
                return [rows.filled(observed_at=observed)]
    found = []
    for page in pages:
        body = page.body
        values = decode_each(body.decode()) if isinstance(body, bytes) else [{kind.member: body}]
        rows = read_values(unpack(values, kind)[0], kind).filled(observed_at=page.observed_at)
        # the service may add keys at any time, and a warning would not help its users
        found.append(replace(rows, what=kind.row, first=first, unused=Counter()))
        first += len(rows)
    return found


class _Parser:
    """Read a text of complete JSON values; return None if it is anything else.

    `inside` says that the block ends within the list of a page, which was closed to read it.
    """

    def __init__(self, kind: Table, how: coerce.TimesIn) -> None:
        self.kind, self.how = kind, how
        self.placed = False  # whether a page named an account or a region

    def __call__(self, text: bytes, *, inside: bool = False) -> Rows | None:
        kind = self.kind
        table = None
        if self.how == coerce.MILLIS:
            wrapped = text[:64].lstrip()[:1] == b"["
            page = b'{"%s":%s}' % (kind.member.encode(), text) if wrapped else text
            table = _arrow(page, kind)
        if table is not None:
            pages: tuple[tuple[int, bool], ...] = ()
            if kind.member in table.column_names:
                lists = table[kind.member].combine_chunks()
                if not wrapped:
                    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_pylist()
                    pages = tuple(
                        zip(sizes, map(bool, table["nextToken"].to_pylist()), strict=True)
                    )
                table = pa.Table.from_struct_array(lists.flatten())
            flat = _flat(table, kind)
            if is_whole(flat, kind):
                return Rows(flat).paged(pages)
        try:
            values = list(decode_each(text.decode()))
        except (ValueError, RecursionError):
            return None
        end = values[-1] if values else None
        end = end[-1] if isinstance(end, list) and end else end
        if inside and isinstance(end, dict) and kind.member.lower() in map(squeeze, list(end)[:-1]):
            return None
        rows, pages = unpack(values, kind)
        every = chain.from_iterable(one if isinstance(one, list) else [one] for one in values)
        self.placed |= any(map(place_of, every))
        return read_values(rows, kind, self.how).paged(pages)


def _read_lines(source: Source, kind: Table, how: coerce.TimesIn, pool: Executor) -> Iterator[Rows]:
    """Read one value per line; a broken line does not affect the others."""
    parse, line = _Parser(kind, how), 1
    for block, _, parsed in _ahead(source.blocks(_NEXT_LINE, BLOCK), pool, parse, b"", b""):
        found, lines = parsed.result(), count_lines(block)
        ends = lines + (not block.endswith(b"\n"))
        if found is None or found.refused or found.pages or len(found) != ends:
            found = _line_by_line(block, kind, how)
        yield replace(found, what=f"{source.name}, line", first=line)
        line += lines


def _line_by_line(block: bytes, kind: Table, how: coerce.TimesIn) -> Rows:
    values: list[Any] = []
    numbers: list[int] = []
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
            numbers += [number] * len(rows)
            pages += more
    found = read_values(values, kind, how).paged(pages)
    return found.among(np.array(numbers, dtype="int64"), broken)


def _has_lines(head: bytes, *, named: bool) -> bool:
    """Return whether a text has one value per line: half of its lines look like whole objects.

    If the file is named as JSON Lines, they only need to outnumber the lines that do not end a
    value.
    """
    lines = [line.strip() for line in head.splitlines() if line.strip()]
    whole = sum(line.startswith(b"{") and line.endswith(b"}") for line in lines)
    if named:
        return whole >= sum(line.endswith((b",", b"[", b"{")) for line in lines)
    return len(lines) > 1 and 2 * whole >= len(lines)


def _ahead(
    blocks: Iterator[bytes], pool: Executor, parse: _Parser, before: bytes, behind: bytes
) -> Iterator[tuple[bytes, bool, Future[Rows | None]]]:
    """Yield each block, whether it is the last, and its rows, while the next ones are parsed."""
    waiting: deque[tuple[bytes, bool, Future[Rows | None]]] = deque()
    last, first = False, True
    block = next(blocks)
    while not last:
        following = next(blocks, b"")
        last = not following
        text = _enclosed(block, before, behind, first=first, last=last)
        inside = not last and b"}" in behind
        waiting.append((block, last, pool.submit(parse, text, inside=inside)))
        if len(waiting) > 1:  # one is parsed while the next is read
            yield waiting.popleft()
        block, first = following, False
    yield from waiting


def _enclosed(block: bytes, before: bytes, behind: bytes, *, first: bool, last: bool) -> bytes:
    """Enclose a block in the brackets that enclose the whole text."""
    if not behind:
        return block
    tail = block[-_TAIL:]  # so that the block is copied once
    end = len(block) - len(tail) + len(tail.rstrip().removesuffix(b","))
    with memoryview(block) as whole:
        return b"".join((b"" if first else before, whole[:end], b"" if last else behind))


def _arrow(text: bytes, kind: Table, *, is_page: bool = False) -> pa.Table | None:
    """Read objects exactly as the service or our writer writes them; return None for others."""
    start = text.lstrip()[:64]
    if start[:1] != b"{":  # Arrow's reader crashes on a leading null
        return None
    try:
        if not text.isascii():
            text.decode()  # Arrow's reader does not check that text is UTF-8
    except UnicodeDecodeError:
        return None
    is_page = is_page or re.match(rb'\{\s*"%s"' % kind.member.encode(), start) is not None
    # Looking for our keys takes a tenth of the time. An attempt without them costs nothing if they
    # are there, because the first one ends it.
    for ours in (False, True):
        with suppress(pa.ArrowException):
            return pj.read_json(
                pa.BufferReader(text),
                memory_pool=POOL,
                read_options=pj.ReadOptions(block_size=len(text), use_threads=False),
                parse_options=pj.ParseOptions(
                    explicit_schema=_expected(kind, is_page=is_page, ours=ours),
                    newlines_in_values=True,
                    unexpected_field_behavior="error",
                ),
            )
    return None


@cache
def _expected(kind: Table, *, is_page: bool, ours: bool) -> pa.Schema:
    """Return the schema of a row, or of a page, with our keys or without them."""
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
    "time": pa.int64(),
    "length": pa.int64(),
    "count": pa.int64(),
    "rate": pa.float64(),
}


def _nested(fields: dict[str, Any]) -> pa.StructType:
    return pa.struct(
        [(key, _nested(of) if isinstance(of, dict) else of) for key, of in fields.items()]
    )


def _flat(rows: pa.Table, kind: Table) -> pa.Table:
    """Return the base columns of rows that are nested as AWS nests them."""
    flat = rows.flatten()
    have = dict(zip(flat.column_names, flat.columns, strict=True))
    arrays = {column.name: have.get(column.json) for column in kind.base}
    for column in kind.base:
        if column.kind == "length" and (array := arrays[column.name]) is not None:
            arrays[column.name] = pc.multiply(array, column.scale)
    return dense(arrays, len(flat), kind)


def _fault(name: str, text: bytes, before: bytes, ahead: bytes, lines: int) -> FileFormatError:
    """Return the error that names the place where a text stops being JSON.

    `before` encloses the text, `ahead` precedes it in its line, and `lines` precede that line.
    """
    what, at = "not JSON that can be read", 0
    whole = before + text
    try:
        list(decode_each(whole.decode()))
    except UnicodeDecodeError as fault:
        what, at = "not UTF-8", fault.start
    except json.JSONDecodeError as fault:
        what, at = f"not JSON: {fault.msg}", len(whole.decode()[: fault.pos].encode())
    except RecursionError as fault:
        what = f"not JSON that can be read: {fault}"
    good = ahead + whole[len(before) : max(at, len(before))]
    line = lines + good.count(b"\n") + 1
    column = len(good[good.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    return FileFormatError(f"{name}, line {line}, column {column}: {what}")


def to_json(rows: pd.DataFrame, kind: Table = TASKS) -> Iterator[dict[str, Any]]:
    """Yield each row in AWS's shape with our keys, without missing values."""
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
    """Return values for JSON: times of the table in milliseconds, None for missing values."""
    plain = values
    if scale is None:
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            plain = coerce.iso_text(values)
    elif isinstance(values.dtype, pd.DatetimeTZDtype):
        plain = pd.Series(coerce.millis(values), index=values.index)
    elif values.dtype.kind == "m":
        plain = pd.Series(values.to_numpy("m8[ms]").view("i8") // scale, index=values.index)
    return plain.astype(object).where(values.notna(), None).tolist()
