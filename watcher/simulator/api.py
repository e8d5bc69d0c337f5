"""The Connect API's own endpoints: tokens and Deployments. Paths, bounds and bodies as officially described."""

import re

from aiohttp import web

from watcher.simulator.auth import form_of, grant
from watcher.simulator.errors import deployment_not_found, invalid_path, json_response
from watcher.simulator.listing import page, read_query
from watcher.simulator.simulation import SIMULATOR, Simulator

KEY = re.compile(r"[A-Za-z0-9_-]{2,256}")
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.post("/oauth/token", issue_token),
        web.get("/{projectKey}/deployments", query_deployments),
        web.get("/{projectKey}/deployments/key={key}", get_by_key),
        web.get("/{projectKey}/deployments/{id}", get_by_id),
    ]


async def issue_token(request: web.Request) -> web.Response:
    """POST /oauth/token."""
    simulator = request.app[SIMULATOR]
    granted = grant(simulator.tokens, request.headers.get("Authorization"), await form_of(request))
    return json_response(granted, headers={"Cache-Control": "no-store"})


async def query_deployments(request: web.Request) -> web.Response:
    """GET /{projectKey}/deployments."""
    simulator = authorized(request)
    query = read_query(list(request.query.items()))
    return json_response(page(simulator.world.deployments(request.match_info["projectKey"]), query))


async def get_by_id(request: web.Request) -> web.Response:
    """GET /{projectKey}/deployments/{id}."""
    simulator, project, wanted = authorized(request), request.match_info["projectKey"], request.match_info["id"]
    found = simulator.world.deployments(project).get(wanted)
    if found is None:
        raise deployment_not_found(f"id={wanted}") if ID.fullmatch(wanted) else invalid_path(f"not a UUID: {wanted}")
    return json_response(found.encoded)


async def get_by_key(request: web.Request) -> web.Response:
    """GET /{projectKey}/deployments/key={key}."""
    simulator, project, wanted = authorized(request), request.match_info["projectKey"], request.match_info["key"]
    if KEY.fullmatch(wanted) is None:
        raise invalid_path(f"key must match {KEY.pattern}: {wanted}")
    return json_response(simulator.world.by_key(project, wanted).encoded)


def authorized(request: web.Request) -> Simulator:
    """The simulation, for a request with a good token. Raises ApiError 401."""
    simulator = request.app[SIMULATOR]
    simulator.tokens.require(request.headers.get("Authorization"))
    return simulator
