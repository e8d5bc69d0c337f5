"""`alerts` and `deployments`: what is so right now."""

from collections.abc import Iterator, Mapping
from typing import Any

import click

from watcher.cli.daemon_api import Daemon, daemon_options, matcher_texts, show

_limit = click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)


@click.command()
@click.argument("matchers", nargs=-1)
@click.option("--state", type=click.Choice(["firing", "pending", "resolved"]), help="Only these.")
@click.option("--silenced/--unsilenced", default=None, help="Only those that are, or are not, silenced.")
@click.option("--acknowledged/--unacknowledged", default=None, help="Only those that are, or are not, acknowledged.")
@_limit
@daemon_options
def alerts(  # noqa: PLR0913  an option each
    daemon: Daemon,
    output: str,
    matchers: tuple[str, ...],
    state: str | None,
    silenced: bool | None,
    acknowledged: bool | None,
    limit: int,
) -> None:
    """Show the alerts there are.

    MATCHERS are Alertmanager's, like 'severity="critical"'; a first word alone is the name of an alert.
    """
    query = [("filter", each) for each in matcher_texts(matchers)]
    wanted = {"state": state, "silenced": _flag(silenced), "acknowledged": _flag(acknowledged)}
    query += [(name, value) for name, value in wanted.items() if value is not None]
    found = daemon.ask("GET", "alerts", query=[*query, ("limit", str(limit))])
    show(found, output, lambda: _alert_rows(found), none="no alerts")
    _rest(output, found["total"], len(found["alerts"]))


@click.command()
@click.option("--project", default="", help="Only of this project.")
@click.option("--status", default="", help="Only those with this status, like Failed.")
@click.option("--type", "kind", default="", help="Only preview, sandbox or production.")
@_limit
@daemon_options
def deployments(daemon: Daemon, output: str, project: str, status: str, kind: str, limit: int) -> None:
    """Show the Deployments as last seen."""
    wanted = {"project": project, "status": status, "type": kind, "limit": str(limit)}
    found = daemon.ask("GET", "deployments", query=[(name, value) for name, value in wanted.items() if value])
    show(found, output, lambda: _deployment_rows(found), none="no deployments")
    _rest(output, found["total"], len(found["deployments"]))
    for source in found["sources"] if output == "table" else ():
        if source["blind"]:
            seen = source["lastRead"] or "never"
            click.echo(f"blind: {source['source']} of {source['project']}, last read {seen}", err=True)


def _alert_rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    yield "ALERT", "STATE", "SEVERITY", "PROJECT", "DEPLOYMENT", "STARTED", "SUMMARY"
    for each in found["alerts"]:
        labels, marks = each["labels"], _marks(each)
        yield (
            labels.get("alertname"),
            f"{each['state']}{f' ({marks})' if marks else ''}",
            labels.get("severity"),
            labels.get("project"),
            labels.get("deployment"),
            each["startsAt"] or each["since"],
            each["annotations"].get("summary"),
        )


def _marks(alert: Mapping[str, Any]) -> str:
    marks = {"known": alert["known"], "silenced": alert["silencedBy"], "acknowledged": alert["acknowledged"]}
    return ", ".join(name for name, is_so in marks.items() if is_so)


def _deployment_rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    yield "PROJECT", "DEPLOYMENT", "STATUS", "TYPE", "CONNECTOR", "BUILD", "BUILD SINCE"
    for each in found["deployments"]:
        name, connector = each["key"] or each["id"], f"{each['connector']} {each['connectorVersion']}"
        yield each["project"], name, each["status"], each["type"], connector, each["build"], each["since"]


def _flag(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _rest(output: str, total: int, shown: int) -> None:
    if output == "table" and total > shown:
        click.echo(f"{total - shown} more: --limit shows up to 1000", err=True)
