"""The rule files that are shipped name metrics that there are, and have what Prometheus wants."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from watcher.metrics import Metrics

RULES = sorted((Path(__file__).parents[2] / "deploy" / "prometheus").glob("*.yml"))


def rules(path: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def test_there_is_a_watchdog_that_fires_while_all_is_well() -> None:
    (watchdog,) = [each for path in RULES for each in rules(path) if each["alert"] == "Watchdog"]
    assert watchdog["expr"] == "connect_watcher_watchdog == 1"
    assert "for" not in watchdog


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_are_of_metrics_that_there_are(path: Path) -> None:
    metrics = Metrics(CollectorRegistry(), version="0")
    known = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    for rule in rules(path):
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(re.findall(r"connect_watcher_\w+", rule["expr"])) <= known
        assert rule["annotations"]["summary"]
