"""The world: time and chance."""

import random  # noqa: TID251  the one place where chance enters, as a type
from dataclasses import dataclass
from typing import Protocol

from watcher.core.duration import Millis


class Clock(Protocol):
    """Time. Production time cannot be stubbed; tests pass another Clock."""

    def now(self) -> Millis:
        """Wall-clock time in milliseconds since the epoch."""
        ...

    def monotonic(self) -> Millis:
        """Milliseconds that never go back; for lengths of time only."""
        ...

    async def sleep(self, length: Millis) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Time and chance: everything about the world that a test must be able to hold still."""

    clock: Clock
    rng: random.Random
