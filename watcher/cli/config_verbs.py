"""`check-config` and `schema`: about the configuration, without starting anything."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from watcher import app
from watcher.cli.options import config_option, load_config, output_option
from watcher.config import Loaded, ProjectSettings, Settings, json_schema, read_secret, to_route
from watcher.core import duration, matcher
from watcher.core.route import Route
from watcher.errors import ConfigError
from watcher.http import Http
from watcher.sinks import SINKS, SinkConfig, Wiring


@click.command("check-config")
@config_option
@output_option
def check_config(path: Path, output: str) -> None:
    """Say whether a configuration can be used, and what it means."""
    try:
        loaded = load_config(path)
        try_sinks(loaded.settings)
    except ConfigError as error:
        if output == "json":
            click.echo(json.dumps({"ok": False, "problems": error.problems}, indent=2))
        raise
    summary = summarise(loaded)
    click.echo(json.dumps(summary, indent=2) if output == "json" else "\n".join(_text(path, summary)))


@click.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    click.echo(json.dumps(json_schema(), indent=2))


def try_sinks(settings: Settings) -> None:
    """Make every sink and throw it away. Raises ConfigError where a secret is not what its destination takes."""
    http = Http(ca_file=settings.http.ca_file, proxy_url=settings.http.proxy_url, allow=settings.egress.allow)
    wiring = Wiring(
        http=http,
        env=app.system_env(),
        read=read_secret,
        stream=sys.stdout,
        allow=settings.egress.allow,
        ca_file=settings.http.ca_file,
    )
    problems = [
        problem
        for at, receiver in enumerate(settings.receivers)
        for each in SINKS
        for position, sink in enumerate(getattr(receiver, each.kind))
        for problem in _sink_problems(sink, f"receivers[{at}].{each.kind}[{position}]", wiring)
    ]
    if problems:
        raise ConfigError(problems)


def _sink_problems(sink: SinkConfig, path: str, wiring: Wiring) -> list[str]:
    try:
        sink.build(path, wiring)
    except ConfigError as error:
        return [problem.replace(": ", ".", 1) for problem in error.problems]
    return []


def summarise(loaded: Loaded) -> dict[str, Any]:
    """What a configuration means, as data."""
    settings = loaded.settings
    return {
        "ok": True,
        "projects": [
            {
                "key": each.key,
                "region": each.region,
                "poll_interval": duration.text(each.poll_interval),
                "fast_poll_interval": duration.text(each.fast_interval),
                "blind_after": duration.text(each.blind_limit),
                "logs": _logs(each, settings),
            }
            for each in settings.projects
        ],
        "rules": [
            {
                "name": each.name,
                "origin": loaded.origins[each.name],
                "on": each.on,
                "kind": each.kind,
            }
            for each in settings.rules
        ],
        "route": _route(to_route(settings)),
        "receivers": [
            {"name": each.name, "sinks": [sink_id for sink_id, _ in each.sinks()]} for each in settings.receivers
        ],
        "warnings": list(loaded.warnings),
    }


def _logs(project: ProjectSettings, settings: Settings) -> str:
    """Where the logs of a project come from, in words."""
    match project.logs.source:
        case "poll":
            return f"polled every {duration.text(project.logs.poll_interval)}, every 15s where something happens"
        case "otlp":
            host, port = settings.otlp.listen
            return f"pushed to {host}:{port}"
        case _:
            return "off"


def _route(node: Route) -> dict[str, Any]:
    return {
        "matchers": matcher.text(node.matchers),
        "receiver": node.receiver,
        "continue": node.continue_,
        "group_by": list(node.group_by),
        "group_wait": duration.text(node.group_wait),
        "group_interval": duration.text(node.group_interval),
        "repeat_interval": duration.text(node.repeat_interval),
        "routes": [_route(each) for each in node.routes],
    }


def _text(path: Path, summary: dict[str, Any]) -> Iterator[str]:
    count = len(summary["warnings"])
    more = f"; {count} warning{'s' * (count > 1)} at the end" if count else ""
    yield f"{path} can be used{more}"
    yield "\nprojects"
    for each in summary["projects"]:
        yield (
            f"  {each['key']} ({each['region']}): every {each['poll_interval']}, every {each['fast_poll_interval']} while "
            f"something is deployed, blind after {each['blind_after']}; logs {each['logs']}"
        )
    yield "\nrules"
    for each in summary["rules"]:
        yield f"  {each['name']}: {each['kind']} on {each['on']}, from {each['origin']}"
    yield "\nroutes"
    yield from _route_text(summary["route"], "  ")
    yield "\nreceivers"
    for each in summary["receivers"]:
        yield f"  {each['name']}: {', '.join(each['sinks']) or 'no sinks'}"
    if summary["warnings"]:
        yield "\nwarnings"
    for each in summary["warnings"]:
        yield f"  {each}"


def _route_text(node: dict[str, Any], indent: str) -> Iterator[str]:
    groups = ", ".join(node["group_by"]) or "nothing"
    pace = f"wait {node['group_wait']}, interval {node['group_interval']}, repeat {node['repeat_interval']}"
    then = ", then on" if node["continue"] else ""
    yield f"{indent}{node['matchers']} -> {node['receiver']}{then} (grouped by {groups}; {pace})"
    for each in node["routes"]:
        yield from _route_text(each, indent + "  ")
