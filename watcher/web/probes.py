"""`/-/healthy`, `/-/ready` and `/metrics`, for machines that ask often."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from watcher.redact import clean

MAX_BODY = 64 * 1024
"""Bytes of a request's body that are read; nobody has a reason to send one."""
_LONGEST = 300
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "connect-watcher"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is to be said of the daemon, asked anew for every answer; empty and false mean that all is well.

    `problems` decides about `/-/healthy`: loops that make no progress, which only a restart can help. Three decide about
    `/-/ready`: `waiting` is what has not been tried since the start, `lacking` what the surroundings do not give, which
    no restart helps, and `stopping` being on the way out. `doubts` are told there, too, and decide nothing. None waits.
    """

    problems: Callable[[], Mapping[str, str]]
    waiting: Callable[[], Mapping[str, str]]
    stopping: Callable[[], bool] = bool
    lacking: Callable[[], Mapping[str, str]] = dict
    doubts: Callable[[], Mapping[str, str]] = dict

    def unready(self) -> dict[str, str]:
        """What keeps the daemon from being ready."""
        return {**self.waiting(), **self.lacking(), **({"daemon": "stopping"} if self.stopping() else {})}


def application(health: Health, registry: CollectorRegistry) -> web.Application:
    """The app with its three paths."""
    app = web.Application(client_max_size=MAX_BODY)
    app.on_response_prepare.append(_harden)
    app.router.add_get("/-/healthy", _probe(health.problems, "unhealthy"))
    app.router.add_get("/-/ready", _probe(health.unready, "not ready", health.doubts))
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    return app


def _probe(
    ask: Callable[[], Mapping[str, str]], bad: str, doubts: Callable[[], Mapping[str, str]] = dict
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        found = _shown(ask())
        said: dict[str, object] = {"status": bad, "problems": found} if found else {"status": "ok"}
        if warnings := _shown(doubts()):
            said["warnings"] = warnings
        return web.json_response(said, status=503 if found else 200)

    return answer


def _shown(found: Mapping[str, str]) -> dict[str, str]:
    return {clean(name, _LONGEST): clean(text, _LONGEST) for name, text in found.items()}


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
