"""The whole pipeline on virtual time: real rules, real core, real SQLite, a scripted API, a recording sink.

A world can be killed: before or after any write of the store, and before or after the sink has taken a message. Whoever
was running is thrown away, a new process is made of what the store has, and the script goes on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from tests.fakes import FakeClock, RecordingSink, ScriptedSource, fake_env
from watcher import config
from watcher.app import compile_rules
from watcher.core import route
from watcher.core.cadence import Cadence
from watcher.core.dispatch import SinkRef
from watcher.core.notification import Notification
from watcher.core.rule import Rule
from watcher.core.snapshot import Connector, ConnectorStaged, Deployment, Record
from watcher.metrics import Metrics
from watcher.pipeline.deliver import Deliverer
from watcher.pipeline.judge import Judge, Policy
from watcher.pipeline.observe import Observer, Target
from watcher.ports import Store

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PROJECT = "my-shop"
SINK = "team/recording/0"
WRITES = ("commit_observation", "commit_judgement", "claim", "settle", "commit_act")

encode = msgspec.json.encode
decode = msgspec.json.Decoder(Notification).decode


class Killed(BaseException):
    """The process is gone: nothing above may catch this."""


class Mortal:
    """A store whose process may die around each of its writes."""

    def __init__(self, store: Store, crash: Callable[[str], None]) -> None:
        self._store = store
        self._crash = crash

    def __getattr__(self, verb: str) -> object:
        method = getattr(self._store, verb)
        if verb not in WRITES:
            return method

        async def call(*args: object, **kwargs: object) -> object:
            self._crash(f"before {verb}")
            answer = await method(*args, **kwargs)
            self._crash(f"after {verb}")
            return answer

        return call


@cache
def builtin_rules(*packs: str) -> list[Rule]:
    return [rule for pack in ("builtin", *packs) for rule in compile_rules(config.parse_rules(config.pack_text(pack)))]


def flat_route(*group_by: str, group_wait: int = 0, group_interval: int = 0, repeat: int = 4 * HOUR) -> route.Route:
    node = route.Node(
        receiver="team", group_by=group_by, group_wait=group_wait, group_interval=group_interval, repeat_interval=repeat
    )
    return route.build(node)


@dataclass
class World:
    """One project, one receiver, and the hands to make things happen."""

    store: Store
    rules: list[Rule] = field(default_factory=builtin_rules)
    root: route.Route = field(default_factory=lambda: flat_route("project", "deployment"))
    interval: int = 30 * SECOND
    crash_at: int = -1
    send_resolved: bool = True

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.api: ScriptedSource[Deployment] = ScriptedSource()
        self.drafts: ScriptedSource[ConnectorStaged] | None = None
        self.connectors: ScriptedSource[Connector] | None = None
        self.sink = RecordingSink(id=SINK, encode=encode)
        self.sink.before = lambda _: self._crash("before send")
        self.sink.after = lambda _: self._crash("after send")
        self.crash_points: list[str] = []
        self.rules_digest = "1"
        self.sink_id = SINK
        self.sources: dict[tuple[str, str], type[Record]] = {(PROJECT, "deployments"): Deployment}
        self.crash_on = ""

    def _crash(self, point: str) -> None:
        self.crash_points.append(point)
        if len(self.crash_points) - 1 == self.crash_at or point == self.crash_on:
            self.crash_on = ""
            raise Killed(point)

    async def boot(self) -> None:
        """Start a process on what the store has."""
        env = fake_env(self.clock)
        metrics = Metrics(CollectorRegistry(), version="0")
        store: Store = Mortal(self.store, self._crash)  # type: ignore[assignment]  # forwards every verb
        cadence = Cadence(normal=self.interval, fast=self.interval, blind_after=3 * self.interval + MINUTE)
        target = Target(project=PROJECT, region="europe-west1.gcp", kind=Deployment, source=self.api, cadence=cadence)
        observe = partial(Observer[Any], store=store, env=env, metrics=metrics, changed=lambda: None)
        self.observer = main = observe(target)
        self.observers = [main]
        aside = partial(Target, project=PROJECT, region=target.region, cadence=cadence, optional=True)
        for name, kind, source in (
            ("drafts", ConnectorStaged, self.drafts),
            ("connectors", Connector, self.connectors),
        ):
            if source is not None:
                self.sources[PROJECT, name] = kind
                self.observers.append(observe(aside(name=name, kind=kind, source=source, trouble=main.troubled_at)))
        policy = Policy(
            rules=self.rules,
            root=self.root,
            receivers={"team": (SinkRef(id=self.sink_id, send_resolved=self.send_resolved),)},
            rules_digest=self.rules_digest,
            sources=self.sources,
            encode=encode,
        )
        self.judge = Judge(policy, store=store, env=env, metrics=metrics, told=lambda: None)
        self.deliverer = Deliverer(
            {self.sink_id: self.sink}, store=store, env=env, metrics=metrics, decode=decode, changed=lambda: None
        )
        await self.deliverer.recover()

    async def live(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something; whoever is killed meanwhile is started again and does it once more."""
        while True:
            try:
                await act()
            except Killed:
                await self.boot()
            else:
                return

    async def poll(self) -> None:
        """One round of all three loops, until nothing is left to do now."""
        await self.live(self.observer_poll)
        await self.live(self.settle)

    async def observer_poll(self) -> None:
        for each in self.observers:
            await each.poll()

    async def settle(self) -> None:
        while await self.judge.run_once():
            pass
        while await self.deliverer.run_once():
            await self.deliver()

    async def deliver(self) -> None:
        tasks = list(self.deliverer._tasks)
        await self.deliverer.drain()
        for task in tasks:
            if not task.cancelled() and task.exception():
                raise task.exception()  # type: ignore[misc]  # a Killed that ended a send

    async def run(self, length: int) -> None:
        """Let time pass, polling as often as the observer asks for."""
        end = self.clock.at + length
        while self.clock.at < end:
            self.clock.at = min(self.clock.at + self.observer.next_in(), end)
            await self.poll()

    @property
    def messages(self) -> list[Notification]:
        """What a person heard, in order: a message sent twice under one id counts once."""
        seen: dict[str, Notification] = {}
        for delivery in self.sink.sent:
            seen.setdefault(delivery.id, decode(delivery.notification))
        return list(seen.values())

    @property
    def heard(self) -> list[str]:
        """The messages as one line each: `firing DeploymentFailed`, `resolved DeploymentFailed, DeploymentStuck`."""
        return [summary(each) for each in self.messages]


def summary(message: Notification) -> str:
    names = sorted({each.labels["alertname"] for each in message.alerts if each.fresh} or {"nothing"})
    again = " again" if message.reason == "new_attempt" else ""
    return f"{message.status} {', '.join(names)}{again}"
