"""`/-/healthy`, `/-/ready` and `/metrics`, for machines that ask often."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from watcher.redact import clean

MAX_BODY = 64 * 1024
"""Bytes of a request's body that are read; nobody has a reason to send one."""
_SHOWN = 300
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "connect-watcher"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is to be said of the daemon, asked anew for every answer; empty and false mean that all is well.

    `problems` decides about `/-/healthy`: loops that make no progress, which only a restart can help. `waiting` and
    `stopping` decide about `/-/ready`: what has not been tried since the start, and being on the way out. None waits.
    """

    problems: Callable[[], Mapping[str, str]]
    waiting: Callable[[], Mapping[str, str]]
    stopping: Callable[[], bool] = bool

    def unready(self) -> dict[str, str]:
        """What keeps the daemon from being ready."""
        return {**self.waiting(), **({"daemon": "stopping"} if self.stopping() else {})}


def application(health: Health, registry: CollectorRegistry) -> web.Application:
    """The app with its three paths."""
    app = web.Application(client_max_size=MAX_BODY)
    app.on_response_prepare.append(_harden)
    app.router.add_get("/-/healthy", _probe(health.problems, "unhealthy"))
    app.router.add_get("/-/ready", _probe(health.unready, "not ready"))
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    return app


def _probe(ask: Callable[[], Mapping[str, str]], bad: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        found = {clean(name, _SHOWN): clean(text, _SHOWN) for name, text in ask().items()}
        if found:
            return web.json_response({"status": bad, "problems": found}, status=503)
        return web.json_response({"status": "ok"})

    return answer


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
