"""The control API under /_sim: what a test, a script or a person does to the simulation. It is never faulty itself."""

from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from watcher.simulator.clock import iso
from watcher.simulator.errors import ApiError, error_body, invalid_json, invalid_query, json_response
from watcher.simulator.faults import Fault
from watcher.simulator.simulation import SIMULATOR
from watcher.simulator.state import Resource

Wanted = TypeVar("Wanted")


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """How many Deployments to make, and where."""

    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    projects: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)]


class Lifetime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds that tokens live which are issued from now on."""

    expires_in: Annotated[float, Meta(gt=0)]


def control_app() -> web.Application:
    """The control API as an application of its own, to be mounted under /_sim."""
    app = web.Application()
    app.add_routes(
        [
            web.get("/state", show_state),
            web.get("/inbox", show_inbox),
            web.delete("/inbox", empty_inbox),
            web.get("/requests", show_requests),
            web.post("/deployments", create_deployments),
            web.post("/deployments/{id}", set_deployment),
            web.delete("/deployments/{id}", remove_deployment),
            web.post("/faults", add_fault),
            web.get("/faults", show_faults),
            web.delete("/faults", clear_faults),
            web.delete("/faults/{number:[0-9]+}", drop_fault),
            web.post("/tokens", set_lifetime),
            web.post("/tokens/revoke", revoke_tokens),
            web.get("/clock", show_clock),
            web.get("/scenario", show_scenario),
            web.post("/step", play_step),
        ]
    )
    return app


async def show_state(request: web.Request) -> web.Response:
    """GET /_sim/state: every resource, by project and as one list."""
    world = request.app[SIMULATOR].world
    projects = [
        b'%s:{"deployments":[%s]}' % (msgspec.json.encode(key), joined(world.deployments(key).values()))
        for key in world.projects()
    ]
    everything = b",".join(with_project(found) for found in world.everything())
    return json_response(b'{"projects":{%s},"deployments":[%s]}' % (b",".join(projects), everything))


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


async def create_deployments(request: web.Request) -> web.Response:
    """POST /_sim/deployments: count and projects; every other field is set on each Deployment made."""
    body = await body_of(request, dict[str, Any])
    batch = await body_of(request, Batch)
    fields = {name: value for name, value in body.items() if name not in Batch.__struct_fields__}
    made = request.app[SIMULATOR].world.create(batch.projects, batch.count, fields)
    named = [{"id": one.id, "key": one.key, "projectKey": one.project} for one in made]
    return json_response({"deployments": named}, 201)


async def set_deployment(request: web.Request) -> web.Response:
    """POST /_sim/deployments/{id}: the fields to replace, null to remove one."""
    fields = await body_of(request, dict[str, Any])
    return json_response(request.app[SIMULATOR].world.update(request.match_info["id"], fields).encoded)


async def remove_deployment(request: web.Request) -> web.Response:
    """DELETE /_sim/deployments/{id}: gone at once, without Undeploying."""
    return json_response(request.app[SIMULATOR].world.delete(request.match_info["id"]).encoded)


async def add_fault(request: web.Request) -> web.Response:
    """POST /_sim/faults."""
    return json_response({"id": request.app[SIMULATOR].faults.add(await body_of(request, Fault))}, 201)


async def show_faults(request: web.Request) -> web.Response:
    """GET /_sim/faults: those still waiting, with what is left of their count."""
    waiting = request.app[SIMULATOR].faults.waiting
    return json_response([{"id": number, **msgspec.to_builtins(fault)} for number, fault in waiting.items()])


async def clear_faults(request: web.Request) -> web.Response:
    """DELETE /_sim/faults."""
    request.app[SIMULATOR].faults.clear()
    return web.Response(status=204)


async def drop_fault(request: web.Request) -> web.Response:
    """DELETE /_sim/faults/{id}."""
    number = int(request.match_info["number"])
    if not request.app[SIMULATOR].faults.drop(number):
        raise ApiError(404, error_body(404, "ResourceNotFound", f"Fault with id={number} does not exist"))
    return web.Response(status=204)


async def set_lifetime(request: web.Request) -> web.Response:
    """POST /_sim/tokens: how long tokens live that are issued from now on."""
    lifetime = await body_of(request, Lifetime)
    request.app[SIMULATOR].tokens.lifetime = round(lifetime.expires_in * 1000)
    return json_response(lifetime)


async def revoke_tokens(request: web.Request) -> web.Response:
    """POST /_sim/tokens/revoke."""
    return json_response({"revoked": request.app[SIMULATOR].tokens.revoke()})


async def show_clock(request: web.Request) -> web.Response:
    """GET /_sim/clock."""
    return json_response({"now": iso(request.app[SIMULATOR].clock.now())})


async def show_scenario(request: web.Request) -> web.Response:
    """GET /_sim/scenario: how far it has been played, and the messages it expects. Moments are in milliseconds."""
    player = request.app[SIMULATOR].player
    return json_response(
        {
            "steps": len(player.scenario.steps),
            "done": player.done,
            "failures": player.failures,
            "transitions": player.world.transitions,
            "expect": [expected.model_dump() for expected in player.scenario.expect],
        }
    )


async def play_step(request: web.Request) -> web.Response:
    """POST /_sim/step: play the next step at once; `at` is null when none was left."""
    player = request.app[SIMULATOR].player
    step = player.step()
    return json_response({"at": step and step.at, "left": len(player.scenario.steps) - player.done})


async def body_of(request: web.Request, kind: type[Wanted]) -> Wanted:
    """The JSON body as `kind`. Raises ApiError 400 that says what is wrong and where."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise invalid_json(str(error)) from None


def since(request: web.Request) -> int:
    """How many of a list's first entries the caller knows already."""
    text = request.query.get("since", "0")
    if not (text.isascii() and text.isdigit()):
        raise invalid_query("since must be a whole number")
    return int(text)


def joined(found: Any) -> bytes:
    """The JSON of several Deployments."""
    return b",".join(one.encoded for one in found)


def with_project(found: Resource) -> bytes:
    """The JSON of a Deployment that also says which project it belongs to."""
    return b'{"projectKey":%s,%s' % (msgspec.json.encode(found.project), found.encoded[1:])
