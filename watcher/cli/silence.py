"""`silence`: keep alerts from being told for a while, with amtool's words."""

from collections.abc import Iterator, Mapping
from getpass import getuser
from typing import Any

import click

from watcher.cli.daemon_api import Daemon, daemon_options, matcher_texts, show


@click.group()
def silence() -> None:
    """Keep alerts from being told for a while."""


@silence.command()
@click.argument("matchers", nargs=-1, required=True)
@click.option("-d", "--duration", metavar="DURATION", help="For how long, like 2h.")
@click.option("--until-deployment", is_flag=True, help="Until what it is about is deployed anew.")
@click.option("-c", "--comment", required=True, help="Why.")
@click.option("-a", "--author", default=None, help="Who; by default who is logged in.")
@daemon_options
def add(  # noqa: PLR0913  an option each
    daemon: Daemon,
    output: str,
    matchers: tuple[str, ...],
    duration: str | None,
    until_deployment: bool,
    comment: str,
    author: str | None,
) -> None:
    """Silence the alerts that match all MATCHERS, like 'deployment="shop"'.

    Prints the silence's id, and on standard error how many alerts it fits now. A first word alone is the name of an alert.
    """
    if not (duration or until_deployment):
        raise click.UsageError("say when it ends: --duration or --until-deployment")
    body: dict[str, object] = {
        "matchers": matcher_texts(matchers),
        "comment": comment,
        "author": author or _user(),
        "untilDeployment": until_deployment,
    }
    found = daemon.ask("POST", "silences", body={**body, **({"duration": duration} if duration else {})})
    if output == "json":
        show(found, output, lambda: ())
    else:
        click.echo(found["id"])
        now = daemon.ask(
            "GET", "alerts", query=[*(("filter", each) for each in matcher_texts(matchers)), ("limit", "1")]
        )
        click.echo(f"fits {now['total'] or 'no'} alert{'s' * (now['total'] != 1)} now", err=True)


@silence.command()
@click.option("--ended", is_flag=True, help="Show those that are over as well.")
@daemon_options
def query(daemon: Daemon, output: str, ended: bool) -> None:
    """Show the silences."""
    found = daemon.ask("GET", "silences", query=[("ended", str(ended).lower())])
    show(found, output, lambda: _rows(found), none="no silences")


@silence.command()
@click.argument("silences", nargs=-1, required=True, metavar="ID...")
@daemon_options
def expire(daemon: Daemon, output: str, silences: tuple[str, ...]) -> None:
    """End silences now."""
    ended = [daemon.ask("DELETE", "silences", each, query=[("author", _user())]) for each in dict.fromkeys(silences)]
    found = {"silences": ended}
    show(found, output, lambda: _rows(found))


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    yield "ID", "STATE", "MATCHERS", "ENDS", "BY", "COMMENT"
    for each in found["silences"]:
        ends = each["endsAt"]
        if each["untilDeployment"] and each["state"] != "ended":
            ends = f"at the next deployment{f', {ends} at the latest' if ends else ''}"
        yield each["id"], each["state"], ", ".join(each["matchers"]), ends, each["author"], each["comment"]


def _user() -> str:
    """Who is logged in, where the system knows."""
    try:
        return getuser()
    except (KeyError, OSError):
        return ""
