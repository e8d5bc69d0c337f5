"""How fast a destination may be sent to: token buckets, as pure functions."""

from dataclasses import dataclass

from watcher.core.duration import Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One turn `every` so many milliseconds, `burst` of them at once after a rest. Sinks with the same `name` share it."""

    name: str
    every: Millis
    burst: int = 1
