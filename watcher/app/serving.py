"""The daemon's two listeners: what it says of itself, and the one for pushed logs."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import structlog

from watcher.app.parts import Daemon
from watcher.errors import ConfigError
from watcher.sources.otlp import decoder_problem
from watcher.web import Health, serve
from watcher.web.listening import Address, Bound
from watcher.web.otlp import serve_otlp
from watcher.web.reload import Route

log = structlog.get_logger(__name__)

_STUCK = {"configuration": "cannot be opened right now: the log says why"}


@asynccontextmanager
async def answering(
    made: Daemon,
    listen: Address | Bound,
    stopping: Callable[[], bool],
    more: Iterable[Route] = (),
    *,
    stuck: Callable[[], bool] = bool,
) -> AsyncIterator[str]:
    """Answer probes, metrics, the API, signed presses and `more`; yields the address. Raises ConfigError.

    While it is `stuck`, none of this runs, nor what was to follow it, which no restart helps.
    """
    pressed = made.buttons.actions if made.buttons else None
    health = Health(
        problems=lambda: {} if stuck() else made.problems(),
        waiting=made.waiting,
        stopping=stopping,
        lacking=lambda: made.lacking() | (_STUCK if stuck() else {}),
        doubts=made.skew.doubts,
    )
    routes = [*more, *(pressed.routes() if pressed else ())]
    async with serve(listen, made.metrics.registry, health, made.live, routes) as address:
        yield address


@asynccontextmanager
async def listening(made: Daemon, listen: Address | Bound) -> AsyncIterator[str]:
    """Take pushed logs, where any project has them; yields the address, or nothing. Raises ConfigError."""
    logs, metrics = made.logs, made.metrics
    if logs is None or logs.listening is None:
        yield ""
        return
    require_decoder()
    for each in made.observers:
        await each.load()
    refused = lambda reason: metrics.otlp_refused.labels(reason).inc()  # noqa: E731  one line, one use
    async with serve_otlp(
        listen, logs.listening, intake=logs.ingest, env=made.env, metrics=metrics, refused=refused
    ) as address:
        log.info("otlp.listening", address=address, projects=sorted(logs.pushed))
        yield address


def require_decoder() -> None:
    """Raise ConfigError where pushed logs cannot be decoded safely."""
    if problem := decoder_problem():
        raise ConfigError([f"otlp: {problem}"])
