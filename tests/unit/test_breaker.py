"""When a sink is down, how it is tried, and when it is back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import HOUR, MINUTE, SECOND, quick
from watcher.core.breaker import FAILURES, PROBES, REFUSED_PROBES, WELL, Breaker, after, sane
from watcher.core.delivery import Outcome

FAILED = (Outcome.UNSENT, Outcome.REJECTED, Outcome.UNKNOWN)


def failing(times: int, outcome: Outcome = Outcome.REJECTED, at: int = START) -> Breaker:
    found = WELL
    for n in range(times):
        found = after(found, outcome, at + n)
    return found


@pytest.mark.parametrize("outcome", FAILED)
def test_a_sink_is_down_after_several_failures_in_a_row(outcome: Outcome) -> None:
    assert [failing(n, outcome).down for n in range(FAILURES + 1)] == [False] * FAILURES + [True]
    found = failing(FAILURES, outcome)
    assert (found.since, found.probe_at) == (START, START + FAILURES - 1 + PROBES[0])


@pytest.mark.parametrize(
    ("outcome", "limited", "failures"),
    [
        (Outcome.DELIVERED, False, 0),
        (Outcome.MALFORMED, False, 0),
        (Outcome.REJECTED, True, FAILURES - 1),
        (Outcome.REJECTED, False, FAILURES),
    ],
)
def test_what_is_no_failure_of_the_sink_is_not_counted_as_one(outcome: Outcome, limited: bool, failures: int) -> None:
    assert after(failing(FAILURES - 1), outcome, START + 9, limited=limited).failures == failures


def test_a_sink_that_is_down_is_tried_less_and_less_often_and_in_the_end_every_few_minutes() -> None:
    found, waits = failing(FAILURES), []
    for _ in range(7):
        waits.append(found.probe_at)
        found = after(found, Outcome.UNKNOWN, found.probe_at, jitter=0.5)
        waits[-1] = found.probe_at - waits[-1]
    assert waits == [*PROBES[1:-1], *[PROBES[-1] * 3 // 4] * 4]


def test_a_failure_that_had_begun_before_does_not_count_as_another_probe() -> None:
    found = failing(FAILURES)
    assert after(found, Outcome.UNKNOWN, found.probe_at - 1) == found


def test_who_refuses_is_down_at_once_asked_again_soon_and_hourly_then() -> None:
    first = after(WELL, Outcome.REFUSED, START)
    second = after(first, Outcome.REFUSED, first.probe_at, jitter=0.0)
    third = after(second, Outcome.REFUSED, second.probe_at, jitter=0.999_999_999)
    assert [each.down and each.refusing for each in (first, second, third)] == [True] * 3
    assert first.probe_at == START + REFUSED_PROBES[0] == START + MINUTE
    assert second.probe_at == first.probe_at + HOUR // 2
    assert third.probe_at == second.probe_at + HOUR - 1
    assert third.since == START


def test_who_failed_and_then_refuses_is_one_who_refuses_and_stays_so_until_it_takes_something() -> None:
    refusing = after(failing(FAILURES), Outcome.REFUSED, START + HOUR)
    assert (refusing.refusing, refusing.probe_at, refusing.since) == (True, START + HOUR + MINUTE, START)
    failed = after(refusing, Outcome.UNSENT, refusing.probe_at)
    assert (failed.refusing, failed.down) == (True, True)


@pytest.mark.parametrize("down", [failing(FAILURES), after(WELL, Outcome.REFUSED, START)])
def test_only_a_message_that_is_taken_ends_it(down: Breaker) -> None:
    assert after(down, Outcome.MALFORMED, down.probe_at - PROBES[0]) == down
    assert after(down, Outcome.REJECTED, down.probe_at, limited=True) == down
    assert after(down, Outcome.DELIVERED, down.probe_at - 9 * SECOND) == WELL


@pytest.mark.parametrize("down", [failing(FAILURES), after(WELL, Outcome.REFUSED, START)])
def test_a_message_that_cannot_be_read_is_not_sent_to_who_is_down_again_at_once(down: Breaker) -> None:
    found = after(down, Outcome.MALFORMED, down.probe_at)
    assert found == replace(down, probe_at=down.probe_at + PROBES[0])


def test_a_clock_that_was_set_back_does_not_make_anybody_wait() -> None:
    down = replace(failing(FAILURES), since=START, probe_at=START + 5)
    assert sane(down, START - 24 * HOUR) == replace(down, since=START - 24 * HOUR, probe_at=START - 24 * HOUR)
    assert sane(down, START + 1) == replace(down, probe_at=START + 1)  # not when the process before would have
    assert sane(WELL, START) == WELL


outcomes = st.tuples(st.sampled_from(list(Outcome)), st.integers(0, 2 * HOUR), st.booleans(), st.floats(0, 0.99))


@quick
@given(st.lists(outcomes, max_size=30))
def test_nobody_is_left_alone_for_longer_than_an_hour_nor_forgotten(
    script: list[tuple[Outcome, int, bool, float]],
) -> None:
    found, now = WELL, START
    for outcome, gap, limited, jitter in script:
        now += gap
        found = after(found, outcome, now, limited=limited and outcome is Outcome.REJECTED, jitter=jitter)
        assert found.probe_at <= now + HOUR
        assert found.down == (found.refusing or found.failures >= FAILURES)
        assert (found.since is None) == (found == WELL)
        if found.down and outcome is not Outcome.DELIVERED:
            assert found.since is not None
