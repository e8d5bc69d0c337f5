"""What counters of failures, of applications and of loops come to."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from tests.fakes import START, FakeClock, ScriptedSource, deployment, fake_env
from watcher.core import history
from watcher.core.cadence import Cadence
from watcher.core.event import Event, EventType
from watcher.core.logrecord import Hit, LogRecord, Matched, Place, Tally
from watcher.core.snapshot import Deployment
from watcher.errors import StoreError
from watcher.metrics import LEAST_SPOTS, MAX_SPOTS, OTHER, Metrics
from watcher.pipeline.ingest import Ingest, Sighted
from watcher.pipeline.loop import Loop
from watcher.pipeline.observe import Observer, Target
from watcher.ports import LogBatch, LogWrite, Pushed, Store
from watcher.store import inline, open_store

MINUTE = 60_000
SHOP = deployment("shop")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(auto_describe=True), version="0")


def shown(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The series of a name, by the values of their labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"connect_watcher_{name}"
    }


# ── failures ─────────────────────────────────────────────────────────────────


class Watched:
    """A project that is polled."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self.api: ScriptedSource[Deployment] = ScriptedSource()
        cadence = Cadence(normal=MINUTE, fast=MINUTE, blind_after=5 * MINUTE)
        target = Target(project="my-shop", region="", kind=Deployment, source=self.api, cadence=cadence)
        self.observer = Observer(target, store=store, env=fake_env(), metrics=metrics, changed=lambda: None)
        self.metrics = metrics

    async def failures(self) -> float:
        """How many there are after another look."""
        await self.observer.poll()
        return sum(shown(self.metrics, "deployment_failures_total").values())


@pytest.fixture
async def watched(metrics: Metrics) -> AsyncIterator[Watched]:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    try:
        yield Watched(store, metrics)
    finally:
        await store.close()


async def test_a_failure_counts_once_and_one_that_was_there_already_does_not(watched: Watched) -> None:
    watched.api.put(deployment("shop"), deployment("old", status="Failed"))
    assert await watched.failures() == 0
    watched.api.set("shop", status="Failed")
    assert await watched.failures() == 1
    assert await watched.failures() == 1
    assert set(shown(watched.metrics, "deployment_failures_total")) == {("my-shop", SHOP.type)}


async def test_a_failure_that_comes_with_a_new_build_counts_once(watched: Watched) -> None:
    watched.api.put(deployment("shop", build="1"))
    await watched.failures()
    watched.api.set("shop", status="Failed", build="2")
    assert await watched.failures() == 1


async def test_a_redeployment_that_fails_again_counts_again(watched: Watched) -> None:
    watched.api.put(deployment("shop", status="Failed", build="1"))
    await watched.failures()
    watched.api.set("shop", build="2")
    assert await watched.failures() == 1


async def test_what_comes_and_has_failed_counts_and_what_recovers_does_not(watched: Watched) -> None:
    watched.api.put(deployment("shop"))
    await watched.failures()
    watched.api.put(deployment("shop"), deployment("new", status="UndeployFailed"))
    assert await watched.failures() == 1
    watched.api.set("new", status="Deployed")
    assert await watched.failures() == 1


def test_a_status_is_as_old_as_its_last_change() -> None:
    run = history.begun(SHOP, START, region="")
    assert run.status_since == START

    def after(at: int, **fields: object) -> history.Run | None:
        event = Event(type=EventType.STATUS, project="my-shop", at=at, deployment=deployment("shop", **fields))  # type: ignore[arg-type]  # any field
        return history.advanced(run, event)

    same, other = after(START + 5, version=9), after(START + 5, status="Failed")
    assert same is not None
    assert other is not None
    assert (same.status_since, other.status_since) == (START, START + 5)


# ── applications ─────────────────────────────────────────────────────────────


def test_a_first_error_is_an_increase(metrics: Metrics) -> None:
    spot = ("my-shop", "shop", "service")
    metrics.spots.count(spot, records=3)
    assert [shown(metrics, f"application_log_{each}_total")[spot] for each in ("records", "errors", "hits")] == [
        3,
        0,
        0,
    ]
    metrics.spots.count(spot, records=1, errors=1, hits=2)
    assert [shown(metrics, f"application_log_{each}_total")[spot] for each in ("records", "errors", "hits")] == [
        4,
        1,
        2,
    ]


def test_many_applications_are_counted_together_and_none_is_lost(metrics: Metrics) -> None:
    for number in range(MAX_SPOTS + 50):
        metrics.spots.count(("my-shop", f"d{number}", "service"), records=1)
    metrics.spots.count(("my-shop", "d0", "service"), records=1)
    found = shown(metrics, "application_log_records_total")
    assert len(found) == MAX_SPOTS + 1
    assert found["my-shop", "d0", "service"] == 2
    assert found["my-shop", OTHER, OTHER] == 50
    assert sum(found.values()) == MAX_SPOTS + 51


def test_what_is_gone_makes_room(metrics: Metrics) -> None:
    for number in range(MAX_SPOTS + 1):
        metrics.spots.count(("my-shop", f"d{number}", "service"), records=1)
    metrics.spots.retain(("my-shop", f"d{number}") for number in range(MAX_SPOTS + 1) if number != 7)
    metrics.spots.count(("my-shop", "new", "service"), records=1)
    found = shown(metrics, "application_log_records_total")
    assert ("my-shop", "d7", "service") not in found
    assert found["my-shop", "new", "service"] == found["my-shop", OTHER, OTHER] == 1


def test_no_project_takes_the_room_of_another(metrics: Metrics) -> None:
    metrics.keep_only([("loud", "logs"), ("quiet", "logs"), ("quiet", "deployments")], [])
    for number in range(MAX_SPOTS):
        metrics.spots.count(("loud", f"d{number}", "service"), records=1)
    metrics.spots.count(("quiet", "shop", "service"), records=1)
    found = shown(metrics, "application_log_records_total")
    assert found["quiet", "shop", "service"] == 1
    assert found["loud", OTHER, OTHER] == MAX_SPOTS // 2


def test_of_many_projects_each_has_some_room_and_what_is_shown_stays(metrics: Metrics) -> None:
    for number in range(LEAST_SPOTS + 5):
        metrics.spots.count(("old", f"d{number}", "service"), records=1)
    metrics.keep_only([(str(each), "logs") for each in range(MAX_SPOTS)], [])
    for number in range(LEAST_SPOTS + 1):
        metrics.spots.count(("new", f"d{number}", "service"), records=1)
    metrics.spots.count(("old", "d0", "service"), records=1)
    found = shown(metrics, "application_log_records_total")
    assert found["new", OTHER, OTHER] == 1
    assert found["old", "d0", "service"] == 2


def test_a_name_that_is_shown_cut_is_known_again(metrics: Metrics) -> None:
    name = "d" * 150
    metrics.spots.count(("my-shop", name, "service"), records=1)
    metrics.spots.retain([("my-shop", name)])
    metrics.spots.count(("my-shop", name, "service"), records=1)
    assert list(shown(metrics, "application_log_records_total").values()) == [2]


class Matching:
    """Finds an error and a hit in every record."""

    def match(
        self, project: str, region: str, records: Sequence[LogRecord], deployments: Mapping[str, Deployment]
    ) -> Matched:
        hits = [
            Hit(rule="R", deployment_id=SHOP.id, application="a", at=each.at, last=each.at, count=2) for each in records
        ]
        return Matched(hits, {Place(project, SHOP.id, "a", 1): Tally(records=len(records), errors=len(records))})


class Committing:
    """A store that knows what it has, or takes nothing."""

    def __init__(self) -> None:
        self.known: set[bytes] = set()
        self.failing = False

    async def commit_logs(self, writes: Sequence[LogWrite]) -> Sequence[bool]:
        if self.failing:
            raise StoreError("no")
        fresh = [each.digest not in self.known or not each.digest for each in writes]
        self.known |= {each.digest for each in writes}
        return fresh


RECORD = LogRecord(SHOP.id, "a", "APPLICATION_TEXT", "ERROR", "ERROR", START, "no", project="my-shop")


async def test_what_is_committed_is_counted_by_application_and_by_rule_once(metrics: Metrics) -> None:
    store = Committing()
    ingest = Ingest(
        Matching(),
        {"my-shop": Sighted(region="", deployments=lambda: {SHOP.id: SHOP})},
        store=cast("Store", store),
        env=fake_env(),
        metrics=metrics,
        changed=lambda: None,
    )
    pushed = Pushed([RECORD, RECORD], 0, 0, b"1")
    await ingest.push(pushed, frozenset({"my-shop"}))
    await ingest.push(pushed, frozenset({"my-shop"}))  # a sender that has not heard the answer
    await ingest.take(LogBatch(project="my-shop", records=[RECORD]))
    store.failing = True
    with pytest.raises(StoreError):
        await ingest.take(LogBatch(project="my-shop", records=[RECORD]))
    spot = ("my-shop", SHOP.name, "a")
    assert shown(metrics, "application_log_records_total") == {spot: 3}
    assert shown(metrics, "application_log_errors_total") == {spot: 3}
    assert shown(metrics, "application_log_hits_total") == {spot: 6}
    assert shown(metrics, "log_hits_total") == {("R",): 6}


# ── loops ────────────────────────────────────────────────────────────────────


async def test_a_loop_that_fails_is_alive_and_not_well() -> None:
    clock, steps = FakeClock(), 0

    async def step() -> int | None:
        nonlocal steps
        steps += 1
        clock.at += MINUTE
        if steps == 3:
            loop.stop()
        if steps > 1:
            raise ValueError("no")
        return 0

    loop = Loop("judge", step, clock)
    begun = clock.monotonic()
    await loop.run()
    assert (loop.well_at - begun) // MINUTE == 1
    assert (loop.alive_at - begun) // MINUTE == 3
