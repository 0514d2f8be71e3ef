"""CSV of spreadsheets, and files with other contents, which are named."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from inputs import (
    FROM,
    LISTS,
    TO,
    page,
    task,
)
from support import ms, plain

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Task = dict[str, Any]


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("above", ["", "sep={}\r\n", "#TYPE Amazon.ExportTask\r\n"])
def test_delimiters(save: Callable[..., Path], between: str, code: str, above: str) -> None:
    """CSV with commas, semicolons or tabs is read, in UTF-8 or UTF-16, as from Excel."""
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
    """An own column is kept, and can be grouped by."""
    text = (
        "task_id,log_group_name,status_code,from_time,to_time,creation_time,team\n"
        "a,/app,COMPLETED,0,1,5,web\nb,/app,FAILED,0,1,5\n"
    )
    tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["team"]) == ["web", None]
    assert xs.status_breakdown(tasks, by="team")["tasks"].sum() == 2


JSONS: dict[str, tuple[Any, str]] = {
    "EC2": (
        {
            "ExportTasks": [
                {"ExportTaskId": "export-i-06d", "ExportToS3Task": {}, "State": "active"}
            ]
        },
        f"an export task of EC2, not of CloudWatch Logs; .*{LISTS}",
    ),
    "RDS": (
        {"ExportTasks": [{"ExportTaskIdentifier": "x", "Status": "COMPLETE"}]},
        f"an export task of RDS, not of CloudWatch Logs; .*{LISTS}",
    ),
    "a trail's file": ({"Records": [{"eventName": "CreateExportTask"}]}, "a CloudTrail record of"),
    "LookupEvents": (
        {"Events": [{"EventId": "x", "CloudTrailEvent": "{}"}]},
        "a CloudTrail record",
    ),
    "get-log-events": (
        {"events": [{"timestamp": 1, "message": "x"}], "nextForwardToken": "f/1"},
        'no task_id among its keys "events, nextForwardToken"',
    ),
    "one event": ({"eventSource": "logs.amazonaws.com", "eventID": "x"}, "a CloudTrail record of"),
    "Ansible": ({"changed": True, "stdout": "{}", "rc": 0}, "the result of an Ansible task; save"),
    "log groups": (
        {"logGroups": [{"logGroupName": "/a"}]},
        r"log groups; read them with xs\.read_lo",
    ),
    "an error": ({"__type": "AccessDenied"}, 'no task_id among its keys "__type"'),
    "renamed": ([{"id": "a", "state": "FAILED"}], 'no task_id among its keys "id, state"'),
    "names": (["a", "b"], 'the task is not an object but "a"'),
    "lists": ([["a", "FAILED"]], 'the task is not an object but \\["a", "FAILED"\\]'),
    "an empty object": ({}, 'no task_id among its keys ""'),
    "a list of null": ([None], "the task is not an object but null"),
    "no identifier": ([{"taskId": None, "from": 5}], "1 x no task_id"),
    **{
        f"pandas' {orient}": (
            json.loads(pd.DataFrame({"task_id": ["a"], "task_name": ["b"]}).to_json(orient=orient)),
            r'DataFrame.to_json without orient="records"',
        )
        for orient in ("columns", "index", "split", "table")
    },
}


@pytest.mark.parametrize(("content", "reason"), JSONS.values(), ids=JSONS)
def test_json_of_something_else(save: Callable[..., Path], content: Any, reason: str) -> None:  # noqa: ANN401
    """JSON of another tool or service is an error that names it, not an empty table."""
    for text, name in ((json.dumps(content, indent=2), "x.json"), (json.dumps(content), "x.jsonl")):
        with pytest.raises(xs.BadRowsError, match=f"{reason}.*no row could be read") as caught:
            xs.read_tasks(save(text, name))
        assert "x.json" in caught.value.rows["place"].iloc[0]


def zipped() -> bytes:
    """Return a ZIP archive, such as a spreadsheet."""
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
    "null": ("null\n", "prints if --query matches nothing"),
    "an error of the CLI": (
        "\nAn error occurred (AccessDeniedException) when calling the operation: no\n",
        "begins with 'An error occurred .AccessDeniedException.",
    ),
    "base64": (
        base64.b64encode(b'{"exportTasks": []}'),
        "begins with 'eyJleHBvcnRUYXNrcyI6IFtdfQ=='",
    ),
    "Feather": (b'ARROW1\0\0\xff{"', "Feather or a pickle"),
    "a pickle": (pickle.dumps(pd.DataFrame({"task_id": ["a"]})), "Feather or a pickle"),
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
    """Other formats are an error that names the file, the format and the remedy."""
    says = rf"{name}, line 1, column 1: .*{reason}"
    with pytest.raises(xs.FileFormatError, match=says) as caught:
        xs.read_tasks(save(content, name))
    assert "The AWS CLI prints JSON with --output json" in str(caught.value)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressions(save: Callable[..., Path], compress: Callable[[bytes], bytes]) -> None:
    """Compressed files of any name are read; truncated ones are an error."""
    whole = compress(json.dumps(page(task(), task("b"))).encode())
    assert plain(xs.read_tasks(save(whole, "base.json.xz"))["duration"]) == [216820] * 2
    with pytest.raises(xs.FileFormatError, match="cannot be read to its end"):
        xs.read_tasks(save(whole[:-3]))


def test_steampipe(save: Callable[..., Path]) -> None:
    """The output of Steampipe is read: its rows have our names."""
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
    """The results of `--query` are read: a list, a task, or nothing."""
    assert len(xs.read_tasks(save([task(), task("b")]))) == 2
    assert len(xs.read_tasks(save(task()))) == 1
    assert len(xs.read_tasks(save([]))) == 0
    assert len(xs.read_tasks(save(page()))) == 0


def test_lines_of_a_log_before_the_first_task(save: Callable[..., Path]) -> None:
    """Lines of another program above the JSON are reported, and the tasks are read."""
    text = "INFO fetching\n" + json.dumps(page(task()))
    with pytest.warns(xs.BadRowsWarning, match=r"line 1\); the others were kept"):
        assert len(xs.read_tasks(save(text))) == 1
    below = json.dumps(page(task()), indent=1) + "\nWARNING: x\n"
    with pytest.raises(xs.FileFormatError, match=r"line 22, column 1: not JSON"):
        xs.read_tasks(save(below))


def test_accounts_that_a_spreadsheet_rounded(save: Callable[..., Path]) -> None:
    """Account IDs such as 1.11122E+11 are refused, because two could be the same."""
    text = "account_id{0}task_id\n1{1}11122E+11{0}a\n111122223333{0}b\n"
    for marks in (",.", ";,", "\t."):
        with pytest.warns(xs.BadRowsWarning, match="1 x account_id was rounded by a spreadsheet"):
            tasks = xs.read_tasks(save(text.format(*marks), "tasks.csv"))
        assert plain(tasks["account_id"]) == ["111122223333"]


@pytest.mark.parametrize("number", ["45987.5", "45987,5", "45987"])
def test_times_that_a_spreadsheet_counts_in_days(save: Callable[..., Path], number: str) -> None:
    """A day number is refused with the remedy, and not read as a time in 1970."""
    text = f"task_id;creation_time\na;{number}\nb;2026-11-24T00:00:00Z\n"
    with pytest.warns(xs.BadRowsWarning, match="day number; export it from there as text"):
        tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["task_id"]) == ["b"]


def test_rows_of_several_lines_that_lost_a_quote(save: Callable[..., Path]) -> None:
    """A row that merged several lines is reported with their number."""
    text = 'task_id,task_name\na,x\nd,"1\n2",3\ne,\n'
    with pytest.warns(xs.BadRowsWarning) as caught:
        tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["task_id"]) == ["a", "e"]
    (reason,) = caught[0].message.rows["reason"]
    assert reason == "its quotes do not match: it has 3 fields, not 2, in 2 lines"


def test_blanks_around_cells(save: Callable[..., Path]) -> None:
    """Blanks around a cell or its quotes are ignored; those within quotes stay."""
    text = (
        "task_id, log_group_name, status_code , creation_time, task_name\n"
        'a, "/app" , x,,\n'
        'b, "/app, one", COMPLETED , 2026-11-24T00:00:00Z ,\t\n'
        'c, /app\t,\xa0FAILED, 1795478400000, "a\n"\n'
    )
    with pytest.warns(xs.BadRowsWarning, match=r"quotes do not match: .*row 2\)"):
        tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["log_group_name"]) == ["/app, one", "/app"]
    assert plain(tasks["status_code"]) == ["COMPLETED", "FAILED"]
    assert plain(tasks["creation_time"]) == [ms("2026-11-24T00:00:00Z")] * 2
    assert plain(tasks["task_name"]) == [None, "a\n"]


@pytest.mark.filterwarnings("ignore::exportstats.errors.UnusedWarning")  # of the own column
@pytest.mark.parametrize(
    "word", ["NULL", "null", "None", "NaN", "nan", "NaT", "<NA>", "N/A", "#N/A", " NULL "]
)
def test_words_for_missing_values(save: Callable[..., Path], word: str) -> None:
    """NULL and the like are missing values, but not in IDs and own columns."""
    text = f"task_id,region,task_name,completion_time,team\n{word},{word},{word},{word},{word}\n"
    tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["task_id"]) == plain(tasks["team"]) == [word.strip()]
    assert tasks[["region", "task_name", "completion_time"]].isna().all(axis=None)
    named = tasks.assign(task_name=word, team=word)
    path = save("", "again.csv")
    xs.write_tasks(named, path)
    again = xs.read_tasks(path)
    assert plain(again["task_name"]) == plain(again["team"]) == [word]


def test_the_missing_values_of_r(save: Callable[..., Path]) -> None:
    """NA is missing where it cannot be anything else, and text elsewhere."""
    text = "task_id,region,log_group_name,completion_time\na,NA,NA,NA\n"
    tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["log_group_name"]) == ["NA"]
    assert tasks[["region", "completion_time"]].isna().all(axis=None)


def test_text_in_a_formula(save: Callable[..., Path]) -> None:
    """Text is read without the ="" that makes Excel show it as it is; our own text keeps it."""
    text = "account_id,task_id,log_group_name,from_time\n"
    text += '"=""012345678901""",a,"=""/app""",="5"\n'
    tasks = xs.read_tasks(save(text, "tasks.csv"))
    assert plain(tasks["account_id"]) == ["012345678901"]
    assert plain(tasks["log_group_name"]) == ["/app"]
    assert plain(tasks["from_time"]) == [5]
    path = save("", "again.csv")
    xs.write_tasks(tasks.assign(task_name='="x"'), path)
    assert plain(xs.read_tasks(path)["task_name"]) == ['="x"']


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_that_is_repeated(save: Callable[..., Path], mark: str) -> None:
    """The headers of concatenated CSV files are skipped; another order of columns is an error."""
    one = "task_id,log_group_name,destination\n{},/app,bucket\n"
    tasks = xs.read_tasks(save(one.format("a") + mark + one.format("b"), "tasks.csv"))
    assert plain(tasks["task_id"]) == ["a", "b"]
    other = "task_id,destination,log_group_name\nb,bucket,/app\n"
    says = "after 1 row it has another header, with other columns; save the parts as several files"
    with pytest.raises(xs.FileFormatError, match=says):
        xs.read_tasks(save(one.format("a") + mark + other, "tasks.csv"))


@pytest.mark.parametrize("account", ["123456789012.0", "1234-5678-9012"])
def test_accounts_that_are_not_digits(save: Callable[..., Path], account: str) -> None:
    """An account ID that became a float, or has hyphens, is kept and reported."""
    with pytest.warns(xs.BadRowsWarning, match="account_id is not twelve digits: write it as text"):
        tasks = xs.read_tasks(save(f"account_id,task_id\n{account},a\n", "tasks.csv"))
    assert plain(tasks["account_id"]) == [account]


def test_json_that_ends_early(save: Callable[..., Path]) -> None:
    """A truncated file says so wherever it ends, and Python's repr is recognised."""
    whole = json.dumps(page(task()), indent=1)
    for end in (1, 2, 20, len(whole) // 2, len(whole) - 1):
        with pytest.raises(xs.FileFormatError, match=r"not JSON: .*; the file ends within a value"):
            xs.read_tasks(save(whole[:end]))
    with pytest.raises(xs.FileFormatError, match=r"column 2: .*Python's repr, .*with json\.dump"):
        xs.read_tasks(save(str(page(task()))))


def test_a_last_character_of_unicode(save: Callable[..., Path]) -> None:
    """U+10FFFF in a CSV is text, also next to a row that is not UTF-8 and is refused."""
    text = "task_id,task_name\na,\U0010ffff\nb,x\n"
    assert plain(xs.read_tasks(save(text, "x.csv"))["task_name"]) == ["\U0010ffff", "x"]
    with pytest.warns(xs.BadRowsWarning, match=r"not UTF-8.*row 4"):
        tasks = xs.read_tasks(save(text.encode() + b"c,\xff\n", "y.csv"))
    assert plain(tasks["task_name"]) == ["\U0010ffff", "x"]


def test_files_put_together(save: Callable[..., Path]) -> None:
    """Byte order marks within concatenated files cost no task."""
    for kind in ("x.json", "x.jsonl"):
        made = [f"\ufeff{json.dumps(page(task(name)))}\n" for name in "ab"]
        found = xs.read_tasks(save("".join(made), kind), region="eu-west-1")
        assert plain(found["task_id"]) == ["a", "b"]
