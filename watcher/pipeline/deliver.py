"""Deliver: claim what is due, send it, settle what came of it. Records first, so a crash is only ever a doubt."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from watcher.core.delivery import Delivery, DeliveryState, Outcome, Settlement, settle
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType, about_sink
from watcher.core.notification import Notification
from watcher.errors import DeliveryError, StoreError
from watcher.metrics import Metrics
from watcher.ports import Env, Settled, Sink, Store

log = structlog.get_logger(__name__)

PER_SINK = 4
"""Sends under way to one sink at once."""


@dataclass(slots=True)
class Place:
    """One sink, its sends under way, and until when it asked to be left alone.

    `refusing` is unknown (`None`) at the start: the process before may have said that it was, so the first message that
    it takes says that it is not.
    """

    sink: Sink
    sending: int = 0
    paused_until: Millis = 0
    refusing: bool | None = None


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
        self._unsettled: list[tuple[Settled, tuple[Event, ...]]] = []
        self._settling = asyncio.Lock()

    async def recover(self) -> None:
        """At the start: what was being sent when the last process died has an unknown outcome and is sent again.

        What waits for a sink that is no longer configured becomes a dead letter, and is told to those that are.
        """
        now = self._env.clock.now()
        if count := await self._store.recover_claims(now):
            log.warning("delivery.recovered", count=count)
        for sink, abandoned in (await self._store.abandon(self._places.keys(), now)).items():
            log.warning("delivery.abandoned", sink=sink, count=abandoned)

    async def run_once(self) -> bool:
        """Settle what could not be settled, start every send that may start now; returns whether any did."""
        await self._settle_all()
        now = self._env.clock.now()
        bodies: dict[str, bytes] = {}
        for place in self._places.values():
            free = PER_SINK - place.sending
            if free > 0 and place.paused_until <= now:
                for each in await self._store.due_deliveries(place.sink.id, now, free):
                    body = each.body or self._render(place.sink, each)
                    bodies |= {} if body is None else {each.id: body}
        if bodies:
            for delivery in await self._store.claim(bodies, now):
                self._start(delivery)
        await self._settle_all()
        return bool(bodies)

    def _render(self, sink: Sink, delivery: Delivery) -> bytes | None:
        """The body of a delivery. A row that cannot be read or rendered must stop nobody else: it becomes a dead letter."""
        try:
            return sink.render(self._decode(delivery.notification))
        except Exception as error:
            log.exception("delivery.unreadable", id=delivery.id, sink=delivery.sink)
            text = f"cannot be rendered: {type(error).__name__}"
            dead = Settlement(state=DeliveryState.DEAD, due_at=None)
            settled = Settled(delivery_id=delivery.id, settlement=dead, error=text)
            self._unsettled.append((settled, self._dead_letter(delivery, text, self._env.clock.now())))
            return None

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
        with suppress(StoreError):
            await self._settle_all()
        return not late and not self._unsettled

    def _start(self, delivery: Delivery) -> None:
        self._places[delivery.sink].sending += 1
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        place = self._places[delivery.sink]
        try:
            error = await _attempt(place.sink, delivery)
            self._conclude(place, delivery, error)
            await self._settle_all()
        except StoreError as error:
            log.error("delivery.unsettled", id=delivery.id, error=str(error))  # noqa: TRY400  its text says it all
        finally:
            place.sending -= 1
            self._changed()

    def _conclude(self, place: Place, delivery: Delivery, error: DeliveryError | None) -> None:
        """Decide what follows from an attempt; it is kept until the store has taken it."""
        now = self._env.clock.now()
        outcome = error.outcome if error else Outcome.DELIVERED
        wish = error.retry_after if error else None
        settlement = settle(delivery, outcome, now, retry_after=wish, jitter=self._env.rng.random())
        if wish is not None and settlement.due_at is not None:
            place.paused_until = max(place.paused_until, min(now + wish, settlement.due_at))
        text = str(error) if error else ""
        settled = Settled(
            delivery_id=delivery.id, settlement=settlement, unknown=outcome is Outcome.UNKNOWN, error=text
        )
        events = self._about_sink(place, settlement.state, text, now)
        if settlement.state is DeliveryState.DEAD:
            events += self._dead_letter(delivery, text, now)
        self._unsettled.append((settled, events))
        self._report(delivery, outcome, settlement, error)

    def _about_sink(self, place: Place, state: DeliveryState, error: str, now: Millis) -> tuple[Event, ...]:
        """A sink that begins to refuse everything is told through the others, and so is its return."""
        refusing = {DeliveryState.HELD: True, DeliveryState.DELIVERED: False}.get(state, place.refusing)
        if refusing == place.refusing:
            return ()
        place.refusing = refusing
        kind = EventType.REFUSING if refusing else EventType.ACCEPTING
        return (about_sink(kind, place.sink.id, now, error=error),)

    async def _settle_all(self) -> None:
        """Write every outcome that is not written yet, in one commit. Raises StoreError and keeps them all."""
        async with self._settling:
            batch = list(self._unsettled)
            if batch:
                events = [event for _, found in batch for event in found]
                await self._store.settle([settled for settled, _ in batch], events, self._env.clock.now())
                del self._unsettled[: len(batch)]

    def _dead_letter(self, delivery: Delivery, error: str, now: Millis) -> tuple[Event, ...]:
        """A dead letter is told as an event of its own, unless it was itself such a message."""
        if b'"alertname":"DeadLetter"' in delivery.notification:
            return ()
        return (about_sink(EventType.DEAD_LETTER, delivery.sink, now, error=error),)

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
