"""What keeps a request from its answer, in our words: the library's would spell the URL."""

import ssl
from collections.abc import Callable
from enum import StrEnum
from os import strerror
from typing import Any

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from watcher.errors import WatcherError


class Fault(StrEnum):
    """What kept a request from its answer. A closed list: it ends in metrics."""

    TIMEOUT = "timeout"
    NETWORK = "network"
    DNS = "dns"
    TLS = "tls"
    TOO_LARGE = "too_large"
    BLOCKED = "blocked"
    GARBLED = "garbled"


class TransportError(WatcherError):
    """No whole answer came. Its text names the host and nothing else of the URL: paths and queries can be secrets.

    `sent` is false only when no byte of the request can have left. `status` is there when the answer had begun.
    """

    def __init__(self, message: str, kind: Fault, *, sent: bool = False, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.sent = sent
        self.status = status


def said(error: BaseException) -> tuple[Fault, str]:
    """What went wrong, in a word and in a text without the URL."""
    if isinstance(error.__cause__, ContentEncodingError):
        error = error.__cause__
    return next((kind, say(error)) for family, kind, say in _WORDS if isinstance(error, family))


def _system(error: BaseException) -> str:
    """The operating system's word for an error; a connection that TLS gave up has no number."""
    cause = getattr(error, "os_error", error)
    if number := getattr(cause, "errno", None):
        return strerror(number)
    return "closed by the other side" if isinstance(cause, ConnectionError) else type(cause).__name__


def _tls_reason(error: Any) -> str:
    refused = getattr(error, "certificate_error", error)
    if isinstance(refused, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {refused.verify_message.rstrip('.')}"
    return f"TLS failed ({getattr(error, 'reason', None) or 'no reason given'})"


_WORDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Fault, Callable[[Any], str]], ...] = (
    (
        aiohttp.ClientConnectorDNSError,
        Fault.DNS,
        lambda error: f"the host's name cannot be resolved ({error.os_error.strerror or 'no answer'})",
    ),
    ((aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError), Fault.TLS, _tls_reason),
    (aiohttp.ClientHttpProxyError, Fault.NETWORK, lambda error: f"the proxy refuses with status {error.status}"),
    (
        aiohttp.ClientProxyConnectionError,
        Fault.NETWORK,
        lambda error: f"the proxy cannot be reached ({_system(error)})",
    ),
    (aiohttp.ClientConnectorError, Fault.NETWORK, lambda error: f"cannot connect ({_system(error)})"),
    (ContentEncodingError, Fault.GARBLED, lambda _: "the answer cannot be decompressed"),
    (aiohttp.ClientPayloadError, Fault.NETWORK, lambda _: "the answer was cut off"),
    (aiohttp.ServerDisconnectedError, Fault.NETWORK, lambda _: "the connection was closed before an answer came"),
    ((aiohttp.ClientConnectionError, OSError), Fault.NETWORK, lambda error: f"the connection broke ({_system(error)})"),
    (UnicodeError, Fault.DNS, lambda _: "the host's name is not a valid one"),
    (aiohttp.WSServerHandshakeError, Fault.GARBLED, lambda error: f"refuses the WebSocket with status {error.status}"),
    (BaseException, Fault.GARBLED, lambda _: "the answer is not valid HTTP"),
)
"""Families of errors, first match counts."""
