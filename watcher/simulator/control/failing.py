"""Faults and tokens: what goes wrong for the next requests."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from watcher.simulator.control.reading import body_of
from watcher.simulator.errors import json_response, not_found
from watcher.simulator.faults import Fault
from watcher.simulator.numeral import whole
from watcher.simulator.simulation import SIMULATOR


class Lifetime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds that tokens live which are issued from now on."""

    expires_in: Annotated[float, Meta(gt=0, le=1e9)]


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.post("/faults", add_fault),
        web.get("/faults", show_faults),
        web.delete("/faults", clear_faults),
        web.delete("/faults/{number:[0-9]+}", drop_fault),
        web.post("/tokens", set_lifetime),
        web.post("/tokens/revoke", revoke_tokens),
    ]


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
    number = whole(request.match_info["number"])
    if number is None or not request.app[SIMULATOR].faults.drop(number):
        raise not_found("Fault", f"id={request.match_info['number']}")
    return web.Response(status=204)


async def set_lifetime(request: web.Request) -> web.Response:
    """POST /_sim/tokens: how long tokens live that are issued from now on."""
    lifetime = await body_of(request, Lifetime)
    request.app[SIMULATOR].tokens.lifetime = round(lifetime.expires_in * 1000)
    return json_response(lifetime)


async def revoke_tokens(request: web.Request) -> web.Response:
    """POST /_sim/tokens/revoke."""
    return json_response({"revoked": request.app[SIMULATOR].tokens.revoke()})
