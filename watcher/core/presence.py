"""Decide about records that a list no longer shows: gone, only hidden, or a list not to be believed.

A missing record is gone when the list and a read of its own agree, twice. When most of a project is missing at
once, or a read finds what the list denies, it is the list that is suspect (design truth 7).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from watcher.core.event import Event, EventType, about
from watcher.core.sight import SourceState, source_event
from watcher.core.snapshot import Record

AGREEMENTS = 2
"""How often list and single read must agree that a record is gone."""
SUSPICIOUS_POLLS = 3
"""Unbelievable lists in a row before a person hears of it."""
PROBES = 20
"""Single reads for each poll, so that a project emptied on purpose does not cause a burst of requests."""
MASS_SHARE, MASS_COUNT = 0.5, 5
ANNOUNCED = frozenset({"Undeploying", "UndeployFailed"})
"""Statuses after which an end is no surprise: somebody asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """What this poll means for what it did not show: which ids to read one by one, and whether the list is suspect."""

    missing: tuple[str, ...]
    suspect: bool
    probe: tuple[str, ...]


def absence(known: Mapping[str, Record], listed: Collection[str], state: SourceState) -> Absence:
    """Look at what is missing. A suspect list is not checked read by read until a person has been told of it."""
    missing = tuple(key for key in known if key not in listed)
    unexpected = sum(known[key].status not in ANNOUNCED for key in missing)
    emptied = not listed and unexpected > 1
    suspect = emptied or (unexpected >= MASS_COUNT and unexpected > MASS_SHARE * len(known))
    told = state.suspicious >= SUSPICIOUS_POLLS
    return Absence(missing=missing, suspect=suspect, probe=missing[:PROBES] if told or not suspect else ())


def agreed(
    before: Mapping[str, int], found: Mapping[str, Record | None], missing: Collection[str]
) -> tuple[dict[str, int], list[str]]:
    """Count agreements of this poll: `found` holds the single reads that answered (`None`: it does not exist).

    Returns the counts to carry on and the ids that are now held to be gone. A read that failed leaves a count alone.
    """
    counts: dict[str, int] = {}
    for key in missing:
        count = before.get(key, 0)
        if key in found:
            count = count + 1 if found[key] is None else 0
        counts[key] = count
    gone = [key for key, count in counts.items() if count >= AGREEMENTS]
    return {key: count for key, count in counts.items() if 0 < count < AGREEMENTS}, gone


def suspicion(
    state: SourceState, absence: Absence, known: int, *, doubtful: bool, at: int
) -> tuple[SourceState, list[Event]]:
    """Count unbelievable lists in a row; the one that makes it `SUSPICIOUS_POLLS` is told, once.

    `doubtful` counts a list that a single read has belied as well as one that lacks a crowd. Where the crowd goes
    missing only after the first of these was told, that is told, too.
    """
    if not doubtful:
        return replace(state, suspicious=0, crowd=0, crowd_gone=0), []
    state = replace(state, suspicious=state.suspicious + 1)
    is_crowd = absence.suspect and not state.crowd and state.suspicious >= SUSPICIOUS_POLLS
    if not is_crowd and state.suspicious != SUSPICIOUS_POLLS:
        return state, []
    missing = len(absence.missing)
    event = source_event(state, EventType.SUSPICIOUS, at, {"missing": str(missing), "known": str(known)})
    return replace(state, crowd=missing if is_crowd else state.crowd), [event]


def is_crowd_missing(state: SourceState, missing: int) -> bool:
    """Whether most of those whose disappearance was told as one are still missing, or gone for good.

    They are held to be gone a few at a time, which must not make the last of them look like losses of their own.
    """
    return missing > 0 and state.crowd > 0 and 2 * (missing + state.crowd_gone) >= state.crowd


def gone_event(record: Record, state: SourceState, at: int) -> Event:
    """The end of a record. `announced` says that it was seen undeploying; `mass` that it went in a suspicious crowd."""
    fields = {
        "announced": "true" if record.status in ANNOUNCED else "false",
        "mass": "true" if state.crowd else "false",
    }
    event = about(source_event(state, EventType.GONE, at, fields), record)
    return replace(event, previous_status=record.status, previous_build=record.build)
