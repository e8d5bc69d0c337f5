"""Judging logs over a real store on virtual time: what is read is written by hand, what is told is taken from the outbox.

Whoever judges can be killed around any of its commits; a new one goes on from what the store has.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import msgspec
from prometheus_client import CollectorRegistry

from tests.fakes import START, FakeClock, deployment, fake_env
from tests.log_rules import made
from watcher import config
from watcher.core import route
from watcher.core.alert import AlertState
from watcher.core.delivery import DeliveryState, Settlement
from watcher.core.dispatch import SinkRef
from watcher.core.event import Event, EventType
from watcher.core.logrecord import Hit, Place, Tally
from watcher.core.notification import Notification
from watcher.core.picture import Spot
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment, Record
from watcher.metrics import Metrics
from watcher.pipeline.judge import Judge, Policy, digest
from watcher.ports import Judgement, LogWrite, Observation, Settled, Store

MINUTE = 60_000
NEVER = 1_000 * 24 * 60 * MINUTE
PROJECT, REGION, SINK = "my-shop", "europe-west1.gcp", "team/recording/0"
SERVICE: Spot = ("id-shop", "service")


class Killed(BaseException):
    """The process is gone: nothing above may catch this."""


class Mortal:
    """A store whose process may die around each commit of a judgement."""

    def __init__(self, store: Store, crash: Callable[[], None]) -> None:
        self._store = store
        self._crash = crash

    def __getattr__(self, verb: str) -> object:
        return getattr(self._store, verb)

    async def commit_judgement(self, judgement: Judgement) -> None:
        self._crash()
        await self._store.commit_judgement(judgement)
        self._crash()


@cache
def pack(*names: str) -> str:
    return "\n".join(map(config.pack_text, names))


def each_alone() -> route.Route:
    """Everything is told at once, and each alert in its own messages."""
    node = route.Node(
        receiver="team",
        group_by=("alertname", "deployment", "application"),
        group_wait=0,
        group_interval=0,
        repeat_interval=NEVER,
    )
    return route.build(node)


@dataclass
class LogWorld:
    """One project whose Deployments and logs are read, and who judges that."""

    store: Store
    text: str = field(default_factory=lambda: pack("builtin", "logs"))
    crash_at: int = -1
    polls: bool = True

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.crashes = 0
        self.shown: dict[str, Deployment] = {}
        self.logs = SourceState(project=PROJECT, source="logs", region=REGION, since=START)
        self.seen = SourceState(project=PROJECT, region=REGION, since=START)
        self.messages: list[Notification] = []
        self.boot()

    def _crash(self) -> None:
        self.crashes += 1
        if self.crashes - 1 == self.crash_at:
            raise Killed

    def boot(self, text: str | None = None) -> None:
        """A new process, with other rules where they are given."""
        self.text = self.text if text is None else text
        sources: dict[tuple[str, str], type[Record]] = {(PROJECT, "deployments"): Deployment}
        policy = Policy(
            rules=made(self.text),
            root=each_alone(),
            receivers={"team": (SinkRef(id=SINK),)},
            rules_digest=digest([self.text]),
            sources={**sources, **({(PROJECT, "logs"): Deployment} if self.polls else {})},
            encode=msgspec.json.encode,
        )
        store: Store = Mortal(self.store, self._crash)  # type: ignore[assignment]  # forwards every verb
        metrics = Metrics(CollectorRegistry(), version="0")
        self.judge = Judge(policy, store=store, env=fake_env(self.clock), metrics=metrics, told=lambda: None)

    @property
    def now(self) -> int:
        return self.clock.at - START

    async def settle(self) -> None:
        """Judge all there is; whoever is killed meanwhile is started again. Then everything is delivered."""
        while True:
            try:
                while await self.judge.run_once():
                    pass
            except Killed:
                self.boot()
            else:
                break
        while found := await self.store.due_deliveries(SINK, self.clock.at, 100):
            claimed = await self.store.claim(dict.fromkeys((each.id for each in found), b""), self.clock.at)
            done = Settlement(state=DeliveryState.DELIVERED, due_at=None)
            await self.store.settle(
                [Settled(delivery_id=each.id, settlement=done) for each in claimed], (), self.clock.at
            )
            self.messages += [msgspec.json.decode(each.notification, type=Notification) for each in claimed]

    async def at(self, moment: int) -> None:
        """It is so many milliseconds after the start; logs have been read up to now."""
        self.clock.at = START + moment
        await self.read()

    async def read(
        self,
        *hits: Hit,
        wrote: Mapping[Spot, Tally] | None = None,
        at: int | None = None,
        baseline: bool = False,
        seen: bool = True,
        **state: object,
    ) -> None:
        """Logs are read: hits, and what was written in the minute that has just passed, or `at`."""
        sight, minute = self.logs.last_ok, (START + (self.now - MINUTE if at is None else at)) // MINUTE
        if seen:
            self.logs = replace(self.logs, last_ok=self.clock.at, blind=False)
        self.logs = replace(self.logs, **state)  # type: ignore[arg-type]  # fields by name
        events = [
            Event(
                type=EventType.HIT,
                project=PROJECT,
                region=REGION,
                source="logs",
                at=self.clock.at,
                sight=sight,
                hit=each,
                baseline=baseline,
            )
            for each in hits
        ]
        tallies = {Place(PROJECT, *spot, minute): tally for spot, tally in (wrote or {}).items()}
        await self.store.commit_logs([LogWrite(project=PROJECT, events=events, tallies=tallies, source=self.logs)])
        await self.settle()

    async def shows(self, *found: Deployment, baseline: bool = False) -> None:
        """The list of Deployments is read; what has changed is an event."""
        events = [event for each in found for event in self._changes(each, baseline=baseline)]
        self.seen = replace(self.seen, last_ok=self.clock.at, baselined=True)
        self.shown |= {each.id: each for each in found}
        await self.store.commit_observation(Observation(source=self.seen, upserts=found, events=events))
        await self.settle()

    async def removed(self, name: str = "shop") -> None:
        gone = self.shown.pop(f"id-{name}")
        self.seen = replace(self.seen, last_ok=self.clock.at)
        event = replace(self._event(EventType.GONE, gone), previous_status=gone.status)
        await self.store.commit_observation(Observation(source=self.seen, removed=[gone.id], events=[event]))
        await self.settle()

    def _changes(self, new: Deployment, *, baseline: bool) -> Iterable[Event]:
        old = self.shown.get(new.id)
        if old is None:
            yield replace(self._event(EventType.CREATED, new), baseline=baseline)
            return
        said = {"previous_status": old.status, "previous_build": old.build}
        if old.status != new.status:
            yield replace(self._event(EventType.STATUS, new), **said)  # type: ignore[arg-type]  # fields by name
        if old.build != new.build:
            yield replace(self._event(EventType.ATTEMPT, new), **said)  # type: ignore[arg-type]  # fields by name

    def _event(self, kind: EventType, of: Deployment) -> Event:
        return Event(
            type=kind, project=PROJECT, region=REGION, at=self.clock.at, sight=self.seen.last_ok, deployment=of
        )

    async def begin(self, *found: Deployment) -> None:
        """The first sight of all."""
        await self.shows(*(found or (shop(),)), baseline=True)
        await self.read()

    @property
    def heard(self) -> list[str]:
        """Alert by alert what a person heard: `+ErrorBurst` began, `-ErrorBurst` ended."""
        return [
            ("+" if each.state == AlertState.FIRING else "-") + each.labels["alertname"]
            for message in self.messages
            for each in message.alerts
            if each.fresh
        ]

    def summaries(self, name: str) -> list[str]:
        """The words that were said about alerts of a rule."""
        return [
            each.annotations["summary"]
            for message in self.messages
            for each in message.alerts
            if each.fresh and each.labels["alertname"] == name
        ]


def shop(status: str = "Deployed", build: str = "b1", **fields: object) -> Deployment:
    return deployment("shop", status, build=build, **fields)


def hits(
    rule: str, at: Sequence[int], *, spot: Spot = SERVICE, template: str = "0" * 16, message: str = "boom"
) -> list[Hit]:
    """One record for each time."""
    labels = {"type": "production", "connector": "stripe", "deployment": "shop", "deployment_id": spot[0]}
    return [
        Hit(
            rule=rule,
            deployment_id=spot[0],
            application=spot[1],
            at=START + each,
            last=START + each,
            level="ERROR",
            message=message,
            template=template,
            labels={**labels, "application": spot[1]},
            key=f"{each}",
        )
        for each in at
    ]
