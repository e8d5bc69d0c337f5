"""The listener for logs that are pushed: OTLP over HTTP, on an address of its own.

Who sends must show a key, and shows it before anything of a body is read. The answer says that records were taken only
when they are committed; until then a sender keeps them and comes again, so a 503 loses nothing. Nothing here answers 429
or 500: there are exporters that give up on either.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from watcher.core.duration import Millis
from watcher.errors import BehindError, StoreError
from watcher.metrics import Metrics
from watcher.ports import Env, Pushed, PushIntake, Receipt
from watcher.sources.otlp import TooManyError, decode_json, decode_protobuf
from watcher.web.listening import Address, Bound, accepting
from watcher.web.otlp_answer import JSON_TYPE, PROTOBUF_TYPE, Reason, RefusedError, refusal, taken
from watcher.web.otlp_body import Room, opened, read, too_large
from watcher.web.otlp_door import Door, Guard, Keys
from watcher.web.strangers import server_log

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS = 5.0
KEEPALIVE_SECONDS = 120.0
"""Longer than the 90 seconds for which Go's clients keep a connection, so that it is they who hang up."""
LINGERING_SECONDS = 2.0
MAX_LINE = 8_190
MAX_HEADERS = 64
_LARGE = 1024 * 1024
"""Bytes from which on a body is decoded in a thread, so that the loop can do something else meanwhile."""
_COME_BACK: Millis = 2_000
_SAID_EVERY: Millis = 60_000
_DECODERS = {PROTOBUF_TYPE: decode_protobuf, JSON_TYPE: decode_json}
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "connect-watcher"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Who may send, and how much. Sizes are in bytes; `under_way` is for all requests together, inflated."""

    header: str
    keys: Keys = field(repr=False)
    wire: int = 3 * 1024 * 1024
    decoded: int = 8 * 1024 * 1024
    under_way: int = 32 * 1024 * 1024
    connections: int = 512
    head: Millis = 10_000
    body: Millis = 30_000


@asynccontextmanager
async def serve_otlp(
    listen: Address | Bound,
    settings: Listening,
    *,
    intake: PushIntake,
    env: Env,
    metrics: Metrics,
    refused: Callable[[str], None],
) -> AsyncIterator[str]:
    """Serve on an address; yields `http://HOST:PORT` with the real port where 0 was asked for.

    `refused` is told each time why a request or connection was, in the words of `Reason`.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    with ThreadPoolExecutor(1, "otlp") as threads:
        receiver = _Receiver(settings, intake, env, metrics, refused, threads)
        runner = web.AppRunner(
            receiver.application(),
            access_log=None,
            logger=server_log(),
            auto_decompress=False,
            shutdown_timeout=SHUTDOWN_SECONDS,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGERING_SECONDS,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
        )
        await runner.setup()
        assert runner.server is not None  # noqa: S101  it is what `setup` is for
        door = receiver.door = Door(
            runner.server, settings.connections, settings.head, receiver.note, holders=receiver.guard.holders
        )
        try:
            async with accepting(door, "otlp.listen", listen) as url:
                yield url
        finally:
            door.close()
            await runner.cleanup()


class _Receiver:
    """Takes requests. Its state is the room that is left, and what the log has not been told yet."""

    def __init__(
        self,
        settings: Listening,
        intake: PushIntake,
        env: Env,
        metrics: Metrics,
        refused: Callable[[str], None],
        threads: ThreadPoolExecutor,
    ) -> None:
        self.door: Door | None = None
        self._settings = settings
        self._intake = intake
        self._clock = env.clock
        self._records = metrics.log_records
        self._refused = refused
        self._threads = threads
        self.guard = Guard(settings.header, settings.keys)
        one = settings.wire + settings.decoded
        room = max(settings.under_way, one)
        self._room = Room(room, max(room // 2, one) if self.guard.holders > 1 else room)
        self._untold: dict[Reason, tuple[int, Millis]] = {}

    def application(self) -> web.Application:
        """The app with its two paths; a base URL without a path is what some exporters are given."""
        app = web.Application()
        app.on_response_prepare.append(_harden)
        for path in ("/v1/logs", "/"):
            app.router.add_post(path, self.answer, expect_handler=_expect_nothing)
        return app

    def note(self, reason: Reason) -> None:
        """Count a refusal; the log hears of each reason once a minute."""
        self._refused(reason.value)
        now = self._clock.monotonic()
        count, told = self._untold.get(reason, (0, now - _SAID_EVERY))
        count += 1
        if now - told >= _SAID_EVERY:
            log.warning("otlp.refused", reason=reason.value, count=count)
            count, told = 0, now
        self._untold[reason] = count, told

    async def answer(self, request: web.Request) -> web.Response:
        """Take a request, or say why not."""
        content_type = request.content_type if request.content_type in _DECODERS else JSON_TYPE
        try:
            projects = self.guard.projects(request)
            with self._inside(request, projects):
                receipt, malformed = await self._take(request, projects)
        except RefusedError as error:
            refused = error
        except Exception:
            log.exception("otlp.failed")
            refused = RefusedError(Reason.FAILED, "something went wrong here", retry_after=_COME_BACK)
        else:
            reasons = (receipt.reason, f"{malformed} records that cannot be understood" if malformed else "")
            return taken(content_type, receipt.rejected + malformed, "; ".join(filter(None, reasons)))
        self.note(refused.reason)
        return refusal(content_type, refused)

    @contextmanager
    def _inside(self, request: web.Request, projects: frozenset[str]) -> Iterator[None]:
        """The sender is in, and being served, for as long as the context lasts."""
        assert self.door is not None  # noqa: S101  requests come through it
        self.door.admit(request.protocol, projects)
        try:
            yield
        finally:
            self.door.rest(request.protocol)

    async def _take(self, request: web.Request, projects: frozenset[str]) -> tuple[Receipt, int]:
        encoding = _acceptable(request)
        settings = self._settings
        length = request.content_length
        if length is not None and length > settings.wire:
            raise too_large(settings.wire)
        with self._room.hold(settings.wire if length is None else length, projects):
            await _encourage(request)
            wire = await read(request, settings.wire, settings.body)
            body = opened(encoding, wire, settings.decoded)
            del wire
            with self._room.hold(len(body), projects):
                pushed = await self._decoded(request.content_type, body)
                del body
                return await self._push(pushed, projects), pushed.malformed

    async def _decoded(self, content_type: str, body: bytes) -> Pushed:
        decode, now = _DECODERS[content_type], self._clock.now()
        try:
            if len(body) < _LARGE:
                return decode(body, now)
            return await asyncio.get_running_loop().run_in_executor(self._threads, decode, body, now)
        except TooManyError as error:
            raise RefusedError(Reason.TOO_MANY, str(error), status=413) from None
        except ValueError as error:
            raise RefusedError(Reason.MALFORMED, str(error), status=400) from None

    async def _push(self, pushed: Pushed, projects: frozenset[str]) -> Receipt:
        """Hand over what there is; a request of nothing but foreign records has nothing to commit."""
        try:
            receipt = await self._intake.push(pushed, projects) if pushed.records else Receipt(0)
        except BehindError as error:
            raise RefusedError(Reason.BEHIND, "more arrives than can be taken", retry_after=error.retry_after) from None
        except StoreError:
            raise RefusedError(Reason.STORE, "nothing can be kept right now", retry_after=_COME_BACK) from None
        self._count("accepted", receipt.accepted)
        self._count("rejected", receipt.rejected)
        self._count("foreign", pushed.foreign)
        self._count("malformed", pushed.malformed)
        return receipt

    def _count(self, outcome: str, count: int) -> None:
        if count:
            self._records.labels("otlp", outcome).inc(count)


def _acceptable(request: web.Request) -> str:
    """The encoding of a body that can be read. Raises RefusedError."""
    if request.content_type not in _DECODERS:
        raise RefusedError(Reason.CONTENT_TYPE, f"send {PROTOBUF_TYPE} or {JSON_TYPE}", status=415)
    encoding = ",".join(request.headers.getall("Content-Encoding", ["identity"])).strip().lower()
    if encoding not in {"gzip", "identity", ""}:
        raise RefusedError(Reason.CONTENT_ENCODING, "send gzip or no content encoding", status=415)
    return encoding


async def _expect_nothing(_request: web.Request) -> None:
    """Who asks whether to send the body is answered when it has shown a key, and not before."""


async def _encourage(request: web.Request) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
