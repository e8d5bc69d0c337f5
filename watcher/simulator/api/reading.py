"""What every endpoint begins with: whether the request may be made, and what it is about."""

from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from watcher.simulator.auth import Grant
from watcher.simulator.decoding import decoded
from watcher.simulator.errors import invalid_json, invalid_path, invalid_query
from watcher.simulator.facts import ID, KEY
from watcher.simulator.numeral import whole
from watcher.simulator.simulation import SIMULATOR, Simulator
from watcher.simulator.state import Reference, World

BY_ID, BY_KEY = "{id:[^/]+}", "key={key:[^/]+}"
"""The ends of paths. Whatever stands there is the resource's to judge; the framework's own pattern leaves out braces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorized:
    """A request that may be made: the simulation it reaches, and what its token is good for."""

    simulator: Simulator
    grant: Grant

    @property
    def world(self) -> World:
        """The resources."""
        return self.simulator.world


def authorized(request: web.Request, need: str) -> Authorized:
    """Let a request in that needs that scope. Raises ApiError 401 or 403."""
    simulator = request.app[SIMULATOR]
    grant = simulator.tokens.require(request.headers.get("Authorization"))
    simulator.tokens.permit(grant, need, request.match_info.get("projectKey"))
    return Authorized(simulator=simulator, grant=grant)


def reference_of(request: web.Request) -> Reference:
    """The resource that a path names, by id or by key. Raises ApiError 400 InvalidPathParam where it can be neither."""
    key, found = request.match_info.get("key"), request.match_info.get("id", "")
    if key is not None:
        if KEY.fullmatch(key) is None:
            raise invalid_path(f"key must match {KEY.pattern}: {key}")
        return "key", key
    if ID.fullmatch(found) is None:
        raise invalid_path(f"not a UUID: {found}")
    return "id", found


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON object that a request carries. Raises ApiError 400 InvalidJsonInput."""
    try:
        return msgspec.convert(decoded(await request.read()), dict[str, Any])
    except msgspec.ValidationError as error:
        raise invalid_json(str(error)) from None


def version_of(request: web.Request) -> int | None:
    """The `version` parameter of a deletion, where there is one. Raises ApiError 400 InvalidQueryParam.

    The official description has no such parameter; deployment scripts in use send it.
    """
    text = request.query.get("version")
    if text is None:
        return None
    found = whole(text)
    if found is None:
        raise invalid_query("version must be a whole number")
    return found


def parameters_of(request: web.Request) -> list[tuple[str, str]]:
    """The query in its order."""
    return list(request.query.items())
