"""What is told of many messages in one: after an outage, and where a receiver cannot read a message.

A digest is a Notification like any other. Its alerts are those of the messages it stands for, each once and as the
newest of them shows it, so that a recovery is a recovery in it too, and a sink needs to know nothing of digests. In
front of them stands one more, a fact: that there was an outage, how many messages are told here in one, and of when.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from watcher.core import duration
from watcher.core.duration import Millis
from watcher.core.notification import AlertView, Notification, NotifyReason

T = TypeVar("T")

LONG: Millis = 600_000
"""How long a sink must have been down before its backlog is no longer told message by message."""
MANY = 20
"""How many messages that are not critical may wait and still be told one by one."""
AT_ONCE = 500
"""How many messages one digest stands for at most; what is beyond goes into the next."""
ALERTS_AT_ONCE = 5_000
"""How many alerts its messages may have together: it is one row, and one message."""
NAME = "Digest"
_KEPT = frozenset({"summary", "status", "build"})
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a digest stands for: messages, the alerts in them by how they stand, and the time between first and last."""

    messages: int
    firing: int
    resolved: int
    notices: int
    first: Millis
    last: Millis


def is_called_for(away: Millis, waiting: int) -> bool:
    """Whether what waits for a sink that was down for so long is told in one."""
    return away >= LONG and waiting > MANY


def bounded(waiting: Sequence[T], alerts: Callable[[T], int]) -> Sequence[T]:
    """As many of those that wait, from the first, as one digest can stand for; one at least."""
    total = 0
    for at, each in enumerate(waiting):
        total += alerts(each)
        if total > ALERTS_AT_ONCE:
            return waiting[: max(at, 1)]
    return waiting


def merged(messages: Sequence[Notification], sink: str, now: Millis) -> tuple[Notification, Tally]:
    """One message for several, oldest first, and what it counts. Facts are never one: each has happened."""
    views: dict[tuple[str, Millis], AlertView] = {}
    for message in messages:
        for view in message.alerts:
            key = (view.fingerprint, view.starts_at if view.fact else 0)
            before = views.pop(key, None)
            views[key] = _brief(replace(view, fresh=view.fresh or (before is not None and before.fresh)))
    tally = _tally(messages, views.values())
    began = min((view.starts_at for view in views.values()), default=now)
    alerts = (_fact(tally, messages[-1], began, now), *views.values())
    firing = sum(view.state == "firing" for view in alerts)
    made = Notification(
        id=_name(sink, messages),
        receiver=messages[-1].receiver,
        group_key=f"{NAME}: {sink}",
        group_labels={},
        reason=NotifyReason.DIGEST,
        status="firing" if tally.firing or tally.notices else "resolved",
        at=now,
        alerts=alerts,
        firing=firing,
        resolved=len(alerts) - firing,
        fresh=sum(view.fresh for view in alerts),
        external_url=messages[-1].external_url,
        held_back=sum(message.held_back for message in messages),
    )
    return made, tally


def reduced(message: Notification) -> Notification:
    """The least that can be said: the first alert in few plain words, and how many more there are. The counts stay."""
    if not message.alerts:
        return message
    first, *others = sorted(message.alerts, key=lambda view: (not view.fresh, view.state == "resolved"))
    summary = _plain(first.annotations.get("summary", "")) or _plain(first.labels.get("alertname", ""))
    if others:
        ended = sum(view.state == "resolved" for view in others)
        summary = f"{summary} (+{len(others)} more: {len(others) - ended} firing, {ended} resolved)"
    labels = {name: _plain(value) for name, value in first.labels.items()}
    view = replace(first, labels=labels, annotations={"summary": summary})
    group_labels = {name: _plain(value) for name, value in message.group_labels.items()}
    return replace(message, alerts=(view,), group_labels=group_labels)


def _tally(messages: Sequence[Notification], views: Iterable[AlertView]) -> Tally:
    found = list(views)
    resolved = sum(view.state == "resolved" for view in found)
    notices = sum(view.fact and view.state != "resolved" for view in found)
    times = [message.at for message in messages]
    return Tally(
        messages=len(messages),
        firing=len(found) - resolved - notices,
        resolved=resolved,
        notices=notices,
        first=min(times),
        last=max(times),
    )


def _fact(tally: Tally, last: Notification, began: Millis, now: Millis) -> AlertView:
    """What stands in front: it begins before everything else, because sinks show what is oldest first."""
    counts = ", ".join(
        f"{count} {word}"
        for count, word in ((tally.firing, "firing"), (tally.resolved, "resolved"), (tally.notices, "noted"))
        if count
    )
    span = duration.rough(max(tally.last - tally.first, 0))
    summary = (
        f"{tally.messages} messages that could not be delivered are told in this one, "
        f"the oldest {duration.rough(max(now - tally.first, 0))} old, written within {span}: {counts or 'no alerts'}"
    )
    name = hashlib.sha256(f"{last.id} {tally.first}".encode(errors="surrogatepass")).hexdigest()[:16]
    labels = {"alertname": NAME, "severity": "warning"}
    return AlertView(
        fingerprint=name,
        labels=labels,
        annotations={"summary": summary},
        state="firing",
        starts_at=min(began, tally.first) - 1,
        fact=True,
    )


def _brief(view: AlertView) -> AlertView:
    """A view among hundreds: what a line shows of it."""
    return replace(view, annotations=_chosen(view.annotations))


def _chosen(annotations: Mapping[str, str]) -> dict[str, str]:
    return {name: text[:_LONGEST] for name, text in annotations.items() if name in _KEPT}


def _plain(text: str) -> str:
    """Words that every receiver can read."""
    shown = "".join(character if character.isprintable() and character.isascii() else "?" for character in text)
    return shown[:_LONGEST]


def _name(sink: str, messages: Sequence[Notification]) -> str:
    """An id that is the same for the same messages."""
    text = "|".join((sink, *(message.id for message in messages)))
    return "cw_" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
