"""How soon to look again: fast while something is under way, backing off while blind, never past a deadline."""

from dataclasses import dataclass

from watcher.core.duration import Millis
from watcher.core.sight import SourceState

BLIND_CAP: Millis = 300_000
CREDENTIALS_FLOOR: Millis = 60_000
"""A token endpoint that refuses is asked once a minute at most: more looks like an attack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """The polling intervals of one project, in milliseconds."""

    normal: Millis
    fast: Millis
    blind_after: Millis


def interval(cadence: Cadence, state: SourceState, *, busy: bool, jitter: float = 0.0, refused: bool = False) -> Millis:
    """Milliseconds from one poll to the next; `jitter` in [0, 1), `refused` when the credentials were."""
    if not state.blind:
        return cadence.fast if busy and not state.failures else cadence.normal
    doubled = cadence.normal << min(max(state.failures - 1, 0), 10)
    wait = min(doubled, BLIND_CAP, 4 * max(cadence.normal, CREDENTIALS_FLOOR) if refused else 4 * cadence.normal)
    wait = max(cadence.normal, int(wait * (0.75 + jitter / 4)))
    return max(wait, CREDENTIALS_FLOOR) if refused else wait


def blind_at(cadence: Cadence, state: SourceState) -> Millis | None:
    """When a failing source becomes blind by age alone, or `None` when nothing is failing or it already is."""
    if state.blind or not state.failures:
        return None
    return (state.last_ok or state.since) + cadence.blind_after + 1
