"""What a person hears of a scenario: the real daemon against the simulator, both on one clock that a test moves."""

from collections import Counter
from collections.abc import AsyncIterator, Container, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry

from tests.fakes import FakeClock, fake_env
from watcher import app, config
from watcher.core.delivery import DeliveryState
from watcher.metrics import Metrics
from watcher.pipeline.collect import Collector
from watcher.pipeline.observe import Observer
from watcher.redact import Redactor
from watcher.simulator import Expectation, Message, Scenario, Simulator, serve

CONFIG = """
[[projects]]
key = "{project}"
region = "europe-west1.gcp"
client_id = "watcher"
client_secret = "any will do"
api_url = "{url}"
auth_url = "{url}"
poll_interval = "30s"
connectors = {{ drift_interval = "1m" }}

[route]
receiver = "team"
group_by = ["project", "deployment"]
group_wait = "0s"
group_interval = "0s"

[[receivers]]
name = "team"
webhook = [{{ url = "{url}/inbox/team" }}]

[egress]
allow = ["127.0.0.0/8"]

[store]
url = "sqlite://"
"""
READING = 'disable_rules = ["LogEndpointEnding"]' + CONFIG.replace(
    'poll_interval = "30s"', 'poll_interval = "30s"\nlogs = {{ source = "poll", poll_interval = "30s" }}'
)
"""The same with logs. That their endpoint ends soon is so in every scenario, and no news of any."""
QUIET = 16 * 60_000
"""How long after its last step a scenario is still listened to: the longest lawful course, the longest window of a rule."""

Kind: TypeAlias = tuple[str, str, str]
"""Alert, state, and the Deployment or Connector that an expectation names; empty where it names none."""


class Told(NamedTuple):
    """An alert told for the first time, `at` milliseconds of scenario time. `identity` is its fingerprint."""

    at: int
    alert: str
    state: str
    subject: str
    identity: str


@dataclass(kw_only=True)
class Play:
    """A scenario under way and the daemon that watches it."""

    clock: FakeClock
    simulator: Simulator
    daemon: app.Daemon

    def __post_init__(self) -> None:
        collectors = self.daemon.logs.collectors if self.daemon.logs else ()
        rounds: list[Observer[Any] | Collector] = [*self.daemon.observers, *collectors]
        self._due = dict.fromkeys(rounds, self.clock.at)

    async def look(self) -> None:
        """Poll every source whose time has come, and tell whatever follows from it."""
        for source, due in self._due.items():
            if due <= self.clock.at:
                wait = await source.round()
                self._due[source] = self.clock.at + wait
                assert source.error == ""
        while await self.daemon.judge.run_once() or await self.daemon.deliverer.run_once():
            await self.daemon.deliverer.drain()

    async def through(self) -> list[Told]:
        """Watch from before the scenario begins until nothing more comes of it; what was told."""
        await self.look()
        begun = quiet = self.clock.at
        self.simulator.timeline.begin()
        while self.clock.at < quiet + QUIET:
            self.clock.at = max(self.clock.at, min(self._due.values()))
            await self.look()
            if self.simulator.player.next_moment() is not None:
                quiet = self.clock.at
        assert self.simulator.player.failures == []
        rows = (await self.daemon.store.outbox()).rows
        assert {state for state, count in rows.items() if count} == {DeliveryState.DELIVERED}
        return list(told(self.simulator.messages, begun))


@asynccontextmanager
async def watched(scenario: Scenario, text: str = CONFIG, **more: object) -> AsyncIterator[Play]:
    """The daemon of a configuration, in which `{url}` and `{project}` are filled in, before a scenario begins."""
    clock = FakeClock()
    async with serve(scenario=scenario, clock=clock) as simulator:
        loaded = config.loads(text.format(url=simulator.url, project=scenario.project, **more), {})
        metrics = Metrics(CollectorRegistry(), version="0")
        async with app.daemon(
            loaded.settings, env=fake_env(clock), metrics=metrics, redactor=Redactor(loaded.secrets)
        ) as daemon:
            await daemon.deliverer.recover()
            yield Play(clock=clock, simulator=simulator, daemon=daemon)


def told(messages: Iterable[Message], begun: int) -> Iterator[Told]:
    """Everything that a webhook was told for the first time, in order."""
    for message in messages:
        if message.kind != "webhook":
            continue
        at = round(datetime.fromisoformat(message.at).timestamp() * 1000) - begun
        for alert in message.body["data"]["alerts"]:
            if alert["fresh"]:
                labels: dict[str, Any] = alert["labels"]
                subject = labels.get("deployment") or labels.get("connector", "")
                yield Told(at, labels["alertname"], alert["status"], subject, alert["fingerprint"])


def differences(heard: Sequence[Told], expected: Sequence[Expectation]) -> list[str]:
    """In what the two are not the same: what is missing, what is too much, what was told before its cause.

    An expectation that names nothing is about the project, or about as many different resources as it counts.
    """
    wanted: Counter[Kind] = Counter()
    for one in expected:
        wanted[_kind(one)] += one.count
    kinds = [_as_meant(each, wanted) for each in heard]
    got = Counter(kinds)
    return [
        *(f"missing: {_said(kind, count)}" for kind, count in (wanted - got).items()),
        *(f"too much: {_said(kind, count)}" for kind, count in (got - wanted).items()),
        *_twice(heard, kinds),
        *_early(heard, kinds, expected),
    ]


def _kind(one: Expectation) -> Kind:
    return one.alert, one.state, one.deployment or one.connector or ""


def _as_meant(each: Told, wanted: Container[Kind]) -> Kind:
    named, unnamed = (each.alert, each.state, each.subject), (each.alert, each.state, "")
    return unnamed if named not in wanted and unnamed in wanted else named


def _said(kind: Kind, count: int) -> str:
    alert, state, subject = kind
    return f"{count} × {state} {alert} {subject}".rstrip()


def _twice(heard: Sequence[Told], kinds: Sequence[Kind]) -> Iterator[str]:
    """What was told again of one resource where the others were meant."""
    counts = Counter((kind, each.identity) for kind, each in zip(kinds, heard, strict=True) if not kind[2])
    names = {each.identity: each.subject for each in heard}
    for (kind, identity), count in counts.items():
        if count > 1:
            yield f"{count} times: {_said(kind, 1)} {names[identity]}".rstrip()


def _early(heard: Sequence[Told], kinds: Sequence[Kind], expected: Sequence[Expectation]) -> Iterator[str]:
    """What was told before the moment at which it is said to be caused."""
    causes: dict[Kind, list[int]] = {}
    for one in sorted(expected, key=lambda one: one.at):
        causes.setdefault(_kind(one), []).extend([one.at] * one.count)
    for kind, each in zip(kinds, heard, strict=True):
        cause = causes.get(kind, []).pop(0) if causes.get(kind) else 0
        if each.at < cause:
            yield f"told at {each.at} ms, caused at {cause} ms: {_said(kind, 1)}"
