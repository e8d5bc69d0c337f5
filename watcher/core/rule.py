"""What a rule is to the core: a pure answer to an event. The rules themselves live in `watcher.rules`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.history import Run
from watcher.core.picture import Picture, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition that holds: the label set of its alert, and what its templates may show."""

    labels: Mapping[str, str]
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A state rule's answer: the conditions that hold, and whether its other alerts on this subject have ended.

    `values` is what the subject shows now, for the words of an end. `open` are label sets of which nothing can be said
    now: alerts that have them neither begin nor end.
    """

    holds: tuple[Condition, ...] = ()
    open: tuple[Mapping[str, str], ...] = ()
    values: Mapping[str, str] = field(default_factory=dict, compare=False)
    ended: bool = False
    removed: bool = False


class Rule(Protocol):
    """One rule. A *state* rule is asked `evaluate`, a *fact* rule `facts`; both are pure.

    Rules on logs have a protocol of their own besides, and are asked what that has.
    """

    @property
    def name(self) -> str:
        """The `alertname`."""
        ...

    @property
    def fact(self) -> bool:
        """Whether it tells events once instead of following a condition."""
        ...

    @property
    def wait(self) -> Millis:
        """How long its condition must hold (`for`)."""
        ...

    def concerns(self, event: Event) -> bool:
        """Whether it looks at events of this kind: of this type, about such a record, at the first sight of all or not.

        It says the same of all events of one kind, so that it is asked once.
        """
        ...

    def evaluate(self, event: Event) -> Evaluation:
        """What holds of the event's subject after the event."""
        ...

    def facts(self, event: Event) -> tuple[Condition, ...]:
        """What the event tells, if it is one that the rule tells."""
        ...

    def annotate(self, values: Mapping[str, object]) -> Mapping[str, str]:
        """Render the rule's annotations. Never fails."""
        ...


@runtime_checkable
class CountRule(Rule, Protocol):
    """Fires while `count` records that it hits were written within `within`, for each group of them."""

    @property
    def count(self) -> int:
        """How many."""
        ...

    @property
    def within(self) -> Millis:
        """How close together."""
        ...

    def group(self, event: Event) -> tuple[str, ...]:
        """What names the group that the event's hit belongs to: as many names as groups, and cheaper than the condition."""
        ...

    def condition(self, event: Event, counted: int) -> Condition:
        """The condition of the group that the event's hit belongs to."""
        ...


@runtime_checkable
class NoveltyRule(Rule, Protocol):
    """Tells each kind of error that an application has not written before, once."""

    @property
    def signature(self) -> str:
        """What it selects, as text: where that changes, what it meets for the first time is no news."""
        ...

    @property
    def learn(self) -> Millis:
        """For how long everything is held to be known, from when an application is first heard."""
        ...

    def novelty(self, event: Event, run: Run | None) -> Condition:
        """What the event's hit tells, if it is new."""
        ...


@runtime_checkable
class MeasureRule(Rule, Protocol):
    """Looks at how much was written, once a minute."""

    def spans(self, runs: Iterable[Run], at: Millis) -> Iterable[Span]:
        """Of which lengths of time it needs tallies."""
        ...

    def measure(self, picture: Picture) -> Evaluation:
        """What holds now; whatever else held has ended."""
        ...


@runtime_checkable
class VerdictRule(Rule, Protocol):
    """Says once of each good build how it does, compared with the one before it."""

    def spans(self, runs: Iterable[Run], at: Millis) -> Iterable[Span]:
        """Of which lengths of time it needs tallies."""
        ...

    def verdicts(self, picture: Picture) -> Iterable[tuple[Run, tuple[Condition, ...]]]:
        """The builds that are due, and what to tell of each; nothing, where it is as it should be."""
        ...
