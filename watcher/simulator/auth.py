"""The auth service: client credentials in, bearer tokens out.

Without a policy any client is believed; only its absence is refused. Its token may do, in every project, what the scopes
it asked for are for, and everything where it asked for none. A policy (`Access`) names the clients there are, with the
scopes each has, or the projects there are, or both.
"""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from watcher.simulator.chance import Chance
from watcher.simulator.clock import Clock
from watcher.simulator.errors import ApiError, auth_refusal, invalid_token, refused
from watcher.simulator.facts import SCOPES

DEFAULT_LIFETIME = 172_800_000
"""Milliseconds a token lives when nobody chose: 48 hours, what the real service gives."""

DEFAULT_SCOPE = "view_connectors_deployments:*"
FEW = 20
"""Up to so many projects are named in the scope of a token that asked for none. Clients look for theirs in it."""

EVERY = "*"
"""In place of a project key in a scope: all projects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An API client; its scopes are `{name}:{projectKey}`."""

    id: str
    secret: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may do what. Without `clients` anyone is believed, without `projects` every project exists."""

    clients: tuple[Client, ...] = ()
    projects: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is good for, and until when. Without `limits` it is good for everything, whatever its scope says.

    `client` is the id of the API client that it was issued to.
    """

    expiry: int
    scope: str
    limits: frozenset[str] | None = None
    client: str = ""

    def covers(self, need: str, project: str | None) -> bool:
        """Whether it is good for a request that needs a scope, of that project or, without one, of any."""
        return self.limits is None or any(covers(scope, need, project) for scope in self.limits)

    @property
    def projects(self) -> frozenset[str]:
        """The projects that its scope names; none where it names all of them."""
        found = frozenset(scope.partition(":")[2] for scope in self.scope.split())
        return frozenset() if EVERY in found else found - {""}


@dataclass(slots=True, kw_only=True)
class Tokens:
    """The tokens issued and not yet over. `lifetime` and `access` hold for what is still to be issued or asked."""

    chance: Chance
    clock: Clock
    lifetime: int = DEFAULT_LIFETIME
    access: Access = field(default_factory=Access)
    _grants: dict[str, Grant] = field(default_factory=dict)

    def issue(self, scope: str = DEFAULT_SCOPE, limits: frozenset[str] | None = None, client: str = "") -> str:
        """A new token."""
        now = self.clock.now()
        self._grants = {token: grant for token, grant in self._grants.items() if grant.expiry > now}
        token = self.chance.letters(32)
        self._grants[token] = Grant(expiry=now + self.lifetime, scope=scope, limits=limits, client=client)
        return token

    def require(self, authorization: str | None) -> Grant:
        """Pass a request whose Authorization header holds a token that is good now; what it is good for.

        Raises ApiError 401: AuthenticationError where there is no token, invalid_token where it is not good.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise refused("AuthenticationError")
        grant = self._grants.get(token.strip())
        if grant is None or grant.expiry <= self.clock.now():
            raise invalid_token()
        return grant

    def permit(self, grant: Grant, need: str, project: str | None) -> None:
        """Pass a request that needs a scope, of that project or, without one, of any. Raises ApiError 403."""
        known = self.access.projects
        if project is not None and known is not None and project not in known:
            raise refused("AuthorizationError")
        if not grant.covers(need, project):
            raise refused("AuthorizationError")

    def revoke(self) -> int:
        """End all tokens; how many there were."""
        ended = len(self._grants)
        self._grants.clear()
        return ended


def covers(scope: str, need: str, project: str | None) -> bool:
    """Whether one scope is enough."""
    name, _, its_project = scope.partition(":")
    return name in SCOPES[need] and (project is None or its_project in {project, EVERY})


def credentials(authorization: str | None) -> tuple[str, str] | None:
    """The id and secret of HTTP Basic credentials, where both are there."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (client, secret) if client.strip() and secret.strip() else None


def grant(
    tokens: Tokens, authorization: str | None, form: MultiMapping[Any], projects: Sequence[str] = ()
) -> dict[str, Any]:
    """The answer to a token request; `projects` are those there are.

    Raises ApiError 401 invalid_client, or 400 for another grant type or a scope that the client does not have.
    """
    given = credentials(authorization)
    if given is None:
        raise no_client()
    if form.get("grant_type") != "client_credentials":
        raise auth_refusal(400, "unsupported_grant_type", "Invalid parameter: grant_type: must be client_credentials")
    wanted = str(form.get("scope") or "")
    scope, limits = limited(tokens.access, given, wanted) if tokens.access.clients else believed(wanted, projects)
    return {
        "access_token": tokens.issue(scope, limits, given[0]),
        "token_type": "Bearer",
        "expires_in": tokens.lifetime // 1000 if tokens.lifetime % 1000 == 0 else tokens.lifetime / 1000,
        "scope": scope,
    }


def believed(wanted: str, projects: Sequence[str]) -> tuple[str, frozenset[str] | None]:
    """The scope that any client gets, and what it limits the token to."""
    if wanted:
        return wanted, frozenset(f"{scope.partition(':')[0]}:{EVERY}" for scope in wanted.split())
    named = [f"manage_project:{project}" for project in projects] if len(projects) <= FEW else []
    return " ".join(named) or DEFAULT_SCOPE, None


def limited(access: Access, given: tuple[str, str], wanted: str) -> tuple[str, frozenset[str]]:
    """The scope that a client of the policy gets, and what it limits the token to.

    Raises ApiError 401 invalid_client, or 400 invalid_scope where it has nothing of what it asks for.
    """
    client = next((one for one in access.clients if (one.id, one.secret) == given), None)
    if client is None:
        raise no_client()
    scopes = [scope for scope in client.scopes if scope in wanted.split()] if wanted else client.scopes
    if not scopes:
        raise auth_refusal(400, "invalid_scope", "Permissions exceeded")
    return " ".join(scopes), frozenset(scopes)


def no_client() -> ApiError:
    """Credentials are missing, blank or nobody's."""
    return auth_refusal(
        401, "invalid_client", "Please provide valid client credentials using HTTP Basic Authentication."
    )


async def form_of(request: web.Request) -> MultiMapping[Any]:
    """The parameters of a token request: in the body, or in the query as the published request collection has them.

    Raises ApiError 400 invalid_request where the body is no form.
    """
    try:
        posted = await request.post()
    except (ValueError, LookupError):  # bytes that are no text, parts that are none, a charset nobody knows
        raise auth_refusal(400, "invalid_request", "Invalid request body") from None
    return posted if "grant_type" in posted else request.query
