"""Counting within a window: whether so many records were written close enough together, and for how long that holds.

Times are the records' own, so that neither the order in which they arrive nor how they are paged changes the answer.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from watcher.core.duration import Millis

LATE: Millis = 3_600_000
"""How much older than the newest record one may be and still be counted for certain, beyond the window itself."""
SPARE = 200
"""Entries that are kept however old they are: pages may be read from the newest to the oldest."""
PARTS = 60
"""Into how many moments a hit of many records is taken apart."""

Moment = tuple[Millis, int]
"""When, and how many records."""


class Reached(NamedTuple):
    """There were `counted` records within a window, which holds until the oldest of those that it takes has left it."""

    until: Millis
    counted: int


@dataclass(slots=True)
class Window:
    """What has been counted, in order of time."""

    times: list[Moment] = field(default_factory=list)

    def add(self, moments: Iterable[Moment], *, within: Millis) -> None:
        """Count in; what can hardly belong to a window any more is forgotten."""
        for each in moments:
            insort(self.times, each)
        oldest = self.times[-1][0] - within - LATE
        if len(self.times) > SPARE and self.times[0][0] < oldest:
            self.times = [each for each in self.times if each[0] >= oldest]


def spread(first: Millis, last: Millis, count: int) -> list[Moment]:
    """Records that are only known to lie between two times, as if they had been written evenly."""
    parts = min(count, PARTS) if last > first else 1
    if parts == 1:
        return [(last, count)]
    return [
        (first + (last - first) * part // (parts - 1), count * (part + 1) // parts - count * part // parts)
        for part in range(parts)
    ]


def reached(times: Sequence[Moment], count: int, within: Millis, *, at: Millis) -> Reached | None:
    """Whether the record written at `at` makes it `count` within `within`, and until when that holds; `None` if not.

    Where they were so many without this record, that has been said when the others came. `times` are in order.
    """
    near = times[bisect_left(times, (at - within,)) : bisect_right(times, (at + within + 1,))]
    found: Reached | None = None
    for first, last, total in _spans(near, count):
        if total >= count and last - first <= within and first <= at <= last:
            found = Reached(
                first + within, max(_between(near, last - within, last), _between(near, first, first + within))
            )
    return found


def _between(times: Sequence[Moment], first: Millis, last: Millis) -> int:
    return sum(count for at, count in times if first <= at <= last)


def _spans(times: Sequence[Moment], count: int) -> Iterator[tuple[Millis, Millis, int]]:
    """For each record as the last: the shortest run of records that ends with it and has `count`, if there is one."""
    begin, total = 0, 0
    for last, number in times:
        total += number
        while total - times[begin][1] >= count:
            total -= times[begin][1]
            begin += 1
        yield times[begin][0], last, total
