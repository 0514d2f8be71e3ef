"""The reading of tables: their shape, their groups and the groups' names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from exportstats.charts.words import shorten_apart
from exportstats.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEXT_TO_NOTHING = 24  # characters
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+){1,2}-\d", re.ASCII)


def require(
    table: object, *, maker: str, columns: Sequence[str] = (), levels: Sequence[str] = ()
) -> None:
    """Refuse what is not the table that `maker` gives.

    Raises
    ------
    SchemaError
        It names what is missing and the function that makes the table.
    """
    remedy = f"this chart draws what {maker} gives"
    if not isinstance(table, pd.DataFrame):
        raise SchemaError(f"a {type(table).__name__} is no DataFrame; {remedy}")
    for name in columns:
        if name not in table.columns:
            raise SchemaError(f"the column {name} is missing; {remedy}")
    for name in levels:
        if name not in table.index.names:
            raise SchemaError(f"the index has no level {name}; {remedy}")


def quantiles_of(table: pd.DataFrame, maker: str) -> dict[str, float]:
    """Return the percentage of each column of a quantile, as of `p99.9`.

    Raises
    ------
    SchemaError
        There is no such column.
    """
    names = [(name, re.fullmatch(r"p(\d+(?:\.\d+)?)", str(name))) for name in table.columns]
    found = {name: float(match[1]) for name, match in names if match}
    if not found:
        raise SchemaError(
            f"there is no column of a quantile, as p50; this chart draws what {maker} gives"
        )
    return found


def group_rows(table: pd.DataFrame, inner: Sequence[str] = ()) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the number of each row's group, by order of appearance, and the groups.

    Parameters
    ----------
    table
        A table whose index has the groups' levels, any number of them.
    inner
        The levels that are not the groups'.

    Returns
    -------
    numbers, groups
        One number a row; and a frame with one row a group and one column a level.
    """
    outer = [place for place, name in enumerate(table.index.names) if name not in inner]
    if not outer:
        return np.zeros(len(table), dtype="int64"), pd.DataFrame({"all": ["all"]})
    levels = pd.DataFrame({place: table.index.get_level_values(place) for place in outer})
    numbers = levels.groupby(outer, dropna=False, sort=False, observed=True).ngroup()
    return numbers.to_numpy(), levels.drop_duplicates()


def name_groups(groups: pd.DataFrame, room: int) -> list[str]:
    """Name groups by the values of their levels, in about `room` characters.

    Where these are too long, accounts become their last digits and regions AWS's short codes, as
    `euw1`, before anything else is shortened. Where there is next to no room, the first levels
    are left out as long as the others tell the groups apart.
    """
    levels = [values.tolist() for _, values in groups.items()]
    whole = [" · ".join(map(str, values)) for values in zip(*levels, strict=True)]
    if max(map(len, whole), default=0) > room:
        levels = [_abbreviate(values) for values in levels]
        many = _count(levels)
        while room < _NEXT_TO_NOTHING and len(levels) > 1 and _count(levels[1:]) == many:
            del levels[0]
    longest = np.array([max(len(str(value)) for value in values) for values in levels])
    fits = longest <= room / len(levels)
    # What short levels, as a region, do not need goes to the long ones.
    width = max(int((room - longest[fits].sum()) / max((~fits).sum(), 1)), 12)
    columns = [
        shorten_apart(values, room if fit else width)
        for values, fit in zip(levels, fits, strict=True)
    ]
    return [" · ".join(names) for names in zip(*columns, strict=True)]


def _count(levels: list[list[object]]) -> int:
    return len(set(zip(*levels, strict=True)))


def _abbreviate(values: list[object]) -> list[object]:
    """Shorten accounts and regions, as long as that leaves different ones different."""
    texts = [str(value) for value in values]
    short = texts
    if all(_ACCOUNT.fullmatch(text) for text in texts):
        short = [f"…{text[-4:]}" for text in texts]
    elif all(_REGION.fullmatch(text) for text in texts):
        short = [_code(text) for text in texts]
    return list(short) if len(set(short)) == len(set(texts)) else values


def _code(region: str) -> str:
    """Return a region's short code: that of ap-southeast-2 is apse2."""
    continent, *middle, number = region.split("-")
    letters = [re.sub("^(north|south)(?=east|west)", r"\1-", part).split("-") for part in middle]
    return continent + "".join(word[0] for words in letters for word in words) + number
