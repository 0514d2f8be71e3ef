"""Replace identifying texts with pseudonyms, so that a report can be shared."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from string import ascii_uppercase
from typing import TYPE_CHECKING

import pandas as pd

from exportstats.core import frames, schema
from exportstats.stats.failures import reasons_of

if TYPE_CHECKING:
    import numpy as np

_Names = dict[str, dict[str, str]]  # the pseudonym of each text, by column

_NUMBERS = ("time", "length", "count", "rate")
# Values that AWS defines. They stay as they are.
_PUBLIC = {
    "region": r"(af|ap|ca|cn|eu|eusc|il|me|mx|sa|us)(-(de|gov|iso[a-z]?))?"
    r"-((north|south)?(east|west)|north|south|central)-[1-9]",
    "status_code": "|".join(schema.STATES),
    "log_group_class": "STANDARD|INFREQUENT_ACCESS|DELIVERY",
    "delivered": "yes|partial|empty|gone|unknown",
    "log_stream_name_prefix": "",  # of tasks that are known to have none
    "event_name": "|".join(schema.CALLS),
    "error_code": "(AccessDenied|InvalidOperation|InvalidParameter|LimitExceeded|OperationAborted"
    "|ResourceAlreadyExists|ResourceNotFound|ServiceUnavailable|Throttling)(Exception)?",
}
# The prefix of the pseudonyms of a column. Default: the name of the column.
_KINDS = {
    "account_id": "account",
    "log_group_name": "log-group",
    "destination": "bucket",
    "destination_prefix": "prefix",
    "task_id": "task",
    "log_stream_name_prefix": "stream-prefix",
    "retention_policy_name": "policy",
    "error_code": "error",
    "session_name": "session",
    "user_agent": "program",
    "event_id": "event",
}
_LEFT_OUT = (
    *("task_name", "prefix", "first_key", "last_key", "reason", "error_message"),
    *("missing_stream_names", "possibly_missing_stream_names"),
)
# Columns of `annotate_tasks` with the same texts as another one.
_SAME = {"created_by": "principal", "cancelled_by": "principal"}

# The words that stay in a message.
_ORDINARY = """
a able about access account active address after again all allowed already an and another answer
any are arn as assume at attempt attempts authorized aws backend be because been before being
between bucket by bytes call canceled cancelled cannot capacity changed client closed completed
condition connect connection could create created credentials data day days decrypt delete
deleted deliver delivery denied deny destination did different disabled do does done down due
during empty encrypt encryption ended endpoint error errors events exceed exceeded exceeds
exception exist exists expired export failed failing fails failure fault file files for
forbidden found from get group had has have hour hours http iam id if in incorrect insufficient
interface internal interrupted into invalid is it its job key kms later least limit limited lock
locked log logs long longer made many maximum may message minimum minute minutes mismatch
missing more most must name network no none not nothing null number object objects of on one
only operation or other out over owner parameter partially path pending perform permission
permissions permitted please policy prefix principal problem processing put quota range rate
reach reached read reason received reference refused region rejected request requests required
resource response result retries retry role running s s3 second seconds server service set
should since size slow some started still stopped storage stream streams success successful
successfully support supported synthetic system task tasks temporarily than that the there these
they this throttled throttling time timed timeout to token too transient try type unable
unauthorized unavailable unexpected unknown unreachable unsupported until up upload use used
user valid validation value version waiting was were what when where which while will window
with within without write writing written wrong yet your
"""
_WORDS = frozenset(_ORDINARY.split())
_WORD = re.compile(r"[<(]?([A-Za-z0-9]+)[>)]*[.,:;]?")
_HIDDEN = "<hidden>"
_AGAIN = re.compile(r"(?<=<hidden>)( <hidden>)+")
_MOST = 250  # characters of a message; the report reads the first 300


def redact(
    tasks: pd.DataFrame,
    log_groups: pd.DataFrame | None = None,
    deliveries: pd.DataFrame | None = None,
    api_calls: pd.DataFrame | None = None,
    incoming: pd.DataFrame | None = None,
) -> tuple[
    pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None, pd.DataFrame | None, pd.DataFrame | None
]:
    """Replace every text that could identify the owner of the tasks.

    Only texts that are known to be public stay. Account IDs, log groups, buckets, prefixes, task
    IDs, principals, sessions, programs and the values of your own columns become pseudonyms, such
    as `account-1` and `log-group-7`. They are numbered in the order of first use, so later tasks do
    not change them. Unlike a hash, a pseudonym reveals nothing about the name. Task names, object
    keys, names of missing streams and the messages of refused calls are removed. The message of a
    task keeps the words that are common in failure messages, unless they are also a name. All other
    words become `<hidden>`. Numbers, times, and the regions, states, errors and classes of AWS
    stay.

    Parameters
    ----------
    tasks, log_groups, deliveries, api_calls, incoming
        The tables to redact.

    Returns
    -------
    tuple
        The redacted tables, in the same order.
    """
    kinds = [
        (tasks, schema.TASKS),
        (log_groups, schema.LOG_GROUPS),
        (deliveries, schema.DELIVERIES),
        (api_calls, schema.API_CALLS),
        (incoming, schema.INCOMING),
    ]
    texts: defaultdict[str, list[pd.Series]] = defaultdict(list)
    for table, kind in kinds:
        if table is not None:
            order = _order(table, kind)
            for name in _text_columns(table, kind):
                texts[_SAME.get(name, name)].append(table[name].iloc[order].astype("str"))
    names = {name: _numbered(name, pd.concat(values)) for name, values in texts.items()}
    one, two, three, four = (
        None if table is None else _hidden(table, kind, names) for table, kind in kinds[1:]
    )
    hidden = _hidden(tasks, schema.TASKS, names).assign(status_message=_messages(tasks, names))
    return hidden, one, two, three, four


def _text_columns(table: pd.DataFrame, kind: schema.Table) -> list[str]:
    """Return the columns that may hold names, including all own columns of any dtype."""
    numbers = {column.name for column in kind.columns if column.kind in _NUMBERS}
    return [name for name in table.columns if name not in numbers]


def _order(table: pd.DataFrame, kind: schema.Table) -> np.ndarray:
    """Return the positions of the rows in order of creation."""
    by = [name for name in ("creation_time", "event_time", *kind.key) if name in table]
    return table[by].reset_index(drop=True).sort_values(by).index.to_numpy()


def _numbered(name: str, values: pd.Series) -> dict[str, str]:
    """Map each text of a column to its pseudonym, or to itself if AWS defines it."""
    is_public = re.compile(_PUBLIC.get(name, r"(?!)")).fullmatch
    return {
        text: text if is_public(text) else f"{_KINDS.get(name, name)}-{number}"
        for number, text in enumerate(values.dropna().unique(), start=1)
    }


def _hidden(table: pd.DataFrame, kind: schema.Table, names: _Names) -> pd.DataFrame:
    """Replace the texts of a table with their pseudonyms."""
    dtypes = {column.name: column.dtype for column in kind.columns}
    columns = {}
    for name in _text_columns(table, kind):
        pseudonyms = {} if name in _LEFT_OUT else names[_SAME.get(name, name)]
        hidden = table[name].astype("str").map(pseudonyms).astype("str")
        columns[name] = hidden.astype(dtypes.get(name, "category"))  # type: ignore[call-overload]
    return frames.check(table.assign(**columns), kind)


def _messages(tasks: pd.DataFrame, names: _Names) -> pd.Series:
    """Return the reason of each message, with all words hidden that are not common or are names.

    Reasons that differ only in hidden words get different letters, so that counts do not change.
    """
    known = (
        text
        for name in names.keys() - {"status_message", "reason", "error_message"}
        for text, pseudonym in names[name].items()
        if text != pseudonym
    )
    ordinary = _WORDS.difference(*(words for words in map(_words, known) if words <= _WORDS))
    has_message = tasks["status_message"].notna().to_numpy()
    reasons = reasons_of(tasks).where(has_message)
    hidden: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for reason in reasons.iloc[_order(tasks, schema.TASKS)].dropna().unique():
        words = (word if _words(word) <= ordinary else _HIDDEN for word in reason.split())
        text = _AGAIN.sub("", " ".join(words))[:_MOST]
        # use letters: digits in a message count as details of one task
        letter = "".join(ascii_uppercase[int(digit)] for digit in str(seen[text]))
        hidden[reason] = f"{text} ({letter})" if seen[text] else text
        seen[text] += 1
    return reasons.map(hidden).astype("str").astype("category")


def _words(text: str) -> set[str]:
    """Return the words of a text without punctuation, and everything else unchanged."""
    found = ((_WORD.fullmatch(part), part) for part in text.split())
    return {match[1].lower() if match else part for match, part in found}
