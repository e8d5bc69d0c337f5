"""Serve what the daemon has to say of itself, for as long as a context lasts."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from os import strerror

from aiohttp import web
from prometheus_client import CollectorRegistry

from watcher.errors import ConfigError
from watcher.web.api import BASE, api
from watcher.web.api_world import Live
from watcher.web.probes import Health, application

SHUTDOWN_SECONDS = 2.0
KEEPALIVE_SECONDS = 75.0
LINGERING_SECONDS = 2.0
MAX_LINE = 8_190
MAX_HEADERS = 64


@asynccontextmanager
async def serve(
    listen: tuple[str, int],
    registry: CollectorRegistry,
    health: Health,
    live: Live | None = None,
    more: Iterable[web.RouteDef] = (),
) -> AsyncIterator[str]:
    """Serve on host and port; yields `http://HOST:PORT` with the real port where 0 was asked for.

    The API is served where there is something to ask; `more` are routes that know by themselves whom to answer.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    app = application(health, registry)
    if live is not None:
        app.add_subapp(BASE, api(live))
    app.add_routes(more)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=KEEPALIVE_SECONDS,
        lingering_time=LINGERING_SECONDS,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
        max_headers=MAX_HEADERS,
    )
    await runner.setup()
    try:
        await _start(runner, *listen)
        host, port = runner.addresses[0][:2]
        yield _url(host, port)
    finally:
        await runner.cleanup()


async def _start(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        reason = strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ConfigError([f"web.listen: cannot listen on {_url(host, port)}: {reason}"]) from None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
