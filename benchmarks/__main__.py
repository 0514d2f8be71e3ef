"""`python -m benchmarks [NAME[=SIZE] ...]` runs all benchmarks, or those that are named."""

from __future__ import annotations

import sys

from benchmarks.measure import compare

ALL = (
    "decoded_pages",
    "live",
    "json_lines",
    "api_calls",
    "one_object",
    "parquet",
    "clients",
    "fleet",
    "quota",
    "quota_of_calls",
    "growth",
    "gaps",
    "drawn",
    "start_up",
    "report_of_sample",
    "report",
    "queues",
)

for asked in sys.argv[1:] or ALL:
    name, _, size = asked.partition("=")
    compare(name, int(size) if size else None)
