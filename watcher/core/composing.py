"""Compose the message of one flush: which alerts of a group it shows, in which order, with which counts."""

import hashlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from watcher.core.alert import Alert, AlertState, fingerprint
from watcher.core.duration import Millis
from watcher.core.group import Group, Told, is_news, is_shown, is_unheard, taken_on
from watcher.core.notification import AlertView, Notification, NotifyReason
from watcher.core.silence import Silence, described


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One flush of a group: why, when, its number; which members are held back, and what the message counts of that."""

    reason: NotifyReason
    at: Millis
    flush: int
    silenced: Container[str]
    held_back: int
    external_url: str


def has_failure(group: Group, reason: NotifyReason, silenced: Container[str]) -> bool:
    """Whether a message would tell more than recoveries: a reminder does, and so does a failure that nobody has heard of."""
    return reason is NotifyReason.REPEAT or any(
        key not in silenced and is_unheard(alert, group.told.get(key)) for key, alert in group.members.items()
    )


def told(group: Group, silenced: Container[str]) -> dict[str, Told]:
    """What the receiver knows once the group has been told. Of what is held back it goes on knowing what it knew."""
    return {key: each for key, alert in group.members.items() if (each := _known(group, alert, silenced))}


def _known(group: Group, alert: Alert, silenced: Container[str]) -> Told | None:
    before = group.told.get(alert.key)
    if alert.key in silenced and not is_news(alert, before, silenced=True):
        return before
    by = taken_on(alert, before)
    return _heard(alert.episode, alert.state is AlertState.RESOLVED, by)


@lru_cache(1_000)
def _heard(episode: int, resolved: bool, by: str) -> Told:
    """Most alerts of a storm have been told in the same words: they share them."""
    return Told(episode=episode, resolved=resolved, acknowledged_by=by)


def message(group: Group, seen: Group, telling: Telling, sink: str) -> Notification:
    """The message of one flush for one sink; its id is made of what names it, so that a replayed judgement repeats it.

    `seen` is the group with its members in brief.
    """
    found = list(_views(group, seen, telling.silenced))
    news = "|".join([f"{key} {view.state} {view.attempts} {view.starts_at}" for key, view in found if view.fresh])
    name = f"{sink}|{group.key}|{group.created_at}|{telling.flush}|{news}"
    return _made(group, telling, [view for _, view in found], name)


def beside(
    group: Group, reason: NotifyReason, at: Millis, silenced: Container[str], sink: str, external_url: str
) -> Notification | None:
    """A message without news: what the receiver was told and still fires, as it knows it; `None` where nothing does.

    Where a group has moved, what has ended since is shown as well, since nobody else will say so under its name.
    """
    views = [
        _view(alert, told, fresh=False, hushed=key in silenced)
        for key, alert in group.members.items()
        if (told := group.told.get(key)) and not told.resolved and not alert.fact
        if reason is NotifyReason.MOVED or alert.state is AlertState.FIRING
    ]
    views.sort(key=lambda view: (view.state != AlertState.FIRING, view.starts_at, view.fingerprint))
    telling = Telling(
        reason=reason, at=at, flush=group.flush, silenced=silenced, held_back=0, external_url=external_url
    )
    name = f"{sink}|{group.key}|{group.created_at}|{group.flush}|{reason.value} {group.asides}"
    return _made(group, telling, views, name) if views else None


def _made(group: Group, telling: Telling, views: Sequence[AlertView], name: str) -> Notification:
    firing = sum([view.state == AlertState.FIRING for view in views])
    return Notification(
        id="cw_" + hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32],
        receiver=group.receiver,
        group_key=group.key,
        group_labels=group.labels,
        reason=telling.reason,
        status="firing" if firing else "resolved",
        at=telling.at,
        alerts=tuple(views),
        firing=firing,
        resolved=len(views) - firing,
        fresh=sum([view.fresh for view in views]),
        external_url=telling.external_url,
        held_back=telling.held_back,
    )


def note(ended: Silence | None, count: int, at: Millis, *, receiver: str, route: str) -> Group:
    """A group of its own that tells as a fact how much a silence held back that no other message tells."""
    labels, summary = described(ended)
    name = ended.id if ended else str(at)
    identity = fingerprint(labels)
    fact = Alert(
        key=f"{identity}#{name}",
        fingerprint=identity,
        rule=labels["alertname"],
        project=labels.get("project", ""),
        subject=name,
        labels=labels,
        annotations={"summary": summary},
        state=AlertState.FIRING,
        since=at,
        starts_at=at,
        fact=True,
        observed_at=at,
    )
    return Group(
        key=f"silence {name} -> {receiver}",
        receiver=receiver,
        route=route,
        labels=labels,
        created_at=at,
        members={fact.key: fact},
        held_back={name: count},
    )


def _views(group: Group, seen: Group, silenced: Container[str]) -> Iterator[tuple[str, AlertView]]:
    """The alerts of a group as a message shows them: what is fresh first, firing before resolved, then by age."""
    shown = {
        key: is_news(alert, group.told.get(key), silenced=key in silenced)
        for key, alert in seen.members.items()
        if is_shown(group.told.get(key), silenced=key in silenced)
    }

    def order(key: str) -> tuple[bool, bool, Millis, str]:
        alert = seen.members[key]
        return (not shown[key], alert.state is AlertState.RESOLVED, alert.starts_at, key)

    for key in sorted(shown, key=order):
        alert, before = group.members[key], group.told.get(key)
        hushed = before is not None and key in silenced and not shown[key]
        yield key, _view(alert, before, fresh=shown[key], hushed=hushed)


def _view(alert: Alert, before: Told | None, *, fresh: bool, hushed: bool) -> AlertView:
    """An alert as its receiver is to see it: what it has not heard of only where it is told that now."""
    known = before is not None and (hushed or not fresh)
    return AlertView(
        fingerprint=alert.fingerprint,
        labels=alert.labels,
        annotations=alert.annotations,
        state=alert.state.value,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        fact=alert.fact,
        fresh=fresh,
        attempts=before.episode if before and known else alert.episode,
        acknowledged_by=taken_on(alert, before),
        silenced=hushed,
    )
