"""What the charts share."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from exportstats.charts import style
from exportstats.schema import STATES


def test_each_state_has_its_own_look():
    """The known states differ in colour, in hatch and in marker, and from an unknown state."""
    looks = [style.look_of(state) for state in STATES]
    for cue in zip(*looks, style.look_of("PAUSED"), strict=True):
        assert len(set(cue)) == len(STATES) + 1


def test_each_group_has_its_own_look():
    """As many groups as are drawn at most differ in colour, in dash and in marker."""
    assert len(style.GROUP_LOOKS) == style.MAX_GROUPS
    for cue in zip(*style.GROUP_LOOKS, strict=True):
        assert len(set(cue)) == style.MAX_GROUPS


@given(st.text(), st.integers(5, 60), st.sampled_from([0, 0.25, 0.5, 0.75, 1]))
def test_any_text_is_shortened_to_one_printable_line(text: str, width: int, head: float):
    """Whatever the text, what is shown is printable, not empty and not longer than asked for."""
    shown = style.shorten(text, width, head)
    assert shown.isprintable()
    assert 0 < len(shown) <= max(width, len("(empty)"))


def test_a_text_that_fits_is_not_changed():
    """A name with nothing strange in it is shown as it is."""
    assert style.shorten("/aws/lambda/a_$b$") == "/aws/lambda/a_$b$"


def test_what_cannot_be_seen_is_written_as_an_escape():
    """Control characters, marks of direction and missing glyphs are visible and stay apart."""
    assert style.shorten("a\nb\x00\u202ec") == "a\\nb\\x00\\u202ec"
    assert style.shorten("\U0001f4e6") == "\\U0001f4e6"


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_name_is_unknown(missing: object):
    """A group without a name is called unknown."""
    assert style.shorten(missing) == "unknown"


@pytest.mark.parametrize("where", [0, 15, 45, 58])
def test_different_names_stay_different(where: int):
    """Names that differ at one place, not in the very middle, differ when they are shortened."""
    names = ["x" * where + str(number) + "x" * (60 - where) for number in range(5)]
    assert len(set(style.shorten_apart(names, 20))) == 5


def test_groups_are_numbered_by_appearance():
    """Rows of one group share a number, a missing name is a group, and the order is the table's."""
    index = pd.MultiIndex.from_arrays(
        [["b", None, "b", "a", None], ["x", "x", "x", "y", "x"], [1, 1, 2, 1, 2]],
        names=["region", "destination", "reason"],
    )
    numbers, groups = style.group_rows(pd.DataFrame(index=index), ("reason",))
    assert numbers.tolist() == [0, 1, 0, 2, 1]
    assert style.name_groups(groups, 40) == ["b · x", "unknown · x", "a · y"]


def test_categorical_groups_are_numbered_alike():
    """Unused categories are no groups, and a missing one is."""
    index = pd.CategoricalIndex(["b", None, "b"], categories=["a", "b"], name="region")
    numbers, groups = style.group_rows(pd.DataFrame(index=index))
    assert numbers.tolist() == [0, 1, 0]
    assert style.name_groups(groups, 40) == ["b", "unknown"]


def test_a_short_level_leaves_its_room_to_a_long_one():
    """An account and a region are shown in full beside a long name."""
    groups = pd.DataFrame([["123456789012", "eu-west-1", "/aws/lambda/" + "x" * 90]])
    name = style.name_groups(groups, 44)[0]
    assert name.startswith("123456789012 · eu-west-1 · /aws/lamb")
    assert 44 <= len(name) <= 52


def test_the_largest_groups_are_chosen():
    """Six groups at most, those with the largest sums first; the others are counted."""
    numbers = np.repeat(np.arange(8), 2)
    weights = np.repeat([1, 9, 3, 4, 5, 6, 7, 8], 2)
    assert style.largest_groups(numbers, weights) == ([1, 7, 6, 5, 4, 3], 2)


def test_a_header_takes_no_room_of_the_plot():
    """Title, notes and legend stand above the axes, one above the other."""
    ax = style.get_axes(None)
    entries = [style.key(f"a group with a name of its own {number}") for number in range(6)]
    style.header(ax, "Title", ["first note", "second note"], entries)
    ax.figure.draw_without_rendering()
    top = ax.get_window_extent().y1
    legend = ax.get_legend().get_window_extent()
    notes = ax.texts[0].get_window_extent()
    title = next(text for text in ax.get_children() if getattr(text, "get_text", str)() == "Title")
    assert top <= legend.y0
    assert legend.y1 <= notes.y0
    assert notes.y1 <= title.get_window_extent().y0
    assert legend.x1 <= ax.figure.bbox.x1


def test_a_legend_has_every_name():
    """A name that begins with `_`, which matplotlib hides by itself, is in the legend."""
    ax = style.get_axes(None)
    style.header(ax, "Title", legend=[(Line2D([], []), "_a"), (Line2D([], []), "$b$")])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["_a", "$b$"]


def test_rows_are_named_from_the_top_down():
    """The first name is at the top, and a last one counts what is left out."""
    _, ax = plt.subplots()
    style.name_rows(ax, ["a", "b"], 280)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", "… and 280 more"]
    bottom, top = ax.get_ylim()
    assert bottom > top


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (1e-5, "<0.1 %"), (1 / 3, "33.3 %"), (0.9999, ">99.9 %")]
)
def test_shares_do_not_lie(share: float, text: str):
    """A few are not none, and nearly all are not all."""
    assert style.percent(share) == text
