"""Addresses that are held for longer than what is served on them.

A server that is followed by another one takes copies of its sockets: who connects between the two waits in the system's
queue, instead of being refused, and no other program can take the address meanwhile.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from os import strerror
from typing import TypeAlias

from watcher.errors import AddressError, ConfigError

Address: TypeAlias = tuple[str, int]
BACKLOG = 512
"""Connections that may wait to be taken up."""
AT_ONCE = 8
"""How many are taken up before those that were taken up before are heard again: a crowd must not push out who has spoken."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An address that is held. A name may stand for several, each with a socket of its own."""

    sockets: tuple[socket.socket, ...]

    @property
    def url(self) -> str:
        """`http://HOST:PORT`, with the real port where 0 was asked for."""
        return url_of(*self.sockets[0].getsockname()[:2])

    def close(self) -> None:
        """Let go of it."""
        for each in self.sockets:
            each.close()


async def bind(key: str, address: Address) -> Bound:
    """Hold an address; `key` is where it stands in the configuration. Raises ConfigError."""
    host, port = address
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    except OSError as error:
        reason = strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise AddressError([f"{key}: cannot listen on {url_of(host, port)}: {reason}"]) from None
    except ValueError as error:  # a host that no name can be, like my..host
        raise ConfigError([f"{key}: cannot listen on {url_of(host, port)}: {error}"]) from None
    try:
        return Bound(tuple(each.dup() for each in server.sockets))
    finally:
        server.close()


@asynccontextmanager
async def accepting(inside: Callable[[], asyncio.BaseProtocol], key: str, where: Address | Bound) -> AsyncIterator[str]:
    """Take connections while the context lasts; yields `http://HOST:PORT`. Raises ConfigError."""
    with ExitStack() as stack:
        if isinstance(where, Bound):
            bound = where
        else:
            bound = await bind(key, where)
            stack.callback(bound.close)
        for each in bound.sockets:
            taking = each.dup()
            server = await asyncio.get_running_loop().create_server(inside, sock=taking, backlog=AT_ONCE)
            stack.callback(server.close)
            taking.listen(BACKLOG)
        yield bound.url


def url_of(host: str, port: int) -> str:
    """`http://HOST:PORT` of a listener."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
