"""What sinks ask to be told beside the news: that something still stands, that somebody has taken it on, that it moved.

None of it moves the pace of a group, and none of it shows more than its receiver has heard: what is told for the first
time is told to every sink, as news. A sink that forgets what it is not reminded of (an Alertmanager) is refreshed at its
own rhythm for as long as anything fires that it was told of, whatever silences and acknowledgements say. One that keeps
something open for each group (an incident, a card) is told when that goes on under the name of another group.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from watcher.core.duration import Millis
from watcher.core.group import Group
from watcher.core.notification import NotifyReason


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkRef:
    """What dispatching needs to know of a sink.

    `refresh` is how often it wants to be told what still fires, in milliseconds (0: not at all); `acknowledgements` says
    whether it wants to hear of those; `keeps_open` whether it keeps something open for each group.
    """

    id: str
    send_resolved: bool = True
    refresh: Millis = 0
    acknowledgements: bool = False
    keeps_open: bool = False


def stands(group: Group) -> bool:
    """Whether the receiver was told that something fires and was not told that it ended."""
    return any(not each.resolved for each in group.told.values())


def wanted(
    group: Group, sinks: Sequence[SinkRef], now: Millis, *, refresh: bool
) -> Iterator[tuple[SinkRef, NotifyReason]]:
    """The sinks that are to be told something now, and what."""
    for sink in sinks:
        at = _refresh_at(group, sink) if refresh else None
        if (at is not None and at <= now) or (group.moved and sink.keeps_open):
            yield sink, NotifyReason.REFRESH
        elif group.taken_on and sink.acknowledgements:
            yield sink, NotifyReason.ACKNOWLEDGED


def due(group: Group, sinks: Sequence[SinkRef]) -> Millis | None:
    """When there is next something to tell: at once (a time that has passed), or when a sink is to be refreshed."""
    if not stands(group):
        return None
    if (group.taken_on and any(sink.acknowledgements for sink in sinks)) or (
        group.moved and any(sink.keeps_open for sink in sinks)
    ):
        return group.flushed_at
    dues = (_refresh_at(group, sink) for sink in sinks)
    return min((each for each in dues if each is not None), default=None)


def _refresh_at(group: Group, sink: SinkRef) -> Millis | None:
    last = group.heard.get(sink.id, group.flushed_at)
    return last + sink.refresh if sink.refresh and last is not None else None
