"""The door itself: pools of connections, the guard, and how far a request has come."""

import socket
import ssl
from asyncio import timeout
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from watcher import __version__
from watcher.core import duration, egress
from watcher.core.duration import Millis
from watcher.errors import ConfigError
from watcher.http.fault import Fault, TransportError, said
from watcher.http.message import Answer, Request
from watcher.http.websocket import CAP, CLOSING_SECONDS, HEARTBEAT, WebSocket

PER_HOST = 32
"""Connections to one host; requests beyond them wait inside their own deadline."""
GUARDED_IDLE_SECONDS = 4
"""How long a connection to a sink is kept: shorter than the 5 s after which common servers close theirs, because a
request that meets the closing has an unknown outcome."""

CONNECTING: Millis = 10_000

_CHUNK = 64 * 1024
_SHOWN = 100


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
        self._context = None if ca_file is None else tls_context(ca_file)
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
            kind, text = said(error)
            if scope.expired():
                kind = Fault.TIMEOUT
                text = f"timed out after {duration.text(request.deadline)} while {progress.phase}"
            failure = TransportError(f"{_shown(url)}: {text}", kind, sent=progress.sent, status=progress.status)
        # raised out here, so that it has no context: aiohttp's own errors spell the whole URL
        raise failure

    @asynccontextmanager
    async def connect(
        self, url: str, *, deadline: Millis = CONNECTING, cap: int = CAP, heartbeat: Millis = HEARTBEAT
    ) -> AsyncIterator[WebSocket]:
        """Open a WebSocket, guarded, for as long as the context lasts.

        `deadline` is for opening it. Redirects are refused, messages beyond `cap` end it, and so does silence: `heartbeat` is
        after how much of it the other side is pinged. Raises TransportError and nothing else.
        """
        async with AsyncExitStack() as stack:
            yield await self._connected(stack, _parsed(_as_http(url)), deadline, cap, heartbeat)

    async def _connected(
        self, stack: AsyncExitStack, url: URL, deadline: Millis, cap: int, heartbeat: Millis
    ) -> WebSocket:
        scope = timeout(deadline / 1000)
        try:
            self._way(url, guard=True)
            session = await stack.enter_async_context(self._upgrading(url))
            async with scope:
                socket = await session.ws_connect(
                    url,
                    ssl=self._tls() if url.scheme == "https" or self._proxy else True,
                    max_msg_size=cap,
                    heartbeat=heartbeat / 1000,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSING_SECONDS),
                )
            return WebSocket(await stack.enter_async_context(socket), _shown(url))
        except TransportError as error:
            failure = error
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            kind, text = said(error)
            if scope.expired():
                kind, text = Fault.TIMEOUT, f"timed out after {duration.text(deadline)} while connecting"
            failure = TransportError(f"{_shown(url)}: {text}", kind)
        raise failure

    def _upgrading(self, url: URL) -> aiohttp.ClientSession:
        """A pool of its own for a WebSocket: redirects cannot be turned off for one, so that here they are an error."""
        resolver = self._resolver or aiohttp.ThreadedResolver()
        if self._proxy is None:
            resolver = _GuardedResolver(resolver, self._allow, tls=url.scheme == "https")
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False),
            proxy=self._proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            trust_env=False,
            trace_configs=[trace],
            headers={"User-Agent": f"connect-watcher/{__version__}"},
        )

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
            self._context = tls_context(None)
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


async def _refuse_redirect(_session: aiohttp.ClientSession, _context: SimpleNamespace, params: Any) -> None:
    """Raise TransportError: what was judged is where the URL leads, and nothing else."""
    raise TransportError(f"{_shown(params.url)}: sends us elsewhere", Fault.BLOCKED, sent=True)


def _as_http(url: str) -> str:
    """The URL by which the guard judges a WebSocket, and by which the library opens it just the same."""
    scheme, colon, rest = url.partition(":")
    return {"wss": "https", "ws": "http"}.get(scheme.lower(), "") + colon + rest


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


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """TLS of 1.2 or newer, verified against the system's authorities and those of `ca_file`. Raises ConfigError."""
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
