"""What a terminal shows, for the tests of the command: that it fits, and that nothing is obeyed."""

from __future__ import annotations

import re

from rich.cells import cell_len

# What lets rich take stdout for a terminal of 80 columns.
AS_TERMINAL = {"FORCE_COLOR": "1", "COLUMNS": "80"}
SGR = re.compile(r"\x1b\[[\d;]*m")


def is_harmless(text: str) -> bool:
    """Tell whether a terminal would show all of a text, line ends apart, and obey none of it."""
    return text.replace("\n", "").isprintable()


def assert_fits_80(shown: str) -> None:
    """Check that nothing is wider than 80 columns, and that there is nothing to obey but SGR."""
    assert set(SGR.findall(shown)) <= {f"\x1b[{code}m" for code in (0, 1, 2, 31, 32, 33, 34, 36)}
    for line in SGR.sub("", shown).splitlines():
        if not line.startswith("exportstats: "):
            assert cell_len(line) <= 80, line
    assert is_harmless(SGR.sub("", shown))
