"""Compute in plain Python what each rule of the report has to find, by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles import coverage, data, durations, evidence, exporters, failures, retention

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.facts import Facts
    from oracles.words import Expected

ORACLES: dict[str, Callable[[Facts], Expected | None]] = {
    one.__name__: one
    for one in (
        retention.expiring,
        failures.failed_windows,
        failures.more_failures,
        failures.new_reasons,
        coverage.gaps,
        evidence.refused,
        durations.slowdowns,
        durations.time_outs,
        durations.busy_slots,
        exporters.premature,
        exporters.empty_deliveries,
        exporters.stopped,
        retention.lost,
        coverage.expired_waivers,
        data.bad_data,
        evidence.partial,
        coverage.resolved,
        coverage.short_gaps,
        exporters.weekdays,
        exporters.irregular,
        coverage.waived,
        evidence.silent,
    )
}
