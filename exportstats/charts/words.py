"""Words in pictures: names from outside shown literally, counts and shares."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib import font_manager

if TYPE_CHECKING:
    from collections.abc import Sequence

# For every text that comes from outside: a `$` or a `_` in it is no formula.
LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}


def shorten(value: object, width: int = 40, head: float = 0.5) -> str:
    r"""Show any text literally on one line; what is too long loses its middle.

    What cannot be seen (control characters, marks of direction) and what the font does not have is
    written as an escape.

    Parameters
    ----------
    value
        The text; "unknown" stands for a missing one.
    width
        Characters, at most.
    head
        The part of them that comes before the gap.

    Examples
    --------
    >>> shorten("/aws/lambda/a-function-with-a-long-name", 16)
    '/aws/la…ong-name'
    >>> shorten("two\nlines")
    'two\\nlines'
    """
    if pd.isna(value):  # type: ignore[call-overload]
        return "unknown"
    glyphs = _glyphs(
        tuple(
            font_manager.findfont(font_manager.FontProperties(family=[family]))
            for family in mpl.rcParams["font.family"]
        )
    )
    text = "".join(
        mark
        if mark.isprintable() and ord(mark) in glyphs
        else mark.encode("unicode_escape").decode()
        for mark in str(value)
    )
    if len(text) > width:
        before = int((width - 1) * head)
        text = f"{text[:before]}…{text[len(text) - width + 1 + before :]}"
    return text or "(empty)"


def shorten_apart(values: Sequence[object], width: int = 40) -> list[str]:
    """Shorten several texts, with the gap where it leaves most of them different."""
    tries = [[shorten(value, width, head) for value in values] for head in (0.5, 0.25, 0, 0.75, 1)]
    return max(tries, key=lambda names: len(set(names)))


@lru_cache(maxsize=8)
def _glyphs(fonts: tuple[Any, ...]) -> frozenset[int]:
    """Return which characters the fonts in use can draw: a missing one is a warning and a box."""
    return frozenset().union(*(font_manager.get_font(font).get_charmap() for font in fonts))
