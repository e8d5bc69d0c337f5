"""Pushing logs to an OTLP/HTTP receiver, as the OpenTelemetry Collector's exporter does it.

Forwarding has a beginning. What a Deployment writes is forwarded from the first time on that it is created or deployed
after it; until then it is silent. A record goes out once it has arrived, in the order of arrival, in batches.

A batch that is answered with 429, 502, 503 or 504, or with nothing, is sent again, the same bytes, until `give_up`: after
`Retry-After` where the answer has it, else after a pause that grows. Any other refusal drops it. One batch is under way at
a time; unlike the Collector's, the queue has no bound.

The client that this program watches with is not used here; its door to HTTP is, because there is only one.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from pydantic import Field

from watcher.http import Answer, Http, Request, TransportError, retry_after
from watcher.simulator.chance import Chance
from watcher.simulator.clock import Adjustable
from watcher.simulator.logbook import Entry, Logbook
from watcher.simulator.loglines import between
from watcher.simulator.otlp import Compression, Encoding, Placement, Sent, access, encoded, rejected, request
from watcher.simulator.state import World
from watcher.simulator.steps import Count, Moment, Part
from watcher.simulator.timeline import Timeline

LOOK = 1000
"""Milliseconds after which an exporter that waits looks again: time may have brought something that nobody told it."""
MINUTE = 60_000
DEADLINE = 10_000
LONGEST_PAUSE = 30_000
GROWTH = 1.5
RETRYABLE = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
ALWAYS = -(1 << 62)
"""Before everything: forwarding has never not been there."""

HeaderName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]*$")]
HeaderValue = Annotated[str, Field(pattern=r"^[^'\r\n\x00]+$")]


class Pushing(Part):
    """Where logs are pushed, and how. `url` is posted to as it is, with its path.

    `foreign` is how many access logs of the API come along in a minute of scenario time; `attributes` are added to every
    record. `retry` is the first pause before a batch is sent again.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+\S*$")]
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict, repr=False)
    placement: Placement = "attributes"
    encoding: Encoding = "protobuf"
    compression: Compression = "gzip"
    batch: Count = 512
    foreign: Annotated[float, Field(ge=0, le=1_000_000)] = 0
    attributes: Annotated[Mapping[str, str], Field(max_length=10)] = Field(default_factory=dict)
    retry: Moment = 5_000
    give_up: Moment = 300_000


class Report(msgspec.Struct, kw_only=True, rename="camel"):
    """What has come of it, in records, but for `requests` and `retries`.

    `sent` were taken, `foreign` of them access logs. `rejected` the receiver did not want, `dropped` it refused whole or
    never took. `silent` were not forwarded. `waiting` is how many have not arrived yet, or are still to be sent.
    """

    requests: int = 0
    retries: int = 0
    sent: int = 0
    foreign: int = 0
    rejected: int = 0
    dropped: int = 0
    silent: int = 0
    waiting: int = 0
    status: int | None = None
    trouble: str = ""


@dataclass(slots=True, kw_only=True)
class Exporter:
    """Forwards what is written to `logbook` from a moment on: `begin` on the wall clock, `begun` in scenario time."""

    how: Pushing
    begin: int
    begun: int
    project: str
    world: World
    logbook: Logbook
    timeline: Timeline
    clock: Adjustable
    chance: Chance
    catch_up: Callable[[], None]
    report: Report = field(default_factory=Report)
    _queue: list[tuple[int, int, str, Entry]] = field(default_factory=list)
    _accessed: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """What was written before its moment stands there already; from now on everything comes by."""
        for deployment_id, entry in self.logbook.dated_from(self.begin):
            self._put(deployment_id, entry)
        self.logbook.tap = self.take

    def take(self, deployment_id: str, entries: Sequence[Entry]) -> None:
        """Records have been written."""
        for entry in entries:
            self._put(deployment_id, entry)
        self._wake.set()

    async def run(self) -> None:
        """Send for as long as nobody cancels it."""
        async with Http() as http:
            while True:
                self._wake.clear()
                while batch := self._batch():
                    await self._deliver(http, batch)
                self._idle.set()
                await self._rest()

    async def settled(self) -> None:
        """Wait until all that has arrived by now has been taken or given up."""
        self._idle.clear()
        self._wake.set()
        await self._idle.wait()

    # ── what is due ──────────────────────────────────────────────────────────

    def _put(self, deployment_id: str, entry: Entry) -> None:
        heapq.heappush(self._queue, (entry.arrival, entry.sequence, deployment_id, entry))
        self.report.waiting = len(self._queue)

    def _batch(self) -> list[Sent]:
        """The next records that have arrived, as many as fit; time catches up first."""
        self.catch_up()
        batch = list(self._due(self.timeline.now(), self.how.batch))
        self.report.waiting = len(self._queue)
        return batch

    def _due(self, now: int, limit: int) -> Iterator[Sent]:
        """Records in order of arrival, access logs among them."""
        while limit:
            strange = self._next_access()
            queued = self._queue[0][0] if self._queue else None
            if strange <= now and (queued is None or strange <= queued):
                self._accessed += 1
                limit -= 1
                yield access(self.chance, self.project, strange)
            elif queued is None or queued > now:
                return
            elif (own := self._next_own()) is not None:
                limit -= 1
                yield own

    def _next_access(self) -> int:
        """When somebody asks the API for something again."""
        if not self.how.foreign:
            return 1 << 62
        return self.timeline.wall(self.begun + int((self._accessed + 1) * MINUTE / self.how.foreign))

    def _next_own(self) -> Sent | None:
        """The record that arrived first; `None` where its Deployment is silent, or gone."""
        arrival, _, deployment_id, entry = heapq.heappop(self._queue)
        since = self.world.running_since(deployment_id, self.begin)
        if since is None or entry.timestamp < since:
            self.report.silent += 1
            return None
        return Sent(at=entry.timestamp, arrival=arrival, fields=msgspec.json.decode(entry.encoded))

    async def _rest(self) -> None:
        """Wait for a record to arrive, for time to be let pass, or for the next look."""
        ahead = self._queue[0][0] - self.timeline.now() if self._queue else LOOK
        waits = [
            asyncio.ensure_future(self.clock.rest(min(max(ahead, 1), LOOK))),
            asyncio.ensure_future(self._wake.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # ── sending ──────────────────────────────────────────────────────────────

    async def _deliver(self, http: Http, batch: Sequence[Sent]) -> None:
        """Send a batch until it is taken, refused or given up."""
        body, described = encoded(
            request(batch, self.how.placement, self.how.attributes), self.how.encoding, self.how.compression
        )
        wanted = Request(
            url=self.how.url,
            method="POST",
            headers={**self.how.headers, **described},
            body=body,
            deadline=DEADLINE,
        )
        end, pause = self.clock.steady() + self.how.give_up, self.how.retry
        while not self._settle(batch, answer := await self._post(http, wanted)):
            wait = self._pause(answer, pause)
            if self.clock.steady() + wait > end:
                self.report.dropped += len(batch)
                return
            self.report.retries += 1
            pause = min(round(pause * GROWTH), LONGEST_PAUSE)
            await self.clock.sleep(wait)

    async def _post(self, http: Http, wanted: Request) -> Answer | None:
        self.report.requests += 1
        try:
            answer = await http.send(wanted)
        except TransportError as error:
            self.report.status, self.report.trouble = error.status, str(error)
            return None
        self.report.status = answer.status
        self.report.trouble = f"answered with {answer.status}"
        return answer

    def _settle(self, batch: Sequence[Sent], answer: Answer | None) -> bool:
        """Whether nothing is left to be done about a batch."""
        if answer is None or answer.status in RETRYABLE:
            return False
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            self.report.dropped += len(batch)
            return True
        refused = 0
        try:
            refused, self.report.trouble = rejected(answer.body, self.how.encoding)
        except ValueError as error:
            self.report.trouble = str(error)
        self.report.rejected += refused
        self.report.sent += len(batch) - refused
        self.report.foreign += sum(not record.own for record in batch)
        return True

    def _pause(self, answer: Answer | None, pause: int) -> int:
        """How long to wait: as long as the answer says, or half to one and a half times `pause`."""
        asked = None if answer is None else retry_after(answer.headers, self.clock.now())
        return between(self.chance, pause // 2, pause + pause // 2) if asked is None else asked


def shown(exporter: Exporter | None) -> dict[str, Any]:
    """What there is to see of a push; of its headers, which hold its key, the names only."""
    if exporter is None:
        return {"pushing": None}
    how = exporter.how.model_dump(exclude={"headers"})
    return {"pushing": {**how, "headers": sorted(exporter.how.headers)}, **msgspec.to_builtins(exporter.report)}
