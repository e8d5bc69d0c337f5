"""The labels and values of what an event is about: what matchers match on and templates show."""

from watcher.core.event import SOURCE_EVENTS, Event, EventType
from watcher.core.snapshot import FAILED, Deployment, ReportEntry


def labels(event: Event, entry: ReportEntry | None = None) -> dict[str, str]:
    """Every label of the event's subject, and of one entry of its report where a rule is about that entry.

    Which of them make up an alert's identity is `alert.IDENTITY`.
    """
    found = {"project": event.project, "region": event.region, "event": event.type.value, **event.fields}
    if event.deployment is None:
        blind = "true" if event.type is EventType.BLIND else "false"
        refusing = "true" if event.type is EventType.REFUSING else "false"
        return {**found, "source": event.source, "blind": blind, "refusing": refusing}
    found |= _deployment(event.deployment)
    found |= {"previous_status": event.previous_status, "previous_build": event.previous_build}
    return {**found, **_entry(entry)} if entry else found


def about_source(event: Event) -> bool:
    """Whether the event is about a source rather than about a Deployment."""
    return event.type in SOURCE_EVENTS


def decisive_error(deployment: Deployment) -> str:
    """The first report entry that explains a failure; a skipped check does not, though it has the type `Error`."""
    for entry in deployment.entries:
        if entry.type == "Error" and "skipped" not in entry.title.lower():
            return f"{entry.title}: {entry.message}" if entry.message else entry.title
    return ""


def _deployment(deployment: Deployment) -> dict[str, str]:
    return {
        "type": deployment.type,
        "connector": deployment.connector,
        "connector_version": str(deployment.connector_version),
        "deployment": deployment.name,
        "deployment_id": deployment.id,
        "status": deployment.status,
        "build": deployment.build,
        "version": str(deployment.version),
        "error": decisive_error(deployment) if deployment.status in FAILED else "",
    }


def _entry(entry: ReportEntry) -> dict[str, str]:
    return {
        "entry_type": entry.type,
        "title": entry.title,
        "message": entry.message,
        "application": entry.application,
    }
