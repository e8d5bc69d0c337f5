"""How an alert begins, and what is recorded of the event that it began with."""

from collections.abc import Sequence

from watcher.core.alert import Alert, fingerprint
from watcher.core.event import Event, EventReason
from watcher.core.rule import Condition, Rule

WEIGHT = {reason: weight for weight, reason in enumerate(EventReason)}


def start(rule: Rule, condition: Condition, event: Event) -> Alert:
    """The alert of a condition that an event has shown."""
    build, status = attempt(event)
    key = fingerprint(condition.labels)
    return Alert(
        key=key,
        fingerprint=key,
        rule=rule.name,
        project=event.project,
        source=event.source,
        subject=event.subject,
        labels=condition.labels,
        values=condition.values,
        since=event.at,
        attempt=build,
        status=status,
        observed_at=event.at,
    )


def attempt(event: Event) -> tuple[str, str]:
    """The build that an event is about, and its status."""
    return (event.record.build, event.record.status) if event.record else ("", "")


def strongest(found: Sequence[tuple[EventReason, str]], event: Event) -> tuple[EventReason, str]:
    """The reason to record for an event out of those of the rules it met: the one a person would ask about."""
    if not found:
        return (EventReason.BASELINE if event.baseline else EventReason.NO_RULE), ""
    return max(found, key=lambda each: WEIGHT[each[0]])
