"""What happened to one record between two looks, as Events; one function for each kind of record.

Every change that a rule may look at makes at least one event, for rules are asked about events only: where there is no
better word for it, `updated`. A `version` alone is none: it also counts what the server does by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from watcher.core.event import Event, EventType, about
from watcher.core.snapshot import (
    DRAFT_STATUSES,
    KNOWN_STATUSES,
    KNOWN_TYPES,
    PREVIEWABLE,
    Comment,
    Connector,
    ConnectorStaged,
    Deployment,
    Record,
    ReportEntry,
)

Fact = Mapping[str, Any]
"""What tells an event from the others between the same two looks: its type, and the fields that only this type has."""


def changes(old: Record | None, new: Record, template: Event) -> Iterator[Event]:
    """The events between `old` (`None`: it was not there) and `new`. `template` has the source and the moment."""
    if old is None:
        yield about(template, new)
        return
    told = False
    for fact in _facts(old, new):
        told = True
        yield about(template, new, previous_status=old.status, previous_build=old.build, **fact)
    if not told and _has_changed(old, new):
        fact = {"type": EventType.UPDATED}
        yield about(template, new, previous_status=old.status, previous_build=old.build, **fact)


def _has_changed(old: Record, new: Record) -> bool:
    return new != (old if isinstance(old, Connector) else replace(old, version=new.version))


def _facts(old: Record, new: Record) -> Iterator[Fact]:
    if new.status != old.status:
        yield {"type": EventType.STATUS}
    match old, new:
        case Deployment(), Deployment():
            yield from _deployment(old, new)
        case ConnectorStaged(), ConnectorStaged():
            yield from _draft(old, new)
        case Connector(), Connector():
            yield from _connector(old, new)


def documented(record: Record) -> tuple[tuple[str, str, frozenset[str]], ...]:
    """Fields whose values are an enumeration: name, value, documented values."""
    match record:
        case Deployment():
            return (("status", record.status, KNOWN_STATUSES), ("type", record.type, KNOWN_TYPES))
        case ConnectorStaged():
            return (("status", record.status, DRAFT_STATUSES), ("isPreviewable", record.previewable, PREVIEWABLE))
        case Connector():
            return ()


def _deployment(old: Deployment, new: Deployment) -> Iterator[Fact]:
    """A changed `build` with an unchanged status is still a new attempt."""
    if new.build != old.build and new.build:
        yield {"type": EventType.ATTEMPT}
    yield from _reports(old.entries, new.entries)
    if places := _moved(old, new):
        yield {"type": EventType.APPLICATION, "fields": {"changed": places}}
    parts = (
        ("type", old.type, new.type),
        ("connector", old.connector_id, new.connector_id),
        ("version", old.connector_version, new.connector_version),
    )
    if changed := _differences(parts):
        yield {"type": EventType.CONNECTOR, "fields": {"changed": changed}}


def _draft(old: ConnectorStaged, new: ConnectorStaged) -> Iterator[Fact]:
    if new.previewable != old.previewable:
        edited = (new.tag, new.repository) != (old.tag, old.repository)
        fields = {"previous_previewable": old.previewable, "edited": "true" if edited else "false"}
        yield {"type": EventType.PREVIEW, "fields": fields}
    if remarks := tuple(_remark(each) for each in new.comments if each not in old.comments):
        yield {"type": EventType.COMMENT, "added": remarks}
    if new.listed != old.listed:
        yield {"type": EventType.LISTED}
    yield from _reports(old.entries, new.entries)
    parts = (("name", old.name, new.name), ("tag", old.tag, new.tag), ("changes", str(old.changed), str(new.changed)))
    if changed := _differences(parts):
        yield {"type": EventType.CONNECTOR, "fields": {"changed": changed}}


def _connector(old: Connector, new: Connector) -> Iterator[Fact]:
    if new.behind != old.behind:
        yield {"type": EventType.DRIFT}
    parts = (("name", old.name, new.name), ("tag", old.tag, new.tag), ("version", old.version, new.version))
    if changed := _differences(parts):
        yield {"type": EventType.CONNECTOR, "fields": {"changed": changed}}


def _reports(old: tuple[ReportEntry, ...], new: tuple[ReportEntry, ...]) -> Iterator[Fact]:
    """One event with all new entries. One also where entries were only lost: a rule's condition may have ended."""
    before = set(old)
    if new != old:
        yield {"type": EventType.REPORT, "added": tuple(entry for entry in new if entry not in before)}


def _remark(comment: Comment) -> ReportEntry:
    return ReportEntry(type="Comment", title="", message=comment.text, created_at=comment.at)


def _moved(old: Deployment, new: Deployment) -> str:
    """Applications whose URL or topic changed; one that had no place yet (still being built) has not moved."""
    before = {each.name: (each.url, each.topic) for each in old.applications}
    moved = [
        each.name
        for each in new.applications
        if any(before.get(each.name, ("", ""))) and before[each.name] != (each.url, each.topic)
    ]
    return ", ".join(moved)


def _differences(parts: tuple[tuple[str, str | int, str | int], ...]) -> str:
    return ", ".join(f"{name} {before} → {after}" for name, before, after in parts if before and before != after)
