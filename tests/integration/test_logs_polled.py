"""Polled logs over HTTP: whatever the endpoint's manners, what applications write is handed on, once."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from tests.fakes import FakeClock, fake_env
from watcher.connect import ProjectAccess, Session
from watcher.connect.logs import Answered, LogClient, LogError, Mark, Refusal
from watcher.core.event import Event
from watcher.core.logrecord import LogRecord
from watcher.core.reading import LogCursor, Query
from watcher.core.sight import SourceState
from watcher.core.snapshot import Application, Deployment
from watcher.errors import Blindness, SourceError, StoreError
from watcher.http import Http
from watcher.metrics import Metrics
from watcher.pipeline.collect import Collector, LogTarget
from watcher.pipeline.logpages import Budget
from watcher.ports import LogBatch
from watcher.simulator import Simulator, serve
from watcher.simulator.logbook import Manners, Record

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PROJECT = "shop"
GCP, AWS = "europe-west1.gcp", "eu-central-1.aws"


@dataclass
class Desk:
    """Store and intake in one: takes batches whole, or refuses them."""

    batches: list[LogBatch] = field(default_factory=list)
    cursors: dict[tuple[str, str], bytes] = field(default_factory=dict)
    source: SourceState | None = None
    broken: bool = False

    async def take(self, batch: LogBatch) -> None:
        if self.broken:
            raise StoreError("disk full")
        self.batches.append(batch)
        self.cursors |= {each.spot: msgspec.json.encode(each) for each in batch.cursors}
        for spot in batch.dropped:
            self.cursors.pop(spot, None)
        self.source = batch.source or self.source

    async def load_cursors(self, project: str) -> Sequence[LogCursor]:
        return [msgspec.json.decode(each, type=LogCursor) for each in self.cursors.values()]

    async def load_source(self, project: str, source: str) -> SourceState | None:
        return self.source

    @property
    def records(self) -> list[LogRecord]:
        return [each for batch in self.batches for each in batch.records]

    @property
    def events(self) -> list[Event]:
        return [each for batch in self.batches for each in batch.events]

    def told(self, kind: str) -> list[dict[str, str]]:
        return [dict(each.fields) for each in self.events if each.type == kind]


@dataclass
class Dated:
    """The simulator's answers with the simulated time as their date, which servers of aiohttp say on their own."""

    client: LogClient
    clock: FakeClock

    async def page(self, deployment_id: str, application: str, query: Query, known: Mark | None = None) -> Answered:
        answered = await self.client.page(deployment_id, application, query, known)
        return answered._replace(server=self.clock.at // 1000 * 1000)


@dataclass(kw_only=True)
class Shop:
    """A project of the simulator, and whoever reads its logs."""

    simulator: Simulator
    http: Http
    clock: FakeClock
    desk: Desk = field(default_factory=Desk)
    region: str = GCP
    budget: Budget = field(default_factory=lambda: Budget(rate=1000))
    learn: int = DAY
    trouble_at: int = 0
    listed: dict[str, Deployment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another process on the same store."""
        env = fake_env(self.clock)
        access = ProjectAccess(
            key=PROJECT,
            region=self.region,
            client_id="watcher",
            client_secret="any",
            api_url=self.simulator.url,
            auth_url=self.simulator.url,
        )
        self.client = LogClient(access, Session(access, http=self.http, env=env), lambda text: text)
        self.metrics = Metrics(CollectorRegistry(), version="0")
        target = LogTarget(
            project=PROJECT,
            region=self.region,
            pages=Dated(self.client, self.clock),
            deployments=lambda: self.listed,
            blind_after=150 * SECOND,
            budget=self.budget,
            learn=self.learn,
            trouble=lambda: self.trouble_at,
        )
        store: Any = self.desk
        self.collector = Collector(target, store=store, intake=self.desk, env=env, metrics=self.metrics)

    def deploy(self, key: str = "orders", status: str = "Deployed") -> str:
        found = self.simulator.create(PROJECT, key=key, connector="order-export", deployedRegion=self.region)[0]
        names = [each["applicationName"] for each in found["applications"]]
        applications = tuple(Application(id=name, name=name) for name in names)
        deployment_id = str(found["id"])
        self.listed[deployment_id] = Deployment(
            id=deployment_id,
            key=key,
            project=PROJECT,
            status=status,
            region=self.region,
            applications=applications,
        )
        return deployment_id

    def write(self, deployment_id: str, *moments: int, late: int = 0, application: str = "order-listener") -> None:
        records = [
            Record(timestamp=at, arrival=at + late, type="APPLICATION_TEXT", details={"message": f"line {at}"})
            for at in moments
        ]
        self.simulator.logbook.append(deployment_id, application, records)

    async def look(self) -> None:
        wait = await self.collector.round()
        assert self.collector.error == ""
        self.clock.at += wait

    async def run(self, length: int) -> None:
        """Look as often as the collector asks for."""
        end = self.clock.at + length
        while self.clock.at < end:
            await self.look()

    def lines(self, deployment_id: str) -> Counter[int]:
        return Counter(each.at for each in self.desk.records if each.deployment_id == deployment_id)

    def requests(self, path: str = "/logs") -> int:
        return sum(path in each.path for each in self.simulator.requests)

    def count(self, outcome: str) -> float:
        labels = {"source": "poll", "outcome": outcome}
        return self.metrics.registry.get_sample_value("connect_watcher_log_records_total", labels) or 0


@asynccontextmanager
async def shop(manners: Manners | None = None, **fields: Any) -> AsyncIterator[Shop]:
    clock = FakeClock()
    async with serve(seed=1, clock=clock) as simulator, Http() as http:
        simulator.logbook.manners = manners or Manners()
        yield Shop(simulator=simulator, http=http, clock=clock, **fields)


# ── manners ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "manners",
    [
        Manners(),
        Manners(ending="null"),
        Manners(ending="absent"),
        Manners(reverse=True, page_size=7),
        Manners(empty_every=2, page_size=7),
        Manners(empty_every=3, reverse=True, ending="absent", page_size=3),
        Manners(cursor_lifetime=10, page_size=20),
    ],
    ids=repr,
)
async def test_everything_is_read_once_whatever_the_manners(manners: Manners) -> None:
    async with shop(manners) as world:
        one = world.deploy()
        start = world.clock.at
        moments = [start + n * 700 for n in range(-200, 200)]
        world.write(one, *moments, *moments[::9])
        world.write(one, start - 100, start - 101, late=4 * MINUTE)
        await world.run(15 * MINUTE)
        assert world.lines(one) == Counter([*moments, *moments[::9], start - 100, start - 101])
        assert [each.at for each in world.desk.batches[1].records] == sorted(
            each.at for each in world.desk.batches[1].records
        )


async def test_tokens_that_expire_at_any_page_lose_and_double_nothing() -> None:
    async with shop(Manners(page_size=4)) as world:
        one = world.deploy()
        moments = [world.clock.at - n * 20_000 for n in range(120)]
        world.write(one, *moments)
        world.budget = Budget(rate=1000, pages=3)
        world.restart()
        for _ in range(100):
            await world.look()
            world.simulator.logbook.expire_cursors()
        assert world.lines(one) == Counter(moments)


async def test_a_process_that_dies_between_pages_goes_on_where_it_was() -> None:
    async with shop(Manners(page_size=4), budget=Budget(rate=1000, pages=3)) as world:
        one = world.deploy()
        moments = [world.clock.at - n * 1000 for n in range(100)]
        world.write(one, *moments, *moments[::5])
        for _ in range(60):
            await world.look()
            world.restart()
        assert world.lines(one) == Counter([*moments, *moments[::5]])


async def test_what_could_not_be_committed_is_read_again() -> None:
    async with shop(Manners(page_size=4)) as world:
        one = world.deploy()
        await world.look()
        moments = [world.clock.at + n * 100 for n in range(50)]
        world.write(one, *moments)
        world.clock.at += MINUTE
        world.desk.broken = True
        await world.collector.round()
        assert world.collector.error == "StoreError: disk full"
        assert world.lines(one) == Counter()
        world.desk.broken = False
        await world.run(3 * MINUTE)
        assert world.lines(one) == Counter(moments)


# ── applications by name ─────────────────────────────────────────────────────


async def test_in_aws_regions_each_application_is_asked_for() -> None:
    async with shop(region=AWS) as world:
        one = world.deploy()
        names = [each.name for each in world.listed[one].applications]
        for name in names:
            world.write(one, world.clock.at - 5, application=name)
        await world.run(MINUTE)
        assert {each.application for each in world.desk.records} == set(names)
        assert set(world.desk.cursors) == {(one, name) for name in names}


# ── cost ─────────────────────────────────────────────────────────────────────


async def test_a_deployment_without_new_logs_costs_one_request_and_no_decode() -> None:
    async with shop() as world:
        one = world.deploy()
        world.write(one, *[world.clock.at - n for n in range(20)])
        await world.look()
        read, decoded, batches = world.client.pages_read, world.client.pages_decoded, len(world.desk.records)
        for expected in range(1, 6):
            world.clock.at += 2 * MINUTE
            await world.look()
            assert world.client.pages_read == read + expected
        assert world.client.pages_decoded == decoded
        assert len(world.desk.records) == batches == 20


async def test_one_noisy_deployment_does_not_starve_the_others() -> None:
    async with shop(budget=Budget(rate=1000, pages=30, requests=40, concurrency=1)) as world:
        noisy = world.deploy("noisy")
        world.write(noisy, *[world.clock.at - n * 10 for n in range(6_000)])
        others = [world.deploy(f"other-{n}") for n in range(10)]
        for each in others:
            world.write(each, world.clock.at - 1)
        await world.look()
        assert all(world.lines(each).total() == 1 for each in others)
        assert 0 < world.lines(noisy).total() < 6_000
        assert world.requests() <= 40
        await world.run(3 * MINUTE)
        assert world.lines(noisy).total() == 6_000


async def test_requests_are_spread_over_time() -> None:
    async with shop(Manners(page_size=10), budget=Budget(rate=2)) as world:
        one = world.deploy()
        world.write(one, *[world.clock.at - n for n in range(300)])
        begun = world.clock.at
        await world.collector.round()
        assert world.clock.at - begun >= (30 - 6) * 500


# ── removal ──────────────────────────────────────────────────────────────────


async def test_when_the_endpoint_is_gone_it_is_told_once_and_probed_daily() -> None:
    async with shop() as world:
        one = world.deploy()
        world.deploy("two")
        await world.run(MINUTE)
        world.simulator.remove_logs()
        await world.run(HOUR)
        (blind,) = world.desk.told("blind")
        assert blind["removed"] == "true"
        asked = world.requests()
        await world.run(3 * DAY)
        assert world.requests() - asked in {2, 3, 4}
        world.restart()
        await world.run(DAY // 2)
        assert len(world.desk.told("blind")) == 1
        world.simulator.keep_logs()
        world.write(one, world.clock.at)
        await world.run(DAY)
        assert len(world.desk.told("sighted")) == 1
        assert world.lines(one).total() == 1


async def test_a_deployment_on_its_way_out_is_not_the_end_of_logs() -> None:
    async with shop() as world:
        one, two = world.deploy("one"), world.deploy("two")
        await world.run(MINUTE)
        world.simulator.delete(two)
        await world.run(10 * MINUTE)
        assert world.desk.told("blind") == []
        del world.listed[two]
        await world.run(MINUTE)
        assert set(world.desk.cursors) == {(one, "")}


async def test_the_end_is_counted_down() -> None:
    async with shop() as world:
        world.deploy()
        for _ in range(20):
            await world.look()
            world.clock.at += DAY
            world.restart()
        days = [each["days"] for each in world.desk.told("ending")]
        assert days == ["16", "14", "7", "3", "1"]
        assert {each["date"] for each in world.desk.told("ending")} == {"2027-01-31"}


# ── sight ────────────────────────────────────────────────────────────────────


async def test_failures_become_a_blindness_that_ends() -> None:
    async with shop() as world:
        one = world.deploy()
        await world.run(MINUTE)
        fault = world.simulator.fault("/shop/deployments/*/logs", status=500)
        await world.run(10 * MINUTE)
        assert len(world.desk.told("blind")) == 1
        world.simulator.faults.drop(fault)
        world.write(one, world.clock.at - 9 * MINUTE)
        await world.run(5 * MINUTE)
        assert len(world.desk.told("sighted")) == 1
        assert world.lines(one).total() == 1


async def test_while_deployments_cannot_be_read_either_they_are_what_is_told() -> None:
    async with shop() as world:
        world.deploy()
        await world.run(MINUTE)
        world.simulator.fault("/shop/deployments/*/logs", status=500)
        for _ in range(40):
            world.trouble_at = world.clock.at
            await world.look()
        assert world.desk.told("blind") == []


async def test_what_is_kept_no_longer_is_told_as_a_gap() -> None:
    async with shop() as world:
        one = world.deploy()
        world.write(one, world.clock.at - 5)
        await world.run(MINUTE)
        left = world.clock.at
        world.clock.at += 33 * DAY
        world.restart()
        world.write(one, world.clock.at - 5)
        await world.look()
        (gap,) = world.desk.told("gap")
        assert abs(int(gap["from"]) - left) < 5 * MINUTE
        assert int(gap["to"]) - left > 2 * DAY
        assert world.lines(one).total() == 2
        await world.run(HOUR)
        assert len(world.desk.told("gap")) == 1


async def test_what_was_written_before_the_first_sight_is_no_news_but_all_that_a_new_deployment_wrote() -> None:
    async with shop() as world:
        world.deploy()
        begun = world.clock.at
        await world.run(MINUTE)
        two = world.deploy("two")
        world.write(two, world.clock.at)
        await world.run(MINUTE)
        assert {
            batch.fresh_from for batch in world.desk.batches if batch.cursors and batch.cursors[0].deployment_id != two
        } == {begun}
        (found,) = [batch for batch in world.desk.batches if batch.records]
        assert found.fresh_from == 0


async def test_logs_are_fetched_on_demand_without_moving_a_cursor() -> None:
    async with shop() as world:
        one = world.deploy()
        await world.look()
        world.write(one, *[world.clock.at - n * 1000 for n in range(100)])
        before = dict(world.desk.cursors)
        found = await world.collector.fetch(one, world.clock.at - MINUTE)
        assert [each.at for each in found] == [world.clock.at - n * 1000 for n in range(60, -1, -1)]
        assert world.desk.cursors == before


# ── what the client makes of refusals ────────────────────────────────────────


@pytest.mark.parametrize(
    ("application", "start", "token", "refusal", "kind"),
    [
        ("", HOUR, "bm9uZQ==", Refusal.TOKEN, Blindness.UNREADABLE),
        ("", 31 * DAY, "", Refusal.DATE, Blindness.UNREADABLE),
        ("nobody", HOUR, "", Refusal.APPLICATION, Blindness.UNREADABLE),
    ],
)
async def test_refusals_are_told_apart(
    application: str, start: int, token: str, refusal: Refusal, kind: Blindness
) -> None:
    async with shop() as world:
        one = world.deploy()
        query = Query(world.clock.at - start, world.clock.at, token)
        with pytest.raises(LogError) as caught:
            await world.client.page(one, application, query)
        assert (caught.value.refusal, caught.value.kind) == (refusal, kind)


@pytest.mark.parametrize(
    ("status", "refusal", "kind"),
    [
        (404, Refusal.GONE, Blindness.NOT_FOUND),
        (410, Refusal.GONE, Blindness.NOT_FOUND),
        (403, None, Blindness.FORBIDDEN),
        (500, None, Blindness.SERVER),
    ],
)
async def test_gone_is_told_apart_from_forbidden_and_broken(
    status: int, refusal: Refusal | None, kind: Blindness
) -> None:
    async with shop() as world:
        one = world.deploy()
        world.simulator.fault("/shop/deployments/*/logs", status=status)
        with pytest.raises(SourceError) as caught:
            await world.client.page(one, "", Query(world.clock.at - HOUR, world.clock.at))
        assert caught.value.kind == kind
        assert (caught.value.refusal if isinstance(caught.value, LogError) else None) == refusal
        assert "view_connectors_deployments" in str(caught.value) or status != 403


async def test_an_application_must_be_named_in_aws_regions() -> None:
    async with shop() as world:
        found = world.simulator.create(PROJECT, key="aws", connector="order-export", deployedRegion=AWS)[0]
        assert found["deployedRegion"] == AWS
        with pytest.raises(LogError) as caught:
            await world.client.page(found["id"], "", Query(world.clock.at - HOUR, world.clock.at))
        assert caught.value.refusal is Refusal.UNNAMED
