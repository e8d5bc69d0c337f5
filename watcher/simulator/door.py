"""The door every request comes through: time catches up, then it is noted, meets its fault and is answered."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import TypeAlias

import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET

from watcher.simulator import bodies, slack
from watcher.simulator.bodies import Body
from watcher.simulator.clock import http_date
from watcher.simulator.errors import ApiError, default_body, error_response, invalid_json, json_response
from watcher.simulator.faults import Fault
from watcher.simulator.journal import ENTRY
from watcher.simulator.simulation import SIMULATOR, Simulator

CORRELATION = "X-Correlation-ID"
CONTROL = "/_sim/"
SLACK, SLACK_API = "/slack/", "/slack/api/"
SOCKET = "/slack/socket/"

Answerer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def door(request: web.Request, handler: Answerer) -> web.StreamResponse:
    """Note the request, let it meet the first fault in its way, answer it. Control requests are answered only, WebSockets held."""
    simulator = request.app[SIMULATOR]
    simulator.catch_up()
    if request.path.startswith(CONTROL):
        return dated(simulator, await answered(request, handler))
    entry = request[ENTRY] = simulator.journal.open(request)
    if request.path.startswith(SOCKET):
        return await handler(request)
    with suppress(web.RequestPayloadError):  # whoever needs the body finds out
        await request.read()
    entry.fault, fault = simulator.faults.meet(request.path, request.method)
    if fault is None:
        response, body = await answered(request, handler), None
    else:
        response, body = await afflicted(simulator, fault, request, handler)
        if fault.reset:
            return hang_up(request)
    response.headers.setdefault(CORRELATION, request.headers.get(CORRELATION) or f"simulator-{simulator.wire.uuid()}")
    entry.status = response.status
    dated(simulator, response)
    if fault is None or body is None:
        return response
    return await poured(simulator, fault, request, response, body)


def dated(simulator: Simulator, response: web.Response) -> web.Response:
    """The answer with the time that the service takes it to be."""
    response.headers.setdefault(hdrs.DATE, http_date(simulator.clock.now()))
    return response


async def answered(request: web.Request, usual: Answerer) -> web.Response:
    """The usual answer; refusals become error bodies."""
    try:
        response = await usual(request)
    except ApiError as error:
        return error_response(error)
    except web.RequestPayloadError as error:
        refusal = error_response(invalid_json(str(error)))
        refusal.force_close()  # where the next request would begin is unknown
        return refusal
    except web.HTTPException as error:
        return json_response(default_body(error.status), error.status)
    if not isinstance(response, web.Response):
        raise TypeError(f"{request.path} answered with a {type(response).__name__}, which a fault could not touch")
    return response


async def afflicted(
    simulator: Simulator, fault: Fault, request: web.Request, usual: Answerer
) -> tuple[web.Response, Body | None]:
    """The answer of a request that met a fault, and its body where that has to be sent piece by piece."""
    early = await answered(request, usual) if fault.after_accept else None
    strike(simulator, fault)
    await simulator.clock.sleep(round(fault.delay * 1000))
    body = brought(simulator, fault)
    if fault.answers or fault.reset:
        response = own_answer(fault, request.path, pieces=body is not None)
    else:
        response = early or await answered(request, usual)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    if body is not None and body.encoding is not None:
        response.headers[hdrs.CONTENT_ENCODING] = body.encoding
    if fault.content_type is not None:
        response.headers[hdrs.CONTENT_TYPE] = fault.content_type
    response.headers.update(fault.headers)
    if body is None and (fault.drip is not None or fault.truncate is not None):
        body = bodies.whole(response.body if isinstance(response.body, bytes) else b"")
    return response, body


def strike(simulator: Simulator, fault: Fault) -> None:
    """What the fault does to the service itself."""
    if fault.jump is not None:
        simulator.clock.offset = fault.jump
    if fault.revoke_tokens:
        simulator.tokens.revoke()


def brought(simulator: Simulator, fault: Fault) -> Body | None:
    """A body that is made while it is sent."""
    if fault.garbage is not None:
        return bodies.noise(fault.garbage, simulator.noise.letters)
    if fault.gzip_bomb is not None:
        return bodies.gzip_bomb(fault.gzip_bomb)
    if fault.huge_page is not None:
        return bodies.huge_page(fault.huge_page)
    return None


def own_answer(fault: Fault, path: str, *, pieces: bool) -> web.Response:
    """The answer a fault brings: its body, or what a service would say with its status.

    Where the body comes in `pieces`, only the headers of this one are used.
    """
    status = fault.status or HTTPStatus.OK
    if isinstance(fault.body, str):
        return web.Response(text=fault.body, status=status)
    if fault.content is not None:
        return web.Response(body=fault.content, status=status)
    if fault.body is not UNSET:
        return json_response(msgspec.json.encode(fault.body), status)
    if status < HTTPStatus.BAD_REQUEST and not pieces:
        return web.Response(status=status)
    return said(path, status)


def said(path: str, status: int) -> web.Response:
    """What the service behind a path says with a status."""
    if path.startswith(SLACK_API):
        return json_response({"ok": False, "error": slack.ERROR_CODES.get(status, "internal_error")}, status)
    if path.startswith(SLACK):
        return web.Response(text=slack.ERROR_TEXTS.get(status, "rollup_error"), status=status, content_type="text/html")
    return json_response(default_body(status), status)


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def poured(
    simulator: Simulator, fault: Fault, request: web.Request, head: web.Response, body: Body
) -> web.StreamResponse:
    """Send an answer piece by piece, at the fault's pace and no further than it goes, while the client is there."""
    if request.transport is None or request.method == hdrs.METH_HEAD:
        return head
    answer = web.StreamResponse(status=head.status, headers=head.headers)
    answer.content_length = body.length
    pieces = body.pieces if fault.truncate is None else bodies.first(body.pieces, fault.truncate)
    pause = 0 if fault.drip is None else round(fault.drip * 1000)
    with suppress(ConnectionError):
        await answer.prepare(request)
        for piece in bodies.single(pieces) if pause else pieces:
            await answer.write(piece)
            await simulator.clock.sleep(pause)
        if fault.truncate is not None:
            request.transport.close()
    return answer
