"""Time and chance as this machine has them."""

import asyncio
import random  # noqa: TID251  the composition root is where chance comes from
import time

from watcher.core.duration import Millis
from watcher.ports import Env


class SystemClock:
    """The time of this machine. It cannot be set, and within a process it never goes back.

    A wall clock that is set back would freeze everything that is due until it has caught up; this one goes on at its
    own pace until then. One that is set forward, as after a sleep of the machine, is followed at once.
    """

    def __init__(self) -> None:
        self._ahead: Millis = 0

    def now(self) -> Millis:
        """Milliseconds since the epoch."""
        monotonic = self.monotonic()
        wall = time.time_ns() // 1_000_000  # noqa: TID251  the production clock
        self._ahead = max(self._ahead, wall - monotonic)
        return monotonic + self._ahead

    def monotonic(self) -> Millis:
        """Milliseconds that never go back."""
        return time.monotonic_ns() // 1_000_000  # noqa: TID251  the production clock

    async def sleep(self, length: Millis) -> None:
        """Wait."""
        await asyncio.sleep(length / 1000)  # noqa: TID251  the production clock


def system_env() -> Env:
    """The real world."""
    return Env(clock=SystemClock(), rng=random.SystemRandom())
