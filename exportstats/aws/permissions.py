"""The permissions that requests need: the action of IAM, and the narrowest resource."""

from __future__ import annotations

from typing import NamedTuple


class Permission(NamedTuple):
    """What allows a request.

    Attributes
    ----------
    service
        boto3's name of the service.
    action
        The action of IAM.
    resource
        The ARN of the narrowest resource, with made-up names; `*` if there is none.
    on
        The resource in a sentence.
    """

    service: str
    action: str
    resource: str = "*"
    on: str = 'the resource "*"'


# By request. GetCallerIdentity is not here, because it needs none.
PERMISSIONS = {
    "DescribeExportTasks": Permission("logs", "logs:DescribeExportTasks"),
    "DescribeLogGroups": Permission("logs", "logs:DescribeLogGroups"),
    "DescribeLogStreams": Permission(
        "logs", "logs:DescribeLogStreams", "arn:aws:logs:*:*:log-group:*", "the log group"
    ),
    "LookupEvents": Permission("cloudtrail", "cloudtrail:LookupEvents"),
    "GetMetricData": Permission("cloudwatch", "cloudwatch:GetMetricData"),
    "ListObjectsV2": Permission("s3", "s3:ListBucket", "arn:aws:s3:::acme-exports", "the bucket"),
    "DescribeRegions": Permission("ec2", "ec2:DescribeRegions"),
    "ListAccounts": Permission("organizations", "organizations:ListAccounts"),
    "AssumeRole": Permission(
        "sts", "sts:AssumeRole", "arn:aws:iam::*:role/exportstats-read", "the role"
    ),
}
