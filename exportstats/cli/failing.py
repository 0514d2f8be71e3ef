"""How a command ends when it does not end well: one line on stderr, and an exit code."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from typing import TYPE_CHECKING

import click

from exportstats.errors import ArgumentError, ExportStatsError
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED, USAGE, PARTIAL, FOUND, INTERRUPTED = 1, 2, 3, 4, 130


def say(text: str) -> None:
    """Say something beside the result: on stderr, in one line, with nothing a terminal obeys."""
    click.echo(f"exportstats: {plain(text)}", err=True)


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Turn this package's errors and warnings into lines, and errors into exit codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that it cannot write is no error
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: say(str(message))
        try:
            yield
        except BrokenPipeError:
            raise  # whoever reads has had enough; click ends without a word
        except (ExportStatsError, OSError) as error:
            say(_described(error))
            code = USAGE if isinstance(error, ArgumentError) else FAILED
            raise click.exceptions.Exit(code) from error
        except KeyboardInterrupt as stop:
            say("stopped")
            raise click.exceptions.Exit(INTERRUPTED) from stop


def _described(error: Exception) -> str:
    """Give an error's text; one of the system's own that names no file is of what we write."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the output cannot be written'}: {error.strerror}"
    return str(error)
