"""Field types of the configuration: what a string must look like, said so that its writer can mend it.

No error here repeats the value: what stands in a field may have come from the environment and be a secret.
"""

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from watcher import pattern, render
from watcher.core import duration, matcher
from watcher.core.duration import Millis
from watcher.core.egress import Network

_DURATION_HINT = 'write a duration like "30s", "5m" or "1h30m"'
_DURATION_PATTERN = r"^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"
_VISIBLE = re.compile(r"[!-~]+")
_LAST_PORT = 65_535


def _duration(value: object) -> Millis:
    if not isinstance(value, str):
        raise ValueError(_DURATION_HINT)  # noqa: TRY004  pydantic turns only ValueError into a problem with a path
    try:
        return duration.parse(value)
    except ValueError:
        raise ValueError(f"is not a duration; {_DURATION_HINT} (y w d h m s ms)") from None


def at_least(shortest: str) -> AfterValidator:
    """A bound on a Duration."""
    least = duration.parse(shortest)

    def bounded(length: Millis) -> Millis:
        if length < least:
            raise ValueError(f"must be at least {shortest}")
        return length

    return AfterValidator(bounded)


def at_most(longest: str) -> AfterValidator:
    """A bound on a Duration."""
    most = duration.parse(longest)

    def bounded(length: Millis) -> Millis:
        if length > most:
            raise ValueError(f"must be at most {longest}")
        return length

    return AfterValidator(bounded)


Duration: TypeAlias = Annotated[
    Millis, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN})
]
"""Prometheus grammar in the file, milliseconds in the program."""
Pause: TypeAlias = Annotated[Duration, at_least("1ms")]
"""A Duration that is not nothing."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


def _address(value: object) -> Address:
    text = value if isinstance(value, str) else ""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not port.isascii() or int(port) > _LAST_PORT:
        raise ValueError('write an address like "127.0.0.1:8080" or "[::1]:8080"; port 0 takes any free one')
    return Address(host, int(port))


def _written(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


Listen: TypeAlias = Annotated[
    Address,
    PlainValidator(_address),
    PlainSerializer(_written, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^.+:[0-9]{1,5}$"}),
]


def _url(value: str) -> str:
    parts = _split(value)
    if parts is None:
        raise ValueError("must be a URL that begins with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must have no user name, password, query or fragment")
    return value.rstrip("/")


def _split(value: str) -> Any:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if sound and _VISIBLE.fullmatch(value) else None


BaseUrl: TypeAlias = Annotated[str, AfterValidator(_url)]
"""An http or https URL that other paths are put behind; kept without a slash at its end."""


def _network(value: object) -> Network:
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError('write a network like "10.0.0.0/8", "127.0.0.1/32" or "fd00::/8", without host bits') from None


Cidr: TypeAlias = Annotated[Network, PlainValidator(_network), WithJsonSchema({"type": "string"})]


def _readable_by(read: Callable[[str], object]) -> AfterValidator:
    """Keeps the text and shows what is wrong with it."""

    def validate(text: str) -> str:
        read(text)
        return text

    return AfterValidator(validate)


Matchers: TypeAlias = Annotated[str, _readable_by(lambda text: matcher.parse(text, pattern.fullmatch))]
"""One matcher, or several in one text, in Alertmanager's grammar."""
SearchPattern: TypeAlias = Annotated[str, Field(min_length=1), _readable_by(pattern.search)]
"""A regular expression that is searched for anywhere in a text, in RE2's dialect."""
Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
"""A part of a whole, between 0 and 1."""
Pattern: TypeAlias = Annotated[str, _readable_by(pattern.fullmatch)]
"""A regular expression for a whole value, in RE2's dialect."""
Template: TypeAlias = Annotated[str, _readable_by(render.compile_template)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,200}$")]
"""A name that people choose."""
FieldName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.]{0,199}$")]
"""A label, or a field of a structured record like `details.orderId`."""
LabelName: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$")]


SHORTEST_KEY = 16


def presentable(key: SecretStr) -> SecretStr:
    """A key that a sender can present: in a header, and in a destination of Platform Insights, which takes no apostrophe."""
    text = key.get_secret_value()
    if not (text.isascii() and text.isprintable()) or "'" in text or text.strip() != text or len(text) < SHORTEST_KEY:
        raise ValueError(
            f"must be at least {SHORTEST_KEY} visible ASCII characters, no blank at either end and no apostrophe"
        )
    return key


SenderKey = Annotated[SecretStr, AfterValidator(presentable)]
