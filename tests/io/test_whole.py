"""A file is written completely or not at all, and nothing else is changed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from exportstats.errors import ArgumentError
from exportstats.io.whole import one_at_a_time, whole_file

# Writes half of the file, prints a line, and waits to be killed.
_HALF = (
    "import sys, time, pathlib\n"
    "from exportstats.io.whole import whole_file\n"
    "with whole_file(pathlib.Path(sys.argv[1])) as file:\n"
    "    file.write(b'half')\n"
    "    print(flush=True)\n"
    "    time.sleep(60)\n"
)
# Increments the number in a file several times.
_COUNT = (
    "import sys, pathlib\n"
    "from exportstats.io.whole import one_at_a_time, whole_file\n"
    "path = pathlib.Path(sys.argv[1])\n"
    "for _ in range(50):\n"
    "    with one_at_a_time(path):\n"
    "        number = int(path.read_text()) + 1\n"
    "        with whole_file(path) as file:\n"
    "            file.write(b'%d' % number)\n"
)


def put(path: Path, content: bytes = b"new") -> None:
    """Write a file."""
    with whole_file(path) as file:
        file.write(content)


def names(folder: Path) -> set[str]:
    """Return the names in a folder, including hidden files."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_an_existing_file_keeps_its_mode(mode: int, tmp_path: Path):
    """An existing file keeps its mode."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    put(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_an_existing_file_keeps_its_owner(tmp_path: Path):
    """A file of another user keeps its owner when root writes it."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    os.chown(path, 1234, 4321)
    put(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_links_are_followed(tmp_path: Path):
    """A link, a link to a link and a broken one stay, and their target is written."""
    (tmp_path / "real").mkdir()
    (tmp_path / "one").symlink_to("real/a")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    for name, content in (("one", b"1"), ("two", b"2")):
        put(tmp_path / name, content)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "real" / "a").read_bytes() == content
    assert names(tmp_path / "real") == {"a"}


def test_a_name_may_be_as_long_as_any(tmp_path: Path):
    """The temporary file has a short name, so names of 255 bytes can be written."""
    put(tmp_path / ("x" * 255))
    assert names(tmp_path) == {"x" * 255}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError, SystemExit])
def test_an_error_leaves_what_was(stop: type[BaseException], tmp_path: Path):
    """After any error, the old file is unchanged and there is no other."""
    (tmp_path / "a").write_bytes(b"old")

    def fail() -> None:
        with whole_file(tmp_path / "a") as file:
            file.write(b"new")
            raise stop

    with pytest.raises(stop):
        fail()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


def half_written(path: Path) -> subprocess.Popen[bytes]:
    """Start a process that has written half of a file."""
    command = [sys.executable, "-c", _HALF, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_what_a_killed_process_left_is_removed(tmp_path: Path):
    """The temporary file of a killed process is removed by the next one, and nothing else."""
    for process in [half_written(tmp_path / name) for name in "ab"]:
        process.kill()
        process.communicate()
    (tmp_path / ".exportstats-mine.part").write_bytes(b"mine")
    (tmp_path / ".a.part").write_bytes(b"mine")
    before = names(tmp_path)
    put(tmp_path / "a", b"a")
    assert len(before - names(tmp_path)) == 1
    assert (tmp_path / "a").read_bytes() == b"a"
    put(tmp_path / "b")
    assert names(tmp_path) == {"a", "b", ".a.part", ".exportstats-mine.part"}


def test_what_another_process_writes_is_waited_for(tmp_path: Path):
    """A file that another process is writing is written after it, without mixing both."""
    process = half_written(tmp_path / "a")
    threading.Timer(0.2, process.kill).start()
    began = time.monotonic()
    put(tmp_path / "a")
    assert time.monotonic() - began > 0.1
    process.communicate()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == {"a"}


def test_many_processes_write_one_file(tmp_path: Path):
    """Many processes that write a file at once each write it completely."""
    script = _COUNT.replace("    with one_at_a_time(path):\n", "    if True:\n")
    script = script.replace("int(path.read_text()) + 1", "1111111111")
    command = [sys.executable, "-c", script, str(tmp_path / "a")]
    processes = [subprocess.Popen(command) for _ in range(4)]
    while any(process.poll() is None for process in processes):
        assert not (tmp_path / "a").exists() or (tmp_path / "a").read_bytes() == b"1" * 10
    assert [process.wait() for process in processes] == [0] * 4
    assert names(tmp_path) == {"a"}


def test_a_link_in_the_place_of_the_temporary_file(tmp_path: Path):
    """A link in the place of the temporary file is not followed."""
    process = half_written(tmp_path / "a")
    process.kill()
    process.communicate()
    (left,) = tmp_path.iterdir()
    left.unlink()
    (tmp_path / "mine").write_bytes(b"mine")
    left.symlink_to("mine")
    with pytest.raises(ArgumentError, match="is not writable"):
        put(tmp_path / "a")
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_what_cannot_be_written_is_refused(tmp_path: Path):
    """Missing folders, pipes, folders, loops of links and NULs are refused unchanged."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    before = names(tmp_path)
    for name, error, text in (
        ("no/a", ArgumentError, "there is no folder .*no; create it"),
        ("pipe", ArgumentError, "pipe' is not a regular file"),
        ("a\0b", ArgumentError, "is not a valid path"),
        ("folder", ArgumentError, "folder' is not a regular file"),
        ("loop", OSError, "loop"),
        ("x" * 256, OSError, "too long"),
    ):
        with pytest.raises(error, match=text):
            put(tmp_path / name)
    assert names(tmp_path) == before


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="a folder that not even root writes to")
def test_a_folder_that_is_read_only_is_named():
    """The error names the folder, not the temporary file."""
    with pytest.raises(ArgumentError, match="the folder /proc/sys is not writable: "):
        put(Path("/proc/sys/a"))


def test_one_at_a_time_loses_nothing(tmp_path: Path):
    """Processes that change a file at once lose no change, and leave no lock behind."""
    path = tmp_path / "a"
    path.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", _COUNT, str(path)]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert path.read_text() == "200"
    assert names(tmp_path) == {"a"}


def test_a_lock_that_was_left_is_no_obstacle(tmp_path: Path):
    """A lock ends with its process; its file is used again, and removed."""
    command = [sys.executable, "-c", _HALF.replace("whole_file", "one_at_a_time")]
    process = subprocess.Popen(
        [*command[:2], command[2].replace("    file.write(b'half')\n", ""), str(tmp_path / "a")],
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    threading.Timer(0.2, process.kill).start()
    began = time.monotonic()
    with one_at_a_time(tmp_path / "a"):
        assert time.monotonic() - began > 0.1
    process.communicate()
    assert names(tmp_path) == set()


def test_what_was_opened_is_closed(tmp_path: Path):
    """Neither a lock nor a file that was written stays open."""
    free = os.dup(0)
    os.close(free)
    for _ in range(2):
        with one_at_a_time(tmp_path / "a"):
            put(tmp_path / "a")
    opened = os.dup(0)
    os.close(opened)
    assert opened == free


def test_an_error_of_writing_names_the_file(tmp_path: Path):
    """A full disk is an error of an open file, which does not name it by itself."""
    path = tmp_path / "report.html"
    with pytest.raises(OSError, match=r"report\.html") as caught, whole_file(path):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(path)
    assert not [*tmp_path.iterdir()]
