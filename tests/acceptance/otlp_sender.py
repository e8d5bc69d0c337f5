"""A sender of logs that never gives up, as the OpenTelemetry Collector does with its retry queue."""

import asyncio
import gzip
from dataclasses import dataclass, field

import aiohttp

AGAIN = frozenset({429, 502, 503, 504})


@dataclass
class Sender:
    """Sends requests in order, each until it is taken. `taken` counts those, `refused` the attempts that were not.

    `pause` is how long it waits after each, in seconds.
    """

    url: str
    headers: dict[str, str]
    taken: int = 0
    refused: int = 0
    pause: float = 0
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def send_all(self, bodies: list[bytes]) -> None:
        async with aiohttp.ClientSession() as session:
            for body in bodies:
                await self._send(session, gzip.compress(body))
                await asyncio.sleep(self.pause)  # noqa: TID251  the sender's own pause

    async def advanced(self, requests: int) -> None:
        """Wait until so many more have been taken, or all."""
        wanted = self.taken + requests
        async with self._moved:
            await asyncio.wait_for(self._moved.wait_for(lambda: self.taken >= wanted), 60)

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> None:
        kinds = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        while True:
            try:
                async with session.post(self.url, data=body, headers={**self.headers, **kinds}) as answer:
                    if answer.status == 200:
                        break
                    assert answer.status in AGAIN, await answer.text()
            except (aiohttp.ClientError, ConnectionError):
                pass
            self.refused += 1
            await asyncio.sleep(0.05)  # noqa: TID251  the sender's own pause
        self.taken += 1
        async with self._moved:
            self._moved.notify_all()
