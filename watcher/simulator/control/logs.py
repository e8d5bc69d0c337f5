"""Logs: records written to order, and the ways in which reading them ends."""

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from pydantic import Field, model_validator

from watcher.simulator.clock import iso
from watcher.simulator.control.reading import body_of, part_of
from watcher.simulator.duration import read_offset
from watcher.simulator.errors import json_response
from watcher.simulator.moves import Stage, write
from watcher.simulator.simulation import SIMULATOR
from watcher.simulator.state import Resource
from watcher.simulator.steps import Writing


class Request(Writing):
    """Which Deployment, by id or by project and key, and what is written for it."""

    deployment: str | None = None
    project: str | None = None
    key: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def one_way(self) -> "Request":
        """Either way of naming, not both."""
        if (self.deployment is None) == (self.key is None):
            raise ValueError("name a deployment or a key, one of them")
        return self


class Removal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the endpoint is gone, from now and in scenario time, and what it answers then."""

    after: int | float | str = 0
    status: Literal[404, 410] = 404

    def __post_init__(self) -> None:
        """Raise ValueError where `after` is no length of time."""
        read_offset(self.after)


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.post("/logs", write_logs),
        web.post("/logs/expire", expire_cursors),
        web.post("/logs/removed", remove_endpoint),
        web.delete("/logs/removed", restore_endpoint),
    ]


async def write_logs(request: web.Request) -> web.Response:
    """POST /_sim/logs: how many records that made."""
    stage = request.app[SIMULATOR].player.stage
    part = await part_of(request, Request)
    return json_response({"records": write(stage, written_to(stage, part), part)}, 201)


def written_to(stage: Stage, part: Request) -> Resource:
    """The Deployment that is meant. Raises ApiError 404."""
    if part.deployment is not None:
        return stage.world.by_id(part.deployment)
    return stage.world.by_key(part.project or stage.project, part.key or "")


async def expire_cursors(request: web.Request) -> web.Response:
    """POST /_sim/logs/expire: no page token is good any longer."""
    request.app[SIMULATOR].logbook.expire_cursors()
    return web.Response(status=204)


async def remove_endpoint(request: web.Request) -> web.Response:
    """POST /_sim/logs/removed: the endpoint is gone from a moment on."""
    simulator, removal = request.app[SIMULATOR], await body_of(request, Removal)
    simulator.remove_logs(read_offset(removal.after), removal.status)
    return json_response({"removed": iso(simulator.logbook.removed or 0), "status": removal.status}, 201)


async def restore_endpoint(request: web.Request) -> web.Response:
    """DELETE /_sim/logs/removed: the endpoint stays."""
    request.app[SIMULATOR].keep_logs()
    return web.Response(status=204)
