"""The alerts that are shipped are of metrics that there are, say what Prometheus wants, and are explained and tried."""

import re
from typing import Any

import pytest
import yaml

from tests.shown import PROMETHEUS, ROOT, SCRAPED, alerts, exported, grouped, selectors

BOOK = "https://github.com/connect-watcher/connect-watcher/blob/main/docs/runbooks.md"
NAMES = [each["alert"] for each in alerts()]
CASES = [
    case for path in sorted((PROMETHEUS / "tests").glob("*.yml")) for case in yaml.safe_load(path.read_text())["tests"]
]


def labels_of(rule: Any) -> frozenset[str]:
    """The labels that an alert can have: those of what it reads."""
    found = [exported()[each.name] for each in selectors(rule["expr"])]
    return frozenset().union(*found) | SCRAPED


def test_there_is_a_watchdog_that_fires_while_all_is_well() -> None:
    (watchdog,) = [each for each in alerts() if each["alert"] == "Watchdog"]
    assert watchdog["expr"] == "connect_watcher_watchdog == 1"
    assert "for" not in watchdog


def test_what_somebody_needs_to_know_has_an_alert() -> None:
    assert len(set(NAMES)) == len(NAMES)
    wanted = """Absent Unwell SourceBlind OutboxOld DeliveriesFailing DeadLetters RestartLoop ConfigReloadFailed
    LogEndpointEnding SinkDown LogsBehind RecordsQuarantined TemplateFailures LoopStalled StoreUnwritable"""
    assert {f"ConnectWatcher{each}" for each in wanted.split()} <= set(NAMES)


@pytest.mark.parametrize("rule", alerts(), ids=NAMES)
def test_an_alert_reads_what_the_daemon_shows(rule: Any) -> None:
    read = selectors(rule["expr"])
    assert read
    assert {each.name for each in read} <= exported().keys()
    for each in read:
        assert each.labels <= exported()[each.name] | SCRAPED, each.text
    assert grouped(rule["expr"]) <= labels_of(rule)


@pytest.mark.parametrize("rule", alerts(), ids=NAMES)
def test_an_alert_says_what_prometheus_and_people_need(rule: Any) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"].keys() == {"severity"}
    assert set(re.findall(r"\b(critical|warning|info|none)\b", rule["labels"]["severity"]))
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"{BOOK}#{rule['alert'].lower()}"
    assert "$value" in rule["annotations"]["description"]
    texts = " ".join([*rule["annotations"].values(), *rule["labels"].values()])
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= labels_of(rule)


def test_each_alert_has_a_heading_in_the_runbooks_and_each_heading_an_alert() -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text("utf-8")
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_is_tried_with_what_it_fires_on_and_with_what_it_does_not(name: str) -> None:
    cases = [case for case in CASES if case["name"].startswith(f"{name}: ")]
    tried = [[bool(each["exp_alerts"]) for each in case["alert_rule_test"]] for case in cases]
    assert any(any(case) for case in tried), "never fires"
    assert sum(not any(case) for case in tried) >= 2, "a healthy case and one that is almost there are wanted"
    assert all(each["alertname"] == name for case in cases for each in case["alert_rule_test"])


def test_cases_are_of_alerts_that_there_are_and_of_series_that_the_daemon_shows() -> None:
    assert {case["name"].partition(": ")[0] for case in CASES} == set(NAMES)
    for series in (each["series"] for case in CASES for each in case["input_series"]):
        (read,) = selectors(series)
        assert read.labels == exported()[read.name] | SCRAPED or read.name == "connect_watcher_build_info", series
