"""The newest lines of each application, in memory only: what explains a failure that is told a moment later.

Lines are raw here and as few as they are; whoever takes one out to keep or send it redacts it first.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from watcher.core.columns import columns
from watcher.core.duration import Millis
from watcher.core.logrecord import Line, LogRecord

KEPT = 60
"""Lines of one application."""
APPLICATIONS = 400
LONGEST = 1_000
"""Characters of a line."""

_Kept: TypeAlias = tuple[Millis, str, str, str]
_Ring: TypeAlias = deque[_Kept]
_Spot: TypeAlias = tuple[str, str]
"""What a line is made of; the rest of a record may hold on to a whole page."""


class Recent:
    """A ring of lines for each application; the ones that wrote nothing for longest make room for others."""

    def __init__(self, *, kept: int = KEPT, applications: int = APPLICATIONS) -> None:
        self._kept = kept
        self._applications = applications
        self._rings: OrderedDict[tuple[str, str, str], _Ring] = OrderedDict()

    def add(self, project: str, records: Sequence[LogRecord]) -> None:
        """Remember the last records of each application. Walked backwards, so that most of a large batch is not touched."""
        found = columns(records)
        keys, messages = found.keys, found.messages
        there: Counter[_Spot] = Counter()
        for (key, _), count in found.counts().items():
            there[key[:2]] += count
        places: dict[_Spot, list[int]] = {spot: [] for spot in there}
        by_key = {key: places[key[:2]] for key in found.kinds()}
        missing = sum(min(count, self._kept) for count in there.values())
        for at in range(len(keys) - 1, -1, -1):
            if not missing:
                break
            mine = by_key[keys[at]]
            if len(mine) < self._kept:
                mine.append(at)
                missing -= 1
        for (deployment_id, application), chosen in places.items():
            chosen.reverse()
            ring = self._ring((project, deployment_id, application))
            times = found.times(chosen)
            ring += [
                (time, application, keys[at][4], messages[at][:LONGEST]) for at, time in zip(chosen, times, strict=True)
            ]

    def lines(self, project: str, deployment_id: str, *, since: Millis = 0) -> list[Line]:
        """What the applications of a Deployment wrote last, oldest first."""
        found = (
            Line(at, name, level, message)
            for (home, deployment, _), ring in self._rings.items()
            if (home, deployment) == (project, deployment_id)
            for at, name, level, message in ring
            if at >= since
        )
        return sorted(found, key=_when)

    def _ring(self, key: tuple[str, str, str]) -> _Ring:
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = deque(maxlen=self._kept)
            if len(self._rings) > self._applications:
                self._rings.popitem(last=False)
        self._rings.move_to_end(key)
        return ring


def lines_of(records: Iterable[LogRecord]) -> list[Line]:
    """Records as lines, oldest first."""
    return sorted((Line(each.at, each.application, each.level, each.message[:LONGEST]) for each in records), key=_when)


def _when(line: Line) -> Millis:
    return line.at
