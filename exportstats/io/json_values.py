"""Decode JSON by Python, and read rows from what it holds, key by key.

Keys may have any casing and nesting; what no key means is counted, and what another service or tool
writes is named.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from exportstats.core import coerce
from exportstats.core.schema import DELIVERIES, LOG_GROUPS, TASKS, Table, squeeze
from exportstats.io.rows import Rows, read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

OWN = "own."  # before the user's own columns in our JSON
_SHOWN = 40


def _whole_number(digits: str) -> float:
    """Read a whole number, as a float if it has too many digits for a column."""
    return int(digits) if len(digits.lstrip("-")) < 20 else float(digits)  # noqa: PLR2004 - digits of an int64


DECODER = json.JSONDecoder(parse_int=_whole_number)
_BLANKS = re.compile(r"[ \t\n\r\ufeff]*")  # files put together have a mark where one begins


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
        page = {squeeze(key): of for key, of in value.items()} if isinstance(value, dict) else {}
        found = page.get(kind.member.lower(), page.get("rows") if "columns" in page else None)
        if kind.member.lower() not in page and not isinstance(found, list):
            rows.append(value)
            continue
        before = len(rows)
        if found is not None:  # PowerShell makes an object of a list of one
            rows += _placed(found if isinstance(found, list) else [found], place_of(value))
        pages += ((len(rows) - before, any(page.get(key) for key in ("nexttoken", "marker"))),)
    return rows, pages


def place_of(page: object) -> dict[str, Any]:
    """Return the account and the region that a page names beside its list."""
    if not isinstance(page, dict):
        return {}
    return {
        name: value
        for key, value in page.items()
        if (name := _PLACES.get(squeeze(key))) and value not in (None, "")
    }


def _placed(rows: list[Any], place: dict[str, Any]) -> list[Any]:
    """Add an account and a region to rows that do not name their own."""
    if not place:
        return rows
    return [
        row | {name: value for name, value in place.items() if row.get(name) is None}
        if isinstance(row, dict)
        else row
        for row in rows
    ]


_PLACES = {"account": "account_id", "accountid": "account_id", "region": "region"}


def read_values(values: Sequence[Any], kind: Table, how: coerce.TimesIn = coerce.MILLIS) -> Rows:
    """Read rows that are Python objects, key by key."""
    keys = _Keys(kind)
    found: list[dict[str, Any]] = []
    numbers: list[int] = []
    refused: list[tuple[int, str]] = []
    unused: Counter[str] = Counter()
    for number, value in enumerate(values):
        if not isinstance(value, dict):
            refused.append((number, f"the {kind.row} is not an object but {_shorten(value)}"))
            continue
        row, without = keys.read(value)
        if row.get(kind.id):
            found.append(row)
            numbers.append(number)
            unused.update(without)
        else:
            refused.append((number, _foreign(value, kind)))
    names = dict.fromkeys([kind.id, *(name for row in found for name in row)])
    frame = pd.DataFrame({name: [row.get(name) for row in found] for name in names}, dtype=object)
    rows = read_frame(frame, kind, how)
    return replace(rows.among(np.array(numbers, dtype="int64"), refused), unused=unused)


class _Keys:
    """Read objects whose keys have any casing and nesting."""

    def __init__(self, kind: Table) -> None:
        self._kind = kind
        self._meanings: dict[str, str | None] = {}

    def read(self, value: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the values of the columns, the user's own included, and the unused keys."""
        row: dict[str, Any] = {}
        unused: list[str] = []
        # beside our own column names, other keys are the user's own columns
        self._walk(value, "", row, unused, own=self._kind.id in value)
        if self._kind is LOG_GROUPS:
            _add_place(row, value)
        return row, unused

    def _walk(
        self,
        value: dict[str, Any],
        path: str,
        row: dict[str, Any],
        unused: list[str],
        *,
        own: bool,
    ) -> None:
        for key, inner in value.items():
            if inner is None:
                continue
            where = path + key
            name = self._meaning(where)
            if name is not None and type(inner) is not dict:
                if name and row.get(name) is None:
                    row[name] = inner
            elif where.startswith(OWN) or (own and not path and type(inner) not in (dict, list)):
                row[where.removeprefix(OWN)] = inner
            elif isinstance(inner, dict):
                self._walk(inner, where + ".", row, unused, own=own)
            elif name is None and inner not in ([], ""):
                unused.append(where)

    def _meaning(self, where: str) -> str | None:
        """Return the column of a key, "" for a known key that is not used, None for others."""
        if where not in self._meanings:
            known = squeeze(where)
            column = self._kind.meanings.get(known)
            unused = "" if known in self._kind.meanings else None
            # our name of a length is in milliseconds, AWS's in its own unit
            name = column and (where if column.scale > 1 else column.name)
            self._meanings[where] = name or unused
        return self._meanings[where]


def _add_place(row: dict[str, Any], value: dict[str, Any]) -> None:
    """Add the account and the region of an ARN."""
    for key in ("arn", "logGroupArn", "Arn", "LogGroupArn"):
        parts = str(value.get(key)).split(":")
        if len(parts) > 5:  # noqa: PLR2004 - arn:aws:logs:region:account:log-group:name
            row.setdefault("region", parts[3])
            row.setdefault("account_id", parts[4])


def _foreign(value: dict[str, Any], kind: Table) -> str:
    """Return why an object is not a row: another service's or tool's, or without an identifier."""
    keys = {squeeze(key) for key in value}
    for table in (TASKS, LOG_GROUPS, DELIVERIES):
        if table is not kind and table.member.lower() in keys:
            return f"these are {table.name}; read them with xs.read_{table.name.replace(' ', '_')}"
    for marks, what in _FOREIGN:
        if marks & keys:
            return what
    if (
        {"columns", "index", "data"} <= keys
        or {"schema", "data"} <= keys
        or isinstance(value.get(kind.id), dict)
        or (value and all(isinstance(row, dict) and row.get(kind.id) for row in value.values()))
    ):
        return (
            "what DataFrame.to_json writes, but not as records; write it with "
            f'orient="records" or with xs.write_{kind.name.replace(" ", "_")}'
        )
    if any(column and column.name == kind.id for column in map(kind.meanings.get, keys)):
        return f"no {kind.id}"
    shown = _shorten(", ".join(value))
    return f"neither a page of {kind.name} nor a {kind.row}: no {kind.id} among its keys {shown}"


_LISTS = "`aws logs describe-export-tasks` gives the list that is wanted"
_FOREIGN = (
    (
        {"exporttaskid", "exporttos3task", "exportimagetaskid"},
        f"an export task of EC2, not of CloudWatch Logs; {_LISTS}",
    ),
    ({"exporttaskidentifier"}, f"an export task of RDS, not of CloudWatch Logs; {_LISTS}"),
    (
        {"records", "eventsource", "cloudtrailevent", "events"},
        f"CloudTrail's record of API calls, not a list of tasks; {_LISTS}",
    ),
    ({"stdout", "stdoutlines"}, "the result of an Ansible task; save what its stdout holds"),
)


def _shorten(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
