"""State rules: fire on their matchers, end on `resolve` or removal, and keep firing between the two."""

from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.matcher import matches
from watcher.core.rule import Condition, Evaluation
from watcher.rules import subject
from watcher.rules.described import Described
from watcher.rules.spec import RuleSpec

GONE = Evaluation(ended=True, removed=True)
NOTHING = Evaluation()


class StateRule(Described[RuleSpec]):
    """One condition for each Deployment, Connector or source."""

    fact = False

    def __init__(self, spec: RuleSpec) -> None:
        super().__init__(spec)
        self._topics = spec.topics

    @property
    def wait(self) -> Millis:
        """How long the condition must hold (`for`)."""
        return self.spec.wait

    def concerns(self, event: Event) -> bool:
        """A rule looks at the events of what it is `on`."""
        return subject.topic(event) in self._topics

    def evaluate(self, event: Event) -> Evaluation:
        """What holds after the event."""
        if event.type is EventType.GONE:
            return GONE
        found = subject.shared(event)
        if matches(self.spec.matchers, found):
            return Evaluation(holds=(self.spec.condition(found),))
        return Evaluation(ended=True, values=found) if matches(self.spec.resolve, found) else NOTHING

    def facts(self, _event: Event) -> tuple[Condition, ...]:
        """A state rule tells no facts."""
        return ()


class ReportRule(StateRule):
    """One condition for each application whose build report has an entry that matches, while that report stands."""

    def evaluate(self, event: Event) -> Evaluation:
        """What holds after the event: of several entries for one application the first speaks."""
        if event.type is EventType.GONE or event.record is None:
            return GONE
        found: dict[str, Condition] = {}
        for entry in event.record.entries:
            labels = subject.labels(event, entry)
            if entry.application not in found and matches(self.spec.matchers, labels):
                found[entry.application] = self.spec.condition(labels)
        now = subject.shared(event)
        return Evaluation(holds=tuple(found.values()), ended=matches(self.spec.resolve, now), values=now)
