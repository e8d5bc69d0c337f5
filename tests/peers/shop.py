"""A simulation for impatient clients: what one request sets going is over when the next one comes.

The official clients wait by asking again every 30 or 60 seconds. Here they are right the first time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from watcher.simulator import Simulator, serve
from watcher.simulator.clock import SystemClock

PROJECT = "my-shop"

SPEED = 1_000_000.0
"""A millisecond is a quarter of an hour: longer than any build, preview or certification."""


class Ticking(SystemClock):
    """The machine's clock, no two readings of which are the same, however fast they follow each other."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        """Wall-clock time."""
        self._last = max(super().now(), self._last + 1)
        return self._last


@asynccontextmanager
async def hurried() -> AsyncIterator[Simulator]:
    """The simulation, with one Deployment of the project, so that it knows there is one."""
    async with serve(speed=SPEED, clock=Ticking()) as simulator:
        simulator.create(PROJECT, key="first", connector="tax-calculation")
        yield simulator
