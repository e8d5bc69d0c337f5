"""The Slack workspace: looked at, and what is wrong with it."""

import msgspec
from aiohttp import web

from watcher.simulator.control.reading import body_of
from watcher.simulator.errors import json_response, not_found
from watcher.simulator.simulation import SIMULATOR
from watcher.simulator.slack_people import PressError
from watcher.simulator.slack_team import shown


class Workspace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the bot may do, the code that its token is refused with, where it is, and user groups with their members."""

    scopes: list[str] | None = None
    refusing: str | None = None
    groups: dict[str, list[str]] | None = None


class Pressing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who presses which button: of a message, or of the newest that has it."""

    action: str
    user: str = "U0PERSON"
    name: str = "person"
    ts: str = ""


class Ending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why connections end, in Slack's words."""

    reason: str = "refresh_requested"


class Standing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is the matter with a channel."""

    archived: bool = False
    member: bool = True
    missing: bool = False


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.get("/slack", show),
        web.post("/slack", change),
        web.post("/slack/channels/{name}", change_channel),
        web.delete("/slack/messages/{ts}", delete_message),
        web.post("/slack/press", press),
        web.post("/slack/disconnect", disconnect),
    ]


async def show(request: web.Request) -> web.Response:
    """GET /_sim/slack: channels, messages, threads."""
    simulator = request.app[SIMULATOR]
    whispers = msgspec.to_builtins(simulator.people.whispers)
    return json_response({**shown(simulator.slack), "sockets": len(simulator.sockets.lines), "whispers": whispers})


async def change(request: web.Request) -> web.Response:
    """POST /_sim/slack: scopes, or the code that tokens are refused with; "" ends that."""
    team, wanted = request.app[SIMULATOR].slack, await body_of(request, Workspace)
    if wanted.scopes is not None:
        team.scopes = set(wanted.scopes)
    if wanted.refusing is not None:
        team.refusing = wanted.refusing
    if wanted.groups is not None:
        team.groups = wanted.groups
    return json_response(shown(team))


async def change_channel(request: web.Request) -> web.Response:
    """POST /_sim/slack/channels/{name}: archived, without the bot, missing; what is not said is well."""
    channel = request.app[SIMULATOR].slack.channel(request.match_info["name"])
    wanted = await body_of(request, Standing)
    channel.archived, channel.member, channel.missing = wanted.archived, wanted.member, wanted.missing
    return json_response({"id": channel.id, "name": channel.name, **msgspec.to_builtins(wanted)})


async def delete_message(request: web.Request) -> web.Response:
    """DELETE /_sim/slack/messages/{ts}: a person deletes it."""
    if not request.app[SIMULATOR].slack.delete(request.match_info["ts"]):
        raise not_found("Message", f"ts={request.match_info['ts']}")
    return web.Response(status=204)


async def press(request: web.Request) -> web.Response:
    """POST /_sim/slack/press: a person presses a button, and the app is told over Socket Mode; whether it took it."""
    wanted = await body_of(request, Pressing)
    try:
        taken = await request.app[SIMULATOR].press(wanted.action, user=wanted.user, name=wanted.name, ts=wanted.ts)
    except PressError:
        raise not_found("Button", f"action={wanted.action}") from None
    return json_response({"acknowledged": taken})


async def disconnect(request: web.Request) -> web.Response:
    """POST /_sim/slack/disconnect: Slack says that it will end its connections; `closed` ends them without a word."""
    sockets, wanted = request.app[SIMULATOR].sockets, await body_of(request, Ending)
    await (sockets.close() if wanted.reason == "closed" else sockets.disconnect(wanted.reason))
    return web.Response(status=204)
