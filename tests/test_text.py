"""Text for people, and the escaping of text."""

import pytest
from hypothesis import given, strategies as st
from rich.cells import cell_len

from exportstats import text as words


@pytest.mark.parametrize(
    ("share", "expected"), [(0, "0 %"), (1e-5, "<0.1 %"), (1 / 3, "33.3 %"), (0.9999, ">99.9 %")]
)
def test_shares_do_not_lie(share: float, expected: str):
    """Small shares are not shown as 0 %, and large ones not as 100 %."""
    assert words.percent(share) == expected


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (0, "0 s", "0s"),
        (0.13, "130 ms", "130ms"),
        (59.9, "59.9 s", "59.9s"),
        (60, "1 min", "1m"),
        (283, "4 min 43 s", "4m43s"),
        (3599.6, "1 h", "1h"),
        (26_388, "7 h 20 min", "7h20m"),
        (90_000, "1 d 1 h", "1d1h"),
        (-431, "-7 min 11 s", "-7m11s"),
        (float("nan"), "-", "-"),
    ],
)
def test_durations_are_written_in_two_units_at_most(seconds: float, long: str, short: str) -> None:
    """A duration has at most two units, in full or compactly."""
    assert words.write_duration(seconds) == long
    assert words.write_duration(seconds, compact=True) == short


@given(st.text())
def test_plain_text_is_printable_and_keeps_what_was(text: str) -> None:
    """The result has no control characters; printable text does not change."""
    assert words.plain(text).isprintable()
    if text.isprintable():
        assert words.plain(text) == text


@given(st.text().map(words.plain), st.integers(4, 30))
def test_shortening_keeps_both_ends(text: str, width: int) -> None:
    """A shortened text fits the width, and keeps its start and its end."""
    short = words.shorten(text, width)
    assert cell_len(short) <= width
    head, gap, tail = short.partition("…")
    assert text == short or (gap and text.startswith(head) and text.endswith(tail))


@given(st.text(alphabet="'=+-@\t\r\n \uff1da1", max_size=6))
def test_formulas_are_guarded(text: str) -> None:
    """No guarded text is a formula, and the guard adds at most an apostrophe."""
    guarded = words.guard_formula(text)
    assert not guarded.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
    assert not guarded.startswith(("\t", "\r", "\n"))
    assert guarded in (text, f"'{text}")


@given(st.text(alphabet="ab|*_`<>[]\\#~$!&{}\n\x1b"))
def test_markdown_takes_nothing_for_markup(text: str) -> None:
    """Each Markdown character has a backslash before it, and there are no line ends."""
    escaped = words.escape_markdown(text)
    assert "\n" not in escaped
    at = 0
    while at < len(escaped):
        at += 2 if escaped[at] == "\\" else 1
        assert (
            at > len(escaped) - 1 or escaped[at] not in "|*_`<>[]#~$!&{}" or escaped[at - 1] == "\\"
        )
