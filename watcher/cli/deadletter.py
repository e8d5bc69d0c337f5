"""`deadletter`: messages that were given up, and sending them again."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from watcher.cli.daemon_api import Daemon, daemon_options, show


@click.group()
def deadletter() -> None:
    """Look at messages that were given up, and send them again."""


@deadletter.command("list")
@click.option("--sink", default="", help="Only those of this sink, like team/slack/0.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
@click.option("--before", type=click.IntRange(min=0), default=0, help="Only those older than the one with this number.")
@daemon_options
def list_(daemon: Daemon, output: str, sink: str, limit: int, before: int) -> None:
    """List dead letters, newest first."""
    query = [("sink", sink), ("limit", str(limit)), ("before", str(before))]
    found = daemon.ask("GET", "deadletters", query=query)
    show(found, output, lambda: _rows(found), none="no dead letters")
    if output == "table" and found["next"]:
        click.echo(f"there are more: --before {found['next']}", err=True)


@deadletter.command("show")
@click.argument("letter", metavar="ID")
@daemon_options
def show_(daemon: Daemon, output: str, letter: str) -> None:
    """Show a dead letter with its payload."""
    found = daemon.ask("GET", "deadletters", letter)
    show(found, output, lambda: _whole(found))


@deadletter.command()
@click.argument("letters", nargs=-1, metavar="[ID]...")
@click.option("--sink", default="", help="All of this sink.")
@click.option("--author", default="", help="Who wants that, for the audit.")
@daemon_options
@click.pass_context
def replay(ctx: click.Context, daemon: Daemon, output: str, letters: tuple[str, ...], sink: str, author: str) -> None:
    """Send dead letters again, in their order. Exits with 1 where one of them is no dead letter."""
    if bool(letters) == bool(sink):
        raise click.UsageError("give either ids or --sink")
    body = {"sink": sink, "author": author} if sink else {"ids": list(dict.fromkeys(letters)), "author": author}
    found = daemon.ask("POST", "deadletters", "replay", body=body)
    replayed, lost = found["replayed"], found["notDead"]
    show(found, output, lambda: [("REPLAYED",), *((each,) for each in replayed)], none="nothing to replay")
    for each in lost:
        click.echo(f"{each}: no dead letter", err=True)
    ctx.exit(1 if lost else 0)


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    yield "ID", "SINK", "CREATED", "ATTEMPTS", "SEVERITY", "TITLE", "LAST ERROR"
    for each in found["deadLetters"]:
        yield (*(each[name] for name in ("id", "sink", "createdAt", "attempts", "severity", "title", "lastError")),)


def _whole(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    yield "FIELD", "VALUE"
    for name, value in found.items():
        yield name, json.dumps(value) if isinstance(value, dict) else value
