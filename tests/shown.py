"""What is shipped for Prometheus and Grafana, read as data: alerts, panels, and the words of their queries."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from watcher.metrics import Metrics, new_registry

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "connect-watcher.rules.yml"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
SCRAPED = frozenset({"job", "instance"})
"""The labels that Prometheus gives to whatever it scrapes."""
OF_PROMETHEUS: Mapping[str, frozenset[str]] = {
    "up": frozenset(),
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "project", "sink"}),
}
"""What Prometheus makes by itself, with the labels that we ask for."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"(?<![\w$])([a-zA-Z_]\w*)(?!\w|\s*\()(\{[^{}]*\})?(?:\[[^]]+\])?")
_MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_OPERATORS = frozenset({"and", "or", "unless"})


@cache
def alerts() -> Sequence[Mapping[str, Any]]:
    """The alerts in their order."""
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def board(path: Path) -> dict[str, Any]:
    """A dashboard."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def panels(path: Path) -> list[dict[str, Any]]:
    """The panels of a dashboard that show something; rows are headings."""
    return [each for each in board(path)["panels"] if each["type"] != "row"]


@cache
def exported() -> Mapping[str, frozenset[str]]:
    """The labels of every series that the daemon can show, by its name."""
    registry = new_registry()
    metrics = Metrics(registry, version="0")
    found = {sample.name: frozenset(sample.labels) for each in registry.collect() for sample in each.samples}
    return {**found, **dict(_families(metrics.registry)), **OF_PROMETHEUS}


def _families(registry: CollectorRegistry) -> Iterator[tuple[str, frozenset[str]]]:
    """Those that may show nothing before they have been given labels."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    for collector in registry._collector_to_names:  # nothing else tells of labels before there is a child
        labels: frozenset[str] = frozenset(getattr(collector, "_labelnames", ()))
        for family in collector.collect() if hasattr(collector, "_labelnames") else ():
            for suffix in suffixes.get(family.type, ("",)):
                yield family.name + suffix, labels | ({"le"} if suffix == "_bucket" else set())


@dataclass(frozen=True, slots=True)
class Selector:
    """One place of a query where series are named, as it is written there."""

    name: str
    text: str
    labels: frozenset[str]


def selectors(expr: str) -> list[Selector]:
    """Everything that a query reads."""
    found = []
    bare = _GROUPED.sub(" ", expr)
    for match in _SELECTOR.finditer(bare):
        if match[1] in _OPERATORS or _inside_quotes(bare, match.start()) or _inside_braces(bare, match.start()):
            continue
        matchers = match[2] or ""
        text, labels = match[1] + matchers, frozenset(_MATCHED.findall(_QUOTED.sub('""', matchers)))
        found.append(Selector(match[1], text, labels))
    return found


def grouped(expr: str) -> frozenset[str]:
    """The labels that a query groups or joins by."""
    return frozenset(label.strip() for each in _GROUPED.findall(expr) for label in each.split(",") if label.strip())


def _inside_quotes(text: str, at: int) -> bool:
    return any(match.start() < at < match.end() for match in _QUOTED.finditer(text))


def _inside_braces(text: str, at: int) -> bool:
    return any(match.start() < at < match.end() for match in re.finditer(r"\{[^{}]*\}|\[[^]]*\]", text))
