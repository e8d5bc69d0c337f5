"""The simulator's own time. The only module of the package that asks the machine for it."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Protocol

FIRST, LAST = -62_135_596_800_000, 253_402_300_799_000
"""The first and last moments of the calendar, in milliseconds since the epoch."""


class Clock(Protocol):
    """Time in milliseconds: `now` since the epoch, `sleep` as a length."""

    def now(self) -> int:
        """Wall-clock time."""
        ...

    async def sleep(self, length: int) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Wall-clock time."""
        return time.time_ns() // 1_000_000  # noqa: TID251  an injected clock has to ask the machine somewhere

    async def sleep(self, length: int) -> None:
        """Wait."""
        await asyncio.sleep(length / 1000)  # noqa: TID251  an injected clock has to wait somewhere


@dataclass(slots=True, kw_only=True)
class Adjustable:
    """The simulated service's clock: time can be let pass at once, and the wall clock can be set wrong.

    `passed` is what was let pass, `offset` how far the wall clock is off, both in milliseconds. `sleep` is real waiting,
    which neither shortens.
    """

    base: Clock
    passed: int = 0
    offset: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> int:
        """What the service takes for the time."""
        return self.steady() + self.offset

    def steady(self) -> int:
        """The same without `offset`: lengths measured with it stay right when the wall clock is set."""
        return self.base.now() + self.passed

    async def sleep(self, length: int) -> None:
        """Wait."""
        await self.base.sleep(length)

    async def rest(self, length: int) -> None:
        """Wait, but only until somebody lets time pass."""
        waits = [asyncio.ensure_future(self.base.sleep(length)), asyncio.ensure_future(self._moved.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def advance(self, length: int) -> None:
        """Let time pass."""
        self.passed += length
        self._moved.set()
        self._moved = asyncio.Event()


def iso(at: int) -> str:
    """A moment as the API writes it: `2026-11-24T09:30:00.123Z`."""
    return datetime.fromtimestamp(held(at) / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(at: int) -> str:
    """A moment as a Date header has it: `Tue, 24 Nov 2026 09:30:00 GMT`."""
    return format_datetime(datetime.fromtimestamp(held(at) // 1000, UTC), usegmt=True)


def held(at: int) -> int:
    """The moment, held within the calendar; a wall clock can be set as wrong as anybody likes."""
    return min(max(at, FIRST), LAST)
