"""Checks of terminal output: it fits, and has no control characters."""

from __future__ import annotations

import re

from rich.cells import cell_len

# Makes rich take stdout for a terminal of 80 columns.
AS_TERMINAL = {"FORCE_COLOR": "1", "COLUMNS": "80"}
SGR = re.compile(r"\x1b\[[\d;]*m")


def is_harmless(text: str) -> bool:
    """Return whether a terminal shows all of a text, except line ends."""
    return text.replace("\n", "").isprintable()


def assert_fits_80(shown: str) -> None:
    """Check that no line is wider than 80 columns, and that the only escapes are SGR."""
    assert set(SGR.findall(shown)) <= {f"\x1b[{code}m" for code in (0, 1, 2, 31, 32, 33, 34, 36)}
    for line in SGR.sub("", shown).splitlines():
        # commands are not broken, so that they can be pasted
        if not line.startswith(("exportstats: ", "exportstats backfill ")):
            assert cell_len(line) <= 80, line
    assert is_harmless(SGR.sub("", shown))
