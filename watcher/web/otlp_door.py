"""Who may come in: keys, and how many may stand at the door."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import cast

from aiohttp import web

from watcher.core.duration import Millis
from watcher.web.otlp_answer import Reason, RefusedError

Keys = Sequence[tuple[str, frozenset[str]]]
"""Secrets, and the projects that who has one may speak for."""


class Guard:
    """Knows the keys, by their digests. Comparing takes the same time whatever is presented."""

    def __init__(self, header: str, keys: Keys) -> None:
        self._header = header
        self._bearer = header.lower() == "authorization"
        self._keys = [(_digest(secret), projects) for secret, projects in keys if secret]

    def projects(self, request: web.Request) -> frozenset[str]:
        """The projects that the sender may speak for. Raises RefusedError: it has no key."""
        presented = request.headers.getall(self._header, [])
        text = presented[0] if len(presented) == 1 else ""
        digest = _digest(text.removeprefix("Bearer ") if self._bearer else text)
        found = [projects for known, projects in self._keys if compare_digest(known, digest)]
        if not found or not text:
            raise RefusedError(Reason.UNAUTHORIZED, "unauthorized", status=401)
        return frozenset().union(*found)


class Door:
    """Makes the protocols of new connections, and closes those that keep others out.

    Who has not shown a key stands at the door, and for no longer than `patience`. There is a place for `most` connections;
    when all are taken, the one that has stood at the door the longest goes. Who has shown a key is never sent away.
    """

    def __init__(
        self, inside: Callable[[], web.RequestHandler], most: int, patience: Millis, refused: Callable[[Reason], None]
    ) -> None:
        self._inside = inside
        self._most = most
        self._patience = patience / 1000
        self._refused = refused
        self._open: set[_Connection] = set()
        self._waiting: dict[object, tuple[_Connection, asyncio.TimerHandle]] = {}

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a connection that comes in."""
        if len(self._open) >= self._most:
            self._refused(Reason.CONNECTIONS)
            if not self._waiting:
                return _Closed()
            self._send_away(next(iter(self._waiting)))
        inner = self._inside()
        made = _Connection(inner, self._left)
        self._open.add(made)
        timer = asyncio.get_running_loop().call_later(self._patience, self._expire, inner)
        self._waiting[inner] = made, timer
        return made

    def admit(self, protocol: object) -> None:
        """The sender behind this protocol has shown a key."""
        found = self._waiting.pop(protocol, None)
        if found:
            found[1].cancel()

    def close(self) -> None:
        """Stop the clocks."""
        for _, timer in self._waiting.values():
            timer.cancel()

    def _expire(self, protocol: object) -> None:
        self._refused(Reason.SLOW)
        self._send_away(protocol)

    def _send_away(self, protocol: object) -> None:
        connection, timer = self._waiting.pop(protocol)
        timer.cancel()
        self._open.discard(connection)
        connection.abort()

    def _left(self, connection: "_Connection") -> None:
        self._open.discard(connection)
        self.admit(connection.inner)


class _Connection(asyncio.Protocol):
    """Says when a connection ends; everything else is for the protocol inside."""

    def __init__(self, inner: web.RequestHandler, left: "Callable[[_Connection], None]") -> None:
        self.inner = inner
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._aborted = False

    def abort(self) -> None:
        """Close without waiting for anything."""
        self._aborted = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none, though they can do the same
        self.inner.connection_made(transport)
        if self._aborted:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left(self)
        self.inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.inner.data_received(data)

    def eof_received(self) -> None:
        self.inner.eof_received()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()


class _Closed(asyncio.Protocol):
    """A connection for which there is no place."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()
