"""Deliver: claim what is due, send it, settle what came of it. Records first, so a crash is only ever a doubt."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from watcher.core.delivery import Delivery, DeliveryState, Outcome, Settlement, settle
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.notification import Notification
from watcher.errors import DeliveryError
from watcher.metrics import Metrics
from watcher.ports import Env, Settled, Sink, Store

log = structlog.get_logger(__name__)

PER_SINK = 4
"""Sends under way to one sink at once."""


@dataclass(slots=True)
class Place:
    """One sink, its sends under way, and until when it asked to be left alone."""

    sink: Sink
    sending: int = 0
    paused_until: Millis = 0


class Deliverer:
    """Sends the outbox. A lane is in order; lanes and sinks do not wait for one another."""

    def __init__(
        self,
        sinks: Mapping[str, Sink],
        *,
        store: Store,
        env: Env,
        metrics: Metrics,
        decode: Callable[[bytes], Notification],
        changed: Callable[[], None],
    ) -> None:
        self._places = {name: Place(sink) for name, sink in sinks.items()}
        self._store = store
        self._env = env
        self._metrics = metrics
        self._decode = decode
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()

    async def recover(self) -> None:
        """At the start: what was being sent when the last process died has an unknown outcome and is sent again."""
        if count := await self._store.recover_claims(self._env.clock.now()):
            log.warning("delivery.recovered", count=count)

    async def run_once(self) -> bool:
        """Start every send that may start now; returns whether any did."""
        now = self._env.clock.now()
        bodies: dict[str, bytes] = {}
        for place in self._places.values():
            free = PER_SINK - place.sending
            if free > 0 and place.paused_until <= now:
                due = await self._store.due_deliveries(place.sink.id, now, free)
                bodies |= {each.id: each.body or place.sink.render(self._decode(each.notification)) for each in due}
        if bodies:
            for delivery in await self._store.claim(bodies, now):
                self._start(delivery)
        return bool(bodies)

    async def next_due(self) -> Millis | None:
        """When there is something to start, if nothing changes before; a full sink's next start is a change."""
        times: list[Millis] = []
        for place in self._places.values():
            due = await self._store.next_due(place.sink.id) if place.sending < PER_SINK else None
            if due is not None:
                times.append(max(due, place.paused_until))
        return min(times, default=None)

    async def drain(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the sends under way; returns whether all ended in time. What did not is settled after a restart."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_seconds)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return not late

    def _start(self, delivery: Delivery) -> None:
        self._places[delivery.sink].sending += 1
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        place = self._places[delivery.sink]
        try:
            error = await _attempt(place.sink, delivery)
            await self._settle(place, delivery, error)
        finally:
            place.sending -= 1
            self._changed()

    async def _settle(self, place: Place, delivery: Delivery, error: DeliveryError | None) -> None:
        now = self._env.clock.now()
        outcome = error.outcome if error else Outcome.DELIVERED
        wish = error.retry_after if error else None
        settlement = settle(delivery, outcome, now, retry_after=wish, jitter=self._env.rng.random())
        if wish is not None and settlement.due_at is not None:
            place.paused_until = max(place.paused_until, now + wish)
        settled = Settled(
            delivery_id=delivery.id,
            settlement=settlement,
            unknown=outcome is Outcome.UNKNOWN,
            error=str(error) if error else "",
        )
        events = self._dead_letter(delivery, now) if settlement.state is DeliveryState.DEAD else ()
        await self._store.settle([settled], events, now)
        self._report(delivery, outcome, settlement, error)

    def _dead_letter(self, delivery: Delivery, now: Millis) -> tuple[Event, ...]:
        """A dead letter is told as an event of its own, unless it was itself such a message."""
        alerts = self._decode(delivery.notification).alerts
        if all(each.labels.get("alertname") == "DeadLetter" for each in alerts):
            return ()
        fields = {"sink": delivery.sink, "count": "1"}
        return (Event(type=EventType.DEAD_LETTER, project="", source="outbox", at=now, sight=now, fields=fields),)

    def _report(
        self, delivery: Delivery, outcome: Outcome, settlement: Settlement, error: DeliveryError | None
    ) -> None:
        self._metrics.deliveries.labels(delivery.sink, outcome.value).inc()
        fields = {
            "id": delivery.id,
            "sink": delivery.sink,
            "attempts": delivery.attempts,
            "state": settlement.state.value,
        }
        if error is None:
            age = (self._env.clock.now() - delivery.observed_at) / 1000
            self._metrics.change_to_delivered.observe(max(age, 0))
            log.info("delivery.settled", outcome=outcome.value, **fields)
        else:
            self._metrics.deliveries_failed.labels(delivery.sink, error.reason).inc()
            log.warning("delivery.failed", outcome=outcome.value, reason=error.reason, error=str(error), **fields)


async def _attempt(sink: Sink, delivery: Delivery) -> DeliveryError | None:
    """Send once. A fault of our own is an unknown outcome: the row is kept and tried again, loudly."""
    try:
        await sink.send(delivery)
    except DeliveryError as error:
        return error
    except Exception as error:
        log.exception("delivery.crashed", id=delivery.id, sink=delivery.sink)
        return DeliveryError(f"internal error: {type(error).__name__}", Outcome.UNKNOWN, reason="internal")
    return None
