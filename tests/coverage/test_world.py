"""The truth about a world of single events lies within what is said when all comes over HTTP."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support import plain
from worlds import ACCOUNT, REGION, served, world

import exportstats as xs

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = 60_000
SOURCES = ("api_calls", "deliveries", "incoming", "streams")


@pytest.fixture(scope="module")
def fetched() -> Iterator[dict[str, Any]]:
    """Fetch all that can be asked for, over HTTP."""
    start, end = (pd.Timestamp(t, unit="ms", tz="UTC") for t in (world().start, world().end))
    with served() as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ACCESS_KEY_ID", ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", "made-up"),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ENDPOINT_URL", emulator.url),
        ):
            patch.setenv(name, value)
        tasks, log_groups = xs.fetch_tasks(), xs.fetch_log_groups()
        yield {
            "tasks": tasks,
            "start": start,
            "end": end,
            "log_groups": log_groups,
            "api_calls": xs.fetch_api_calls(start=start),
            "deliveries": xs.fetch_deliveries(tasks),
            "streams": xs.fetch_deliveries(tasks, streams=True),
            "incoming": xs.fetch_incoming(log_groups, start=start, end=end + pd.Timedelta("2h")),
        }


def asked(fetched: dict[str, Any], *sources: str) -> dict[str, Any]:
    """Return the arguments of a coverage function with some sources."""
    known = {
        name: value for name, value in fetched.items() if name not in SOURCES or name in sources
    }
    streams = known.pop("streams", None)
    return known | (
        {"deliveries": streams} if "deliveries" in sources and "streams" in sources else {}
    )


def minutes_of(timeline: pd.DataFrame) -> dict[tuple[str, int], str]:
    """Return the evidence of each minute of each log group."""
    columns = (plain(timeline[name]) for name in ("log_group_name", "start", "end", "evidence"))
    return {
        (group, minute): evidence
        for group, start, end, evidence in zip(*columns, strict=True)
        for minute in range(start, end, MINUTE)
    }


@pytest.mark.parametrize("many", range(len(SOURCES) + 1))
def test_the_truth_lies_within_the_bounds(fetched: dict[str, Any], many: int):
    """By log group, by minute and by event, whatever is known; and silence has no event."""
    made = world()
    for sources in combinations(SOURCES, many):
        known = asked(fetched, *sources)
        summary = xs.coverage_summary(**known).droplevel(["account_id", "region"])
        evidence = minutes_of(xs.coverage_timeline(**known))
        assert len(evidence) == len(made.events) * (made.end - made.start) // MINUTE
        for group, events in made.events.items():
            covered, row = made.covered(group), summary.loc[group]
            true = len(covered) * MINUTE / (made.end - made.start)
            assert row["covered_at_least"] <= true <= row["covered_at_most"], (group, sources)
            for minute in range(made.start, made.end, MINUTE):
                found = evidence[group, minute]
                assert found != "proven" or minute in covered
                assert found not in ("missing", "silent") or minute not in covered
            for event in events:
                found = evidence.get((group, event.time - event.time % MINUTE))
                assert found != "silent"
                assert found != "missing" or event not in made.in_s3[group]
                assert found != "proven" or event in made.in_s3[group]


def test_each_source_narrows_the_bounds(fetched: dict[str, Any]):
    """With all of them: at least 93 %, at most 95 %; without any one of them, it is wider."""

    def bounds(*sources: str) -> list[float]:
        summary = xs.coverage_summary(**asked(fetched, *sources))
        names = ["covered_at_least", "covered_at_most", "silent_fraction"]
        return summary[names].mean().to_list()

    least, most, silent = bounds(*SOURCES)
    assert (round(least, 3), round(most, 3), round(silent, 3)) == (0.932, 0.952, 0.012)
    # without API calls or streams nothing is proven; without deliveries, the empty one counts too
    for source, expected in (
        ("api_calls", (0.0, 0.952, 0.012)),
        ("deliveries", (0.0, 0.970, 0.012)),
        ("incoming", (0.932, 0.952, 0.0)),
        ("streams", (0.0, 0.952, 0.012)),
    ):
        rest = bounds(*(one for one in SOURCES if one != source))
        assert [round(one, 3) for one in rest] == [*expected], source
    assert [round(one, 3) for one in bounds()] == [0.0, 0.970, 0.0]


def test_what_is_missing_is_counted_to_the_byte(fetched: dict[str, Any]):
    """Bytes by the hour in which they came in, with who was refused and why."""
    made = world()
    gaps = xs.find_gaps(**asked(fetched, *SOURCES))
    found = dict(zip(gaps["reason"].astype("str"), plain(gaps["incoming_bytes"]), strict=True))
    assert found.keys() == {"silent", "empty", "refused"}
    assert found["silent"] == 0
    for reason, group in (("refused", "acme/api"), ("empty", "acme/web")):
        [(start, end)] = gaps.loc[gaps["reason"] == reason, ["start", "end"]].to_numpy()
        edges = [int(edge.timestamp() * 1000) for edge in (start, end)]
        came = sum(one.size for one in made.events[group] if edges[0] <= one.came < edges[1])
        assert found[reason] == came
        missing = sum(one.size for one in made.missing(group) if edges[0] <= one.time < edges[1])
        assert found[reason] == pytest.approx(missing, rel=0.05), "some came in late"
    [refused] = xs.refused_calls(fetched["api_calls"]).dropna(subset="from_time").to_dict("records")
    assert refused["tries"] == 3
    assert refused["principal"].endswith("role/acme-log-exporter")
