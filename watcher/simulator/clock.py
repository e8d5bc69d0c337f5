"""The simulator's own time. The only module of the package that asks the machine for it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


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


def iso(at: int) -> str:
    """A moment as the API writes it: `2026-11-24T09:30:00.123Z`."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
