"""What the code has that pages may name, read from the code itself."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
import yaml
from prometheus_client import CollectorRegistry

from tests.docs.pages import ROOT
from watcher.cli import main
from watcher.config import json_schema, pack_text, parse_rules
from watcher.core.delivery import DeliveryState, Outcome
from watcher.core.event import EventType
from watcher.errors import Blindness
from watcher.metrics import Metrics
from watcher.sinks.outcome import Reason as SinkReason
from watcher.web.api import OPERATIONS
from watcher.web.otlp_answer import Reason as OtlpReason
from watcher.web.reload import Outcome as Reload

PACKS = ("builtin", "logs", "deployed", "changes")
_LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
_EVENT = re.compile(r"[a-z]+\.[a-z_]+")


@cache
def metrics() -> Mapping[str, frozenset[str]]:
    """The label names of each of our metrics, by every name that Prometheus shows of it."""
    made = Metrics(CollectorRegistry(), version="0")
    found: dict[str, frozenset[str]] = {}
    for collector in list(made.registry._collector_to_names):
        for family in collector.collect():
            own = frozenset(getattr(collector, "_labelnames", ()))
            ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count", ""), "info": ("_info",)}
            for end in ends.get(family.type, ("",)):
                found[family.name + end] = own | ({"le"} if end == "_bucket" else set())
                if family.type == "info":
                    found[family.name + end] |= {"version", "python", "sqlite"}
    return found


@cache
def trees() -> tuple[tuple[Path, ast.Module], ...]:
    """The program's modules, parsed."""
    return tuple((path, ast.parse(path.read_text("utf-8"))) for path in sorted((ROOT / "watcher").rglob("*.py")))


@cache
def log_events() -> frozenset[str]:
    """The names of what the program logs, and of the acts that it puts on record."""
    found = {"log.failed", *(f"config.{each.value}" for each in Reload)}
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LEVELS:
                found |= {text for argument in node.args[:1] for text in _texts(argument) if _EVENT.fullmatch(text)}
            if isinstance(node, ast.keyword) and node.arg == "action":
                found |= {text for text in _texts(node.value) if _EVENT.fullmatch(text)}
            if isinstance(node, ast.Assign) and any(
                isinstance(each, ast.Name) and each.id == "_ACTIONS" for each in node.targets
            ):
                found |= set(_texts(node.value))
    return frozenset(found)


@cache
def suppressed() -> frozenset[str]:
    """Why messages are not made, or not sent singly."""
    texts = (path.read_text("utf-8") for path in (ROOT / "watcher").rglob("*.py"))
    return frozenset(each for text in texts for each in re.findall(r'suppressed(?:\[|\.labels\()"(\w+)"', text))


@cache
def values() -> Mapping[tuple[str, str], frozenset[str]]:
    """The values of labels with closed lists, by metric and label."""
    outcomes = frozenset(each.value for each in Outcome)
    return {
        ("connect_watcher_suppressed_total", "reason"): suppressed(),
        ("connect_watcher_deliveries_failed_total", "reason"): frozenset(each.value for each in SinkReason)
        | {"internal"},
        ("connect_watcher_deliveries_total", "outcome"): outcomes,
        ("connect_watcher_otlp_refused_total", "reason"): frozenset(each.value for each in OtlpReason),
        ("connect_watcher_outbox_rows", "state"): frozenset(each.value for each in DeliveryState),
        ("connect_watcher_events_total", "type"): frozenset(each.value for each in EventType),
        ("connect_watcher_polls_total", "outcome"): frozenset(each.value for each in Blindness) | {"ok", "unchanged"},
    }


@cache
def rules() -> Mapping[str, tuple[str, str]]:
    """Severity and pack of each rule that comes with the program."""
    return {rule.name: (rule.labels["severity"], pack) for pack in PACKS for rule in parse_rules(pack_text(pack))}


@cache
def alerts() -> frozenset[str]:
    """The names of the alerts that are shipped for Prometheus."""
    found = (ROOT / "deploy" / "prometheus").glob("*.yml")
    groups = [group for path in found for group in (yaml.safe_load(path.read_text("utf-8")) or {}).get("groups", ())]
    return frozenset(rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule)


@cache
def words() -> frozenset[str]:
    """Every word of the program, of what is deployed and of the example of a configuration."""
    files = [path for folder in ("watcher", "deploy") for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [ROOT / each for each in ("config.example.toml", "Makefile", "Dockerfile", "pyproject.toml")]
    texts = (path.read_text("utf-8", errors="ignore") for path in files if path.suffix != ".pyc")
    return frozenset(word for text in texts for word in re.findall(r"\w+", text))


@cache
def settings() -> frozenset[str]:
    """The keys of a configuration with the table that they are in, as `web.listen`."""
    schema = json_schema()
    definitions = schema.get("$defs", {})
    return frozenset(_keys(schema, definitions, ""))


def _keys(model: Mapping[str, Any], definitions: Mapping[str, Any], above: str) -> Iterator[str]:
    for key, value in model.get("properties", {}).items():
        yield f"{above}.{key}" if above else key
        for ref in re.findall(r"#/\$defs/(\w+)", str(value)):
            if above.count(".") < 2 and key != "routes":
                yield from _keys(definitions[ref], definitions, key)


@cache
def paths() -> frozenset[str]:
    """The paths that the daemon answers, with `{…}` where anything may stand."""
    served = {f"/api/v1{each.path}" for each in OPERATIONS} | {"/api/v1/openapi.json", "/v1/logs", "/slack/actions"}
    probes = (ROOT / "watcher" / "web").rglob("*.py")
    return frozenset(served) | {
        path
        for text in (each.read_text("utf-8") for each in probes)
        for path in re.findall(r'"(/-/\w+|/metrics)"', text)
    }


def is_path(path: str) -> bool:
    """Whether the daemon answers there."""
    bare = path.partition("?")[0]
    return any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), bare) for each in paths())


def variables() -> frozenset[str]:
    """The environment variables that the command line reads."""
    texts = [path.read_text("utf-8") for path in (ROOT / "watcher" / "cli").rglob("*.py")]
    return frozenset(each for text in texts for each in re.findall(r"CONNECT_WATCHER_[A-Z_]+", text))


def targets() -> frozenset[str]:
    """What there is to make."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    tiers = re.search(r"^TIERS := (.*)$", makefile, re.MULTILINE)
    rules_ = re.findall(r"^([a-z][a-z-]*)(?=[^:=\n]*:(?!=))", makefile, re.MULTILINE)
    return frozenset([*rules_, *(tiers[1].split() if tiers else ())])


def verb(words_: list[str]) -> tuple[click.Command, list[str]]:
    """The verb that words name, and what is left for it. Raises ValueError."""
    found: click.Command = main
    rest = [*words_]
    while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        inner = found.get_command(click.Context(found), rest[0])
        if inner is None:
            raise ValueError(f"there is no verb {' '.join(words_)!r}")
        found, rest = inner, rest[1:]
    return found, rest


def options(command: click.Command) -> frozenset[str]:
    """The options of a verb."""
    return frozenset(name for each in command.params for name in (*each.opts, *each.secondary_opts)) | {"--help", "-h"}


def _texts(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
