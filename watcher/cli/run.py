"""`run`: the daemon."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import click
import structlog

from watcher import __version__, app, logs
from watcher.cli.options import config_option, load_config
from watcher.metrics import Metrics, new_registry
from watcher.redact import Redactor

PRIVATE = 0o077
"""Nobody else needs to read what the daemon writes."""


@click.command()
@config_option
@click.option("--log-level", type=click.Choice(logs.LEVELS), help="Instead of [log] level.")
@click.option("--log-format", type=click.Choice(logs.FORMATS), help="Instead of [log] format.")
@click.pass_context
def run(ctx: click.Context, path: Path, log_level: str | None, log_format: str | None) -> None:
    """Watch, until SIGTERM or SIGINT."""
    loaded = load_config(path)
    signal.signal(signal.SIGTERM, _leave)
    os.umask(PRIVATE)
    redactor = Redactor(loaded.secrets)
    logs.configure(
        redactor,
        level=log_level or loaded.settings.log.level,
        log_format=log_format or loaded.settings.log.format,
        color=logs.wants_color(os.environ),
    )
    for warning in loaded.warnings:
        structlog.get_logger(__name__).warning("config.doubtful", warning=warning)
    metrics = Metrics(new_registry(), version=__version__)
    ctx.exit(asyncio.run(app.run(loaded.settings, env=app.system_env(), metrics=metrics, redactor=redactor)))


def _leave(*_: object) -> None:
    """End at once: nothing has begun. The first process of a container is deaf to signals that it has no handler for."""
    sys.exit(0)
