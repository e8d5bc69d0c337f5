"""What rules that measure look at: how much each application of a project wrote, and when it last did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from watcher.core.duration import Millis
from watcher.core.history import Run
from watcher.core.logrecord import Tally
from watcher.core.novelty import Memory

Span: TypeAlias = tuple[Millis, Millis]
"""From, and up to but not including, whole minutes both."""
Spot: TypeAlias = tuple[str, str]
"""An application of a Deployment: the Deployment's id, the application's name."""


class Activity(NamedTuple):
    """When an application was first and last heard, by the times of its records."""

    first: Millis
    last: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One project at one moment. `tallies` has the spans that were asked for; `since` is when its logs were first read."""

    project: str
    at: Millis
    since: Millis
    runs: Mapping[str, Run]
    activity: Mapping[Spot, Activity] = field(default_factory=dict)
    tallies: Mapping[Span, Mapping[Spot, Tally]] = field(default_factory=dict)
    memories: Iterable[Memory] = ()

    def tally(self, span: Span, spots: Iterable[Spot]) -> Tally:
        """What these applications wrote within a span."""
        found, total = self.tallies.get(span, {}), Tally()
        for spot in spots:
            if spot in found:
                total.add(found[spot])
        return total
