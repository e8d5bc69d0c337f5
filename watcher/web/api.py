"""`/api/v1`: what is so, what was given up, what is silenced, and the few things that can be done about it.

Every operation is a row of `OPERATIONS`: its input and its answer are models, which check the one, write the other and
describe both at `/api/v1/openapi.json`. What goes wrong is a problem object that says what to do; nothing that a client
sends leads to a 500.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from pydantic import BaseModel

from watcher.errors import StoreError
from watcher.web import api_door
from watcher.web.api_letters import get_dead_letter, list_dead_letters, replay_dead_letters
from watcher.web.api_live import alerts, deployments
from watcher.web.api_models import (
    Acknowledge,
    Acknowledged,
    AlertQuery,
    Alerts,
    AuditQuery,
    AuditTrail,
    DeadLetterQuery,
    DeadLetters,
    DeadLetterWhole,
    DeploymentQuery,
    Deployments,
    Expiry,
    NewSilence,
    OfId,
    Replay,
    Replayed,
    SilenceModel,
    SilenceQuery,
    Silences,
)
from watcher.web.api_openapi import document
from watcher.web.api_operating import (
    acknowledge,
    create_silence,
    expire_silence,
    list_audit,
    list_silences,
    matchers,
)
from watcher.web.api_problem import ProblemError, of_http, response
from watcher.web.api_table import Operation, input_of
from watcher.web.api_world import Live

log = structlog.get_logger(__name__)

BASE = "/api/v1"
MAX_BODY = 64 * 1024
PATIENCE_SECONDS = 15.0
"""How long an answer may take, its body's way here included."""

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def list_alerts(live: Live, query: AlertQuery) -> Alerts:
    """The alerts there are."""
    wanted = matchers(query.filter, "filter")
    standing, silences = await live.store.load_standing(), await live.operating.silences()
    return alerts(standing, silences, query, wanted, live.clock.now())


async def list_deployments(live: Live, query: DeploymentQuery) -> Deployments:
    """The Deployments there are."""
    return deployments(await live.store.load_inventory(query.project), query, live.clean)


_NOT_FOUND = {HTTPStatus.NOT_FOUND: "There is no such thing."}
OPERATIONS: tuple[Operation[Live], ...] = (
    Operation(
        method="GET",
        path="/alerts",
        summary="Alerts",
        takes=AlertQuery,
        answers=Alerts,
        verb=list_alerts,
    ),
    Operation(
        method="GET",
        path="/deployments",
        summary="Deployments, and how well they are seen",
        takes=DeploymentQuery,
        answers=Deployments,
        verb=list_deployments,
    ),
    Operation(
        method="GET",
        path="/deadletters",
        summary="Dead letters",
        takes=DeadLetterQuery,
        answers=DeadLetters,
        verb=list_dead_letters,
    ),
    Operation(
        method="GET",
        path="/deadletters/{id}",
        summary="One dead letter with its payload",
        takes=OfId,
        answers=DeadLetterWhole,
        verb=get_dead_letter,
        refuses=_NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/deadletters/replay",
        summary="Send dead letters again",
        takes=Replay,
        answers=Replayed,
        verb=replay_dead_letters,
        refuses={HTTPStatus.CONFLICT: "Their sink is no longer configured."},
    ),
    Operation(
        method="GET",
        path="/silences",
        summary="Silences",
        takes=SilenceQuery,
        answers=Silences,
        verb=list_silences,
    ),
    Operation(
        method="POST",
        path="/silences",
        summary="Make a silence",
        takes=NewSilence,
        answers=SilenceModel,
        verb=create_silence,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        method="DELETE",
        path="/silences/{id}",
        summary="End a silence now",
        takes=Expiry,
        answers=SilenceModel,
        verb=expire_silence,
        refuses=_NOT_FOUND,
    ),
    Operation(
        method="POST",
        path="/acknowledge",
        summary="Acknowledge what fires in a group",
        takes=Acknowledge,
        answers=Acknowledged,
        verb=acknowledge,
        refuses=_NOT_FOUND,
    ),
    Operation(
        method="GET",
        path="/audit",
        summary="Who has done what",
        takes=AuditQuery,
        answers=AuditTrail,
        verb=list_audit,
    ),
)


def api(live: Live) -> web.Application:
    """The API as an application of its own, to be put under `BASE`."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_edge(live)])
    app.on_response_prepare.append(api_door.harden)
    for each in OPERATIONS:
        app.router.add_route(each.method, each.path, partial(_answer, live, each))
    described = json.dumps(document(OPERATIONS, BASE)).encode()
    app.router.add_get("/openapi.json", partial(_describe, described))
    return app


async def _answer(live: Live, operation: Operation[Live], request: web.Request) -> web.Response:
    asked = await input_of(request, operation.takes, has_body=operation.has_body)
    return _json(await operation.verb(live, asked), operation.status)


async def _describe(described: bytes, _request: web.Request) -> web.Response:
    return web.Response(body=described, content_type="application/json")


def _json(answer: BaseModel, status: HTTPStatus) -> web.Response:
    """An answer in ASCII: what of its texts cannot be encoded is escaped."""
    body = json.dumps(answer.model_dump(mode="json")).encode()
    return web.Response(status=status, body=body, content_type="application/json")


def _edge(live: Live) -> Any:
    """Everything that every request passes: who may ask, how long it may take, and what is said when it goes wrong.

    aiohttp calls what is inside by the name `handler`.
    """

    @web.middleware
    async def edge(request: web.Request, handler: Answering) -> web.StreamResponse:
        try:
            api_door.admit(api_door.call_of(request), live.token)
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await handler(request)
        except ProblemError as error:
            problem = error
        except web.HTTPException as error:
            problem = of_http(error)
        except (StoreError, TimeoutError):
            problem = ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "the database does not answer: try again later")
        except Exception:
            log.exception("api.failed", method=request.method)
            problem = ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here: the log says what")
        return response(problem)

    return edge
