"""OAuth2 client credentials: one token, shared by everybody who asks, renewed by one of them at a time."""

import asyncio
import re
from base64 import b64encode
from http import HTTPStatus
from urllib.parse import urlencode

import msgspec

from watcher.connect.access import ProjectAccess
from watcher.connect.exchange import Reply, ask, error_code, refusal
from watcher.core.duration import Millis
from watcher.errors import Blindness, SourceError
from watcher.http import Http, Request
from watcher.ports import Env

SKEW: Millis = 60_000
"""A token is renewed this long before it expires, or a tenth of its life, whichever is shorter."""
DEFAULT_LIFETIME_SECONDS = 600.0
"""Assumed where the grant does not say; a token that dies sooner costs one 401 and one renewal."""
REFUSED_FOR: Millis = 55_000
"""How long a refusal of the credentials holds for every source that shares them: more than one request a minute looks
like an attack. A little less than the minute after which Deployments ask again."""
CAP = 64 * 1024

_VISIBLE = re.compile(r"[!-~]{1,8192}")
_HINTS = {404: "look at region, or auth_url"}


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float = DEFAULT_LIFETIME_SECONDS


class Tokens:
    """The access token of one API client, kept in memory only."""

    def __init__(self, access: ProjectAccess, http: Http, env: Env) -> None:
        self._access = access
        self._http = http
        self._env = env
        self._token: str | None = None
        self._renew_at: Millis = 0
        self._turn = asyncio.Lock()
        self._rounds = 0
        self._failure: SourceError | None = None
        self._refused_until: Millis = 0

    async def current(self) -> str:
        """A token that should work. Those who ask while it is renewed share the outcome. Raises SourceError."""
        if token := self._fresh():
            return token
        asked_in = self._rounds
        async with self._turn:
            if token := self._fresh():
                return token
            if self._rounds != asked_in and self._failure is not None:
                raise self._failure
            return await self._renew()

    def forget(self, token: str) -> None:
        """The API refused `token`: do not hand it out again. Says nothing about a newer one."""
        if self._token == token:
            self._token = None

    def _fresh(self) -> str | None:
        return self._token if self._env.clock.monotonic() < self._renew_at else None

    async def _renew(self) -> str:
        asked_at = self._env.clock.monotonic()
        if self._failure is not None and asked_at < self._refused_until:
            raise self._failure
        self._failure = None
        try:
            grant = await self._granted()
        except SourceError as error:
            self._failure = error
            if error.kind is Blindness.CREDENTIALS:
                self._refused_until = asked_at + REFUSED_FOR
            raise
        finally:
            self._rounds += 1
        lifetime = int(min(max(grant.expires_in, 0), 1e9) * 1000)
        self._token, self._renew_at = grant.access_token, asked_at + lifetime - min(SKEW, lifetime // 10)
        return grant.access_token

    async def _granted(self) -> _Grant:
        who = f"{self._access.key}: the auth service"
        reply = await ask(self._http, self._env, self._request(), who)
        if reply.answer.status != HTTPStatus.OK:
            raise self._refusal(reply)
        try:
            grant = msgspec.json.decode(reply.answer.body, type=_Grant)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            grant = None
        if grant is None or not _VISIBLE.fullmatch(grant.access_token):
            # outside the except block: what the decoder says must not travel along
            raise reply.error("answered 200 without a usable token", Blindness.UNREADABLE)
        return grant

    def _request(self) -> Request:
        access = self._access
        form = {"grant_type": "client_credentials"} | ({"scope": access.scope} if access.scope else {})
        basic = b64encode(f"{access.client_id}:{access.client_secret}".encode()).decode()
        return Request(
            method="POST",
            url=access.token_url,
            headers={"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            cap=CAP,
        )

    def _refusal(self, reply: Reply) -> SourceError:
        """A 401, or a 400 in the auth service's own form, is about our credentials; a proxy's 400 is not."""
        status, code = reply.answer.status, error_code(reply.answer.body)
        if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.BAD_REQUEST and code):
            text = f"refuses the API client ({status} {code}".rstrip() + "): look at client_id, client_secret and scope"
            return reply.error(text, Blindness.CREDENTIALS)
        return refusal(reply, self._env, _HINTS)
