"""The heartbeat over a real door out and a real database: what is pinged, and what Prometheus is shown."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from tests.fakes import START, FakeClock, fake_env
from tests.loopback import web_server
from watcher.core.delivery import Delivery
from watcher.core.sight import SourceState
from watcher.errors import ConfigError, StoreError
from watcher.http import Http
from watcher.metrics import Metrics
from watcher.pipeline.heartbeat import AGAIN, Beat, Heartbeat
from watcher.ports import Judgement, Observation, Store
from watcher.store import open_store

MINUTE = 60_000


@dataclass
class Switch:
    """The other end: what was pinged, and what it answers."""

    pings: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        self.pings.append((request.path_qs, await request.text()))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@dataclass
class World:
    """A heartbeat and everything that it looks at."""

    heart: Heartbeat
    store: Store
    clock: FakeClock
    metrics: Metrics
    switch: Switch
    stalled: list[str]

    async def polled(self, **fields: object) -> None:
        state = SourceState(project="shop", last_ok=self.clock.at, **fields)  # type: ignore[arg-type]  # by name
        await self.store.commit_observation(Observation(source=state))

    def shown(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"connect_watcher_{name}", labels)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:

    clock, switch, stalled = FakeClock(), Switch(), list[str]()
    metrics = Metrics(CollectorRegistry(), version="0")
    store = await open_store(f"sqlite:///{tmp_path}/watcher.db", clock=clock)
    async with web_server(switch.answer) as url, Http(allow=[ip_network("127.0.0.0/8")]) as http:
        heart = Heartbeat(
            Beat(url=lambda: f"{url}/ping/canary?rid=1"),
            paces={("shop", "deployments"): 30_000, ("shop", "drafts"): 30_000},
            stalled=lambda: stalled,
            store=store,
            http=http,
            env=fake_env(clock),
            metrics=metrics,
        )
        yield World(heart, store, clock, metrics, switch, stalled)
    await store.close()


async def test_all_is_well_and_both_hear_of_it(world: World) -> None:
    assert world.shown("watchdog") == 0
    world.clock.at += MINUTE
    await world.polled()
    assert await world.heart.round() == MINUTE
    assert world.switch.pings == [("/ping/canary?rid=1", "")]
    assert world.shown("watchdog") == 1
    assert world.shown("heartbeat_last_success_timestamp_seconds") == (START + MINUTE) / 1000


async def test_a_daemon_that_looks_no_more_is_not_well_for_long(world: World) -> None:
    await world.polled()
    await world.heart.round()
    world.clock.at += 2 * MINUTE + 10_000
    assert world.shown("watchdog") == 1
    world.clock.at += 1
    assert world.shown("watchdog") == 0


async def test_blind_is_not_healthy(world: World) -> None:
    await world.polled(blind=True)
    await world.heart.round()
    assert world.switch.pings == [("/ping/canary/fail?rid=1", "blind on deployments of shop")]
    assert world.shown("watchdog") == 0
    assert world.shown("heartbeats_total", outcome="unwell") == 1
    assert world.shown("heartbeat_last_success_timestamp_seconds") == 0


async def test_each_leg_alone_makes_it_fail(world: World) -> None:
    await world.heart.round()
    assert world.switch.pings[-1][1] == "not polled in time: shop"
    await world.polled()
    await world.heart.round()
    assert world.switch.pings[-1][1] == ""
    world.stalled.append("judge")
    await world.heart.round()
    assert world.switch.pings[-1][1] == "nothing moves in judge"
    world.stalled.clear()
    late = Delivery(
        id="a", sink="s", lane="l", seq=0, notification=b"{}", created_at=START - 16 * MINUTE, observed_at=START
    )
    await world.store.commit_judgement(Judgement(cursor=0, deliveries=[late]))
    await world.heart.round()
    assert world.switch.pings[-1][1] == "a message has waited for 16m"
    await world.store.close()
    await world.heart.round()
    assert world.switch.pings[-1][1] == "the database takes no writes"


class ReadOnly:
    """A database on a full disk: everything can be read, nothing written."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, verb: str) -> object:
        return getattr(self._store, verb)

    async def touch(self, now: int) -> None:
        raise StoreError("the disk is full")


async def test_what_can_only_be_read_is_not_well(world: World) -> None:
    await world.polled()
    world.heart._store = ReadOnly(world.store)  # type: ignore[assignment]  # forwards every other verb
    await world.heart.round()
    assert world.switch.pings[-1][1] == "the database takes no writes"


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_ping_that_is_not_taken_is_tried_again_soon(world: World, status: int) -> None:
    await world.polled()
    world.switch.status = status
    assert await world.heart.round() == AGAIN
    assert len(world.switch.pings) == 1
    assert world.shown("heartbeats_total", outcome="unsent") == 1
    assert world.shown("heartbeat_last_success_timestamp_seconds") == 0
    assert world.shown("watchdog") == 1


async def test_the_url_is_guarded_and_may_be_nowhere_or_unreadable(tmp_path: Path) -> None:
    clock, metrics, switch = FakeClock(), Metrics(CollectorRegistry(), version="0"), Switch()
    store = await open_store(f"sqlite:///{tmp_path}/watcher.db", clock=clock)

    def unreadable() -> str:
        raise ConfigError(["url_file: gone"])

    async with web_server(switch.answer) as url, Http() as http:
        for read, soon in ((lambda: url, True), (lambda: "", False), (unreadable, True)):
            heart = Heartbeat(
                Beat(url=read),
                paces={},
                stalled=list,
                store=store,
                http=http,
                env=fake_env(clock),
                metrics=metrics,
            )
            assert await heart.round() == (AGAIN if soon else MINUTE)
    assert switch.pings == []
    await store.close()
