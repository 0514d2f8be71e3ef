"""What all charts have in common."""

import inspect
import re

import matplotlib as mpl
import pandas as pd
import pytest
from charted import CHARTS, HOSTILE, Make, Plot, every_chart, of_charts
from matplotlib import pyplot as plt

from exportstats import charts
from exportstats.errors import SchemaError


def test_all_charts_are_here():
    """These tests cover every public chart."""
    missing = {*charts.__all__} - {plot.__name__ for plot, _, _ in CHARTS}
    assert not missing, "add the chart to CHARTS of tests/charts/charted.py"


@every_chart
def test_draws_on_the_given_axes(plot: Plot, make: Make, maker: str):
    """A chart returns the given axes and creates no other figure."""
    _, ax = plt.subplots()
    assert plot(make(["a"]), ax=ax) is ax
    assert len(plt.get_fignums()) == 1


@every_chart
def test_makes_a_figure_of_a_slides_size(plot: Plot, make: Make, maker: str):
    """Without axes, a chart creates one figure of 16:9 that cuts nothing off."""
    figure = plot(make(["a"])).figure
    width, height = figure.get_size_inches()
    assert width / height == pytest.approx(16 / 9)
    figure.draw_without_rendering()
    assert figure.get_tightbbox().x0 > 0
    assert figure.get_tightbbox().y1 < height


@every_chart
def test_help_is_whole(plot: Plot, make: Make, maker: str):
    """The docstring has all sections in order, and the signature has what they describe."""
    text = inspect.getdoc(plot)
    parts = ["Parameters", "table", "ax", "**kwargs", "Returns", "Raises", "Examples"]
    places = [text.index(f"\n{part}\n") for part in parts]
    assert places == sorted(places)
    assert maker in text.replace("`", "")
    described = [line for line in text.split("Returns\n")[0].splitlines() if line.isidentifier()]
    parameters = inspect.signature(plot).parameters
    assert [*parameters] == [*described[1:], "kwargs"]
    assert [one.kind for one in parameters.values()][-2:] == [3, 4]


@every_chart
def test_a_failure_leaves_no_figure(plot: Plot, make: Make, maker: str):
    """An unknown keyword is matplotlib's error, and the new figure is closed."""
    with pytest.raises((AttributeError, TypeError), match="no_such_keyword"):
        plot(make(["a", "b"]), no_such_keyword=1)
    assert not plt.get_fignums()


@every_chart
def test_leaves_the_table_alone(plot: Plot, make: Make, maker: str):
    """A chart does not change the table it draws."""
    table = make(["a", "b", "a very long name " * 9])
    before = table.copy(deep=True)
    plot(table)
    pd.testing.assert_frame_equal(table, before)


@every_chart
def test_leaves_the_global_style_alone(plot: Plot, make: Make, maker: str):
    """A chart changes no setting of matplotlib."""
    before = mpl.rcParams.copy()
    plot(make(["a", "b"]))
    assert mpl.rcParams == before


@every_chart
def test_an_absence_is_drawn_as_an_absence(plot: Plot, make: Make, maker: str):
    """A table without tasks gives a title and a text, but no empty axes."""
    _, ax = plt.subplots()
    assert plot(make([]), ax=ax) is ax
    assert ax.get_title(loc="left")
    words = [text.get_text() for text in ax.texts]
    assert any(word.startswith("no ") for word in words), "raise NothingToDrawError"
    assert not ax.get_xticks().size
    assert not ax.patches
    assert not ax.lines


@every_chart
def test_hostile_text_is_shown_literally(plot: Plot, make: Make, maker: str):
    """Formulas, control characters, missing glyphs and long names do not break a chart."""
    ax = plot(make([*HOSTILE]))
    ax.figure.draw_without_rendering()  # a missing glyph or a broken formula would warn or raise
    legend = ax.get_legend()
    shown = [*ax.texts, *ax.get_yticklabels(), *(legend.get_texts() if legend else [])]
    assert shown
    for text in (text.get_text() for text in shown):
        assert text.replace("\n", "").isprintable()
        assert len(text) < 250


@of_charts("phase_durations")  # it shows no name
def test_a_formula_stays_text(plot: Plot, make: Make, maker: str):
    """`$a_b$` is drawn with its dollar signs in every chart."""
    ax = plot(make(["$a_b$", "$c_d$"]))
    ax.figure.draw_without_rendering()
    legend = ax.get_legend()
    shown = [
        ax.xaxis.label,
        *ax.texts,
        *ax.get_yticklabels(),
        *(legend.get_texts() if legend else []),
    ]
    named = [text for text in shown if "$a_b$" in text.get_text()]
    assert named, f'if it shows no names, name it here: @of_charts("{maker}")'
    assert not any(text.get_parse_math() or text.get_usetex() for text in named)


@of_charts("finish that simulate_queue")  # without columns, it is that of no slots
def test_another_frame_is_refused(plot: Plot, make: Make, maker: str):
    """A table of another shape is a SchemaError that names the function that makes it."""
    for wrong in (pd.DataFrame({"a": [1]}), make(["a"]).iloc[:, :0], [1, 2]):
        with pytest.raises(SchemaError, match=maker):
            plot(wrong)


@of_charts("completion_times", "finish that simulate_queue")  # their columns are hours, or slots
def test_a_missing_column_is_named(plot: Plot, make: Make, maker: str):
    """The error names the missing column."""
    table = make(["a"])
    with pytest.raises(SchemaError, match=re.escape(f"column {table.columns[0]} is missing")):
        plot(table.drop(columns=table.columns[0]))


@every_chart
def test_keywords_reach_the_main_artist(plot: Plot, make: Make, maker: str):
    """Other keyword arguments go to the main artists of the chart."""
    ax = plot(make(["a", "b"]), gid="mine")
    assert ax.findobj(lambda artist: artist.get_gid() == "mine")


@of_charts("completion_times", "conform", "phase_durations")  # they draw no groups
def test_many_groups_fit(plot: Plot, make: Make, maker: str):
    """300 groups are drawn without a warning, and a note counts what is left out."""
    ax = plot(make([f"/aws/lambda/function-{number}" for number in range(300)]))
    ax.figure.draw_without_rendering()
    words = [text.get_text() for text in [*ax.texts, *ax.get_yticklabels()]]
    assert any("more" in word for word in words), f'without groups: @of_charts("{maker}")'
