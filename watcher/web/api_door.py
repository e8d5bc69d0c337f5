"""Who may use the API: this machine by itself, everybody else with the token, and no web page that somebody has open.

A browser on this machine can be led here by any page: by a form, or by a name that has come to mean 127.0.0.1. So
without the token the name asked for must be one of this machine's, no other page may be behind a request, and what
changes something comes as JSON, which no form can send. There is no CORS: no answer can be read by another page.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, web

from watcher.errors import ConfigError
from watcher.web.api_problem import ProblemError

JSON_TYPE = "application/json"
TOKEN_SCHEME = "bearer"  # noqa: S105  the name of a scheme
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_PASSED_ON = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
_PASSING = ("x-forwarded-", "x-original-", "x-envoy-")
"""Headers of a proxy, and how others of them begin: the peer is on this machine, whoever asks may not be."""
_HOST_END = frozenset("/?#\\@")
"""What cannot be in the name of a host, and would end it, or begin it, for who reads a URL."""
_WRITES = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What decides about a request: where it comes from, and what it presents."""

    peer: str
    method: str = "GET"
    host: str = ""
    authorization: str = field(default="", repr=False)
    passed_on: bool = False
    origin: str | None = None
    fetch_site: str = ""
    content_type: str = ""
    content_encoding: str = ""


def call_of(request: web.Request) -> Call:
    """What a request presents. A header that is given twice means nothing; two sites are no site of ours."""
    name = request.transport.get_extra_info("peername") if request.transport else None
    return Call(
        peer=str(name[0]) if isinstance(name, tuple) else "",
        method=request.method,
        host=_single(request, "Host"),
        authorization=_single(request, "Authorization"),
        passed_on=request.version < HttpVersion11 or is_passed_on(request.headers),
        origin=_single(request, "Origin") if "Origin" in request.headers else None,
        fetch_site=",".join(request.headers.getall("Sec-Fetch-Site", [])),
        content_type=request.content_type,
        content_encoding=_single(request, "Content-Encoding"),
    )


def admit(call: Call, token: Callable[[], str]) -> None:
    """Let a request pass. Raises ProblemError: it may not, and what it lacks."""
    let_in(call, token)
    if call.method in _WRITES and (call.content_type != JSON_TYPE or call.content_encoding not in {"", "identity"}):
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send Content-Type: {JSON_TYPE} and no content encoding")


def let_in(call: Call, token: Callable[[], str]) -> None:
    """Let whoever asks in, whatever they bring; for what takes no body. Raises ProblemError."""
    is_remote = call.passed_on or not is_loopback(call.peer)
    known = _known(token) if is_remote or call.authorization else ""
    if known and call.authorization:
        _check(call.authorization, known)
    elif is_remote:
        raise _lacking(known)
    elif not _names_this_machine(call.host):
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "without a token, ask for this machine by localhost, 127.0.0.1 or [::1]"
        )
    if call.fetch_site not in {"", "same-origin", "none"} or not _is_own(call.origin, call.host):
        raise ProblemError(HTTPStatus.FORBIDDEN, "pages of other origins may not ask")


def is_loopback(peer: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def is_passed_on(headers: Iterable[str]) -> bool:
    """Whether a proxy has said by a header that it asks for somebody else.

    One that says nothing, as nginx without settings, is known by HTTP/1.0, which it speaks unless told otherwise.
    """
    names = [each.lower() for each in headers]
    return any(each in _PASSED_ON or each.startswith(_PASSING) for each in names)


async def harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Say to browsers what must not be done with an answer."""
    response.headers.update(_HEADERS)


def _check(authorization: str, known: str) -> None:
    scheme, _, presented = authorization.partition(" ")
    right = compare_digest(_digest(known), _digest(presented.strip()))
    if not right or scheme.lower() != TOKEN_SCHEME:
        raise _unauthorized("this is not the token of [web] token or token_file")


def _lacking(known: str) -> ProblemError:
    """What somebody who is not on this machine lacks."""
    if known:
        return _unauthorized("present the token of [web] token or token_file: Authorization: Bearer TOKEN")
    return ProblemError(
        HTTPStatus.FORBIDDEN, "only this machine may ask: to let others in, set [web] token or token_file"
    )


def _known(token: Callable[[], str]) -> str:
    """The token as it is now. One that cannot be read lets nobody in."""
    try:
        return token()
    except ConfigError:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "[web] token_file cannot be read right now") from None


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


def _names_this_machine(host: str) -> bool:
    if not _HOST_END.isdisjoint(host):
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def _is_own(origin: str | None, host: str) -> bool:
    """Whether a request comes from one of our own pages, or from none."""
    return origin is None or (bool(host) and origin in {f"http://{host}", f"https://{host}"})


def _single(request: web.Request, name: str) -> str:
    found = request.headers.getall(name, [])
    return found[0] if len(found) == 1 else ""


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogatepass")).digest()
