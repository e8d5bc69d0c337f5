"""How well a source is seen: when to say that it is blind, and what to say when sight returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from watcher.core.duration import Millis
from watcher.core.event import Event, EventType

FORBIDDEN = "forbidden"
"""Remembered among the values already told: that this source was refused before it was ever seen."""
PRIMARY = "deployments"
DEFINITE_FAILURES = 3
"""Polls in a row that must be refused (401, 403, 404) before the refusal is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What is remembered about one source of one project.

    `since` is when it was first tried, `last_ok` when it was last read in full (0: never), `failures` the failed
    reads since then. `blind` means a person has been told. `suspicious` counts polls in a row whose list could not be
    believed; `crowd` is how many were missing when that was told, `crowd_gone` how many of them are gone by now. `cuts` counts
    lists in a row that ended before they should have. `read_to` is up to when all logs have been read (0: as far as they
    could be at `last_ok`). `unknown` holds the undocumented values already told.
    """

    project: str
    source: str = PRIMARY
    region: str = ""
    since: Millis = 0
    last_ok: Millis = 0
    failures: int = 0
    error: str = ""
    blind: bool = False
    baselined: bool = False
    suspicious: int = 0
    crowd: int = 0
    crowd_gone: int = 0
    truncated: bool = False
    cuts: int = 0
    read_to: Millis = 0
    unknown: frozenset[str] = field(default_factory=frozenset)

    @property
    def seen_to(self) -> Millis:
        """Up to when everything has been seen: what is read with a delay is seen less far than it can be read."""
        return min(self.read_to, self.last_ok) if self.read_to else self.last_ok

    @property
    def is_primary(self) -> bool:
        """Whether it is what a project is watched for; the others are told of only where they have something to tell."""
        return self.source == PRIMARY

    @property
    def is_forbidden(self) -> bool:
        """Whether it was refused before it was ever seen, and that was told."""
        return FORBIDDEN in self.unknown and not self.baselined


def source_event(state: SourceState, kind: EventType, at: Millis, fields: Mapping[str, str] | None = None) -> Event:
    """A fact that was observed at `at` through the source that `state` is about."""
    return Event(
        type=kind,
        project=state.project,
        region=state.region,
        source=state.source,
        at=at,
        sight=state.last_ok,
        fields=fields or {},
    )


def seen(state: SourceState, at: Millis, blind_after: Millis) -> tuple[SourceState, list[Event]]:
    """A read succeeded at `at`: sight regained if a person knew it was lost, a gap if they did not."""
    events: list[Event] = []
    span = {"from": str(state.last_ok or state.since), "to": str(at)}
    if state.blind:
        events.append(source_event(state, EventType.SIGHTED, at, span))
    elif state.last_ok and at - state.last_ok > blind_after:
        events.append(source_event(state, EventType.GAP, at, span))
    return replace(state, last_ok=at, failures=0, error="", blind=False), events


def missed(
    state: SourceState, at: Millis, blind_after: Millis, *, error: str, refusal: str = ""
) -> tuple[SourceState, list[Event]]:
    """A read failed at `at`. `refusal` is `credentials` (believed at once), `definite` (believed after a few) or empty."""
    return assess(failed(state, error), at, blind_after, refusal=refusal)


class Miss(StrEnum):
    """What a failed read of a source means: it counts against its sight, or why it is told otherwise or not at all."""

    COUNTED = "counted"
    FORBIDDEN = "forbidden"
    NEVER_SEEN = "never_seen"
    OVERSHADOWED = "overshadowed"


def miss(state: SourceState, at: Millis, blind_after: Millis, *, refusal: str, optional: bool, trouble: Millis) -> Miss:
    """Decide about a failed read. `trouble` is when the source beside this one, of the same API, was last blind or failing.

    What need not be watched and was refused before it was ever seen is no blindness, and cannot become one. While both
    sources fail, and for as long as it takes to tell afterwards, the other one is told.
    """
    if optional and not state.baselined and refusal == "definite":
        return Miss.FORBIDDEN
    if state.is_forbidden:
        return Miss.NEVER_SEEN
    return Miss.OVERSHADOWED if trouble and at - trouble <= blind_after else Miss.COUNTED


def is_recovery(state: SourceState, at: Millis, blind_after: Millis) -> bool:
    """Whether a good read at `at` ends a blindness, rather than a mere stumble."""
    return state.blind or (state.failures > 0 and at - state.last_ok > blind_after)


def failed(state: SourceState, error: str) -> SourceState:
    """One more read has failed; nobody is told."""
    return replace(state, failures=state.failures + 1, error=error)


def forbidden(state: SourceState, at: Millis, error: str) -> tuple[SourceState, list[Event]]:
    """A source that need not be watched has never been seen, and is refused: told once, and it is not blindness.

    An API client that may read Deployments only is a sound choice, and no reason to wake anybody.
    """
    state = failed(state, error)
    if state.is_forbidden:
        return state, []
    event = source_event(state, EventType.FORBIDDEN, at, {"error": error})
    return replace(state, unknown=state.unknown | {FORBIDDEN}), [event]


def assess(
    state: SourceState, at: Millis, blind_after: Millis, *, refusal: str = ""
) -> tuple[SourceState, list[Event]]:
    """Say once that the source is blind, when its last sight is too old or its refusal is definite.

    Age alone is not enough: a daemon that slept for a week has an old last sight and no failure yet.
    """
    definite = refusal == "credentials" or (refusal == "definite" and state.failures >= DEFINITE_FAILURES)
    stale = state.failures > 0 and at - (state.last_ok or state.since) > blind_after
    if state.blind or not (definite or stale):
        return state, []
    fields = {"from": str(state.last_ok or state.since), "error": state.error}
    return replace(state, blind=True), [source_event(state, EventType.BLIND, at, fields)]
