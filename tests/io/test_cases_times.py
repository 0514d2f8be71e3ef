"""Times in any unit and zone are read, or noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from inputs import (
    CREATED,
    task,
    warned,
)
from support import ms, plain

import exportstats as xs
from exportstats.errors import ExportStatsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Task = dict[str, Any]


def in_unit(times: Callable[[int], Any]) -> list[Task]:
    """Return a task that took 12 s, with its times written by a function of seconds."""
    created = {"creationTime": times(1715920300), "completionTime": times(1715920312)}
    return [task(**{"from": times(1715918400), "to": times(1715920200)}, executionInfo=created)]


@pytest.mark.parametrize("kind", [int, float, str])
@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
def test_units_of_times(
    save: Callable[..., Path], kind: type, unit: str, factor: int, tmp_path: Path
) -> None:
    """Numbers in another unit are reported with the remedy, which then reads 12 s."""
    made = in_unit(lambda seconds: kind(seconds * factor))
    path = save(made)
    flat_ = pd.json_normalize(made)
    flat_.to_csv(tmp_path / "tasks.csv", index=False)
    flat_.to_parquet(tmp_path / "tasks.parquet")
    files = [path, tmp_path / "tasks.parquet", tmp_path / "tasks.csv"]
    # pandas writes a float of 19 digits like a spreadsheet
    for file in files[: 2 if unit == "ns" and kind is float else 3]:
        with warned() as messages:
            xs.read_tasks(file)
        said = [str(one) for one in messages if isinstance(one, xs.UnusedWarning)]
        if unit == "ms":
            assert not messages
        else:
            (message,) = said
            assert f'times_in="{unit}"' in message
            assert "1 of creation_time" in message
        tasks = xs.read_tasks(file, times_in=unit)
        assert plain(tasks["duration"]) == [12_000]
        assert plain(tasks["creation_time"]) == [ms("2024-05-17T04:31:40Z")]


def test_parts_of_seconds(save: Callable[..., Path]) -> None:
    """Fractions of seconds are noticed like integers, and read to the millisecond."""
    path = save(in_unit(lambda seconds: seconds + 0.25))
    with pytest.warns(xs.UnusedWarning, match="times look like seconds"):
        xs.read_tasks(path)
    assert plain(xs.read_tasks(path, times_in="s")["from_time"]) == [1715918400250]


def test_several_units_in_one_file(save: Callable[..., Path]) -> None:
    """If only some times are in another unit, the warning has their number."""
    other = task("b", executionInfo={"creationTime": 1437652800, "completionTime": 1437652900})
    with pytest.warns(xs.UnusedWarning, match="1 of creation_time, 1 of completion_time") as caught:
        tasks = xs.read_tasks(save([task(), other]))
    assert caught[0].message.partial
    # read in seconds, the others would be wrong
    assert "unless others are in milliseconds: then first convert" in str(caught[0].message)
    assert plain(tasks["duration"])[0] == 216820


def test_a_spreadsheets_numbers(save: Callable[..., Path]) -> None:
    """Times that a spreadsheet rounded are reported, and none is read."""
    for between, number in ((",", "1.43758E+12"), (";", "1,43758E+12"), ("\t", "1.43758e12")):
        names = between.join(["task_id", "creation_time"])
        with pytest.raises(xs.BadRowsError, match="1 x creation_time was rounded by a spreadsh"):
            xs.read_tasks(save(f"{names}\na{between}{number}\n", "tasks.csv"))
    some = f"task_id,creation_time\na,1.43758E+12\nb,{CREATED}\n"
    with pytest.warns(xs.BadRowsWarning, match="spreadsheet; .*; the others were kept"):
        assert plain(xs.read_tasks(save(some, "tasks.csv"))["task_id"]) == ["b"]


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("UTC", "2015-07-22 17:01:12.382", "2015-07-22T17:01:12.382Z"),
        ("Europe/Berlin", "2026-07-01 12:00", "2026-07-01T10:00Z"),
        ("Europe/Berlin", "2026-12-01T12:00", "2026-12-01T11:00Z"),
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30Z"),
        ("America/New_York", "2026-11-01 01:30:00", "2026-11-01T05:30Z"),
        ("Asia/Kolkata", "2026-11-01 01:30:00", "2026-10-31T20:00Z"),
    ],
)
def test_times_without_a_zone(
    save: Callable[..., Path], tmp_path: Path, zone: str, text: str, utc: str
) -> None:
    """Naive times are an error that names the option to read them."""
    xs_file = save(f"task_id,creation_time\na,{text}\n", "tasks.csv")
    listed = save([task(executionInfo={"creationTime": text})])
    frame = pd.DataFrame({"task_id": ["a"], "creation_time": pd.to_datetime([text])})
    frame.to_parquet(tmp_path / "tasks.parquet")
    for path in (xs_file, listed, tmp_path / "tasks.parquet"):
        with pytest.raises(ExportStatsError, match=r'no time zone; .*times_in="UTC"'):
            xs.read_tasks(path)
        assert plain(xs.read_tasks(path, times_in=zone)["creation_time"]) == [ms(utc)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("wrong", ["s", "us", "ns"])
def test_a_unit_that_is_not_theirs(save: Callable[..., Path], unit: str, wrong: str) -> None:
    """Numbers that do not fit the given unit are reported with the remedy."""
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    made = in_unit(lambda seconds: seconds * factor)
    for read in (lambda: xs.read_tasks(save(made), times_in=wrong), lambda: conformed(made, wrong)):
        with warned() as messages:
            read()
        said = [one for one in messages if isinstance(one, xs.UnusedWarning) and one.partial]
        if unit == wrong:
            assert not messages
        elif (unit, wrong) != ("ns", "s"):  # those are after 2999 however they are read
            assert f'times_in="{unit}"' in str(said[0])


def conformed(tasks: list[Task], times_in: str) -> pd.DataFrame:
    """Return a table of tasks from `json_normalize`."""
    return xs.conform(pd.json_normalize(tasks), times_in=times_in)


@pytest.mark.parametrize("zone", [" UTC", " +0000", " -00:00"])
def test_a_zone_after_a_blank(save: Callable[..., Path], zone: str) -> None:
    """A zone is read after a blank, as Athena, BigQuery, Snowflake and Ruby write it."""
    text = f"task_id,creation_time\na,2015-07-22 17:01:12.382{zone}\n"
    tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["creation_time"]) == [ms("2015-07-22T17:01:12.382Z")]


@pytest.mark.parametrize("text", ["2015-02-30T00:00:00Z", "2016-12-31T23:59:60Z"])
def test_times_that_do_not_exist(save: Callable[..., Path], text: str) -> None:
    """An impossible time with a zone is not said to lack one."""
    with pytest.raises(xs.BadRowsError, match="creation_time is not a time"):
        xs.read_tasks(save([task(executionInfo={"creationTime": text})]))
