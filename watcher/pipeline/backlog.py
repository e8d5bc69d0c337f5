"""What waits for a sink that was down for long: told in one, and given up once it is too old.

Messages are told in one by whole lanes, and a lane stands still until the digest that tells it is settled. So nobody
hears of a recovery before the failure, and the digest can be refused, retried and replayed like any other message. Left
alone are lanes in which something critical waits (that is told itself, the newest first), lanes of which the sink
remembers something (a card that is edited in place is no message more, and would go stale), and sinks whose receiver
follows each group by itself.

Every message is counted once: delivered, a dead letter, or in `stands_for` of a digest that is one of the two.
"""

from collections.abc import Callable, Sequence

import msgspec
import structlog

from watcher.core import digest
from watcher.core.delivery import Delivery
from watcher.core.duration import Millis
from watcher.core.notification import Notification
from watcher.metrics import Metrics
from watcher.pipeline.places import Place
from watcher.ports import Store

log = structlog.get_logger(__name__)


class Backlog:
    """Looks over what waits. `decode` reads an outbox payload."""

    def __init__(self, store: Store, metrics: Metrics, *, decode: Callable[[bytes], Notification]) -> None:
        self._store = store
        self._metrics = metrics
        self._decode = decode

    async def look_over(self, place: Place, now: Millis) -> None:
        """Do what is to be done for a sink that is down, or has just come back. Raises StoreError, and is repeated then."""
        if place.overdue:
            if count := await self._store.expire(place.sink.id, now):
                log.warning("deliveries.expired", sink=place.sink.id, count=count)
            place.overdue = False
        if place.away:
            if not getattr(place.sink, "one_by_one", False):
                await self._digest(place.sink.id, place.away, now)
            place.away = 0

    async def _digest(self, sink: str, away: Millis, now: Millis) -> None:
        own = f"{sink}|digest"
        while True:
            waiting = await self._store.digestible(sink, own, digest.AT_ONCE)
            readable = [(each, message) for each in waiting if (message := self._read(each))]
            if not digest.is_called_for(away, len(readable)):
                return
            rows, messages = zip(*digest.bounded(readable, lambda pair: len(pair[1].alerts)), strict=True)
            await self._store.digest(self._made(rows, messages, own, now), [each.id for each in rows])
            self._metrics.suppressed.labels("digested").inc(len(rows))

    def _made(self, rows: Sequence[Delivery], messages: Sequence[Notification], own: str, now: Millis) -> Delivery:
        sink = rows[0].sink
        message, tally = digest.merged(messages, sink, now)
        log.warning("deliveries.digested", sink=sink, id=message.id, messages=tally.messages, firing=tally.firing)
        return Delivery(
            id=message.id,
            sink=sink,
            lane=own,
            seq=0,
            notification=msgspec.json.encode(message),
            created_at=now,
            observed_at=min(each.observed_at for each in rows),
            severity=message.severity,
            due_at=now,
            stands_for=sum(each.stands_for for each in rows),
        )

    def _read(self, delivery: Delivery) -> Notification | None:
        """The message of a row; what cannot be read is left to be found out by itself."""
        try:
            return self._decode(delivery.notification)
        except msgspec.MsgspecError:
            return None
