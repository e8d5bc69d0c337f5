"""The deliverer on virtual time over a real store, with sinks that answer as a test says and take as long as it says."""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from prometheus_client import CollectorRegistry

from tests.fakes import START, FakeClock, fake_env
from tests.notifications import alert, notification
from watcher.core.delivery import Delivery, DeliveryState, Outcome
from watcher.core.notification import Notification
from watcher.core.pacing import Pace
from watcher.errors import DeliveryError
from watcher.metrics import Metrics
from watcher.pipeline.deliver import Deliverer
from watcher.ports import Judgement, Store

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
Answer = Callable[[Delivery], DeliveryError | None]

decode = msgspec.json.Decoder(Notification).decode


def taken(_: Delivery) -> None:
    """A receiver that takes everything."""


def limited(seconds: int) -> DeliveryError:
    return DeliveryError("status 429", Outcome.REJECTED, reason="rate_limited", retry_after=seconds * SECOND)


def broken(_: Delivery) -> DeliveryError:
    return DeliveryError("status 503", Outcome.REJECTED, reason="server_error")


def refused(_: Delivery) -> DeliveryError:
    return DeliveryError("status 404", Outcome.REFUSED, reason="not_found")


def unreadable(_: Delivery) -> DeliveryError:
    return DeliveryError("status 400", Outcome.MALFORMED, reason="client_error")


@dataclass
class Call:
    """One send, from when to when; `error` is what came of it."""

    began: int
    delivery: Delivery
    ended: int = 0
    error: DeliveryError | None = None


@dataclass
class Receiver:
    """A sink whose sends end when the office lets them."""

    id: str
    office: "Office"
    paces: tuple[Pace, ...] = ()
    answer: Answer = taken
    takes: int = 0
    memo: str | None = None
    send_resolved: bool = True
    one_by_one: bool = False
    calls: list[Call] = field(default_factory=list)

    def render(self, message: Notification) -> bytes:
        return message.alerts[0].annotations["summary"].encode() if message.alerts else b""

    async def send(self, delivery: Delivery) -> str | None:
        call = Call(self.office.clock.at, delivery)
        self.calls.append(call)
        await self.office.passes(self.takes)
        call.ended = self.office.clock.at
        call.error = self.answer(delivery)
        if call.error:
            raise call.error
        return self.memo

    @property
    def took(self) -> list[str]:
        """The names of what it took, in order."""
        return [name_of(each.delivery) for each in self.calls if each.ended and not each.error]


def name_of(delivery: Delivery) -> str:
    message = decode(delivery.notification)
    return "digest" if message.reason == "digest" else str(message.group_labels["name"])


class Office:
    """Clock, store, sinks and the deliverer between them."""

    def __init__(self, store: Store, *sinks: str, paces: Iterable[Pace] = ()) -> None:
        self.clock = FakeClock()
        self.store = store
        self.sinks = {name: Receiver(name, self, tuple(paces)) for name in sinks}
        self.metrics = Metrics(CollectorRegistry(), version="0")
        self._parked: list[tuple[int, int, asyncio.Future[None]]] = []
        self._entered = asyncio.Event()
        self._entries = 0

    async def open(self) -> None:
        """A new process."""
        self.deliverer = Deliverer(
            dict(self.sinks),
            store=self.store,
            env=fake_env(self.clock),
            metrics=self.metrics,
            decode=decode,
            changed=lambda: None,
        )
        await self.deliverer.recover()

    async def kill(self) -> None:
        """The process is gone, with whatever was under way."""
        for task in self.deliverer._tasks:
            task.cancel()
        await asyncio.gather(*self.deliverer._tasks, return_exceptions=True)
        self._parked.clear()
        await self.open()

    async def passes(self, length: int) -> None:
        """Let time pass within a send."""
        self._entries += 1
        ends: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._parked, (self.clock.at + length, self._entries, ends))
        self._entered.set()
        await ends

    async def tell(
        self, sink: str, *names: str, severity: str = "warning", lane: str = "", resolved: bool = False
    ) -> None:
        """Messages are decided, each in a lane of its own unless it is named."""
        rows = [self.row(sink, name, severity, lane or name, resolved=resolved) for name in names]
        await self.store.commit_judgement(Judgement(cursor=0, deliveries=rows))

    def row(self, sink: str, name: str, severity: str, lane: str, *, resolved: bool = False) -> Delivery:
        view = alert(
            deployment=name,
            labels={"severity": severity},
            annotations={"summary": name},
            state="resolved" if resolved else "firing",
            fingerprint=f"fp {lane}",
        )
        message = notification(view, id=f"{sink}|{name}", group_labels={"name": name}, at=self.clock.at)
        return Delivery(
            id=message.id,
            sink=sink,
            lane=f"{sink}|{lane}",
            seq=0,
            notification=msgspec.json.encode(message),
            created_at=self.clock.at,
            observed_at=self.clock.at,
            severity=message.severity,
            due_at=self.clock.at,
        )

    async def run(self, until: int, step: int = 0) -> None:
        """Let the loop work until so long after the start; `step` is how often it is woken besides."""
        until += START
        while True:
            while await self.deliverer.run_once():
                await self._settle_in()
            due = [at for at in (await self.deliverer.next_due(),) if at is not None]
            due += [at for at, _, _ in self._parked[:1]] + [self.clock.at + step] * bool(step)
            upcoming = max(min(due, default=until), self.clock.at)
            if upcoming > until or not due:
                self.clock.at = until
                return
            self.clock.at = upcoming
            await self._release()

    async def _settle_in(self) -> None:
        """Wait until everything that was started is under way."""
        while len(self._parked) < len(self.deliverer._tasks):
            self._entered.clear()
            await self._entered.wait()

    async def _release(self) -> None:
        """End the sends whose time has come."""
        while self._parked and self._parked[0][0] <= self.clock.at:
            _, _, ends = heapq.heappop(self._parked)
            left = len(self.deliverer._tasks) - 1
            ends.set_result(None)
            while len(self.deliverer._tasks) > left:
                await asyncio.wait(self.deliverer._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def count(self) -> Mapping[str, int]:
        rows = (await self.store.outbox()).rows
        return {state.value: count for state, count in rows.items() if count}

    async def left(self) -> int:
        rows = (await self.store.outbox()).rows
        return sum(rows[each] for each in (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.SENDING))
