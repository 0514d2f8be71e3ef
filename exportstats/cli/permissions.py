"""Which requests each command and option needs."""

from __future__ import annotations

_EVIDENCE = (
    "DescribeLogGroups",
    "ListObjectsV2",
    "DescribeLogStreams",
    "LookupEvents",
    "GetMetricData",
)
# The requests of a command, and those that an option adds.
NEEDS = {
    "fetch": ("DescribeExportTasks",),
    "archive sync": ("DescribeExportTasks",),
    "wait": ("DescribeExportTasks",),
    "watch": ("DescribeExportTasks",),
    "others without SOURCE": ("DescribeExportTasks",),
    "calls": ("LookupEvents",),
    "incoming": ("DescribeLogGroups", "GetMetricData"),
    "deliveries": ("ListObjectsV2",),
    "deliveries --streams": ("DescribeLogStreams",),
    "archive sync --log-groups": ("DescribeLogGroups",),
    "--log-groups aws": ("DescribeLogGroups",),
    "--deliveries aws": ("ListObjectsV2", "DescribeLogStreams"),
    "--api-calls aws": ("LookupEvents",),
    "--incoming aws": ("GetMetricData",),
    "--evidence live": _EVIDENCE,
    "--all-regions": ("DescribeRegions",),
    "--organization": ("ListAccounts", "AssumeRole"),
    "--targets with a role_arn": ("AssumeRole",),
}


def needed_by(request: str) -> str:
    """Return the commands and options that need a request."""
    return ", ".join(use for use, requests in NEEDS.items() if request in requests)
