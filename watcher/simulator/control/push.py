"""Pushing logs to an OTLP receiver: begun, looked at, ended."""

from aiohttp import web

from watcher.simulator.control.reading import part_of
from watcher.simulator.errors import json_response
from watcher.simulator.pushing import Pushing, shown
from watcher.simulator.simulation import SIMULATOR


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [web.post("/push", begin), web.get("/push", show), web.delete("/push", end)]


async def begin(request: web.Request) -> web.Response:
    """POST /_sim/push: forwarding begins now, in place of one under way. A new one knows nothing of what that one did."""
    simulator = request.app[SIMULATOR]
    how = await part_of(request, Pushing)
    await simulator.stop_push()
    return json_response(shown(simulator.begin_push(how)), 201)


async def show(request: web.Request) -> web.Response:
    """GET /_sim/push: where to, and what has come of it."""
    return json_response(shown(request.app[SIMULATOR].exporter))


async def end(request: web.Request) -> web.Response:
    """DELETE /_sim/push: no more is sent."""
    await request.app[SIMULATOR].stop_push()
    return web.Response(status=204)
