"""Core types as the JSON that rows hold.

Reading is tolerant both ways: a field that a row lacks takes its default, one that the type lacks is ignored. So a field
may be added to a core type at any time if it has a default, and a row outlives the version that wrote it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import msgspec

from watcher.core.alert import Alert
from watcher.core.breaker import Breaker
from watcher.core.delivery import Delivery, DeliveryState
from watcher.core.event import Event
from watcher.core.group import Group
from watcher.core.history import Run
from watcher.core.novelty import Memory
from watcher.core.reading import LogCursor
from watcher.core.sight import SourceState
from watcher.core.snapshot import Record
from watcher.errors import StoreError
from watcher.store.transaction import Row

T = TypeVar("T")
R = TypeVar("R", bound=Record)


def encode(value: Record | Event | Alert | Group | SourceState | LogCursor | Run | Memory | Breaker) -> str:
    """Write a core value as JSON."""
    return msgspec.json.encode(value).decode()


def _reader(kind: type[T]) -> Callable[[str], T]:
    decoder = msgspec.json.Decoder(kind)

    def read(body: str) -> T:
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise StoreError(f"a stored {kind.__name__} cannot be read: {error}") from error

    return read


def record(kind: type[R]) -> Callable[[str], R]:
    """What reads records of one kind."""
    return _reader(kind)


alert = _reader(Alert)
group = _reader(Group)
source = _reader(SourceState)
cursor = _reader(LogCursor)
run = _reader(Run)
memory = _reader(Memory)
breaker = _reader(Breaker)
_event = _reader(Event)


def whole(found: Group, alerts: Mapping[str, Alert]) -> Group:
    """The group of a row, with the alerts that the row only names."""
    if not found.standing:
        return found
    named = {key: alerts[key] for key in found.standing if key in alerts}
    return replace(found, members={**named, **found.members}, standing=())


def event(row: Row) -> Event:
    """Make an event of its row, which knows its number."""
    found = _event(row["body"])
    object.__setattr__(found, "seq", row["seq"])  # nobody else has seen it yet, and a copy costs as much as reading it
    return found


def delivery(row: Row) -> Delivery:
    """Make a delivery of its row."""
    superseded = bool(row.get("superseded", False))
    return Delivery(**{**row, "state": DeliveryState(row["state"]), "superseded": superseded})
