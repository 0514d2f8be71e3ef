"""No text of the loader contains credentials."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import exportstats as xs
from exportstats.aws.tasks import fetch_tasks
from exportstats.emulator import DEFAULT_ACCOUNT, Emulator, Fault, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    Make = Callable[..., Any]

SECRET, TOKEN = "SeCrEtKeY/made+up", "SeSsIoNtOkEn/made+up"


def every_word(caught: BaseException) -> str:
    """Return all texts of an error, its causes and their tracebacks."""
    return "".join(traceback.format_exception(caught)) + repr(caught) + repr(caught.args)


def echo(code: str) -> bytes:
    """Write AWS's error about a wrong signature, which shows the signed request."""
    message = (
        "The request signature we calculated does not match the signature you provided.\n\n"
        "The Canonical String for this request should have been\n'POST\n/\n\n"
        f"x-amz-security-token:{TOKEN}\n'"
    )
    body = json.dumps({"__type": code, "message": message})
    return wire.http(403, wire.JSON, body.encode())


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    "kind", ["deny", "expired", "unrecognized", "throttle", "drop", "html", "repeated_token"]
)
def test_no_error_and_no_log_of_ours_has_a_secret(
    make_session: Make, make_tasks: Make, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Errors, warnings and our log at DEBUG contain neither secret key nor session token."""
    faults = [Fault("deny_identity"), Fault(kind, at=tuple(range(2, 12)))]
    caplog.set_level(logging.DEBUG, logger="exportstats")
    with Emulator(make_tasks(9, accountId=DEFAULT_ACCOUNT), faults=faults) as emulator:
        ask = {"session": secret_session(make_session), "endpoint_url": emulator.url, "limit": 2}
        with (
            pytest.warns(xs.AccountUnknownWarning) as warned,
            pytest.raises(xs.LoadError) as caught,
        ):
            fetch_tasks(**ask)
    said = [str(warning.message) for warning in warned]
    said += [record.getMessage() for record in caplog.records if record.name[:6] == "export"]
    assert_no_secret(every_word(caught.value) + "\n".join(said))


@pytest.mark.parametrize("code", ["InvalidSignatureException", "SignatureDoesNotMatch"])
def test_what_was_signed_is_not_repeated(make_session: Make, scripted: Make, code: str) -> None:
    """AWS's error about a wrong signature has the session token; no text of our error has it."""
    with scripted(echo(code)) as emulator, pytest.raises(xs.LoadError, match=code) as caught:
        fetch_tasks(session=secret_session(make_session), endpoint_url=emulator.url)
    assert "secret key" in str(caught.value)
    assert_no_secret(every_word(caught.value))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\nx"])
@pytest.mark.parametrize("what", ["key", "token"])
def test_a_credential_with_a_line_break_is_refused_unseen(
    make_session: Make, what: str, end: str
) -> None:
    """A token with a line break is refused without showing it."""
    session = make_session(
        DEFAULT_ACCOUNT + (end if what == "key" else ""),
        aws_session_token=TOKEN + (end if what == "token" else ""),
    )
    with Emulator() as emulator, pytest.raises(xs.ArgumentError, match="line break") as caught:
        fetch_tasks(session=session, endpoint_url=emulator.url)
    assert_no_secret(every_word(caught.value))
    assert emulator.requests == []


def secret_session(make_session: Make) -> boto3.Session:
    """Make a session with recognisable secrets."""
    session: boto3.Session = make_session(DEFAULT_ACCOUNT, aws_session_token=TOKEN)
    session._session.set_credentials(DEFAULT_ACCOUNT, SECRET, TOKEN)
    return session


def assert_no_secret(text: str) -> None:
    """Check that a text contains neither secret."""
    assert SECRET not in text
    assert TOKEN not in text
