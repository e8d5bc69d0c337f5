"""Serve what the daemon has to say of itself, for as long as a context lasts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.web_app import _cached_build_middleware  # it would keep every application that there was
from prometheus_client import CollectorRegistry

from watcher.core.duration import Millis
from watcher.web.api import BASE, api
from watcher.web.api_world import Live
from watcher.web.listening import Address, Bound, accepting
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


@asynccontextmanager
async def serve(
    listen: Address | Bound,
    registry: CollectorRegistry,
    health: Health,
    live: Live | None = None,
    more: Iterable[web.RouteDef] = (),
    *,
    patience: Millis = PATIENCE,
) -> AsyncIterator[str]:
    """Serve on an address; yields `http://HOST:PORT` with the real port where 0 was asked for.

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
        async with accepting(door, "web.listen", listen) as url:
            yield url
    finally:
        door.close()
        await runner.cleanup()
        _cached_build_middleware.cache_clear()


def _served(doors: list[Door]) -> Any:
    """Tell the door whom it must not send away: those whose request is whole, its body too, for as long as it is answered.

    Who holds a body back stays among those who can best be done without.

    aiohttp calls what is inside by the name `handler`.
    """

    @web.middleware
    async def served(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        (door,), under_way = doors, [request.protocol]
        door.lag(request.protocol)
        request.content.on_eof(lambda: door.admit(under_way[0], frozenset()) if under_way else None)
        try:
            return await handler(request)
        finally:
            under_way.clear()
            door.rest(request.protocol)

    return served
