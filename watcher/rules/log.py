"""Rules on log records: which records they select, and what they make of the hits.

Selecting happens where records arrive (`matching`); what stands here is pure description, and the judgement of hits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.history import Run
from watcher.core.matcher import Matcher
from watcher.core.rule import Condition, Evaluation
from watcher.rules.described import Described
from watcher.rules.spec import Annotate

DEPLOYMENT_LABELS = ("type", "connector", "deployment")
"""What a group by `deployment` is named by besides: they do not change while it lives."""
ALWAYS = ("project", "region")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSpec:
    """A rule on logs. `matchers` select by label, `pattern` (any of them) and not `exclude` by what the message says.

    `by` names the labels that make one group; `slower_than` selects requests that took longer, 0 all. `novel` says that
    it asks what kind of message a record has.
    """

    name: str
    annotate: Annotate
    labels: Mapping[str, str]
    by: tuple[str, ...]
    matchers: tuple[Matcher, ...] = ()
    pattern: tuple[str, ...] = ()
    exclude: tuple[Callable[[str], bool], ...] = ()
    slower_than: Millis = 0
    count: int = 1
    within: Millis = 0
    novel: bool = False
    learn: Millis = 0
    lengths: Mapping[str, Millis] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, ...]:
        """The labels of a record that name a group."""
        return (*(DEPLOYMENT_LABELS if "deployment" in self.by else ()), *self.by)

    def identity(self, found: Mapping[str, str]) -> dict[str, str]:
        """The label set of the group that has these labels."""
        chosen = {name: found[name] for name in (*ALWAYS, *self.named) if found.get(name)}
        return {"alertname": self.name, **chosen, **{name: value for name, value in self.labels.items() if value}}


class LogRule(Described[LogSpec]):
    """What all rules on logs have in common. None of them looks at events about Deployments or sources."""

    fact = False
    wait: Millis = 0

    def concerns(self, _event: Event) -> bool:
        """Its hits are named by it; no other event is for it."""
        return False

    def evaluate(self, _event: Event) -> Evaluation:
        """It follows no condition of a subject."""
        return Evaluation()

    def facts(self, _event: Event) -> tuple[Condition, ...]:
        """It tells no events."""
        return ()


class CountRule(LogRule):
    """Fires while `count` matching records were written within `within`; one that asks for one record, while there is any."""

    @property
    def count(self) -> int:
        """How many."""
        return self.spec.count

    @property
    def within(self) -> Millis:
        """How close together."""
        return self.spec.within

    def group(self, event: Event) -> tuple[str, ...]:
        """The values that the labels of the hit's group have."""
        hit = event.hit
        if hit is None:
            return ()
        own, labels = {"message": hit.message, "level": hit.level}, hit.labels
        found = [own.get(name) or labels.get(name, "") for name in self.spec.named]
        return (self.name, event.project, event.region, *found)

    def condition(self, event: Event, counted: int) -> Condition:
        """The condition of the hit's group, shown by its newest record."""
        found = _shown(event)
        values = {**found, "count": str(counted), "within": str(self.spec.within)}
        return Condition(labels=self.spec.identity(found), values=values)


class NoveltyRule(LogRule):
    """Tells each kind of error that an application has not written in this build or the one before it."""

    fact = True

    @property
    def signature(self) -> str:
        """What it selects, as text."""
        spec = self.spec
        return " ".join([*map(str, spec.matchers), *spec.pattern, str(spec.slower_than), *spec.by])

    @property
    def learn(self) -> Millis:
        """For how long everything is held to be known, from when an application is first heard."""
        return self.spec.learn

    def novelty(self, event: Event, run: Run | None) -> Condition:
        """What is told of a new kind; it is named by its template, so that one can be silenced without the others."""
        found = _shown(event)
        hit = event.hit
        labels = {**self.spec.identity(found), "error_id": hit.template if hit else ""}
        values = {**found, "last_good": str(run.good_since) if run and run.good_since else ""}
        return Condition(labels=labels, values=values)


def _shown(event: Event) -> dict[str, str]:
    """The labels and values of a hit."""
    hit = event.hit
    if hit is None:
        return {}
    return {
        **{name: value for name, value in hit.labels.items() if name != "severity"},  # that of the alert is its rule's
        "project": event.project,
        "region": event.region,
        "message": hit.message,
        "level": hit.level,
        "at": str(hit.last),
    }
