"""Scenario time: how far the scenario is, and which wall-clock moment that was."""

from bisect import bisect_right
from dataclasses import dataclass, field

from watcher.simulator.clock import Clock


@dataclass(slots=True)
class Tempo:
    """Scenario time over `clock`, `speed` times as fast. At speed 0 it stands still except for `advance`.

    It never goes back, not even where the clock does. `_marks` are pairs of scenario and wall-clock moments, from each
    of which on the two run in step until the next.
    """

    clock: Clock
    speed: float = 1.0
    _marks: list[tuple[int, int]] = field(init=False)
    _furthest: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """The scenario begins now."""
        self._marks = [(0, self.clock.now())]

    def elapsed(self) -> int:
        """Milliseconds of scenario time since its start."""
        scenario, wall = self._marks[-1]
        self._furthest = max(self._furthest, scenario + int((self.clock.now() - wall) * self.speed))
        return self._furthest

    def advance(self, length: int) -> None:
        """Jump ahead by that many milliseconds of scenario time."""
        self._furthest = self.elapsed() + length
        self._marks.append((self._furthest, self.clock.now()))

    def wall(self, elapsed: int) -> int:
        """The wall-clock moment of a scenario moment. One that was jumped over was when the jump was made."""
        at = bisect_right(self._marks, (elapsed, _FOREVER)) - 1
        scenario, wall = self._marks[max(at, 0)]
        following = self._marks[at + 1][1] if at + 1 < len(self._marks) else _FOREVER
        if elapsed <= scenario:
            return wall
        if self.speed <= 0:
            return following if following != _FOREVER else self.clock.now()
        return min(wall + round((elapsed - scenario) / self.speed), following)


_FOREVER = 1 << 62
