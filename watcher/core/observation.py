"""One round of observing one source, as a pure step: what was known, what was listed, what single reads said → what to commit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic

from watcher.core import presence, sight
from watcher.core.diff import Changes, announcement, baseline, diff, unknown_values
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.presence import Absence
from watcher.core.sight import SourceState, source_event
from watcher.core.snapshot import Listing, R_co

OFFSET_LIMIT = 10_000
"""The largest offset that the API takes."""
CUTS = 3
"""Lists in a row that must end early before a person hears of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Generic[R_co]):
    """What is known of a source before a round. `absent` counts agreements on what is missing."""

    state: SourceState
    records: Mapping[str, R_co]
    absent: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round(Generic[R_co]):
    """What a round found: the new state of the source, what to write, what to record."""

    state: SourceState
    upserts: tuple[R_co, ...]
    removed: tuple[str, ...]
    events: tuple[Event, ...]
    absent: Mapping[str, int]


def look(known: Known[R_co], listing: Listing[R_co]) -> Absence:
    """What the listing leaves open, so what to read one by one. A listing cut short by the API shows nothing missing."""
    if not known.state.baselined or listing.truncated:
        return Absence(missing=(), suspect=False, probe=())
    if listing.unchanged and not known.absent and len(listing.records) == len(known.records):
        return Absence(missing=(), suspect=False, probe=())
    found = presence.absence(known.records, listing.records.keys(), known.state)
    if listing.composed:
        return replace(found, suspect=False, probe=())
    if (
        listing.quarantined
    ):  # what could not be read is there, so that something is missing proves nothing against the list
        return replace(found, suspect=False, probe=found.missing[: presence.PROBES])
    return found


def digest(
    known: Known[R_co],
    listing: Listing[R_co],
    absence: Absence,
    answers: Mapping[str, R_co | None],
    now: Millis,
    *,
    blind_after: Millis,
) -> Round[R_co]:
    """Everything that follows from a listing that was read in full at `now`."""
    before = known.state
    state, events = sight.seen(before, now, blind_after)
    found = tuple(each for each in answers.values() if each is not None)
    absent, gone = presence.agreed(known.absent, answers, absence.missing)
    if listing.composed:
        absent, gone = {}, list(absence.missing)
    belied = bool(found) and not listing.quarantined
    unanswered = any(key not in answers for key in absence.probe)
    doubtful = absence.suspect or belied or unanswered or presence.is_crowd_missing(state, len(absence.missing))
    state, told = presence.suspicion(state, absence, len(known.records), doubtful=doubtful, at=now)
    events += told
    state, told = _cut_short(state, listing, now)
    events += told
    changes = _changes(known, listing, found, replace(state, last_ok=before.last_ok), now)
    state, told = unknown_values(changes.upserts, state, now)
    events += (*told, *changes.events)
    state, told = announcement(listing.notice, state, now)
    events += told
    events += (presence.gone_event(known.records[key], state, now) for key in gone)
    return Round(
        state=replace(state, baselined=True, crowd_gone=state.crowd_gone + len(gone) if state.crowd else 0),
        upserts=changes.upserts,
        removed=tuple(gone),
        events=tuple(each if each.sight == before.last_ok else replace(each, sight=before.last_ok) for each in events),
        absent=absent,
    )


def _changes(
    known: Known[R_co], listing: Listing[R_co], found: tuple[R_co, ...], state: SourceState, now: Millis
) -> Changes[R_co]:
    """An unchanged listing needs no look at its records: they are what is known.

    `state` was last read when it was before, so that events have the right sight from the start and are not copied for it.
    """
    if not known.state.baselined:
        return baseline(listing.records.values(), state, now)
    listed = () if listing.unchanged else listing.records.values()
    return diff(known.records, (*listed, *found), state, now)


def _cut_short(state: SourceState, listing: Listing[R_co], now: Millis) -> tuple[SourceState, list[Event]]:
    """That there is more than can be seen is told once, until it all fits again.

    The API lists up to an offset of 10,000, which is so at once. A list that ends early for another reason, such as a
    server that repeats a page, may be a list that changed while it was read, so that one has to persist.
    """
    cuts = state.cuts + 1 if listing.truncated else 0
    cut = cuts > 0 and (listing.total > OFFSET_LIMIT or state.truncated or cuts >= CUTS)
    fresh = cut and not state.truncated
    state = replace(state, truncated=cut, cuts=min(cuts, CUTS))
    if not fresh:
        return state, []
    event = source_event(
        state, EventType.TRUNCATED, now, {"visible": str(len(listing.records)), "total": str(listing.total)}
    )
    return state, [event]
