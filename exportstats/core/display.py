"""Tables for people: durations in words, times to the minute, shares as percentages."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pandas as pd

from exportstats.text import percent, plain, write_duration, write_minute

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas.io.formats.style import Styler

MISSING = "–"  # noqa: RUF001 - a dash, not a minus
_SHARES = (
    "share",
    "fraction",
    "probability",
    "covered",
    "covered_at_least",
    "covered_at_most",
    "failure_rate",
    "deadline_risk",
)
_LARGE = 1000  # from which a number is written without decimals


def format_durations(table: pd.DataFrame | pd.Series) -> Styler:
    """Format a table for people: durations in words, times to the minute, shares as percentages.

    The values stay as they are, so the result can be styled further, as with `highlight_max`.

    Parameters
    ----------
    table
        Any table, such as that of `duration_summary`. Durations and times are recognised by their
        dtype, and shares by the end of their name (`share`, `covered_at_most`, `failure_rate`).

    Returns
    -------
    Styler
        A pandas Styler, which a notebook shows with full texts. Durations have at most two units,
        as in "4 min 43 s". Times are in their own time zone, and midnight is shown as a date.
        Missing values are shown as a dash.

    Examples
    --------
    >>> import pandas as pd
    >>> import exportstats as xs
    >>> table = pd.DataFrame({"p50": pd.to_timedelta(["4min 43s"]), "share": 0.125, "tasks": 1200})
    >>> print(xs.format_durations(table).hide().to_string())
    p50 share tasks
    4 min 43 s 12.5 % 1,200
    """
    frame = pd.DataFrame(table)
    columns = zip(frame.columns, frame.dtypes, strict=True)
    style = frame.style.format(
        {name: _cell(dtype, name) for name, dtype in columns}, na_rep=MISSING
    )
    for axis in (0, 1):
        index = frame.axes[axis]
        for level in range(index.nlevels):
            values = index.get_level_values(level)
            write = _cell(values.dtype, values.name, is_label=True)
            style = style.format_index(write, axis=axis, level=level, na_rep=MISSING)
    return style


def writer_of(
    dtype: Any,  # noqa: ANN401 - pandas' or NumPy's
    name: object,
    *,
    is_label: bool = False,
) -> Callable[[Any], str]:
    """Return the function that writes the values of a column of this name for people.

    Numbers that are labels, such as a year or a cost centre to group by, have no separators.
    """
    if isinstance(dtype, pd.IntervalDtype):
        write = writer_of(dtype.subtype, name)
        return lambda interval: f"{write(interval.left)} to {write(interval.right)}"
    if dtype.kind == "M":
        return write_minute
    if dtype.kind == "m":
        return lambda length: write_duration(length.total_seconds())
    if dtype.kind == "f" and str(name).endswith(_SHARES):
        return percent
    if dtype.kind in "iuf" and is_label:
        return lambda value: str(value).removesuffix(".0")
    numbers = {"i": "{:,}".format, "u": "{:,}".format, "f": _write_number}
    return numbers.get(dtype.kind, lambda value: plain(str(value)))


def _write_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.3g}"


def _cell(dtype: Any, name: object, *, is_label: bool = False) -> Callable[[Any], str]:  # noqa: ANN401 - as above
    if isinstance(name, tuple):  # of several levels, the one that says what the values are
        ends = (*_SHARES, "ratio")
        name = next((part for part in reversed(name) if str(part).endswith(ends)), name[-1])
    write = writer_of(dtype, name, is_label=is_label)
    return lambda value: html.escape(write(value), quote=False)
