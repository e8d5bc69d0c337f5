"""Judging logs without a store: hits and pictures as they would be read, rows as dictionaries, and what a person hears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tests.fakes import START, deployment
from tests.log_rules import BURST, made
from tests.unit.builders import PROJECT, REGION, Desk, route_of
from watcher.core.event import Event, EventType
from watcher.core.history import Run, begun
from watcher.core.logrecord import Hit, Tally
from watcher.core.notification import Notification
from watcher.core.novelty import Memory
from watcher.core.picture import Activity, Picture, Span, Spot
from watcher.core.rule import Evaluation, MeasureRule, VerdictRule
from watcher.core.sight import SourceState, source_event
from watcher.core.snapshot import Application

T = TypeVar("T")
SERVICE: Spot = ("id-shop", "service")
EVENTS: Spot = ("id-shop", "events")
LABELS = {"type": "production", "connector": "stripe", "deployment": "shop", "deployment_id": "id-shop"}


def measuring(text: str) -> MeasureRule:
    (rule,) = made(text)
    assert isinstance(rule, MeasureRule)
    return rule


def judging(text: str) -> VerdictRule:
    (rule,) = made(text)
    assert isinstance(rule, VerdictRule)
    return rule


def hit(
    at: int,
    rule: str = "Burst",
    *,
    last: int | None = None,
    count: int = 1,
    spot: Spot = SERVICE,
    template: str = "0" * 16,
    **labels: str,
) -> Hit:
    """Records that a rule matched, `at` milliseconds after the start."""
    deployment_id, application = spot
    found = {**LABELS, "deployment": deployment_id.removeprefix("id-"), "deployment_id": deployment_id}
    return Hit(
        rule=rule,
        deployment_id=deployment_id,
        application=application,
        at=START + at,
        last=START + (at if last is None else last),
        count=count,
        level="ERROR",
        message=f"error {template}",
        template=template,
        labels={**found, "application": application, **labels},
        key=f"{at}.{template}",
    )


def read(found: Hit, at: int, *, sight: int = 0, baseline: bool = False, project: str = PROJECT) -> Event:
    """A hit as an event that was read `at`; up to `sight` all logs had been seen before."""
    return Event(
        type=EventType.HIT,
        project=project,
        region=REGION,
        source="logs",
        at=START + at,
        sight=START + sight,
        hit=found,
        baseline=baseline,
    )


@dataclass
class LogDesk(Desk):
    """A desk that keeps what judging remembers about logs, and the hits that it was given."""

    def __post_init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.memories: dict[str, Memory] = {}
        self.hits: list[Event] = []
        self.told_at: list[tuple[int, str]] = []
        self.ended: list[tuple[str, int, int]] = []
        super().__post_init__()

    def restart(self, **changes: object) -> None:
        super().restart(**changes)
        self.ledger.logs.load(self.runs.values(), self.memories.values())
        for each in self.hits:
            self.ledger.recount(each)

    def commit(self) -> list[str]:
        logs = self.ledger.logs
        for key in logs.changed_runs:
            _keep(self.runs, key, logs.runs.get(key))
        for key in logs.changed_memories:
            _keep(self.memories, key, logs.memories.get(key))
        logs.changed_runs, logs.changed_memories = set(), set()
        for flush in self.ledger.dispatch.flushes:
            if flush.notification.id not in self.outbox:
                self._hear(flush.notification)
        return super().commit()

    def _hear(self, message: Notification) -> None:
        for each in message.alerts:
            if each.fresh:
                sign = "+" if each.state == "firing" else "-"
                self.told_at.append((message.at - START, sign + each.labels["alertname"]))
                if each.ends_at is not None:
                    name = each.labels.get("application", "")
                    self.ended.append((name, each.starts_at - START, each.ends_at - START))

    @property
    def told(self) -> list[str]:
        """What a person heard, alert by alert: `+Burst` began, `-Burst` ended."""
        return [what for _, what in self.told_at]

    def take(self, *events: Event, seen: int | None = None, now: int | None = None) -> list[str]:
        """Judge hits; with `seen` all logs have been seen up to then."""
        numbered = [replace(each, seq=self.seq + 1 + at) for at, each in enumerate(events)]
        self.seq += len(numbered)
        for each in numbered:
            self.ledger.apply(each)
        states = [] if seen is None else [SourceState(project=PROJECT, source="logs", last_ok=START + seen)]
        latest = max([0 if seen is None else seen, *(each.at - START for each in events)])
        self.ledger.advance(states, START + (latest if now is None else now))
        self.hits += [each for each in numbered if each.hit is not None]
        return self.commit()

    def measure(self, picture: Picture) -> list[str]:
        """Ask the rules that measure."""
        event = source_event(SourceState(project=PROJECT, source="logs", region=REGION), EventType.TALLY, picture.at)
        self.ledger.measure(replace(picture, runs=self.ledger.logs.of_project(PROJECT)), event)
        self.ledger.advance([], picture.at)
        return self.commit()


def _keep(rows: dict[str, T], key: str, value: T | None) -> None:
    if value is None:
        rows.pop(key, None)
    else:
        rows[key] = value


def running(name: str = "shop", *, since: int = 0, applications: Sequence[str] = ("service",), **fields: object) -> Run:
    """The history of a Deployment that has been good since then."""
    known = tuple(Application(id=each, name=each) for each in applications)
    found = deployment(name, **{"applications": known, **fields})  # type: ignore[arg-type]  # fields by name
    return begun(found, START + since, region=REGION)


def picture(
    at: int,
    *runs: Run,
    since: int = 0,
    heard: Mapping[Spot, tuple[int, int]] | None = None,
    wrote: Mapping[tuple[int, int], Tally | Mapping[Spot, Tally]] | None = None,
) -> Picture:
    """What is known `at`: when applications were `heard` first and last, what they `wrote` within spans."""
    tallies: dict[Span, Mapping[Spot, Tally]] = {
        (START + begin, START + end): {SERVICE: tally} if isinstance(tally, Tally) else tally
        for (begin, end), tally in (wrote or {}).items()
    }
    return Picture(
        project=PROJECT,
        at=START + at,
        since=START + since,
        runs={each.deployment_id: each for each in runs},
        activity={spot: Activity(START + first, START + last) for spot, (first, last) in (heard or {}).items()},
        tallies=tallies,
    )


def groups(answer: Evaluation) -> list[str]:
    """The groups for which it holds, by what names them."""
    return sorted(
        "/".join(filter(None, (each.labels.get("deployment"), each.labels.get("application")))) for each in answer.holds
    )


def desk(text: str = BURST, **options: object) -> LogDesk:
    """Told at once, each application on its own."""
    return LogDesk(made(text), **{"root": route_of("alertname", "application"), **options})  # type: ignore[arg-type]  # by name


def known(found: LogDesk, *runs: Run) -> LogDesk:
    """The desk, which knows these histories."""
    found.runs.update({each.key: each for each in runs})
    found.restart()
    return found
