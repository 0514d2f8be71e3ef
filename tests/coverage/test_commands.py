"""Commands are run by a real shell, with hostile names."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support import LAST

from exportstats.core import frames
from exportstats.coverage.commands import render_commands
from exportstats.errors import ArgumentError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exportstats.coverage.commands import Form

HOSTILE = [
    "two words  and more",
    """it's "quoted" \\ once""",
    "$(touch pwned) `touch pwned` ${HOME} $HOME",
    "; touch pwned & touch pwned | touch pwned > pwned # no",
    "two\nlines\n",
    "a\rb\x0bc\x0cd\x1ce\x85f\u2028g\u2029h",
    "tab\tbell\x07escape\x1b[31m",
    "--profile=other",
    "-",
    "\N{COLLISION SYMBOL}\N{FIRE}\u202egnp.exe",
    "*?[a-z]{1,2}~",
    "~/x",
    "!!",
    "file:///etc/passwd",
    "fileb:///etc/passwd",
    "http://169.254.169.254/",
    "https://example.com",
    '{"a": 1}',
    " ",
    "=",
    "%s",
]


def plan_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return a plan with some given fields."""
    usual = {
        "account_id": "111122223333",
        "region": "eu-west-1",
        "task_name": "backfill acme 2026-11-20",
        "log_group_name": "acme",
        "from_time": 0,
        "to_time": LAST,
        "destination": "acme-logs",
        "destination_prefix": "daily",
    }
    plan = pd.DataFrame([usual | row for row in rows], columns=list(usual))
    for name in ("from_time", "to_time"):
        plan[name] = pd.to_datetime(plan[name], unit="ms", utc=True).dt.as_unit("ms")
    return plan


@pytest.fixture
def run(tmp_path: Path):
    """Return a function that runs lines in bash, with an `aws` that prints its arguments."""
    stub = tmp_path / "bin" / "aws"
    stub.parent.mkdir()
    stub.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        "print(json.dumps([os.fsencode(word).decode() for word in sys.argv[1:]]))\n"
    )
    stub.chmod(0o755)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "a").touch()  # something for a glob to find

    def run_lines(lines: str) -> list[list[str]]:
        path = f"{stub.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc"],
            input=lines.encode(),
            capture_output=True,
            cwd=empty,
            env={"PATH": path, "HOME": "/nowhere", "LC_ALL": "C.UTF-8"},
            timeout=50,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert [path.name for path in empty.iterdir()] == ["a"]
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run_lines


def request_of(words: list[str]) -> dict[str, Any]:
    """Parse the arguments of a command like the AWS CLI, which has no short forms."""
    assert words[:2] == ["logs", "create-export-task"]
    text = None
    if words[-2] == "--cli-input-json":  # it looks for the bare word
        *words, _, text = words
    options = dict(word.removeprefix("--").split("=", 1) for word in words[2:])
    assert len(options) == len(words) - 2
    region = options.pop("region", None)
    if text is not None:
        assert not options
        return {"region": region} | json.loads(text)
    for value in options.values():
        assert not value.startswith(("file://", "fileb://", "http://", "https://"))
    name = {
        "task-name": "taskName",
        "log-group-name": "logGroupName",
        "from": "from",
        "to": "to",
        "destination": "destination",
        "destination-prefix": "destinationPrefix",
    }
    read = {name[option]: value for option, value in options.items()}
    return {"region": region} | read | {key: int(read[key]) for key in ("from", "to")}


def test_a_usual_line():
    """A task is one line with every option, in the order of the plan."""
    text = render_commands(plan_of({}, {"task_name": "second", "destination_prefix": None}))
    assert text == (
        "aws logs create-export-task --region=eu-west-1 --task-name='backfill acme 2026-11-20' "
        f"--log-group-name=acme --from=0 --to={LAST} --destination=acme-logs "
        "--destination-prefix=daily\n"
        "aws logs create-export-task --region=eu-west-1 --task-name=second "
        f"--log-group-name=acme --from=0 --to={LAST} --destination=acme-logs\n"
    )


@pytest.mark.parametrize("field", ["task_name", "log_group_name", "destination_prefix"])
def test_bash_passes_hostile_values_unchanged(run: Callable[[str], list[list[str]]], field: str):
    """Every value reaches `aws` unchanged, and nothing else is run."""
    text = render_commands(plan_of(*({field: value} for value in HOSTILE)))
    assert len(text.splitlines()) == len(HOSTILE)
    usual = {
        "region": "eu-west-1",
        "taskName": "backfill acme 2026-11-20",
        "logGroupName": "acme",
        "from": 0,
        "to": LAST,
        "destination": "acme-logs",
        "destinationPrefix": "daily",
    }
    key = {"task_name": "taskName", "log_group_name": "logGroupName"}.get(
        field, "destinationPrefix"
    )
    expected = [usual | {key: value} for value in HOSTILE]
    assert [request_of(words) for words in run(text)] == expected
    assert [request_of(shlex.split(line)[1:]) for line in text.splitlines()] == expected


def test_what_the_cli_would_load_goes_by_json():
    """Values that the AWS CLI would load, or that break lines, are passed as JSON."""
    for value in ("file:///etc/passwd", "https://example.com", "two\nlines", "nul\0"):
        (line,) = render_commands(plan_of({"destination": value})).splitlines()
        words = shlex.split(line)
        assert words[:4] == ["aws", "logs", "create-export-task", "--region=eu-west-1"]
        assert words[4] == "--cli-input-json"
        assert len(words) == 6
        assert request_of(words[1:])["destination"] == value
        assert line.isprintable()


def test_json_lines_are_what_boto3_takes():
    """Each line has account, region and a request that is valid in botocore's model."""
    import botocore.session  # noqa: PLC0415 - slow to import
    from botocore.handlers import BUILTIN_HANDLERS  # noqa: PLC0415
    from botocore.validate import validate_parameters  # noqa: PLC0415

    plan = plan_of(
        {"destination_prefix": None}, {"account_id": None, "region": None}, {"task_name": None}
    )
    lines = [json.loads(line) for line in render_commands(plan, form="json").splitlines()]
    assert lines[0] == {
        "accountId": "111122223333",
        "region": "eu-west-1",
        "request": {
            "taskName": "backfill acme 2026-11-20",
            "logGroupName": "acme",
            "fromTime": 0,
            "to": LAST,
            "destination": "acme-logs",
        },
    }
    assert (lines[1]["accountId"], lines[1]["region"]) == (None, None)
    assert lines[1]["request"]["destinationPrefix"] == "daily"
    assert "taskName" not in lines[2]["request"]

    name = "before-parameter-build.logs.CreateExportTask"
    (rename,) = (handler[1] for handler in BUILTIN_HANDLERS if handler[0] == name)
    model = botocore.session.Session().get_service_model("logs").operation_model("CreateExportTask")
    for line in lines:
        request = line["request"]
        rename(params=request, model=model)
        validate_parameters(request, model.input_shape)
        assert request["from"] == 0


def test_json_lines_of_hostile_values():
    """Hostile values stay on their line and are preserved."""
    text = render_commands(plan_of(*({"task_name": value} for value in HOSTILE)), form="json")
    found = [json.loads(line)["request"]["taskName"] for line in text.splitlines()]
    assert found == HOSTILE


def test_a_missing_region_is_no_option():
    """Without a region the command has no --region."""
    assert "--region" not in render_commands(plan_of({"region": None}))


@pytest.mark.parametrize("region", ["", "eu west", "x.example.com/", "-v", "a\n", "file://x"])
def test_invalid_regions(region: str):
    """An invalid region is refused for the shell, as it becomes part of an address."""
    with pytest.raises(ArgumentError, match="region="):
        render_commands(plan_of({"region": region}))


@pytest.mark.parametrize("form", ["shell", "json"])
def test_an_empty_plan(form: Form):
    """An empty plan gives empty text."""
    assert render_commands(plan_of({}).iloc[:0], form=form) == ""


def test_categories_and_the_callers_frame():
    """Categories are written like text, any index works, and the plan is not modified."""
    plan = plan_of({}, {"log_group_name": "other", "region": None})
    as_categories = plan.astype({"region": "category", "log_group_name": "category"})
    as_categories.index = pd.Index([7, 7])
    before = as_categories.copy()
    assert render_commands(as_categories) == render_commands(plan)
    pd.testing.assert_frame_equal(as_categories, before)


def test_another_form():
    """An unknown form is refused with the valid ones."""
    with pytest.raises(ArgumentError, match='form=\'yaml\'; give "shell" or "json"'):
        render_commands(plan_of({}), form="yaml")  # type: ignore[arg-type]


def test_invalid_plans():
    """A frame of another shape, or a task that cannot be created, is a SchemaError."""
    plan = plan_of({})
    with pytest.raises(SchemaError, match="not list"):
        render_commands([])  # type: ignore[arg-type]
    for name in plan.columns:
        with pytest.raises(SchemaError, match=f"column {name} is missing"):
            render_commands(plan.drop(columns=name))
        with pytest.raises(SchemaError, match=f"column {name} is there twice"):
            render_commands(pd.concat([plan, plan[[name]]], axis=1))
    with pytest.raises(SchemaError, match="to_time of the backfill plan is int64"):
        render_commands(plan.assign(to_time=0))
    for name in ("log_group_name", "from_time", "to_time", "destination"):
        with pytest.raises(SchemaError, match=f"row 1 of the plan has no {name}"):
            render_commands(plan_of({}, {name: None}))
    with pytest.raises(SchemaError, match="account_id"):
        render_commands(frames.empty().drop(columns="account_id"))
