"""Socket Mode as Slack offers it: an address for one connection, `hello`, envelopes that want to be acknowledged."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

PATH = "/slack/socket/"
ANSWER_SECONDS = 3.0


@dataclass(slots=True, kw_only=True, eq=False)
class Line:
    """One connection, and what it has not acknowledged yet."""

    socket: web.WebSocketResponse
    waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Sockets:
    """The connections, oldest first."""

    lines: list[Line] = field(default_factory=list)
    greets: bool = True
    """Whether a connection is said hello to."""
    _tickets: set[str] = field(default_factory=set)
    _issued: int = 0
    _sent: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def address(self, base: str) -> str:
        """Where the next connection may be made, once."""
        self._issued += 1
        self._tickets.add(f"{self._issued}")
        return f"ws{base.removeprefix('http')}{PATH}{self._issued}?ticket=simulated"

    async def hold(self, request: web.Request) -> web.StreamResponse:
        """GET /slack/socket/{ticket}: one connection, for as long as it lasts."""
        ticket = request.match_info["ticket"]
        if ticket not in self._tickets:
            return web.Response(status=401)
        self._tickets.discard(ticket)
        line = Line(socket=web.WebSocketResponse(heartbeat=10))
        await line.socket.prepare(request)
        if self.greets:
            await line.socket.send_json({"type": "hello", "num_connections": len(self.lines) + 1})
            self._change(line, joined=True)
        try:
            async for message in line.socket:
                if message.type is WSMsgType.TEXT:
                    acknowledge(line, message.data)
        finally:
            self._change(line, joined=False)
        return line.socket

    async def send(self, payload: Mapping[str, Any], *, envelope_id: str = "") -> bool:
        """Tell the newest connection of an interaction; whether it acknowledged in time. There may be none to tell."""
        if not self.lines:
            return False
        line = self.lines[-1]
        self._sent += 1
        envelope_id = envelope_id or f"00000000-0000-4000-8000-{self._sent:012d}"
        waiting = line.waiting[envelope_id] = asyncio.get_running_loop().create_future()
        envelope = {"type": "interactive", "envelope_id": envelope_id, "accepts_response_payload": True}
        await line.socket.send_json({**envelope, "payload": payload})
        done, _ = await asyncio.wait({waiting}, timeout=ANSWER_SECONDS)
        return bool(done)

    async def disconnect(self, reason: str) -> None:
        """Say to every connection that it will end."""
        for each in list(self.lines):
            await each.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "simulator"}})

    async def close(self) -> None:
        """End every connection."""
        for each in list(self.lines):
            await each.socket.close()

    async def wait(self, count: int, seconds: float) -> None:
        """Wait until there are so many connections. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.lines) != count:
                await self._changed.wait()

    def _change(self, line: Line, *, joined: bool) -> None:
        if joined:
            self.lines.append(line)
        elif line in self.lines:
            self.lines.remove(line)
        self._changed.set()
        self._changed = asyncio.Event()


def acknowledge(line: Line, text: str) -> None:
    """Take an acknowledgement; anything else is passed over, as Slack does."""
    try:
        envelope_id = msgspec.json.decode(text)["envelope_id"]
        line.waiting.pop(envelope_id).set_result(None)
    except (msgspec.DecodeError, TypeError, KeyError, asyncio.InvalidStateError):
        return
