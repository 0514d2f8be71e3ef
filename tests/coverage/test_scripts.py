"""Scripts of a plan are POSIX shell, describe the plan, and refuse unsafe names."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support import DAY
from test_commands import HOSTILE, plan_of, request_of

from exportstats.coverage.scripts import render_scripts, summarize_slots, table_of
from exportstats.errors import ArgumentError, SchemaError

if TYPE_CHECKING:
    from pathlib import Path

NOW = "2026-11-23T06:00Z"
SLOT = ("111122223333", "eu-west-1")


def planned(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return a plan with some given fields, with times as `plan_backfill` returns them."""
    plan = plan_of(*rows).assign(
        late=[row.get("late", False) for row in rows],
        incoming_bytes=pd.array([row.get("incoming_bytes") for row in rows], dtype="Int64"),
        **{
            name: pd.to_datetime([row.get(name) for row in rows], utc=True).as_unit("ms")
            for name in ("deadline", "expected_end")
        },
    )
    return plan.astype(dict.fromkeys(["account_id", "region", "log_group_name"], "category"))


def script_of(*rows: dict[str, Any]) -> str:
    """Return the script of a plan with one slot."""
    (script,) = render_scripts(planned(*rows), NOW).values()
    return script


def test_a_script_says_what_it_does_and_when_all_slots_are_due():
    """The summary has every slot, the first to expire first, and marks the script's own."""
    west = {"deadline": "2026-12-01T00:00Z", "expected_end": "2026-11-23T07:00Z"}
    east = {
        "region": "us-east-1",
        "deadline": "2026-11-24T12:30Z",
        "expected_end": "2026-11-25T09:00Z",
        "late": True,
    }
    other = {"account_id": "444455556666"}
    scripts = render_scripts(planned(west, east, other, west), NOW)
    assert [*scripts] == [("111122223333", "us-east-1"), SLOT, ("444455556666", "eu-west-1")]
    head, _, _ = scripts[SLOT].partition("set -eu")
    assert "# Backfill made by exportstats: 2 tasks in account 111122223333, eu-west-1," in head
    table = head.split("#\n")[-1].splitlines()[:4]
    assert table == [
        "#   account       region     tasks  first expiry      done about        late",
        "#   111122223333  us-east-1      1  2026-11-24 12:30  2026-11-25 09:00     1",
        "#   111122223333  eu-west-1      2  2026-12-01        2026-11-23 07:00     0  <- this",
        "#   444455556666  eu-west-1      1                                         0",
    ]
    assert "'2 of 2: acme, 1970-01-01 to 3000-01-01 UTC, expires 2026-12-01'" in scripts[SLOT]


def test_of_slots_that_expire_together_those_with_most_bytes_come_first():
    """A slot of which they are not known comes last; what is known in part is said to be so."""
    sizes = {"eu-west-1": [5, None], "eu-west-2": [None], "us-east-1": [7000], "us-west-2": [10, 9]}
    rows = [
        {"region": region, "incoming_bytes": size, "deadline": "2026-12-01T00:00Z"}
        for region, of in sizes.items()
        for size in of
    ]
    table = table_of(summarize_slots(planned(*rows)))
    assert table == [
        "account       region     tasks  came in       first expiry  done about  late",
        "111122223333  us-east-1      1  7 kB          2026-12-01                   0",
        "111122223333  us-west-2      2  19 B          2026-12-01                   0",
        "111122223333  eu-west-1      2  at least 5 B  2026-12-01                   0",
        "111122223333  eu-west-2      1                2026-12-01                   0",
    ]


def test_a_summary_of_many_slots_is_cut():
    """With a thousand slots, each script lists the first twenty and its own."""
    rows = [{"account_id": f"{number:012}"} for number in range(1000)]
    script = render_scripts(planned(*rows), NOW)["000000000999", "eu-west-1"]
    head, _, _ = script.partition("set -eu")
    table = head.split("#\n")[-1].splitlines()
    assert [line.split()[1] for line in table[1:21]] == [f"{number:012}" for number in range(20)]
    assert "000000000999" in table[21]
    assert table[21].endswith("<- this")
    assert table[22] == "#   and 979 more"


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
def test_it_is_posix_shell(shell: str, tmp_path: Path):
    """Every installed shell parses the script, with hostile values too."""
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    path = tmp_path / "script.sh"
    path.write_text(script_of(*({"task_name": value} for value in HOSTILE)), encoding="utf-8")
    more = {"busybox": ["sh"], "bash": ["--posix"]}.get(shell, [])
    done = subprocess.run([shell, *more, "-n", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_shellcheck_finds_nothing(tmp_path: Path):
    """Shellcheck has no findings for a POSIX shell."""
    if not (shellcheck := shutil.which("shellcheck")):
        pytest.skip("there is no shellcheck")
    path = tmp_path / "script.sh"
    path.write_text(script_of({}, {"destination_prefix": None}, {"task_name": "it's"}))
    done = subprocess.run([shellcheck, "--shell=sh", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("field", ["task_name", "destination", "destination_prefix"])
def test_hostile_values_reach_aws_unchanged(field: str, tmp_path: Path):
    """Every value reaches `aws` unchanged, and nothing else is run."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "empty").mkdir()
    calls = tmp_path / "calls"
    aws = f"""#!/bin/sh
case "$2" in
    get-caller-identity) echo 111122223333 ;;
    create-export-task) printf '%s\\0' "$@" '' >> '{calls}' ;;
esac
"""
    for name, text in {"aws": aws, "exportstats": "#!/bin/sh\n"}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    done = subprocess.run(
        ["sh"],
        input=script_of(*({field: value} for value in HOSTILE)).encode(),
        capture_output=True,
        cwd=tmp_path / "empty",
        env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert not [*(tmp_path / "empty").iterdir()]
    key = {"task_name": "taskName", "destination": "destination"}.get(field, "destinationPrefix")
    made = []
    for call in calls.read_bytes().decode().split("\0\0")[:-1]:
        words = call.split("\0")
        assert words[2:5] == ["--region=eu-west-1", "--output=text", "--query=taskId"]
        made.append(request_of([*words[:3], *words[5:]])[key])
    assert made == HOSTILE


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        ("account_id", None, "--account"),
        ("account_id", "1111\n", "--account"),
        ("region", None, "--region"),
        ("region", "x.example.com/", "--region"),
        ("log_group_name", "acme\nrm -rf /", "--log-group"),
    ],
)
def test_what_a_script_cannot_name_is_refused(field: str, value: str | None, remedy: str):
    """A missing or invalid account, region or log group is an error."""
    with pytest.raises(ArgumentError, match=f"{field}, .*{remedy}"):
        render_scripts(planned({}, {field: value}), NOW)


def test_invalid_and_empty_plans():
    """A frame of another shape is an error; an empty plan has no scripts."""
    with pytest.raises(SchemaError, match="column destination is missing"):
        render_scripts(planned({}).drop(columns="destination"), NOW)
    assert render_scripts(planned({"from_time": DAY})[:0], NOW) == {}
