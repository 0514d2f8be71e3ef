"""Text in charts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from exportstats.charts import words


@given(st.text(), st.integers(5, 60), st.sampled_from([0, 0.25, 0.5, 0.75, 1]))
def test_any_text_is_shortened_to_one_printable_line(text: str, width: int, head: float):
    """Whatever the text, what is shown is printable, not empty and not longer than asked for."""
    shown = words.shorten(text, width, head)
    assert shown.isprintable()
    assert 0 < len(shown) <= max(width, len("(empty)"))


def test_a_text_that_fits_is_not_changed():
    """A name with nothing strange in it is shown as it is."""
    assert words.shorten("/aws/lambda/a_$b$") == "/aws/lambda/a_$b$"


def test_what_cannot_be_seen_is_written_as_an_escape():
    """Control characters, marks of direction and missing glyphs are visible and stay apart."""
    assert words.shorten("a\nb\x00\u202ec") == "a\\nb\\x00\\u202ec"
    assert words.shorten("\U0001f4e6") == "\\U0001f4e6"


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_name_is_unknown(missing: object):
    """A group without a name is called unknown."""
    assert words.shorten(missing) == "unknown"


@pytest.mark.parametrize("where", [0, 15, 45, 58])
def test_different_names_stay_different(where: int):
    """Names that differ at one place, not in the very middle, differ when they are shortened."""
    names = ["x" * where + str(number) + "x" * (60 - where) for number in range(5)]
    assert len(set(words.shorten_apart(names, 20))) == 5
