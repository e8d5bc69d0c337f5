"""The door every request comes through: it is noted, meets its fault, and is answered in the API's form."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

import msgspec
from aiohttp import web
from msgspec import UNSET

from watcher.simulator import slack
from watcher.simulator.errors import ApiError, default_body, error_response, json_response
from watcher.simulator.faults import Fault
from watcher.simulator.journal import ENTRY
from watcher.simulator.simulation import SIMULATOR, Simulator

CORRELATION = "X-Correlation-ID"
CONTROL = "/_sim/"
SLACK = "/slack/"

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note the request, let it meet the first fault in its way, answer it. Control requests are answered only."""
    if request.path.startswith(CONTROL):
        return await answered(request, handler)
    simulator = request.app[SIMULATOR]
    entry = request[ENTRY] = simulator.journal.open(request)
    await request.read()
    entry.fault, fault = simulator.faults.meet(request.path)
    if fault is None:
        response = await answered(request, handler)
    else:
        response = await afflicted(simulator, fault, request, handler)
        if fault.reset:
            return hang_up(request)
    response.headers[CORRELATION] = request.headers.get(CORRELATION) or f"simulator-{simulator.wire.uuid()}"
    entry.status = response.status
    if fault is not None and fault.truncate is not None:
        return await cut_off(request, response, fault.truncate)
    return response


async def answered(request: web.Request, handler: Handler) -> web.Response:
    """The usual answer; refusals become error bodies."""
    try:
        response = await handler(request)
    except ApiError as error:
        return error_response(error)
    except web.HTTPException as error:
        return json_response(default_body(error.status), error.status)
    if not isinstance(response, web.Response):
        raise TypeError(f"{request.path} answered with a {type(response).__name__}, which a fault could not touch")
    return response


async def afflicted(simulator: Simulator, fault: Fault, request: web.Request, handler: Handler) -> web.Response:
    """The answer of a request that met a fault."""
    early = await answered(request, handler) if fault.after_accept else None
    await simulator.clock.sleep(round(fault.delay * 1000))
    if fault.answers or fault.reset:
        response = own_answer(fault, request.path)
    else:
        response = early or await answered(request, handler)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    if fault.content_type is not None:
        response.headers["Content-Type"] = fault.content_type
    response.headers.update(fault.headers)
    return response


def own_answer(fault: Fault, path: str) -> web.Response:
    """The answer a fault brings: its body, or what a service would say with its status."""
    status = fault.status or HTTPStatus.OK
    if isinstance(fault.body, str):
        return web.Response(text=fault.body, status=status)
    if fault.body is not UNSET:
        return json_response(msgspec.json.encode(fault.body), status)
    if status < HTTPStatus.BAD_REQUEST:
        return web.Response(status=status)
    if path.startswith(SLACK):
        return web.Response(text=slack.ERROR_TEXTS.get(status, "rollup_error"), status=status, content_type="text/html")
    return json_response(default_body(status), status)


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def cut_off(request: web.Request, whole: web.Response, length: int) -> web.StreamResponse:
    """Announce the whole body, send `length` bytes of it, close the connection."""
    if request.transport is None:  # the client has left already
        return whole
    body = whole.body if isinstance(whole.body, bytes) else b""
    part = web.StreamResponse(status=whole.status, headers=whole.headers)
    part.content_length = len(body)
    await part.prepare(request)
    await part.write(body[:length])
    request.transport.close()
    return part
