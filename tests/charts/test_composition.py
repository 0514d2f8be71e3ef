"""Charts on the caller's axes: two in one, small ones, subplots, dark backgrounds."""

from collections.abc import Callable, Iterator
from itertools import product

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.dates import date2num
from matplotlib.patches import Patch
from support import some

import exportstats as xs
from exportstats import charts
from exportstats.charts.panel import Panel
from exportstats.errors import ArgumentError

Make = Callable[[pd.DataFrame], pd.DataFrame]
Plot = Callable[..., Axes]


def simulate(tasks: pd.DataFrame) -> xs.QueueForecast:
    """Simulate the exports of a night, of one slot."""
    exports = xs.expected_exports(tasks, start="2026-11-17", end="2026-11-18")
    exports = exports[exports["account_id"] == "111122223333"]
    return xs.simulate_queue(tasks, exports, start="2026-11-17", runs=100)


PAIRS: dict[str, tuple[Make, Plot]] = {
    "trend": (xs.duration_trend, charts.plot_duration_trend),
    "curve": (xs.completion_curve, charts.plot_completion_curve),
    "histogram": (xs.duration_histogram, charts.plot_duration_histogram),
    "lag": (xs.landing_lag, charts.plot_landing_lag),
    "states": (xs.status_breakdown, charts.plot_status_breakdown),
    "queue": (lambda tasks: simulate(tasks).finish, charts.plot_queue_finish),
    "weeks": (lambda tasks: xs.status_breakdown(tasks, freq="W"), charts.plot_status_breakdown),
}
each = pytest.mark.parametrize("name", PAIRS)


@pytest.fixture(scope="module")
def tables() -> dict[str, list[pd.DataFrame]]:
    """Return two tables for each chart, one per region."""
    tasks = xs.sample_tasks()
    parts = [tasks[tasks["region"] == region] for region in ("eu-west-1", "us-east-1")]
    return {name: [make(part) for part in parts] for name, (make, _) in PAIRS.items()}


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


def both(name: str, tables: dict[str, list[pd.DataFrame]], ax: Axes) -> Axes:
    """Draw both tables on the same axes, each with a label."""
    for label, table in zip(("west", "east"), tables[name], strict=True):
        PAIRS[name][1](table, ax=ax, label=label)
    return ax


def bars_of(ax: Axes) -> list[Patch]:
    """Return the shapes of the data, without the hatch of the unfinished period."""
    return [patch for patch in ax.patches if patch.get_gid() != "unfinished"]


def legend(ax: Axes) -> list[str]:
    """Return the labels of the legend without the numbers of tasks."""
    box = ax.get_legend()
    return [text.get_text().split(" (")[0] for text in box.get_texts()] if box else []


@each
def test_two_charts_on_one_axes_have_one_legend(name: str, tables: dict[str, list[pd.DataFrame]]):
    """The legend has both labels, and the notes are those of both."""
    ax = both(name, tables, plt.subplots(figsize=(10, 6), layout="constrained")[1])
    assert {"west", "east"} <= set(legend(ax))
    notes = ax.texts[-1].get_text() if name != "curve" else ax.findobj(Panel)[0].get_text()
    assert "west: n = " in notes.replace("\n", " ")
    assert "east: n = " in notes.replace("\n", " ")


@pytest.mark.parametrize("name", ["trend", "curve", "histogram", "lag", "states", "queue"])
def test_two_charts_on_one_axes_differ_in_colour(name: str, tables: dict[str, list[pd.DataFrame]]):
    """The second chart has another colour; `color=` sets that of all lines and markers."""
    ax = both(name, tables, plt.subplots()[1])
    colours = [
        to_hex(artist.get_color() if hasattr(artist, "get_color") else artist.get_facecolor())
        for artist in [*ax.lines, *bars_of(ax)]
    ]
    assert set(colours) == {"#0072b2", "#e69f00"}
    ax = PAIRS[name][1](tables[name][0], ax=plt.subplots()[1], color="purple")
    assert ax.lines or ax.patches
    assert {to_hex(line.get_color()) for line in ax.lines} <= {"#800080"}
    assert {to_hex(patch.get_facecolor()) for patch in bars_of(ax)} <= {"#800080"}


@pytest.mark.parametrize("name", ["trend", "weeks"])
def test_a_period_that_is_not_over_is_hatched(name: str, tables: dict[str, list[pd.DataFrame]]):
    """The unfinished period is hatched once for all charts, and is in the legend."""
    for freq in ("W", "MS"):
        make = xs.duration_trend if name == "trend" else xs.status_breakdown
        table = make(xs.sample_tasks(), freq=freq)
        ax = plt.subplots(figsize=(10, 6), layout="constrained")[1]
        for label in ("a", "b"):
            PAIRS[name][1](table, ax=ax, label=label)
        (hatched,) = (patch for patch in ax.patches if patch.get_gid() == "unfinished")
        start = date2num(pd.Timestamp(table.attrs["unfinished"]))
        middle = hatched.get_x() + hatched.get_width() / 2
        assert abs(middle - start) < hatched.get_width()
        assert hatched.get_width() == {"W": 7, "MS": 28}[freq]
        assert "not over yet" in legend(ax)


@pytest.mark.parametrize("name", ["trend", "weeks"])
def test_periods_that_are_over_are_not_hatched(name: str):
    """Without an unfinished period in the table, nothing is hatched."""
    tasks = xs.sample_tasks()
    tasks = tasks[tasks["creation_time"] < pd.Timestamp("2026-11-09T00:00Z")]
    make = xs.duration_trend if name == "trend" else xs.status_breakdown
    for them in (tasks, tasks.assign(observed_at=pd.NaT).pipe(xs.conform)):
        ax = PAIRS[name][1](make(them, freq="W"))
        assert "not over yet" not in legend(ax)


@each
def test_the_limits_hold_both(name: str, tables: dict[str, list[pd.DataFrame]]):
    """The limits include those of each chart alone."""
    together = both(name, tables, plt.subplots()[1])
    for table in tables[name]:
        alone = PAIRS[name][1](table, ax=plt.subplots()[1])
        for which in ("get_xlim", "get_ylim"):
            inner, outer = sorted(getattr(alone, which)()), sorted(getattr(together, which)())
            # a log axis does not hold the 0 of a linear one
            assert outer[0] <= inner[0] + 1e-9 or inner[0] == 0
            assert outer[1] >= inner[1] * 0.999


@each
def test_bars_of_two_charts_do_not_hide_each_other(
    name: str, tables: dict[str, list[pd.DataFrame]]
):
    """Bars of states are side by side; those of durations are translucent."""
    ax = both(name, tables, plt.subplots()[1])
    if name == "histogram":
        assert ax.patches[-1].get_alpha() < 1
    elif name in {"states", "weeks"}:
        boxes = [
            (round(bar.get_x(), 6), round(bar.get_y(), 6))
            for bar in bars_of(ax)
            if bar.get_width() and bar.get_height()
        ]
        assert len(set(boxes)) == len(boxes)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "place", "before"), some(product(PAIRS, ["left", "center"], [True, False]), 5)
)
def test_a_title_of_the_caller_replaces_ours(
    name: str,
    place: str,
    before: bool,  # noqa: FBT001 - a parameter
    tables: dict[str, list[pd.DataFrame]],
):
    """A title set before or after is the only one, above notes and legend."""
    figure, ax = plt.subplots(figsize=(10, 6), layout="constrained")
    if before:
        ax.set_title("mine", loc=place)
    both(name, tables, ax)
    if not before:
        ax.set_title("not yet", loc=place)
        ax.set_title("mine", loc=place)
    figure.draw_without_rendering()
    assert {ax.get_title(loc=side) for side in ("left", "center")} == {"mine", ""}
    (title,) = (text for text in ax.findobj(plt.Text) if text.get_text() == "mine")
    notes = ax.findobj(Panel)[0]
    assert notes.get_window_extent().y1 <= title.get_window_extent().y0
    assert not notes.get_clip_on()


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "layout", "size"),
    some(product(PAIRS, ["constrained", "tight"], [(3, 2), (6.4, 4.8)]), 3),
)
def test_nothing_is_drawn_outside_the_figure(
    name: str, layout: str, size: tuple[float, float], tables: dict[str, list[pd.DataFrame]]
):
    """With a layout engine, a small figure contains everything, and the plot has room."""
    figure, ax = plt.subplots(figsize=size, layout=layout)
    both(name, tables, ax)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 >= -0.05
    assert box.y0 >= -0.05
    assert box.x1 <= size[0] + 0.05
    assert box.y1 <= size[1] + 0.05
    assert ax.get_window_extent().height > 0.25 * figure.bbox.height


@each
def test_without_a_layout_the_head_stays_inside(name: str, tables: dict[str, list[pd.DataFrame]]):
    """What does not fit the margin is drawn in the plot or left out."""
    for size in ((3, 2), (6.4, 4.8)):
        figure, ax = plt.subplots(figsize=size)
        both(name, tables, ax)
        figure.draw_without_rendering()
        assert figure.get_tightbbox().y1 <= size[1] + 0.05
        assert {"west", "east"} <= set(legend(ax))


@pytest.mark.sampled
@pytest.mark.parametrize("name", some(PAIRS, 3))
def test_subplots(name: str, tables: dict[str, list[pd.DataFrame]]):
    """Four charts in one figure do not overlap."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for ax in axes.flat:
        both(name, tables, ax)
    figure.draw_without_rendering()
    upper, lower = axes[:, 0]
    assert lower.get_tightbbox().y1 <= upper.get_tightbbox().y0 + 1


@each
def test_dark_background(name: str, tables: dict[str, list[pd.DataFrame]]):
    """On a dark background, text is light, and no line, marker or grid is black."""
    with plt.style.context("dark_background"):
        ax = both(name, tables, plt.subplots()[1])
        ax.figure.draw_without_rendering()
    texts = [*ax.texts, ax.xaxis.label, *ax.get_yticklabels(), *ax.get_legend().get_texts()]
    for text in texts:
        assert max(to_rgb(text.get_color())) > 0.55
    for line in ax.lines:
        assert max(to_rgb(line.get_color())) > 0.55
    for line in [*ax.get_xgridlines(), *ax.get_ygridlines()]:
        assert not line.get_visible() or max(to_rgb(line.get_color())) < 0.7


def test_a_cleared_axes_starts_again(tables: dict[str, list[pd.DataFrame]]):
    """After `ax.clear()`, the first colour is used again and old notes are gone."""
    ax = both("lag", tables, plt.subplots()[1])
    ax.clear()
    PAIRS["lag"][1](tables["lag"][0], ax=ax)
    assert to_hex(ax.lines[0].get_color()) == "#0072b2"
    assert not legend(ax)


def test_the_limits_hold_what_the_caller_drew(tables: dict[str, list[pd.DataFrame]]):
    """A line that the caller drew before stays in view."""
    _, ax = plt.subplots()
    ax.plot([1e6, 2e6], [0, 1])
    PAIRS["lag"][1](tables["lag"][0], ax=ax)
    assert ax.get_xlim()[1] >= 2e6


def test_groups_of_two_tables_are_refused(tables: dict[str, list[pd.DataFrame]]):
    """A second table with groups in another order is refused."""
    ax = plt.subplots()[1]
    table = xs.status_breakdown(xs.sample_tasks(), by="region")
    charts.plot_status_breakdown(table, ax=ax)
    with pytest.raises(ArgumentError, match="draw the second on another ax"):
        charts.plot_status_breakdown(table, ax=ax)
