"""The command `tonight`: when the exports that are expected will be done."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING

import click

import exportstats as xs
from exportstats.cli.evidence import INCOMING, load_incoming
from exportstats.cli.failing import FOUND, mark_partial
from exportstats.cli.question import Answer, question
from exportstats.cli.wanted import PLACE, moment
from exportstats.core import schema
from exportstats.errors import ArgumentError
from exportstats.text import counted, percent, write_duration, write_minute

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from exportstats.cli.source import Origin

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_SLOT = list(schema.SLOT)
_DAY = dt.timedelta(days=1)
_FEW = 20  # durations of the log group
_SHOWN = 40
_SHARES = [0.1, 0.5, 0.9]


def _time(
    ctx: click.Context, param: click.Parameter, text: str | None
) -> dt.time | dt.datetime | None:
    """Parse a time of day, in UTC, or a time."""
    if text is not None and (found := _CLOCK.fullmatch(text)):
        return dt.time(int(found[1]), int(found[2]), tzinfo=dt.UTC)
    try:
        return moment(ctx, param, text)
    except click.BadParameter:
        raise click.BadParameter(
            f"{text!r} is not a time; use 06:00, in UTC, or 2026-11-24T06:00Z", ctx, param
        ) from None


def _exports(
    ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
) -> list[tuple[int, dt.timedelta]]:
    """Parse numbers of exports and how long each takes."""
    from exportstats.stats.as_of import length

    found = []
    for text in texts:
        number, _, lasts = text.partition("x")
        try:
            each = dt.timedelta(milliseconds=length(lasts, "add"))
        except ArgumentError:
            each = dt.timedelta(0)
        if not re.fullmatch(r"[0-9]{1,4}", number) or not each:
            raise click.BadParameter(
                f"{text!r} is not a number of exports and their length; use 30x5m", ctx, param
            )
        found.append((int(number), each))
    return found


@question(
    click.option(
        "--add",
        callback=_exports,
        multiple=True,
        metavar="NUMBERxLENGTH",
        help="Add exports to each slot, such as 30x5m, asked for with its last one.",
    ),
    click.option(
        "--start",
        "begin",
        callback=_time,
        metavar="TIME",
        help="Ask for all exports at this time, such as 22:00 (UTC), one after another.",
    ),
    click.option(
        "--by",
        "limit",
        callback=_time,
        metavar="TIME",
        help="The time by which all is to be done, such as 06:00 (UTC).",
    ),
    click.option(
        "--fit", metavar="LENGTH", help="Also count how many more exports fit until --by."
    ),
    click.option("--check", is_flag=True, help="Exit with 4 if it may not be done by --by."),
    click.option(
        "--confidence",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.9,
        show_default=True,
        help="The least probability for --check.",
    ),
    click.option("--exports", "each", is_flag=True, help="List exports instead of slots."),
    INCOMING,
    filters=PLACE,
)
def tonight(
    origin: Origin,
    *,
    add: list[tuple[int, dt.timedelta]],
    begin: dt.time | dt.datetime | None,
    limit: dt.time | dt.datetime | None,
    fit: str | None,
    check: bool,
    confidence: float,
    each: bool,
) -> Answer:
    """Forecast when the exports of the next 24 hours will be done.

    What is expected is learned from the tasks of the last 28 days. Each slot (an account and
    region) runs one export at a time. In eight of ten cases all is done between "from" and "to".
    The forecast begins when the tasks were last observed. Times are in UTC.

    \b
    exportstats tonight tasks.parquet --by 06:00
    exportstats tonight ./history --add 30x5m --start 22:00 --by 06:00 --check
    """
    from exportstats.stats.as_of import length

    if limit is None and (check or fit):
        raise ArgumentError(f"{'--check' if check else '--fit'} needs --by, such as --by 06:00")
    if fit is not None:
        length(fit, "fit")  # fail before AWS is asked
    tasks = origin.tasks()
    observed = tasks["observed_at"].max()
    if not len(tasks):
        return Answer(tasks, "no tasks")
    if tasks["observed_at"].isna().all():
        raise ArgumentError(
            "no task has a time of observation, so nothing can be forecast; use a file from "
            "`exportstats fetch`, not from the AWS CLI"
        )
    now = observed.to_pydatetime()
    moved = None if begin is None else _next(begin, now, "--start")
    deadline = None if limit is None else _next(limit, moved or now, "--by")
    until = now + _DAY if moved or deadline is None else deadline
    exports = _expected(tasks, now, until, moved, add).assign(deadline=deadline)
    when = f"{write_minute(now)} to {write_minute(until)} UTC"
    if not len(exports):
        return Answer(exports, f"no exports are expected, {when}", notes=[_why_none(tasks, now)])
    incoming = load_incoming(origin, tasks, exports)
    forecast = xs.simulate_queue(tasks, exports, start=now, incoming=incoming)
    chosen = origin.wanted.of_log_groups(forecast.exports)
    if not len(chosen):
        raise ArgumentError(origin.wanted.nothing_of(len(exports), exports))
    slots = forecast.slots.merge(chosen[_SLOT].drop_duplicates(), how="inner")
    slots["waiting"] = _waiting(forecast.exports, slots)
    if fit is not None:
        spare = xs.spare_exports(
            tasks, exports, fit, deadline=deadline, start=now, incoming=incoming
        )
        slots = slots.merge(spare[[*_SLOT, "fit_low", "fit"]], on=_SLOT, how="left")
    keys = slots[_SLOT].astype("str").fillna("").itertuples(index=False, name=None)
    last = forecast.finish[[*keys]].max(axis=1)
    is_known = deadline is not None and last.notna().all()
    chance = float((last <= deadline).mean()) if is_known else math.nan
    answer = _of_exports(chosen) if each else _of_slots(slots)
    notes = [*_certainty(chosen, last, deadline, chance)]
    if deadline is not None and chance < confidence:
        notes += _earlier(tasks, exports, now, confidence, incoming)
    title = f"{counted(slots['exports'].sum(), 'export')} expected in {counted(len(slots), 'slot')}"
    drawn = chosen if each or len(slots) > 1 else forecast.exports
    return answer._replace(
        title=f"{title}, {when}",
        plot=lambda: xs.plot_queue(drawn),
        notes=notes,
        exit_code=FOUND if check and not chance >= confidence else 0,
    )


def _next(time: dt.time | dt.datetime, now: dt.datetime, option: str) -> dt.datetime:
    """Return the next such time after an instant."""
    if isinstance(time, dt.time):
        today = dt.datetime.combine(now.date(), time)
        return today if today > now else today + _DAY
    if time <= now:
        raise ArgumentError(f"{option} {write_minute(time)} is not after {write_minute(now)} UTC")
    return time


def _expected(
    tasks: pd.DataFrame,
    now: dt.datetime,
    until: dt.datetime,
    moved: dt.datetime | None,
    add: list[tuple[int, dt.timedelta]],
) -> pd.DataFrame:
    """Return the exports to simulate."""
    import pandas as pd

    exports = xs.expected_exports(tasks, start=now, end=until)
    if moved is not None:
        exports = exports.assign(create_at=moved, jitter=dt.timedelta(0))
    last = exports.groupby(_SLOT, observed=True, dropna=False)["create_at"].max().reset_index()
    more = [last.assign(duration=lasts) for number, lasts in add for _ in range(number)]
    return pd.concat([exports, *more], ignore_index=True)


def _why_none(tasks: pd.DataFrame, now: dt.datetime) -> str:
    """Return why no exports are expected."""
    if not (tasks["creation_time"] >= now - dt.timedelta(days=28)).any():
        mark_partial()
        return "no task was created in the 28 days before that, so nothing is known of its exports"
    return "an export is expected if it was seen on two of the last 28 days, and has not stopped"


def _waiting(exports: pd.DataFrame, slots: pd.DataFrame) -> pd.Series:
    """Return how many exports of each slot find it busy."""
    waiting = (exports["probability"].fillna(1.0) * exports["refusal_probability"]).rename(
        "waiting"
    )
    waiting = waiting.groupby([exports[name] for name in _SLOT], observed=True, dropna=False).sum()
    return slots[_SLOT].merge(waiting.reset_index(), on=_SLOT, how="left")["waiting"]


def _of_slots(slots: pd.DataFrame) -> Answer:
    view = slots[_SLOT].assign(exports=slots["exports"].round(1), done=slots["expected_done"])
    view["from"], view["to"] = slots["done_low"], slots["done_high"]
    if slots["deadline_risk"].notna().any():
        view["in time"] = 1 - slots["deadline_risk"]
    view = view.assign(busy=slots["busy_share"], waiting=slots["waiting"].round(1))
    if "fit" in slots:
        view["fit"] = slots["fit_low"]
    view["retry"] = slots["retry_pause"]
    return Answer(slots, "", view, dict.fromkeys(("in time", "busy"), percent))


def _of_exports(exports: pd.DataFrame) -> Answer:
    table = exports.sort_values("expected_start", ignore_index=True)
    view = table[[*_SLOT, "log_group_name"]].assign(
        start=table["expected_start"], end=table["expected_end"]
    )
    view["from"], view["to"] = table["end_low"], table["end_high"]
    if table["deadline_risk"].notna().any():
        view["in time"] = 1 - table["deadline_risk"]
    view = view.assign(waits=table["refusal_probability"], likely=table["probability"].fillna(1.0))
    return Answer(
        table, "", view, dict.fromkeys(("in time", "waits", "likely"), percent), shown=_SHOWN
    )


def _certainty(
    exports: pd.DataFrame, last: pd.Series, deadline: dt.datetime | None, chance: float
) -> Iterator[str]:
    """Yield how sure the forecast is."""
    import pandas as pd

    if last.isna().all():
        yield "no duration of any earlier task is known, so nothing can be forecast"
        return
    low, middle, high = (write_minute(time) for time in pd.DatetimeIndex(last.quantile(_SHARES)))
    yield f"all is expected to be done by {middle}, in eight of ten cases from {low} to {high} UTC"
    if deadline is not None:
        yield f"it is done by {write_minute(deadline)} UTC with a probability of {percent(chance)}"
    drawn = exports[exports["basis"] != "given"]
    guesses = (drawn["basis"] != "log_group") | (drawn["n_durations"] < _FEW)
    if guesses.any():
        yield (
            f"{guesses.sum():,} of {len(exports):,} forecasts are guesses: fewer than {_FEW} "
            "durations of the log group are known"
        )


def _earlier(
    tasks: pd.DataFrame,
    exports: pd.DataFrame,
    now: dt.datetime,
    confidence: float,
    incoming: pd.DataFrame | None,
) -> Iterator[str]:
    """Yield whether earlier start times keep the deadline."""
    import pandas as pd

    plan = xs.schedule_exports(tasks, exports, start=now, confidence=confidence, incoming=incoming)
    late, least = plan.attrs["late_by"], plan.attrs["late_by_at_least"]
    sure = percent(confidence)
    if pd.isna(late):
        return
    if late <= dt.timedelta(0):
        yield (
            f"begun as soon as late events have arrived, all is done in time with {sure}: "
            "xs.schedule_exports has the start times"
        )
    elif least > dt.timedelta(0):
        length = write_duration(least.total_seconds())
        yield f"no order of these exports is in time with {sure}: it is at least {length} late"
    else:
        length = write_duration(late.total_seconds())
        yield f"no order was found that is in time with {sure}; the best one is {length} late"
