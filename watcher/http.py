"""The one HTTP door out: every request of the daemon leaves here, bounded in time and size, and guarded where asked.

Nobody else uses the aiohttp client. Redirects are never followed, cookies never kept, the environment's proxies never
used, TLS is 1.2 or newer and always verified. A request ends by its deadline whatever the peer does: slow names, slow
handshakes and bodies that drip are all inside it. Every failure is one `TransportError`.

A guarded request (its URL comes from a user) reaches public addresses over https, and besides them only the networks
of `[egress] allow`. Each address that a name stands for is judged, and only the judged ones are connected to, so a
name cannot change its mind in between. BehindError a proxy the proxy resolves names: there the guard sees numeric hosts,
and names of the proxy's own side, and the rest is for the proxy's rules.
"""

import re
import socket
import ssl
from asyncio import timeout
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_address
from os import strerror
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from yarl import URL

from watcher import __version__
from watcher.core import duration, egress
from watcher.core.delivery import RETRY_AFTER_BOUNDS
from watcher.core.duration import Millis
from watcher.errors import ConfigError, WatcherError

DEADLINE: Millis = 30_000
CAP = 16 * 2**20
"""Bytes of an answer that are read at most, counted after decompression."""
PER_HOST = 32
"""Connections to one host; requests beyond them wait inside their own deadline."""
GUARDED_IDLE_SECONDS = 4
"""How long a connection to a sink is kept: shorter than the 5 s after which common servers close theirs, because a
request that meets the closing has an unknown outcome."""

_CHUNK = 64 * 1024
_SHOWN = 100
_SECONDS = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?", re.ASCII)


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


class Http:
    """The door: `async with Http(...) as http: answer = await http.send(Request(url=...))`."""

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        proxy_url: str | None = None,
        allow: Sequence[egress.Network] = (),
        resolver: AbstractResolver | None = None,
    ) -> None:
        """`ca_file` adds to the system's authorities; `resolver` replaces its DNS. Raises ConfigError."""
        self._context = None if ca_file is None else _tls_context(ca_file)
        self._proxy = proxy_url
        self._allow = tuple(allow)
        self._resolver = resolver
        self._stack = AsyncExitStack()
        self._open: aiohttp.ClientSession
        self._guarded: dict[bool, aiohttp.ClientSession]

    async def __aenter__(self) -> Self:
        """Open the connection pools: one for our own hosts, one each for guarded https and plain http."""
        resolver = self._resolver or aiohttp.ThreadedResolver()
        self._open = await self._session(aiohttp.TCPConnector(limit_per_host=PER_HOST, resolver=resolver))
        self._guarded = {
            tls: await self._session(
                aiohttp.TCPConnector(
                    limit_per_host=PER_HOST,
                    resolver=_GuardedResolver(resolver, self._allow, tls=tls),
                    use_dns_cache=False,
                    keepalive_timeout=GUARDED_IDLE_SECONDS,
                )
            )
            for tls in (True, False)
        }
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._stack.aclose()

    async def send(self, request: Request) -> Answer:
        """Send a request and read its answer, whatever the status. Raises TransportError and nothing else."""
        url = _parsed(request.url)
        progress = _Progress()
        scope = timeout(request.deadline / 1000)
        try:
            session = self._way(url, request.guard)
            async with scope:
                return await self._exchange(session, request, url, progress)
        except TransportError as error:
            failure = error
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            kind, text = _said(error)
            if scope.expired():
                kind = Fault.TIMEOUT
                text = f"timed out after {duration.text(request.deadline)} while {progress.phase}"
            failure = TransportError(f"{_shown(url)}: {text}", kind, sent=progress.sent, status=progress.status)
        # raised out here, so that it has no context: aiohttp's own errors spell the whole URL
        raise failure

    async def _exchange(
        self, session: aiohttp.ClientSession, request: Request, url: URL, progress: "_Progress"
    ) -> Answer:
        async with session.request(
            request.method,
            url,
            headers=request.headers,
            data=request.body,
            ssl=self._tls() if url.scheme == "https" or self._proxy else True,
            allow_redirects=False,
            trace_request_ctx=progress,
        ) as response:
            progress.phase, progress.status = "reading the answer", response.status
            body = await _read(response, request.cap)
            if body is None:
                response.close()
                text = f"{_shown(url)}: the answer is larger than {request.cap} bytes"
                raise TransportError(text, Fault.TOO_LARGE, sent=True, status=response.status)
            return Answer(status=response.status, headers=response.headers, body=body)

    def _way(self, url: URL, guard: bool) -> aiohttp.ClientSession:
        """The pool for a URL. Raises TransportError where the URL itself shows that it is not allowed."""
        if not guard:
            return self._open
        tls = url.scheme == "https"
        if reason := _objection(url, self._allow, tls=tls, proxied=self._proxy is not None):
            raise TransportError(f"{_shown(url)}: blocked by the egress policy: {reason}", Fault.BLOCKED)
        return self._guarded[tls] if self._proxy is None else self._open

    def _tls(self) -> ssl.SSLContext:
        """Made when first needed: to load the system's authorities takes longer than anything else here."""
        if self._context is None:
            self._context = _tls_context(None)
        return self._context

    async def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            proxy=self._proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            trust_env=False,
            trace_configs=[_trace()],
            headers={"User-Agent": f"connect-watcher/{__version__}", "Accept-Encoding": "gzip"},
        )
        return await self._stack.enter_async_context(session)


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


@dataclass(slots=True)
class _Progress:
    """How far a request has come; aiohttp's tracing writes it."""

    phase: str = "connecting"
    sent: bool = False
    status: int | None = None


class _GuardedResolver(AbstractResolver):
    """Resolves a name and lets it pass only when every one of its addresses may be reached."""

    def __init__(self, inner: AbstractResolver, allow: Sequence[egress.Network], *, tls: bool) -> None:
        self._inner = inner
        self._allow = allow
        self._tls = tls

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses that will be connected to. Raises TransportError."""
        found = await self._inner.resolve(host, port, family)
        for each in found:
            if reason := egress.refusal(ip_address(each["host"]), self._allow, tls=self._tls):
                raise TransportError(f"{host}: blocked by the egress policy: {reason}", Fault.BLOCKED)
        return found

    async def close(self) -> None:
        """Nothing of its own to close."""


def _objection(url: URL, allow: Sequence[egress.Network], *, tls: bool, proxied: bool) -> str | None:
    """Why a guarded URL is refused before any name is looked up, or `None`."""
    if url.raw_user is not None or url.raw_password is not None:
        return "the URL has a user name or password in it"
    host = url.raw_host or ""
    try:
        address = egress.literal(host)
    except ValueError:
        return "the host is neither a name nor an address in its usual form"
    if address is not None:
        return egress.refusal(address, allow, tls=tls)
    if proxied and not tls:
        return "plain http to a name cannot be judged behind a proxy"
    if proxied and egress.names_this_side(host):
        return "the name belongs to the proxy's own side"
    return None


def _parsed(text: str) -> URL:
    """The URL as aiohttp will use it. Raises TransportError, which cannot show any of it."""
    try:
        url = URL(text)
        usable = url.scheme in {"http", "https"} and bool(url.raw_host) and bool(url.port)
    except (ValueError, TypeError):
        usable, url = False, URL()
    if not usable:
        raise TransportError("the URL cannot be used: it must be https://host/… or http://host/…", Fault.BLOCKED)
    return url


def _shown(url: URL) -> str:
    port = "" if url.explicit_port is None else f":{url.explicit_port}"
    return f"{(url.host_subcomponent or '')[:_SHOWN]}{port}"


async def _read(response: aiohttp.ClientResponse, cap: int) -> bytes | None:
    """The decompressed body, or `None` once it is larger than `cap`: what is beyond is neither read nor inflated."""
    if (response.content_length or 0) > cap:
        return None
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > cap:
            return None
    return bytes(body)


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "holds no certificate"
            raise ConfigError([f"http.ca_file: {ca_file}: {reason}"]) from None
    return context


def _trace() -> aiohttp.TraceConfig:
    """Write how far a request has come into its `_Progress`."""

    def at(phase: str, *, sent: bool = False) -> Callable[..., Awaitable[None]]:
        async def mark(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
            progress: _Progress = context.trace_request_ctx
            progress.phase = phase
            progress.sent = progress.sent or sent

        return mark

    trace = aiohttp.TraceConfig()
    trace.on_connection_queued_start.append(at("waiting for a free connection"))
    trace.on_connection_create_start.append(at("connecting"))
    trace.on_dns_resolvehost_start.append(at("looking up the host's name"))
    trace.on_dns_resolvehost_end.append(at("connecting"))
    trace.on_request_headers_sent.append(at("waiting for the answer", sent=True))
    return trace


def _said(error: BaseException) -> tuple[Fault, str]:
    """What went wrong, in our words: the library's would spell the URL."""
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
    (BaseException, Fault.GARBLED, lambda _: "the answer is not valid HTTP"),
)
"""Families of errors, first match counts."""
