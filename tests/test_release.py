"""What a release needs beside the code: licences, a workflow, a citation, a policy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import exportstats as xs

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# SPDX identifiers, and what older packages write instead of one.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT", "MIT-CMU", "PSF-2.0"),
    *("Apache Software License", "BSD License", "MIT License", "Zlib"),
    "Python Software Foundation License",
    "MPL-2.0",  # of tqdm: it asks only that changes to its own files are published
}


def needed(name: str, extra: str) -> set[str]:
    """Return the distributions that one needs with an extra, and what these need."""
    found: set[str] = set()
    ahead = [(name, extra)]
    while ahead:
        name, extra = ahead.pop()
        for text in distribution(name).requires or []:
            one = Requirement(text)
            if one.name not in found and (
                one.marker is None or one.marker.evaluate({"extra": extra})
            ):
                found.add(one.name)
                ahead += [(one.name, each) for each in ("", *one.extras)]
    return found


def test_licences_of_what_runs_with_the_package_are_known():
    """What the package and an archive need has permissive licences, or one that is reasoned."""
    names = needed("exportstats", "archive")
    assert {"boto3", "deltalake", "pandas", "six"} <= names
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--packages", *names]
    rows = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert len(rows) == len(names)
    for row in rows:
        licences = re.split(r"; | AND | OR ", row["License"])
        assert {*licences} <= ALLOWED, row


def test_the_versions_of_the_checks_run_on_the_python_of_debian_12():
    """It is 3.11.2, and pip refuses a pinned version that needs a later one."""
    pinned = set((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    for one in distributions():
        needs = one.metadata.json.get("requires_python", "")  # some have none
        if f"{one.name}=={one.version}" in pinned:
            assert "3.11.2" in SpecifierSet(needs), f"{one.name} {one.version} needs {needs}"


def workflow() -> dict[str, Any]:
    """Return the workflow of the continuous integration, with `on` as text."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it builds text alone


def test_the_workflow_runs_the_targets_of_the_continuous_integration():
    """Each step is a pinned action or a target of make, and together they are those of .ci/run."""
    ran = set()
    for job in workflow()["jobs"].values():
        assert "timeout-minutes" in job
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
                continue
            ran.add(step["run"])
            done = subprocess.run(
                [*step["run"].split(), "--dry-run"], cwd=ROOT, capture_output=True
            )
            assert done.returncode == 0, step
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert ran == {*re.findall(r"^make .*", script, re.MULTILINE)}


def test_the_workflow_can_only_read():
    """It has no permission but to read, no secret, and inserts no expression into a command."""
    jobs = workflow()["jobs"].values()
    assert workflow()["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in jobs)
    steps = [step for job in jobs for step in job["steps"]]
    assert not any("${{" in step.get("run", "") for step in steps)
    assert "secrets." not in str(steps)
    assert all(
        step["with"]["persist-credentials"] == "false"
        for step in steps
        if step.get("uses", "").startswith("actions/checkout@")
    )


def test_the_workflow_tests_the_lowest_python():
    """The Pythons of the matrix begin with the lowest that the package supports."""
    pythons = workflow()["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={pythons[0]}"


def test_the_version_is_one():
    """The package, the citation and the changelog have the version of pyproject.toml."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    [latest, *_] = re.findall(r"^## (\S+)", changelog, re.MULTILINE)
    assert xs.__version__ == PROJECT["version"] == citation["version"] == latest


def test_the_citation_is_valid():
    """It has the keys that the schema of version 1.2.0 requires, and no person and no DOI."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == [{"name": "The exportstats developers"}]
    assert {"message", "title", "abstract", "keywords"} == {*citation} - {
        *("cff-version", "type", "license", "authors", "version")
    }


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/versioning.md"])
def test_a_policy_names_commands_and_codes_that_exist(page: str):
    """The options and the exit codes on the page are those of the commands."""
    text = (ROOT / page).read_text(encoding="utf-8")
    reference = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert {*re.findall(r" `?(--[a-z-]+)", text)} <= {*re.findall(r" (--[a-z-]+)", reference)}
