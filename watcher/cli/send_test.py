"""`send-test`: proves a receiver by hand, without store or daemon."""

import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from watcher import app, logs
from watcher.cli.options import config_option, load_config, output_option
from watcher.config import ReceiverSettings, Settings
from watcher.redact import Redactor


@click.command("send-test")
@click.argument("receiver")
@config_option
@click.option(
    "--severity",
    type=click.Choice(["info", "warning", "critical"]),
    default="info",
    show_default=True,
    help="What the test alert claims to be.",
)
@click.option("--resolve", is_flag=True, help="Also tell that it has ended, so that nothing stays open.")
@output_option
@click.pass_context
def send_test(ctx: click.Context, receiver: str, path: Path, severity: str, resolve: bool, output: str) -> None:
    """Send a test message to every sink of RECEIVER. Exits with 1 where one of them does not take it."""
    loaded = load_config(path)
    logs.configure(Redactor(loaded.secrets), level="error", color=logs.wants_color(os.environ))
    chosen = _receiver(loaded.settings, receiver)
    asked = app.try_receiver(loaded.settings, chosen, app.system_env(), severity=severity, resolve=resolve)
    found = asyncio.run(asked)
    if output == "json":
        click.echo(json.dumps([{**asdict(each), "ok": not each.error} for each in found], indent=2))
    else:
        for each in found:
            click.echo(f"{each.sink}: {each.error or 'taken'}", err=bool(each.error))
        if not found:
            click.echo(f"{receiver} has no sinks: what is routed to it is told to nobody", err=True)
    ctx.exit(0 if found and not any(each.error for each in found) else 1)


def _receiver(settings: Settings, name: str) -> ReceiverSettings:
    found = next((each for each in settings.receivers if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in settings.receivers)
        raise click.ClickException(f"no receiver is named {name}; there are: {known}")
    return found
