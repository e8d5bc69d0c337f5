"""The auth service."""

from aiohttp import web

from watcher.simulator.auth import form_of, grant
from watcher.simulator.errors import json_response
from watcher.simulator.simulation import SIMULATOR


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [web.post("/oauth/token", issue_token)]


async def issue_token(request: web.Request) -> web.Response:
    """POST /oauth/token."""
    simulator = request.app[SIMULATOR]
    projects = simulator.world.projects()
    granted = grant(simulator.tokens, request.headers.get("Authorization"), await form_of(request), projects)
    return json_response(granted, headers={"Cache-Control": "no-store"})
