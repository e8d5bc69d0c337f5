"""What is shipped for Prometheus, held to its own tool; and that a first increment is seen by what it fires on."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from tests.fakes import fake_env
from tests.peers.prometheus import promtool
from tests.shown import PROMETHEUS, RULES, Selector, alerts, selectors
from watcher import app
from watcher.config import loads
from watcher.metrics import Metrics
from watcher.redact import Redactor

CASES = sorted((PROMETHEUS / "tests").glob("*.yml"))
CONFIG = """
[[projects]]
key = "polled"
logs = { source = "poll" }
region = "europe-west1.gcp"
client_id = "id"
client_secret = "not a secret"
[[projects]]
key = "pushed"
region = "europe-west1.gcp"
client_id = "id"
client_secret = "not a secret"
logs = { source = "otlp", key = "a key that is long enough" }
[[receivers]]
name = "team"
console = [{}]
[route]
receiver = "team"
[heartbeat]
url = "https://hc.example.com/ping"
"""
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def test_the_rules_are_ones_that_prometheus_loads() -> None:
    done = promtool("check", "rules", "--lint-fatal", str(RULES), cwd=PROMETHEUS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(alerts())} rules found" in done.stdout


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_alert_fires_on_what_it_should_and_on_nothing_else(path: Path) -> None:
    done = promtool("test", "rules", path.name, cwd=path.parent)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_what_is_counted_begins_at_nothing_with_every_label_that_is_alerted_on(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry(), version="0")
    settings = loads(f'{CONFIG}[store]\nurl = "sqlite:///{tmp_path}/watcher.db"', {}).settings
    async with app.daemon(settings, env=fake_env(), metrics=metrics, redactor=Redactor(())):
        samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    for read in chain.from_iterable(selectors(each["expr"]) for each in alerts()):
        if not read.name.endswith("_total"):
            continue
        found = list(meant(read, samples))
        for label, expected in closed(read).items():
            assert {each.labels[label] for each in found} >= expected, read.text
        assert found, read.text
        assert {each.value for each in found} == {0}


def meant(read: Selector, samples: list[Sample]) -> Iterator[Sample]:
    """The samples that a selector selects."""
    for each in samples:
        if each.name == read.name and all(
            bool(re.fullmatch(value, each.labels[label])) == (operator in {"=", "=~"})
            for label, operator, value in _MATCHER.findall(read.text)
        ):
            yield each


def closed(read: Selector) -> dict[str, set[str]]:
    """The values that a selector names one by one."""
    return {label: set(value.split("|")) for label, operator, value in _MATCHER.findall(read.text) if operator == "=~"}
