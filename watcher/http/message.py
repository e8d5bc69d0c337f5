"""A request and its answer, and what an answer says about when to come again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from watcher.core.delivery import RETRY_AFTER_BOUNDS
from watcher.core.duration import Millis

DEADLINE: Millis = 30_000
CAP = 16 * 2**20
"""Bytes of an answer that are read at most, counted after decompression."""

_SECONDS = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `guard` it where the URL is a user's; `deadline` is its whole time, `cap` the most that is read."""

    url: str = field(repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    deadline: Millis = DEADLINE
    cap: int = CAP
    guard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whatever its status. `headers` are looked up in any case; `body` is whole and decompressed."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def retry_after(headers: Mapping[str, str], now: Millis) -> Millis | None:
    """How long the server wants to be left alone, within 1 s and 1 h; `None` where it does not say it readably.

    Seconds or an HTTP date. A date is taken relative to the answer's own `Date`, which a wrong clock here cannot shift.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        wait = float(value) * 1000
    else:
        until = http_date(value)
        if until is None:
            return None
        sent_at = http_date(headers.get("Date", ""))
        wait = until - (now if sent_at is None else sent_at)
    low, high = RETRY_AFTER_BOUNDS
    return int(min(max(wait, low), high))


def http_date(text: str) -> Millis | None:
    """The point in time that an HTTP date names, or `None` for anything else."""
    try:
        parsed = parsedate_to_datetime(text)
        aware = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed
        return int(aware.timestamp()) * 1000
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
