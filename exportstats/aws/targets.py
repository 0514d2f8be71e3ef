"""The accounts and regions to fetch from, and their credentials."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

import boto3
import botocore.session
from botocore.credentials import DeferredRefreshableCredentials

from exportstats.aws.answers import BrokenAnswerError, pages, texts_of
from exportstats.aws.client import check_credentials, connect, make_session
from exportstats.aws.faults import cause_of, explain
from exportstats.core import frames
from exportstats.errors import ArgumentError, LoadError
from exportstats.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE_ARN = re.compile(r"arn:[\w-]+:iam::([0-9]{12}):role/\S+")
_SESSION_NAME = "exportstats"  # as CloudTrail shows the use of a role


@dataclass(frozen=True)
class Target:
    """An account and a region to fetch from, and the credentials to use. It can be pickled.

    Parameters
    ----------
    account_id
        The account ID. By default, that of the role; without a role, STS is asked for it.
    region
        The region. By default, that of the session or profile.
    profile
        The profile of the AWS configuration whose credentials to use.
    role_arn
        The role to assume with the session's own credentials.
    external_id
        The external ID that the role's trust policy asks for.

    Raises
    ------
    ArgumentError
        The account ID does not have twelve digits, the role is not an ARN of that account, both a
        profile and a role are given, or an external ID is given without a role.

    Examples
    --------
    >>> import exportstats as xs
    >>> str(xs.Target("123456789012", "eu-west-1", role_arn="arn:aws:iam::123456789012:role/audit"))
    '123456789012 in eu-west-1'
    """

    account_id: str | None = None
    region: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None

    # whether STS has confirmed the account of the credentials; not a field
    is_verified: ClassVar[bool] = False

    def verified(self) -> Self:
        """Mark the account as confirmed, so that STS is not asked for it, and return the target."""
        object.__setattr__(self, "is_verified", True)
        return self

    def __post_init__(self) -> None:
        """Refuse values that are not valid."""
        if self.account_id is not None and not _is_account(self.account_id):
            shown = shorten(repr(self.account_id), 80)
            raise ArgumentError(f"account_id={shown}; give twelve digits, as text")
        for name in ("region", "profile", "role_arn", "external_id"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.isprintable()):
                raise ArgumentError(f"{name}={shorten(repr(value), 80)}; give text in one line")
        role = None if self.role_arn is None else _ROLE_ARN.fullmatch(self.role_arn)
        if self.role_arn is not None and role is None:
            raise ArgumentError(
                f"role_arn={self.role_arn!r}; give it like arn:aws:iam::123456789012:role/audit"
            )
        if self.profile is not None and role is not None:
            raise ArgumentError(
                f"profile={self.profile!r} and role_arn={self.role_arn!r} were both given; leave "
                "one out, because a profile can have a role itself"
            )
        if role is not None and self.account_id not in (None, role[1]):
            raise ArgumentError(
                f"role_arn={self.role_arn!r} is not in the account {self.account_id}; change one"
            )
        if self.external_id is not None and role is None:
            raise ArgumentError(
                f"external_id={self.external_id!r} was given without a role_arn; give both or "
                "neither"
            )
        if role is not None:
            object.__setattr__(self, "account_id", role[1])

    def __str__(self) -> str:
        """Return the name of the target in messages."""
        who = self.account_id or self.role_arn or self.profile or "the account"
        return f"{who} in {self.region or 'its region'}"


def _is_account(value: object) -> bool:
    return isinstance(value, str) and _ACCOUNT.fullmatch(value) is not None


def account_of(identity: dict[str, Any]) -> str:
    """Return the account ID in an answer of STS.

    Raises
    ------
    BrokenAnswerError
        There is no account ID.
    """
    found = identity.get("Account")
    if not _is_account(found):
        raise BrokenAnswerError(f"{shorten(repr(found), 80)} is not an account ID")
    return str(found)


class Sessions:
    """The boto3 sessions of targets, which share models and endpoint rules.

    Creating a session takes a tenth of a second, nearly all of it for loading these. Creating
    sessions and clients is not thread-safe, so they are created one at a time.
    """

    def __init__(self, base: boto3.Session) -> None:
        self.lock = threading.RLock()
        self._base = base
        self._made: dict[tuple[str | None, ...], boto3.Session] = {(None, None, None): base}
        self._assumer: Any = None
        self._accounts: dict[str | None, tuple[str | None, str]] = {}
        self._asking = threading.Lock()

    def account(
        self, target: Target, find: Callable[[], tuple[str | None, str]]
    ) -> tuple[str | None, str]:
        """Return the account of a profile's credentials, or why it is missing; requested once."""
        with self._asking:
            if target.profile not in self._accounts:
                self._accounts[target.profile] = find()
            return self._accounts[target.profile]

    def of(self, target: Target) -> boto3.Session:
        """Return the session for a target's clients."""
        key = (target.profile, target.role_arn, target.external_id)
        with self.lock:
            if key not in self._made:
                self._made[key] = self._make(target)
            return self._made[key]

    def _make(self, target: Target) -> boto3.Session:
        session: Any = botocore.session.Session(profile=target.profile)
        core: Any = self._base._session  # noqa: SLF001 - boto3 has no other way to botocore's
        session.register_component("data_loader", core.get_component("data_loader"))
        rules = core._get_internal_component("endpoint_resolver")  # noqa: SLF001 - shared nowhere else
        session._register_internal_component("endpoint_resolver", rules)  # noqa: SLF001
        if target.role_arn is not None:
            session.register_component("credential_provider", _Role(self._sts(), target))
        return boto3.Session(botocore_session=session)

    def _sts(self) -> Any:  # noqa: ANN401 - boto3 creates its clients' classes at run time
        """Return the client that assumes roles, with the session's own credentials."""
        if self._assumer is None:
            check_credentials(self._base)
            self._assumer = connect(self._base, "sts", region=_region_of(self._base))
        return self._assumer


class _Role:
    """A botocore credential provider for a role, which renews the credentials in time."""

    def __init__(self, sts: Any, target: Target) -> None:  # noqa: ANN401 - boto3's client
        self._sts = sts
        self._request = {"RoleArn": target.role_arn, "RoleSessionName": _SESSION_NAME}
        if target.external_id is not None:
            self._request["ExternalId"] = target.external_id

    def load_credentials(self) -> DeferredRefreshableCredentials:
        """Return the credentials; the role is assumed when they are first used."""
        return DeferredRefreshableCredentials(refresh_using=self._assume, method="assume-role")

    def _assume(self) -> dict[str, Any]:
        answer = self._sts.assume_role(**self._request)
        keys = answer["Credentials"]
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        access_key, secret_key, token, expiration = (keys.get(name) for name in names)
        if not (access_key and secret_key and token and expiration):
            raise BrokenAnswerError(f"it does not contain all of {', '.join(names)}")
        return {
            "access_key": access_key,
            "secret_key": secret_key,
            "token": token,
            "expiry_time": expiration.isoformat(),
        }


def check_targets(targets: Iterable[Target] | None, **of_one: object) -> list[Target]:
    """Return the targets without duplicates, by default the session's account and region.

    `of_one` are the arguments that are only allowed without targets.

    Raises
    ------
    ArgumentError
        A value is not a target, there are no targets, or an argument cannot be used with targets.
    """
    if targets is None:
        return [Target(region=cast("str | None", of_one["region"]))]
    wanted = list(dict.fromkeys(targets))
    for target in wanted:
        if not isinstance(target, Target):
            raise ArgumentError(f"{target!r} is not a target; use xs.Target(account_id, region)")
    if not wanted:
        raise ArgumentError("there are no targets; xs.fetch_targets finds some")
    for name, value in of_one.items():
        if value is not None:
            raise ArgumentError(f"{name}={value!r} cannot be used with targets; leave one out")
    return wanted


def fetch_targets(
    session: boto3.Session | None = None,
    *,
    profile: str | None = None,
    regions: Literal["all"] | Sequence[str] | None = None,
    role_name: str | None = None,
    accounts: Sequence[str] | None = None,
    external_id: str | None = None,
) -> list[Target]:
    """Find the accounts and regions of an organisation, or the regions of one account.

    Needs `ec2:DescribeRegions` for `regions="all"`, `organizations:ListAccounts` (from the
    management account or a delegated administrator) for a `role_name` without `accounts`, and
    `sts:AssumeRole` on the role in each account.

    Parameters
    ----------
    session, profile
        The credentials to use; by default those of the environment.
    regions
        "all" for the regions that are enabled for the session's account, or a list of names; by
        default the session's region.
    role_name
        The role to assume in each account, except the session's own.
    accounts
        The account IDs; by default, with a `role_name`, all active accounts of the organisation.
    external_id
        The external ID that the trust policies of the roles demand.

    Returns
    -------
    list of Target
        Sorted by account, then by region.

    Raises
    ------
    ArgumentError
        `accounts` or `external_id` was given without `role_name`, or there is no region.
    LoadError
        AWS refused a request; the text names the permission.

    Examples
    --------
    With the credentials of an organisation's management account::

        targets = xs.fetch_targets(regions="all", role_name="audit")
        tasks = xs.fetch_tasks(targets, errors="warn")
    """
    if accounts is not None and role_name is None:
        raise ArgumentError("accounts were given without role_name; give the role to assume")
    if external_id is not None and role_name is None:
        raise ArgumentError(
            f"external_id={external_id!r} was given without role_name; give the role to assume"
        )
    try:
        session = make_session(session, profile, None)
        check_credentials(session)
        here = _region_of(session)
        identity = connect(session, "sts", region=here).get_caller_identity()
        own, (partition, *_) = account_of(identity), str(identity.get("Arn")).split(":")[1:] or [""]
        if not partition:
            raise BrokenAnswerError("there is no Arn in it")  # noqa: TRY301 - like other errors
        found = _regions(session, regions, here)
        numbers = _accounts(session, accounts, here) if role_name else [own]
    except ArgumentError:
        raise
    except Exception as error:  # noqa: BLE001 - AWS's answers may be anything
        raise LoadError(str(explain(error)), tasks=frames.empty()) from cause_of(error)
    roles = {
        number: None if number == own else f"arn:{partition}:iam::{number}:role/{role_name}"
        for number in numbers
    }
    return [
        Target(
            number,
            region,
            profile=profile if role is None else None,
            role_arn=role,
            external_id=external_id if role else None,
        ).verified()
        for number, role in sorted(roles.items())
        for region in found
    ]


def _regions(
    session: boto3.Session, regions: Literal["all"] | Sequence[str] | None, here: str
) -> list[str]:
    if regions is None:
        if session.region_name is None:
            raise ArgumentError('there is no region; name some, or regions="all"')
        return [session.region_name]
    if regions == "all":
        answer = connect(session, "ec2", region=here).describe_regions()
        return sorted(texts_of(answer["Regions"], "RegionName"))
    if isinstance(regions, str) or not regions:
        raise ArgumentError(f'regions={regions!r}; give a list of names, or "all"')
    return sorted(set(regions))


def _accounts(session: boto3.Session, accounts: Sequence[str] | None, here: str) -> list[str]:
    if accounts is not None:
        return list(dict.fromkeys(accounts))
    client = connect(session, "organizations", region=here)
    found = [
        account
        for page in pages(client.list_accounts, "Accounts")
        for account in page.get("Accounts") or ()
    ]
    texts_of(found, "Id")
    return [
        account["Id"]
        for account in found
        # State is newer than Status; closing and suspended accounts cannot be used
        if account.get("State", account.get("Status")) == "ACTIVE"
    ]


def _region_of(session: boto3.Session) -> str:
    """Return a region for services that are the same in all regions."""
    return session.region_name or "us-east-1"
