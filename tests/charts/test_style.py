"""What the charts look like."""

from matplotlib import pyplot as plt

from exportstats.charts import rows, style
from exportstats.charts.panel import begin
from exportstats.core.schema import STATES


def test_each_state_has_its_own_look():
    """The known states differ in colour, in hatch and in marker, and from an unknown state."""
    looks = [style.look_of(state) for state in STATES]
    for cue in zip(*looks, style.look_of("PAUSED"), strict=True):
        assert len(set(cue)) == len(STATES) + 1


def test_each_group_has_its_own_look():
    """The most groups that can be drawn differ in colour, dash and marker."""
    assert len(style.GROUP_LOOKS) == style.MAX_GROUPS
    for cue in zip(*style.GROUP_LOOKS, strict=True):
        assert len(set(cue)) == style.MAX_GROUPS


def test_a_header_takes_no_room_of_the_plot():
    """Title, notes and legend are above the axes, without overlapping."""
    panel = begin(None, "Title")
    ax = panel.ax
    panel.legend = [style.key(f"a group with a name of its own {number}") for number in range(6)]
    panel.notes = ["first note", "second note"]
    panel.write_header()
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
    panel = begin(None, "Title")
    panel.legend = [style.key("_a"), style.key("$b$")]
    panel.write_header()
    assert [text.get_text() for text in panel.ax.get_legend().get_texts()] == ["_a", "$b$"]


def test_rows_are_named_from_the_top_down():
    """The first name is at the top, and a last one counts what is left out."""
    _, ax = plt.subplots()
    rows.name_rows(ax, ["a", "b"], 280)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", "… and 280 more"]
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_in_a_narrow_figure_names_stand_above_their_bars():
    """In a narrow figure, the plot has the full width, and notes share the line of the name."""
    figure, ax = plt.subplots(figsize=(3.75, 4), layout="constrained")
    ax.barh(range(2), [1, 2], height=0.7)
    rows.note_rows(ax, ["note", "another"])
    rows.name_rows(ax, ["x" * rows.name_room(ax, ["another"])] * 2)
    figure.draw_without_rendering()
    bars, texts = ([one.get_window_extent() for one in some] for some in (ax.patches, ax.texts))
    for bar, note, name in zip(bars, texts[:2], texts[2:], strict=True):
        assert bar.y1 <= name.y0
        assert name.x1 < note.x0
        assert note.x1 <= figure.bbox.x1
        assert name.x0 >= 0
    assert texts[3].y1 <= bars[0].y0
    assert ax.get_window_extent().width > 0.8 * figure.bbox.width
