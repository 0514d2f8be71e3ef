"""`backfill --from-report --finding` plans what one finding needs, and nothing else."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from covered import LOG_GROUPS

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sample_file: Path) -> Path:
    """Return a folder with the sample and the report of a week."""
    folder = tmp_path_factory.mktemp("findings")
    (folder / "tasks.parquet").write_bytes(sample_file.read_bytes())
    (folder / "groups.json").write_bytes(LOG_GROUPS.read_bytes())
    report = xs.build_weekly_report(
        xs.sample_tasks(),
        week="2026-W47",
        log_groups=xs.read_log_groups(LOG_GROUPS),
        source=["tasks.parquet", "--log-groups=groups.json"],
    )
    report.to_json(folder / "report.json")
    report.to_markdown(folder / "report.md")
    return folder


@pytest.fixture
def findings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Change to that folder, and return the findings with something to export."""
    monkeypatch.chdir(folder)
    found = json.loads(Path("report.json").read_text(encoding="utf-8"))["findings"]
    return [one for one in found if one["commands"]]


def requests(text: str) -> list[str]:
    """Return the requests to AWS, sorted."""
    return sorted(text.splitlines())


def test_a_finding_is_all_its_commands(run: Callable, findings: list[dict[str, Any]]):
    """The plan has each task of the finding's commands once."""
    assert len(findings) > 1
    assert max(len(one["commands"]) for one in findings) > 1
    text = Path("report.md").read_text(encoding="utf-8")
    for one in findings:
        asked = ("--from-report", "report.json", "--finding", one["id"])
        done = run("backfill", *asked)
        assert done.exit_code == 0
        assert f"the finding {one['id']} of report.json:" in done.stderr
        assert "before" not in done.stderr
        parts = [run(*shlex.split(command)[1:]).stdout for command in one["commands"]]
        assert requests(done.stdout) == requests("".join(parts))
        if len(parts) > 1:
            assert f"exportstats backfill --from-report FILE --finding {one['id']}" in text


def test_a_finding_can_be_a_script(run: Callable, findings: list[dict[str, Any]], tmp_path: Path):
    """A finding can be exported as scripts, one per slot."""
    asked = ("--from-report", "report.json", "--finding", findings[0]["id"])
    done = run("backfill", *asked, "--script", tmp_path / "scripts")
    assert done.exit_code == 0, done.output
    written = "".join(path.read_text() for path in (tmp_path / "scripts").iterdir())
    groups = {w[12:] for c in findings[0]["commands"] for w in shlex.split(c) if "-group=" in w}
    assert all(f"--log-group-name={group} " in written for group in groups)


def test_a_source_of_ones_own_takes_the_place(run: Callable, findings: list[dict[str, Any]]):
    """With another source, what was exported since the report is left out."""
    tasks = xs.read_tasks("tasks.parquet")
    done = tasks.assign(from_time=tasks["from_time"].min(), to_time=tasks["to_time"].max())
    xs.write_tasks(xs.conform(done[(done["status_code"] == "COMPLETED").to_numpy()]), "new.parquet")
    asked = ("new.parquet", "--from-report", "report.json", "--finding", findings[0]["id"])
    again = run("backfill", *asked)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "nothing to export" in again.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--finding", "nothing"], "the report report.json has no finding 'nothing'"),
        (["--finding", "nothing"], " (Events that will be lost)"),
        ([], "give a finding of report.json with --finding"),
        (["--finding", "irregular"], "the finding irregular of report.json has nothing to export"),
        (["--finding", "ID", "--since", "7d"], "--since is set by the finding; leave it out"),
        (["--finding", "ID", "--until", "7d"], "--until is set by the finding; leave it out"),
        (["--finding", "ID", "--log-group", "*"], "--log-group is set by the finding"),
        (["--finding", "ID", "--account", "111122223333"], "--account is set by the finding"),
        (["--finding", "ID", "--region", "eu-west-1"], "--region is set by the finding"),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str], says: str, run: Callable, findings: list[dict[str, Any]]
):
    """An unknown finding is refused in one line that lists the existing ones."""
    given = [findings[0]["id"] if word == "ID" else word for word in words]
    done = run("backfill", "--from-report", "report.json", *given)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a report; give what `exportstats report --json FILE` wrote"),
        ("[1]", "is not a report; give what"),
        ('{"exportTasks": []}', "is not a report; give what"),
        ('{"version": 1, "findings": [{}], "parts": {}}', "is not a report; give what"),
        ("[" * 100_000, "is not a report; give what"),
        ('{"version": 9}', "is a report of version 9, and this exportstats reads 1"),
        ('{"version": 1, "findings": [], "parts": {}}', "it has none to export"),
    ],
)
def test_an_invalid_report_is_refused(text: str, says: str, run: Callable, tmp_path: Path):
    """A file that is not a report is refused with its name and a remedy."""
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    done = run("backfill", "--from-report", path, "--finding", "gaps")
    assert done.exit_code == 2
    assert says in done.stderr
    assert str(path) in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_finding_is_of_a_report(run: Callable, tmp_path: Path):
    """A finding without a report is refused, and so is a missing report."""
    done = run("backfill", "--finding", "gaps")
    assert (done.exit_code, "give --from-report FILE as well" in done.stderr) == (2, True)
    done = run("backfill", "--from-report", tmp_path / "none.json", "--finding", "gaps")
    assert (done.exit_code, "none.json" in done.stderr) == (2, True)
