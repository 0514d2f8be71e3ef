"""What all charts have in common."""

import inspect
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from exportstats import charts
from exportstats.core.schema import STATES
from exportstats.errors import SchemaError

HOSTILE = [
    "$\\frac{1}{$ a_b^",
    "$a$ \\$b",
    "line\nbreak\ttab\x00\x1b[31m",
    "\u202egnp.exe\u202c",
    "漢字 📦",
    "x" * 10_000,
    "_hidden",
    "",
    np.nan,
]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def times(count: int) -> pd.DatetimeIndex:
    """Return the starts of some weeks."""
    weeks = pd.date_range("2026-01-05", periods=count, freq="7D", tz="UTC", name="period")
    return weeks.as_unit("ms")


def lengths(*seconds: float) -> pd.Index:
    """Return durations."""
    return pd.to_timedelta(list(seconds), unit="s").as_unit("ms")


def states(names: list[object]) -> pd.DataFrame:
    """Return what `status_breakdown` returns, by group."""
    index = pd.MultiIndex.from_product([names, list(STATES)], names=["task_name", "status_code"])
    return pd.DataFrame({"tasks": 1, "share": 1 / 6}, index=index)


def reasons(names: list[object]) -> pd.DataFrame:
    """Return what `failure_reasons` returns, by group; the reasons are the same texts."""
    index = pd.MultiIndex.from_arrays([names, names[::-1]], names=["task_name", "reason"])
    seen = times(len(names))
    return pd.DataFrame(
        {"tasks": 2, "share": 1.0, "first_time": seen, "last_time": seen, "example_task_id": "a"},
        index=index,
    )


def summary(names: list[object]) -> pd.DataFrame:
    """Return what `duration_summary` returns, by group."""
    row = dict(zip(["min", "p50", "p90", "max", "mean"], lengths(1, 2, 30, 40, 5), strict=True))
    return pd.DataFrame(
        {"completed": 50, "censored": 1, **row}, index=pd.Index(names, name="task_name")
    )


def histogram(names: list[object]) -> pd.DataFrame:
    """Return what `duration_histogram` returns, by group."""
    bins = pd.IntervalIndex.from_breaks(lengths(1, 10, 100), closed="left")
    index = pd.MultiIndex.from_product([names, bins], names=["task_name", "duration"])
    return pd.DataFrame({"tasks": 5, "share": 0.5}, index=index)


def trend(names: list[object]) -> pd.DataFrame:
    """Return what `duration_trend` returns, by group."""
    index = pd.MultiIndex.from_product([names, times(4)], names=["task_name", "period"])
    half, most = lengths(60, 90)
    return pd.DataFrame({"completed": 20, "censored": 0, "p50": half, "p90": most}, index=index)


def hours(names: list[object]) -> pd.DataFrame:
    """Return what `completion_times` returns; the zone's name is one of the texts."""
    table = pd.DataFrame(
        int(bool(names)),
        index=pd.Index(DAYS, name="weekday"),
        columns=pd.RangeIndex(24, name="hour"),
    )
    table.attrs["tz"] = names[0] if names else "UTC"
    return table


def tasks(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of a table of tasks; the states are the texts."""
    return pd.DataFrame(
        {
            "creation_time": times(len(names)),
            "duration": lengths(*range(1, len(names) + 1)),
            "status_code": pd.Categorical(names),
            "observed_at": times(len(names)),
        }
    )


def timeline(names: list[object]) -> pd.DataFrame:
    """Return what `coverage_timeline` returns: a gap of a day in each of some log groups."""
    start = times(len(names))
    return pd.DataFrame(
        {
            "account_id": "1",
            "region": "eu-west-1",
            "log_group_name": names,
            "start": start,
            "end": start + pd.Timedelta(1, "D"),
            "length": lengths(*[86_400] * len(names)),
            "state": "gap",
            "reason": "failed",
            "expires_at": start + pd.Timedelta(30, "D"),
        }
    )


def plan(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of what `plan_backfill` gives; the regions are the texts."""
    start = times(len(names))
    return pd.DataFrame(
        {
            "account_id": "1",
            "region": names,
            "deadline": start,
            "expected_start": start,
            "expected_end": start + pd.Timedelta(1, "h"),
            "end_high": start + pd.Timedelta(2, "h"),
            "late": True,
            "enough_history": False,
        }
    )


def lag_table(names: list[object]) -> pd.DataFrame:
    """Return what `landing_lag` returns, by group."""
    index = pd.MultiIndex.from_product([names, [0.0, 0.5, 1.0]], names=["task_name", "share"])
    return pd.DataFrame({"lag": lengths(*range(1, 3 * len(names) + 1)), "tasks": 5}, index=index)


def slot_tasks(names: list[object]) -> pd.DataFrame:
    """Return what the chart of the slots needs of a table of tasks; the accounts are the texts."""
    seen = times(len(names))
    return pd.DataFrame(
        {
            "account_id": pd.Categorical(names),
            "region": "eu-west-1",
            "creation_time": seen,
            "completion_time": seen + pd.Timedelta("1h"),
            "observed_at": seen,
            "status_code": "COMPLETED",
        }
    )


def comparison(names: list[object]) -> pd.DataFrame:
    """Return what `compare_periods` returns, by group."""
    measures = {"tasks": "tasks", "failure_rate": "share", "p50": "s", "p90": "s"}
    index = pd.MultiIndex.from_product([names, measures], names=["task_name", "measure"])
    count = len(index)
    return pd.DataFrame(
        {
            "previous": np.linspace(0.1, 5, count),
            "current": np.linspace(0.2, 6, count),
            "unit": [*measures.values()] * len(names),
            "change": 0.5,
            "ratio": 1.5,
            "low": 0.2,
            "high": 0.8,
            "n_previous": 30,
            "n_current": 40,
            "verdict": "worse",
        },
        index=index,
    )


def curve(names: list[object]) -> pd.DataFrame:
    """Return what `completion_curve` returns, by group."""
    times_ = lengths(0, 60, 600)
    index = pd.MultiIndex.from_product([names, times_], names=["task_name", "duration"])
    many = len(names)
    return pd.DataFrame(
        {
            "at_risk": [9, 9, 5] * many,
            "completed": [0, 4, 5] * many,
            "competing": 0,
            "censored": 0,
            "probability": [0, 0.4, 1.0] * many,
            "low": [np.nan, 0.2, np.nan] * many,
            "high": [np.nan, 0.7, np.nan] * many,
        },
        index=index,
    )


def forecasts(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of what `estimate_completion` gives, by log group."""
    many = len(names)
    return pd.DataFrame(
        {
            "account_id": "1",
            "region": "eu-west-1",
            "log_group_name": names,
            "status_code": "RUNNING",
            "elapsed": lengths(*range(1, many + 1)),
            "remaining_low": lengths(*[60] * many),
            "remaining": lengths(*[120] * many),
            "remaining_high": lengths(*[300] * many),
            "ends": times(many),
        }
    )


def slow_tasks(names: list[object]) -> pd.DataFrame:
    """Return what `find_slow_tasks` returns, by log group."""
    many = len(names)
    return pd.DataFrame(
        {
            "account_id": "1",
            "region": "eu-west-1",
            "log_group_name": names,
            "creation_time": times(many),
            "duration": lengths(*[600] * many),
            "typical": lengths(*[60] * many),
            "ratio": 10.0,
            "score": np.arange(many, 0, -1.0),
        }
    )


def phases(names: list[object]) -> pd.DataFrame:
    """Return what the chart needs of what `phase_durations` returns."""
    many = len(names)
    ends = {"low": lengths(*range(1, many + 1)), "high": lengths(*range(9, many + 9))}
    bounds = {f"{one}_{end}": ends[end] for one in ("waiting", "running") for end in ends}
    return pd.DataFrame({"status_code": "COMPLETED", "looks": 1, **bounds}, index=range(many))


CHARTS = [
    (charts.plot_status_breakdown, states, "status_breakdown"),
    (charts.plot_failure_reasons, reasons, "failure_reasons"),
    (charts.plot_duration_summary, summary, "duration_summary"),
    (charts.plot_duration_histogram, histogram, "duration_histogram"),
    (charts.plot_duration_trend, trend, "duration_trend"),
    (charts.plot_completion_times, hours, "completion_times"),
    (charts.plot_task_durations, tasks, "conform"),
    (charts.plot_coverage, timeline, "coverage_timeline"),
    (charts.plot_backfill, plan, "plan_backfill"),
    (charts.plot_landing_lag, lag_table, "landing_lag"),
    (charts.plot_completion_curve, curve, "completion_curve"),
    (charts.plot_completion, forecasts, "estimate_completion"),
    (charts.plot_slow_tasks, slow_tasks, "find_slow_tasks"),
    (charts.plot_phase_durations, phases, "phase_durations"),
    (charts.plot_periods, comparison, "compare_periods"),
    (charts.plot_task_timeline, slot_tasks, "conform"),
]


def of_charts(*but: str) -> pytest.MarkDecorator:
    """Parametrise a test with all charts but some."""
    chosen = [chart for chart in CHARTS if chart[2] not in but]
    ids = [maker for _, _, maker in chosen]
    return pytest.mark.parametrize(("plot", "make", "maker"), chosen, ids=ids)


every_chart = of_charts()
Plot = Callable[..., Axes]
Make = Callable[[list[object]], pd.DataFrame]


def test_all_charts_are_here():
    """These tests cover every public chart."""
    assert sorted(charts.__all__) == sorted(plot.__name__ for plot, _, _ in CHARTS)


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
    assert maker in text
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
    assert any(text.get_text().startswith("no ") for text in ax.texts)
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
    assert named
    assert not any(text.get_parse_math() or text.get_usetex() for text in named)


@every_chart
def test_another_frame_is_refused(plot: Plot, make: Make, maker: str):
    """A table of another shape is a SchemaError that names the function that makes it."""
    for wrong in (pd.DataFrame({"a": [1]}), make(["a"]).iloc[:, :0], [1, 2]):
        with pytest.raises(SchemaError, match=maker):
            plot(wrong)


@of_charts("completion_times")  # its columns are hours
def test_a_missing_column_is_named(plot: Plot, make: Make, maker: str):
    """The error names the missing column."""
    table = make(["a"])
    with pytest.raises(SchemaError, match=f"column {table.columns[0]} is missing"):
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
    assert any("more" in word for word in words)
