"""Every metric of the daemon, on one injected registry.

Label values come from the configuration or from closed lists; what a server may invent (a status, a type) is shown as it
is until there are `MAX_INVENTED` of them, and as `other` beyond, so that nobody outside can make the scrape grow.
"""

import platform
import sqlite3
from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterable
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
MAX_SPOTS = 300
"""Applications of Deployments that get series of their own; there may be thousands, and each has several."""
LEAST_SPOTS = 20
"""How many each project has room for, however many projects there are."""
_LONGEST = 100
_HISTOGRAMS = {
    "poll_duration_seconds": ("How long a poll took.", (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)),
    "change_to_delivered_seconds": (
        "From the observation of a change to its delivery.",
        (0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400),
    ),
    "event_loop_lag_seconds": (
        "How much later than it wished the event loop went on, looked at once a second.",
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    ),
}
_OPEN = {
    "deployments": {"type": KNOWN_TYPES, "status": KNOWN_STATUSES},
    "connector_drafts": {"status": DRAFT_STATUSES},
    "deployment_failures": {"type": KNOWN_TYPES},
    "oldest_in_state_seconds": {"status": KNOWN_STATUSES},
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

    def retain(self, wanted: Callable[[tuple[str, ...]], bool]) -> None:
        """Forget every child that is not wanted."""
        for values in [each for each in self._children if not wanted(each)]:
            self.remove(values)

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


class Spots:
    """What is counted by application of a Deployment: the first that write get series of their own, all others share one.

    A spot is a project, the name of a Deployment and that of an application. Each project has its share of the room, so
    that none can take it from the others.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(_family, Counter, registry)
        labels = ("project", "deployment", "application")
        self._records: Counters = counter("application_log_records", "Log records by who wrote them.", *labels)
        self._errors: Counters = counter("application_log_errors", "Those of level ERROR and above.", *labels)
        self._hits: Counters = counter("application_log_hits", "Those that a rule met.", *labels)
        self._known: set[tuple[str, ...]] = set()
        self._taken: Tally[str] = Tally()
        self._share = MAX_SPOTS

    def share(self, projects: int) -> None:
        """Divide the room. Who has more than its share already keeps that, so that no counter ends by it."""
        self._share = max(MAX_SPOTS // max(projects, 1), LEAST_SPOTS)

    def count(self, spot: tuple[str, str, str], *, records: int = 0, errors: int = 0, hits: int = 0) -> None:
        """Count what was committed. All three are shown from the first record on, so that a first error is an increase."""
        values = self._records.bounded(spot)
        if values not in self._known:
            if self._taken[values[0]] < self._share:
                self._known.add(values)
                self._taken[values[0]] += 1
            else:
                values = (values[0], OTHER, OTHER)
        for family, count in ((self._records, records), (self._errors, errors), (self._hits, hits)):
            family.labels(*values).inc(count)

    def retain(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Show nothing more of Deployments that are not wanted, by project and name; what comes instead gets their room."""
        shown = {self._records.bounded(each) for each in wanted}
        gone = {each for each in self._known if each[:2] not in shown and each[1] != OTHER}
        self._known -= gone
        self._taken = Tally(each[0] for each in self._known)
        for family in (self._records, self._errors, self._hits):
            family.retain(lambda values: values not in gone)


Counters: TypeAlias = Family[Counter]
Gauges: TypeAlias = Family[Gauge]
Histograms: TypeAlias = Family[Histogram]


class Metrics:
    """The metrics by the names the program uses; `_total` and the prefix are added where they are exposed."""

    def __init__(self, registry: CollectorRegistry, *, version: str) -> None:
        self.registry = registry
        _build(registry, version)
        self._observe(partial(_family, Counter, registry), partial(_family, Gauge, registry))
        self._deliver(partial(_family, Counter, registry), partial(_family, Gauge, registry))
        self._live(partial(_family, Counter, registry), partial(_family, Gauge, registry))
        self._counted: dict[tuple[str, str], set[tuple[str, ...]]] = {}

    def _observe(self, counter: Callable[..., "Counters"], gauge: Callable[..., "Gauges"]) -> None:
        registry = self.registry
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
        self.deployment_failures: Counters = counter(
            "deployment_failures", "Deployments that were seen to fail.", "project", "type"
        )
        self.oldest_in_state: Gauges = gauge(
            "oldest_in_state_seconds",
            "For how long the Deployment has its status that has had it for longest.",
            "project",
            "status",
        )
        self.drafts: Gauges = gauge("connector_drafts", "Drafts of Connectors as last seen.", "project", "status")
        self.events: Counters = counter("events", "Facts that were observed and committed.", "type")
        self.log_records: Counters = counter("log_records", "Log records by what became of them.", "source", "outcome")
        self.log_hits: Counters = counter("log_hits", "Log records that rules met.", "rule")
        self.spots = Spots(registry)
        self.log_endpoint_ends: Gauges = gauge(
            "log_endpoint_ends_timestamp_seconds", "When the endpoint is removed that logs are polled from.", "project"
        )
        self.otlp_refused: Counters = counter(
            "otlp_refused", "Pushed requests and connections that were refused, by why.", "reason"
        )

    def _deliver(self, counter: Callable[..., "Counters"], gauge: Callable[..., "Gauges"]) -> None:
        registry = self.registry
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

    def _live(self, counter: Callable[..., "Counters"], gauge: Callable[..., "Gauges"]) -> None:
        registry = self.registry
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
        self.loop_last_success_age: Gauges = gauge(
            "loop_last_success_age_seconds", "How long ago a loop made its last good step.", "loop"
        )
        self.loop_lag = _histogram(registry, "event_loop_lag_seconds")
        self.store_writable = _gauge(registry, "store_writable", "1 while the heartbeat can write to the database.")
        self.store_writable.set(1)
        self.store_bytes = _gauge(registry, "store_bytes", "Size of the database with its write-ahead log.")
        self.store_free_bytes = _gauge(registry, "store_free_bytes", "What is left of the database's volume.")
        self.store_volume_bytes = _gauge(registry, "store_volume_bytes", "Size of the database's volume.")
        self.clock_skew = _gauge(
            registry, "clock_skew_seconds", "How far this clock is ahead of the API's; 0 within two minutes."
        )

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

    def keep_only(self, sources: Collection[tuple[str, str]], sinks: Collection[str]) -> None:
        """Show nothing more of what is no longer watched, by project and source, or no longer sent to."""
        for project, source in [each for each in self._counted if each not in sources]:
            self.count(project, source, ())
        self.spots.share(len({project for project, _ in sources}))
        for seen in (self.source_blind, self.source_last_success):
            seen.retain(lambda values: values in sources)
        self.sink_down.retain(lambda values: values[0] in sinks)


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
