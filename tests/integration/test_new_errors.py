"""From bytes to messages: a hundred thousand lines, five kinds of errors that are known and one that is not.

Everything is real but the clock and the HTTP server: pages as the API writes them, the matcher, the store, judging.
"""

import random  # noqa: TID251  seeded
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from tests.fakes import START, deployment, fake_env
from tests.log_rules import made
from tests.log_world import PROJECT, REGION, LogWorld
from watcher import rules, scan
from watcher.connect import log_page, log_wire
from watcher.core.snapshot import Application
from watcher.metrics import Metrics
from watcher.pipeline.ingest import Ingest, Sighted
from watcher.ports import LogBatch
from watcher.redact import Redactor
from watcher.simulator.clock import iso
from watcher.store import open_store

SEED = 20261124
LINES, PAGE = 100_000, 2_000
HOUR = 3_600_000
RULE = """
[[rules]]
name = "NewError"
on = "log"
new = true
matchers = ['level=~"ERROR|CRITICAL"']
labels = { severity = "warning" }
annotations = { summary = "{{ message }}" }
"""
KNOWN = (
    "Order {uuid} of customer {number} could not be exported: timeout after {number} ms",
    "Payment {number} was declined: insufficient funds",
    "connect ECONNREFUSED 10.0.{small}.{small}:5432",
    "Cart {uuid} has version {number}, expected {number}",
    "Request {hexes} failed with status code 503",
)
NEW = "Tax rate for country DE is missing in category {uuid}"
SHOP = deployment("shop", applications=(Application(id="a1", name="service"),))


class Process:
    """What one process holds: the matcher and the way in. Another is made of the same store after a restart."""

    def __init__(self, world: LogWorld) -> None:
        specs = rules.log_specs(made(RULE))
        matcher = rules.LogMatcher(specs, scan.compile_set(rules.pattern_table(specs)), Redactor(()).clean)
        self.ingest = Ingest(
            matcher,
            {PROJECT: Sighted(region=REGION, deployments=lambda: {SHOP.id: SHOP})},
            store=world.store,
            env=fake_env(world.clock),
            metrics=Metrics(CollectorRegistry(), version="0"),
            changed=lambda: None,
        )

    async def read(self, body: bytes) -> None:
        page = log_page.read(body, log_wire.Origin(PROJECT, SHOP.id))
        assert page.quarantined == 0
        await self.ingest.take(LogBatch(project=PROJECT, records=page.records))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LogWorld]:
    found = LogWorld(await open_store(f"sqlite:///{tmp_path}/logs.db", clock=fake_env().clock), RULE)
    yield found
    await found.store.close()


def filled(text: str, chance: random.Random) -> str:
    return text.format(
        uuid=f"{chance.getrandbits(32):08x}-{chance.getrandbits(16):04x}-4{chance.getrandbits(12):03x}-"
        f"a{chance.getrandbits(12):03x}-{chance.getrandbits(48):012x}",
        number=chance.randrange(10, 10**7),
        small=chance.randrange(256),
        hexes=f"{chance.getrandbits(64):016x}",
    )


def pages(lines: Sequence[tuple[int, str]]) -> Iterator[bytes]:
    """Pages of the API with these lines, as error records of its logger."""
    for first in range(0, len(lines), PAGE):
        yield msgspec.json.encode(
            {
                "data": [
                    {
                        "type": "APPLICATION_JSON",
                        "deploymentId": SHOP.id,
                        "applicationName": "service",
                        "severity": "DEFAULT",
                        "timestamp": iso(at),
                        "details": {"level": "error", "message": message},
                    }
                    for at, message in lines[first : first + PAGE]
                ],
                "next": "",
            }
        )


async def test_of_a_hundred_thousand_lines_one_new_kind_is_told_once_and_a_restart_adds_none(world: LogWorld) -> None:
    chance = random.Random(SEED)
    process = Process(world)
    first_hour = [(START + n * 60_000, filled(KNOWN[n % len(KNOWN)], chance)) for n in range(59)]
    for body in pages(first_hour):
        await process.read(body)
    await world.at(HOUR)
    await world.settle()
    texts = [*KNOWN, NEW]
    lines = [(START + HOUR + n, filled(chance.choice(texts), chance)) for n in range(LINES)]
    assert Counter(NEW.partition("{")[0] in message for _, message in lines)[True] > LINES // 10
    bodies = list(pages(lines))
    for body in bodies[: len(bodies) // 2]:
        await process.read(body)
    await world.at(HOUR + LINES)
    await world.settle()
    world.boot()
    process = Process(world)
    for body in bodies[len(bodies) // 2 :]:
        await process.read(body)
    await world.at(HOUR + 2 * LINES)
    await world.settle()
    world.boot()
    await world.settle()
    told = [alert for message in world.messages for alert in message.alerts if alert.fresh]
    assert [alert.labels["alertname"] for alert in told] == ["NewError"]
    assert told[0].annotations["summary"].startswith(NEW.partition("{")[0])
