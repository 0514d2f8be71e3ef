"""Failures of a command: one line on stderr, and an exit code."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import signal
import sys
import textwrap
import threading
import warnings
from typing import TYPE_CHECKING, Any

import click

from exportstats.errors import ArgumentError, DamagedFileWarning, ExportStatsError
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED, USAGE, PARTIAL, FOUND = 1, 2, 3, 4
_SIGNALLED = 128  # plus the number of the signal: 130 for Ctrl-C
_SIGNALS = ("SIGTERM", "SIGHUP")  # handled like Ctrl-C; Windows lacks the second
_PART, _COMMAND = "exportstats.part", "exportstats.command"
_HISTORY = "exportstats.history"


# Parameters of the library whose options have another name; others only replace _ by -.
_NAMES = {
    "account_id": "--account",
    "start": "--since",
    "end": "--until",
    "by": "--split-by",
    "regions": "--all-regions",
}
# what reads such files in the terminal
_READERS = {
    "tasks": "`exportstats tasks FILE`",
    "log_groups": "`exportstats gaps --log-groups FILE`",
    "deliveries": "`exportstats gaps --deliveries FILE`",
    "api_calls": "`exportstats calls FILE`",
    "incoming": "`exportstats gaps --incoming FILE`",
}
_READER = re.compile(r"xs\.read_(\w+)")
_PARAMETER = re.compile(r"""(?<![-\w/])([a-z_]+)=('[^']*'|"[^"]*"|True|-?\d[\d.]*|(?=[\s,;)]))""")


def say(text: str, command: str = "") -> None:
    """Print a message on stderr, without control characters.

    In a terminal, a command to run is printed on its own line, so that it can be copied.
    """
    line = wrapped(f"exportstats: {plain(text)}")
    if command:
        line += ("\n" if sys.stderr.isatty() else " ") + plain(command)
    with contextlib.suppress(OSError):  # the terminal may be gone while a file is still written
        click.echo(line, err=True)


def wrapped(line: str) -> str:
    """Wrap a line for stderr at words, if stderr is a terminal."""
    if not sys.stderr.isatty():
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line,
        shutil.get_terminal_size().columns,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def in_options(text: str, command: click.Command) -> str:
    """Write a message of the library for the terminal: `region='x'` becomes `--region x`.

    A parameter without an option of the command is left unchanged.
    """
    options = {name: one for one in command.params for name in one.opts}

    def option_of(found: re.Match[str]) -> str:
        plain_name = f"--{found[1].replace('_', '-')}"
        name = plain_name if plain_name in options else _NAMES.get(found[1], "")
        if name not in options:
            return found[0]
        value = found[2].strip("'\"")
        is_flag = getattr(options[name], "is_flag", False)
        return name if is_flag or not found[2] else f"{name} {shlex.quote(value)}"

    text = _READER.sub(lambda found: _READERS.get(found[1], found[0]), text)
    return _PARAMETER.sub(option_of, text)


def _translated(text: str) -> str:
    """Write a message of the library with the options of the running command."""
    context = click.get_current_context(silent=True)
    command = context and context.meta.get(_COMMAND, context.command)
    return in_options(text, command) if command else text


def remember(context: click.Context, command: click.Command | None) -> None:
    """Remember the command that runs, whose options messages have."""
    context.meta[_COMMAND] = command


def mark_partial() -> None:
    """Mark the result as incomplete, so that the exit code is 3."""
    click.get_current_context().meta[_PART] = True


def is_partial() -> bool:
    """Return whether the result is marked as incomplete."""
    return _PART in click.get_current_context().meta


def lacks_history() -> bool:
    """Return whether an archive could not be read in full."""
    return _HISTORY in click.get_current_context().meta


@contextlib.contextmanager
def in_one_line(meta: dict[str, Any]) -> Iterator[None]:
    """Print errors and warnings as lines, and turn errors into exit codes.

    With an incomplete result, the exit code is 3 instead of 0 or 4. `meta` is that of click's
    context, where `is_partial` finds the mark.
    """
    _let_escape()

    said = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        lacking = {
            _PART: getattr(message, "partial", False),
            _HISTORY: isinstance(message, DamagedFileWarning),
        }
        meta.update((name, True) for name, lacks in lacking.items() if lacks)
        if str(message) not in said:
            said.add(str(message))
            say(_translated(str(message)))

    with warnings.catch_warnings(), _as_ctrl_c() as signalled, _wrapped_usage():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        try:
            yield
        except click.exceptions.Exit as end:
            if end.exit_code in (0, FOUND) and _PART in meta:
                raise click.exceptions.Exit(PARTIAL) from end
            raise
        except BrokenPipeError:
            raise  # the reader has closed the pipe; click ends without a message
        except (ExportStatsError, OSError, ValueError) as error:
            say(_translated(_described(error)))
            if isinstance(error, OSError) and error.errno and not error.filename:
                # Python would try to write the rest at its end, and exit with 120
                sys.stdout = None
            failed = isinstance(error, ExportStatsError | OSError)
            code = FAILED if failed and not isinstance(error, ArgumentError) else USAGE
            raise click.exceptions.Exit(code) from error
        except KeyboardInterrupt as stop:
            say("stopped")
            number = signalled[0] if signalled else signal.SIGINT
            raise click.exceptions.Exit(_SIGNALLED + number) from stop
        if _PART in meta:
            raise click.exceptions.Exit(PARTIAL)


@contextlib.contextmanager
def _wrapped_usage() -> Iterator[None]:
    """Wrap click's messages on wrong usage."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # the help, which click wraps
    except click.UsageError as error:
        message = wrapped(f"Error: {error.format_message()}").removeprefix("Error: ")
        raise click.UsageError(message, error.ctx) from error


def _let_escape() -> None:
    """Escape characters that stdout or stderr cannot encode, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _as_ctrl_c() -> Iterator[list[int]]:
    """Handle other signals like Ctrl-C, and yield a list of those received.

    Signals that are already handled or ignored, for example by `nohup`, are left alone.
    """
    came: list[int] = []

    def stop(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    mine = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, stop)
    try:
        yield came
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _described(error: Exception) -> str:
    """Return the text of an error; raise it again if it is a bug.

    An OSError without a file name comes from writing the output.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the output cannot be written'}: {error.strerror}"
    if isinstance(error, ExportStatsError | OSError):
        return str(error)
    if isinstance(error, UnicodeEncodeError) or "null byte" in str(error):
        return f"an option or path is not valid UTF-8 or contains a NUL: {error}; change it"
    raise error
