"""Compare what was known with what was just listed, and say what happened as Events.

A poller misses states: any jump is accepted. What is missing from the list is no event here; `presence` decides about
that. What changed within one record is for `changes` to say.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic

from watcher.core.changes import changes, documented
from watcher.core.event import Event, EventType, about
from watcher.core.sight import SourceState, source_event
from watcher.core.snapshot import FAILED, R_co, Record

MAX_UNKNOWN_VALUES = 100
"""Undocumented values remembered for each source; a server that invents a new one for every answer must not fill the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes(Generic[R_co]):
    """The records to write and the events to record for one poll."""

    upserts: tuple[R_co, ...]
    events: tuple[Event, ...]


def diff(known: Mapping[str, R_co], listed: Iterable[R_co], state: SourceState, at: int) -> Changes[R_co]:
    """What changed between `known` and `listed`, in listing order. Identical objects cost one comparison."""
    upserts: list[R_co] = []
    events: list[Event] = []
    template: Event | None = None
    for new in listed:
        old = known.get(new.id)
        if old is new or old == new:
            continue
        template = template or source_event(state, EventType.CREATED, at)
        upserts.append(new)
        events.extend(changes(old, new, template))
    return Changes(upserts=tuple(upserts), events=tuple(events))


def baseline(listed: Iterable[R_co], state: SourceState, at: int) -> Changes[R_co]:
    """The first sight of a source: every record as it stands, told as one summary.

    A source other than Deployments says nothing where it shows nothing: most projects have no drafts.
    """
    found = tuple(listed)
    template = source_event(state, EventType.CREATED, at)
    events = [about(template, each, baseline=True) for each in found]
    if found or state.is_primary:
        events.append(replace(template, type=EventType.BASELINE, fields=_counts(found)))
    return Changes(upserts=found, events=tuple(events))


def unknown_values(listed: Iterable[Record], state: SourceState, at: int) -> tuple[SourceState, list[Event]]:
    """Undocumented values of enumerations that this source has not shown before: one event for each value, ever."""
    fresh: dict[str, Event] = {}
    for each in listed:
        for field, value, known in documented(each):
            token = f"{field}={value}"
            if not value or value in known or token in state.unknown or token in fresh:
                continue
            if len(state.unknown) + len(fresh) < MAX_UNKNOWN_VALUES:
                fields = {"field": field, "value": value, "example": each.name}
                fresh[token] = source_event(state, EventType.UNKNOWN, at, fields)
    if not fresh:
        return state, []
    return replace(state, unknown=state.unknown | fresh.keys()), list(fresh.values())


def announcement(notice: str, state: SourceState, at: int) -> tuple[SourceState, list[Event]]:
    """What the API announces of itself, such as its removal: one event for each text, ever."""
    token = f"notice={notice}"
    if not notice or token in state.unknown or len(state.unknown) >= MAX_UNKNOWN_VALUES:
        return state, []
    event = source_event(state, EventType.ANNOUNCED, at, {"notice": notice})
    return replace(state, unknown=state.unknown | {token}), [event]


def _counts(found: Collection[Record]) -> dict[str, str]:
    return {"count": str(len(found)), "failed": str(sum(each.status in FAILED for each in found))}
