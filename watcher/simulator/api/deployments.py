"""Deployments."""

from aiohttp import web

from watcher.simulator.api.reading import BY_ID, BY_KEY, authorized, body_of, parameters_of, reference_of, version_of
from watcher.simulator.errors import json_response
from watcher.simulator.listing import page, read_query

VIEW, MANAGE, CLIENTS = "view_connectors_deployments", "manage_connectors_deployments", "manage_api_clients"
ALL = "/{projectKey}/deployments"


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    made = [web.get(ALL, query_deployments), web.post(ALL, create_deployment)]
    for path in (f"{ALL}/{BY_KEY}", f"{ALL}/{BY_ID}"):
        made += [
            web.get(path, get_deployment),
            web.post(path, update_deployment),
            web.delete(path, delete_deployment),
        ]
    return made


async def query_deployments(request: web.Request) -> web.Response:
    """GET /{projectKey}/deployments."""
    world = authorized(request, VIEW).world
    query = read_query(parameters_of(request))
    return json_response(page(world.deployments(request.match_info["projectKey"]), query))


async def create_deployment(request: web.Request) -> web.Response:
    """POST /{projectKey}/deployments."""
    asked, project = authorized(request, MANAGE), request.match_info["projectKey"]
    clients = asked.grant.covers(CLIENTS, project)
    made = asked.world.request_deploy(project, await body_of(request), clients=clients)
    return json_response(made.encoded, 201)


async def get_deployment(request: web.Request) -> web.Response:
    """GET one."""
    world, ref = authorized(request, VIEW).world, reference_of(request)
    return json_response(world.deployment(request.match_info["projectKey"], ref).encoded)


async def update_deployment(request: web.Request) -> web.Response:
    """POST one: redeploy."""
    world, ref = authorized(request, MANAGE).world, reference_of(request)
    changed = world.request_redeploy(request.match_info["projectKey"], ref, await body_of(request))
    return json_response(changed.encoded, 201)


async def delete_deployment(request: web.Request) -> web.Response:
    """DELETE one: accepted, and under way."""
    world, ref = authorized(request, MANAGE).world, reference_of(request)
    leaving = world.request_undeploy(request.match_info["projectKey"], ref, version_of(request))
    return json_response(leaving.encoded, 202)
