"""The daemon's two listeners: what it says of itself, and the one for pushed logs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from watcher.app.parts import Daemon
from watcher.config import OtlpSettings, Settings
from watcher.errors import ConfigError
from watcher.sources.otlp import decoder_problem
from watcher.web import Health, serve
from watcher.web.otlp import serve_otlp

log = structlog.get_logger(__name__)


@asynccontextmanager
async def answering(made: Daemon, settings: Settings, stopping: Callable[[], bool]) -> AsyncIterator[str]:
    """Answer probes, metrics, the API and signed presses; yields the address. Raises ConfigError."""
    pressed = made.buttons.actions if made.buttons else None
    health = Health(problems=made.problems, waiting=made.waiting, stopping=stopping)
    async with serve(
        settings.web.listen, made.metrics.registry, health, made.live, pressed.routes() if pressed else ()
    ) as address:
        log.info("daemon.started", address=address, projects=[each.key for each in settings.projects])
        yield address


@asynccontextmanager
async def listening(made: Daemon, otlp: OtlpSettings) -> AsyncIterator[str]:
    """Take pushed logs, where any project has them; yields the address, or nothing. Raises ConfigError."""
    logs, metrics = made.logs, made.metrics
    if logs is None or logs.listening is None:
        yield ""
        return
    if problem := decoder_problem():
        raise ConfigError([f"otlp: {problem}"])
    for each in made.observers:
        await each.load()
    refused = lambda reason: metrics.otlp_refused.labels(reason).inc()  # noqa: E731  one line, one use
    async with serve_otlp(
        otlp.listen, logs.listening, intake=logs.ingest, env=made.env, metrics=metrics, refused=refused
    ) as address:
        log.info("otlp.listening", address=address, projects=sorted(logs.pushed))
        yield address
