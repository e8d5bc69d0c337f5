"""What sinks are made with: their configuration's base, their secrets, and their way out.

A secret is a function, not a string: it is read whenever it is used, so that a rotated file is used by the very next
attempt, and nothing that has a `repr` holds it.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, Self, TextIO, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
    model_validator,
)

from watcher.core import duration
from watcher.core.delivery import Delivery, Outcome
from watcher.core.duration import Millis
from watcher.core.egress import Network
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Answer, Request, TransportError, retry_after
from watcher.ports import Clock, Env, Sink
from watcher.sinks.outcome import Reason, Reply, no_reply

Secret: TypeAlias = Callable[[], str]
"""Reads a secret as it is now."""

MAX_TIMEOUT: Millis = 120_000
MAX_REPLY = 64 * 1024
"""Bytes of an answer that are read."""

T = TypeVar("T")
_VISIBLE = re.compile(r"[!-~]+")


class Http(Protocol):
    """The way out, as far as sinks need it: `watcher.http.Http`."""

    async def send(self, request: Request) -> Answer:
        """Send a request and read its answer. Raises TransportError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The world as sinks use it. `read` reads a secret's file (OSError or ValueError when it cannot).

    `allow` are the networks that may be reached besides public addresses, `ca_file` the authorities trusted besides the
    system's: for what does not leave through `http`, which knows both.
    """

    http: Http
    env: Env
    read: Callable[[Path], str]
    stream: TextIO = field(repr=False)
    allow: Sequence[Network] = ()
    ca_file: Path | None = None


def _timeout(value: object) -> Millis:
    length = 0
    with suppress(ValueError):
        length = duration.parse(value) if isinstance(value, str) else 0
    if not 0 < length <= MAX_TIMEOUT:
        raise ValueError(f'write a duration like "15s", of at most {duration.text(MAX_TIMEOUT)}')
    return length


Timeout: TypeAlias = Annotated[Millis, BeforeValidator(_timeout), WithJsonSchema({"type": "string"})]
"""How long one attempt may take, the answer included."""
TIMEOUT: Millis = Field(default=15_000, json_schema_extra={"default": "15s"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to send: a URL, which is a secret, and its host, which may be shown."""

    url: str = field(repr=False)
    host: str


def address(url: str) -> Address:
    """Read a URL. Raises ValueError, which does not show it."""
    host, netloc = None, ""
    with suppress(ValueError):
        parts = urlsplit(url)
        netloc = parts.netloc
        host = parts.hostname if parts.scheme in {"http", "https"} and parts.port != 0 else None
    if not host or not _VISIBLE.fullmatch(url):
        raise ValueError("is not a URL that begins with https:// or http://")
    if "@" in netloc:
        raise ValueError("has a user name or password in it; use a header instead")
    return Address(url=url, host=host)


def base_url(url: str) -> str:
    """A URL that paths are put behind, kept without a slash at its end. It is no secret. Raises ValueError."""
    address(url)
    if urlsplit(url).query or urlsplit(url).fragment:
        raise ValueError("must have no query and no fragment")
    return url.rstrip("/")


def secret_like(parse: Callable[[str], object]) -> AfterValidator:
    """A secret in the configuration that means something: `parse` raises ValueError, which does not show it."""

    def check(value: SecretStr) -> SecretStr:
        parse(value.get_secret_value())
        return value

    return AfterValidator(check)


def describe_twins(schema: dict[str, Any], table: type[BaseModel]) -> None:
    """Say in a schema which secrets must be given, and of the file of each what it is for."""
    keys = schema.get("properties", {})
    for key, said in keys.items():
        if key.endswith("_file") and key.removesuffix("_file") in keys:
            said.setdefault("description", f"A file that holds `{key.removesuffix('_file')}`, instead of it.")
    for key, required in getattr(table, "secrets", {}).items():
        if required:
            keys[key]["description"] += f" Required, here or in `{key}_file`."


class SinkConfig(BaseModel):
    """What every sink can be told. `kind` is its key in a receiver; `secrets` names its secrets and which must be set."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        json_schema_extra=describe_twins,
    )
    kind: ClassVar[str]
    secrets: ClassVar[Mapping[str, bool]] = {}

    send_resolved: bool = True
    """Whether it is told that alerts have ended."""

    @model_validator(mode="after")
    def _one_of_twins(self) -> Self:
        for name, required in self.secrets.items():
            given = [getattr(self, each) is not None for each in (name, f"{name}_file")]
            if all(given) or (required and not any(given)):
                raise ValueError(f"give {'either' if required else 'at most one of'} {name} or {name}_file")
        return self

    @abstractmethod
    def build(self, sink_id: str, wiring: Wiring) -> Sink:
        """Make the sink. Raises ConfigError where a secret cannot be read or used."""

    def reader(self, name: str, wiring: Wiring) -> Secret | None:
        """Reads the secret under `name`, from the configuration or from its file; `None` when it is not set."""
        return reader(getattr(self, name), getattr(self, f"{name}_file"), wiring)


class HttpSinkConfig(SinkConfig):
    """A sink that posts to one URL, which is itself a secret."""

    secrets: ClassVar[Mapping[str, bool]] = {"url": True}

    url: Annotated[SecretStr, secret_like(address)] | None = None
    """Where to post, as the other side gives it: a secret."""
    url_file: Path | None = None
    timeout: Timeout = TIMEOUT
    """How long one attempt may take, the answer included."""

    def endpoint(self, sink_id: str, wiring: Wiring) -> "Endpoint":
        """Where it posts to. Raises ConfigError."""
        read = checked(f"{sink_id}: url", self.reader("url", wiring), address)
        return Endpoint(http=wiring.http, clock=wiring.env.clock, read=read, deadline=self.timeout)


def reader(inline: SecretStr | None, file: Path | None, wiring: Wiring) -> Secret | None:
    """Reads a secret that is written in the configuration, or in a file."""
    if inline is not None:
        return inline.get_secret_value
    return None if file is None else lambda: wiring.read(file)


def checked(path: str, read: Secret | None, parse: Callable[[str], T]) -> Callable[[], T]:
    """Reads a secret and what it means, tried once now. Raises ConfigError, which does not show it.

    What it returns raises DeliveryError where the secret has become unusable: it may be in the middle of a rotation.
    """
    if read is None:
        raise ConfigError([f"{path}: is not set"])

    def now() -> T:
        try:
            return parse(read())
        except (OSError, ValueError) as error:
            raise DeliveryError(f"{path}: {_said(error)}", Outcome.UNSENT, reason=Reason.CREDENTIALS) from None

    try:
        now()
    except DeliveryError as error:
        raise ConfigError([str(error)]) from None
    return now


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One URL that takes POST requests, read anew for each."""

    http: Http
    clock: Clock
    read: Callable[[], Address]
    deadline: Millis

    async def post(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request, guarded: its URL is a user's. Raises DeliveryError where no answer came."""
        to = self.read()
        request = Request(
            url=to.url, method="POST", headers=headers, body=body, deadline=self.deadline, cap=MAX_REPLY, guard=True
        )
        try:
            answer = await self.http.send(request)
        except TransportError as error:
            if error.status is None:
                raise no_reply(error) from error
            return Reply(host=to.host, status=error.status, body=None)
        wait = retry_after(answer.headers, self.clock.now())
        return Reply(host=to.host, status=answer.status, body=answer.body, retry_after=wait)


def frozen_body(delivery: Delivery) -> bytes:
    """The body that was frozen before the first attempt; a delivery without one is not sent."""
    if delivery.body is None:
        raise DeliveryError("nothing was rendered", Outcome.UNSENT, reason=Reason.NO_BODY)
    return delivery.body


def _said(error: OSError | ValueError) -> str:
    """An error without what it was about: a ValueError's text is ours, an OSError's holds a path."""
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or type(error).__name__}"
    return "cannot be read: it is not text" if isinstance(error, UnicodeError) else str(error)
