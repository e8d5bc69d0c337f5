"""Log records by column: what is asked of every record is a list, and a record is made when somebody asks for it.

Of the records that pass, one in fifty is matched and looked at. What the others cost is what they are counted by and the
text that is searched, so nothing else is made of them.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import eq, itemgetter
from typing import Any, TypeAlias, overload

from watcher.core.duration import Millis
from watcher.core.logrecord import MINUTE, LogRecord

Key: TypeAlias = tuple[Any, ...]
"""What a label can decide: Deployment, application, type, severity, level, method, status."""

_key_of: Callable[[LogRecord], Key] = itemgetter(0, 1, 2, 3, 4, 7, 9)
_time_of: Callable[[LogRecord], Millis] = itemgetter(5)
_message_of: Callable[[LogRecord], str] = itemgetter(6)
_latency_of: Callable[[LogRecord], Millis] = itemgetter(10)


class Columns(Sequence[LogRecord]):
    """Records, in order. Of each there are its key and its message; `record`, `time` and `latency` may take a moment."""

    __slots__ = ("_counted", "keys", "messages")

    def __init__(self, keys: Sequence[Key], messages: Sequence[str]) -> None:
        self.keys = keys
        self.messages = messages
        self._counted: Counter[tuple[Key, int]] | None = None

    @abstractmethod
    def record(self, at: int) -> LogRecord:
        """The whole record."""

    def times(self, places: Iterable[int] | None = None) -> Sequence[Millis]:
        """When those at these places were written, or all."""
        return [self.record(at).at for at in (range(len(self)) if places is None else places)]

    def kinds(self) -> set[Key]:
        """The keys that occur."""
        return {key for key, _ in self.counts()}

    def time(self, at: int) -> Millis:
        """When one was written."""
        return self.times((at,))[0]

    def latency(self, at: int) -> Millis:
        """How long a request took."""
        return self.record(at).latency

    def checksum(self, at: int) -> int:
        """The key of a record, which tells it from others of the same moment."""
        return self.record(at).key

    def span(self) -> tuple[Millis, Millis] | None:
        """The oldest and the newest time; `None` where there is no record."""
        found = self.times()
        return (min(found), max(found)) if found else None

    def counts(self) -> "Counter[tuple[Key, int]]":
        """How many there are of each key in each minute since the epoch. Counted once."""
        if self._counted is None:
            self._counted = self._count()
        return self._counted

    def _count(self) -> "Counter[tuple[Key, int]]":
        span = self.span()
        if span is None:
            return Counter()
        first, last = (each // MINUTE for each in span)
        if first == last:
            return Counter({(key, first): count for key, count in Counter(self.keys).items()})
        return Counter(zip(self.keys, [each // MINUTE for each in self.times()], strict=True))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.keys)

    @overload
    def __getitem__(self, at: int) -> LogRecord: ...
    @overload
    def __getitem__(self, at: slice) -> "Columns": ...
    def __getitem__(self, at: int | slice) -> "LogRecord | Columns":
        """A record, or a stretch of them."""
        if isinstance(at, slice):
            return picked(self, range(*at.indices(len(self.keys))))
        return self.record(at)

    def __iter__(self) -> Iterator[LogRecord]:
        """All records."""
        return map(self.record, range(len(self.keys)))


class Listed(Columns):
    """Records that are there already."""

    __slots__ = ("_records",)

    def __init__(self, records: Sequence[LogRecord]) -> None:
        super().__init__(list(map(_key_of, records)), list(map(_message_of, records)))
        self._records = records

    def record(self, at: int) -> LogRecord:
        """The record."""
        return self._records[at]

    def times(self, places: Iterable[int] | None = None) -> Sequence[Millis]:
        """When those at these places were written, or all."""
        found = self._records if places is None else map(self._records.__getitem__, places)
        return list(map(_time_of, found))

    def latency(self, at: int) -> Millis:
        """How long a request took."""
        return _latency_of(self._records[at])


class Chosen(Columns):
    """Some of the records of others, in an order of their own."""

    __slots__ = ("_places",)

    def __init__(self, places: Sequence[tuple[Columns, int]]) -> None:
        super().__init__([part.keys[at] for part, at in places], [part.messages[at] for part, at in places])
        self._places = places

    def record(self, at: int) -> LogRecord:
        """The record."""
        part, place = self._places[at]
        return part.record(place)

    def times(self, places: Iterable[int] | None = None) -> Sequence[Millis]:
        """When those at these places were written, or all."""
        found = self._places if places is None else map(self._places.__getitem__, places)
        return [part.time(at) for part, at in found]

    def latency(self, at: int) -> Millis:
        """How long a request took."""
        part, place = self._places[at]
        return part.latency(place)

    def checksum(self, at: int) -> int:
        """The key of a record."""
        part, place = self._places[at]
        return part.checksum(place)


def columns(records: Sequence[LogRecord]) -> Columns:
    """The records by column, whatever they are now."""
    return records if isinstance(records, Columns) else Listed(records)


def picked(part: Columns, places: Sequence[int]) -> Columns:
    """The records of one at these places. All of them, in their order, are that one itself."""
    if len(places) == len(part) and all(map(eq, places, range(len(part)))):
        return part
    return Chosen([(part, at) for at in places])


def in_order(parts: Sequence[Columns]) -> Columns:
    """The records of all of them, by time and by checksum where that is the same."""
    places = [(part, at) for part in parts for at in range(len(part))]
    times = [time for part in parts for time in part.times()]
    order = sorted(range(len(places)), key=times.__getitem__)
    for first, last in _alike(order, times):
        order[first:last] = sorted(order[first:last], key=lambda each: places[each][0].checksum(places[each][1]))
    return picked(parts[0], order) if len(parts) == 1 else Chosen([places[each] for each in order])


def _alike(order: Sequence[int], times: Sequence[Millis]) -> Iterator[tuple[int, int]]:
    """Where records of the same moment begin and end."""
    begin = 0
    for at in range(1, len(order) + 1):
        if at == len(order) or times[order[at]] != times[order[begin]]:
            if at - begin > 1:
                yield begin, at
            begin = at
