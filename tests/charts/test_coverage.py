"""The chart of what is not in S3."""

from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from exportstats.charts.coverage import plot_coverage
from exportstats.errors import SchemaError

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("ms")
NAMES = ["account_id", "region", "log_group_name"]
COVERED, OVERLAP, PREMATURE, GAP, LOST = "#a6d9c8", "#0072b2", "#f0c75e", "#d55e00", "#222222"
Piece = tuple[str, str, str | None, str | None]


def timeline(groups: dict[object, list[Piece]]) -> pd.DataFrame:
    """Return a table of `coverage_timeline` from lengths, states, reasons and days to expiry."""
    rows = []
    for name, pieces in groups.items():
        start = START
        for length, state, reason, expires in pieces:
            end = start + pd.Timedelta(length)
            expiry = pd.NaT if expires is None else start + pd.Timedelta(expires)
            rows.append(("1", "eu-west-1", name, start, end, end - start, state, reason, expiry))
            start = end
    columns = [*NAMES, "start", "end", "length", "state", "reason", "expires_at"]
    table = pd.DataFrame(rows, columns=columns)
    for column in ("start", "end", "expires_at"):
        table[column] = pd.to_datetime(table[column], utc=True).dt.as_unit("ms")
    table["evidence"] = np.where(table["state"] == "gap", "missing", "claimed")
    return table.astype({"length": "timedelta64[ms]", "state": "category"})


def nightly(groups: int, days: int = 365, *, cut: str = "1min") -> pd.DataFrame:
    """Return log groups without the first minute of each day, later ones for more days."""
    rng = np.random.default_rng(1)
    day = np.tile(np.repeat(np.arange(days), 2), groups)
    number = np.repeat(np.arange(groups), 2 * days)
    first = np.tile([True, False], groups * days)
    gap = first & (rng.random(len(day)) < (number + 1) / groups)
    length = int(pd.Timedelta(cut).total_seconds()) * 1000
    at = day * 86_400_000
    start = pd.Series(START + pd.to_timedelta(np.where(first, at, at + length), unit="ms"))
    ends = np.where(first, at + length, at + 86_400_000)
    end = pd.Series(START + pd.to_timedelta(ends, unit="ms"))
    names = [f"/aws/lambda/function-{name}" for name in range(groups)]
    table = pd.DataFrame(
        {
            "account_id": pd.Categorical(["1"]).repeat(len(day)),
            "region": pd.Categorical(["eu-west-1"]).repeat(len(day)),
            "log_group_name": pd.Categorical.from_codes(number, names),
            "start": start.astype("datetime64[ms, UTC]"),
            "end": end.astype("datetime64[ms, UTC]"),
            "state": pd.Categorical.from_codes(np.where(gap, 0, 1), ["gap", "covered"]),
            "reason": pd.Categorical.from_codes(np.where(gap, 0, -1), ["failed"]),
        }
    )
    table["length"] = (table["end"] - table["start"]).astype("timedelta64[ms]")
    table["evidence"] = np.where(gap, "missing", "claimed")
    table["expires_at"] = table["start"].where(gap) + pd.Timedelta(90, "D")
    return table


def by_day(shares: list[list[float]], tz: str = "UTC", start: str = "2026-03-27") -> pd.DataFrame:
    """Return what `coverage_by_day` returns."""
    keys = [("1", "eu-west-1", f"group-{number}") for number in range(len(shares))]
    index = pd.MultiIndex.from_tuples(keys, names=NAMES)
    days = pd.date_range(start, periods=len(shares[0]), freq="D", tz=tz, name="day")
    return pd.DataFrame(shares, index=index, columns=days.as_unit("ms"))


def boxes(ax: Axes, colour: str) -> list[list[float]]:
    """Return the bars of a colour: left (days after the start), width, lane and height."""
    start = START.timestamp() / 86_400
    found = []
    for collection in ax.collections:
        if isinstance(collection, PolyCollection) and to_hex(collection.get_facecolor()) == colour:
            for path in collection.get_paths():
                box = path.get_extents()
                found.append([box.x0 - start, box.width, round(box.y0), box.height])
    return found


def names(ax: Axes) -> list[str]:
    """Return the names of the rows from the top down."""
    return [label.get_text() for label in ax.get_yticklabels()]


def note(ax: Axes) -> str:
    """Return the notes below the title."""
    return ax.texts[-1].get_text().replace("\n", " ")


def test_the_worst_log_group_is_on_top():
    """Log groups are sorted by missing time, which is written at the right."""
    ax = plot_coverage(
        timeline(
            {
                "whole": [("5D", "covered", None, None)],
                "short": [("4D", "covered", None, None), ("1D", "gap", "failed", None)],
                "long": [("3D", "gap", "never_tried", None), ("2D", "covered", None, None)],
            }
        )
    )
    assert names(ax) == ["long", "short", "whole"]
    assert [text.get_text() for text in ax.texts[:3]] == ["3 d", "1 d", "no gap"]
    assert "n = 3 log groups · missing: 4 d (26.7 %)" in note(ax)


def test_each_state_is_where_the_table_has_it():
    """Each state has its colour, and its bars begin and end as in the table."""
    pieces = [
        ("1D", "gap", "lost", "2D"),
        ("2D", "gap", "failed", "9D"),
        ("1D", "premature", None, None),
        ("3D", "overlap", None, None),
        ("2D", "covered", None, None),
    ]
    ax = plot_coverage(timeline({"a": pieces}))
    for colour, place in {
        LOST: [0, 1], GAP: [1, 2], PREMATURE: [3, 1], OVERLAP: [4, 3]
    }.items():  # fmt: skip
        assert boxes(ax, colour)[0][:2] == pytest.approx(place)
    assert boxes(ax, COVERED)[-1][:2] == pytest.approx([7, 2])
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[:5] == ["covered", "overlap", "premature", "gap", "gap, lost for ever"]
    assert "of it lost for ever: 1 d" in note(ax)


def test_premature_and_lost_are_hatched():
    """Premature and lost parts also differ by a hatch."""
    ax = plot_coverage(
        timeline({"a": [("1D", "premature", None, None), ("1D", "gap", "lost", "1D")]})
    )
    hatched = {to_hex(bars.get_facecolor()) for bars in ax.collections if bars.get_hatch()}
    assert hatched == {PREMATURE, LOST}


def test_gaps_of_a_minute_are_seen_and_do_not_fill_the_lane():
    """In a year of nightly gaps, each is at least a pixel wide and half as high as the row."""
    ax = plot_coverage(nightly(1))
    gaps, ground = boxes(ax, GAP), boxes(ax, COVERED)
    pixel = np.ptp(ax.get_xlim()) / ax.get_window_extent().width
    assert len(gaps) > 200
    assert min(width for _, width, _, _ in gaps) > 0.9 * pixel
    assert sum(width for _, width, _, _ in gaps) < 365
    assert gaps[0][3] == pytest.approx(ground[0][3] / 2)
    assert "missing: 6 h 5 min (<0.1 %)" in note(ax)
    assert "half as high: shorter than a pixel" in note(ax)


def test_thin_gaps_are_still_there_in_a_smaller_picture():
    """With half the pixels, no gap disappears."""
    table = nightly(1)
    table.loc[table.index % 40 != 0, ["state", "evidence", "reason"]] = [
        *("covered", "claimed", None)
    ]
    ax = plot_coverage(table)
    ax.figure.dpi = 50
    ax.figure.canvas.draw()
    row = ax.transData.transform((0, -0.06))[1]
    image = np.asarray(ax.figure.canvas.buffer_rgba())[-round(row), :, :3].astype(int)
    # where nothing lies on it, the covered ground is much more green than red
    marked = (image[:, 0] - image[:, 1] > -25) & (image[:, 2] < 190) & (image.sum(axis=1) > 100)
    assert (np.diff(marked.astype(int)) == 1).sum() >= (table["state"] == "gap").sum()


def test_a_table_of_gaps_alone_says_nothing_of_cover():
    """A table of gaps alone has no bars of covered time."""
    table = nightly(2)
    ax = plot_coverage(table[table["state"] == "gap"])
    assert not boxes(ax, COVERED)
    assert boxes(ax, GAP)


def test_an_hour_is_drawn_as_an_hour():
    """A range of an hour fills the axis."""
    pieces = [("30min", "covered", None, None), ("30min", "gap", "active", None)]
    ax = plot_coverage(timeline({"a": pieces}))
    assert np.ptp(ax.get_xlim()) * 24 == pytest.approx(1, abs=0.1)
    assert boxes(ax, GAP)[0][1] * 24 == pytest.approx(0.5)


def test_deadlines_are_ticks_and_later_ones_an_arrow():
    """An `expires_at` near the range is a tick, a distant one an arrow at the edge."""
    near, far = ("1D", "gap", "failed", "6D"), ("1D", "gap", "failed", "3000D")
    ax = plot_coverage(timeline({"a": [near, ("4D", "covered", None, None)], "b": [far]}))
    ticks = boxes(ax, "#000000")
    assert len(ticks) == 1
    assert ticks[0][0] == pytest.approx(6, abs=0.05)
    assert ticks[0][2] == 0
    assert [line.get_marker() for line in ax.lines] == [">"]
    assert np.ptp(ax.get_xlim()) < 8
    assert "first deadline 2026-01-07 00:00" in note(ax)


def test_what_is_lost_has_no_deadline():
    """Lost gaps have no deadline."""
    ax = plot_coverage(timeline({"a": [("5D", "gap", "lost", "2D")]}))
    assert not boxes(ax, "#000000")
    assert "deadline" not in note(ax)


def test_of_many_log_groups_the_worst_40_are_drawn():
    """40 log groups are drawn with few artists; the notes are about all of them."""
    table = nightly(300, 30)
    ax = plot_coverage(table)
    assert len(names(ax)) == 40
    assert "the worst 40 of 300 log groups, 260 more not shown" in note(ax)
    assert table.loc[table["state"] == "gap", "length"].sum() // pd.Timedelta("1h") == 75
    assert "missing: 3 d 3 h" in note(ax)
    assert len(ax.collections) < 12


def test_many_log_groups_are_nearly_as_fast_as_few():
    """5,000 log groups over a year take less than five times as long as 50."""

    def measure(table: pd.DataFrame) -> float:
        begin = perf_counter()
        plot_coverage(table).figure.canvas.draw()
        plt.close("all")
        return perf_counter() - begin

    few, many = nightly(50), nightly(5_000)
    assert measure(many) < 5 * max(measure(few), measure(few))


def test_rows_in_any_order_give_the_same_bars():
    """The order of the rows does not change the picture."""
    table = nightly(3, 20, cut="6h")
    shuffled = table.sample(frac=1, random_state=1)
    for colour in (GAP, COVERED):
        assert boxes(plot_coverage(table), colour) == boxes(plot_coverage(shuffled), colour)


def test_an_upper_bound_is_noted_once():
    """Both charts have one note that S3 may contain less than they show."""
    for table in (nightly(2, 5), by_day([[1.0, 0.5]])):
        assert note(plot_coverage(table)).count("upper bound") == 1


def test_a_shared_account_is_shown_once():
    """Names have account and region only where they differ."""
    table = nightly(2, 5)
    assert "in 1, eu-west-1" in note(plot_coverage(table))
    table["account_id"] = np.where(table["log_group_name"] == table["log_group_name"][0], "1", "2")
    assert min(names(plot_coverage(table))).startswith("1 · /aws")


def test_rows_that_cannot_be_drawn_are_counted():
    """A note counts the rows without a time."""
    table = nightly(1, 5)
    table["start"] = table["start"].where(table.index != 3)
    assert "rows not drawn: 1, no time" in note(plot_coverage(table))
    assert "rows not drawn: 10" in note(plot_coverage(table.assign(end=pd.NaT)))


def test_evidence_has_its_own_look():
    """What is proven, partial or silent differs, and the header has the two bounds."""
    pieces = [("1D", "covered", None, None)] * 8 + [("1D", "gap", "silent", None)]
    table = timeline({"web": [*pieces, ("1D", "gap", "failed", None)]})
    table["evidence"] = ["proven"] * 6 + ["partial", "claimed", "silent", "missing"]
    ax = plot_coverage(table)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["claimed", "proven", "only some streams", "nothing came in", "gap"]
    assert "covered at least 60 %, at most 80 %, nothing came in: 10 %" in note(ax)
    assert "upper bound" not in note(ax)


def test_an_unknown_state_is_refused():
    """An unknown state is an error that names it."""
    table = nightly(1, 5).astype({"state": "str"})
    table.loc[2, "state"] = "maybe"
    with pytest.raises(SchemaError, match="maybe is not one of covered"):
        plot_coverage(table)


def test_another_frame_is_refused():
    """The error names both functions whose tables are drawn."""
    for wrong in (pd.DataFrame({"a": [1]}), [1], by_day([[1.0]]).reset_index(drop=True)):
        with pytest.raises(SchemaError, match="coverage_timeline or coverage_by_day"):
            plot_coverage(wrong)


def test_nothing_to_report_is_noted():
    """A table without log groups is drawn as a text."""
    for table in (nightly(1).iloc[:0], by_day([[1.0]]).iloc[:0]):
        assert plot_coverage(table).texts[-1].get_text() == "no log groups"


def test_keywords_reach_the_bars_and_the_cells():
    """Other keyword arguments go to the bars or the cells."""
    for table in (nightly(2, 5), by_day([[1.0, 0.5]])):
        ax = plot_coverage(table, gid="mine")
        assert ax.findobj(lambda artist: artist.get_gid() == "mine")


def cells(ax: Axes) -> np.ma.MaskedArray:
    """Return the values of the heat map."""
    return ax.collections[0].get_array()


def test_days_are_columns_and_the_worst_row_is_on_top():
    """A cell is a day of a log group, and is empty without a value."""
    ax = plot_coverage(by_day([[1, 1, 1], [np.nan, 0.5, 1], [0, 0, 1]]))
    assert names(ax) == ["group-2", "group-1", "group-0"]
    assert cells(ax).filled(-1).tolist() == [[0, 0, 1], [-1, 0.5, 1], [1, 1, 1]]
    assert ax.figure.axes[-1].get_ylabel().startswith("covered (tip")


def test_a_missing_minute_does_not_look_like_none():
    """A day without a minute has another colour than a complete day."""
    ax = plot_coverage(by_day([[1.0, 1 - 1 / 1440, 1 - 1 / 86_400_000]]))
    whole, minute, least = ax.collections[0].to_rgba(cells(ax))[0]
    assert to_hex(whole) == COVERED
    assert to_hex(minute) == to_hex(least) != COVERED
    assert "fully covered: 33.3 % of the days" in note(ax)


def test_days_that_the_table_does_not_have_are_empty():
    """Days that the table lacks are empty columns."""
    ax = plot_coverage(by_day([[0.1, 0.2, 0.3]]).iloc[:, ::2])
    assert cells(ax).mask.tolist() == [[False, True, False]]


def test_days_of_another_zone_are_its_own():
    """Columns are local days of equal width, also when the clocks change."""
    ax = plot_coverage(by_day([[0.1, 0.2, 0.3, 0.4]], tz="Europe/Berlin"))
    assert cells(ax).shape == (1, 4)
    assert not np.ma.is_masked(cells(ax))
    assert ax.get_xlabel() == "day (Europe/Berlin)"
    assert np.ptp(ax.get_xlim()) == 4


@pytest.mark.parametrize(("groups", "days"), [(12, 7), (300, 365), (5000, 7), (12, 1500)])
def test_heat_maps_of_any_size_are_drawn(groups: int, days: int):
    """At most 60 rows and 500 columns of the worst are drawn, with a note."""
    shares = np.random.default_rng(1).random((groups, days)).tolist()
    ax = plot_coverage(by_day(shares))
    ax.figure.draw_without_rendering()
    assert cells(ax).shape == (min(groups, 60), min(days, 500))
    assert ("the worst 60 of" in note(ax)) == (groups > 60)
    assert ("a column is the worst of 3 days" in note(ax)) == (days > 500)
