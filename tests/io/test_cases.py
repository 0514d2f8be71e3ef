"""What real people have: each kind of file is read, or named for what it is with the way on."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import re
import warnings
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from support import DAY, ms, plain

import exportstats as xs
from exportstats.errors import ExportStatsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Task = dict[str, Any]

CREATED, COMPLETED = 1437584472382, 1437584689202
FROM, TO = 1437584400000, 1437588000000
LISTS = "`aws logs describe-export-tasks`"


def task(name: str = "a", **more: Any) -> Task:  # noqa: ANN401
    """Return a task as AWS has it, which took 216.82 s."""
    return {
        "taskId": name,
        "taskName": "nightly-app",
        "logGroupName": "/app/web",
        "from": FROM,
        "to": TO,
        "destination": "my-exported-logs",
        "destinationPrefix": "web",
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {"creationTime": CREATED, "completionTime": COMPLETED},
    } | more


def page(*tasks: Any, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a page of tasks."""
    return {"exportTasks": list(tasks)} | more


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file, of JSON if it is no text."""

    def save(content: Any, name: str = "tasks.json") -> Path:  # noqa: ANN401
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return save


@contextmanager
def warned() -> Iterator[list[Warning]]:
    """Collect the warnings, in place of failing by the first."""
    found: list[Warning] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found += [one.message for one in caught]


# Names in other casings.


def renamed(value: Any, rename: Callable[[str], str]) -> Any:  # noqa: ANN401
    """Return decoded JSON with other keys."""
    if isinstance(value, list):
        return [renamed(inner, rename) for inner in value]
    if isinstance(value, dict):
        return {rename(key): renamed(inner, rename) for key, inner in value.items()}
    return value


def pascal(key: str) -> str:
    """Return a key as Go, .NET and PowerShell have it."""
    return key[:1].upper() + key[1:]


def snake(key: str) -> str:
    """Return a key as Ruby and Python have it."""
    return re.sub("([A-Z])", r"_\1", key).lower()


def net(value: Task) -> Task:
    """Return a task as PowerShell makes JSON of .NET's objects."""
    made = renamed(value, pascal)
    made["Status"]["Code"] = {"Value": made["Status"]["Code"]}
    return made


def flat(value: Task, between: str) -> Task:
    """Return a task with its objects taken apart."""
    made: Task = {}
    for key, inner in value.items():
        inner_keys = inner.items() if isinstance(inner, dict) else [("", inner)]
        made |= {key + (between + name if name else ""): of for name, of in inner_keys}
    return made


PYTHON = {"RequestId": "x", "HTTPStatusCode": 200, "HTTPHeaders": {"date": "x"}, "RetryAttempts": 0}
CASINGS: dict[str, Any] = {
    "AWS": page(task(), task("b")),
    "boto3": page(task(), task("b"), ResponseMetadata=PYTHON),
    "Go": renamed(page(task(), task("b")), pascal) | {"NextToken": None, "ResultMetadata": {}},
    "JavaScript": page(task(), task("b")) | {"$metadata": {"attempts": 1}},
    ".NET": {"ExportTasks": [net(task()), net(task("b"))], "HttpStatusCode": 200},
    "PowerShell": [net(task()), net(task("b"))],
    "Ruby": renamed(page(task(), task("b")), snake),
    "a mixture": [task(), renamed(task("b"), pascal)],
    "a mixture in one task": [task(), {**task("b"), "LogGroupName": "/app/web"}],
    "json_normalize": [flat(task(), "."), flat(task("b"), ".")],
    "joined by underscores": [flat(task(), "_"), flat(task("b"), "_")],
    "all small": renamed(page(task(), task("b")), str.lower),
    "all large": renamed(page(task(), task("b")), str.upper),
    "with hyphens": renamed(page(task(), task("b")), lambda key: snake(key).replace("_", "-")),
    "in an unknown object": [flat(one, "/") | one for one in (task(), task("b"))],
}


@pytest.mark.parametrize("content", CASINGS.values(), ids=CASINGS)
@pytest.mark.parametrize("lines", [False, True])
def test_casings(save: Callable[..., Path], content: Any, lines: bool) -> None:  # noqa: ANN401, FBT001
    """AWS's names in any casing and nesting are the same table, as one text and as JSON Lines."""
    expected = xs.read_tasks(save(CASINGS["AWS"], "expected.json"))
    assert plain(expected["duration"]) == [216820] * 2
    with warned() as messages:
        if lines:
            rows = content if isinstance(content, list) else [content]
            found = xs.read_tasks(save("\n".join(map(json.dumps, rows)), "tasks.jsonl"))
        else:
            found = xs.read_tasks(save(content))
    assert_frame_equal(found, expected)
    first = content[0] if isinstance(content, list) else content
    assert bool(messages) == any("/" in key for key in first)


def test_single_objects(save: Callable[..., Path]) -> None:
    """PowerShell makes an object of a list of one, alone and in a page; a task may stand alone."""
    expected = xs.read_tasks(save(page(task()), "expected.json"))
    for value in (net(task()), {"ExportTasks": net(task()), "NextToken": None}, task()):
        for indent in (None, 2):
            found = xs.read_tasks(save(json.dumps(value, indent=indent)))
            assert_frame_equal(found, expected)


def test_our_own_columns(save: Callable[..., Path], tmp_path: Path) -> None:
    """Our columns as JSON, as pandas writes them, are the table that CSV and Parquet give."""
    records = [
        {
            **dict.fromkeys(("account_id", "region")),
            "task_id": name,
            "task_name": "nightly-app",
            "log_group_name": "/app/web",
            "from_time": FROM,
            "to_time": TO,
            "destination": "my-exported-logs",
            "destination_prefix": "web",
            "status_code": state,
            "status_message": None,
            "creation_time": CREATED,
            "completion_time": COMPLETED,
            "observed_at": None,
            "duration": COMPLETED - CREATED,
            "window": TO - FROM + 1,
        }
        for name, state in (("a", "COMPLETED"), ("b", "FAILED"))
    ]
    tasks = xs.read_tasks(save(records))
    assert plain(tasks["duration"]) == [216820] * 2
    assert plain(tasks["window"]) == [TO - FROM + 1] * 2
    for name in ("tasks.csv", "tasks.parquet", "tasks.jsonl"):
        xs.write_tasks(tasks, tmp_path / name)
        assert_frame_equal(xs.read_tasks(tmp_path / name), tasks)
    for orient in ("records", "split", "columns", "index", "table"):
        text = tasks.to_json(orient=orient, date_format="iso")
        if orient == "records":
            assert_frame_equal(xs.read_tasks(save(text)), tasks)
        else:  # other shapes have no task_id in an object
            with pytest.raises(ExportStatsError):
                xs.read_tasks(save(text))


# Keys and columns that are not used.


@pytest.mark.parametrize(
    ("content", "unused"),
    [
        ([{"taskId": "a", "Status": "FAILED", "Started": CREATED}], "Started (1)"),
        ([{**task(), "bytes": 5}, {**task("b"), "bytes": 5, "x": {"y": 1}}], "bytes (2), x.y (1)"),
        ([{**task(), "status": {"code": "FAILED", "detail": "x"}}], "status.detail (1)"),
        ([{**task(), "executionInfo": "in full"}], "executionInfo (1)"),
    ],
)
def test_unused_keys_are_named(save: Callable[..., Path], content: list[Task], unused: str) -> None:
    """Each key that is not used is named once, with how many tasks had it; the rest is read."""
    for name, text in (
        ("a.json", json.dumps(content)),
        ("b.jsonl", "\n".join(map(json.dumps, content))),
    ):
        with warned() as messages:
            assert len(xs.read_tasks(save(text, name))) == len(content)
        (message,) = messages
        assert isinstance(message, xs.UnusedWarning)
        assert str(message).startswith("keys that are not used, with how many tasks had them: ")
        assert str(message).endswith(unused)


def test_flat_keys_of_a_query(save: Callable[..., Path]) -> None:
    """Flat keys are read where they can mean only one thing."""
    hashed = [
        {
            "taskId": "a",
            "status": "COMPLETED",
            "creationTime": CREATED,
            "completionTime": COMPLETED,
            "logGroupName": "/app/web",
            "from": FROM,
            "to": TO,
        }
    ]
    tasks = xs.read_tasks(save(hashed))
    assert plain(tasks["duration"]) == [216820]
    assert plain(tasks["status_code"]) == ["COMPLETED"]


def test_columns_that_may_be_ours(save: Callable[..., Path]) -> None:
    """If a column of ours is empty and there are others, these are named."""
    text = "task_id,log_group,state\na,/app,COMPLETED\n"
    says = r"no task has log_group_name, .*\(log_group, state\)"
    with pytest.warns(xs.UnusedWarning, match=says):
        tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["log_group"]) == ["/app"]


# Times.


def in_unit(times: Callable[[int], Any]) -> list[Task]:
    """Return a task that took 12 s, with times as a function of seconds writes them."""
    created = {"creationTime": times(1715920300), "completionTime": times(1715920312)}
    return [task(**{"from": times(1715918400), "to": times(1715920200)}, executionInfo=created)]


@pytest.mark.parametrize("kind", [int, float, str])
@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
def test_units_of_times(
    save: Callable[..., Path], kind: type, unit: str, factor: int, tmp_path: Path
) -> None:
    """Numbers of another unit are noticed, with what reads them; with that the task took 12 s."""
    made = in_unit(lambda seconds: kind(seconds * factor))
    path = save(made)
    flat_ = pd.json_normalize(made)
    flat_.to_csv(tmp_path / "tasks.csv", index=False)
    flat_.to_parquet(tmp_path / "tasks.parquet")
    files = [path, tmp_path / "tasks.parquet", tmp_path / "tasks.csv"]
    # of a float of 19 digits pandas writes the text that a spreadsheet writes
    for file in files[: 2 if unit == "ns" and kind is float else 3]:
        with warned() as messages:
            xs.read_tasks(file)
        said = [str(one) for one in messages if isinstance(one, xs.UnusedWarning)]
        if unit == "ms":
            assert not messages
        else:
            (message,) = said
            assert f'times_in="{unit}" (--times-in {unit})' in message
            assert "1 of creation_time" in message
        tasks = xs.read_tasks(file, times_in=unit)
        assert plain(tasks["duration"]) == [12_000]
        assert plain(tasks["creation_time"]) == [ms("2024-05-17T04:31:40Z")]


def test_parts_of_seconds(save: Callable[..., Path]) -> None:
    """Seconds with a part are noticed as whole ones are, and read to the millisecond."""
    path = save(in_unit(lambda seconds: seconds + 0.25))
    with pytest.warns(xs.UnusedWarning, match="times look like seconds"):
        xs.read_tasks(path)
    assert plain(xs.read_tasks(path, times_in="s")["from_time"]) == [1715918400250]


def test_several_units_in_one_file(save: Callable[..., Path]) -> None:
    """If some times are of another unit it is said of how many."""
    other = task("b", executionInfo={"creationTime": 1437652800, "completionTime": 1437652900})
    with pytest.warns(xs.UnusedWarning, match="1 of creation_time, 1 of completion_time") as caught:
        tasks = xs.read_tasks(save([task(), other]))
    assert caught[0].message.partial
    assert plain(tasks["duration"])[0] == 216820


def test_a_spreadsheets_numbers(save: Callable[..., Path]) -> None:
    """Times that a spreadsheet rounded are named so, and none of them is read."""
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
    """Times without a zone are an error that names the option with which they are read."""
    xs_file = save(f"task_id,creation_time\na,{text}\n", "tasks.csv")
    listed = save([task(executionInfo={"creationTime": text})])
    frame = pd.DataFrame({"task_id": ["a"], "creation_time": pd.to_datetime([text])})
    frame.to_parquet(tmp_path / "tasks.parquet")
    for path in (xs_file, listed, tmp_path / "tasks.parquet"):
        with pytest.raises(ExportStatsError, match=r'no time zone; times_in="UTC"'):
            xs.read_tasks(path)
        assert plain(xs.read_tasks(path, times_in=zone)["creation_time"]) == [ms(utc)]


# States.


def test_states(save: Callable[..., Path]) -> None:
    """States are read in any casing; one that nobody knows stays as it is, and none is none."""
    states = ["completed", "Failed", "PendingCancel", "pending_cancel", "COMPLETE", "active", None]
    made = [task(str(n), status={"code": state}) for n, state in enumerate(states)]
    made[-1].pop("status")
    tasks = xs.read_tasks(save(made))
    assert plain(tasks["status_code"]) == [
        *("COMPLETED", "FAILED", "PENDING_CANCEL", "PENDING_CANCEL", "COMPLETED", "active", None)
    ]


# Lists that were cut short, and several files.

CUT = (
    r"tasks\.json: the list of tasks goes on.*describe-export-tasks` lists all without --max-items"
)


@pytest.mark.parametrize(
    "content",
    [
        page(task(), nextToken="AAAA"),
        page(task(), NextToken="AAAA"),
        renamed(page(task()), pascal) | {"NextToken": "AAAA"},
        {"nextToken": "AAAA"} | page(task()),
        [page(task(), nextToken="x"), page(task("b"), nextToken="y")],
        renamed(page(task(), next_token="x"), snake),
    ],
)
def test_a_list_that_was_cut_short(save: Callable[..., Path], content: Any) -> None:  # noqa: ANN401
    """A token in the last page says that the list goes on: it is read, and that is said once."""
    for text in (json.dumps(content), json.dumps(content, indent=2)):
        with warned() as messages:
            assert len(xs.read_tasks(save(text))) >= 1
        (message,) = messages
        assert isinstance(message, xs.PartialListWarning)
        assert re.search(CUT, str(message))


def test_pages_up_to_the_last(save: Callable[..., Path]) -> None:
    """Pages of which the last has no token are a whole list, in one file and in several."""
    first, last = page(task(), nextToken="x"), page(task("b", executionInfo={"creationTime": 1}))
    for token in (None, ""):
        ended = last | {"nextToken": token}
        assert len(xs.read_tasks(save([first, ended]))) == 2
        assert len(xs.read_tasks(save(f"{json.dumps(first)}\n{json.dumps(ended)}\n"))) == 2
        pages = save(first, "1.json"), save(ended, "2.json")
        for paths in (pages, pages[::-1]):
            assert len(xs.read_tasks(*paths)) == 2


def test_log_groups_that_were_cut_short(save: Callable[..., Path]) -> None:
    """Of log groups the command is the one that lists them."""
    groups = {"logGroups": [{"logGroupName": "/a"}], "nextToken": "x"}
    says = "of log groups .*`aws logs describe-log-groups`"
    with pytest.warns(xs.PartialListWarning, match=says):
        xs.read_log_groups(save(groups))


def at(created: int, name: str, **more: Any) -> Task:  # noqa: ANN401
    """Return a task that was created so many hours after the others."""
    when = CREATED + created * 3_600_000
    return task(name, executionInfo={"creationTime": when, "completionTime": when + 1}, **more)


SEVERAL = r"1\.json.*2\.json.* name no region, share log groups and have tasks of the same time"


def test_regions_that_may_be_mixed_up(save: Callable[..., Path]) -> None:
    """Files that name no region and may be of two are refused: one would cover another's gaps."""
    europe, america = page(at(0, "a"), at(2, "b")), page(at(1, "c"))
    with pytest.raises(xs.ArgumentError, match=SEVERAL + r".*region= .*--region.*xs\.concat"):
        xs.read_tasks(save(europe, "1.json"), save(america, "2.json"))
    tasks = xs.read_tasks(save(europe, "1.json"), save(america, "2.json"), region="eu-west-1")
    assert set(tasks["region"]) == {"eu-west-1"}
    apart = [
        xs.read_tasks(save(content), region=region, account_id="012345678901")
        for content, region in ((europe, "eu-west-1"), (america, "us-east-1"))
    ]
    assert xs.concat(apart)["region"].value_counts().to_dict() == {"eu-west-1": 2, "us-east-1": 1}


@pytest.mark.parametrize(
    "names",
    [
        ("eu-west-1.json", "us-east-1.json"),
        ("2026_eu-west-1_tasks.json", "tasks.us-east-1.json"),
        ("eu-west-1/tasks.json", "us-east-1/tasks.json"),
        ("region=eu-west-1/tasks.json", "region=us-east-1/tasks.json"),
        ("account_id=1/region=eu-west-1/a/b.json", "account_id=1/region=us-east-1/a/b.json"),
        ("us-gov-west-1.json", "ap-southeast-4.json"),
    ],
)
def test_regions_in_names(save: Callable[..., Path], tmp_path: Path, names: list[str]) -> None:
    """A region in the name of a file or of its folders says whose the tasks are."""
    paths = [save(page(at(0, name)), name) for name in names]
    expected = [re.search(r"[a-z]{2}-(?:[a-z]+-)+\d", name)[0] for name in names]  # type: ignore[index]
    for given_ in (paths, [paths], [tmp_path], [f"{tmp_path}/**/*.json"]):
        tasks = xs.read_tasks(*given_).set_index("task_id")
        assert [tasks.loc[name, "region"] for name in names] == expected


@pytest.mark.parametrize(
    ("name", "account", "region"),
    [
        ("account_id=012345678901/region=eu-west-1/x.json", "012345678901", "eu-west-1"),
        ("account=012345678901/Region=eu-west-1/x.json", "012345678901", "eu-west-1"),
        ("accountId=012345678901/x.json", "012345678901", None),
        ("012345678901/eu-west-1/x.json", "012345678901", "eu-west-1"),
        ("012345678901_eu-west-1.json", "012345678901", "eu-west-1"),
        ("eu-west-1-us-east-1.json", None, None),
        ("region=__HIVE_DEFAULT_PARTITION__/x.json", None, None),
        ("tasks-202611230600.json", None, None),
        ("tasks-20261123060000.json", None, None),
        ("x.json", None, None),
    ],
)
def test_whose_tasks(
    save: Callable[..., Path], name: str, account: str | None, region: str | None
) -> None:
    """An account and a region are read from a path, and no date is taken for an account."""
    tasks = xs.read_tasks(save(page(task()), name))
    assert plain(tasks["account_id"]) == [account]
    assert plain(tasks["region"]) == [region]
    said = xs.read_tasks(save(page(task()), name), account_id="999988887777", region="eu-north-1")
    assert plain(said["account_id"]) == ["999988887777"]
    assert plain(said["region"]) == ["eu-north-1"]
    own = page(task(accountId="111122223333", region="sa-east-1"))
    tasks = xs.read_tasks(save(own, name), account_id="999988887777", region="eu-north-1")
    assert plain(tasks["account_id"]) == ["111122223333"]  # what a task says itself holds
    assert plain(tasks["region"]) == ["sa-east-1"]


def test_accounts_in_names_are_enough(save: Callable[..., Path]) -> None:
    """Files of two accounts are not mixed up, be their region unknown."""
    paths = [save(page(at(0, n)), f"{n * 12}.json") for n in "12"]
    assert len(xs.read_tasks(*paths)) == 2


def test_pages_in_several_files(save: Callable[..., Path]) -> None:
    """Files without tokens that follow each other are taken for one list, and it is said."""
    for contents in ((page(at(2, "a")), page(at(1, "b"))), ([at(2, "a")], [at(1, "b")])):
        paths = [save(content, f"{n}.json") for n, content in enumerate(contents, 1)]
        for given_ in (paths, paths[::-1]):
            with pytest.warns(xs.AccountUnknownWarning, match="are taken for pages of one list"):
                assert len(xs.read_tasks(*given_)) == 2
            assert len(xs.read_tasks(*given_, region="eu-west-1")) == 2


def test_one_list_on_two_days(save: Callable[..., Path]) -> None:
    """The same list saved again later is not mixed up with itself, in whatever order it is read."""
    monday = page(at(1, "b", status={"code": "RUNNING"}), at(0, "a"))
    tuesday = page(at(2, "c"), at(1, "b"))
    paths = [save(monday, "monday.json"), save(tuesday, "tuesday.json")]
    for given_ in (paths, paths[::-1]):
        with warned():
            tasks = xs.read_tasks(*given_).set_index("task_id")["status_code"]
        assert tasks.to_dict() == dict.fromkeys("abc", "COMPLETED")


def test_wrong_arguments() -> None:
    """An account ID or a region that cannot be meant is refused with its value."""
    for account in (12345678901, "12", "12345678901a", ""):
        with pytest.raises(xs.ArgumentError, match=r"account_id=.*; give twelve digits, as text"):
            xs.read_tasks(io.StringIO("[]"), account_id=account)
    for region in ("", 5):
        with pytest.raises(xs.ArgumentError, match=r"region=.*; give its name"):
            xs.read_tasks(io.StringIO("[]"), region=region)


# CSV of spreadsheets.


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("above", ["", "sep={}\r\n", "#TYPE Amazon.ExportTask\r\n"])
def test_delimiters(save: Callable[..., Path], between: str, code: str, above: str) -> None:
    """Columns are parted by commas, semicolons or tabs, in UTF-8 or UTF-16, as Excel saves them."""
    rows = [
        ["task_id", "log_group_name", "creation_time", "status_message"],
        ["a", "/büro", "2015-07-22T17:01:12Z", "1,5; x" if between == "\t" else "x"],
        ["", "/b", "", ""],
    ]
    text = above.format(between) + "".join(between.join(row) + "\r\n" for row in rows)
    with pytest.warns(xs.BadRowsWarning) as caught:
        tasks = xs.read_tasks(save(text.encode(code), "tasks.csv"))
    row = 4 if above else 3
    assert caught[0].message.rows["place"].iloc[0].endswith(f"tasks.csv, row {row}")
    assert plain(tasks["log_group_name"]) == ["/büro"]
    assert plain(tasks["creation_time"]) == [ms("2015-07-22T17:01:12Z")]
    assert plain(tasks["status_message"]) == [rows[1][3]]


def test_own_columns_of_a_csv(save: Callable[..., Path]) -> None:
    """A column that a user added is kept, and grouped by."""
    text = (
        "task_id,log_group_name,status_code,from_time,to_time,creation_time,team\n"
        "a,/app,COMPLETED,0,1,5,web\nb,/app,FAILED,0,1,5\n"
    )
    tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["team"]) == ["web", None]
    assert xs.status_breakdown(tasks, by="team")["tasks"].sum() == 2


# What is something else.

JSONS: dict[str, tuple[Any, str]] = {
    "EC2": (
        {
            "ExportTasks": [
                {"ExportTaskId": "export-i-06d", "ExportToS3Task": {}, "State": "active"}
            ]
        },
        f"an export task of EC2, not of CloudWatch Logs; {LISTS}",
    ),
    "RDS": (
        {"ExportTasks": [{"ExportTaskIdentifier": "x", "Status": "COMPLETE"}]},
        f"an export task of RDS, not of CloudWatch Logs; {LISTS}",
    ),
    "a trail's file": ({"Records": [{"eventName": "CreateExportTask"}]}, "CloudTrail's record of"),
    "LookupEvents": (
        {"Events": [{"EventId": "x", "CloudTrailEvent": "{}"}]},
        "CloudTrail's record",
    ),
    "one event": ({"eventSource": "logs.amazonaws.com", "eventID": "x"}, "CloudTrail's record of"),
    "Ansible": ({"changed": True, "stdout": "{}", "rc": 0}, "the result of an Ansible task; save"),
    "log groups": (
        {"logGroups": [{"logGroupName": "/a"}]},
        r"log groups; read them with xs\.read_lo",
    ),
    "an error": ({"__type": "AccessDenied"}, 'no task_id among its keys "__type"'),
    "renamed": ([{"id": "a", "state": "FAILED"}], 'no task_id among its keys "id, state"'),
    "names": (["a", "b"], 'the task is no object but "a"'),
    "lists": ([["a", "FAILED"]], 'the task is no object but \\["a", "FAILED"\\]'),
    "an empty object": ({}, 'no task_id among its keys ""'),
    "a list of null": ([None], "the task is no object but null"),
    "no identifier": ([{"taskId": None, "from": 5}], "1 x no task_id"),
}


@pytest.mark.parametrize(("content", "reason"), JSONS.values(), ids=JSONS)
def test_json_of_something_else(save: Callable[..., Path], content: Any, reason: str) -> None:  # noqa: ANN401
    """JSON of another tool or service is an error that names it, and never no tasks at all."""
    for text, name in ((json.dumps(content, indent=2), "x.json"), (json.dumps(content), "x.jsonl")):
        with pytest.raises(xs.BadRowsError, match=f"{reason}.*no row could be read") as caught:
            xs.read_tasks(save(text, name))
        assert "x.json" in caught.value.rows["place"].iloc[0]


def zipped() -> bytes:
    """Return an archive, as a spreadsheet is one."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return file.getvalue()


TEXTS: dict[str, tuple[str | bytes, str]] = {
    "the CLI's text": ("EXPORTTASKS\tb\tp\t1\t/app\ta\nSTATUS\tCOMPLETED\n", "the AWS CLI's text"),
    "YAML": ("exportTasks:\n- taskId: a\n", "but YAML"),
    "YAML, a page each": ("- exportTasks:\n  - taskId: a\n", "but YAML"),
    "the CLI's table": ("-------\n|  DescribeExportTasks  |\n+---+\n", "a table for people"),
    "HTML": ("<!DOCTYPE html>\n<title>502, Bad Gateway; nginx</title>", "HTML or XML"),
    "HTML with JSON in it": ('<script>{"taskId": "a"}</script>', "HTML or XML"),
    "XML": ('<?xml version="1.0"?><Error/>', "HTML or XML"),
    "a spreadsheet": (zipped(), r"a spreadsheet \(save it as CSV\)"),
    "null": ("null\n", "--query gives what it does not find"),
    "an error of the CLI": (
        "\nAn error occurred (AccessDeniedException) when calling the operation: no\n",
        "begins with 'An error occurred .AccessDeniedException.",
    ),
    "base64": (
        base64.b64encode(b'{"exportTasks": []}'),
        "begins with 'eyJleHBvcnRUYXNrcyI6IFtdfQ=='",
    ),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "begins with '%PDF-1.7'"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "begins with '.PNG'"),
    "a number": ("5", "begins with '5'"),
    "text": ("hello", "begins with 'hello'"),
    "nothing but zeros": (b"\0" * 50, "begins with '.x00"),
    "columns without a header": ("a\tCOMPLETED\nb\tFAILED\n", "neither JSON nor CSV"),
}


@pytest.mark.parametrize(("content", "reason"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("name", ["x.json", "x.txt", "x"])
def test_text_of_something_else(
    save: Callable[..., Path], content: str | bytes, reason: str, name: str
) -> None:
    """What is no JSON, CSV or Parquet is an error that names file and kind, with the way on."""
    says = rf"{name}, line 1, column 1: .*{reason}"
    with pytest.raises(xs.FileFormatError, match=says) as caught:
        xs.read_tasks(save(content, name))
    assert "The AWS CLI prints JSON with --output json" in str(caught.value)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressions(save: Callable[..., Path], compress: Callable[[bytes], bytes]) -> None:
    """Compressed files are read, whatever they are called; cut off they are an error."""
    whole = compress(json.dumps(page(task(), task("b"))).encode())
    assert plain(xs.read_tasks(save(whole, "base.json.xz"))["duration"]) == [216820] * 2
    with pytest.raises(xs.FileFormatError, match="cannot be read to its end"):
        xs.read_tasks(save(whole[:-3]))


def test_steampipe(save: Callable[..., Path]) -> None:
    """What Steampipe prints is read: its rows have our names."""
    rows = [
        {"task_id": "a", "log_group_name": "/app", "status_code": "COMPLETED"}
        | {"creation_time": "2015-07-22T17:01:12Z", "from": FROM, "to": TO, "region": "eu-west-1"}
    ]
    columns = [{"name": "task_id", "data_type": "text"}]
    for content in ({"columns": columns, "rows": rows}, rows):
        tasks = xs.read_tasks(save(content))
        assert plain(tasks["creation_time"]) == [ms("2015-07-22T17:01:12Z")]
        assert plain(tasks["region"]) == ["eu-west-1"]


def test_results_of_a_query(save: Callable[..., Path]) -> None:
    """What `--query` leaves of a page is read: a list, a task, or nothing."""
    assert len(xs.read_tasks(save([task(), task("b")]))) == 2
    assert len(xs.read_tasks(save(task()))) == 1
    assert len(xs.read_tasks(save([]))) == 0
    assert len(xs.read_tasks(save(page()))) == 0


def test_lines_of_a_log_before_the_first_task(save: Callable[..., Path]) -> None:
    """What another program printed above the JSON is named, and the tasks are read."""
    text = "INFO fetching\n" + json.dumps(page(task()))
    with pytest.warns(xs.BadRowsWarning, match=r"line 1\); the others were kept"):
        assert len(xs.read_tasks(save(text))) == 1
    below = json.dumps(page(task()), indent=1) + "\nWARNING: x\n"
    with pytest.raises(xs.FileFormatError, match=r"line 22, column 1: not JSON"):
        xs.read_tasks(save(below))


# Log groups.

ARN = "arn:aws:logs:eu-west-1:012345678901:log-group:/a:*"
GROUP = {
    "logGroupName": "/a",
    "creationTime": 1400000000000,
    "retentionInDays": 30,
    "metricFilterCount": 0,
    "arn": ARN,
    "storedBytes": 5,
    "logGroupClass": "STANDARD",
    "logGroupArn": ARN[:-2],
    "kmsKeyId": "x",
    "inheritedProperties": ["x"],
    "dataProtectionStatus": "ACTIVATED",
    "deletionProtectionEnabled": False,
}
GROUPS: dict[str, Any] = {
    "a page": {"logGroups": [GROUP]},
    "Go": renamed({"logGroups": [GROUP]}, pascal) | {"NextToken": None},
    "PowerShell": renamed(GROUP, pascal),
    ".NET": [renamed(GROUP, pascal) | {"LogGroupClass": {"Value": "STANDARD"}}],
    "Ruby": renamed({"logGroups": [GROUP]}, snake),
    "a list": [GROUP],
    "a list of pages": [{"logGroups": [GROUP], "nextToken": "x"}, {"logGroups": [GROUP]}],
    "days as text": [{**GROUP, "retentionInDays": "30"}],
    "days as a float": [{**GROUP, "retentionInDays": 30.0, "storedBytes": 5.0}],
}


@pytest.mark.parametrize("content", GROUPS.values(), ids=GROUPS)
def test_log_groups(save: Callable[..., Path], content: Any) -> None:  # noqa: ANN401
    """Log groups are read in every shape that tasks are, each once, whose they are from the ARN."""
    for indent in (None, 2):
        groups = xs.read_log_groups(save(json.dumps(content, indent=indent)))
        assert plain(groups["log_group_name"]) == ["/a"]
        assert plain(groups["retention"]) == [30 * DAY]
        assert plain(groups["stored_bytes"]) == [5]
        assert plain(groups["log_group_class"]) == ["STANDARD"]
        assert plain(groups["region"]) == ["eu-west-1"]
        assert plain(groups["account_id"]) == ["012345678901"]


def test_log_groups_of_several_files(save: Callable[..., Path]) -> None:
    """All files of log groups are read, and pages one after another in one."""
    other = {**GROUP, "logGroupName": "/b", "arn": ARN.replace("/a", "/b")}
    paths = [save({"logGroups": [one]}, f"{n}.json") for n, one in enumerate((GROUP, other))]
    assert plain(xs.read_log_groups(*paths)["log_group_name"]) == ["/a", "/b"]
    both = "\n".join(json.dumps({"logGroups": [one]}) for one in (GROUP, other, GROUP))
    assert sorted(xs.read_log_groups(save(both))["log_group_name"]) == ["/a", "/b"]
    regions = ["eu-west-1", "us-east-1"]
    named = [save({"logGroups": [{"logGroupName": "/a"}]}, f"{region}.json") for region in regions]
    assert plain(xs.read_log_groups(*named)["region"]) == regions


@pytest.mark.parametrize(
    ("key", "value", "days"),
    [
        ("retention", 30 * DAY, 30),
        ("retention", "30 days", 30),
        ("retentionInDays", 30, 30),
        ("retention_in_days", "30", 30),
        ("Retention in days", 30, 30),
        ("RetentionInDays", None, None),
    ],
)
def test_retention(save: Callable[..., Path], key: str, value: Any, days: int | None) -> None:  # noqa: ANN401
    """AWS's retention is of days, our own of milliseconds, in JSON and CSV; none is for ever."""
    listed = save([{"log_group_name": "/a", key: value}])
    table = save(f"log_group_name,{key}\n/a,{'' if value is None else value}\n", "groups.csv")
    for path in (listed, table):
        expected = None if days is None else days * DAY
        assert plain(xs.read_log_groups(path)["retention"]) == [expected]


def test_log_groups_that_cannot_be_read(save: Callable[..., Path]) -> None:
    """Log groups with a number that cannot be meant are named; tasks are no log groups."""
    days = {"a": -1, "b": "never", "c": True, "d": 5}
    odd = [{"logGroupName": name, "retentionInDays": value} for name, value in days.items()]
    with pytest.warns(xs.BadRowsWarning, match="3 x retention is not a number"):
        assert plain(xs.read_log_groups(save(odd))["log_group_name"]) == ["d"]
    with pytest.raises(xs.BadRowsError, match=r"these are tasks; read them with xs\.read_tasks"):
        xs.read_log_groups(save(page(task())))
    with pytest.raises(xs.BadRowsError, match="no log_group_name among its keys"):
        xs.read_log_groups(save([{"name": "/a"}]))
    with pytest.warns(xs.UnusedWarning, match=r"how many log groups had them: taskId \(1\)"):
        xs.read_log_groups(save([task()]))
