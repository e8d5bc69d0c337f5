"""What becomes of a delivery after an attempt (design rules 1-2 of the delivery promises)."""

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import HOUR, MINUTE, SECOND, quick
from watcher.core.delivery import (
    BUDGET,
    MALFORMED_ATTEMPTS,
    Delivery,
    DeliveryState,
    Outcome,
    Settlement,
    backoff,
    settle,
)

RETRIED = (Outcome.UNSENT, Outcome.REJECTED, Outcome.UNKNOWN)


def delivery(attempts: int = 1, severity: str = "warning") -> Delivery:
    return Delivery(
        id="cw_1",
        sink="team/webhook/0",
        lane="l",
        seq=1,
        notification=b"",
        created_at=START,
        observed_at=START,
        severity=severity,
        attempts=attempts,
    )


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [
        (1, 2 * SECOND),
        (2, 10 * SECOND),
        (3, 30 * SECOND),
        (4, 2 * MINUTE),
        (5, 10 * MINUTE),
        (6, 30 * MINUTE),
        (7, HOUR // 2),
        (500, HOUR // 2),
    ],
)
def test_the_schedule_of_retries(attempts: int, wait: int) -> None:
    assert backoff(attempts, 0.0) == wait


@pytest.mark.parametrize("outcome", RETRIED)
@pytest.mark.parametrize("severity", ["critical", "warning", "info", ""])
@pytest.mark.parametrize("attempts", [1, 6, 50])
def test_what_may_still_arrive_is_tried_again_after_its_wait(outcome: Outcome, severity: str, attempts: int) -> None:
    found = settle(delivery(attempts, severity), outcome, START + MINUTE)
    assert found == Settlement(state=DeliveryState.PENDING, due_at=START + MINUTE + backoff(attempts, 0.0))


@pytest.mark.parametrize("age", [0, BUDGET, 10 * BUDGET])
def test_what_was_taken_is_over_however_old(age: int) -> None:
    found = settle(delivery(), Outcome.DELIVERED, START + age, retry_after=HOUR)
    assert found == Settlement(state=DeliveryState.DELIVERED, due_at=None)


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, HOUR // 2), (0.5, 3 * HOUR // 4), (0.999_999_999, HOUR - 1)])
@pytest.mark.parametrize("attempts", [1, 100])
def test_what_is_refused_is_held_and_tried_about_hourly(attempts: int, jitter: float, wait: int) -> None:
    found = settle(delivery(attempts), Outcome.REFUSED, START, jitter=jitter)
    assert found == Settlement(state=DeliveryState.HELD, due_at=START + wait)


@pytest.mark.parametrize("outcome", [*RETRIED, Outcome.REFUSED])
@pytest.mark.parametrize(
    ("severity", "age", "dead"),
    [
        ("warning", 72 * HOUR - 1, False),
        ("warning", 72 * HOUR, True),
        ("info", 100 * HOUR, True),
        ("", 100 * HOUR, True),
        ("critical", 72 * HOUR, False),
        ("critical", 9_999 * HOUR, False),
    ],
)
def test_after_72_hours_what_is_not_critical_is_a_dead_letter(
    outcome: Outcome, severity: str, age: int, dead: bool
) -> None:
    found = settle(delivery(60, severity), outcome, START + age)
    assert (found.state is DeliveryState.DEAD) == dead
    assert (found.due_at is None) == dead


def test_a_delivery_that_was_never_tried_in_its_72_hours_gets_its_attempt() -> None:
    """A daemon that was down for a week tries what it finds; only what fails then is given up."""
    assert settle(delivery(1), Outcome.DELIVERED, START + 168 * HOUR).state is DeliveryState.DELIVERED


@pytest.mark.parametrize(
    ("attempts", "wish", "wait"),
    [
        (1, None, 2 * SECOND),
        (1, 0, 2 * SECOND),
        (1, -5, 2 * SECOND),
        (1, SECOND, 2 * SECOND),
        (1, 30 * SECOND, 30 * SECOND),
        (1, HOUR, HOUR),
        (1, HOUR + 1, HOUR),
        (1, 10**15, HOUR),
        (5, 30 * SECOND, 10 * MINUTE),
    ],
    ids=[
        "none",
        "zero",
        "negative",
        "sooner than planned",
        "later",
        "an hour",
        "too long",
        "absurd",
        "sooner than planned",
    ],
)
def test_a_wish_of_the_receiver_is_held_between_a_second_and_an_hour(
    attempts: int, wish: int | None, wait: int
) -> None:
    found = settle(delivery(attempts), Outcome.REJECTED, START, retry_after=wish)
    assert found.due_at == START + wait


@pytest.mark.parametrize("attempts", [1, 6, 50])
@pytest.mark.parametrize(("wish", "wait"), [(7 * SECOND, 7 * SECOND), (0, SECOND), (2 * HOUR, HOUR)])
def test_who_only_came_too_often_comes_again_just_when_it_may(attempts: int, wish: int, wait: int) -> None:
    found = settle(delivery(attempts), Outcome.REJECTED, START, retry_after=wish, limited=True)
    assert found == Settlement(state=DeliveryState.PENDING, due_at=START + wait)


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_what_cannot_be_read_is_tried_a_few_times_whatever_else_went_wrong_before(severity: str) -> None:
    rows = [replace(delivery(50, severity), malformed=n) for n in range(MALFORMED_ATTEMPTS)]
    found = [settle(each, Outcome.MALFORMED, START) for each in rows]
    assert [each.due_at for each in found] == [START + 2 * SECOND, START + 10 * SECOND, START + 30 * SECOND, None]
    assert found[-1].state is DeliveryState.DEAD


def test_what_was_replayed_has_its_whole_budget_again() -> None:
    row = replace(delivery(60), replayed_at=START + 100 * HOUR)
    assert settle(row, Outcome.UNSENT, START + 172 * HOUR - 1).state is DeliveryState.PENDING
    assert settle(row, Outcome.UNSENT, START + 172 * HOUR).state is DeliveryState.DEAD


jitters = st.floats(0, 1, exclude_max=True)


@quick
@given(st.integers(1, 100), jitters)
def test_waits_grow_until_they_are_about_hourly(attempts: int, jitter: float) -> None:
    waits = [backoff(n, jitter) for n in range(1, attempts + 1)]
    assert waits == sorted(waits)
    assert waits[0] >= 2 * SECOND
    assert waits[-1] <= HOUR


@quick
@given(
    st.sampled_from(list(Outcome)),
    st.integers(1, 200),
    st.sampled_from(["critical", "warning", "info", ""]),
    st.integers(0, 100 * HOUR),
    st.one_of(st.none(), st.integers(-(10**12), 10**12)),
    jitters,
)
def test_no_delivery_is_forgotten_dropped_or_hammered(
    outcome: Outcome, attempts: int, severity: str, age: int, wish: int | None, jitter: float
) -> None:
    now = START + age
    found = settle(delivery(attempts, severity), outcome, now, retry_after=wish, jitter=jitter)
    if outcome is Outcome.DELIVERED:
        assert found == Settlement(state=DeliveryState.DELIVERED, due_at=None)
    elif found.due_at is None:
        assert found.state is DeliveryState.DEAD
        assert severity != "critical"
        assert age >= BUDGET
    else:
        assert found.state in {DeliveryState.PENDING, DeliveryState.HELD}
        assert 2 * SECOND <= found.due_at - now <= HOUR


def test_a_delivery_is_tried_often_at_first_and_about_eighty_times_before_it_is_given_up() -> None:
    times = list(accumulate(backoff(n, 0.5) for n in range(1, 200)))
    assert sum(at <= 5 * MINUTE for at in times) >= 4
    assert 72 <= sum(at < BUDGET for at in times) <= 150
