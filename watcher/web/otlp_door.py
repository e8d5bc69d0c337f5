"""Who may come in: keys, and how many may stand at the door."""

import asyncio
from collections import Counter
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
    """Knows the keys, by their digests. Comparing takes the same time whatever is presented.

    `holders` is how many there are who may speak for different projects.
    """

    def __init__(self, header: str, keys: Keys) -> None:
        self._header = header
        self._bearer = header.lower() == "authorization"
        self._keys = [(_digest(secret), projects) for secret, projects in keys if secret]
        self.holders = len({projects for _, projects in self._keys})

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
    when all are taken, one that lags goes, or else the one that has stood at the door the longest, or else the one that
    has rested the longest since its last request. Who has shown a key and is being served stays, unless those with the same key have more than
    their share of all places: one sender must not keep out the others.
    """

    def __init__(
        self,
        inside: Callable[[], web.RequestHandler],
        most: int,
        patience: Millis,
        refused: Callable[[Reason], None],
        *,
        holders: int = 1,
    ) -> None:
        self._inside = inside
        self._most = most
        self._holders = max(holders, 1)
        self._patience = patience / 1000
        self._refused = refused
        self._open: set[_Connection] = set()
        self._waiting: dict[object, tuple[_Connection, asyncio.TimerHandle]] = {}
        self._serving: dict[object, tuple[_Connection, frozenset[str]]] = {}
        self._resting: dict[object, _Connection] = {}
        self._lagging: dict[object, _Connection] = {}

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a connection that comes in."""
        if len(self._open) >= self._most:
            self._refused(Reason.CONNECTIONS)
            if not self._make_room():
                return _Closed()
        inner = self._inside()
        made = _Connection(inner, self._left)
        self._open.add(made)
        timer = asyncio.get_running_loop().call_later(self._patience, self._expire, inner)
        self._waiting[inner] = made, timer
        return made

    def admit(self, protocol: object, projects: frozenset[str]) -> None:
        """The sender behind this protocol has shown a key that stands for these projects, and is being served."""
        self._lagging.pop(protocol, None)
        waited = self._waiting.pop(protocol, None)
        if waited:
            waited[1].cancel()
        connection = waited[0] if waited else self._resting.pop(protocol, None)
        if connection is not None:
            self._serving[protocol] = connection, projects

    def lag(self, protocol: object) -> None:
        """The sender has begun to ask and holds the rest back: it is the first to go."""
        waited = self._waiting.get(protocol)
        connection = waited[0] if waited else self._resting.get(protocol)
        if connection is not None:
            self._lagging[protocol] = connection

    def rest(self, protocol: object) -> None:
        """The sender has its answer; nothing is lost if it has to come in again."""
        served = self._serving.pop(protocol, None)
        if served:
            self._resting[protocol] = served[0]

    def close(self) -> None:
        """Send those away that have not asked for anything yet: nothing is lost, and nobody waits for them."""
        for each in list(self._waiting):
            self._send_away(each)

    def _make_room(self) -> bool:
        """Send the one away that can best be done without; whether there was any."""
        if self._lagging:
            self._abort(next(iter(self._lagging.values())))
        elif self._waiting:
            self._send_away(next(iter(self._waiting)))
        elif self._resting:
            self._abort(next(iter(self._resting.values())))
        else:
            counts = Counter(projects for _, projects in self._serving.values())
            greedy = max(counts, key=counts.__getitem__, default=frozenset[str]())
            if counts[greedy] <= self._most // self._holders:
                return False
            self._abort(next(each for each, projects in self._serving.values() if projects == greedy))
        return True

    def _expire(self, protocol: object) -> None:
        self._refused(Reason.SLOW)
        self._send_away(protocol)

    def _send_away(self, protocol: object) -> None:
        connection, timer = self._waiting.pop(protocol)
        timer.cancel()
        self._abort(connection)

    def _abort(self, connection: "_Connection") -> None:
        self._left(connection)
        connection.abort()

    def _left(self, connection: "_Connection") -> None:
        self._open.discard(connection)
        waited = self._waiting.pop(connection.inner, None)
        if waited:
            waited[1].cancel()
        self._lagging.pop(connection.inner, None)
        self._serving.pop(connection.inner, None)
        self._resting.pop(connection.inner, None)


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
