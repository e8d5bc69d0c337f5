"""How fast a destination may be sent to: token buckets, as pure functions.

What is known of a pace is one point in time, the one from which a bucket would be full again (the theoretical arrival
time of the generic cell rate algorithm, ATM Forum TM 4.0). So nothing ticks, and a row of two columns outlives a
restart. A receiver that asks to be left alone moves that point so far that its first turn is when it said, and the ones
after it come singly: a burst right behind the end of such a window is how the next one is earned.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from watcher.core.duration import Millis

LONGEST: Millis = 3_600_000
"""No receiver is left alone for longer at its own wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One turn `every` so many milliseconds, `burst` of them at once after a rest. Sinks with the same `name` share it."""

    name: str
    every: Millis
    burst: int = 1


def ready_at(paces: Iterable[Pace], full: Mapping[str, Millis]) -> Millis:
    """From when a turn of each of the paces may be taken; `full` says of each when it is full again."""
    return max((full.get(each.name, 0) - _reach(each) for each in paces), default=0)


def turns(paces: Iterable[Pace], full: Mapping[str, Millis], now: Millis, limit: int) -> int:
    """How many turns of each of the paces may be taken now, up to `limit`."""
    left = limit
    for each in paces:
        late = now - (full.get(each.name, 0) - _reach(each))
        if late < 0:
            return 0
        left = min(left, min(late // each.every + 1, each.burst) if each.every else left)
    return left


def taken(paces: Iterable[Pace], full: Mapping[str, Millis], now: Millis) -> dict[str, Millis]:
    """What is changed by one turn of each of the paces."""
    return {each.name: max(full.get(each.name, 0), now) + each.every for each in paces if each.every}


def held(paces: Iterable[Pace], full: Mapping[str, Millis], until: Millis) -> dict[str, Millis]:
    """What is changed where nobody may take a turn before `until`."""
    return {each.name: max(full.get(each.name, 0), until + _reach(each)) for each in paces}


def sane(full: Mapping[str, Millis], paces: Iterable[Pace], now: Millis) -> dict[str, Millis]:
    """What was remembered, without what a clock that has been set back since would make wait too long."""
    furthest = {each.name: now + LONGEST + each.every * each.burst for each in paces}
    return {name: min(at, furthest[name]) for name, at in full.items() if name in furthest}


def _reach(pace: Pace) -> Millis:
    """How long before its bucket is full again a turn may be taken."""
    return pace.every * (pace.burst - 1)
