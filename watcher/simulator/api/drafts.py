"""ConnectorStaged. Their paths have no project key; a token for any project will do.

Which drafts a token shows is not documented. Here it is all of them, but for those that are visible to some API clients
only: of these no other client can list, read, change or delete any.
"""

from collections.abc import Mapping

from aiohttp import web

from watcher.simulator.api.reading import (
    BY_ID,
    BY_KEY,
    Authorized,
    authorized,
    body_of,
    parameters_of,
    reference_of,
    version_of,
)
from watcher.simulator.errors import json_response
from watcher.simulator.listing import page, read_draft_query
from watcher.simulator.state import Resource

VIEW, MANAGE = "view_connectors", "manage_connectors"
ALL = "/connectors/drafts"


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    made = [web.get(ALL, query_drafts), web.post(ALL, create_draft)]
    for path in (f"{ALL}/{BY_KEY}", f"{ALL}/{BY_ID}"):
        made += [web.get(path, get_draft), web.post(path, update_draft), web.delete(path, delete_draft)]
    return made


async def query_drafts(request: web.Request) -> web.Response:
    """GET /connectors/drafts."""
    asked = authorized(request, VIEW)
    return json_response(page(seen(asked), read_draft_query(parameters_of(request))))


async def create_draft(request: web.Request) -> web.Response:
    """POST /connectors/drafts."""
    world = authorized(request, MANAGE).world
    return json_response(world.request_draft_create(await body_of(request)).encoded, 201)


async def get_draft(request: web.Request) -> web.Response:
    """GET one."""
    asked, ref = authorized(request, VIEW), reference_of(request)
    return json_response(asked.world.seen(ref, asked.grant.client).encoded)


async def update_draft(request: web.Request) -> web.Response:
    """POST one: update actions. Comments on a certification are by the Project of the token."""
    asked, ref = authorized(request, MANAGE), reference_of(request)
    asked.world.seen(ref, asked.grant.client)
    author = next(iter(sorted(asked.grant.projects)), "")
    return json_response(asked.world.request_draft_update(ref, await body_of(request), author).encoded, 201)


async def delete_draft(request: web.Request) -> web.Response:
    """DELETE one, and its Connector with it."""
    asked, ref = authorized(request, MANAGE), reference_of(request)
    asked.world.seen(ref, asked.grant.client)
    return json_response(asked.world.request_draft_delete(ref, version_of(request)).encoded)


def seen(asked: Authorized) -> Mapping[str, Resource]:
    """The drafts that the client knows of."""
    world, client = asked.world, asked.grant.client
    drafts = world.drafts()
    if not world.audiences:
        return drafts
    return {draft_id: one for draft_id, one in drafts.items() if world.is_seen(draft_id, client)}
