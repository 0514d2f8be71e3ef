"""Reading tables: their shape, their groups, and names for these."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.charts.words import shorten_apart
from exportstats.core import frames
from exportstats.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LITTLE_ROOM = 24  # characters
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+){1,2}-\d", re.ASCII)


def require(
    table: object,
    *,
    maker: str,
    part: str = "",
    columns: Sequence[str | tuple[str, str]] = (),
    levels: Sequence[str] = (),
) -> None:
    """Check that a table has the shape that `maker` returns; see `frames.require`."""
    remedy = f"this chart draws {f'the table {part} that' if part else 'what'} {maker} returns"
    frames.require(table, "table", remedy, columns=dict.fromkeys(columns), levels=levels)


def quantiles_of(table: pd.DataFrame, maker: str) -> dict[str, float]:
    """Return the percentage of each quantile column, such as `p99.9`.

    Raises
    ------
    SchemaError
        If there is no such column.
    """
    names = [(name, re.fullmatch(r"p(\d+(?:\.\d+)?)", str(name))) for name in table.columns]
    found = {name: float(match[1]) for name, match in names if match}
    if not found:
        raise SchemaError(
            f"there is no quantile column such as p50; this chart draws what {maker} returns"
        )
    return found


def group_rows(table: pd.DataFrame, inner: Sequence[str] = ()) -> tuple[np.ndarray, pd.DataFrame]:
    """Assign a number to each group, in order of appearance.

    Parameters
    ----------
    table
        A table whose index has any number of levels to group by.
    inner
        Index levels not to group by.

    Returns
    -------
    numbers, groups
        The group number of each row, and a frame with a row for each group and a column for each
        level.
    """
    outer = [place for place, name in enumerate(table.index.names) if name not in inner]
    if not outer:
        return np.zeros(len(table), dtype="int64"), pd.DataFrame({"all": ["all"]})
    levels = pd.DataFrame({place: table.index.get_level_values(place) for place in outer})
    numbers = levels.groupby(outer, dropna=False, sort=False, observed=True).ngroup()
    return numbers.to_numpy(), levels.drop_duplicates()


def name_groups(groups: pd.DataFrame, room: int) -> list[str]:
    """Name groups by the values of their levels, in about `room` characters.

    If these are too long, accounts are shortened to their last digits and regions to AWS's short
    codes, such as `euw1`, before anything else. If there is very little room, the first levels are
    left out as long as the others distinguish the groups.
    """
    levels = [values.tolist() for _, values in groups.items()]
    whole = [" · ".join(map(str, values)) for values in zip(*levels, strict=True)]
    if max(map(len, whole), default=0) > room:
        levels = [_abbreviate(values) for values in levels]
        many = _count(levels)
        while room < _LITTLE_ROOM and len(levels) > 1 and _count(levels[1:]) == many:
            del levels[0]
    longest = np.array([max(len(str(value)) for value in values) for values in levels])
    fits = longest <= room / len(levels)
    # Long levels get the room that short ones, such as a region, do not need.
    width = max(int((room - longest[fits].sum()) / max((~fits).sum(), 1)), 12)
    columns = [
        shorten_apart(values, room if fit else width)
        for values, fit in zip(levels, fits, strict=True)
    ]
    return [" · ".join(names) for names in zip(*columns, strict=True)]


def _count(levels: list[list[object]]) -> int:
    return len(set(zip(*levels, strict=True)))


def _abbreviate(values: list[object]) -> list[object]:
    """Shorten accounts and regions, unless different ones would become equal."""
    texts = [str(value) for value in values]
    short = texts
    if all(_ACCOUNT.fullmatch(text) for text in texts):
        short = [f"…{text[-4:]}" for text in texts]
    elif all(_REGION.fullmatch(text) for text in texts):
        short = [_code(text) for text in texts]
    return list(short) if len(set(short)) == len(set(texts)) else values


def _code(region: str) -> str:
    """Return the short code of a region, such as apse2 for ap-southeast-2."""
    continent, *middle, number = region.split("-")
    letters = [re.sub("^(north|south)(?=east|west)", r"\1-", part).split("-") for part in middle]
    return continent + "".join(word[0] for words in letters for word in words) + number
