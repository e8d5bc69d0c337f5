"""How soon to look again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import BLIND_AFTER, HOUR, MINUTE, POLL, PROJECT, SECOND, quick
from watcher.core import cadence
from watcher.core.cadence import Cadence
from watcher.core.sight import SourceState

PACE = Cadence(normal=POLL, fast=5 * SECOND, blind_after=BLIND_AFTER)
WELL = SourceState(project=PROJECT, since=START, last_ok=START)


def failing(times: int, *, blind: bool = False) -> SourceState:
    return replace(WELL, failures=times, blind=blind)


@pytest.mark.parametrize(
    ("state", "busy", "refused", "shortest", "longest"),
    [
        (WELL, False, False, 30 * SECOND, 30 * SECOND),
        (WELL, True, False, 5 * SECOND, 5 * SECOND),
        (failing(1), False, False, 30 * SECOND, 30 * SECOND),
        (failing(1), True, False, 30 * SECOND, 30 * SECOND),
        (failing(1, blind=True), False, False, 30 * SECOND, 30 * SECOND),
        (failing(1, blind=True), True, False, 30 * SECOND, 30 * SECOND),
        (failing(2, blind=True), False, False, 45 * SECOND, MINUTE),
        (failing(3, blind=True), False, False, 90 * SECOND, 2 * MINUTE),
        (failing(1_000, blind=True), False, False, 90 * SECOND, 2 * MINUTE),
        (failing(1, blind=True), False, True, MINUTE, MINUTE),
        (failing(1_000, blind=True), False, True, 3 * MINUTE, 4 * MINUTE),
        (failing(0, blind=True), False, False, 30 * SECOND, 30 * SECOND),
    ],
    ids=[
        "normal",
        "fast while something is under way",
        "a failure is no reason for haste",
        "not even while something is under way",
        "blind",
        "blind and busy",
        "backing off",
        "further",
        "not for ever: sight regained is noticed in time",
        "refused credentials once a minute at most",
        "refused credentials back off",
        "blind when the daemon starts",
    ],
)
def test_the_next_poll_is_between(state: SourceState, busy: bool, refused: bool, shortest: int, longest: int) -> None:
    waits = [
        cadence.interval(PACE, state, busy=busy, jitter=jitter, refused=refused) for jitter in (0.0, 0.5, 0.999_999)
    ]
    assert waits == sorted(waits)
    assert waits[0] == shortest
    assert waits[-1] == pytest.approx(longest, abs=1)


@pytest.mark.parametrize("normal", [SECOND, 10 * SECOND, POLL, 5 * MINUTE])
def test_refused_credentials_are_tried_seventy_times_an_hour_at_most(normal: int) -> None:
    """Row 2 of the failure catalogue: a token endpoint that refuses sees no tight loop."""
    pace = Cadence(normal=normal, fast=SECOND, blind_after=3 * normal + MINUTE)
    now, tries = 0, 0
    while now < HOUR:
        tries += 1
        now += cadence.interval(pace, failing(tries, blind=True), busy=True, refused=True)
    assert tries <= 70


@pytest.mark.parametrize(
    ("state", "at"),
    [
        (WELL, None),
        (failing(1, blind=True), None),
        (failing(1), START + BLIND_AFTER + 1),
        (replace(failing(3), last_ok=0, since=START + HOUR), START + HOUR + BLIND_AFTER + 1),
    ],
    ids=["seen", "told already", "failing", "never seen"],
)
def test_when_a_failing_source_becomes_blind(state: SourceState, at: int | None) -> None:
    assert cadence.blind_at(PACE, state) == at


@quick
@given(
    st.integers(SECOND, HOUR),
    st.integers(0, 50),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.floats(0, 1, exclude_max=True),
)
def test_a_blind_source_is_neither_hammered_nor_forgotten(
    normal: int, failures: int, blind: bool, busy: bool, refused: bool, jitter: float
) -> None:
    pace = Cadence(normal=normal, fast=min(normal, 5 * SECOND), blind_after=3 * normal + MINUTE)
    wait = cadence.interval(pace, failing(failures, blind=blind), busy=busy, jitter=jitter, refused=refused)
    assert wait >= (pace.fast if busy and not blind and not failures else normal)
    assert wait <= max(normal, cadence.BLIND_CAP)
    if blind and refused:
        assert wait >= cadence.CREDENTIALS_FLOOR
