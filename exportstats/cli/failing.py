"""How a command ends when it does not end well: one line on stderr, and an exit code."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import click

from exportstats.errors import ArgumentError, ExportStatsError
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED, USAGE, PARTIAL, FOUND = 1, 2, 3, 4
_SIGNALLED = 128  # and the signal's number: 130 for Ctrl-C
_SIGNALS = ("SIGTERM", "SIGHUP")  # what ends a command as Ctrl-C does; Windows lacks the second
_PART = "exportstats.part"


def say(text: str) -> None:
    """Say something beside the result: on stderr, in one line, with nothing a terminal obeys."""
    with contextlib.suppress(OSError):  # the terminal may be gone, and a file yet to be written
        click.echo(f"exportstats: {plain(text)}", err=True)


def mark_part() -> None:
    """Remember that something did not arrive: a command that is done ends with 3 then."""
    click.get_current_context().meta[_PART] = True


def knows_a_part() -> bool:
    """Return whether something did not arrive, or a warning said that something was left out."""
    return _PART in click.get_current_context().meta


@contextlib.contextmanager
def in_one_line(meta: dict[str, Any]) -> Iterator[None]:
    """Turn this package's errors and warnings into lines, and errors into exit codes.

    A command that ends well, or found something, although a warning said that something was left
    out ends with 3. In `meta`, that of click's context, it is kept for `knows_a_part`.
    """
    _let_escape()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        if getattr(message, "partial", False):
            meta[_PART] = True
        say(str(message))

    with warnings.catch_warnings(), _as_ctrl_c() as signalled:
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        try:
            yield
        except click.exceptions.Exit as end:
            if end.exit_code in (0, FOUND) and _PART in meta:
                raise click.exceptions.Exit(PARTIAL) from end
            raise
        except BrokenPipeError:
            raise  # whoever reads has had enough; click ends without a word
        except (ExportStatsError, OSError, ValueError) as error:
            say(_described(error))
            failed = isinstance(error, ExportStatsError | OSError)
            code = FAILED if failed and not isinstance(error, ArgumentError) else USAGE
            raise click.exceptions.Exit(code) from error
        except KeyboardInterrupt as stop:
            say("stopped")
            number = signalled[0] if signalled else signal.SIGINT
            raise click.exceptions.Exit(_SIGNALLED + number) from stop
        if _PART in meta:
            raise click.exceptions.Exit(PARTIAL)


def _let_escape() -> None:
    """Let a character that stdout or stderr cannot write be an escape, and no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _as_ctrl_c() -> Iterator[list[int]]:
    """Let other signals end a command as Ctrl-C does; gives those that came.

    What somebody else handles or ignores, as `nohup` does, stays so.
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
    """Return an error's text; what is nobody's fault but ours is raised again.

    One of the system's own that names no file is of what we write.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the output cannot be written'}: {error.strerror}"
    if isinstance(error, ExportStatsError | OSError):
        return str(error)
    if isinstance(error, UnicodeEncodeError) or "null byte" in str(error):
        return f"an option or a path is no text in UTF-8, or has a NUL: {error}; change it"
    raise error
