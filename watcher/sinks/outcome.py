"""What an attempt came to, as one pure table for every sink that speaks HTTP.

Before a byte left: `unsent`. An answer: by its status. Bytes left and no answer came: `unknown`, since the receiver may
have taken the message. Error texts name the host and nothing else of a URL.
"""

from dataclasses import dataclass
from enum import StrEnum

from watcher.core.delivery import Outcome
from watcher.core.duration import Millis
from watcher.errors import DeliveryError
from watcher.http import Fault, TransportError


class Reason(StrEnum):
    """Why a sink did not take a message. A closed list: it ends in metrics. The first seven are those of `http.Fault`."""

    TIMEOUT = "timeout"
    NETWORK = "network"
    DNS = "dns"
    TLS = "tls"
    TOO_LARGE = "too_large"
    BLOCKED = "blocked"
    GARBLED = "garbled"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    CLIENT_ERROR = "client_error"
    AUTH_ERROR = "auth_error"
    NOT_FOUND = "not_found"
    GONE = "gone"
    REDIRECT = "redirect"
    BAD_ANSWER = "bad_answer"
    CREDENTIALS = "credentials"
    NO_BODY = "no_body"
    DISK = "disk"
    DISK_FULL = "disk_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a receiver said. `body` is `None` where the status came and the rest did not."""

    host: str
    status: int
    body: bytes | None
    retry_after: Millis | None = None


_BY_STATUS: dict[int, tuple[Outcome, Reason]] = {
    401: (Outcome.REFUSED, Reason.AUTH_ERROR),
    403: (Outcome.REFUSED, Reason.AUTH_ERROR),
    404: (Outcome.REFUSED, Reason.NOT_FOUND),
    400: (Outcome.MALFORMED, Reason.CLIENT_ERROR),
    408: (Outcome.REJECTED, Reason.TIMEOUT),
    410: (Outcome.REFUSED, Reason.GONE),
    413: (Outcome.MALFORMED, Reason.TOO_LARGE),
    415: (Outcome.MALFORMED, Reason.CLIENT_ERROR),
    422: (Outcome.MALFORMED, Reason.CLIENT_ERROR),
    425: (Outcome.REJECTED, Reason.RATE_LIMITED),
    429: (Outcome.REJECTED, Reason.RATE_LIMITED),
}
_BY_CLASS: dict[int, tuple[Outcome, Reason]] = {
    3: (Outcome.REFUSED, Reason.REDIRECT),
    4: (Outcome.REFUSED, Reason.CLIENT_ERROR),
    5: (Outcome.REJECTED, Reason.SERVER_ERROR),
}


def is_taken(status: int) -> bool:
    """Whether a status says that the receiver took the message."""
    return status // 100 == 2  # noqa: PLR2004  the class of success


def refusal(reply: Reply) -> DeliveryError | None:
    """The error that a reply amounts to, or `None` where it says that the message was taken."""
    if is_taken(reply.status):
        return None
    outcome, reason = _BY_STATUS.get(reply.status) or _BY_CLASS.get(
        reply.status // 100, (Outcome.REJECTED, Reason.BAD_ANSWER)
    )
    text = f"{reply.host} answered with status {reply.status}"
    return DeliveryError(text, outcome, reason=reason, retry_after=reply.retry_after)


def no_reply(error: TransportError) -> DeliveryError:
    """The error that a request without an answer amounts to."""
    outcome = Outcome.UNKNOWN if error.sent else Outcome.UNSENT
    if error.kind is Fault.BLOCKED:
        outcome = Outcome.REFUSED
    return DeliveryError(str(error), outcome, reason=Reason(error.kind.value))
