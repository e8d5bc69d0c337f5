"""Each recipe of `docs/rules.md` and `docs/log-rules.md` is played as it is written.

Rules, routes, matching and judging are the real ones, the store is real; time is virtual.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from tests.fakes import START, FakeClock, ScriptedSource, deployment, fake_env
from tests.unit.configs import ENVIRON
from watcher import render, rules, scan
from watcher.config import loads, to_route
from watcher.connect import log_page
from watcher.connect.log_wire import Origin
from watcher.core.cadence import Cadence
from watcher.core.delivery import DeliveryState, Settlement
from watcher.core.dispatch import SinkRef
from watcher.core.event import Event, EventType
from watcher.core.notification import Notification
from watcher.core.sight import SourceState
from watcher.core.snapshot import Application, Deployment
from watcher.metrics import Metrics
from watcher.pipeline.judge import Judge, Policy, digest
from watcher.pipeline.observe import Observer, Target
from watcher.ports import LogWrite, Settled, Store
from watcher.rules.matching import LogMatcher
from watcher.store import inline, open_store

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [(DOCS / name).read_text() for name in ("rules.md", "log-rules.md")]
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
PROJECT, REGION = "my-shop", "europe-west1.gcp"
POST_DEPLOY = "Failed during the execution of 'postDeploy' script"
HEAD = re.findall(r"```toml\n(.*?)```", PAGES[0].partition("\n## ")[0], re.DOTALL)[0]


@dataclass(frozen=True)
class Recipe:
    """What stands under one heading: the configuration and what it tells."""

    toml: str
    told: Sequence[str]


def recipes() -> dict[str, Recipe]:
    found = {}
    for section in (each for page in PAGES for each in page.split("\n## ")[1:]):
        heading = section.partition("\n")[0]
        (toml,) = re.findall(r"^```toml\n(.*?)^```", section, re.DOTALL | re.MULTILINE) or [""]
        (told,) = re.findall(r"^```text\n(.*?)^```", section, re.DOTALL | re.MULTILINE) or [""]
        if toml:
            whole = HEAD + toml if "[" in re.sub(r"=.*", "", toml) else toml + HEAD
            found[heading] = Recipe(whole, [re.sub(r" {2,}", "  ", line) for line in told.splitlines()])
    return found


RECIPES = recipes()


@dataclass
class Kitchen:
    """One project under a configuration: what happens is written by hand, who is told what is read from the outbox."""

    store: Store
    toml: str
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        loaded = loads(self.toml, ENVIRON)
        assert loaded.warnings == ()
        made = [rules.make(each.text()) for each in loaded.settings.rules]
        specs = rules.log_specs(made)
        self.clock = FakeClock()
        self.api: ScriptedSource[Deployment] = ScriptedSource()
        self.api.put(
            self.of("stripe-prod", "production"),
            self.of("stripe-dev", "sandbox"),
            self.of("stripe-pr-7", "preview"),
            self.of("tax-prod", "production", connector_key="tax", connector_id="c2"),
        )
        self.matcher = LogMatcher(specs, scan.compile_set(rules.pattern_table(specs)), lambda text, _: text)
        self.logs = SourceState(project=PROJECT, source="logs", region=REGION, since=START)
        self.receivers = {each.name: [name for name, _ in each.sinks()][:1] for each in loaded.settings.receivers}
        self.metrics = Metrics(CollectorRegistry(), version="0")
        env = fake_env(self.clock)
        cadence = Cadence(normal=MINUTE, fast=MINUTE, blind_after=5 * MINUTE)
        target = Target(project=PROJECT, region=REGION, kind=Deployment, source=self.api, cadence=cadence)
        self.observer = Observer(target, store=self.store, env=env, metrics=self.metrics, changed=lambda: None)
        policy = Policy(
            rules=made,
            root=to_route(loaded.settings),
            receivers={name: tuple(SinkRef(id=each) for each in ids) for name, ids in self.receivers.items()},
            rules_digest=digest([self.toml]),
            sources={(PROJECT, "deployments"): Deployment, (PROJECT, "logs"): Deployment},
            encode=msgspec.json.encode,
        )
        self.judge = Judge(policy, store=self.store, env=env, metrics=self.metrics, told=lambda: None)

    @staticmethod
    def of(name: str, type_: str, **fields: Any) -> Deployment:
        parts = (
            Application(id="a1", name="service", url="https://service.example.com"),
            Application(id="a2", name="orders", topic="projects/x/topics/orders"),
        )
        return deployment(name, type=type_, applications=parts, **fields)

    async def begin(self) -> None:
        """The first sight of all is told as a summary, which no recipe is about."""
        await self.passes(2 * MINUTE)
        self.lines.clear()

    async def passes(self, length: int, *, chatter: Sequence[str] = ("service",), step: int = MINUTE) -> None:
        """Time in which applications write what they always write."""
        end = self.clock.at + length
        while self.clock.at < end:
            self.clock.at = min(self.clock.at + step, end)
            await self.observer.poll()
            await self.write(*(self.text("all is well", application=each, level="INFO") for each in chatter))

    async def becomes(self, name: str, *statuses: str, build: str = "b2", each: int = MINUTE, **fields: Any) -> None:
        """A Deployment gets from one status to the next, each of which lasts a while."""
        for status in statuses:
            self.api.set(name, status=status, build=build, **fields)
            await self.observer.poll()
            await self.settle()
            await self.passes(each)

    # ── what applications write ──────────────────────────────────────────────

    def record(self, kind: str, details: dict[str, Any], application: str) -> dict[str, Any]:
        at = datetime.fromtimestamp(self.clock.at / 1000, UTC).isoformat(timespec="milliseconds")
        return {
            "timestamp": at,
            "type": kind,
            "applicationName": application,
            "severity": "DEFAULT",
            "details": details,
        }

    def text(self, message: str, *, application: str = "service", level: str = "ERROR", **more: str) -> dict[str, Any]:
        return self.record("APPLICATION_JSON", {"level": level, "message": message, **more}, application)

    def request(
        self, status: int, *, latency: str = "0.1s", path: str = "/service", application: str = "service"
    ) -> Any:
        url = f"https://service.example.com{path}"
        details = {"requestMethod": "POST", "requestUrl": url, "status": status, "latency": latency}
        return self.record("HTTP_REQUEST", details, application)

    async def write(self, *records: dict[str, Any], by: str = "stripe-prod") -> None:
        """Records are read from the log endpoint and matched, and what they come to is judged."""
        page = log_page.read(json.dumps({"data": list(records), "next": None}).encode(), Origin(PROJECT, f"id-{by}"))
        matched = self.matcher.match(PROJECT, REGION, page.records, self.api.records)
        sight, self.logs = self.logs.last_ok, replace(self.logs, last_ok=self.clock.at)
        base = Event(type=EventType.HIT, project=PROJECT, region=REGION, source="logs", at=self.clock.at, sight=sight)
        events = [replace(base, hit=each) for each in matched.hits]
        await self.store.commit_logs(
            [LogWrite(project=PROJECT, events=events, tallies=matched.tallies, source=self.logs)]
        )
        await self.settle()

    # ── what is told ─────────────────────────────────────────────────────────

    async def settle(self) -> None:
        while await self.judge.run_once():
            pass
        for receiver, sinks in self.receivers.items():
            for sink in sinks:
                await self.deliver(receiver, sink)

    async def deliver(self, receiver: str, sink: str) -> None:
        while found := await self.store.due_deliveries(sink, self.clock.at, 100):
            claimed = await self.store.claim(dict.fromkeys((each.id for each in found), b""), self.clock.at)
            done = Settlement(state=DeliveryState.DELIVERED, due_at=None)
            await self.store.settle(
                [Settled(delivery_id=each.id, settlement=done) for each in claimed], (), self.clock.at
            )
            for each in claimed:
                self.tell(receiver, msgspec.json.decode(each.notification, type=Notification))

    def tell(self, receiver: str, message: Notification) -> None:
        for alert in render.ranked(message.alerts):
            if alert.fresh:
                runbook = alert.annotations.get("runbook_url", "")
                words = f"{render.standing(alert, message.at)}: {render.line(alert)}"
                self.lines.append(f"{receiver}  {words}" + (f" ({runbook})" if runbook else ""))


@pytest.fixture
async def open_kitchen() -> AsyncIterator[Callable[[str], Awaitable[Kitchen]]]:
    opened: list[Store] = []

    async def opening(toml: str) -> Kitchen:
        opened.append(await open_store("sqlite://", clock=FakeClock(), run=inline))
        kitchen = Kitchen(opened[-1], toml)
        await kitchen.begin()
        return kitchen

    yield opening
    for each in opened:
        await each.close()


# ── what happens in each recipe ──────────────────────────────────────────────


async def to_oncall(world: Kitchen) -> None:
    await world.becomes("stripe-dev", "Failed")
    await world.becomes("stripe-prod", "Failed", each=20 * MINUTE)
    await world.becomes("stripe-prod", "Deployed", build="b3", each=6 * MINUTE)


async def only_production(world: Kitchen) -> None:
    await world.becomes("stripe-dev", "Failed")
    await world.becomes("stripe-prod", "Failed", each=7 * MINUTE)
    world.api.fail()
    await world.passes(10 * MINUTE)


async def successes(world: Kitchen) -> None:
    await world.becomes("stripe-prod", "Queued", "Deploying", "Deployed")
    await world.becomes("stripe-dev", "Queued", "Deploying", "Deployed", each=6 * MINUTE)


async def stuck(world: Kitchen) -> None:
    await world.becomes("stripe-prod", "Deploying", each=0)
    await world.becomes("stripe-dev", "Deploying", each=18 * MINUTE)
    await world.becomes("stripe-dev", "Deployed", each=0)
    await world.becomes("stripe-prod", "Deployed", each=6 * MINUTE)


async def lasting(world: Kitchen) -> None:
    await world.becomes("stripe-dev", "Failed", "Deploying", "Deployed", each=2 * MINUTE)
    await world.becomes("stripe-prod", "Failed", each=15 * MINUTE)


async def previews(world: Kitchen) -> None:
    await world.becomes("stripe-pr-7", "Failed")
    await world.becomes("stripe-dev", "Failed", each=6 * MINUTE)


async def post_deploy(world: Kitchen) -> None:
    entries = deployment(warning=POST_DEPLOY).entries
    await world.becomes("stripe-dev", "Deployed", entries=entries)
    await world.becomes("stripe-prod", "Deployed", entries=entries, each=10 * MINUTE)
    await world.becomes("stripe-prod", "Deployed", build="b3", entries=(), each=6 * MINUTE)


async def one_error(world: Kitchen) -> None:
    charge = "POST /v1/charges timed out"
    await world.write(world.text(charge))
    await world.write(world.text(f"{charge}, retrying"), world.text(f"{charge}, retrying"))
    await world.write(world.text("no such customer"), world.text(charge, application="orders"))
    await world.passes(MINUTE)
    await world.write(world.text(charge), world.text(charge))
    await world.passes(10 * MINUTE)


async def by_code(world: Kitchen) -> None:
    await world.write(world.text("lost card", code="card_declined"), world.text("who?", code="unknown_customer"))
    await world.write(*[world.text("no money left on card", code="insufficient_funds")] * 2)
    await world.passes(15 * MINUTE)


async def share(world: Kitchen) -> None:
    await world.write(*[world.request(200)] * 97, *[world.request(500)] * 3)
    await world.passes(12 * MINUTE)


async def slow(world: Kitchen) -> None:
    await world.write(*[world.request(200, latency="1.8s", path="/other")] * 3, *[world.request(200)] * 3)
    await world.write(*[world.request(200, latency="1.8s")] * 3)
    await world.passes(10 * MINUTE)


async def redelivered(world: Kitchen) -> None:
    await world.write(world.request(204, path="/orders", application="orders"))
    for _ in range(3):
        await world.write(world.request(500, path="/orders", application="orders"))
        await world.passes(MINUTE)
    await world.passes(15 * MINUTE)


async def missed(world: Kitchen) -> None:
    hourly = Application(id="a3", name="export", schedule="0 * * * *")
    world.api.set("stripe-prod", applications=(hourly,), build="b2")
    for hour, runs in ((1, True), (2, False), (3, True)):
        until = START + hour * HOUR - world.clock.at
        await world.passes(until, chatter=())
        world.clock.at += MINUTE
        await world.write(*[world.text("exported", application="export", level="INFO")] * runs)
    await world.passes(10 * MINUTE, chatter=())


async def new_errors(world: Kitchen) -> None:
    for _ in range(14):
        await world.write(world.text("usual trouble with order 4711"))
        await world.passes(5 * MINUTE)
    for _ in range(30):
        await world.write(world.text("no price for sku 17"))
    await world.passes(10 * MINUTE)


async def bursts(world: Kitchen) -> None:
    for name, message in (("stripe-prod", "no such customer"), ("tax-prod", "no rate for region")):
        await world.write(*[world.text(message)] * 30, by=name)
    await world.passes(12 * MINUTE)


async def changes(world: Kitchen) -> None:
    moved = Application(id="a1", name="service", url="https://other.example.com")
    await world.becomes("stripe-prod", "Deployed", build="b1", applications=(moved,), each=6 * MINUTE)
    await world.becomes("stripe-prod", "Deployed", build="b1", connector_version=4, each=6 * MINUTE)


async def teams(world: Kitchen) -> None:
    await world.becomes("stripe-prod", "Failed")
    await world.becomes("tax-prod", "Failed")
    await world.write(world.text("checkout broke"))
    await world.write(world.text("checkout broke"), by="tax-prod")
    await world.passes(10 * MINUTE)


async def runbook(world: Kitchen) -> None:
    await world.becomes("stripe-prod", "Undeploying", "UndeployFailed")


PLAYS: dict[str, Callable[[Kitchen], Awaitable[None]]] = {
    "Failed production Deployments go to on-call": to_oncall,
    "Only production failures in the channel": only_production,
    "Successful production Deployments": successes,
    "Stuck earlier than after 20 minutes": stuck,
    "Failures that last": lasting,
    "Previews stay quiet": previews,
    "A failed postDeploy script is as bad as a failed Deployment": post_deploy,
    "One error of one application": one_error,
    "An error by its code": by_code,
    "The share of 5xx of a Connector": share,
    "Slow answers of an API Extension": slow,
    "A message that is delivered over and over": redelivered,
    "A job that did not run": missed,
    "New errors only": new_errors,
    "How many errors are a burst": bursts,
    "Changes worth knowing": changes,
    "By team": teams,
    "A runbook with the alert": runbook,
}


def test_every_recipe_is_played() -> None:
    assert set(RECIPES) == set(PLAYS)


@pytest.mark.parametrize("heading", PLAYS)
async def test_a_recipe_tells_what_the_page_says(
    heading: str, open_kitchen: Callable[[str], Awaitable[Kitchen]]
) -> None:
    kitchen = await open_kitchen(RECIPES[heading].toml)
    await PLAYS[heading](kitchen)

    assert kitchen.lines == RECIPES[heading].told


@pytest.mark.parametrize("heading", PLAYS)
async def test_it_would_be_told_otherwise_without_the_recipe(
    heading: str, open_kitchen: Callable[[str], Awaitable[Kitchen]]
) -> None:
    kitchen = await open_kitchen(HEAD)
    await PLAYS[heading](kitchen)

    assert kitchen.lines != RECIPES[heading].told
