"""Decode JSON with Python, and read rows key by key.

Keys may have any casing and nesting. Unknown keys are counted, and the output of other services and
tools is recognised.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.conversion import object_of
from exportstats.core.schema import API_CALLS, LOG_GROUPS, TABLES, TASKS, Table, squeeze
from exportstats.io.rows import Rows, read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

OWN = "own."  # the prefix of the user's own columns in our JSON
_SHOWN = 40
_squeezed = lru_cache(maxsize=1000)(squeeze)


def _whole_number(digits: str) -> float:
    """Read a whole number, as a float if it has too many digits for a column."""
    return int(digits) if len(digits.lstrip("-")) < 20 else float(digits)  # noqa: PLR2004 - digits of an int64


DECODER = json.JSONDecoder(parse_int=_whole_number)
_BLANKS = re.compile(r"[ \t\n\r\ufeff]*")  # concatenated files contain byte order marks


def decode_each(text: str) -> Iterator[Any]:
    """Decode values that are separated by blanks."""
    at = _BLANKS.match(text, 0).end()  # type: ignore[union-attr] # it matches anywhere
    while at < len(text):
        value, at = DECODER.raw_decode(text, at)
        yield value
        at = _BLANKS.match(text, at).end()  # type: ignore[union-attr]


def unpack(
    values: Iterable[Any], kind: Table, *, deeper: bool = True
) -> tuple[list[Any], tuple[tuple[int, bool], ...]]:
    """Return the rows in values, pages and lists, and the `pages` of `Rows`."""
    rows: list[Any] = []
    pages: tuple[tuple[int, bool], ...] = ()
    for value in values:
        if isinstance(value, list) and deeper:
            inner, more = unpack(value, kind, deeper=False)
            rows += inner
            pages += more
            continue
        page = {_squeezed(key): of for key, of in value.items()} if isinstance(value, dict) else {}
        lists = [key for key in map(str.lower, (kind.member, *kind.pages)) if key in page]
        found = page.get(lists[0] if lists else "rows" if "columns" in page else "")
        if not lists and not isinstance(found, list):
            rows.append(value)
            continue
        # PowerShell writes a list of one item as an object
        inner = found if isinstance(found, list) else [found] * (found is not None)
        place = {"account_id": page.get("accountid") or page.get("account")}
        place |= {"region": page.get("region")}
        rows += [_placed(row, place) for row in inner] if any(place.values()) else inner
        pages += ((len(inner), any(page.get(key) for key in ("nexttoken", "marker"))),)
    return rows, pages


def _placed(row: Any, place: dict[str, Any]) -> Any:  # noqa: ANN401 - a value of JSON
    """Add the account and the region of a page to a row that does not name its own."""
    if not isinstance(row, dict):
        return row
    has = {squeeze(key) for key, value in row.items() if value is not None}
    return row | {name: text for name, text in place.items() if text and squeeze(name) not in has}


def read_values(values: Sequence[Any], kind: Table, how: coerce.TimesIn = coerce.MILLIS) -> Rows:
    """Read rows that are Python objects, key by key."""
    cells: dict[str, dict[int, Any]] = {kind.id: {}}
    left_out: dict[int, str | None] = {}
    if kind is API_CALLS:
        from exportstats.io.trail import rows_of  # noqa: PLC0415 - only needed for API calls

        values, left_out = rows_of(values)
    for number, value in enumerate(values):
        if isinstance(value, dict):
            own = kind.id in value  # with our column names, unknown keys are own columns
            _collect(cells, number, value, kind, own=own)
    if kind is LOG_GROUPS:
        _add_places(cells)
    named = {
        number
        for key, found in cells.items()
        if (column := kind.meanings.get(squeeze(key))) and column.name == kind.id
        for number, value in found.items()
        if value
    }
    if kind is LOG_GROUPS:  # tasks have the name of one
        named -= {row for key in cells if squeeze(key) == "taskid" for row in cells[key]}
    numbers = np.array(sorted(named), dtype="int64")
    refused = [
        (number, left_out.get(number) or _describe_foreign(value, kind))
        for number, value in enumerate(values)
        if number not in named and left_out.get(number, "") is not None
    ]
    used = {
        key.removeprefix(OWN): found
        for key, found in cells.items()
        if kind.meanings.get(squeeze(key)) or (key.startswith(OWN) and not named.isdisjoint(found))
    }
    unused = {
        key: sum(number in named and value not in ("", []) for number, value in found.items())
        for key, found in cells.items()
        if not key.startswith(OWN) and squeeze(key) not in kind.meanings
    }
    frame = pd.DataFrame(
        {key: [found.get(number) for number in numbers.tolist()] for key, found in used.items()},
        dtype=object,
    )
    rows = read_frame(frame, kind, how).renumbered(numbers, refused)
    return replace(rows, unused=+Counter(unused))


def _collect(
    cells: dict[str, dict[int, Any]],
    number: int,
    value: dict[str, Any],
    kind: Table,
    *,
    own: bool = False,
    path: str = "",
) -> None:
    """Add the cells of an object; a nested key has a dot."""
    for key, found in value.items():
        inner = object_of(found) if _squeezed(key) in kind.nested else found
        if isinstance(inner, dict):
            _collect(cells, number, inner, kind, path=f"{path}{key}.")
        elif inner is not None:
            where = path + key
            column = kind.meanings.get(_squeezed(where))
            if inner == "NaT" and column and column.kind == "time":
                continue  # as json.dump(default=str) writes pandas' missing time
            if own and not isinstance(inner, list) and _squeezed(where) not in kind.meanings:
                where = OWN + where
            cells.setdefault(where, {})[number] = inner


def _add_places(cells: dict[str, dict[int, Any]]) -> None:
    """Add the account and the region of ARNs to rows that do not name them."""
    arns = [cells[key] for key in cells if squeeze(key) in ("arn", "loggrouparn")]
    for name, at in (("region", 3), ("account_id", 4)):
        known = {row for key in cells if squeeze(key) == squeeze(name) for row in cells[key]}
        for number, arn in (pair for found in arns for pair in found.items()):
            parts = str(arn).split(":")  # arn:aws:logs:region:account:log-group:name
            if len(parts) > at + 1 and number not in known:
                cells.setdefault(name, {})[number] = parts[at]


def _describe_foreign(value: object, kind: Table) -> str:
    """Return why a value is not a row: it is of another service or tool, or has no identifier."""
    if not isinstance(value, dict):
        return f"the {kind.row} is not an object but {_shorten(value)}"
    keys = {squeeze(key) for key in value}
    for table in TABLES.values():
        is_task = kind is LOG_GROUPS and table is TASKS and "taskid" in keys
        if is_task or (table is not kind and table.member.lower() in keys):
            return f"these are {table.name}; read them with xs.read_{table.identifier}"
    inner = [item for of in value.values() if isinstance(of, list) for item in of[:1]]
    inner_keys = {squeeze(key) for item in inner if isinstance(item, dict) for key in item}
    for marks, what in _FOREIGN.items():
        if (keys | inner_keys).intersection(marks):
            return what
    if (
        {"columns", "index", "data"} <= keys
        or {"schema", "data"} <= keys
        or isinstance(value.get(kind.id), dict)
        or (value and all(isinstance(row, dict) and row.get(kind.id) for row in value.values()))
    ):
        return (
            'this is DataFrame.to_json without orient="records"; use that, or '
            f"xs.write_{kind.identifier}"
        )
    if any(column and column.name == kind.id for column in map(kind.meanings.get, keys)):
        return f"no {kind.id}"
    shown = _shorten(", ".join(value))
    return f"neither a page of {kind.name} nor {kind.one}: no {kind.id} among its keys {shown}"


_LISTS = f"use the output of `{TASKS.command}`"
_FOREIGN = {
    ("exporttaskid", "exporttos3task", "exportimagetaskid"): (
        f"an export task of EC2, not of CloudWatch Logs; {_LISTS}"
    ),
    ("exporttaskidentifier",): f"an export task of RDS, not of CloudWatch Logs; {_LISTS}",
    ("eventsource", "eventname", "cloudtrailevent"): (
        "a CloudTrail record of API calls; read it with xs.read_api_calls"
    ),
    ("digeststarttime",): "a digest of CloudTrail, which has no API calls; use the trail's files",
    ("stdout", "stdoutlines"): "the result of an Ansible task; save only its stdout",
}


def _shorten(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
