"""Counting within a window: whether so many records were written close enough together, and for how long that holds.

Times are the records' own, so that neither the order in which they arrive nor how they are paged changes the answer.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from watcher.core.duration import Millis

LATE: Millis = 3_600_000
"""How much older than the newest record one may be and still be counted for certain, beyond the window itself."""
SPARE = 200
"""Entries that are kept however old they are: pages may be read from the newest to the oldest."""
DENSE = 4_000
"""Entries from which on neighbours are merged: where there are so many, the finest times do not matter …"""
FINE = 500
"""… and a window in so many parts is fine enough."""
PARTS = 60
"""Into how many moments a hit of many records is taken apart."""

Moment = tuple[Millis, int]
"""When, and how many records."""
_count = itemgetter(1)


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
        if len(self.times) > DENSE:
            self.times = _merged(self.times, max(within // FINE, 1))[-DENSE // 2 :]


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
    here = bisect_left(times, (at,))
    begin = max(bisect_left(times, (at - within,)), here - count)
    end = min(bisect_right(times, (at + within + 1,)), bisect_right(times, (at + 1,)) + count)
    dense = [
        (first, last)
        for first, last, total in _spans(times[begin:end], count)
        if total >= count and last - first <= within and first <= at <= last
    ]
    if not dense:
        return None
    first, last = dense[-1]
    return Reached(first + within, max(_between(times, last - within, last), _between(times, first, first + within)))


def _between(times: Sequence[Moment], first: Millis, last: Millis) -> int:
    return sum(map(_count, times[bisect_left(times, (first,)) : bisect_left(times, (last + 1,))]))


def _merged(times: Iterable[Moment], cell: Millis) -> list[Moment]:
    """The same records in moments that are at least about a cell apart."""
    cells = groupby(times, key=lambda each: each[0] // cell)
    parts = [list(found) for _, found in cells]
    return [(part[-1][0], sum(map(_count, part))) for part in parts]


def _spans(times: Sequence[Moment], count: int) -> Iterator[tuple[Millis, Millis, int]]:
    """For each record as the last: the shortest run of records that ends with it and has `count`, if there is one."""
    begin, total = 0, 0
    for last, number in times:
        total += number
        while total - times[begin][1] >= count:
            total -= times[begin][1]
            begin += 1
        yield times[begin][0], last, total
