"""Text in charts: names from outside are shown literally."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib import font_manager

if TYPE_CHECKING:
    from collections.abc import Sequence

# For all text from outside, in which `$` and `_` are not markup.
LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}


def shorten(value: object, width: int = 40, head: float = 0.5) -> str:
    r"""Return any text literally and on one line, shortened in its middle if it is too long.

    Invisible characters (control characters, direction marks) and those that the font lacks are
    written as escapes.

    Parameters
    ----------
    value
        The text; a missing one becomes "unknown".
    width
        The maximum number of characters.
    head
        The share of them before the ellipsis.

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
    """Shorten several texts, with the ellipsis where most of them stay different."""
    tries = [[shorten(value, width, head) for value in values] for head in (0.5, 0.25, 0, 0.75, 1)]
    return max(tries, key=lambda names: len(set(names)))


@lru_cache(maxsize=8)
def _glyphs(fonts: tuple[Any, ...]) -> frozenset[int]:
    """Return the characters that the fonts have; a missing one causes a warning."""
    return frozenset().union(*(font_manager.get_font(font).get_charmap() for font in fonts))
