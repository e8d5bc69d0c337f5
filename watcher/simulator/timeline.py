"""The one order in which steps, planned moves and requests happen, and the moments they get."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from watcher.simulator.clock import Adjustable
from watcher.simulator.tempo import Tempo


class Timeline(Tempo):
    """Scenario time that waits for its scenario to begin, jumps ahead when told to, and stands at a step's moment.

    A step is always a little late. While it is carried out, time is held `at` its own moment, so that what it begins
    takes its course from there and a fast run has the same order, and the same distances, as a slow one. It is a clock
    too: one that shows when, on the wall clock, the moment was that it stands at.
    """

    def __init__(self, clock: Adjustable, speed: float, *, begun: bool = True) -> None:
        super().__init__(clock, speed)
        self._adjustable = clock
        self._jumped = 0
        self._begun = clock.base.now() if begun else None
        self._held: int | None = None

    def begin(self) -> None:
        """Let scenario time run, from now if it did not yet."""
        if self._begun is None:
            self._begun = self._adjustable.base.now()

    def elapsed(self) -> int:
        """Milliseconds of scenario time since its start."""
        return self.reached() if self._held is None else self._held

    def reached(self) -> int:
        """The same, whatever moment is held. A clock of the machine that is set back does not take it back."""
        if self._begun is not None:
            ran = int((self._adjustable.base.now() - self._begun) * self.speed)
            self._furthest = max(self._furthest, self._jumped + ran)
        return max(self._furthest, self._jumped)

    def until(self, moment: int) -> int:
        """The real milliseconds until a moment of scenario time, rounded up; none where time stands still."""
        return ceil(max(moment - self.reached(), 0) / self.speed) if self.speed > 0 else 0

    def advance(self, length: int) -> None:
        """Jump ahead by that much scenario time; the wall clock goes on as it would have had somebody waited."""
        self._jumped += length
        self._adjustable.advance(self._real(length))

    def wall(self, elapsed: int) -> int:
        """The wall-clock moment of a scenario moment."""
        return self._adjustable.now() - self._real(self.reached() - elapsed)

    def now(self) -> int:
        """What the wall clock showed at the moment that time stands at."""
        return self.wall(self.elapsed())

    async def sleep(self, length: int) -> None:
        """Wait."""
        await self._adjustable.sleep(length)

    @contextmanager
    def at(self, moment: int) -> Iterator[None]:
        """Hold scenario time at a moment."""
        before, self._held = self._held, moment
        try:
            yield
        finally:
            self._held = before

    def _real(self, length: int) -> int:
        return round(length / self.speed) if self.speed > 0 else length
