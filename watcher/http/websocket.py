"""One WebSocket: texts in and out, bounded in size, and known to be alive."""

from asyncio import timeout

import aiohttp
from aiohttp import WSMsgType

from watcher.core import duration
from watcher.core.duration import Millis
from watcher.http.fault import Fault, TransportError, said

CAP = 2**20
"""Bytes of one message that are taken."""
HEARTBEAT: Millis = 15_000
"""How long the other side may say nothing before it is asked for a sign of life; it has half as long for its answer."""
SENDING: Millis = 10_000
CLOSING_SECONDS = 1.0
"""How long the other side may take for saying goodbye."""

_ENDS = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED})


class WebSocket:
    """A connection that is open, to `host`. Pings are sent and answered by itself."""

    def __init__(self, inner: aiohttp.ClientWebSocketResponse, host: str) -> None:
        self._inner = inner
        self._host = host

    async def receive(self) -> str | None:
        """The next text, however long that takes; `None` once the other side has closed. Raises TransportError."""
        message = await self._inner.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        fault = self._inner.exception() or message.data
        if message.type in _ENDS and not isinstance(fault, BaseException):
            return None
        raise self._broken(fault)

    async def send(self, text: str) -> None:
        """Send a text. Raises TransportError."""
        scope = timeout(SENDING / 1000)
        try:
            async with scope:
                await self._inner.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            kind, words = said(error)
            if scope.expired():
                kind, words = Fault.TIMEOUT, f"timed out after {duration.text(SENDING)} while sending"
            failure = TransportError(f"{self._host}: {words}", kind, sent=True)
        else:
            return
        raise failure

    def _broken(self, fault: object) -> TransportError:
        if isinstance(fault, aiohttp.ServerTimeoutError):
            return TransportError(f"{self._host}: gives no sign of life", Fault.TIMEOUT, sent=True)
        if isinstance(fault, aiohttp.WebSocketError) and fault.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            return TransportError(f"{self._host}: a message is too large", Fault.TOO_LARGE, sent=True)
        return TransportError(f"{self._host}: a message is no text", Fault.GARBLED, sent=True)
