"""One SMTP transaction: who is asked, what the server says, and what is then known of the message.

Until the content has begun to leave, whatever breaks leaves the message unsent. From then on until the server's last
reply nobody knows. The server's host is a user's word: each address that it stands for is judged by the egress policy,
and only a judged one is connected to, so that a name cannot change its mind in between.

Texts of errors hold the server's code and never its words.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal, NamedTuple, TypeAlias

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from watcher.core import duration, egress
from watcher.core.delivery import Outcome
from watcher.core.duration import Millis
from watcher.errors import DeliveryError
from watcher.sinks.outcome import Reason

Tls: TypeAlias = Literal["starttls", "implicit", "none"]

CONNECT_SECONDS = 5.0
"""How long one address of several may take to answer."""
GOODBYE_SECONDS = 1.0
"""How long a server that has taken the message may take to say goodbye."""
STARTING_TLS, LOGGING_IN = "starting TLS", "logging in"
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)")


class Login(NamedTuple):
    """Who we are to the server."""

    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail is handed in. `hello` is the name that we introduce ourselves by, if not by our address."""

    host: str
    port: int
    tls: Tls
    context: ssl.SSLContext | None = field(repr=False)
    allow: Sequence[egress.Network]
    hello: str
    deadline: Millis

    @property
    def name(self) -> str:
        """The server as errors name it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """From whom and to whom. `content` is the message, given what was said of recipients who were refused."""

    sender: str
    recipients: Sequence[str]
    content: Callable[[Mapping[str, str]], bytes] = field(repr=False)


@dataclass(slots=True)
class _Progress:
    """How far a transaction has come."""

    phase: str = "looking up the host's name"
    leaving: bool = False
    taken: list[str] = field(default_factory=list)
    refused: dict[str, SMTPResponseException] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message that the server took: for whom, and for whom it may take it later."""

    recipients: frozenset[str]
    later: Mapping[str, str]


async def hand_in(server: Server, login: Login | None, envelope: Envelope) -> Taken:
    """Hand in a message for everybody whom the server takes it for. Raises DeliveryError where that is nobody."""
    progress = _Progress()
    scope = asyncio.timeout(server.deadline / 1000)
    client: SMTP | None = None
    try:
        async with scope:
            connected = await _dial(server, progress)
            client = _client(server, connected)
            await _introduced(client, server, login, progress)
            await _talk(client, envelope, progress)
        await _goodbye(client)
    except (SMTPException, OSError, ValueError) as error:
        failure = _failure(server, error, progress, expired=scope.expired())
    else:
        later = {each: _code(said) for each, said in progress.refused.items() if _is_temporary(said)}
        return Taken(recipients=frozenset(progress.taken), later=later)
    finally:
        if client is not None:
            _drop(client)
    # raised out here, so that it has no context: the library's own errors spell what the server said
    raise failure


# ── the way there ────────────────────────────────────────────────────────────


async def _dial(server: Server, progress: _Progress) -> socket.socket:
    """A connection to one of the host's addresses, all of which may be reached. Raises OSError, DeliveryError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    for *_, address in found:
        if reason := _objection(server, str(address[0])):
            text = f"{server.name}: blocked by the egress policy: {reason}"
            raise DeliveryError(text, Outcome.REFUSED, reason=Reason.BLOCKED)
    progress.phase = "connecting"
    last: OSError = OSError(f"{server.host} has no address")
    for family, kind, protocol, _, address in found:
        try:
            return await _connected(socket.socket(family, kind, protocol), address)
        except OSError as error:
            last = error
    raise last


def _objection(server: Server, address: str) -> str | None:
    judged = ip_address(address)
    if reason := egress.classify(judged, server.allow):
        return f"{judged} is {reason}"
    if server.tls == "none" and not egress.permitted(judged, server.allow):
        return f"mail without TLS is only allowed towards [egress] allow, and {judged} is not in it"
    return None


async def _connected(made: socket.socket, address: Any) -> socket.socket:
    made.setblocking(False)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


def _client(server: Server, connected: socket.socket) -> SMTP:
    own = connected.getsockname()[0].partition("%")[0]
    literal = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
    return SMTP(
        hostname=server.host,
        sock=connected,
        local_hostname=server.hello or literal,
        timeout=None,
        use_tls=server.tls == "implicit",
        start_tls=False,
        tls_context=server.context,
    )


async def _introduced(client: SMTP, server: Server, login: Login | None, progress: _Progress) -> None:
    await client.connect()
    if server.tls == "starttls":
        progress.phase = STARTING_TLS
        await client.starttls()
    if login is not None:
        progress.phase = LOGGING_IN
        await client.login(login.username, login.password)


# ── the message ──────────────────────────────────────────────────────────────


async def _talk(client: SMTP, envelope: Envelope, progress: _Progress) -> None:
    content = envelope.content({})
    progress.phase = "naming the sender"
    if client.is_ehlo_or_helo_needed:
        await _hello(client)
    room = [f"SIZE={len(content)}"] if client.supports_extension("size") else []
    await client.mail(envelope.sender, options=room)
    for each in envelope.recipients:
        progress.phase = "naming the recipients"
        try:
            await client.rcpt(each)
        except SMTPRecipientRefused as error:
            progress.refused[each] = error
        else:
            progress.taken.append(each)
    if not progress.taken:
        raise next(iter(sorted(progress.refused.values(), key=_is_temporary, reverse=True)))
    progress.phase, progress.leaving = "handing in the message", True
    try:
        await client.data(envelope.content({each: _code(said) for each, said in progress.refused.items()}))
    except SMTPDataError as error:
        if error.code // 100 != 2:  # noqa: PLR2004  the class of success
            raise


async def _hello(client: SMTP) -> None:
    """Introduce ourselves, if need be as in the oldest days."""
    try:
        await client.ehlo()
    except SMTPHeloError:
        await client.helo()


async def _goodbye(client: SMTP) -> None:
    """Part as friends, if that is quick: the message has been taken already."""
    with suppress(SMTPException, OSError):
        await client.quit(timeout=GOODBYE_SECONDS)


def _drop(client: SMTP) -> None:
    """Leave a connection for good, whatever it still wanted to send."""
    if isinstance(client.transport, asyncio.WriteTransport):
        client.transport.abort()
    client.close()


# ── what is then known ───────────────────────────────────────────────────────


def _failure(server: Server, error: Exception, progress: _Progress, *, expired: bool) -> DeliveryError:
    known = Outcome.UNKNOWN if progress.leaving else Outcome.UNSENT
    if expired or isinstance(error, TimeoutError):
        length = f" after {duration.text(server.deadline)}" if expired else ""
        text = f"timed out{length} while {progress.phase}"
        return DeliveryError(f"{server.name}: {text}", known, reason=Reason.TIMEOUT)
    if isinstance(error, SMTPResponseException):
        return _answered(server, error, progress)
    outcome, reason, said = _broken(error, progress)
    return DeliveryError(f"{server.name}: {said}", outcome or known, reason=reason)


def _answered(server: Server, error: SMTPResponseException, progress: _Progress) -> DeliveryError:
    """What a reply means where another was hoped for."""
    outcome, reason = _meaning(error, progress)
    return DeliveryError(f"{server.name}: answered {_code(error)} while {progress.phase}", outcome, reason=reason)


def _meaning(error: SMTPResponseException, progress: _Progress) -> tuple[Outcome, Reason]:
    if error.code // 100 not in {4, 5}:
        return Outcome.UNKNOWN if progress.leaving else Outcome.REJECTED, Reason.BAD_ANSWER
    if _is_temporary(error):
        return Outcome.REJECTED, Reason.SERVER_ERROR
    if progress.phase == LOGGING_IN or error.code in _AUTH:
        return Outcome.REFUSED, Reason.AUTH_ERROR
    if error.code == _TOO_LARGE:
        return Outcome.MALFORMED, Reason.TOO_LARGE
    return (Outcome.MALFORMED if progress.leaving else Outcome.REFUSED), Reason.CLIENT_ERROR


_AUTH = frozenset({530, 534, 535, 538})
_TOO_LARGE = 552


def _is_temporary(error: SMTPResponseException) -> bool:
    """Whether the server may take it later. 552 for a recipient means too many of them, or a full mailbox."""
    too_many = error.code == _TOO_LARGE and isinstance(error, SMTPRecipientRefused)
    return error.code // 100 == 4 or too_many  # noqa: PLR2004  the class of what passes


def _broken(error: Exception, progress: _Progress) -> tuple[Outcome | None, Reason, str]:
    """What a connection means that broke, or was never there. No outcome: as far as the message had come."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, OSError):
        reason, say = next((reason, say) for family, reason, say in _WORDS if isinstance(cause, family))
        return None, reason, f"{say(cause)} while {progress.phase}"
    if found := _MISSING.get(progress.phase):
        return Outcome.REFUSED, *found
    return None, Reason.GARBLED, f"the server cannot be understood while {progress.phase}"


_WORDS: tuple[tuple[type[OSError], Reason, Callable[[Any], str]], ...] = (
    (socket.gaierror, Reason.DNS, lambda error: f"the name cannot be resolved ({error.strerror or 'no answer'})"),
    (
        ssl.SSLCertVerificationError,
        Reason.TLS,
        lambda error: f"the certificate is not accepted ({error.verify_message.rstrip('.')})",
    ),
    (ssl.SSLError, Reason.TLS, lambda error: f"TLS failed ({error.reason or 'no reason given'})"),
    (
        OSError,
        Reason.NETWORK,
        lambda error: f"the connection broke ({(error.errno and error.strerror) or 'closed by the other side'})",
    ),
)
"""Families of errors, first match counts."""
_MISSING = {
    STARTING_TLS: (Reason.TLS, "the server does not offer STARTTLS"),
    LOGGING_IN: (Reason.AUTH_ERROR, "the server offers no way to log in that is known here"),
}
"""What a server does not have, by what it was needed for."""


def _code(error: SMTPResponseException) -> str:
    """`550 5.1.1`: the code, and the enhanced one where the reply begins with it."""
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[1]}" if enhanced else str(error.code)
