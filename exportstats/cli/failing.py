"""How a command ends when it does not end well: one line on stderr, and an exit code."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

import click

from exportstats.errors import ArgumentError, ExportStatsError
from exportstats.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED, PARTIAL, INTERRUPTED = 1, 3, 130


def say(text: str) -> None:
    """Say something beside the result: on stderr, in one line, with nothing a terminal obeys."""
    click.echo(f"exportstats: {plain(text)}", err=True)


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Turn this package's errors and warnings into lines, and errors into exit codes."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: say(str(message))
        try:
            yield
        except ArgumentError as error:
            raise click.UsageError(plain(str(error))) from error
        except (ExportStatsError, OSError) as error:
            say(str(error))
            raise click.exceptions.Exit(FAILED) from error
        except KeyboardInterrupt as stop:
            say(str(stop) or "stopped")
            raise click.exceptions.Exit(INTERRUPTED) from stop
