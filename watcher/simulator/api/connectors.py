"""Published Connectors: read only. A private one is there for the Projects that may have it.

A request tells its Project by the scope of its token; one for all Projects, or without a scope, sees everything.
"""

from collections.abc import Mapping

from aiohttp import web

from watcher.simulator.api.reading import BY_ID, BY_KEY, Authorized, authorized, parameters_of, reference_of
from watcher.simulator.connectors import worded
from watcher.simulator.deploying import accessible
from watcher.simulator.errors import json_response, not_found
from watcher.simulator.listing import page, read_search
from watcher.simulator.state import Resource

VIEW = "view_connectors"


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.get("/connectors/search", search_connectors),
        web.get(f"/connectors/{BY_KEY}", get_connector),
        web.get(f"/connectors/{BY_ID}", get_connector),
    ]


async def search_connectors(request: web.Request) -> web.Response:
    """GET /connectors/search."""
    asked = authorized(request, VIEW)
    return json_response(page(listed(asked), read_search(parameters_of(request))))


async def get_connector(request: web.Request) -> web.Response:
    """GET one; an unlisted one too."""
    asked, ref = authorized(request, VIEW), reference_of(request)
    found = asked.world.connector(ref)
    if not visible(asked, found):
        raise not_found("Connector", worded(ref))
    return json_response(found.encoded)


def listed(asked: Authorized) -> Mapping[str, Resource]:
    """The Connectors that a search can find."""
    world = asked.world
    return {
        found.id: found
        for found in world.connectors().values()
        if found.id not in world.unlisted and visible(asked, found)
    }


def visible(asked: Authorized, found: Resource) -> bool:
    """Whether the request's Project may have a Connector."""
    grant = asked.grant
    return grant.limits is None or not grant.projects or accessible(asked.world, found, grant.projects)
