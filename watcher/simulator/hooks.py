"""The receiving end of a watcher's messages: an incoming webhook as Slack has it, and one that takes anything."""

from aiohttp import web

from watcher.simulator.errors import json_response
from watcher.simulator.inbox import read_json, read_slack
from watcher.simulator.journal import ENTRY
from watcher.simulator.simulation import SIMULATOR
from watcher.simulator.slack import refusal


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.post("/slack/hook{tail:(/.*)?}", take_slack),
        web.post("/inbox{tail:(/.*)?}", take_webhook),
        web.put("/inbox{tail:(/.*)?}", take_webhook),
    ]


async def take_slack(request: web.Request) -> web.Response:
    """POST /slack/hook/…: taken or refused in Slack's one-word texts."""
    payload = read_slack(await request.read(), request.content_type)
    why = refusal(payload)
    request[ENTRY].accepted = why is None
    if why is None:
        request.app[SIMULATOR].inbox.take("slack", request, payload)
    return web.Response(text=why or "ok", status=400 if why else 200, content_type="text/html")


async def take_webhook(request: web.Request) -> web.Response:
    """POST or PUT /inbox/…: always taken."""
    request[ENTRY].accepted = True
    request.app[SIMULATOR].inbox.take("webhook", request, read_json(await request.read()))
    return json_response({"ok": True})
