"""The newest lines of each application, in memory only: what explains a failure that is told a moment later.

Lines are raw here and as few as they are; whoever takes one out to keep or send it redacts it first.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TypeAlias

from watcher.core.duration import Millis
from watcher.core.logrecord import Line, LogRecord

KEPT = 60
"""Lines of one application."""
APPLICATIONS = 400
LONGEST = 1_000
"""Characters of a line."""

_Ring: TypeAlias = deque[LogRecord]
_spot = itemgetter(0, 1)


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
        chosen: list[LogRecord] = []
        for record in reversed(records):
            spot = record[:2]
            left = room[spot]
            if left:
                chosen.append(record)
                room[spot] = left - 1
                missing -= left == 1
                if not missing:
                    break
        for record in reversed(chosen):
            # without its details, which may be a part of a whole page
            self._ring((project, record[0], record[1])).append(record._replace(details=b""))

    def lines(self, project: str, deployment_id: str, *, since: Millis = 0) -> list[Line]:
        """What the applications of a Deployment wrote last, oldest first."""
        found = (
            record
            for (home, deployment, _), ring in self._rings.items()
            if (home, deployment) == (project, deployment_id)
            for record in ring
            if record.at >= since
        )
        return lines_of(found)

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
