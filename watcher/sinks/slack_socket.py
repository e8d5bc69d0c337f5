"""Socket Mode: a connection that we open to Slack, over which it tells of pressed buttons. Nothing has to reach us.

Slack names an address for each connection, says `hello` on it, and then sends envelopes. One is acknowledged at once, by
its id, and acted on afterwards; one that is not acknowledged is shown as failed to who pressed. Slack ends a connection
after some hours and says so before: then another is opened, and the old one is listened to until that says `hello`, so
that no press falls in between. What becomes of a silent connection is known by pings.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec
import structlog

from watcher.core.delivery import Outcome
from watcher.core.duration import Millis
from watcher.errors import DeliveryError, WatcherError
from watcher.http import WebSocket
from watcher.ports import Env
from watcher.sinks.outcome import Reason
from watcher.sinks.slack_bot import Api
from watcher.sinks.slack_press import Presses, read

log = structlog.get_logger(__name__)

OPEN = "apps.connections.open"
HELLO_SECONDS = 10.0
"""How long Slack may take to say `hello`."""
STEADY: Millis = 10_000
"""How long a connection has to last for its end to be no failure."""
FIRST_PAUSE: Millis = 1_000
LONGEST_PAUSE: Millis = 60_000
REFUSED_PAUSE: Millis = 300_000
"""What a token that is refused waits: only a person can help."""
REMEMBERED = 1_000
"""Envelopes whose ids are known, so that one that comes twice is acted on once."""
SWITCHED_OFF = "link_disabled"
"""Why Slack disconnects where somebody has turned Socket Mode off."""
_SHOWN = 80


class Door(Protocol):
    """The way out for WebSockets: `watcher.http.Http`."""

    def connect(self, url: str) -> AbstractAsyncContextManager[WebSocket]:
        """Open one for as long as the context lasts. Raises TransportError."""
        ...


class _Envelope(msgspec.Struct, frozen=True):
    """What Slack sends, as far as it matters."""

    type: str = ""
    envelope_id: str = ""
    payload: Any = None
    reason: str = ""


class SlackSocket:
    """Keeps one connection. `connected` hears whether there is one."""

    def __init__(
        self,
        api: Api,
        *,
        door: Door,
        presses: Presses,
        env: Env,
        connected: Callable[[bool], None] = lambda _: None,
        hello_seconds: float = HELLO_SECONDS,
    ) -> None:
        self._api = api
        self._door = door
        self._presses = presses
        self._env = env
        self._connected = connected
        self._hello_seconds = hello_seconds
        self._lines: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.Task[None] | None] = set()
        self._greeted_at: Millis | None = None
        self._seen: dict[str, None] = {}

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        failures = 0
        try:
            while True:
                pause = await self._attempt()
                lasted = self._env.clock.monotonic() - self._greeted_at if self._greeted_at is not None else 0
                failures = 0 if lasted >= STEADY else failures + 1
                await self._env.clock.sleep(max(pause, self._backoff(failures)))
        finally:
            await self._hang_up(self._lines)

    def _backoff(self, failures: int) -> Millis:
        longest = min(FIRST_PAUSE << min(failures - 1, 10), LONGEST_PAUSE) if failures else 0
        return round(longest * (1 + self._env.rng.random()) / 2)

    async def _attempt(self) -> Millis:
        """Open a connection and stay with it until another is wanted; returns how long to wait at least."""
        self._greeted_at = None
        leaving: asyncio.Future[Millis] = asyncio.get_running_loop().create_future()
        try:
            url = (await self._api.ask(OPEN)).get("url")
            line = asyncio.create_task(self._hold(str(url), leaving), name="slack socket")
            self._lines.add(line)
            line.add_done_callback(self._lines.discard)
            ways: set[asyncio.Future[Any]] = {line, leaving}
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                return leaving.result()
            await line
        except WatcherError as error:
            pause = _pause(error)
            log.warning("slack.socket_failed", error=str(error), pause_ms=pause)
            return pause
        except Exception:
            log.exception("loop.failed", loop="slack socket")
        return 0

    async def _hold(self, url: str, leaving: asyncio.Future[Millis]) -> None:
        """Listen on one connection until it is closed. Raises TransportError, except once it is known to end."""
        me = asyncio.current_task()
        try:
            async with self._door.connect(url) as socket:
                await self._greeted(socket)
                await self._began(me)
                while (text := await socket.receive()) is not None:
                    await self._take(socket, _envelope(text), leaving)
            log.info("slack.socket_closed")
        except WatcherError as error:
            if not leaving.done():
                raise
            log.info("slack.socket_closed", error=str(error))
        finally:
            self._ended(me)

    async def _greeted(self, socket: WebSocket) -> None:
        """Wait for `hello`. Raises TransportError, or DeliveryError where there is none."""
        try:
            async with asyncio.timeout(self._hello_seconds):
                while (text := await socket.receive()) is not None:
                    if _envelope(text).type == "hello":
                        return
        except TimeoutError:
            pass
        raise DeliveryError("Slack does not say hello", Outcome.REJECTED, reason=Reason.BAD_ANSWER)

    async def _began(self, me: "asyncio.Task[None] | None") -> None:
        self._greeted_at = self._env.clock.monotonic()
        self._open.add(me)
        self._connected(True)
        log.info("slack.socket_connected")
        await self._hang_up(self._lines - {me})

    def _ended(self, me: "asyncio.Task[None] | None") -> None:
        self._open.discard(me)
        self._connected(bool(self._open))

    async def _take(self, socket: WebSocket, said: _Envelope, leaving: asyncio.Future[Millis]) -> None:
        """Acknowledge, then act; what there is no room for is not acknowledged."""
        if said.type == "disconnect" and not leaving.done():
            log.info("slack.socket_leaving", reason=said.reason[:_SHOWN])
            leaving.set_result(REFUSED_PAUSE if said.reason == SWITCHED_OFF else 0)
        if not said.envelope_id:
            return
        pressed = read(said.payload) if said.type == "interactive" else None
        is_new = pressed is not None and said.envelope_id not in self._seen
        if is_new and self._presses.is_full:
            log.warning("press.crowded")
            return
        await socket.send(msgspec.json.encode({"envelope_id": said.envelope_id}).decode())
        if pressed is not None and is_new:
            self._remember(said.envelope_id)
            self._presses.take(pressed)

    def _remember(self, envelope_id: str) -> None:
        self._seen[envelope_id] = None
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    async def _hang_up(self, lines: "set[asyncio.Task[None]]") -> None:
        gone = set(lines)
        for each in gone:
            each.cancel()
        await asyncio.gather(*gone, return_exceptions=True)


def _envelope(text: str) -> _Envelope:
    """What a message holds; nothing where it is none of Slack's."""
    try:
        return msgspec.json.decode(text, type=_Envelope)
    except (msgspec.DecodeError, RecursionError):
        return _Envelope()


def _pause(error: WatcherError) -> Millis:
    """How long to wait at least: as long as Slack says, and long where trying again cannot help."""
    if not isinstance(error, DeliveryError):
        return 0
    least = REFUSED_PAUSE if error.outcome is Outcome.REFUSED else 0
    return max(error.retry_after or 0, least)
