"""The receiving end of a watcher's messages: Slack's incoming webhook and Web API, and a webhook that takes anything."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from watcher.simulator.errors import json_response
from watcher.simulator.inbox import read_json, read_slack
from watcher.simulator.journal import ENTRY
from watcher.simulator.simulation import SIMULATOR
from watcher.simulator.slack import refusal
from watcher.simulator.slack_people import ANSWERS
from watcher.simulator.slack_socket import PATH
from watcher.simulator.slack_team import CONNECT, FORM_ONLY


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.post("/slack/hook{tail:(/.*)?}", take_slack),
        web.post("/slack/api/{method}", take_call),
        web.get("/slack/api/{method}", take_call),
        web.post(f"{ANSWERS}{{team}}/{{number}}", take_answer),
        web.get(f"{PATH}{{ticket}}", hold),
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


async def take_call(request: web.Request) -> web.Response:
    """POST or GET /slack/api/{method}: answered as the Web API does; what was posted or edited is in the inbox, with its `ts`."""
    simulator, method = request.app[SIMULATOR], request.match_info["method"]
    is_asked = request.method == hdrs.METH_GET
    arguments = dict(request.query) if is_asked else arguments_of(await request.read(), request.content_type)
    if arguments is None:
        return json_response({"ok": False, "error": "invalid_json"})
    if method in FORM_ONLY and request.content_type == "application/json":
        arguments = {}
    token = request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ") or str(arguments.get("token") or "")
    answer = simulator.slack.call(method, token, arguments)
    request[ENTRY].accepted = answer.body["ok"]
    if answer.body["ok"] and method.startswith("chat."):
        given = {name: value for name, value in arguments.items() if name != "token"}
        simulator.inbox.take("slack", request, {**given, "ts": answer.body.get("ts")})
    address = {"url": simulator.sockets.address(simulator.url)} if method == CONNECT and answer.body["ok"] else {}
    return json_response({**answer.body, **address}, answer.status, answer.headers)


async def take_answer(request: web.Request) -> web.Response:
    """POST /slack/actions/…: what an app says to a press."""
    simulator = request.app[SIMULATOR]
    payload = read_json(await request.read())
    why = simulator.people.answer(request.match_info["number"], payload)
    request[ENTRY].accepted = why is None
    if why is None:
        simulator.inbox.take("slack", request, payload)
    return json_response({"ok": why is None, **({"error": why} if why else {})}, 404 if why else 200)


async def hold(request: web.Request) -> web.StreamResponse:
    """GET /slack/socket/…: a connection of Socket Mode."""
    return await request.app[SIMULATOR].sockets.hold(request)


def arguments_of(raw: bytes, content_type: str) -> Mapping[str, Any] | None:
    """The arguments of a call, as JSON or as a form whose structured values are JSON; `None` where they are neither."""
    if content_type == "application/json":
        found = read_json(raw)
        return found if isinstance(found, dict) else None
    pairs: dict[str, Any] = dict(parse_qsl(raw.decode(errors="replace")))
    structured: dict[str, Any] = {
        name: read_json(pairs[name].encode()) for name in ("blocks", "attachments", "metadata") if name in pairs
    }
    return {**pairs, **structured}


async def take_webhook(request: web.Request) -> web.Response:
    """POST or PUT /inbox/…: always taken."""
    request[ENTRY].accepted = True
    request.app[SIMULATOR].inbox.take("webhook", request, read_json(await request.read()))
    return json_response({"ok": True})
