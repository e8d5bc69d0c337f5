"""The auth service: client credentials in, bearer tokens out. Any client is believed; only its absence is refused."""

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from watcher.simulator.chance import Chance
from watcher.simulator.clock import Clock
from watcher.simulator.errors import ApiError, auth_refusal, invalid_token

DEFAULT_LIFETIME = 172_800_000
"""Milliseconds a token lives when nobody chose: 48 hours, what the real service gives."""

DEFAULT_SCOPE = "view_connectors_deployments:*"


@dataclass(slots=True, kw_only=True)
class Tokens:
    """The tokens issued and not yet over. `lifetime` holds for those still to be issued."""

    chance: Chance
    clock: Clock
    lifetime: int = DEFAULT_LIFETIME
    _expiry: dict[str, int] = field(default_factory=dict)

    def issue(self) -> str:
        """A new token."""
        now = self.clock.now()
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        token = self.chance.letters(32)
        self._expiry[token] = now + self.lifetime
        return token

    def require(self, authorization: str | None) -> None:
        """Pass a request whose Authorization header holds a token that is good now. Raises ApiError 401."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or self._expiry.get(token.strip(), 0) <= self.clock.now():
            raise invalid_token()

    def revoke(self) -> int:
        """End all tokens; how many there were."""
        ended = len(self._expiry)
        self._expiry.clear()
        return ended


def has_client(authorization: str | None) -> bool:
    """Whether HTTP Basic credentials with both an id and a secret are there."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        client, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return bool(client.strip() and secret.strip())


def grant(tokens: Tokens, authorization: str | None, form: MultiMapping[Any]) -> dict[str, Any]:
    """The answer to a token request. Raises ApiError 401 invalid_client, or 400 where the grant type is another."""
    if not has_client(authorization):
        raise no_client()
    if form.get("grant_type") != "client_credentials":
        raise auth_refusal(400, "unsupported_grant_type", "Invalid parameter: grant_type: must be client_credentials")
    return {
        "access_token": tokens.issue(),
        "token_type": "Bearer",
        "expires_in": tokens.lifetime // 1000 if tokens.lifetime % 1000 == 0 else tokens.lifetime / 1000,
        "scope": form.get("scope") or DEFAULT_SCOPE,
    }


def no_client() -> ApiError:
    """Credentials are missing or blank."""
    return auth_refusal(
        401, "invalid_client", "Please provide valid client credentials using HTTP Basic Authentication."
    )


async def form_of(request: web.Request) -> MultiMapping[Any]:
    """The parameters of a token request: in the body, or in the query as the published request collection has them."""
    posted = await request.post()
    return posted if "grant_type" in posted else request.query
