"""One request to Connect or its auth service: named for support, tried again where that helps, its refusals understood."""

import random  # noqa: TID251  as a type: chance comes from the injected Env
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

import msgspec

from watcher.core.duration import Millis
from watcher.errors import Blindness, SourceError
from watcher.http import Answer, Fault, Http, Request, TransportError, retry_after
from watcher.ports import Env

RETRIES = 2
"""How often a request is repeated within one poll. The next poll is the real retry: this only spans a blip."""
FIRST_PAUSE: Millis = 500
MAX_NOTICE = 200
"""Characters of one announcement that are kept."""

_BLIPS = frozenset({502, 503, 504})
_BLIP_FAULTS = frozenset({Fault.NETWORK, Fault.DNS})
_BLINDNESS: Mapping[Fault, Blindness] = {
    Fault.TIMEOUT: Blindness.TIMEOUT,
    Fault.NETWORK: Blindness.NETWORK,
    Fault.DNS: Blindness.NETWORK,
    Fault.BLOCKED: Blindness.NETWORK,
    Fault.TLS: Blindness.TLS,
    Fault.TOO_LARGE: Blindness.UNREADABLE,
    Fault.GARBLED: Blindness.UNREADABLE,
}
_BY_STATUS: Mapping[int, Blindness] = {
    401: Blindness.FORBIDDEN,
    403: Blindness.FORBIDDEN,
    404: Blindness.NOT_FOUND,
    408: Blindness.TIMEOUT,
    410: Blindness.NOT_FOUND,
    429: Blindness.RATE_LIMITED,
}
_CODE = re.compile(r"[A-Za-z_]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, from whom, and the id under which the server knows the request."""

    answer: Answer
    who: str
    correlation: str

    def error(self, text: str, kind: Blindness, *, wait: Millis | None = None) -> SourceError:
        """A SourceError about this reply which a person can take to support."""
        return SourceError(f"{self.who} {text} (correlation id {self.correlation})", kind, retry_after=wait)


def announced(headers: Mapping[str, str]) -> str:
    """What an API says of its own future: `Deprecation`, `Sunset` and the persistent warning 299 of its headers."""
    found = {name: headers.get(name, "") for name in ("Deprecation", "Sunset", "Warning")}
    if not found["Warning"].startswith("299"):
        del found["Warning"]
    return "; ".join(f"{name}: {value[:MAX_NOTICE]}" for name, value in found.items() if value)


class _ErrorItem(msgspec.Struct):
    code: str | None = None


class _ErrorBody(msgspec.Struct):
    """The API's error body and the auth service's in one; messages are foreign text and are not decoded."""

    errors: list[_ErrorItem] | None = None
    error: str | None = None


async def ask(http: Http, env: Env, request: Request, who: str) -> Reply:
    """Send a request and return the answer, whatever its status, once it is not a blip. Raises SourceError.

    A blip is a 502, 503 or 504 without Retry-After, or a connection that fails before an answer; requests to Connect
    only read, so they may be repeated.
    """
    attempt = 0
    while True:
        correlation = f"connect-watcher-{env.rng.getrandbits(128):032x}"
        named = replace(request, headers={**request.headers, "X-Correlation-ID": correlation})
        try:
            answer = await http.send(named)
        except TransportError as error:
            if attempt == RETRIES or error.kind not in _BLIP_FAULTS or error.status is not None:
                text = f"{who} cannot be read: {error} (correlation id {correlation})"
                raise SourceError(text, _BLINDNESS[error.kind]) from error
        else:
            blip = answer.status in _BLIPS and "Retry-After" not in answer.headers
            if attempt == RETRIES or not blip:
                return Reply(answer=answer, who=who, correlation=correlation)
        await env.clock.sleep(pause(attempt, env.rng))
        attempt += 1


def pause(attempt: int, rng: random.Random) -> Millis:
    """How long to wait after a blip: doubled each time, its second half left to chance."""
    return int((FIRST_PAUSE << attempt) * (0.5 + rng.random() / 2))


def refusal(reply: Reply, env: Env, hints: Mapping[int, str]) -> SourceError:
    """What a status other than the wanted one means. `hints` add for a person what to look at, by status."""
    status = reply.answer.status
    kind = _BY_STATUS.get(status) or _by_class(status)
    code = error_code(reply.answer.body)
    text = f"answered {status} {code}".rstrip()
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        text += ", a redirect, which is not followed"
    if hint := hints.get(status):
        text += f"; {hint}"  # after a colon the code would look like a name, and the hint like its secret value
    wait = retry_after(reply.answer.headers, env.clock.now())
    return reply.error(text, kind, wait=wait)


def _by_class(status: int) -> Blindness:
    return Blindness.SERVER if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Blindness.UNREADABLE


def error_code(body: bytes) -> str:
    """The code in an error body of the API or of the auth service, or nothing where it is no such body."""
    try:
        found = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    codes = [each.code for each in found.errors or ()] + [found.error]
    return next((code for code in codes if code and _CODE.fullmatch(code)), "")
