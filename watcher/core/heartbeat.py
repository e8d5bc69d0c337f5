"""The dead man's switch: whether the daemon may say that it is well, decided from what was seen of it.

Well means that alerts would come: every project has been polled in full lately, nothing that is watched is blind, the
database takes writes, and no message has waited too long. A daemon that is blind is not well: silence of its would be
taken for peace.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from watcher.core import duration
from watcher.core.duration import Millis
from watcher.core.sight import PRIMARY, SourceState

SLACK: Millis = 5_000
"""What a poll may take, and its being planned, beside its interval."""
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How one source of a project is seen. `read_at` is when it was last read in full (0: never), every `pace` at the most.

    `needed` marks the source that a project is watched for; the others must only not be blind.
    """

    project: str
    source: str
    read_at: Millis
    pace: Millis
    blind: bool = False
    needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What is seen of the daemon at a moment. `waiting_since` is the age of the oldest message that is not settled."""

    watches: Sequence[Watch]
    written: bool
    waiting_since: Millis | None = None
    stalled: Sequence[str] = ()


def watches(states: Iterable[SourceState], paces: Mapping[tuple[str, str], Millis]) -> list[Watch]:
    """How everything that is watched is seen, by project and source. `paces` has what is watched, and how often it is read."""
    known = {(each.project, each.source): each for each in states}
    return [
        Watch(
            project=project,
            source=source,
            read_at=state.last_ok if (state := known.get((project, source))) else 0,
            pace=pace,
            blind=state is not None and state.blind,
            needed=source == PRIMARY,
        )
        for (project, source), pace in paces.items()
    ]


def complaint(vitals: Vitals, now: Millis, *, since: Millis, longest_wait: Millis) -> str:
    """Why the daemon is not well at `now`, in words that hold no secret; empty where it is.

    `since` is when this was last asked. A project that is polled less often than that is given two of its intervals.
    """
    reasons = (
        _named("nothing moves in", vitals.stalled),
        "" if vitals.written else "the database takes no writes",
        _named("blind on", [f"{each.source} of {each.project}" for each in vitals.watches if each.blind]),
        _named("not polled in time:", [each.project for each in vitals.watches if _is_late(each, now, since)]),
        _waited(vitals.waiting_since, now, longest_wait),
    )
    return "; ".join(filter(None, reasons))


def _is_late(watch: Watch, now: Millis, since: Millis) -> bool:
    if watch.blind or not watch.needed:
        return False
    return watch.read_at < min(since, now - 2 * watch.pace - SLACK) or watch.read_at == 0


def _waited(waiting_since: Millis | None, now: Millis, longest: Millis) -> str:
    if waiting_since is None or now - waiting_since <= longest:
        return ""
    return f"a message has waited for {duration.rough(now - waiting_since)}"


def _named(words: str, names: Sequence[str]) -> str:
    """The first few of what is wrong, and how many more there are."""
    if not names:
        return ""
    more = len(names) - NAMED
    return f"{words} {', '.join(names[:NAMED])}{f' and {more} more' if more > 0 else ''}"
