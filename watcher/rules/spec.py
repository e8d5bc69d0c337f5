"""A rule as described: everything compiled, nothing decided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from watcher.core.alert import identity
from watcher.core.duration import Millis
from watcher.core.event import EventType
from watcher.core.matcher import Matcher
from watcher.core.rule import Condition

TOPICS: Mapping[str, frozenset[str]] = {
    "deployment": frozenset({"deployment"}),
    "connector": frozenset({"connector"}),
    "report": frozenset({"deployment", "connector"}),
    "source": frozenset({"source"}),
}
"""What the values of `on` look at. Reports are those of builds, of publishing and of previews."""

Annotate = Callable[[Mapping[str, object]], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSpec:
    """What a rule is made of. `on` is one of `TOPICS`; `from_` and `to` test a status."""

    name: str
    on: str
    annotate: Annotate
    matchers: tuple[Matcher, ...] = ()
    resolve: tuple[Matcher, ...] = ()
    wait: Millis = 0
    events: frozenset[EventType] = frozenset()
    from_: Callable[[str], bool] | None = None
    to: Callable[[str], bool] | None = None
    labels: Mapping[str, str]

    @property
    def topics(self) -> frozenset[str]:
        """What it looks at."""
        return TOPICS[self.on]

    def condition(self, found: Mapping[str, str]) -> Condition:
        """The condition of this rule on a subject that has the labels `found`."""
        return Condition(labels=identity(self.name, found, self.labels), values=found)
