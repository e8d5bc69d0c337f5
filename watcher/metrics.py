"""Every metric of the daemon, on one injected registry.

Label values come from the configuration or from closed lists; what a server may invent (a status, a type) is shown as it
is until there are `MAX_INVENTED` of them, and as `other` beyond, so that nobody outside can make the scrape grow.
"""

import platform
import sqlite3
from collections import Counter as Tally
from collections.abc import Iterable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from watcher.core.snapshot import DRAFT_STATUSES, KNOWN_STATUSES, KNOWN_TYPES, Deployment, Record

PREFIX = "connect_watcher"
MAX_INVENTED = 20
"""Undocumented values of one label that get a series of their own."""
OTHER = "other"
_LONGEST = 100
_HISTOGRAMS = {
    "poll_duration_seconds": ("How long a poll took.", (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)),
    "change_to_delivered_seconds": (
        "From the observation of a change to its delivery.",
        (0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400),
    ),
}
_OPEN = {
    "deployments": {"type": KNOWN_TYPES, "status": KNOWN_STATUSES},
    "connector_drafts": {"status": DRAFT_STATUSES},
}
"""The labels whose values a server can invent, by metric, and the values that are documented."""

M = TypeVar("M", Counter, Gauge, Histogram)


class Family(Generic[M]):
    """One metric with labels. Its children are kept, so that a hot path pays one look-up in a dict.

    `known` has, for each label that a server can invent values for, the documented ones; `None` for all others.
    """

    def __init__(self, metric: M, known: tuple[frozenset[str] | None, ...]) -> None:
        self.metric: M = metric
        self._children: dict[tuple[str, ...], M] = {}
        self._known = known
        self._invented: list[set[str]] = [set() for _ in known]

    def labels(self, *values: str) -> M:
        """The child with these label values, in the order of the names."""
        child = self._children.get(values)
        if child is None:
            child = self.metric.labels(*self.bounded(values))
            if self.bounded(values) == values:
                self._children[values] = child
        return child

    def bounded(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """The values as they are shown: encodable, short, and few where a server can invent them."""
        return tuple(self._bound(at, _shown(value)) for at, value in enumerate(values))

    def remove(self, values: tuple[str, ...]) -> None:
        """Forget one child."""
        self._children.pop(values, None)
        self.metric.remove(*values)

    def _bound(self, at: int, value: str) -> str:
        known, invented = self._known[at], self._invented[at]
        if known is None or value in known or value in invented:
            return value
        if len(invented) >= MAX_INVENTED:
            return OTHER
        invented.add(value)
        return value


Counters: TypeAlias = Family[Counter]
Gauges: TypeAlias = Family[Gauge]
Histograms: TypeAlias = Family[Histogram]


class Metrics:
    """The metrics by the names the program uses; `_total` and the prefix are added where they are exposed."""

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self.registry = registry
        _build(registry, version)
        counter, gauge = partial(_family, Counter, registry), partial(_family, Gauge, registry)

        self.polls: Counters = counter("polls", "Polls by how they ended.", "source", "outcome")
        self.poll_duration: Histograms = Family(_histogram(registry, "poll_duration_seconds", "source"), (None,))
        self.quarantined: Counters = counter(
            "quarantined_records", "Records that could not be read.", "project", "source"
        )
        self.source_blind: Gauges = gauge("source_blind", "1 while a source cannot be read.", "project", "source")
        self.source_last_success: Gauges = gauge(
            "source_last_success_timestamp_seconds", "When a source was last read in full.", "project", "source"
        )
        self.deployments: Gauges = gauge("deployments", "Deployments as last seen.", "project", "type", "status")
        self.drafts: Gauges = gauge("connector_drafts", "Drafts of Connectors as last seen.", "project", "status")
        self.events: Counters = counter("events", "Facts that were observed and committed.", "type")
        self.log_records: Counters = counter("log_records", "Log records by what became of them.", "source", "outcome")
        self.otlp_refused: Counters = counter(
            "otlp_refused", "Pushed requests and connections that were refused, by why.", "reason"
        )
        self.alerts: Gauges = gauge("alerts", "Alerts by state.", "state")
        self.alert_changes: Counters = counter("alert_changes", "Alerts that began or ended, to be told.", "change")
        self.suppressed: Counters = counter("suppressed", "Messages not made, or not sent singly, by why.", "reason")
        self.template_failures: Counters = counter("template_failures", "Renderings that fell back.", "rule")
        self.deliveries: Counters = counter("deliveries", "Attempts to deliver by how they ended.", "sink", "outcome")
        self.deliveries_failed: Counters = counter("deliveries_failed", "Attempts that failed.", "sink", "reason")
        self.sink_down: Gauges = gauge("sink_down", "1 while a sink fails or refuses and is only tried.", "sink")
        self.outbox_rows: Gauges = gauge("outbox_rows", "Rows of the outbox by state.", "state")
        self.outbox_oldest_age = _gauge(registry, "outbox_oldest_age_seconds", "Age of the oldest row not settled.")
        self.change_to_delivered = _histogram(registry, "change_to_delivered_seconds")
        self.config_reloaded = _gauge(registry, "config_last_reload_successful", "1 if the last one could be used.")
        self.config_reloaded.set(1)
        self.watchdog = _gauge(registry, "watchdog", "1 while the daemon is well, by what its heartbeat looks at.")
        self.heartbeats: Counters = counter("heartbeats", "Pings of the heartbeat by what they said.", "outcome")
        self.heartbeat_last_success = _gauge(
            registry, "heartbeat_last_success_timestamp_seconds", "When a ping last said that all is well."
        )
        self.slack_socket = _gauge(
            registry, "slack_socket_connected", "1 while Slack tells of pressed buttons over Socket Mode."
        )
        self._counted: dict[tuple[str, str], set[tuple[str, ...]]] = {}

    def count(self, project: str, source: str, records: Iterable[Record]) -> None:
        """Show how many records of a source are how; what none is any more is no longer shown."""
        match source:
            case "deployments":
                family = self.deployments
            case "drafts":
                family = self.drafts
            case _:
                return
        counts: Tally[tuple[str, ...]] = Tally()
        for place, count in Tally(_place(project, each) for each in records).items():
            counts[family.bounded(place)] += count  # many records, few places: each is bounded once
        for gone in self._counted.get((project, source), set()) - counts.keys():
            family.remove(gone)
        for values, count in counts.items():
            family.labels(*values).set(count)
        self._counted[project, source] = set(counts)


def new_registry() -> CollectorRegistry:
    """A registry with what Prometheus expects of any process in Python."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _family(kind: type[M], registry: CollectorRegistry, name: str, text: str, *labels: str) -> Family[M]:
    known = _OPEN.get(name, {})
    return Family(kind(f"{PREFIX}_{name}", text, labels, registry=registry), tuple(map(known.get, labels)))


def _gauge(registry: CollectorRegistry, name: str, text: str) -> Gauge:
    return Gauge(f"{PREFIX}_{name}", text, registry=registry)


def _histogram(registry: CollectorRegistry, name: str, *labels: str) -> Histogram:
    text, buckets = _HISTOGRAMS[name]
    return Histogram(f"{PREFIX}_{name}", text, labels, registry=registry, buckets=buckets)


def _build(registry: CollectorRegistry, version: str) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # not typed by its author
    info = Info(f"{PREFIX}_build", "What is running.", registry=registry)
    info.info({"version": version, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version})


def _place(project: str, record: Record) -> tuple[str, ...]:
    kind = (record.type,) if isinstance(record, Deployment) else ()
    return (project, *kind, record.status)


def _shown(value: str) -> str:
    """A label value that can be exposed: valid UTF-8 and short."""
    return value.encode(errors="replace").decode()[:_LONGEST]
