"""How fast a destination may be sent to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import HOUR, SECOND, quick
from watcher.core.pacing import Pace, held, ready_at, sane, taken, turns

CHANNEL = Pace(name="channel", every=SECOND)
METHOD = Pace(name="method", every=1_200, burst=3)
OWN = Pace(name="own", every=0)


def sent(paces: tuple[Pace, ...], known: dict[str, int], now: int) -> dict[str, int]:
    return known | taken(paces, known, now)


@pytest.mark.parametrize(
    ("pace", "full", "now", "expected"),
    [
        (CHANNEL, 0, START, 1),
        (CHANNEL, START + SECOND, START, 0),
        (CHANNEL, START + SECOND, START + SECOND - 1, 0),
        (CHANNEL, START + SECOND, START + SECOND, 1),
        (METHOD, 0, START, 3),
        (METHOD, START, START, 3),
        (METHOD, START + 1, START, 2),
        (METHOD, START + 1_200, START, 2),
        (METHOD, START + 2_400, START, 1),
        (METHOD, START + 2_401, START, 0),
        (METHOD, START + 3_600, START, 0),
        (OWN, 0, START, 9),
        (OWN, START + 1, START, 0),
    ],
)
def test_how_many_turns_there_are(pace: Pace, full: int, now: int, expected: int) -> None:
    assert turns([pace], {pace.name: full}, now, 9) == expected


def test_a_turn_is_one_of_each_pace() -> None:
    paces, known = (CHANNEL, METHOD), dict[str, int]()
    for at in (START, START + 1_000, START + 2_000, START + 3_000):
        assert turns(paces, known, at, 9) == 1
        known = sent(paces, known, at)
        assert turns(paces, known, at, 9) == 0
    assert ready_at([CHANNEL], known) == START + 4_000
    assert turns([METHOD], known, START + 3_000, 9) == 1


def test_who_has_no_pace_is_never_waited_for() -> None:
    assert (turns([], {}, START, 4), ready_at([], {}), taken([OWN], {}, START)) == (4, 0, {})


@pytest.mark.parametrize("pace", [CHANNEL, METHOD, OWN])
def test_a_window_in_which_nobody_may_send_ends_when_it_was_said_to_and_with_single_turns(pace: Pace) -> None:
    known = held([pace], {}, START + 30_000)
    assert (turns([pace], known, START + 29_999, 9), ready_at([pace], known)) == (0, START + 30_000)
    assert turns([pace], known, START + 30_000, 9) == (9 if pace is OWN else 1)


def test_a_shorter_window_does_not_end_a_longer_one() -> None:
    known = held([CHANNEL], {}, START + 30_000)
    assert held([CHANNEL], known, START + 5_000) == known


def test_what_a_clock_that_was_set_back_left_is_cut_short_and_what_nobody_uses_forgotten() -> None:
    known = {"channel": START + 24 * HOUR, "method": START + 5, "gone": START}
    assert sane(known, [CHANNEL, METHOD], START) == {"channel": START + HOUR + SECOND, "method": START + 5}


@quick
@given(st.integers(1, 5_000), st.integers(1, 5), st.lists(st.integers(0, 4_000), min_size=1, max_size=40))
def test_no_window_of_time_ever_has_more_turns_than_the_pace_allows(every: int, burst: int, gaps: list[int]) -> None:
    pace, known, now, times = Pace(name="p", every=every, burst=burst), dict[str, int](), START, list[int]()
    for gap in gaps:
        now += gap
        if turns([pace], known, now, 1):
            known = sent((pace,), known, now)
            times.append(now)
        else:
            assert ready_at([pace], known) > now
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + (times[last] - times[first]) // every


@quick
@given(st.integers(1, 5_000), st.integers(1, 5))
def test_who_waits_for_each_turn_gets_one_every_so_often_for_ever(every: int, burst: int) -> None:
    pace, known, now = Pace(name="p", every=every, burst=burst), dict[str, int](), START
    for _ in range(20):
        now = max(now, ready_at([pace], known))
        known = sent((pace,), known, now)
    assert now == START + every * (20 - burst)
