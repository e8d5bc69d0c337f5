"""What there is and what came, for a test or a person to look at."""

from collections.abc import Iterable

import msgspec
from aiohttp import web

from watcher.simulator.control.reading import since
from watcher.simulator.errors import json_response
from watcher.simulator.simulation import SIMULATOR
from watcher.simulator.state import Resource


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.get("/state", show_state),
        web.get("/inbox", show_inbox),
        web.delete("/inbox", empty_inbox),
        web.get("/requests", show_requests),
    ]


async def show_state(request: web.Request) -> web.Response:
    """GET /_sim/state: every resource; Deployments by project and as one list."""
    world = request.app[SIMULATOR].world
    projects = [
        b'%s:{"deployments":[%s]}' % (msgspec.json.encode(key), joined(world.deployments(key).values()))
        for key in world.projects()
    ]
    parts = (
        b'"projects":{%s}' % b",".join(projects),
        b'"deployments":[%s]' % b",".join(with_project(found) for found in world.everything()),
        b'"drafts":[%s]' % joined(world.drafts().values()),
        b'"connectors":[%s]' % joined(world.connectors().values()),
    )
    return json_response(b"{%s}" % b",".join(parts))


async def show_inbox(request: web.Request) -> web.Response:
    """GET /_sim/inbox, optionally without the first `since` messages."""
    return json_response(request.app[SIMULATOR].inbox.messages[since(request) :])


async def empty_inbox(request: web.Request) -> web.Response:
    """DELETE /_sim/inbox."""
    request.app[SIMULATOR].inbox.messages.clear()
    return web.Response(status=204)


async def show_requests(request: web.Request) -> web.Response:
    """GET /_sim/requests, optionally without the first `since` of them."""
    return json_response(request.app[SIMULATOR].requests[since(request) :])


def joined(found: Iterable[Resource]) -> bytes:
    """The JSON of several resources."""
    return b",".join(one.encoded for one in found)


def with_project(found: Resource) -> bytes:
    """The JSON of a Deployment that also says which project it belongs to."""
    return b'{"projectKey":%s,%s' % (msgspec.json.encode(found.project), found.encoded[1:])
