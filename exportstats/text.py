"""Text for people: durations in words, and escaping of text from AWS."""

from __future__ import annotations

import difflib
import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pandas as pd

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

# A spreadsheet reads a cell that begins with one of these as a formula, even after blanks. Some
# languages also use the full-width signs.
_FORMULA = re.compile(r"'*\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|'*[\t\r\n]")

_OWN = ("builtins", "exportstats")  # packages that need no name

_LINK = re.compile(r"\b(?:https?|ftp)(?=://)|\bwww(?=\.)", re.IGNORECASE)
_MARKUP = re.compile(r"[\\`*_{}\[\]<>|#~&!$]")


def name_type(value: object) -> str:
    """Return the type of a value with its package, because several have a DataFrame.

    Examples
    --------
    >>> import pandas as pd
    >>> name_type(pd.DataFrame()), name_type([])
    ('pandas DataFrame', 'list')
    """
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package in _OWN else f"{package} {kind.__name__}"


def name_error(error: Exception) -> str:
    """Return the type of an error of another library, and the first line of its text.

    Examples
    --------
    >>> name_error(RuntimeError("no workers"))
    'RuntimeError: no workers'
    """
    first, *_ = str(error).partition("\n")
    return f"{type(error).__name__}: {shorten(plain(first), 300)}"


def write_duration(seconds: float, *, compact: bool = False) -> str:
    """Write a duration in at most two units; "-" for none.

    Examples
    --------
    >>> [write_duration(seconds) for seconds in (0.25, 1, 90, 3600, 5400, 864000)]
    ['250 ms', '1 s', '1 min 30 s', '1 h', '1 h 30 min', '10 d']
    >>> [write_duration(seconds, compact=True) for seconds in (42.3, -90, float("nan"))]
    ['42.3s', '-1m30s', '-']
    """
    if math.isnan(seconds):
        return "-"
    text = ("-" if seconds < 0 else "") + _in_units(abs(seconds))
    return text.replace("min", "m").replace(" ", "") if compact else text


def _in_units(seconds: float) -> str:
    for (unit, size), (part, small) in pairwise(_UNITS):
        # seconds have a decimal, unless there are minutes before them
        if round(seconds / small, 1 if small == 1 else 0) * small >= size:
            whole, rest = divmod(round(seconds / small), size // small)
            return f"{whole:,} {unit} {rest} {part}" if rest else f"{whole:,} {unit}"
    return f"{seconds * 1000:.3g} ms" if 0 < seconds < 1 else f"{seconds:.3g} s"


def write_bytes(size: float) -> str:
    """Return a number of bytes in decimal units, as in 1.5 GB."""
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    step = min(max(len(f"{int(size)}") - 1, 0) // 3, len(units) - 1)
    number = size / 1000**step
    return f"{number:.3g} {units[step]}" if number < 1000 else f"{number:,.0f} {units[step]}"  # noqa: PLR2004 - the next unit


def total_bytes(sizes: pd.Series) -> str:
    """Write the sum of some numbers of bytes as far as they are known; empty text if none is.

    Examples
    --------
    >>> import pandas as pd
    >>> [total_bytes(pd.Series(sizes, dtype="Int64")) for sizes in ([1, 2], [1500, None], [None])]
    ['3 B', 'at least 1.5 kB', '']
    """
    known = sizes.dropna()
    if not len(known):
        return ""
    return ("" if len(known) == len(sizes) else "at least ") + write_bytes(known.sum())


def total(lengths: pd.Series) -> str:
    """Write the sum of some lengths of time."""
    return write_duration(lengths.dt.total_seconds().sum())


def write_minute(time: datetime) -> str:
    """Write a time to the minute, midnight as a date."""
    return f"{time:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def counted(number: float, noun: str = "task") -> str:
    """Count things in words, as in `1,234 tasks`."""
    return f"{number:,.0f} {noun}{'' if round(number) == 1 else 's'}"


def percent(share: float) -> str:
    """Write a share as a percentage; only exactly none and all are 0 % and 100 %.

    Examples
    --------
    >>> [percent(share) for share in (0, 0.0001, 0.125, 0.9999, 1)]
    ['0 %', '<0.1 %', '12.5 %', '>99.9 %', '100 %']
    """
    if math.isnan(share):
        return "-"
    if 0 < share < 0.001:  # noqa: PLR2004 - would be written as 0
        return "<0.1 %"
    if 0.999 < share < 1:  # noqa: PLR2004 - would be written as 100
        return ">99.9 %"
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def plain(text: str) -> str:
    r"""Escape characters that control or confuse a terminal: escapes, line ends, direction marks.

    Examples
    --------
    >>> print(plain("red\x1b[31m\u202egnp"))
    red\x1b[31m\u202egnp
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def without_user(url: str) -> str:
    """Return a URL without user and password.

    Examples
    --------
    >>> without_user("https://user:password@host:4566/")
    'https://host:4566/'
    """
    return re.sub(r"//[^/?#\s]*@", "//", url)


def shorten(text: str, width: int) -> str:
    """Replace the middle of a text that is wider than `width`, because names differ at both ends.

    The width is in terminal columns; a Chinese character or an emoji takes two.

    Examples
    --------
    >>> shorten("/aws/containerinsights/acme-prod/application", 20)
    '/aws/conta…plication'
    >>> shorten("日本語のログ", 6)
    '日…グ'
    """
    from rich.cells import cell_len  # noqa: PLC0415 - not needed for --help

    if cell_len(text) <= width:
        return text
    ahead = width // 2
    behind = width - 1 - ahead
    head, tail = text[:ahead], text[len(text) - behind :]
    while cell_len(head) > ahead:
        head = head[:-1]
    while cell_len(tail) > behind:
        tail = tail[1:]
    return f"{head}…{tail}"


def guard_formula(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would read as a formula.

    Examples
    --------
    >>> guard_formula("=HYPERLINK(1)"), guard_formula("acme/api")
    ("'=HYPERLINK(1)", 'acme/api')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def harmless(cell: object) -> object:
    """Escape the text of a spreadsheet's cell; return other values unchanged."""
    return guard_formula(plain(cell)) if isinstance(cell, str) else cell


def escape_markdown(text: str) -> str:
    r"""Escape text that Markdown would read as markup, also in a cell of a table.

    Examples
    --------
    >>> print(escape_markdown("a|b *c* <d>"))
    a\|b \*c\* \<d\>
    """
    return _LINK.sub(r"\g<0>\\", _MARKUP.sub(r"\\\g<0>", plain(text)))


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """Return the end of a message on an unknown name: similar names, or nothing without any.

    Examples
    --------
    >>> did_you_mean("regoin", ["account_id", "region"])
    '; did you mean region?'
    """
    every = list(names)
    near = difflib.get_close_matches(given, every)
    near = near or [name for name in every if given.lower() in name.lower()][:3]
    return f"; did you mean {', '.join(near)}?" if near and given else ""
