"""The command `tonight`: when the exports that are expected will be done."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import exportstats as xs
from exportstats.cli.evidence import INCOMING, load_incoming
from exportstats.cli.failing import FOUND, mark_partial, say
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
        # an age, as in --since 8h, is not meant
        return moment(ctx, param, text if text is None or "-" in text else "")
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
        help="Add exports to each slot, such as 30x5m, asked for with its first one, or now.",
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
    The slots that are least likely to be done by --by come first, then those that are done last.
    "waiting" is how many exports will find the slot busy, and "retry" how long they should wait
    between tries. The forecast begins when the tasks were last observed. Times are in UTC.

    \b
    exportstats tonight tasks.parquet --by 06:00
    exportstats tonight ./history --add 30x5m --start 22:00 --by 06:00 --check
    """
    import pandas as pd

    from exportstats.stats.as_of import length

    if limit is None and (check or fit):
        raise ArgumentError(f"{'--check' if check else '--fit'} needs --by, such as --by 06:00")
    if fit is not None:
        length(fit, "fit")  # fail before AWS is asked
    tasks = origin.tasks()
    if not len(tasks):
        mark_partial()
        return Answer(tasks, "no tasks", notes=["without any task, no export can be expected"])
    asked = _ask(tasks, begin, limit, add)
    exports, until = asked.exports, asked.until
    options: dict[str, Any] = {
        "start": asked.now,
        "incoming": load_incoming(origin, tasks, exports),
    }
    forecast = xs.simulate_queue(tasks, exports, **options)
    when = f"{write_minute(asked.now)} to {write_minute(until)} UTC"
    chosen = origin.wanted.of_log_groups(forecast.exports)
    slots = _selected(origin, forecast, chosen)
    if not len(slots):
        if len(exports):
            raise ArgumentError(origin.wanted.nothing_of(len(exports), exports, what="export"))
        return Answer(slots, f"no exports are expected, {when}", notes=[_why_none(asked)])
    if fit is not None:
        spare = xs.spare_exports(tasks, exports, fit, deadline=asked.deadline, **options)
        slots = slots.merge(spare[[*_SLOT, "fit_low", "fit"]], on=_SLOT, how="left")
    last = _last(forecast, slots)
    is_known = asked.deadline is not None and last.notna().all()
    chance = float((last <= asked.deadline).mean()) if is_known else math.nan
    notes = [*_certainty(asked, chosen, last, chance)]
    some = each and origin.wanted.log_group
    expected = (chosen["probability"].fillna(1.0) if some else slots["exports"]).sum()
    possible = f" ({len(chosen):,} possible)" if each and round(expected) != len(chosen) else ""
    if origin.wanted.log_group:
        listed = "a slot is shown with all its exports; --exports lists those of log groups"
        notes.append("all exports of the slot are meant, not only those listed" if each else listed)
    if is_known and chance < confidence and len(exports):
        notes.append(_earlier(asked, slots, chance, options))
    title = f"{counted(expected, 'export')} expected{possible} in {counted(len(slots), 'slot')}"
    of_slots = pd.Series(_columns_of(forecast.exports)).isin(_columns_of(slots)).to_numpy()
    drawn = chosen if each else forecast.exports[of_slots]
    return (_of_exports(chosen) if each else _of_slots(slots, forecast, asked.deadline))._replace(
        title=f"{title}, {when}",
        plot=lambda: xs.plot_queue(drawn),
        notes=notes,
        exit_code=FOUND if check and not chance >= confidence else 0,
    )


class _Asked(NamedTuple):
    """What is simulated: the exports that are asked for from now until an instant.

    `left_out` are those of the same day that are asked for after it.
    """

    tasks: pd.DataFrame
    exports: pd.DataFrame
    now: dt.datetime
    until: dt.datetime
    deadline: dt.datetime | None
    left_out: int


def _ask(
    tasks: pd.DataFrame,
    begin: dt.time | dt.datetime | None,
    limit: dt.time | dt.datetime | None,
    add: list[tuple[int, dt.timedelta]],
) -> _Asked:
    """Return what is simulated.

    Raises
    ------
    ArgumentError
        If the tasks have no time of observation, or a time is not after it.
    """
    if tasks["observed_at"].isna().all():
        raise ArgumentError(
            "no task has a time of observation, so nothing can be forecast; use a file from "
            "`exportstats fetch`, or `exportstats archive import --observed-at`"
        )
    now = tasks["observed_at"].max().to_pydatetime()
    moved = None if begin is None else _next(begin, now, "--start")
    if moved is not None and moved > now + _DAY:
        raise ArgumentError(
            f"--start {write_minute(moved)} is more than a day after {write_minute(now)} UTC, "
            "and the exports of one day are forecast; give an earlier one"
        )
    soonest = (moved or now) + dt.timedelta(milliseconds=1)
    deadline = None if limit is None else _next(limit, soonest, "--by")
    until = now + _DAY if moved or deadline is None else deadline
    every = xs.expected_exports(tasks, start=now, end=max(until, now + _DAY))
    is_asked = every["create_at"] < until
    exports = _scenario(tasks, every[is_asked], now, moved, add)
    exports = exports.assign(deadline=deadline)
    return _Asked(tasks, exports, now, until, deadline, int((~is_asked).sum()))


def _selected(origin: Origin, forecast: xs.QueueForecast, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the slots of the selected exports, or all of the selected account and region."""
    slots = forecast.slots
    if origin.wanted.log_group:
        slots = slots.merge(chosen[_SLOT].drop_duplicates(), how="inner")
    return origin.wanted._replace(log_group=()).of_log_groups(slots)


def _next(time: dt.time | dt.datetime, now: dt.datetime, option: str) -> dt.datetime:
    """Return the next such time after an instant."""
    if isinstance(time, dt.time):
        today = dt.datetime.combine(now.date(), time)
        return today if today >= now else today + _DAY
    if time < now:
        raise ArgumentError(f"{option} {write_minute(time)} is not after {write_minute(now)} UTC")
    return time


def _scenario(
    tasks: pd.DataFrame,
    exports: pd.DataFrame,
    now: dt.datetime,
    moved: dt.datetime | None,
    add: list[tuple[int, dt.timedelta]],
) -> pd.DataFrame:
    """Return the exports to simulate; those that are added are asked for with the first one."""
    import pandas as pd

    if moved is not None:
        # events of the window may still come in before its end
        ends = exports["to_time"] + dt.timedelta(milliseconds=1)
        at = ends.where(ends > moved, moved)
        if later := int((at > moved).sum()):
            say(f"{counted(later, 'export')} begin after --start, when their windows end")
        exports = exports.assign(create_at=at, jitter=dt.timedelta(0))
    first = exports.groupby(_SLOT, observed=True, dropna=False)["create_at"].min().reset_index()
    slots = (
        tasks[_SLOT]
        .drop_duplicates()
        .astype("str")
        .merge(first.astype(dict.fromkeys(_SLOT, "str")), how="left")
    )
    slots = slots.assign(create_at=slots["create_at"].fillna(moved or now))
    more = [slots.assign(duration=lasts) for number, lasts in add for _ in range(number)]
    return pd.concat([exports, *more], ignore_index=True)


def _last(forecast: xs.QueueForecast, slots: pd.DataFrame) -> pd.Series:
    """Return when the last of some slots is done, in each run."""
    finish = forecast.finish[_columns_of(slots)]
    return finish.max(axis=1).where(finish.notna().all(axis=1))


def _columns_of(slots: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the columns of `finish` of some slots."""
    from exportstats.stats.histories import keys_of

    return keys_of(slots, _SLOT)


def _why_none(asked: _Asked) -> str:
    """Return why no exports are expected."""
    from exportstats.queues.rhythms import HISTORY_DAYS

    if asked.left_out:
        return _left_out(asked)
    last = f"{HISTORY_DAYS} days"
    if not (asked.tasks["creation_time"] >= asked.now - dt.timedelta(days=HISTORY_DAYS)).any():
        mark_partial()
        return f"no task was created in the {last} before that, so nothing is known of its exports"
    return f"an export is expected if it was seen on two of the last {last}, and has not stopped"


def _left_out(asked: _Asked) -> str:
    """Return how many exports are asked for after the deadline."""
    many = f"up to {counted(asked.left_out, 'export')} of this day"
    return f"left out: {many}, asked for after {write_minute(asked.until)} UTC"


def _of_slots(
    slots: pd.DataFrame, forecast: xs.QueueForecast, deadline: dt.datetime | None
) -> Answer:
    view = slots[_SLOT].assign(exports=slots["exports"].round(1), done=slots["expected_done"])
    view["from"], view["to"] = slots["done_low"], slots["done_high"]
    if deadline is not None:
        finish = forecast.finish[_columns_of(slots)]
        view["in time"] = (finish <= deadline).where(finish.notna()).mean().to_numpy()
    view = view.assign(busy=slots["busy_share"], waiting=slots["refusals"].round(1))
    if "fit" in slots:
        view["fit"] = slots["fit_low"]
    view["retry"] = slots["retry_pause"]
    by = [name for name in ("in time", "to") if name in view]
    view = view.sort_values(
        by, ascending=[name != "to" for name in by], na_position="first", kind="stable"
    )
    worst, formats = slots.loc[view.index], dict.fromkeys(("in time", "busy"), percent)
    return Answer(worst, "", view, formats, shown=_SHOWN)


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
    asked: _Asked, exports: pd.DataFrame, last: pd.Series, chance: float
) -> Iterator[str]:
    """Yield how sure the forecast is."""
    import pandas as pd

    if (old := dt.datetime.now(dt.UTC) - asked.now) > _DAY:
        age = write_duration(old.total_seconds())
        yield f"the tasks were observed {age} ago, and this is the forecast of then"
    if not len(asked.exports):
        yield _why_none(asked)
    if last.isna().all():
        yield "no duration of any earlier task is known, so nothing can be forecast"
        return
    quantiles = last.quantile(_SHARES, interpolation="lower")  # as in the table
    low, middle, high = (write_minute(time) for time in pd.DatetimeIndex(quantiles))
    yield f"all is expected to be done by {middle}, in eight of ten cases from {low} to {high} UTC"
    if asked.deadline is not None:
        by = write_minute(asked.deadline)
        yield f"it is done by {by} UTC with a probability of {percent(chance)}"
        if asked.left_out and len(asked.exports):
            yield _left_out(asked)
    drawn = exports[exports["basis"] != "given"]
    guesses = (drawn["basis"] != "log_group") | (drawn["n_durations"] < _FEW)
    if guesses.any():
        yield (
            f"{guesses.sum():,} of {len(exports):,} forecasts are guesses: fewer than {_FEW} "
            "durations of the log group are known"
        )


def _earlier(asked: _Asked, slots: pd.DataFrame, chance: float, options: dict[str, Any]) -> str:
    """Return whether another order and earlier start times would help."""
    exports = asked.exports
    # what is added has no window that it must wait for
    free = exports["create_at"].where(exports["log_group_name"].notna(), asked.now)
    plan = xs.schedule_exports(asked.tasks, exports.assign(create_at=free), **options)
    last = _last(xs.simulate_queue(asked.tasks, plan, **options), slots)
    better = float((last <= asked.deadline).mean())
    how = "in the order of xs.schedule_exports, each begun 12 h after its window or earlier"
    return f"{how}, it would be {percent(better) if better > chance else 'no more'}"
