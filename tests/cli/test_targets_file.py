"""Invalid targets files and many failures give a few helpful lines, quickly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import exportstats as xs
from exportstats.cli.fleet import failure_lines, read_targets

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "account_id,region\n111122223333,eu-west-1\n"
BAD = {
    "binary": (bytes(range(256)) * 40, "in UTF-8"),
    "utf-16": (GOOD.encode("utf-16"), "in UTF-8"),
    "utf-16 without a mark": (GOOD.encode("utf-16-le"), "is not one of account_id"),
    "empty": (b"", "has no target"),
    "deep": (b"[" * 100_000, "in UTF-8"),
    "deep and whole": (b"[" * 100_000 + b"]" * 100_000, "in UTF-8"),
    "long number": (b'[{"account_id": ' + b"9" * 5_000 + b"}]", "in UTF-8"),
    "one object": (b'{"account_id": "111122223333"}', "it is one object"),
    "numbers": (b"[1, 2]", "target 1: 1 is not an object"),
    "nulls": (b"[null]", "target 1: None is not an object"),
    "NUL in a name": (b'[{"profile": "a\\u0000b"}]', "target 1: profile '"),
    "NUL in a row": (b"profile\na\x00b\n", "target 1: profile '"),
    "NUL in a column": (b"pro\x00file\nx\n", "is not one of account_id"),
    "escapes": (b'[{"profile": "a\\u001b[31mb"}]', "profile 'a\\x1b[31mb'"),
    "a surrogate": (b'[{"profile": "\\ud800"}]', "target 1: profile '"),
    "account as a number": (b'[{"account_id": 111122223333}]', "give twelve digits, as text"),
    "account as 0": (b'[{"account_id": 0}]', "account_id 0; give twelve"),
    "region as a list": (b'[{"region": ["eu-west-1"]}]', "region ['eu-west-1']; give text"),
    "role as a number": (b'[{"role_arn": 5}]', "role_arn 5; give text"),
    "a column twice": (b"region,region\na,b\n", "region appears 2 times"),
    "a key twice": (b'[{"region": "a", "region": "b"}]', "region appears 2 times"),
    "too many values": (b"region\na,b\n", "line 2: 2 values and 1 columns"),
    "garbage": (b"\xc3\xa4b,\x01x\n" * 10**6, "is not one of account_id"),
    "one line of garbage": (b"x" * 10**7, "in UTF-8"),
    "an open quote": (b'region\n"a\n' + b"b\n" * 10**6, "in UTF-8"),
    "a long value": (b"account_id\n" + b"1" * 10**5 + b"\n", "give twelve digits"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_invalid_list_of_targets_is_one_line(kind: str, tmp_path: Path):
    """The error names the file, the place and the remedy in one short line."""
    content, said = BAD[kind]
    path = tmp_path / "targets"
    path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(xs.ArgumentError) as caught:
        read_targets(path)
    text = str(caught.value)
    assert time.monotonic() - started < 3
    assert text.startswith(str(path))
    assert said in text
    assert text.isprintable()
    assert len(text) < len(str(path)) + 400


def test_targets_are_read_as_people_write_them(tmp_path: Path):
    """A BOM, blank lines, quotes, empty cells and short rows are read."""
    path = tmp_path / "targets"
    path.write_text('\ufeffaccount_id,region,profile\n\n"111122223333",eu-west-1,\n,us-east-1\n')
    assert read_targets(path) == [
        xs.Target("111122223333", "eu-west-1"),
        xs.Target(None, "us-east-1"),
    ]
    path.write_text(json.dumps([{"region": "eu-west-1", "profile": None}]))
    assert read_targets(path) == [xs.Target(region="eu-west-1")]


def test_no_traceback_of_a_file_that_cannot_be_read(tmp_path: Path):
    """A folder, a file without permission and a binary file are one line, with 2."""
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "loop").symlink_to("loop")
    for name in ("binary", "loop", "."):
        done = subprocess.run(
            [sys.executable, "-m", "exportstats", "status", "--targets", name],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "AWS_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert name in done.stderr
    with pytest.raises(xs.ArgumentError, match="give a readable file"):
        read_targets(tmp_path)


def test_a_flood_of_failures_is_a_few_lines():
    """Of 100,000 failures with as many reasons, twenty are printed, in seconds."""
    count = 100_000
    failures = pd.DataFrame(
        {
            "account_id": [f"{n:012}" for n in range(count)],
            "region": "eu-west-1",
            "profile": None,
            "role_arn": None,
            "reason": [f"Fault{n % 50_000}: {'x' * 2_000}" for n in range(count)],
            "remedy": "none",
            "arrived": 0,
        }
    )
    started = time.monotonic()
    lines = list(failure_lines(failures))
    assert time.monotonic() - started < 5
    assert len(lines) < 150
    assert lines[-1] == f"  and {count - 40:,} more targets with other causes"
