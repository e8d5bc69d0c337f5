"""What the tests of the core are made of: rules without templates, events, and the two loops without a store.

`Desk` is judge and `Watch` is observe, each reduced to what the core decides: rows are dictionaries, a batch is one
commit, and only what the core names as changed is written back, so that a restart shows what it forgot to name.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TypeVar

from hypothesis import settings

from tests.fakes import START, deployment
from watcher import rules
from watcher.core import duration, matcher, observation, route, sight
from watcher.core.alert import Alert
from watcher.core.dispatch import Dispatch, Flush, SinkRef
from watcher.core.event import Event, EventReason, EventType
from watcher.core.group import Group
from watcher.core.ledger import Ledger
from watcher.core.matcher import Matcher
from watcher.core.observation import Known, Round
from watcher.core.route import Node, Route
from watcher.core.rule import Rule
from watcher.core.shelf import as_row
from watcher.core.sight import SourceState
from watcher.core.silence import Fields, Progress, Stage
from watcher.core.silencing import Silences
from watcher.core.snapshot import Deployment, Listing, ReportEntry
from watcher.rules import RuleSpec
from watcher.store import codec

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PROJECT, REGION = "my-shop", "europe-west1.gcp"
POLL = 30 * SECOND
BLIND_AFTER = 3 * POLL + MINUTE
SINK = SinkRef(id="team/webhook/0")
RECEIVERS: Mapping[str, tuple[SinkRef, ...]] = {"team": (SINK,)}

T = TypeVar("T")
FAILED, RECOVERED = "+DeploymentFailed", "-DeploymentFailed"
STUCK, STUCK_CRITICAL = "+DeploymentStuck", "+DeploymentStuckCritical"

quick = settings(max_examples=60, deadline=None, database=None, derandomize=True)
"""Small and the same in every run; raise `max_examples` by hand to hunt."""


# ── words ────────────────────────────────────────────────────────────────────


def fullmatch(pattern: str) -> Callable[[str], bool]:
    """An anchored test, from the standard library: no test of the core needs more."""
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def matchers(*texts: str) -> tuple[Matcher, ...]:
    return tuple(each for text in texts for each in matcher.parse(text, fullmatch))


def rule(
    name: str = "DeploymentFailed",
    *when: str,
    on: str = "deployment",
    resolve: Sequence[str] = ('status="Deployed"',),
    wait: int = 0,
    events: Iterable[str] = (),
    from_: str | None = None,
    to: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Rule:
    """A rule whose only annotation says what the words of a message depend on."""
    spec = RuleSpec(
        name=name,
        on=on,
        annotate=lambda values: {"seen": f"{values['again']} {values['resolved']} {values['removed']}"},
        matchers=matchers(*when),
        resolve=matchers(*resolve),
        wait=wait,
        events=frozenset(map(EventType, events)),
        from_=None if from_ is None else fullmatch(from_),
        to=None if to is None else fullmatch(to),
        labels={"severity": "critical"} if labels is None else labels,
    )
    return rules.build(spec)


def failed(**options: object) -> Rule:
    return rule("DeploymentFailed", 'status="Failed"', **options)  # type: ignore[arg-type]  # options by name


def stuck(wait: int = 20 * MINUTE, name: str = "DeploymentStuck") -> Rule:
    way = "Queued|Deploying|Undeploying"
    return rule(name, f'status=~"{way}"', resolve=(f'status!~"{way}"',), wait=wait)


@cache
def pack(*names: str) -> tuple[Rule, ...]:
    """The rules of a pack as they are shipped, without their templates."""
    texts = [resources.files("watcher.rules.packs").joinpath(f"{name}.toml").read_text() for name in names]
    return tuple(_packed(each) for text in texts for each in tomllib.loads(text)["rules"])


def _packed(found: Mapping[str, object]) -> Rule:
    options = {key: found[key] for key in ("on", "events", "to", "labels") if key in found}
    wait = duration.parse(str(found.get("for", "0")))
    when = found.get("matchers", ())
    resolve = found.get("resolve", () if found["on"] == "source" else ('status="Deployed"',))
    return rule(
        str(found["name"]),
        *when,  # type: ignore[misc]  # a list of texts
        wait=wait,
        resolve=resolve,  # type: ignore[arg-type]  # a list of texts
        **options,  # type: ignore[arg-type]  # options by name
    )


MOVED = rule("Moved", events=["application"])
"""A fact rule: tells that an application has moved."""


def event(kind: str = "status", at: int = 0, *, seq: int = 0, of: Deployment | None = None, **fields: object) -> Event:
    """An event `at` milliseconds after the start; about a Deployment where one is given, else about its source."""
    base = Event(
        type=EventType(kind), project=PROJECT, region=REGION, at=START + at, sight=START + at, seq=seq, deployment=of
    )
    return replace(base, **fields)  # type: ignore[arg-type]  # fields by name


def route_of(*group_by: str, **node: object) -> Route:
    """One receiver; told at once unless the pace is given."""
    pace = {"group_wait": 0, "group_interval": 0, "repeat_interval": 4 * HOUR}
    return route.build(Node(receiver="team", group_by=group_by, **{**pace, **node}))  # type: ignore[arg-type]  # by name


# ── judge, without a store ───────────────────────────────────────────────────


@dataclass
class Desk:
    """Judges batches. `outbox` holds a message once for each id, as the store does."""

    rules: Sequence[Rule]
    root: Route = field(default_factory=lambda: route_of("project", "deployment"))
    receivers: Mapping[str, tuple[SinkRef, ...]] = field(default_factory=lambda: RECEIVERS)

    def __post_init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.groups: dict[str, Group] = {}
        self.outbox: dict[str, Flush] = {}
        self.decided: list[Flush] = []
        self.reasons: dict[int, tuple[EventReason, str]] = {}
        self.silences: dict[str, tuple[Fields, Progress]] = {}
        self.seq = 0
        self.restart()

    def restart(self, **changes: object) -> None:
        """Throw away what is in memory; go on from the rows, under another configuration where one is given."""
        for name, value in changes.items():
            setattr(self, name, value)
        silences = Silences(fullmatch)
        silences.load(each for each in self.silences.values() if each[1].stage in {Stage.WAITING, Stage.ACTIVE})
        self.ledger = Ledger(self.rules, Dispatch(self.root, self.receivers, silences=silences))
        self.ledger.dispatch.load(codec.whole(self.groups[key], self.alerts) for key in sorted(self.groups))
        self.ledger.load(self.alerts[key] for key in sorted(self.alerts))

    def judge(self, *events: Event, seen: int | None = None, now: int | None = None) -> list[str]:
        """Judge a batch; with `now` let time pass, as far as the project was `seen`. Returns what was decided."""
        for each in events:
            self.seq += 1
            self.ledger.apply(replace(each, seq=each.seq or self.seq))
            if each.type is EventType.SILENCED:
                self.silences[each.fields["silence"]] = (each.fields, Progress(stage=Stage.NEW))
        if now is not None:
            sources = [] if seen is None else [SourceState(project=PROJECT, last_ok=START + seen)]
            self.ledger.advance(sources, START + now)
        return self.commit()

    def commit(self) -> list[str]:
        dispatch, fresh = self.ledger.dispatch, list(self.ledger.dispatch.flushes)
        _write(self.alerts, self.ledger.changed, self.ledger.alerts)
        # a row is what was committed: what the dispatch does to its groups later must not reach it unnamed
        _write(self.groups, dispatch.changed, {key: frozen(as_row(each)) for key, each in dispatch.groups.items()})
        for each in fresh:
            self.outbox.setdefault(each.notification.id, each)
        self.decided += fresh
        self.reasons |= self.ledger.reasons
        for name, progress in dispatch.silences.changed.items():
            self.silences[name] = (self.silences[name][0], progress)
        self.ledger.changed, self.ledger.reasons = set(), {}
        dispatch.changed, dispatch.flushes, dispatch.silences.changed = set(), [], {}
        return [said(each) for each in fresh]

    @property
    def heard(self) -> list[str]:
        """What the outbox holds, one line for each message."""
        return [said(each) for each in self.outbox.values()]

    @property
    def states(self) -> dict[str, str]:
        """The alerts that stand: name and subject, and their state."""
        return {f"{each.rule} {each.subject}": each.state.value for each in self.alerts.values()}


def frozen(group: Group) -> Group:
    """A group as a store keeps it: nothing that happens to the living one changes it."""
    return replace(
        group,
        members=dict(group.members),
        told=dict(group.told),
        labels=dict(group.labels),
        held=dict(group.held),
        held_back=dict(group.held_back),
    )


def _write(rows: dict[str, T], changed: Iterable[str], values: Mapping[str, T]) -> None:
    for key in changed:
        if key in values:
            rows[key] = values[key]
        else:
            rows.pop(key, None)


def said(flush: Flush) -> str:
    """A message as one line: why, what is news in it (`+` started, `-` ended), how many fire."""
    message = flush.notification
    signs = {"firing": "+", "resolved": "-"}
    news = sorted(signs[each.state] + each.labels["alertname"] for each in message.alerts if each.fresh)
    return f"{message.reason.value}: {' '.join(news) or 'nothing'} ({message.firing} firing)"


def news(flushes: Iterable[Flush]) -> list[str]:
    """What was told without its reason: `+DeploymentFailed`, one item for each message."""
    return [said(each).split(": ")[1].rsplit(" (", 1)[0] for each in flushes]


# ── observe, without a store ─────────────────────────────────────────────────


@dataclass
class Watch:
    """Polls a scripted project through the core, and judges what it finds."""

    desk: Desk = field(default_factory=lambda: Desk(pack("builtin")))
    truth: dict[str, Deployment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = 0
        state = SourceState(project=PROJECT, region=REGION, since=START)
        self.known: Known[Deployment] = Known(state=state, records={})
        self.events: list[Event] = []
        self._shown: Mapping[str, Deployment] | None = None

    def put(self, *items: Deployment) -> None:
        self.truth.update((each.id, each) for each in items)

    def set(self, name: str = "shop", **fields: object) -> None:
        self.truth[f"id-{name}"] = replace(self.truth[f"id-{name}"], **fields)  # type: ignore[arg-type]  # by name

    def remove(self, *names: str) -> None:
        for name in names:
            del self.truth[f"id-{name}"]

    def poll(
        self, *, after: int = POLL, hidden: Iterable[str] = (), truncated: bool = False, judged: bool = True
    ) -> Round[Deployment]:
        """Time passes and the list is read; it may hide Deployments that a single read shows."""
        self.now += after
        away = {f"id-{name}" for name in hidden}
        shown = {key: each for key, each in self.truth.items() if key not in away}
        total = 12_000 if truncated else len(shown)
        listing = Listing(records=shown, total=total, truncated=truncated, unchanged=shown == self._shown)
        self._shown = shown
        absence = observation.look(self.known, listing)
        answers = {key: self.truth.get(key) for key in absence.probe}
        found = observation.digest(self.known, listing, absence, answers, self.at, blind_after=BLIND_AFTER)
        self.take(found)
        if judged:
            self.judge()
        return found

    def miss(self, *, after: int = POLL, refusal: str = "", judged: bool = True) -> None:
        """Time passes and the list cannot be read."""
        self.now += after
        state, told = sight.missed(self.known.state, self.at, BLIND_AFTER, error="HTTP 503", refusal=refusal)
        self.known = replace(self.known, state=state)
        self.events += told
        if judged:
            self.judge()

    @property
    def at(self) -> int:
        return START + self.now

    def take(self, found: Round[Deployment]) -> None:
        kept = {key: each for key, each in self.known.records.items() if key not in found.removed}
        kept |= {each.id: each for each in found.upserts}
        self.known = Known(state=found.state, records=kept, absent=found.absent)
        self.events += found.events

    def judge(self) -> list[str]:
        """Judge everything that was found since, now."""
        events, self.events = self.events, []
        for each in events:
            self.desk.seq += 1
            self.desk.ledger.apply(replace(each, seq=self.desk.seq))
        self.desk.ledger.advance([self.known.state], self.at)
        return self.desk.commit()

    def restart(self) -> None:
        """The process dies and a new one goes on from what was committed; agreements on what is missing are lost."""
        self.known, self._shown = replace(self.known, absent={}), None
        self.desk.restart()

    @property
    def heard(self) -> list[str]:
        """What a person hears after the summary of the first sight."""
        return [each for each in news(self.desk.outbox.values()) if each != "+NowWatching"]


def watching(*deployments: Deployment, rules_: Sequence[Rule] | None = None, **desk: object) -> Watch:
    """A project that has been seen once."""
    judging = Desk(pack("builtin") if rules_ is None else rules_, **desk)  # type: ignore[arg-type]  # by name
    found = Watch(desk=judging)
    found.put(*(deployments or (deployment(),)))
    found.poll()
    return found


def warned(
    title: str = "Failed during the execution of 'postDeploy' script", application: str = "service"
) -> ReportEntry:
    return ReportEntry(type="Warning", title=title, application=application)


def run(watch: Watch, *steps: str) -> list[str]:
    """Poll once for each step, a status and after a blank its build; returns what a person hears."""
    for step in steps:
        status, *build = step.split()
        watch.set(status=status, **({"build": build[0]} if build else {}))
        watch.poll()
    return watch.heard


def lasting(watch: Watch, length: int) -> None:
    """Time passes without a change."""
    for _ in range(length // POLL):
        watch.poll()
