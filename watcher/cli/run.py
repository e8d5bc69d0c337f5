"""`run`: the daemon."""

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

import click

from watcher import __version__, app, logs
from watcher.cli.options import config_option, load_config
from watcher.config import Loaded
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
    """Watch, until SIGTERM or SIGINT. SIGHUP, and POST /-/reload, read the configuration anew."""
    loaded = load_config(path)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # there is nothing yet that could be read anew
    os.umask(PRIVATE)
    apply = partial(_apply, log_level, log_format)
    apply(loaded, Redactor(loaded.secrets))
    origin = app.Origin(read=partial(load_config, path), apply=apply)
    metrics = Metrics(new_registry(), version=__version__)
    ctx.exit(asyncio.run(app.run(loaded, origin, env=app.system_env(), metrics=metrics)))


def _apply(level: str | None, log_format: str | None, loaded: Loaded, redactor: Redactor) -> None:
    """Set up the log as the options say, or else the configuration."""
    logs.configure(
        redactor,
        level=level or loaded.settings.log.level,
        log_format=log_format or loaded.settings.log.format,
        color=logs.wants_color(os.environ),
    )


def _leave(*_: object) -> None:
    """End at once: nothing has begun. The first process of a container is deaf to signals that it has no handler for."""
    sys.exit(0)
