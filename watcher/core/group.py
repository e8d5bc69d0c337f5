"""Groups: which alerts are told together to one receiver, and the decision whether to tell them now."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

from watcher.core.alert import Alert, AlertState
from watcher.core.duration import Millis
from watcher.core.notification import NotifyReason

SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the receiver last heard of one alert: which episode of it, and whether that was its end.

    `acknowledged_by` is who has taken that episode on since: of the next one nobody has heard.
    """

    episode: int
    resolved: bool = False
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The pacing state of one group at one receiver.

    `members` are its alerts by key, `told` what was said of them. `flush` counts messages since `created_at`; both
    together name a message for ever. `severity` ranks the worst of the last message. `due` is when to decide next (`None`: nothing to decide).
    `held` names the last episode of a member that a silence held back and that was counted, `held_back` has how many
    were, by silence, and are in no message yet. `rested_at` is when a reminder was last left out.

    In its row the members that fire are but named, in `standing`: each of them has a row of its own.

    What is told beside the news, to sinks that ask for it: `aside_due` is when to look at that next, `asides` counts it.
    `heard` has when each sink that wants refreshes was last told; `taken_on` and `moved` are what has happened since.
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
    held: Mapping[str, int] = field(default_factory=dict)
    held_back: Mapping[str, int] = field(default_factory=dict)
    rested_at: Millis | None = None
    aside_due: Millis | None = None
    asides: int = 0
    heard: Mapping[str, Millis] = field(default_factory=dict)
    taken_on: bool = False
    moved: bool = False
    standing: tuple[str, ...] = ()


def wake(group: Group) -> Millis | None:
    """When the group is next to be looked at, for its news or for what is told beside it."""
    if group.due is None or group.aside_due is None:
        return group.aside_due if group.due is None else group.due
    return min(group.due, group.aside_due)


def rank(labels: Mapping[str, str]) -> int:
    """How bad a severity is, worst highest; one that is not known ranks with none."""
    found = labels.get("severity", "")
    return SEVERITIES.index(found) + 1 if found in SEVERITIES else 0


def rewound(group: Group, now: Millis) -> Group:
    """The group without times to come: those were written before the clock was set back, and nothing may wait for them."""
    last = max(group.created_at, group.flushed_at or 0, group.rested_at or 0, *group.heard.values())
    if last <= now:
        return group
    flushed_at = None if group.flushed_at is None else min(group.flushed_at, now)
    rested_at = None if group.rested_at is None else min(group.rested_at, now)
    heard = {sink: min(at, now) for sink, at in group.heard.items()}
    return replace(group, flushed_at=flushed_at, rested_at=rested_at, heard=heard, due=now)


def is_fresh(alert: Alert, told: Told | None) -> bool:
    """Is there something about this alert that the receiver has not heard?"""
    if told is None:
        return True
    return alert.episode > told.episode or (alert.state is AlertState.RESOLVED and not told.resolved)


def is_unheard(alert: Alert, told: Told | None) -> bool:
    """Is there a failure about this alert that the receiver has not heard of: its start, or another attempt?"""
    return told is None or alert.episode > told.episode


def is_news(alert: Alert, told: Told | None, *, silenced: bool) -> bool:
    """Is there something to tell about this alert now?

    While it is silenced nothing but its end, and that only to who was told that it began.
    """
    return is_fresh(alert, told) and (not silenced or (alert.state is AlertState.RESOLVED and told is not None))


def is_shown(told: Told | None, *, silenced: bool) -> bool:
    """May a message show the alert? One that is silenced only where the receiver knows of it."""
    return told is not None or not silenced


def taken_on(alert: Alert, told: Told | None) -> str:
    """Who has acknowledged the alert as it is now; empty where nobody has."""
    return told.acknowledged_by if told is not None and told.episode == alert.episode else ""


def standing(group: Group) -> list[str]:
    """The alerts that fire and of which the receiver has heard all there is: those that can be acknowledged."""
    return [
        key
        for key, alert in group.members.items()
        if alert.state is AlertState.FIRING and not alert.fact and not is_fresh(alert, group.told.get(key))
    ]


def decide(group: Group, now: Millis, repeat_interval: Millis, silenced: Container[str] = frozenset()) -> NotifyReason:
    """Say why the group is to be told now, or that there is nothing new to tell. `silenced` names members held back.

    The order is what a person would say first: a new failure before a recovery, a recovery before a reminder.
    """
    fresh = [
        alert for key, alert in group.members.items() if is_news(alert, group.told.get(key), silenced=key in silenced)
    ]
    firing = [alert for alert in group.members.values() if alert.state is AlertState.FIRING]
    if fresh and not group.told:
        return NotifyReason.FIRST
    if any(alert.state is AlertState.FIRING and alert.key not in group.told for alert in fresh):
        return NotifyReason.NEW_ALERTS
    if any(alert.state is AlertState.FIRING for alert in fresh):
        return NotifyReason.NEW_ATTEMPT
    if fresh:
        shown = any(is_shown(group.told.get(each.key), silenced=each.key in silenced) for each in firing)
        return NotifyReason.NEW_RESOLVED if shown else NotifyReason.ALL_RESOLVED
    last = reminded_at(group)
    nagging = any(not a.fact and a.key not in silenced and not taken_on(a, group.told.get(a.key)) for a in firing)
    if nagging and last is not None and now - last >= repeat_interval:
        return NotifyReason.REPEAT
    return NotifyReason.NOTHING_NEW


def reminded_at(group: Group) -> Millis | None:
    """From when the next reminder is reckoned; `None` where nothing has been told of which to remind."""
    return None if group.flushed_at is None else max(group.flushed_at, group.rested_at or 0)
