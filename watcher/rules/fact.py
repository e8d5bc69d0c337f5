"""Fact rules: tell an event once. A fact has happened; it is never resolved."""

from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.matcher import matches
from watcher.core.rule import Condition, Evaluation
from watcher.rules import subject
from watcher.rules.described import Described
from watcher.rules.spec import RuleSpec

_OF_PARTS = frozenset({EventType.REPORT, EventType.COMMENT})
"""Events that are told part by part: entries of a report, remarks."""
_TRANSITIONS = frozenset({EventType.CREATED, EventType.STATUS, EventType.ATTEMPT})


class FactRule(Described[RuleSpec]):
    """Tells the events of its types, or the status transitions of its `from` and `to`, that its matchers match."""

    fact = True
    wait: Millis = 0

    def __init__(self, spec: RuleSpec) -> None:
        super().__init__(spec)
        self._topics = spec.topics

    def concerns(self, event: Event) -> bool:
        """What already was so at the first sight of a project is no news to anyone."""
        if event.baseline or subject.topic(event) not in self._topics:
            return False
        return event.type in (self.spec.events or _TRANSITIONS)

    def evaluate(self, _event: Event) -> Evaluation:
        """A fact rule follows no condition."""
        return Evaluation()

    def facts(self, event: Event) -> tuple[Condition, ...]:
        """The event, if it is one to tell."""
        if not self._fits(event):
            return ()
        parts = event.added if event.type in _OF_PARTS else (None,)
        found = [subject.labels(event, part) if part else subject.shared(event) for part in parts]
        return tuple(self.spec.condition(each) for each in found if matches(self.spec.matchers, each))

    def _fits(self, event: Event) -> bool:
        """A new attempt counts as a transition where the status is the same as before: its middle was not seen.

        A build where none was known before has only become visible.
        """
        after = event.record.status if event.record else ""
        is_attempt = not self.spec.events and event.type is EventType.ATTEMPT
        if is_attempt and not (event.record and event.previous_build and after == event.previous_status):
            return False
        fits_from = self.spec.from_ is None or self.spec.from_(event.previous_status)
        return fits_from and (self.spec.to is None or self.spec.to(after))
