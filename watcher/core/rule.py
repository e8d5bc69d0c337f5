"""What a rule is to the core: a pure answer to an event. The rules themselves live in `watcher.rules`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from watcher.core.duration import Millis
from watcher.core.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition that holds: the label set of its alert, and what its templates may show."""

    labels: Mapping[str, str]
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A state rule's answer: the conditions that hold, and whether its other alerts on this subject have ended.

    `values` is what the subject shows now, for the words of an end.
    """

    holds: tuple[Condition, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict, compare=False)
    ended: bool = False
    removed: bool = False


class Rule(Protocol):
    """One rule. A *state* rule is asked `evaluate`, a *fact* rule `facts`; both are pure."""

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
        """Whether the event is of the kind that this rule looks at."""
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
