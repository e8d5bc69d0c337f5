"""Listening to logs that are pushed: how far they have been heard, and what to do with those of a Deployment nobody knows."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from watcher.core import sight
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.sight import SourceState

PAUSE: Millis = 60_000
RESENT: Millis = 120_000
"""After a pause longer than the first, senders have the second to send again what they could not."""
DEAF: Millis = 300_000
"""After so long without listening nobody can say what was written meanwhile: silence counts from then on anew."""
STRANGE_FOR: Millis = 120_000
"""How long records of a Deployment that no list has shown are to come again."""
FEW_STRANGERS = 100
"""Deployments that are waited for at a time. More at once are no news of a deploy but made up."""


class Stranger(StrEnum):
    """What becomes of the records of a Deployment that no list has shown."""

    UNKNOWN = "unknown"
    AWAITED = "awaited"
    BELIEVED = "believed"


def listened(
    known: SourceState | None, first: SourceState, begun: Millis, now: Millis
) -> tuple[SourceState, list[Event]]:
    """How well a source is heard at `now` by a listener that began at `begun`; `first` is what it is at first sight."""
    if known is None:
        return replace(first, last_ok=now, baselined=True), []
    state, told = sight.seen(replace(known, read_to=0), now, DEAF)
    since = now if now - known.last_ok >= DEAF else known.since
    resending = begun - known.last_ok > PAUSE and now - begun < RESENT
    state = replace(state, baselined=True, since=since, last_ok=known.last_ok if resending else now)
    return state, [each for each in told if each.type is not EventType.GAP]


def stranger(since: Millis, now: Millis, listed_at: Iterable[Millis], *, pending: int) -> Stranger:
    """Decide about a Deployment that was first heard of at `since`, given when each project it may belong to was listed last.

    One that was created a moment ago writes before it has been listed. While nothing can be listed it is believed in the end.
    `pending` counts those that wait beside it.
    """
    if pending > FEW_STRANGERS or all(each > since for each in listed_at):
        return Stranger.UNKNOWN
    return Stranger.AWAITED if now - since < STRANGE_FOR else Stranger.BELIEVED
