"""Where messages go: each sink with its sends under way, its breaker and its paces, and whose turn it is.

Paces are shared by name, so a turn is taken from all places at once. What has changed is kept until the store has it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from watcher.core import breaker, pacing
from watcher.core.breaker import WELL, Breaker
from watcher.core.delivery import Delivery, Outcome
from watcher.core.duration import Millis
from watcher.core.pacing import Pace
from watcher.metrics import Metrics
from watcher.ports import Pacing, Sink, Sparing

log = structlog.get_logger(__name__)

PER_SINK = 5
"""Sends under way to one sink at once; the last one is for something critical only."""
UNPACED = 24
"""The same for a sink that says nothing of how fast it may be sent to, once it has taken that many in a row."""
LINGER: Millis = 5
"""How long at most is waited until several places are free, so that they are filled in one commit."""
PER_PACE = 8
"""Sends under way at once to sinks that share a pace, which is to one host."""


@dataclass(slots=True)
class Place:
    """One sink, its sends under way, and how it stands.

    `taken` counts what it has taken since it last did not; `looked_at` is when it was last asked what waits for it, `next_due` when the next of that is due, as far as is known.
    `refusing` is what was last told of it, unknown (`None`) where nothing is: the process before may have said that it
    was, so the first message that it takes says that it is not. `away` is how long a sink that has just come back was
    down; `overdue` says that what waits for it is to be looked over.
    """

    sink: Sink
    sending: int = 0
    breaker: Breaker = WELL
    refusing: bool | None = None
    away: Millis = 0
    overdue: bool = False
    taken: int = 0
    looked_at: Millis = 0
    next_due: Millis | None = None
    _own: Pace = field(init=False)

    def __post_init__(self) -> None:
        self._own = Pace(name=f"sink {self.sink.id}", every=0)

    @property
    def paces(self) -> tuple[Pace, ...]:
        """Those of the sink, and one of its own that only keeps others away when the receiver asks for it."""
        return (self._own, *self.sink.paces)

    @property
    def most(self) -> int:
        """How many sends to it may be under way at once: one that takes what it gets is given more."""
        return PER_SINK if self.sink.paces else min(PER_SINK + self.taken, UNPACED)

    def is_busy(self, now: Millis) -> bool:
        """Whether so much is under way that looking for more had better wait, a moment at most, until there is room for many."""
        return self.sending > max(self.most // 2, PER_SINK) and 0 <= now - self.looked_at < LINGER


class Places:
    """All of them, by the id of the sink."""

    def __init__(self, sinks: Mapping[str, Sink], metrics: Metrics) -> None:
        self._places = {name: Place(sink) for name, sink in sinks.items()}
        self._metrics = metrics
        self._full: dict[str, Millis] = {}
        self.paces: dict[str, Millis] = {}
        self.breakers: dict[str, Breaker] = {}

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def __getitem__(self, sink: str) -> Place:
        return self._places[sink]

    @property
    def names(self) -> list[str]:
        """The ids of the sinks."""
        return list(self._places)

    def load(self, known: Pacing, now: Millis) -> None:
        """Go on from what a process before has remembered."""
        self._full = pacing.sane(known.paces, (pace for place in self for pace in place.paces), now)
        for place in self:
            if found := known.breakers.get(place.sink.id):
                place.breaker, place.refusing = breaker.sane(found, now), found.refusing
                self._metrics.sink_down.labels(place.sink.id).set(place.breaker.down)

    def room(self, place: Place, now: Millis) -> int:
        """How many messages may be sent to it now, were all of them critical."""
        if place.breaker.down and (place.sending or now < place.breaker.probe_at):
            return 0
        free = min(1 if place.breaker.down else place.most - place.sending, self._free(place))
        return pacing.turns(place.paces, self._full, now, free) if free > 0 else 0

    def ready_at(self, place: Place) -> Millis | None:
        """From when something may be sent to it; `None` where one that is under way has to end first."""
        if place.sending >= (1 if place.breaker.down else place.most - 1) or self._free(place) <= 0:
            return None
        return max(pacing.ready_at(place.paces, self._full), place.breaker.probe_at if place.breaker.down else 0)

    def take(self, place: Place, delivery: Delivery, body: bytes, now: Millis) -> bool:
        """Take a turn of each pace that this message needs, and a place among the sends under way, where there still are any."""
        if self.room(place, now) < 1 or (place.sending >= place.most - 1 and delivery.severity != "critical"):
            return False
        idle = place.sink.idle(delivery, body) if isinstance(place.sink, Sparing) else ()
        self._changed(pacing.taken((each for each in place.paces if each.name not in idle), self._full, now))
        place.sending += 1
        return True

    def hold(self, place: Place, until: Millis) -> None:
        """Leave it alone, and everything that shares one of its paces."""
        self._changed(pacing.held(place.paces, self._full, until))

    def learn(self, place: Place, outcome: Outcome, now: Millis, *, limited: bool, jitter: float) -> None:
        """What an attempt says of the sink itself."""
        place.taken = place.taken + 1 if outcome is Outcome.DELIVERED else 0
        before, place.breaker = (
            place.breaker,
            breaker.after(place.breaker, outcome, now, limited=limited, jitter=jitter),
        )
        if not (before.down or place.breaker.down) or before == place.breaker:
            return
        place.overdue = place.breaker.down
        if before.down and not place.breaker.down:
            place.away = now - (now if before.since is None else before.since)
        self.breakers[place.sink.id] = place.breaker
        self._report(place, before)

    def written(self, paces: Mapping[str, Millis], breakers: Mapping[str, Breaker]) -> None:
        """The store has these."""
        for name, at in paces.items():
            if self.paces.get(name) == at:
                del self.paces[name]
        for name, found in breakers.items():
            if self.breakers.get(name) is found:
                del self.breakers[name]

    def _changed(self, full: Mapping[str, Millis]) -> None:
        self._full |= full
        self.paces |= full

    def _free(self, place: Place) -> int:
        """How many more sends the paces allow that it shares with others."""
        if not place.sink.paces:
            return place.most
        shared = {pace.name for pace in place.sink.paces}
        busiest = max(
            (
                sum(each.sending for each in self if any(pace.name == name for pace in each.sink.paces))
                for name in shared
            ),
            default=0,
        )
        return PER_PACE - busiest

    def _report(self, place: Place, before: Breaker) -> None:
        self._metrics.sink_down.labels(place.sink.id).set(place.breaker.down)
        fields = {"sink": place.sink.id, "refusing": place.breaker.refusing, "failures": place.breaker.failures}
        if place.breaker.down and not before.down:
            log.warning("sink.went_down", probe_at=place.breaker.probe_at, **fields)
        elif place.breaker.down:
            log.info("sink.stayed_down", probe_at=place.breaker.probe_at, **fields)
        else:
            log.warning("sink.returned", sink=place.sink.id, away=place.away)
