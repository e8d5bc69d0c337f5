"""The labels and values of what an event is about: what matchers match on and templates show."""

from collections.abc import Iterable, Mapping

from watcher.core.event import Event, EventType
from watcher.core.snapshot import FAILED, Connector, ConnectorStaged, Deployment, Record, ReportEntry

UNEXPLAINED = {"log_error": "", "log_application": "", "log_lines": "", "last_good": ""}
"""What logs and history add to a failure, where they add nothing."""
NAMED = 10
"""Deployments that a label names; the others are counted."""


def labels(event: Event, entry: ReportEntry | None = None) -> dict[str, str]:
    """Every label of the event's subject, and of one entry of its report where a rule is about that entry.

    Which of them make up an alert's identity is `alert.IDENTITY`.
    """
    found = dict(shared(event))
    if entry and event.type is EventType.COMMENT:
        return {**found, "comment": entry.message, "commented_at": entry.created_at}
    return {**found, **_entry(entry)} if entry else found


def _of_subject(event: Event) -> dict[str, str]:
    found = {"project": event.project, "region": event.region, "event": event.type.value}
    found |= {**(UNEXPLAINED if event.deployment else {}), **event.fields}
    if event.record is None:
        blind = "true" if event.type is EventType.BLIND else "false"
        refusing = "true" if event.type is EventType.REFUSING else "false"
        return {**found, "source": event.source, "blind": blind, "refusing": refusing}
    found |= _record(event.record)
    found |= {"previous_status": event.previous_status, "previous_build": event.previous_build}
    return found


def shared(event: Event) -> Mapping[str, str]:
    """The labels of the event's subject, not to be changed: every rule is asked about an event before the next one comes."""
    known, found = _last[0]
    if known is not event:
        found = _of_subject(event)
        _last[0] = event, found
    return found


_last: list[tuple[Event | None, Mapping[str, str]]] = [(None, {})]
"""The event that was asked about last. One place that is written at once, so that threads are in nobody's way."""


def topic(event: Event) -> str:
    """What the event is about, in the words of a rule's `on`: `deployment`, `connector` or `source`."""
    if event.deployment is not None:
        return "deployment"
    return "source" if event.record is None else "connector"


def decisive_error(entries: Iterable[ReportEntry]) -> str:
    """The first report entry that explains a failure; a skipped check does not, though it has the type `Error`."""
    for entry in entries:
        if entry.type == "Error" and "skipped" not in entry.title.lower():
            return f"{entry.title}: {entry.message}" if entry.message else entry.title
    return ""


def _record(record: Record) -> dict[str, str]:
    match record:
        case Deployment():
            return _deployment(record)
        case ConnectorStaged():
            return _draft(record)
        case Connector():
            return _connector(record)


def _deployment(deployment: Deployment) -> dict[str, str]:
    return {
        "kind": "deployment",
        "type": deployment.type,
        "connector": deployment.connector,
        "connector_version": str(deployment.connector_version),
        "deployment": deployment.name,
        "deployment_id": deployment.id,
        "status": deployment.status,
        "build": deployment.build,
        "version": str(deployment.version),
        "error": decisive_error(deployment.entries) if deployment.status in FAILED else "",
    }


def _draft(draft: ConnectorStaged) -> dict[str, str]:
    """The report that explains a failure is that of the publishing, unless only the preview was refused."""
    refused = draft.preview if draft.previewable == "false" else ()
    failed = draft.publishing if draft.status in FAILED else ()
    return {
        "kind": "draft",
        "connector": draft.name,
        "draft": draft.id,
        "status": draft.status,
        "previewable": draft.previewable,
        "listed": str(draft.listed).lower(),
        "has_changes": str(draft.changed).lower(),
        "tag": draft.tag,
        "version": str(draft.version),
        "error": decisive_error(failed) or decisive_error(refused),
        "preview_error": decisive_error(refused),
    }


def _connector(connector: Connector) -> dict[str, str]:
    named = ", ".join(connector.behind[:NAMED])
    more = len(connector.behind) - NAMED
    return {
        "kind": "published",
        "connector": connector.name,
        "connector_id": connector.id,
        "status": connector.status,
        "tag": connector.tag,
        "version": str(connector.version),
        "behind": str(len(connector.behind)),
        "deployments": f"{named} and {more} more" if more > 0 else named,
    }


def _entry(entry: ReportEntry) -> dict[str, str]:
    return {
        "entry_type": entry.type,
        "title": entry.title,
        "message": entry.message,
        "application": entry.application,
    }
