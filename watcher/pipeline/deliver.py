"""Deliver: claim what is due, send it, settle what came of it. Records first, so a crash is only ever a doubt."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog

from watcher.core.delivery import (
    HOUR,
    RATE_LIMITED,
    Delivery,
    DeliveryState,
    Outcome,
    Settlement,
    settle,
    within_bounds,
)
from watcher.core.digest import reduced
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType, about_sink
from watcher.core.notification import Notification
from watcher.errors import DeliveryError, StoreError
from watcher.metrics import Metrics
from watcher.pipeline.backlog import Backlog
from watcher.pipeline.places import LINGER, Place, Places
from watcher.ports import Env, Settled, Sink, Store

log = structlog.get_logger(__name__)

DEAD_LETTER = "DeadLetter"
"""The rule that tells of dead letters."""
UNASKED: Millis = 30_000
"""How long a receiver is left alone at most that wants to be sent to less often and does not say when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one send came to: what to remember of the lane, or why it was not taken."""

    memo: str | None = None
    error: DeliveryError | None = None

    @property
    def outcome(self) -> Outcome:
        """What is known of it."""
        return self.error.outcome if self.error else Outcome.DELIVERED

    @property
    def limited(self) -> bool:
        """Whether its receiver only asked to be sent to less often."""
        return self.error is not None and self.error.reason == RATE_LIMITED


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
        self._places = Places(sinks, metrics)
        self._backlog = Backlog(store, metrics, decode=decode)
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

        What waits for a sink that is no longer configured becomes a dead letter, and is told to those that are. Paces
        and breakers go on where they were.
        """
        now = self._env.clock.now()
        if count := await self._store.recover_claims(now):
            log.warning("delivery.recovered", count=count)
        for sink, abandoned in (await self._store.abandon(self._places.names, now)).items():
            log.warning("delivery.abandoned", sink=sink, count=abandoned)
        self._places.load(await self._store.load_pacing(), now)

    async def run_once(self) -> bool:
        """Settle what could not be settled, start every send that may start now; returns whether any did."""
        await self._settle_all()
        now = self._env.clock.now()
        for place in self._places:
            if place.overdue or place.away:
                await self._backlog.look_over(place, now)
        turns = await self._take_turns(now)
        if turns:
            await self._claim(turns, now)
        if self._unsettled:
            await self._settle_all()
        return bool(turns)

    async def _take_turns(self, now: Millis) -> dict[str, tuple[Place, bytes]]:
        """What is sent next: of each sink as much as it has room for; where sinks share a pace, the critical first.

        What is sent now all the same goes in the order in which it was decided.
        """
        found: list[tuple[bool, int, Place, Delivery]] = []
        for place, due in await self._due(now):
            found += [(each.severity != "critical", at, place, each) for at, each in enumerate(due)]
        turns: list[tuple[Place, Delivery, bytes]] = []
        for _, _, place, each in sorted(found, key=lambda item: (*item[:2], item[3].due_at)):
            body = each.body or self._render(place.sink, each)
            if body is not None and self._places.take(place, each, body, now):
                turns.append((place, each, body))
        turns.sort(key=lambda turn: (turn[1].due_at, turn[1].seq))
        return {each.id: (place, body) for place, each, body in turns}

    async def _due(self, now: Millis) -> list[tuple[Place, Sequence[Delivery]]]:
        """What the sinks have room for. One that is down is tried with whatever there is, due or not."""
        rooms = {each.sink.id: self._places.room(each, now) for each in self._places if not each.is_busy(now)}
        if not rooms:
            return []
        found = [(self._places[sink], each) for sink, each in (await self._store.waiting(rooms, now)).items()]
        asked: list[tuple[Place, Sequence[Delivery]]] = []
        for place, waiting in found:
            place.looked_at, place.next_due = now, waiting.next_due
            due = waiting.due
            if rooms[place.sink.id] and not due and place.breaker.down and waiting.next_due is not None:
                due = await self._store.due_deliveries(place.sink.id, now + 2 * HOUR, 1)
            asked.append((place, due))
        return asked

    async def _claim(self, turns: Mapping[str, tuple[Place, bytes]], now: Millis) -> None:
        """Start what could be claimed. Turns were taken before and are remembered with the claim, even where it fails."""
        paces = dict(self._places.paces)
        claimed: dict[str, Delivery] = {}
        try:
            bodies = {name: body for name, (_, body) in turns.items()}
            claimed |= {each.id: each for each in await self._store.claim(bodies, now, paces=paces)}
            self._places.written(paces, {})
        finally:
            for name, (place, _) in turns.items():
                place.sending -= name not in claimed
        for delivery in claimed.values():
            self._start(delivery)

    def _render(self, sink: Sink, delivery: Delivery) -> bytes | None:
        """The body of a delivery. A row that cannot be read or rendered must stop nobody else: it becomes a dead letter."""
        body, fault = self._rendered(sink, delivery)
        if body is None:
            text = f"cannot be rendered: {fault}"
            dead = Settlement(state=DeliveryState.DEAD, due_at=None)
            settled = Settled(delivery_id=delivery.id, settlement=dead, error=text)
            self._unsettled.append((settled, self._dead_letter(delivery, text, self._env.clock.now())))
        return body

    def _rendered(
        self, sink: Sink, delivery: Delivery, form: Callable[[Notification], Notification] = lambda message: message
    ) -> tuple[bytes | None, str]:
        """The body of a delivery in some form, or what kind of fault keeps it from having one."""
        try:
            return sink.render(form(self._decode(delivery.notification))), ""
        except Exception as error:
            log.exception("delivery.unreadable", id=delivery.id, sink=delivery.sink)
            return None, type(error).__name__

    async def next_due(self) -> Millis | None:
        """When there is something to start, if nothing changes before; a full sink's next start is a change."""
        times: list[Millis] = []
        now = self._env.clock.now()
        for place in self._places:
            ready, due = self._places.ready_at(place), place.next_due
            if ready is not None and place.is_busy(now):
                times.append(place.looked_at + LINGER)
            elif ready is not None and due is not None:
                times.append(ready if place.breaker.down else max(due, ready))
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
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        place = self._places[delivery.sink]
        try:
            attempt = await _attempt(place.sink, delivery)
            self._conclude(place, delivery, attempt)
            await self._settle_all()
        except StoreError as error:
            log.error("delivery.unsettled", id=delivery.id, error=str(error))  # noqa: TRY400  its text says it all
        finally:
            was_full = self._places.ready_at(place) is None
            place.sending -= 1
            if was_full or not place.is_busy(self._env.clock.now()):
                self._changed()

    def _conclude(self, place: Place, delivery: Delivery, attempt: Attempt) -> None:
        """Decide what follows from an attempt, for the row and for its sink; it is kept until the store has taken it."""
        now, jitter = self._env.clock.now(), self._env.rng.random()
        error, outcome, limited = attempt.error, attempt.outcome, attempt.limited
        wish = error.retry_after if error else None
        settlement = settle(delivery, outcome, now, retry_after=wish, limited=limited, jitter=jitter)
        if wish is not None:
            self._places.hold(place, now + within_bounds(wish))
        elif limited and settlement.due_at is not None:
            self._places.hold(place, min(settlement.due_at, now + UNASKED))
        self._places.learn(place, outcome, now, limited=limited, jitter=jitter)
        text = _text(str(error)) if error else ""
        malformed = outcome is Outcome.MALFORMED
        settled = Settled(
            delivery_id=delivery.id,
            settlement=settlement,
            unknown=outcome is Outcome.UNKNOWN,
            malformed=malformed,
            error=text,
            memo=attempt.memo,
            body=self._rendered(place.sink, delivery, reduced)[0] if malformed and not delivery.malformed else None,
        )
        events = self._about_sink(place, outcome, text, now)
        if settlement.state is DeliveryState.DEAD:
            events += self._dead_letter(delivery, text, now)
        self._unsettled.append((settled, events))
        self._report(delivery, settlement, attempt)

    def _about_sink(self, place: Place, outcome: Outcome, error: str, now: Millis) -> tuple[Event, ...]:
        """A sink that begins to refuse everything is told through the others, and so is its return."""
        refusing = {Outcome.REFUSED: True, Outcome.DELIVERED: False}.get(outcome, place.refusing)
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
                settled, events = [each for each, _ in batch], [event for _, found in batch for event in found]
                paces, breakers = dict(self._places.paces), dict(self._places.breakers)
                await self._store.settle(settled, events, self._env.clock.now(), breakers=breakers, paces=paces)
                del self._unsettled[: len(batch)]
                self._places.written(paces, breakers)

    def _dead_letter(self, delivery: Delivery, error: str, now: Millis) -> tuple[Event, ...]:
        """A dead letter is told as an event of its own, unless it was itself such a message."""
        if self._only_says_so(delivery):
            return ()
        return (about_sink(EventType.DEAD_LETTER, delivery.sink, now, count=delivery.stands_for, error=error),)

    def _only_says_so(self, delivery: Delivery) -> bool:
        """Whether all the news in a message is that there are dead letters. What cannot be read is held to be more."""
        try:
            message = self._decode(delivery.notification)
        except (msgspec.MsgspecError, ValueError):
            return False
        news = [view.labels.get("alertname") for view in message.alerts if view.fresh]
        return bool(news) and set(news) == {DEAD_LETTER}

    def _report(self, delivery: Delivery, settlement: Settlement, attempt: Attempt) -> None:
        self._metrics.deliveries.labels(delivery.sink, attempt.outcome.value).inc()
        fields = {
            "id": delivery.id,
            "sink": delivery.sink,
            "attempts": delivery.attempts,
            "state": settlement.state.value,
            "outcome": attempt.outcome.value,
        }
        if (error := attempt.error) is None:
            age = (self._env.clock.now() - delivery.observed_at) / 1000
            self._metrics.change_to_delivered.observe(max(age, 0))
            log.info("delivery.settled", **fields)
        else:
            self._metrics.deliveries_failed.labels(delivery.sink, error.reason).inc()
            log.warning("delivery.failed", reason=error.reason, error=str(error), **fields)


async def _attempt(sink: Sink, delivery: Delivery) -> Attempt:
    """Send once. A fault of our own is an unknown outcome: the row is kept and tried again, loudly."""
    try:
        return Attempt(memo=_kept(await sink.send(delivery)))
    except DeliveryError as error:
        return Attempt(error=error, memo=_kept(error.memo))
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and _is_to_end():
            raise
        log.exception("delivery.crashed", id=delivery.id, sink=delivery.sink)
        fault = DeliveryError(f"internal error: {type(error).__name__}", Outcome.UNKNOWN, reason="internal")
        return Attempt(error=fault)


def _is_to_end() -> bool:
    """Whether somebody has cancelled this very task, and not something within a sink that it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _kept(memo: str | None) -> str | None:
    """A memo that the store can keep: one that is no text would keep every other outcome from being written."""
    return None if memo is None else _text(memo)


def _text(foreign: str) -> str:
    return foreign.encode(errors="replace").decode()
