"""The errors of the program. Each carries the decision that its catcher needs.

WatcherError
├── ConfigError           exit 78; every problem with its exact path
├── StoreError            the database cannot be used; says which file and what to do
│   └── VolumeError       its volume takes nothing for now, which no restart helps
├── SourceError           a source could not be read; says what kind of blindness it is
├── DeliveryError         a sink did not take a message; says whether and when to try again
└── BehindError             more logs arrive than can be taken; says when to come again
"""

from collections.abc import Sequence
from enum import StrEnum

from watcher.core.delivery import Outcome
from watcher.core.duration import Millis


class WatcherError(Exception):
    """Root of every error that the program raises on purpose. Its text never holds a secret."""


class ConfigError(WatcherError):
    """The configuration cannot be used. `problems` are lines for a person, each with its path."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class AddressError(ConfigError):
    """An address cannot be listened on. It may be taken by what is just about to leave it, so trying again may help."""


class StoreError(WatcherError):
    """The database cannot be used."""


class VolumeError(StoreError):
    """The volume of the database is full, read-only or failing. Once it is not, what was not written can be."""


class Blindness(StrEnum):
    """Why a source cannot be seen; decides how soon a person must hear of it and what they are told."""

    CREDENTIALS = "credentials"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    SERVER = "server"
    TIMEOUT = "timeout"
    NETWORK = "network"
    TLS = "tls"
    UNREADABLE = "unreadable"


class SourceError(WatcherError):
    """A source could not be read. `retry_after` is the server's wish in milliseconds, already clamped."""

    def __init__(self, message: str, kind: Blindness, *, retry_after: Millis | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


class DeliveryError(WatcherError):
    """A sink did not take a message. `outcome` says what is known; `reason` is one of a closed, small set of words.

    `memo` is what the sink wants remembered of the lane all the same, so that the next attempt does not repeat what this
    one has done already; `None` is no change.
    """

    def __init__(
        self,
        message: str,
        outcome: Outcome,
        *,
        reason: str,
        retry_after: Millis | None = None,
        memo: str | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.reason = reason
        self.retry_after = retry_after
        self.memo = memo


class BehindError(WatcherError):
    """There is more to take in than can be committed right now. Nothing was taken; `retry_after` is in milliseconds."""

    def __init__(self, message: str, *, retry_after: Millis) -> None:
        super().__init__(message)
        self.retry_after = retry_after
