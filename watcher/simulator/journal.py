"""Every request that reached the simulated services, newest last, a bounded number of them."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from watcher.simulator.clock import Clock, iso

CAPACITY = 10_000


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request. `status` stays `None` while it is being answered, and for good where it never was.

    `fault` is the fault it met. `accepted` says whether a message went into the inbox; `None` where that is no question.
    """

    at: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    status: int | None = None
    fault: int | None = None
    accepted: bool | None = None


@dataclass(slots=True, kw_only=True)
class Journal:
    """The last requests."""

    clock: Clock
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=CAPACITY))
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self, request: web.Request) -> Entry:
        """Note a request that has just arrived."""
        headers = {name: value for name, value in headers_of(request).items() if name.lower() != "authorization"}
        entry = Entry(
            at=iso(self.clock.now()),
            method=request.method,
            path=request.path,
            query=request.query_string,
            headers=headers,
        )
        self.entries.append(entry)
        self._grown.set()
        self._grown = asyncio.Event()
        return entry

    async def wait(self, predicate: Callable[[deque[Entry]], bool], seconds: float) -> None:
        """Wait until `predicate` likes the requests, asking it whenever one arrives. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not predicate(self.entries):
                await self._grown.wait()


ENTRY = web.RequestKey("entry", Entry)
"""Where a request keeps its entry, for whoever learns more about it."""


def headers_of(request: web.Request) -> dict[str, str]:
    """Header names as they were received; repeated ones are joined."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
