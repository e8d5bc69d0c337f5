"""The newest lines of each application, in memory only: what explains a failure that is told a moment later.

Lines are raw here and as few as they are; whoever takes one out to keep or send it redacts it first.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import TypeAlias

from watcher.core.duration import Millis
from watcher.core.logrecord import Line, LogRecord

KEPT = 60
"""Lines of one application."""
APPLICATIONS = 400
LONGEST = 1_000
"""Characters of a line."""

_Kept: TypeAlias = tuple[Millis, str, str, str]
_Ring: TypeAlias = deque[_Kept]
_spot = itemgetter(0, 1)
_kept_of: Callable[[LogRecord], _Kept] = itemgetter(5, 1, 4, 6)
"""What a line is made of; the rest of a record may hold on to a whole page."""


class Recent:
    """A ring of lines for each application; the ones that wrote nothing for longest make room for others."""

    def __init__(self, *, kept: int = KEPT, applications: int = APPLICATIONS) -> None:
        self._kept = kept
        self._applications = applications
        self._rings: OrderedDict[tuple[str, str, str], _Ring] = OrderedDict()

    def add(self, project: str, records: Sequence[LogRecord]) -> None:
        """Remember the last records of each application. Walked backwards, so that most of a large batch is not touched."""
        room = dict.fromkeys(map(_spot, records), self._kept)
        missing = len(room)
        chosen: list[tuple[str, str, _Kept]] = []
        for record in reversed(records):
            spot = record[:2]
            left = room[spot]
            if left:
                chosen.append((*spot, _kept_of(record)))
                room[spot] = left - 1
                missing -= left == 1
                if not missing:
                    break
        for deployment_id, application, kept in reversed(chosen):
            self._ring((project, deployment_id, application)).append(_cut(kept))

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


def _cut(kept: _Kept) -> _Kept:
    at, application, level, message = kept
    return kept if len(message) <= LONGEST else (at, application, level, message[:LONGEST])


def _when(line: Line) -> Millis:
    return line.at
