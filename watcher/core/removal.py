"""The end of the log endpoints: how it is counted down, and what is remembered once they are gone."""

from collections.abc import Mapping
from dataclasses import replace

from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.sight import SourceState, source_event

DAY: Millis = 86_400_000
LAST_DAY = "2027-01-31"
"""Announced by commercetools on 6 November 2026: the endpoints are removed after this day."""
LAST_MIDNIGHT: Millis = 1_801_353_600_000
"""The beginning of that day, in UTC."""
THRESHOLDS = (60, 30, 14, 7, 3, 1)
"""Days before it at which a person is told."""
REMOVED = "removed"
"""Remembered among the values already told: that the endpoints are gone."""
ROUNDS = 3
"""Rounds in a row that must find nothing but 404 and 410 before that is believed."""


def is_removed(state: SourceState) -> bool:
    """Whether a person was told that there are no logs to be polled any more."""
    return REMOVED in state.unknown


def endings(state: SourceState, now: Millis) -> tuple[SourceState, list[Event]]:
    """Say once at each threshold how many days are left; of several that were passed meanwhile, the last."""
    left = LAST_MIDNIGHT - now
    passed = [f"ending={days}" for days in THRESHOLDS if left <= days * DAY]
    if left <= 0 or not passed or passed[-1] in state.unknown:
        return state, []
    fields = {"days": str(-(-left // DAY)), "date": LAST_DAY}
    return replace(state, unknown=state.unknown.union(passed)), [source_event(state, EventType.ENDING, now, fields)]


def removed(state: SourceState, now: Millis, error: str) -> tuple[SourceState, list[Event]]:
    """The endpoints are gone, and that is told once: a blindness that no waiting cures."""
    state = replace(state, failures=state.failures + 1, error=error)
    if is_removed(state):
        return state, []
    fields: Mapping[str, str] = {"from": str(state.last_ok or state.since), "error": error, "removed": "true"}
    event = source_event(state, EventType.BLIND, now, fields)
    return replace(state, blind=True, unknown=state.unknown | {REMOVED}), [event]


def returned(state: SourceState) -> SourceState:
    """They can be read again after all."""
    return replace(state, unknown=state.unknown - {REMOVED}) if is_removed(state) else state
