"""Deployments, drafts and Connectors: made, changed and removed at once and without any rule, and what requests come to."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from watcher.simulator.control.reading import body_of, fields_of, part_of
from watcher.simulator.errors import json_response
from watcher.simulator.moves import plan, rollback
from watcher.simulator.simulation import SIMULATOR
from watcher.simulator.steps import Plan, Rollback

Many = Annotated[int, Meta(ge=1, le=1_000_000)]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """How many Deployments to make, and where."""

    count: Many = 1
    projects: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)]


class Several(msgspec.Struct, frozen=True, kw_only=True):
    """How many to make."""

    count: Many = 1


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [
        web.post("/deployments", create_deployments),
        web.post("/deployments/{id}", set_deployment),
        web.delete("/deployments/{id}", remove_deployment),
        web.post("/drafts", create_drafts),
        web.post("/drafts/{id}", set_draft),
        web.delete("/drafts/{id}", remove_draft),
        web.post("/connectors", create_connectors),
        web.post("/connectors/{id}", set_connector),
        web.delete("/connectors/{id}", remove_connector),
        web.post("/plan", plan_outcome),
        web.post("/rollback", roll_back),
    ]


async def create_deployments(request: web.Request) -> web.Response:
    """POST /_sim/deployments: count and projects; every other field is set on each Deployment made."""
    batch, fields = await body_of(request, Batch), await others(request, Batch)
    made = request.app[SIMULATOR].world.create(batch.projects, batch.count, fields)
    named = [{"id": one.id, "key": one.key, "projectKey": one.project} for one in made]
    return json_response({"deployments": named}, 201)


async def set_deployment(request: web.Request) -> web.Response:
    """POST /_sim/deployments/{id}: the fields to replace, null to remove one."""
    fields = await fields_of(request)
    return json_response(request.app[SIMULATOR].world.update(request.match_info["id"], fields).encoded)


async def remove_deployment(request: web.Request) -> web.Response:
    """DELETE /_sim/deployments/{id}: gone at once, without Undeploying."""
    return json_response(request.app[SIMULATOR].world.delete(request.match_info["id"]).encoded)


async def create_drafts(request: web.Request) -> web.Response:
    """POST /_sim/drafts: count; every other field is set on each ConnectorStaged made."""
    batch, fields = await body_of(request, Several), await others(request, Several)
    made = request.app[SIMULATOR].world.create_drafts(batch.count, fields)
    return json_response({"drafts": [{"id": one.id, "key": one.key} for one in made]}, 201)


async def set_draft(request: web.Request) -> web.Response:
    """POST /_sim/drafts/{id}: the fields to replace, null to remove one."""
    fields = await fields_of(request)
    return json_response(request.app[SIMULATOR].world.update_draft(request.match_info["id"], fields).encoded)


async def remove_draft(request: web.Request) -> web.Response:
    """DELETE /_sim/drafts/{id}: gone at once."""
    return json_response(request.app[SIMULATOR].world.delete_draft(request.match_info["id"]).encoded)


async def create_connectors(request: web.Request) -> web.Response:
    """POST /_sim/connectors: count; every other field is set on each Connector made."""
    batch, fields = await body_of(request, Several), await others(request, Several)
    made = request.app[SIMULATOR].world.create_connectors(batch.count, fields)
    return json_response({"connectors": [{"id": one.id, "key": one.key} for one in made]}, 201)


async def set_connector(request: web.Request) -> web.Response:
    """POST /_sim/connectors/{id}: the fields to replace, null to remove one."""
    fields = await fields_of(request)
    return json_response(request.app[SIMULATOR].world.update_connector(request.match_info["id"], fields).encoded)


async def remove_connector(request: web.Request) -> web.Response:
    """DELETE /_sim/connectors/{id}: gone at once."""
    return json_response(request.app[SIMULATOR].world.delete_connector(request.match_info["id"]).encoded)


async def plan_outcome(request: web.Request) -> web.Response:
    """POST /_sim/plan: what the next requests of a kind come to, in the words of a scenario's `plan`."""
    part = await part_of(request, Plan)
    plan(request.app[SIMULATOR].player.stage, part)
    return json_response(part.model_dump(), 201)


async def roll_back(request: web.Request) -> web.Response:
    """POST /_sim/rollback: a lawful rollback, in the words of a scenario's. The API's own path for it is not public."""
    part = await part_of(request, Rollback)
    return json_response(rollback(request.app[SIMULATOR].player.stage, part).encoded, 201)


async def others(request: web.Request, batch: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of a body that are not the batch's own."""
    body = await fields_of(request)
    return {name: value for name, value in body.items() if name not in batch.__struct_fields__}
