"""API calls from the files of a trail, from lookup-events, and from what was written."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas.testing import assert_frame_equal
from trails import (
    ACCOUNT,
    ADDRESS,
    ASSUMED,
    REGION,
    ROLE,
    SECRET,
    cancel,
    event,
    record,
    refused,
    trail,
)

import exportstats as xs
from exportstats.core import frames, schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHERS = [
    record(90, eventSource="rds.amazonaws.com", eventName="CancelExportTask"),
    record(91, eventSource="ec2.amazonaws.com", eventName="CancelExportTask"),
    record(92, eventName="DescribeExportTasks", requestParameters={"limit": 50}),
    record(93, eventSource="s3.amazonaws.com", eventName="PutObject", requestParameters="x"),
]
IN_ORDER = [record(0), refused(1), cancel(2, "task-0"), refused(3, "AccessDenied")]


def read(text: str) -> pd.DataFrame:
    """Read API calls from a text."""
    return xs.read_api_calls(io.StringIO(text))


def ids(table: pd.DataFrame) -> list[str]:
    """Return the identifiers of the calls."""
    return table["event_id"].to_list()


def test_every_field_of_a_record_has_its_column() -> None:
    """A record is a row with who, what, when and for which window."""
    asked = record()["requestParameters"] | {"logStreamNamePrefix": "i-0"}
    [row] = read(trail(record(5, requestParameters=asked))).to_dict("records")
    assert row == {
        "account_id": ACCOUNT,
        "region": REGION,
        "event_time": pd.Timestamp("2026-11-23T00:00:05Z"),
        "event_name": "CreateExportTask",
        "task_id": "task-5",
        "task_name": "nightly",
        "log_group_name": "/app/web",
        "from_time": pd.Timestamp(1_763_000_000_000, unit="ms", tz="UTC"),
        "to_time": pd.Timestamp(1_763_086_399_999, unit="ms", tz="UTC"),
        "log_stream_name_prefix": "i-0",
        "destination": "acme-logs",
        "destination_prefix": "nightly/web",
        "error_code": row["error_code"],
        "error_message": row["error_message"],
        "principal": ROLE,
        "session_name": "nightly",
        "user_agent": "Boto3/1.42.0",
        "event_id": "event-5",
        "observed_at": pd.NaT,
    }
    assert pd.isna(row["error_code"])
    assert pd.isna(row["error_message"])


def test_refusals_and_cancellations() -> None:
    """A refused call has an error and no task; a cancellation has the task that it names."""
    table = read(trail(*IN_ORDER))
    frames.check(table, schema.API_CALLS)
    assert table["task_id"].fillna("").to_list() == ["task-0", "", "task-0", ""]
    codes = ["", "LimitExceededException", "", "AccessDenied"]
    assert table["error_code"].astype("str").fillna("").to_list() == codes
    assert table["event_name"].to_list()[2] == "CancelExportTask"


def test_addresses_and_access_keys_are_not_kept() -> None:
    """Neither a source address nor an access key is anywhere in the table."""
    for table in (read(trail(record())), read(json.dumps({"Events": [event(record())]}))):
        assert len(table) == 1
        text = table.astype("str").to_csv()
        assert SECRET not in text
        assert ADDRESS not in text


USER = f"arn:aws:iam::{ACCOUNT}:user/team/ann"
SSO = "AWSReservedSSO_Admin_0123456789abcdef"
SSO_ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/{SSO}"


@pytest.mark.parametrize(
    ("identity", "principal", "session"),
    [
        (ASSUMED, ROLE, "nightly"),
        (
            ASSUMED | {"sessionContext": {}},
            f"arn:aws:sts::{ACCOUNT}:assumed-role/exporter",
            "nightly",
        ),
        ({"type": "IAMUser", "arn": USER, "accountId": ACCOUNT, "userName": "ann"}, USER, None),
        (
            {"type": "IAMUser", "arn": USER, "sessionContext": {"attributes": {}}},
            USER,
            None,
        ),
        (
            {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"},
            f"arn:aws:iam::{ACCOUNT}:root",
            None,
        ),
        (
            {
                "type": "AssumedRole",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{SSO}/ann@example.com",
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": SSO_ROLE}},
            },
            SSO_ROLE,
            "ann@example.com",
        ),
        (
            {
                "type": "FederatedUser",
                "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/ann",
                "sessionContext": {"sessionIssuer": {"type": "IAMUser", "arn": USER}},
            },
            USER,
            "ann",
        ),
        ({"type": "AWSService", "invokedBy": "events.amazonaws.com"}, "events.amazonaws.com", None),
        (
            {"type": "AWSAccount", "principalId": "AIDA", "accountId": "999988887777"},
            "999988887777",
            None,
        ),
        ({"type": "SAMLUser", "userName": "ann"}, "ann", None),
        (None, None, None),
        ({}, None, None),
    ],
)
def test_principals(identity: Any, principal: str | None, session: str | None) -> None:  # noqa: ANN401
    """The principal is the role or the user, and the name of the session is apart."""
    for text in (
        trail(record(userIdentity=identity)),
        json.dumps({"Events": [event(record(userIdentity=identity))]}),
    ):
        row = read(text).iloc[0]
        assert [
            None if pd.isna(one) else one for one in (row["principal"], row["session_name"])
        ] == [
            principal,
            session,
        ]


SHAPES = {
    "trail": trail(*IN_ORDER, *OTHERS),
    "indented": json.dumps({"Records": [*OTHERS, *IN_ORDER]}, indent=2),
    "list": json.dumps([*IN_ORDER, *OTHERS]),
    "lines": "".join(f"{json.dumps(one)}\n" for one in (*IN_ORDER, *OTHERS)),
    "lookup-events": json.dumps({"Events": [*map(event, (*IN_ORDER, *OTHERS))]}, indent=4),
    "events": json.dumps([*map(event, (*IN_ORDER, *OTHERS))]),
    "texts": json.dumps([json.dumps(one) for one in (*IN_ORDER, *OTHERS)]),
    "PowerShell": json.dumps({"Events": [*map(event, IN_ORDER)]}).replace(
        '"CloudTrailEvent"', '"cloudTrailEvent"'
    ),
    "two trails": trail(*IN_ORDER) + "\n" + trail(*IN_ORDER[::-1], *OTHERS),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str) -> None:
    """Every shape gives the same table; calls of other services and names are skipped."""
    table = read(SHAPES[shape]).sort_values("event_id", ignore_index=True)
    assert_frame_equal(table, read(trail(*IN_ORDER)))


def test_a_folder_of_a_trail(tmp_path: Path) -> None:
    """A copy of `AWSLogs` is read as AWS lays it out; digests beside it are no records."""
    for number, region in enumerate(["us-east-1", "eu-west-1"]):
        day = f"{region}/2026/11/23"
        folder = tmp_path / "AWSLogs/o-acme" / ACCOUNT / "CloudTrail" / day
        digests = tmp_path / "AWSLogs/o-acme" / ACCOUNT / "CloudTrail-Digest" / day
        name = f"{ACCOUNT}_CloudTrail_{region}_20261123T0005Z_AbCdEf.json.gz"
        for path, text in (
            (folder / name, trail(record(number, awsRegion=region), *OTHERS)),
            (folder / f"again_{name}", trail(record(number, awsRegion=region))),
            (folder / f"none_{name}", trail(*OTHERS)),
            (digests / name, json.dumps({"awsAccountId": ACCOUNT, "digestStartTime": "x"})),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(text.encode()))
    for source in (tmp_path, tmp_path / "AWSLogs", str(tmp_path / "AWSLogs/**/*.json.gz")):
        table = xs.read_api_calls(source, strict=True)
        assert table[["region", "task_id"]].to_numpy().tolist() == [
            ["eu-west-1", "task-1"],
            ["us-east-1", "task-0"],
        ]
    with pytest.raises(xs.MissingFileError):
        xs.read_api_calls(tmp_path / "AWSLogs/o-acme" / ACCOUNT / "CloudTrail-Digest")
    with pytest.raises(xs.BadRowsError, match="a digest of CloudTrail"):
        xs.read_api_calls(digests / name)


def test_nothing_found_is_not_nothing_looked_at() -> None:
    """Records of other calls are an empty table; a text without records is an error."""
    for text in (
        trail(),
        trail(*OTHERS),
        '{"Events": []}',
        json.dumps({"Events": [event(OTHERS[0])]}),
    ):
        assert_frame_equal(read(text), frames.empty(schema.API_CALLS))
    for text, message in (
        ("", "empty"),
        (trail(record())[:-40], "not JSON"),
        (trail(*OTHERS)[:-40], "not JSON"),
        ('{"exportTasks": [{"taskId": "a"}]}', "these are tasks; read them with xs.read_tasks"),
        (json.dumps([event(record()) | {"CloudTrailEvent": "[" * 10**5}]), "recursion"),
        ('[{"user": "ann"}]', "neither a page of API calls nor an API call"),
        (trail(record(eventSource=1)), "not a record as CloudTrail writes it"),
    ):
        with pytest.raises((xs.FileFormatError, xs.BadRowsError), match=message):
            read(text)
    with pytest.raises(xs.BadRowsError, match=r"a CloudTrail record .* xs.read_api_calls"):
        xs.read_tasks(io.StringIO(trail(record())))


def test_a_list_that_was_cut_short_is_reported() -> None:
    """`lookup-events --max-items` prints a token, and the warning names the command."""
    page = {"Events": [event(record())], "NextToken": "x"}
    with pytest.warns(xs.PartialListWarning, match="aws cloudtrail lookup-events"):
        assert len(read(json.dumps(page))) == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_odd_records() -> None:
    """Windows as text, without bounds or missing are read; what cannot be is refused alone."""
    asked = record()["requestParameters"]
    odd = [
        record(0, requestParameters=asked | {"from": "1763000000000", "to": 1763000000001.0}),
        record(1, requestParameters=asked | {"from": -1, "to": 10**22, "unknown": {"a": [1]}}),
        refused(2, "AccessDenied", requestParameters=None),
        refused(3, "InvalidParameterException", requestParameters={}),
        record(4, recipientAccountId=None, eventCategory=None, unknown=[{}]),
        record(5, requestParameters=asked | {"from": [1]}),
        record(6, eventID=None),
        record(7, userIdentity="ann"),
    ]
    for text in (trail(*odd), json.dumps({"Events": [*map(event, odd)]})):
        with pytest.warns(xs.BadRowsWarning, match="not a record as CloudTrail") as said:
            table = read(text)
        assert ids(table) == [f"event-{n}" for n in range(5)]
        assert table["account_id"].to_list() == [ACCOUNT] * 5
        assert table["from_time"].isna().to_list() == [False, False, True, True, False]
        assert table["to_time"].iloc[1] == pd.Timestamp(schema.LAST, unit="ms", tz="UTC")
        [reasons] = [one.message.rows for one in said if getattr(one.message, "partial", False)]
        assert [place.rpartition(" ")[2] for place in reasons["place"]] == ["6", "7", "8"]


def test_half_a_surrogate_pair_loses_no_call() -> None:
    """Text that UTF-8 cannot encode is changed, and the call is kept."""
    broken = record(0, userAgent="x\ud800y")
    for text in (trail(broken), json.dumps({"Events": [event(broken)]})):
        assert read(text)["user_agent"].to_list() == ["x?y"]


def test_one_call_of_two_trails_is_one_row() -> None:
    """An event that several trails delivered is kept once; the same ID elsewhere is another."""
    elsewhere = record(0, awsRegion="eu-west-1")
    table = read(trail(record(0), elsewhere, record(0)))
    assert table["region"].to_list() == ["eu-west-1", REGION]


values = st.none() | st.integers(-5, 10**13) | st.text(max_size=4)
texts = st.none() | st.text(max_size=6)
records = st.builds(
    lambda number, base, **fields: base(number, **fields),
    st.integers(0, 9),
    st.sampled_from([record, refused]),
    errorMessage=texts,
    userAgent=texts,
    userIdentity=st.sampled_from([ASSUMED, None, {"type": "AWSService", "invokedBy": "x"}]),
    requestParameters=st.none()
    | st.fixed_dictionaries(
        {}, optional={"from": st.integers(0, 10**13), "to": values, "logGroupName": texts}
    ),
    eventSource=st.sampled_from(["logs.amazonaws.com", "s3.amazonaws.com"]),
)
shapes = st.sampled_from(["x", 5, [{}], {"destination": {"to": ["a"]}}, {"taskId": 5}, None])
of_others = st.builds(
    record,
    st.integers(0, 9),
    eventSource=st.sampled_from(["ses.amazonaws.com", "rds.amazonaws.com"]),
    requestParameters=shapes,
    responseElements=shapes,
    userIdentity=shapes,
)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.lists(records | of_others, max_size=5))
def test_the_fast_way_reads_as_the_other(made: list[dict[str, Any]]) -> None:
    """The file of a trail gives the same rows and refusals as its records one by one."""
    found = []
    for text in (trail(*made), json.dumps({"apiCalls": made})):
        try:
            found.append(read(text))
        except xs.BadRowsError as error:
            found.append(error.rows)
    assert_frame_equal(*found)


def test_records_of_other_services_have_any_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not make reading slow: our records are still decoded at once."""
    monkeypatch.delattr("exportstats.io.trail.rows_of")
    odd = [one | {"responseElements": {"taskId": [1]}} for one in OTHERS]
    assert ids(read(trail(*odd, *IN_ORDER))) == [f"event-{number}" for number in range(4)]


@pytest.mark.parametrize("key", ["Records", "apiCalls"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_large_files_are_read_whole(
    tmp_path: Path, key: str, indent: int | None, pack: Callable[[bytes], bytes]
) -> None:
    """A file of several MiB, compressed or not, has the same calls as many small ones."""
    made = [record(number) for number in range(2_000)]
    text = json.dumps({key: made}, indent=indent).encode()
    assert len(text) > 2**21
    (path := tmp_path / "calls.json").write_bytes(pack(text))
    parts = [read(trail(*made[start : start + 500])) for start in range(0, len(made), 500)]
    assert_frame_equal(xs.read_api_calls(path), xs.concat(parts, of="api_calls"))


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "parquet", "json.gz", "csv.zst"])
def test_written_calls_are_read_again(tmp_path: Path, suffix: str) -> None:
    """A written table reads back the same, with own columns."""
    asked = record()["requestParameters"] | {"logStreamNamePrefix": "=1+1"}
    table = read(trail(*IN_ORDER, record(9, requestParameters=asked))).assign(team="web")
    xs.write_api_calls(table, tmp_path / f"calls.{suffix}")
    assert_frame_equal(xs.read_api_calls(tmp_path / f"calls.{suffix}", strict=True), table)


def test_frames_of_records_are_converted() -> None:
    """`conform` takes flat records, such as from `json_normalize`; own columns stay."""
    flat = pd.json_normalize([record(0), refused(1)])
    table = xs.conform(flat, of="api_calls")
    assert table["log_group_name"].to_list() == ["/app/web"] * 2
    assert table["task_id"].fillna("").to_list() == ["task-0", ""]
    both = xs.concat([table, table], of="api_calls")
    assert len(both) == 2


def test_an_archive_keeps_api_calls(tmp_path: Path) -> None:
    """An archive has API calls as it has every other table."""
    table = read(trail(*IN_ORDER))
    archive = xs.Archive(tmp_path / "history")
    archive.add(table, of="api_calls", observed_at="2026-11-24")
    kept = xs.read_api_calls(tmp_path / "history").sort_values("event_id", ignore_index=True)
    assert_frame_equal(kept.drop(columns="observed_at"), table.drop(columns="observed_at"))
