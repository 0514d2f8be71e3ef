"""What coverage commands say to do about gaps: who was refused, what to raise, what to export."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from trails import refused, trail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]

ACCOUNT, REGION = "111122223333", "eu-west-1"
HOUR, DAY = 3_600_000, 86_400_000
NOW = int(dt.datetime.now(dt.UTC).timestamp()) * 1000
TODAY = NOW - NOW % DAY
KEPT = 7  # days


def night(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a task
    """Return the export of a day, so many days before today."""
    start = TODAY - number * DAY
    created = start + 38 * HOUR
    return {
        "accountId": ACCOUNT,
        "region": REGION,
        "taskId": f"night-{number}",
        "logGroupName": "/app",
        "from": start,
        "to": start + DAY - 1,
        "destination": "acme-logs",
        "status": {"code": "COMPLETED"},
        "executionInfo": {"creationTime": created, "completionTime": created + 60_000},
    } | fields


def group(days: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a log group
    """Return a log group that was created long ago."""
    place = {"accountId": ACCOUNT, "region": REGION}
    return {**place, "logGroupName": "/app", "creationTime": 0, "retentionInDays": days, **fields}


def commands_in(text: str, first: str) -> list[str]:
    """Return the commands in messages."""
    return [line[line.index(first) :] for line in text.splitlines() if f": {first}" in line]


def parameters_of(command: str) -> tuple[str, dict[str, Any]]:
    """Return the operation and the parameters of a command of the AWS CLI, checked by its model."""
    _, service, name, *words = shlex.split(command)
    model = ServiceModel(Loader().load_service_model(service, "service-2"))
    operation = "".join(part.title() for part in name.split("-"))
    shape: Any = model.operation_model(operation).input_shape
    by_option = {member.lower(): member for member in shape.members}
    given: dict[str, Any] = {}
    for word in words:
        option, _, value = word.removeprefix("--").partition("=")
        if option == "region":
            continue
        member = by_option[option.replace("-", "")]
        kind = shape.members[member].type_name
        read = {"integer": int, "long": int, "boolean": lambda _: True, "list": lambda one: [one]}
        given[member] = read.get(kind, str)(value)
    report = ParamValidator().validate(given, shape)
    assert not report.has_errors(), report.generate_report()
    return operation, given


def test_what_expired_lately_is_saved_by_the_commands(
    run: Run, serve: Callable[..., Any], page: Callable[..., Path], groups_file: Callable[..., Path]
) -> None:
    """The retention is raised, AWS is asked for it again, and the backfill then plans the gap."""
    seen = {"observedAt": NOW}
    tasks = page(*(night(n, **seen) for n in range(30, 1, -1) if n != KEPT + 2))
    old = groups_file(group(KEPT))
    serve([], log_groups=[group(KEPT)])
    about = [tasks, "--log-groups", old, "--since", "20d", "--until", "2d"]
    for command in ("coverage", "gaps"):
        done = run(command, *about)
        assert "expired less than 72 hours ago may not be deleted yet" in done.stderr
        assert "put-account-policy" not in done.stderr
        assert commands_in(done.stderr, "aws logs")
    [raising] = commands_in(done.stderr, "aws logs")
    assert parameters_of(raising) == (
        "PutRetentionPolicy",
        {"logGroupName": "/app", "retentionInDays": 14},
    )
    [then] = commands_in(done.stderr, "exportstats backfill")
    words = shlex.split(then)[1:]
    assert "--log-groups=aws" in words
    lost = run(*words)
    assert lost.stdout == ""
    assert commands_in(lost.stderr, "aws logs") == [raising], "it says how it can be planned"
    serve([], log_groups=[group(14)])
    [create] = run(*words).stdout.splitlines()
    assert parameters_of(create)[0] == "CreateExportTask"
    assert f"--from={TODAY - (KEPT + 2) * DAY}" in create


def test_a_policy_of_the_account_gets_a_further_one(
    run: Run, serve: Callable[..., Any], page: Callable[..., Path]
) -> None:
    """The retention of the log group itself has no effect then; the first command is a dry run."""
    kept = 30
    tasks = page(*(night(number) for number in range(60, 1, -1) if number != kept + 1))
    serve([], log_groups=[group(kept, retentionPolicyName="baseline")])
    done = run("gaps", tasks, "--log-groups", "aws", "--since", "50d", "--until", "2d")
    assert "put-retention-policy has no effect" in done.stderr
    preview, change = map(parameters_of, commands_in(done.stderr, "aws logs"))
    assert preview == (change[0], change[1] | {"dryRun": True})
    assert change[0] == "PutAccountPolicy"
    assert json.loads(change[1]["policyDocument"])["retentionInDays"] == 60
    assert change[1]["selectionCriteria"] == 'LogGroupNamePrefix IN ["/app"]'


def test_coverage_says_what_is_missing_and_who_was_refused(
    run: Run, tmp_path: Path, page: Callable[..., Path]
) -> None:
    """One command has the bytes, the principal and the error, and the command that closes it."""
    tasks = page(*(night(number, observedAt=TODAY) for number in range(30, 1, -1) if number != 9))
    start, end = TODAY - 9 * DAY, TODAY - 8 * DAY
    asked = {"logGroupName": "/app", "from": start, "to": end - 1, "destination": "acme-logs"}
    when = {"eventTime": f"{dt.datetime.fromtimestamp(end / 1000, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"}
    place = {"recipientAccountId": ACCOUNT, "awsRegion": REGION}
    calls = tmp_path / "trail.json"
    denied = refused(2, errorCode="AccessDenied", requestParameters=None, **when, **place)
    calls.write_text(trail(refused(1, requestParameters=asked, **when, **place), denied))
    incoming = tmp_path / "incoming.csv"
    lines = [f"{ACCOUNT},{REGION},/app,{start + hour * HOUR},3600,500,1" for hour in range(-48, 72)]
    names = "account_id,region,logGroupName,start,periodInSeconds,incoming_bytes,incoming_events"
    incoming.write_text("\n".join([names, *lines]))
    more = ["--api-calls", calls, "--incoming", incoming, "--since", "10d", "--until", "3d"]
    done = run("coverage", tasks, *more)
    assert "missing: 1 gap of 1 d, in which 12 kB came in" in done.stderr
    assert "refused: 2 exports" in done.stderr
    assert "(LimitExceededException, 1 call)" in done.stderr
    assert "lacks logs:CreateExportTask" in done.stderr
    [check] = commands_in(done.stderr, "aws iam")
    assert parameters_of(check)[0] == "SimulatePrincipalPolicy"
    [closing] = commands_in(done.stderr, "exportstats backfill")
    planned = run(*shlex.split(closing)[1:])
    [create] = planned.stdout.splitlines()
    assert f"--from={start} --to={end - 1}" in create
    # a log group that is selected stays selected
    done = run("coverage", tasks, *more, "--log-group", "/app", "--region", REGION)
    assert f"--region={REGION} --log-group=/app" in done.stderr
    nothing = run("coverage", tasks, *more[:4], "--since", "7d", "--until", "3d")
    assert "missing" not in nothing.stderr
