import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from watcher.core.snapshot import Deployment
from watcher.metrics import MAX_INVENTED, OTHER, Metrics, new_registry

DESIGNED = {
    "connect_watcher_polls_total": ("source", "outcome"),
    "connect_watcher_events_total": ("type",),
    "connect_watcher_log_records_total": ("source", "outcome"),
    "connect_watcher_alerts": ("state",),
    "connect_watcher_deliveries_total": ("sink", "outcome"),
    "connect_watcher_deliveries_failed_total": ("sink", "reason"),
    "connect_watcher_suppressed_total": ("reason",),
    "connect_watcher_outbox_rows": ("state",),
    "connect_watcher_outbox_oldest_age_seconds": (),
    "connect_watcher_source_blind": ("project", "source"),
    "connect_watcher_deployments": ("project", "type", "status"),
    "connect_watcher_change_to_delivered_seconds_count": (),
    "connect_watcher_config_last_reload_successful": (),
    "connect_watcher_deployment_failures_total": ("project", "type"),
    "connect_watcher_oldest_in_state_seconds": ("project", "status"),
    "connect_watcher_application_log_records_total": ("project", "deployment", "application"),
    "connect_watcher_application_log_errors_total": ("project", "deployment", "application"),
    "connect_watcher_application_log_hits_total": ("project", "deployment", "application"),
    "connect_watcher_log_hits_total": ("rule",),
    "connect_watcher_log_endpoint_ends_timestamp_seconds": ("project",),
    "connect_watcher_loop_last_success_age_seconds": ("loop",),
    "connect_watcher_event_loop_lag_seconds_count": (),
    "connect_watcher_store_writable": (),
    "connect_watcher_store_bytes": (),
    "connect_watcher_store_free_bytes": (),
    "connect_watcher_store_volume_bytes": (),
    "connect_watcher_clock_skew_seconds": (),
}
"""The names and labels that dashboards and rules rely on."""


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(auto_describe=True), version="1.2.3")


def exercise(metrics: Metrics) -> None:
    metrics.polls.labels("deployments", "ok").inc()
    metrics.poll_duration.labels("deployments").observe(0.2)
    metrics.events.labels("status").inc()
    metrics.log_records.labels("poll", "matched").inc()
    metrics.quarantined.labels("shop", "drafts").inc()
    metrics.alerts.labels("firing").set(2)
    metrics.deliveries.labels("team/slack/0", "delivered").inc()
    metrics.deliveries_failed.labels("team/slack/0", "timeout").inc()
    metrics.suppressed.labels("no_sink").inc()
    metrics.template_failures.labels("Rule").inc()
    metrics.outbox_rows.labels("pending").set(1)
    metrics.outbox_oldest_age.set(3)
    metrics.source_blind.labels("shop", "deployments").set(1)
    metrics.source_last_success.labels("shop", "deployments").set(1.5)
    metrics.change_to_delivered.observe(3)
    metrics.deployment_failures.labels("shop", "production").inc()
    metrics.oldest_in_state.labels("shop", "Failed").set(1)
    metrics.spots.count(("shop", "payment", "service"), records=1)
    metrics.log_hits.labels("Rule").inc()
    metrics.log_endpoint_ends.labels("shop").set(1)
    metrics.loop_last_success_age.labels("judge").set(1)
    metrics.count("shop", "deployments", [deployment("a"), deployment("b"), deployment("c", status="Failed")])


def deployment(name: str, status: str = "Deployed", kind: str = "production") -> Deployment:
    return Deployment(id=name, project="shop", status=status, type=kind)


def exposed(metrics: Metrics) -> dict[str, set[tuple[str, ...]]]:
    """Each series name with the label names it is seen with."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for line in generate_latest(metrics.registry).decode().splitlines():
        if not line.startswith("#"):
            name, _, labels = line.partition(" ")[0].partition("{")
            found.setdefault(name, set()).add(tuple(re.findall(r'(\w+)="', labels)))
    return found


@pytest.mark.parametrize("name", DESIGNED)
def test_names_and_labels_are_the_designed_ones(metrics: Metrics, name: str) -> None:
    exercise(metrics)
    assert {tuple(sorted(labels)) for labels in exposed(metrics)[name]} == {tuple(sorted(DESIGNED[name]))}


def test_every_name_has_the_prefix_a_help_text_and_no_created_twin(metrics: Metrics) -> None:
    exercise(metrics)
    text = generate_latest(metrics.registry).decode()
    assert all(name.startswith("connect_watcher_") for name in exposed(metrics))
    assert "_created" not in text
    helps = re.findall(r"^# HELP (\S+) (\S.*)$", text, re.MULTILINE)
    assert {name for name, _ in helps} == set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))


def test_what_has_not_happened_has_no_series(metrics: Metrics) -> None:
    assert "connect_watcher_log_records_total" not in exposed(metrics)
    assert "# TYPE connect_watcher_log_records_total counter" in generate_latest(metrics.registry).decode()


def test_the_build_is_told(metrics: Metrics) -> None:
    found = next(iter(metrics.registry.collect()))
    assert found.samples[0].name == "connect_watcher_build_info"
    assert found.samples[0].labels["version"] == "1.2.3"
    assert set(found.samples[0].labels) == {"version", "python", "sqlite"}


def count(metrics: Metrics, project: str, kind: str, status: str) -> float | None:
    labels = {"project": project, "type": kind, "status": status}
    return metrics.registry.get_sample_value("connect_watcher_deployments", labels)


def test_deployments_are_counted_anew_and_what_is_gone_is_not_shown(metrics: Metrics) -> None:
    metrics.count("shop", "deployments", [deployment("a"), deployment("b"), deployment("c", status="Failed")])
    metrics.count("other", "deployments", [deployment("d")])
    metrics.count("shop", "deployments", [deployment("a"), deployment("b", kind="preview")])
    assert count(metrics, "shop", "production", "Deployed") == 1
    assert count(metrics, "shop", "preview", "Deployed") == 1
    assert count(metrics, "shop", "production", "Failed") is None
    assert count(metrics, "other", "production", "Deployed") == 1


def test_a_server_that_invents_statuses_cannot_make_the_scrape_grow(metrics: Metrics) -> None:
    invented = [deployment(str(number), status=f"New{number}") for number in range(300)]
    metrics.count("shop", "deployments", [*invented, deployment("a"), deployment("b", status="Undeploying")])
    statuses = {
        sample.labels["status"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "connect_watcher_deployments"
    }
    assert len(statuses) == MAX_INVENTED + 3
    assert count(metrics, "shop", "production", OTHER) == 300 - MAX_INVENTED
    assert count(metrics, "shop", "production", "Undeploying") == 1
    metrics.count("shop", "deployments", [])
    assert count(metrics, "shop", "production", OTHER) is None


def test_label_values_are_short_and_can_be_exposed(metrics: Metrics) -> None:
    metrics.events.labels("x\ud800" + "y" * 500).inc()
    metrics.events.labels("x\ud800" + "y" * 500).inc()
    assert b'type="x?yyy' in generate_latest(metrics.registry)
    assert len(generate_latest(metrics.registry).decode().split('type="x')[1].split('"')[0]) < 110


def test_children_are_made_once(metrics: Metrics) -> None:
    assert metrics.polls.labels("a", "b") is metrics.polls.labels("a", "b")


def test_the_process_tells_what_prometheus_expects_of_any() -> None:
    text = generate_latest(new_registry()).decode()
    assert "process_resident_memory_bytes" in text
    assert "python_gc_objects_collected_total" in text
