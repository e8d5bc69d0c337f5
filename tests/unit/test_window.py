"""So many records within so long a time: counted by when they were written, not by how or when they were read."""

from bisect import insort
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import DAY, HOUR, MINUTE, SECOND, quick
from watcher.core.window import LATE, SPARE, Moment, Reached, Window, reached, spread

WITHIN = 10 * MINUTE
moments = st.lists(st.tuples(st.integers(0, 40 * MINUTE), st.integers(1, 4)), min_size=1, max_size=14)


def ordered(*at: int) -> list[Moment]:
    return [(each, 1) for each in sorted(at)]


def filled(moments_: Iterable[Moment], within: int = WITHIN) -> Window:
    window = Window()
    for each in moments_:
        window.add([each], within=within)
    return window


def holds_until(times: Sequence[Moment], count: int, within: int) -> int | None:
    """By the definition: the last moment at which `count` had been written within the time before it."""
    ends = [first + within for first, _ in times if sum(n for at, n in times if first <= at <= first + within) >= count]
    return max(ends, default=None)


# ── so many, so close together ───────────────────────────────────────────────


def test_the_nth_record_within_the_window_makes_it_so_many() -> None:
    assert reached(ordered(0, MINUTE), 3, WITHIN, at=MINUTE) is None
    assert reached(ordered(0, MINUTE, 2 * MINUTE), 3, WITHIN, at=2 * MINUTE) == Reached(WITHIN, 3)


@pytest.mark.parametrize(("apart", "enough"), [(WITHIN - 1, True), (WITHIN, True), (WITHIN + 1, False)])
def test_records_that_are_as_far_apart_as_the_window_is_long_are_within_it(apart: int, enough: bool) -> None:
    assert (reached(ordered(0, apart), 2, WITHIN, at=apart) is not None) == enough


def test_a_hit_of_many_records_counts_as_many() -> None:
    assert reached([(0, 4)], 5, WITHIN, at=0) is None
    assert reached([(0, 4), (1, 1)], 5, WITHIN, at=1) == Reached(WITHIN, 5)


def test_it_holds_until_the_oldest_of_so_many_leaves_the_window() -> None:
    """Ten records a minute apart: when the third last is ten minutes old, there are fewer than three."""
    times = ordered(*range(0, 10 * MINUTE, MINUTE))

    assert reached(times, 3, WITHIN, at=9 * MINUTE) == Reached(7 * MINUTE + WITHIN, 10)


def test_the_number_that_is_shown_is_that_of_the_window_and_not_of_all() -> None:
    times = [*ordered(*range(0, 5 * MINUTE, MINUTE)), *ordered(HOUR, HOUR + 1, HOUR + 2)]

    assert reached(times, 3, WITHIN, at=HOUR + 2) == Reached(HOUR + WITHIN, 3)


def test_the_number_of_an_old_burst_that_is_read_late_is_its_own() -> None:
    times = [*ordered(*range(0, 5 * MINUTE, MINUTE)), (DAY, 1)]

    assert reached(times, 3, WITHIN, at=0) == Reached(WITHIN, 5)


def test_a_record_that_is_none_of_a_full_window_does_not_fill_it_again() -> None:
    """An old burst is no news because something was written an hour later, or before."""
    times = ordered(0, 1, 2, HOUR)

    assert reached(times, 3, WITHIN, at=HOUR) is None
    assert reached(ordered(0, HOUR, HOUR + 1, HOUR + 2), 3, WITHIN, at=0) is None


@quick
@given(moments, st.integers(1, 8), st.data())
def test_whatever_was_written_a_full_window_around_a_record_is_said_with_it_or_with_those_that_fill_it_without(
    found: list[Moment], count: int, data: st.DataObject
) -> None:
    times = sorted(found)
    at = data.draw(st.sampled_from(times))[0]

    answer = reached(times, count, WITHIN, at=at)

    around = [
        first
        for first, _ in times
        if first <= at <= first + WITHIN and sum(n for t, n in times if first <= t <= first + WITHIN) >= count
    ]
    if answer:
        assert around
        assert answer.counted >= count
    if around:
        others = [each for each, _ in times if abs(each - at) <= WITHIN]
        assert any(reached(times, count, WITHIN, at=each) for each in others)


@quick
@given(moments, st.integers(1, 8), st.randoms(use_true_random=False))
def test_the_order_in_which_records_arrive_decides_neither_whether_nor_how_long(
    found: list[Moment],
    count: int,
    shuffle: st.randoms,  # type: ignore[valid-type]  # hypothesis' own Random
) -> None:
    shuffle.shuffle(found)  # type: ignore[attr-defined]  # hypothesis' own Random
    window, until = Window(), None
    for each in found:
        window.add([each], within=WITHIN)
        answer = reached(window.times, count, WITHIN, at=each[0])
        if answer:
            until = max(until or 0, answer.until)

    assert until == holds_until(sorted(found), count, WITHIN)


# ── what is kept ─────────────────────────────────────────────────────────────


def test_records_may_be_read_from_the_newest_to_the_oldest_however_long_ago_they_were_written() -> None:
    """After two days of blindness a burst of yesterday is as good as one of today."""
    window = filled((at, 1) for at in (2 * DAY, DAY + 2, DAY + 1, DAY))

    assert reached(window.times, 3, WITHIN, at=DAY) == Reached(DAY + WITHIN, 3)


def test_a_window_that_is_always_full_does_not_grow() -> None:
    window = filled((at, 1) for at in range(0, 2 * DAY, 30 * SECOND))

    assert len(window.times) <= SPARE + (WITHIN + LATE) // (30 * SECOND) + 1
    assert window.times[-1][0] == 2 * DAY - 30 * SECOND


def test_what_still_may_be_in_a_window_with_late_records_is_never_forgotten() -> None:
    newest = 10 * HOUR
    crowd = [(newest - at * SECOND, 1) for at in range(3 * SPARE)]
    window = filled([(newest - LATE - WITHIN, 1), *crowd])

    assert (newest - LATE - WITHIN, 1) in window.times


# ── hits of many records ─────────────────────────────────────────────────────


def test_records_of_one_moment_stay_together() -> None:
    assert spread(5, 5, 100) == [(5, 100)]


@quick
@given(st.integers(0, HOUR), st.integers(1, DAY), st.integers(2, 5_000))
def test_none_is_lost_when_a_hit_is_spread_over_its_time(first: int, length: int, count: int) -> None:
    found = spread(first, first + length, count)

    assert sum(number for _, number in found) == count
    assert (found[0][0], found[-1][0]) == (first, first + length)
    assert found == sorted(found)
    assert all(number > 0 for _, number in found)


def test_twenty_records_of_two_hours_are_not_twenty_within_ten_minutes() -> None:
    """After a gap a page brings hours of records, and what is coalesced may be hours apart."""
    times: list[Moment] = []
    for each in spread(0, 2 * HOUR, 20):
        insort(times, each)

    assert not any(reached(times, 5, WITHIN, at=at) for at, _ in times)
    assert any(reached(times, 2, WITHIN, at=at) for at, _ in times)
