"""Compare what was known with what was just listed, and say what happened as Events.

A poller misses states: any jump is accepted, and a changed `build` with an unchanged status is still a new attempt.
What is missing from the list is no event here; `presence` decides about that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from watcher.core.event import Event, EventType
from watcher.core.sight import SourceState, source_event
from watcher.core.snapshot import FAILED, KNOWN_STATUSES, KNOWN_TYPES, Deployment, ReportEntry

MAX_UNKNOWN_VALUES = 100
"""Undocumented values remembered for each source; a server that invents a new one for every answer must not fill the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The Deployments to write and the events to record for one poll."""

    upserts: tuple[Deployment, ...]
    events: tuple[Event, ...]


def diff(known: Mapping[str, Deployment], listed: Iterable[Deployment], state: SourceState, at: int) -> Changes:
    """What changed between `known` and `listed`, in listing order. Identical objects cost one comparison."""
    upserts: list[Deployment] = []
    events: list[Event] = []
    for new in listed:
        old = known.get(new.id)
        if old is new or old == new:
            continue
        upserts.append(new)
        events.extend(_changes(old, new, state, at))
    return Changes(upserts=tuple(upserts), events=tuple(events))


def baseline(listed: Iterable[Deployment], state: SourceState, at: int) -> Changes:
    """The first sight of a project: every Deployment as it stands, told as one summary."""
    found = tuple(listed)
    template = source_event(state, EventType.CREATED, at)
    events = [replace(template, type=EventType.CREATED, deployment=each, baseline=True) for each in found]
    failed = sum(each.status in FAILED for each in found)
    counts = {"count": str(len(found)), "failed": str(failed)}
    summary = replace(template, type=EventType.BASELINE, fields=counts)
    return Changes(upserts=found, events=(*events, summary))


def unknown_values(listed: Iterable[Deployment], state: SourceState, at: int) -> tuple[SourceState, list[Event]]:
    """Undocumented statuses and types that this source has not shown before: one event for each value, ever."""
    fresh: dict[str, Event] = {}
    for each in listed:
        for field, value, known in (("status", each.status, KNOWN_STATUSES), ("type", each.type, KNOWN_TYPES)):
            token = f"{field}={value}"
            if not value or value in known or token in state.unknown or token in fresh:
                continue
            if len(state.unknown) + len(fresh) < MAX_UNKNOWN_VALUES:
                fields = {"field": field, "value": value, "example": each.name}
                fresh[token] = replace(
                    source_event(state, EventType.CREATED, at), type=EventType.UNKNOWN, fields=fields
                )
    if not fresh:
        return state, []
    return replace(state, unknown=state.unknown | fresh.keys()), list(fresh.values())


def announcement(notice: str, state: SourceState, at: int) -> tuple[SourceState, list[Event]]:
    """What the API announces of itself, such as its removal: one event for each text, ever."""
    token = f"notice={notice}"
    if not notice or token in state.unknown or len(state.unknown) >= MAX_UNKNOWN_VALUES:
        return state, []
    event = replace(source_event(state, EventType.CREATED, at), type=EventType.ANNOUNCED, fields={"notice": notice})
    return replace(state, unknown=state.unknown | {token}), [event]


def _changes(old: Deployment | None, new: Deployment, state: SourceState, at: int) -> Iterator[Event]:
    event = replace(source_event(state, EventType.CREATED, at), deployment=new)
    if old is None:
        yield event
        return
    event = replace(event, previous_status=old.status, previous_build=old.build)
    if new.status != old.status:
        yield replace(event, type=EventType.STATUS)
    if new.build != old.build and new.build:
        yield replace(event, type=EventType.ATTEMPT)
    for entry in _added(old.entries, new.entries):
        yield replace(event, type=EventType.REPORT, entry=entry)
    if places := _moved(old, new):
        yield replace(event, type=EventType.APPLICATION, fields={"changed": places})
    if connector := _connector_change(old, new):
        yield replace(event, type=EventType.CONNECTOR, fields={"changed": connector})
    # a report that only lost entries, or any other kept field: no fact of its own, yet a rule's condition may have ended
    if event.deployment is not None and new.entries != old.entries and not _added(old.entries, new.entries):
        yield replace(event, type=EventType.REPORT)


def _added(old: tuple[ReportEntry, ...], new: tuple[ReportEntry, ...]) -> list[ReportEntry]:
    before = set(old)
    return [entry for entry in new if entry not in before]


def _moved(old: Deployment, new: Deployment) -> str:
    """Applications whose URL or topic changed; one that had no place yet (still being built) has not moved."""
    before = {each.name: (each.url, each.topic) for each in old.applications}
    moved = [
        each.name
        for each in new.applications
        if any(before.get(each.name, ("", ""))) and before[each.name] != (each.url, each.topic)
    ]
    return ", ".join(moved)


def _connector_change(old: Deployment, new: Deployment) -> str:
    parts = (
        ("type", old.type, new.type),
        ("connector", old.connector_id, new.connector_id),
        ("version", old.connector_version, new.connector_version),
    )
    return ", ".join(f"{name} {before} → {after}" for name, before, after in parts if before and before != after)
