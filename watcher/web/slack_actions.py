"""Buttons pressed in Slack, told over HTTP: signed, fresh, answered at once, acted on afterwards.

Slack signs `v0:TIMESTAMP:BODY` with the app's signing secret. What is forged, older than five minutes, from the future or
here for the second time is answered with 401 and does nothing.
"""

import asyncio
import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import parse_qs

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from watcher.core.duration import Millis
from watcher.errors import WatcherError
from watcher.ports import Clock
from watcher.sinks.slack_press import Presses, read

log = structlog.get_logger(__name__)

PATH = "/slack/actions"
SKEW: Millis = 300_000
"""How old a request may be, or how far ahead."""
MAX_BODY = 256 * 1024
READ_SECONDS = 3.0
"""How long a body may take: by then Slack has given up on the answer."""


class SlackActions:
    """Takes presses. `secret` reads the signing secret, and may raise WatcherError."""

    def __init__(self, presses: Presses, secret: Callable[[], str], clock: Clock) -> None:
        self._presses = presses
        self._secret = secret
        self._clock = clock
        self._seen: dict[str, Millis] = {}

    def routes(self) -> list[web.RouteDef]:
        """The endpoint."""
        return [web.post(PATH, self.take)]

    async def take(self, request: web.Request) -> web.Response:
        """POST /slack/actions: an empty 200 at once, and then what was asked for."""
        body = await _body(request)
        signature = request.headers.get("X-Slack-Signature", "")
        at = request.headers.get("X-Slack-Request-Timestamp", "")
        if body is None or not self._is_genuine(at, body, signature):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        pressed = read(_payload(body))
        if pressed is None:
            return web.Response()
        if self._presses.is_full:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        self._presses.take(pressed)
        return web.Response()

    def _is_genuine(self, at: str, body: bytes, signature: str) -> bool:
        """Whether Slack sent it, just now and for the first time."""
        now = self._clock.now()
        try:
            secret = self._secret()
        except WatcherError as error:
            log.error("press.unverifiable", error=str(error))  # noqa: TRY400  its text says it all
            return False
        if not is_signed(secret, at, body, signature, now):
            return False
        self._seen = {each: until for each, until in self._seen.items() if until > now}
        if signature in self._seen:
            return False
        self._seen[signature] = int(at) * 1000 + SKEW + 1000
        return True


def is_signed(secret: str, at: str, body: bytes, signature: str, now: Millis) -> bool:
    """Whether a signature is right and no older than it may be. Comparing takes the same time whatever is presented."""
    if not secret or not (at.isascii() and at.isdigit() and len(at) <= 12):  # noqa: PLR2004  seconds until the year 33658
        return False
    if abs(now - int(at) * 1000) > SKEW:
        return False
    wanted = hmac.new(secret.encode(), b"v0:" + at.encode() + b":" + body, sha256).hexdigest()
    return hmac.compare_digest(f"v0={wanted}".encode(), signature.encode(errors="replace"))


async def _body(request: web.Request) -> bytes | None:
    """The body as it was signed; `None` where it is larger than any that Slack sends, slower, or not all there."""
    if (request.content_length or 0) > MAX_BODY:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    return None
    except (TimeoutError, ConnectionError, web.RequestPayloadError, HttpProcessingError):
        return None
    return bytes(body)


def _payload(body: bytes) -> object:
    """What was posted, a JSON text in a field of a form; `None` where it is none."""
    try:
        (text,) = parse_qs(body.decode(), strict_parsing=True)["payload"]
        return json.loads(text)
    except (ValueError, KeyError, RecursionError):
        return None
