"""The world in which every log event is known, as of today, and an emulator of it."""

from __future__ import annotations

import datetime as dt
import functools
import sys
from pathlib import Path
from typing import Any

from support import DAY

from exportstats.emulator import Emulator

sys.path.append(str(Path(__file__).parents[1] / "data"))
import events

ACCOUNT, REGION = "111122223333", "eu-west-1"


@functools.cache
def world() -> events.World:
    """Make the world up to today, once."""
    now = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
    return events.make_world(now - now % DAY)


def rows() -> dict[str, Any]:
    """Return what an emulator of the world takes beside its tasks."""
    names = ("log_groups", "log_streams", "api_calls", "incoming", "objects")
    return {name: getattr(world(), name) for name in names}


def served(**more: Any) -> Emulator:  # noqa: ANN401 - as `Emulator` takes them
    """Return an emulator of the world."""
    return Emulator(world().tasks, **rows(), **more)
