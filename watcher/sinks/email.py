"""E-mail: one mail for each notification, handed in over SMTP, in a thread of its group.

The Message-ID is made of the delivery's id, the same for every attempt, so that a second copy of a mail can be known
as one. Who is refused does not keep the others from hearing: the mail says for whom it was not taken. Who is asked to
come later (a mailbox that is full, a server that wants to see patience) is tried a few times more, alone, also by the
next process.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema, model_validator

from watcher.core import egress
from watcher.core.delivery import Delivery, Outcome
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.errors import DeliveryError
from watcher.http import tls_context
from watcher.sinks import mail, smtp
from watcher.sinks.base import SinkConfig, Timeout, Wiring, checked, frozen_body, secret_like
from watcher.sinks.mail import Mailbox
from watcher.sinks.outcome import Reason
from watcher.sinks.smtp import Login, Server, Tls

PORTS: Mapping[Tls, int] = {"starttls": 587, "implicit": 465, "none": 25}
PATIENCE = 5
"""Attempts for those who are asked to come later, once others have the mail."""

_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_DOMAIN}")
_NAMED = re.compile(r"([^\x00-\x1f\x7f-\x9f<>\"\\\u2028\u2029\ud800-\udfff]{1,100}) <([^<> ]{1,320})>")
_HELLO = re.compile(rf"{_DOMAIN}|\[[0-9A-Fa-f.:IPv]{{2,60}}\]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f]")


def mailbox(text: object) -> Mailbox:
    """Read `a@example.com`, or `A name <a@example.com>`. Raises ValueError."""
    if isinstance(text, Mailbox):
        return text
    named = _NAMED.fullmatch(str(text))
    return Mailbox(address=address(named[2] if named else str(text)), name=named[1].strip() if named else "")


def address(text: str) -> str:
    """Read an address. Raises ValueError."""
    if not _ADDRESS.fullmatch(text) or len(text) > 254:  # noqa: PLR2004  the most that SMTP has room for
        raise ValueError('is not an address like "team@example.com"; letters beyond ASCII have to be in punycode')
    return text


def credential(text: str) -> str:
    """Read a user name or a password. Raises ValueError, which does not show it."""
    if not text or _BREAKS.search(text):
        raise ValueError("must be on one line and not empty")
    return text


def _host(text: str) -> str:
    try:
        egress.literal(text)
    except ValueError:
        raise ValueError("is neither a name nor an address in its usual form") from None
    return text


def _hello(text: str) -> str:
    if text and not _HELLO.fullmatch(text):
        raise ValueError('is neither a host\'s name nor an address like "[192.0.2.1]"')
    return text


_From = Annotated[
    Mailbox, PlainValidator(mailbox), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})
]
_To = Annotated[str, AfterValidator(address)]
_Credential = Annotated[SecretStr, secret_like(credential)]


class EmailConfig(SinkConfig):
    """Mail over SMTP."""

    kind: ClassVar[str] = "email"
    secrets: ClassVar[Mapping[str, bool]] = {"username": False, "password": False}

    host: Annotated[str, AfterValidator(_host)]
    """The server that mail is handed in to. The egress policy holds for it as for every destination."""
    port: int | None = Field(default=None, ge=1, le=65_535)
    """By default 587, with `implicit` 465, with `none` 25."""
    tls: Tls = "starttls"
    """`none` is for servers in `[egress] allow`, without a password."""
    username: _Credential | None = None
    """What to log in with: give both or neither."""
    username_file: Path | None = None
    password: _Credential | None = None
    """What to log in with, with `username`."""
    password_file: Path | None = None
    sender: _From = Field(alias="from")
    """An address, or `A name <address>`."""
    to: tuple[_To, ...] = Field(min_length=1, max_length=100)
    """Addresses. Everybody sees everybody's."""
    hello: Annotated[str, AfterValidator(_hello)] = ""
    """The name to introduce ourselves by, where the server insists on one; by default our address."""
    timeout: Timeout = Field(default=30_000, json_schema_extra={"default": "30s"})
    """How long one attempt may take."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = [bool(getattr(self, name) or getattr(self, f"{name}_file")) for name in self.secrets]
        if any(given) and not all(given):
            raise ValueError("give username and password, or neither")
        if any(given) and self.tls == "none":
            raise ValueError('a password is not sent without TLS: set tls to "starttls" or "implicit"')
        if len(set(self.to)) < len(self.to):
            raise ValueError("to: give each address once")
        return self

    def build(self, sink_id: str, wiring: Wiring) -> "Email":
        """Make the sink."""
        server = Server(
            host=self.host,
            port=self.port or PORTS[self.tls],
            tls=self.tls,
            context=None if self.tls == "none" else tls_context(wiring.ca_file),
            allow=wiring.allow,
            hello=self.hello,
            deadline=self.timeout,
        )
        return Email(sink_id, self, server, self._login(sink_id, wiring))

    def _login(self, sink_id: str, wiring: Wiring) -> Callable[[], Login] | None:
        read = {name: self.reader(name, wiring) for name in self.secrets}
        if not any(read.values()):
            return None
        username, password = (checked(f"{sink_id}: {name}", each, credential) for name, each in read.items())
        return lambda: Login(username(), password())


class Email:
    """Hands mail in to one server."""

    paces: tuple[Pace, ...] = ()

    def __init__(self, sink_id: str, config: EmailConfig, server: Server, login: Callable[[], Login] | None) -> None:
        self.id = sink_id
        self.send_resolved = config.send_resolved
        self.sender = config.sender
        self.to = config.to
        self._server = server
        self._login = login

    def render(self, notification: Notification) -> bytes:
        """The mail."""
        return mail.rendered(notification, self.sender, self.to)

    async def send(self, delivery: Delivery) -> str | None:
        """Hand the mail in for everybody who does not have it yet.

        What is remembered of a lane is the first Message-ID of its thread, and who has a mail that others wait for.
        """
        body = frozen_body(delivery)
        of = mail.thread(body, delivery.memo)
        have = frozenset(each for each in self.to if mark(each) in mail.having(delivery.memo, delivery.id))
        envelope = smtp.Envelope(
            sender=self.sender.address,
            recipients=[each for each in self.to if each not in have],
            content=lambda refused: mail.complete(body, of, remarks(delivery, refused)),
        )
        try:
            taken = await smtp.hand_in(self._server, self._login() if self._login else None, envelope)
        except DeliveryError as error:
            if not have or (error.outcome is not Outcome.REFUSED and delivery.attempts < PATIENCE):
                raise
        else:
            have |= taken.recipients
            if taken.later and delivery.attempts < PATIENCE:
                later = _come_again(self._server, len(have), len(self.to))
                later.memo = mail.memo_of(of.root, delivery.id, map(mark, have))
                raise later
        return of.root if of.root != delivery.memo else None


def mark(address: str) -> str:
    """A recipient as it is remembered: its address is nobody's business in a database."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def remarks(delivery: Delivery, refused: Mapping[str, str]) -> list[str]:
    """What has to be said of this attempt: that it may be a copy, and who does not get it."""
    copy = [f"possible duplicate · id {delivery.id}"] * (delivery.unknown_outcomes > 0)
    return [*copy, *(f"not taken for {each} ({code})" for each, code in refused.items())]


def _come_again(server: Server, have: int, all_: int) -> DeliveryError:
    text = f"{server.name}: taken for {have} of {all_} recipients, asked to come again for others"
    return DeliveryError(text, Outcome.REJECTED, reason=Reason.RATE_LIMITED)
