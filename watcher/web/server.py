"""Serve what the daemon has to say of itself, for as long as a context lasts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from os import strerror
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from watcher.core.duration import Millis
from watcher.errors import ConfigError
from watcher.web.api import BASE, api
from watcher.web.api_world import Live
from watcher.web.otlp_door import Door
from watcher.web.probes import Health, application
from watcher.web.strangers import server_log

SHUTDOWN_SECONDS = 2.0
KEEPALIVE_SECONDS = 75.0
LINGERING_SECONDS = 2.0
MAX_LINE = 8_190
MAX_HEADERS = 64
MOST = 128
"""Connections at a time. Each takes a file, and those that deliver need files, too."""
PATIENCE: Millis = 10_000
"""How long somebody may take to say what they want."""
_BACKLOG = 128


@asynccontextmanager
async def serve(
    listen: tuple[str, int],
    registry: CollectorRegistry,
    health: Health,
    live: Live | None = None,
    more: Iterable[web.RouteDef] = (),
    *,
    patience: Millis = PATIENCE,
) -> AsyncIterator[str]:
    """Serve on host and port; yields `http://HOST:PORT` with the real port where 0 was asked for.

    The API is served where there is something to ask; `more` are routes that know by themselves whom to answer.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    app, doors = application(health, registry), list[Door]()
    app.middlewares.append(_served(doors))
    if live is not None:
        app.add_subapp(BASE, api(live))
    app.add_routes(more)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=server_log(),
        auto_decompress=False,  # nothing that is taken here comes compressed: a bomb stays as small as it came
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=KEEPALIVE_SECONDS,
        lingering_time=LINGERING_SECONDS,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
        max_headers=MAX_HEADERS,
    )
    await runner.setup()
    assert runner.server is not None  # noqa: S101  it is what `setup` is for
    door = Door(runner.server, MOST, patience, lambda _: None)
    doors.append(door)
    try:
        server = await _listening(door, *listen)
        try:
            yield _url(*server.sockets[0].getsockname()[:2])
        finally:
            server.close()
    finally:
        door.close()
        await runner.cleanup()


def _served(doors: list[Door]) -> Any:
    """Tell the door whom it must not send away: those whose request is whole, for as long as it is answered.

    aiohttp calls what is inside by the name `handler`.
    """

    @web.middleware
    async def served(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        (door,) = doors
        door.admit(request.protocol, frozenset())
        try:
            return await handler(request)
        finally:
            door.rest(request.protocol)

    return served


async def _listening(door: Door, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(door, host, port, backlog=_BACKLOG)
    except OSError as error:
        reason = strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ConfigError([f"web.listen: cannot listen on {_url(host, port)}: {reason}"]) from None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
