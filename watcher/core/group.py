"""Groups: which alerts are told together to one receiver, and the decision whether to tell them now."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from watcher.core.alert import Alert, AlertState
from watcher.core.duration import Millis
from watcher.core.notification import NotifyReason

SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the receiver last heard of one alert: which episode of it, and whether that was its end."""

    episode: int
    resolved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The pacing state of one group at one receiver.

    `members` are its alerts by key, `told` what was said of them. `flush` counts messages since `created_at`; both
    together name a message for ever. `severity` ranks the worst of the last message. `due` is when to decide next (`None`: nothing to decide).
    """

    key: str
    receiver: str
    route: str
    labels: Mapping[str, str]
    created_at: Millis
    members: Mapping[str, Alert] = field(default_factory=dict)
    told: Mapping[str, Told] = field(default_factory=dict)
    flush: int = 0
    flushed_at: Millis | None = None
    due: Millis | None = None
    severity: int = 0


def rank(labels: Mapping[str, str]) -> int:
    """How bad a severity is, worst highest; one that is not known ranks with none."""
    found = labels.get("severity", "")
    return SEVERITIES.index(found) + 1 if found in SEVERITIES else 0


def rewound(group: Group, now: Millis) -> Group:
    """The group without times to come: those were written before the clock was set back, and nothing may wait for them."""
    last = max(group.created_at, group.flushed_at or 0)
    if last <= now:
        return group
    flushed_at = None if group.flushed_at is None else min(group.flushed_at, now)
    return replace(group, flushed_at=flushed_at, due=now)


def is_fresh(alert: Alert, told: Told | None) -> bool:
    """Is there something about this alert that the receiver has not heard?"""
    if told is None:
        return True
    return alert.episode > told.episode or (alert.state is AlertState.RESOLVED and not told.resolved)


def decide(group: Group, now: Millis, repeat_interval: Millis) -> NotifyReason:
    """Say why the group is to be told now, or that there is nothing new to tell.

    The order is what a person would say first: a new failure before a recovery, a recovery before a reminder.
    """
    fresh = [alert for key, alert in group.members.items() if is_fresh(alert, group.told.get(key))]
    firing = [alert for alert in group.members.values() if alert.state is AlertState.FIRING]
    if fresh and not group.told:
        return NotifyReason.FIRST
    if any(alert.state is AlertState.FIRING and alert.key not in group.told for alert in fresh):
        return NotifyReason.NEW_ALERTS
    if any(alert.state is AlertState.FIRING for alert in fresh):
        return NotifyReason.NEW_ATTEMPT
    if fresh:
        return NotifyReason.NEW_RESOLVED if firing else NotifyReason.ALL_RESOLVED
    standing = any(not alert.fact for alert in firing)
    if standing and group.flushed_at is not None and now - group.flushed_at >= repeat_interval:
        return NotifyReason.REPEAT
    return NotifyReason.NOTHING_NEW
